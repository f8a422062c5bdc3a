//! What hashing a JPEG file costs from its coefficients, beside decoding it whole, in the same run.
//!
//! `HASH_SIDE_MAX=2000 cargo bench --bench coefficients` leaves larger pictures out; `-- --test` does so by itself.

mod drawn;

use bulwark::core::jpeg::Limits;
use bulwark::core::pdq;
use bulwark::core::raster::Raster;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use jpeg_encoder::SamplingFactor;
use std::hint::black_box;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Full HD, and a telephone's camera.
const SIZES: [(&str, u16, u16); 2] = [("1080p", 1920, 1080), ("12MP", 4000, 3000)];
const LIMITS: Limits = Limits { pixels_min: 0, pixels_max: 1 << 27, side_max: 1 << 14 };

fn side_max() -> u16 {
    let smoke = std::env::args().any(|argument| argument == "--test");
    let set = std::env::var("HASH_SIDE_MAX").ok().and_then(|text| text.parse().ok());
    set.unwrap_or(if smoke { 2000 } else { u16::MAX })
}

fn decoded(bytes: &[u8]) -> Raster {
    let options = DecoderOptions::default().set_strict_mode(true);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let pixels = decoder.decode().expect("whole");
    let (width, height) = decoder.dimensions().expect("decoded");
    Raster::new(width as u32, height as u32, pixels).expect("decoded to size")
}

fn coefficients(c: &mut Criterion) {
    for (name, width, height) in SIZES {
        if width.max(height) > side_max() {
            continue;
        }
        let rgb = drawn::draw(&drawn::KINDS[0], width, height, 1);
        for quality in [75, 90] {
            let sampling = Some(SamplingFactor::R_4_2_0);
            let bytes = drawn::encode(&rgb, width, height, quality, sampling);
            if let Some(folder) = std::env::var_os("HASH_KEEP") {
                let path = std::path::Path::new(&folder).join(format!("{name}-{quality}.jpg"));
                std::fs::write(path, &bytes).expect("kept");
            }
            let name = format!("{name}, quality {quality}, {} KB", bytes.len() / 1000);
            let whole = pdq::hash(&decoded(&bytes));
            let coarse = pdq::hash_coefficients(&bytes, 1, LIMITS).expect("usual").stored;
            let words = coarse.hashes[0].0.iter().zip(whole.hashes[0].0);
            let apart: u32 = words.map(|(a, b)| (a ^ b).count_ones()).sum();
            eprintln!("{name}: {apart} bits apart, PDQ quality {}", whole.quality);
            let mut group = c.benchmark_group("jpeg");
            group.sample_size(20);
            group.bench_with_input(BenchmarkId::new("coefficients", &name), &bytes, |b, bytes| {
                b.iter(|| pdq::hash_coefficients(black_box(bytes), 1, LIMITS));
            });
            group.bench_with_input(BenchmarkId::new("decode", &name), &bytes, |b, bytes| {
                b.iter(|| decoded(black_box(bytes)));
            });
            group.bench_with_input(
                BenchmarkId::new("decode_and_hash", &name),
                &bytes,
                |b, bytes| {
                    b.iter(|| pdq::hash(&decoded(black_box(bytes))));
                },
            );
            group.finish();
        }
    }
}

criterion_group!(benches, coefficients);
criterion_main!(benches);
