//! The side of `scripts/compare-hash` that is ours: for each file named on a line, seconds to decode and hash it and
//! the hash, as a worker does it and by the canonical pipeline on its red, green and blue.

use bulwark::core::media::sniff;
use bulwark::core::pdq;
use bulwark::core::raster::Raster;
use bulwark::io::media::trusted;
use std::collections::HashMap;
use std::io::BufRead as _;
use std::time::Instant;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

fn canonical(bytes: &[u8]) -> pdq::Hashed {
    let mut decoder = JpegDecoder::new(ZCursor::new(bytes));
    let rgb = decoder.decode().expect("whole");
    let (width, height) = decoder.dimensions().expect("decoded");
    pdq::hash(&Raster::new(width as u32, height as u32, rgb).expect("three channels"))
}

fn main() {
    if std::env::args().all(|argument| argument != "--lines") {
        // Run by itself, as all benchmarks are: there is nothing to compare with.
        println!("beside_hash: run scripts/compare-hash");
        return;
    }
    let mut files = HashMap::new();
    for path in std::io::stdin().lock().lines() {
        let path = path.expect("readable");
        let read = || std::fs::read(&path).expect("readable");
        let bytes: &Vec<u8> = files.entry(path.clone()).or_insert_with(read);
        assert_eq!(sniff(bytes), bulwark::core::media::Format::Jpeg, "{path}");
        let began = Instant::now();
        let (pictures, _) = trusted::pictures(bytes);
        let worker = began.elapsed().as_secs_f64();
        let began = Instant::now();
        let colours = canonical(bytes);
        let seconds = began.elapsed().as_secs_f64();
        let hash = hex::encode(pictures[0].hashes[0].to_bytes());
        let canonical = hex::encode(colours.hashes[0].to_bytes());
        println!("{worker:.6} {hash} {} {seconds:.6} {canonical}", pictures.len());
    }
}
