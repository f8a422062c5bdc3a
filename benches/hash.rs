//! What hashing a picture costs, beside the crate `pdqhash` on the same pixels in the same run.
//!
//! `HASH_SIDE_MAX=1000 cargo bench --bench hash` leaves larger pictures out; `-- --test` does so by itself.

use bulwark::core::pdq;
use bulwark::core::raster::Raster;
use bulwark::io::media::trusted;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pdqhash::image as other;
use std::hint::black_box;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

/// Common sizes: what many services scale uploads to, full HD, a telephone's camera.
const SIZES: [(&str, u32, u32); 3] =
    [("512x512", 512, 512), ("1080p", 1920, 1080), ("12MP", 4000, 3000)];

fn side_max() -> u32 {
    let smoke = std::env::args().any(|argument| argument == "--test");
    let set = std::env::var("HASH_SIDE_MAX").ok().and_then(|text| text.parse().ok());
    set.unwrap_or(if smoke { 512 } else { u32::MAX })
}

/// Bytes of a picture with shapes of many sizes in it.
fn drawn(width: u32, height: u32) -> Vec<u8> {
    let mut rgb = Vec::with_capacity((width * height * 3) as usize);
    for y in 0..height {
        for x in 0..width {
            let (u, v) = (x * 1024 / width, y * 1024 / height);
            let rings = (u * u + v * v) / 2048 % 256;
            let tiles = ((u / 97 + v / 61) % 5) * 50;
            rgb.extend([rings as u8, tiles as u8, ((u ^ v) & 255) as u8]);
        }
    }
    rgb
}

fn picture(c: &mut Criterion) {
    for (name, width, height) in SIZES {
        if width.max(height) > side_max() {
            continue;
        }
        let rgb = drawn(width, height);
        let raster = Raster::new(width, height, rgb.clone()).expect("drawn to size");
        let luma = raster.luma();
        let bytes = luma.values().iter().map(|luma| luma.round() as u8).collect();
        let grey = Raster::grey(width, height, bytes).expect("as large");
        let peer = other::RgbImage::from_raw(width, height, rgb).expect("drawn to size");
        let peer = other::DynamicImage::ImageRgb8(peer);
        let mut group = c.benchmark_group("hash");
        group.throughput(Throughput::Elements(u64::from(width) * u64::from(height)));
        group.sample_size(10);
        group.bench_with_input(BenchmarkId::new("luma", name), &raster, |b, raster| {
            b.iter(|| black_box(raster).luma());
        });
        group.bench_with_input(BenchmarkId::new("eight_from_luma", name), &luma, |b, luma| {
            b.iter(|| pdq::hash(black_box(luma)));
        });
        group.bench_with_input(BenchmarkId::new("eight_from_rgb", name), &raster, |b, raster| {
            b.iter(|| pdq::hash(black_box(raster)));
        });
        group.bench_with_input(BenchmarkId::new("one_from_rgb", name), &raster, |b, raster| {
            b.iter(|| pdq::hash_one(black_box(raster)));
        });
        group.bench_with_input(
            BenchmarkId::new("eight_512_from_rgb", name),
            &raster,
            |b, raster| {
                b.iter(|| pdq::hash_512(black_box(raster)));
            },
        );
        group.bench_with_input(BenchmarkId::new("eight_turned", name), &raster, |b, raster| {
            b.iter(|| pdq::hash_turning(black_box(raster)));
        });
        group.bench_with_input(
            BenchmarkId::new("eight_freely_from_luma", name),
            &luma,
            |b, luma| {
                b.iter(|| pdq::hash_freely(black_box(luma)));
            },
        );
        group.bench_with_input(
            BenchmarkId::new("eight_freely_from_bytes", name),
            &grey,
            |b, grey| {
                b.iter(|| pdq::hash_freely(black_box(grey)));
            },
        );
        group.bench_with_input(BenchmarkId::new("pdqhash_one_from_rgb", name), &peer, |b, peer| {
            b.iter(|| pdqhash::generate_pdq_full_size(black_box(peer)));
        });
        group.finish();
    }
}

/// From the bytes of a JPEG of quality 85: as a worker does it, by way of red, green and blue, and as the peer does it with
/// the same decoder.
fn jpeg(c: &mut Criterion) {
    for (name, width, height) in SIZES {
        if width.max(height) > side_max() {
            continue;
        }
        let mut bytes = Vec::new();
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 85)
            .encode(&drawn(width, height), width, height, image::ExtendedColorType::Rgb8)
            .expect("drawn to size");
        let decoded = || {
            let mut decoder = JpegDecoder::new(ZCursor::new(&bytes));
            decoder.decode().expect("whole")
        };
        let mut group = c.benchmark_group("jpeg");
        group.throughput(Throughput::Elements(u64::from(width) * u64::from(height)));
        group.sample_size(10);
        group.bench_function(BenchmarkId::new("eight", name), |b| {
            b.iter(|| trusted::pictures(black_box(&bytes)));
        });
        group.bench_function(BenchmarkId::new("eight_by_colours", name), |b| {
            b.iter(|| pdq::hash(&Raster::new(width, height, decoded()).expect("as large")));
        });
        group.bench_function(BenchmarkId::new("pdqhash_one", name), |b| {
            b.iter(|| {
                let picture = other::RgbImage::from_raw(width, height, decoded());
                let picture = other::DynamicImage::ImageRgb8(picture.expect("as large"));
                pdqhash::generate_pdq_full_size(&picture)
            });
        });
        group.finish();
    }
}

criterion_group!(benches, picture, jpeg);
criterion_main!(benches);
