//! How far hashes from coefficients are from those of all pixels: prints the table of `docs/decisions/0012-coefficients.md`.
//!
//! `cargo bench --bench differences` takes some minutes; with `-- --test` only the smallest pictures are drawn.

mod drawn;

use bulwark::core::jpeg::Limits;
use bulwark::core::pdq::{self, Hashed};
use bulwark::core::raster::Raster;
use drawn::KINDS;
use jpeg_encoder::SamplingFactor;
use pdqhash::image as other;
use std::collections::BTreeMap;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

const SIZES: [(u16, u16); 6] =
    [(1216, 880), (1080, 1920), (1920, 1080), (2601, 1403), (3000, 2001), (4000, 3000)];
const QUALITIES: [u8; 5] = [30, 50, 75, 90, 100];
const SAMPLINGS: [Option<SamplingFactor>; 5] = [
    Some(SamplingFactor::R_4_2_0),
    Some(SamplingFactor::R_4_2_2),
    Some(SamplingFactor::R_4_4_0),
    Some(SamplingFactor::R_4_4_4),
    None,
];
const LIMITS: Limits = Limits { pixels_min: 0, pixels_max: 1 << 27, side_max: 1 << 14 };

/// Upper ends of the columns.
const ENDS: [u32; 8] = [0, 1, 2, 4, 6, 10, 16, 256];

/// Pictures by their distance.
#[derive(Default, Clone)]
struct Histogram {
    counts: BTreeMap<u32, u32>,
}

impl Histogram {
    fn count(&mut self, apart: u32) {
        *self.counts.entry(apart).or_default() += 1;
    }

    fn print(&self, name: &str) {
        let all: u32 = self.counts.values().sum();
        let mut from = 0;
        let columns = ENDS.map(|end| {
            let count: u32 = self.counts.range(from..=end).map(|(_, count)| count).sum();
            from = end + 1;
            count.to_string()
        });
        let most = self.counts.keys().next_back().map_or_else(String::new, u32::to_string);
        println!("| {name} | {all} | {} | {most} |", columns.join(" | "));
    }
}

fn decoded(bytes: &[u8], grey: bool) -> Raster {
    let colours = if grey { ColorSpace::Luma } else { ColorSpace::RGB };
    let options = DecoderOptions::default().set_strict_mode(true).jpeg_set_out_colorspace(colours);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let pixels = decoder.decode().expect("whole");
    let (width, height) = decoder.dimensions().expect("decoded");
    let made = if grey { Raster::grey } else { Raster::new };
    made(width as u32, height as u32, pixels).expect("decoded to size")
}

/// The same by another decoder.
fn decoded_by_another(bytes: &[u8], grey: bool) -> Raster {
    let picture = other::load_from_memory(bytes).expect("whole");
    let (width, height, values) = if grey {
        let picture = picture.to_luma8();
        (picture.width(), picture.height(), picture.into_raw())
    } else {
        let picture = picture.to_rgb8();
        (picture.width(), picture.height(), picture.into_raw())
    };
    let made = if grey { Raster::grey } else { Raster::new };
    made(width, height, values).expect("decoded to size")
}

fn apart(a: &Hashed, b: &Hashed) -> u32 {
    let words = a.hashes[0].0.iter().zip(b.hashes[0].0);
    words.map(|(a, b)| (a ^ b).count_ones()).sum()
}

fn main() {
    let smoke = std::env::args().any(|argument| argument == "--test");
    let sizes = if smoke { &SIZES[..1] } else { &SIZES[..] };
    let qualities = if smoke { &QUALITIES[2..3] } else { &QUALITIES[..] };
    let kinds = if smoke { &KINDS[..2] } else { &KINDS[..] };
    let mut rows: Vec<(String, Histogram)> = Vec::new();
    let mut add = |row: &str, apart: u32| {
        let place = rows.iter().position(|(name, _)| name == row).unwrap_or_else(|| {
            rows.push((row.to_owned(), Histogram::default()));
            rows.len() - 1
        });
        rows[place].1.count(apart);
    };
    let (mut not_this_way, mut bordered, mut trimmed) = (0, 0, 0);
    for (number, kind) in kinds.iter().enumerate() {
        for (size, &(width, height)) in sizes.iter().enumerate() {
            let rgb = drawn::draw(kind, width, height, (number * 10 + size) as u64);
            let plain = Raster::new(u32::from(width), u32::from(height), rgb.clone());
            let plain = pdq::hash(&plain.expect("drawn to size"));
            for &quality in qualities {
                for sampling in SAMPLINGS {
                    let bytes = drawn::encode(&rgb, width, height, quality, sampling);
                    let raster = decoded(&bytes, sampling.is_none());
                    let whole = pdq::hash(&raster);
                    let Ok(coarse) = pdq::hash_coefficients(&bytes, 1, LIMITS) else {
                        not_this_way += 1;
                        continue;
                    };
                    let (may_be, is) =
                        (coarse.edges.may_be_border(12), raster.view().trimmed(12).is_some());
                    assert!(may_be || !is, "no border is missed");
                    (bordered, trimmed) = (bordered + u32::from(may_be), trimmed + u32::from(is));
                    let apart_now = apart(&coarse.stored, &whole);
                    match whole.quality {
                        80.. => add("all, PDQ quality 80 and above", apart_now),
                        50.. => add("all, PDQ quality 50 to 79", apart_now),
                        _ => {
                            add("all, PDQ quality below 50", apart_now);
                            continue;
                        }
                    }
                    let another = pdq::hash(&decoded_by_another(&bytes, sampling.is_none()));
                    add(kind.0, apart_now);
                    add(&format!("{}, two decoders", kind.0), apart(&another, &whole));
                    add("all, two decoders", apart(&another, &whole));
                    add(&format!("JPEG quality {quality}"), apart_now);
                    add(&format!("{width} × {height}"), apart_now);
                    add(&sampling.map_or_else(|| "grey".into(), |s| format!("{s:?}")), apart_now);
                    if sampling.is_some() {
                        add("all, before and after JPEG", apart(&plain, &whole));
                    }
                }
            }
        }
    }
    rows.sort_by_key(|(name, _)| !name.starts_with("all,"));
    println!(
        "| pictures | number | 0 | 1 | 2 | 3 to 4 | 5 to 6 | 7 to 10 | 11 to 16 | more | most |"
    );
    println!("|---|{}", "---|".repeat(10));
    rows.iter().for_each(|(name, histogram)| histogram.print(name));
    println!(
        "\nnot read this way: {not_this_way}; may have a border: {bordered}, of which {trimmed} have"
    );
}
