//! The rule against a model without cleverness, and case by case.

mod laws;
mod cases;
mod still;

use super::*;
use crate::core::signal::Bits256;
use crate::core::video::track::{Frame, Track};

/// A frame of a query that owns its hashes.
#[derive(Debug, Clone)]
struct Seen {
    at: u32,
    quality: u8,
    hashes: Vec<Bits256>,
}

fn sightings(seen: &[Seen]) -> Vec<Sighting<'_>> {
    let mut all = Vec::new();
    for Seen { at, quality, hashes } in seen {
        all.push(Sighting { at: *at, quality: *quality, hashes });
    }
    all
}

fn ask(seen: &[Seen], listed: &[Frame]) -> Compared {
    compare(&sightings(seen), &track(listed), &Rule::default())
}

fn track(frames: &[Frame]) -> Track {
    Track::new(frames.to_vec()).unwrap()
}

/// A query of frames as they stand, all of them so much later.
fn shown(frames: &[Frame], later_millis: u32) -> Vec<Seen> {
    let seen = |frame: &Frame| Seen {
        at: frame.at + later_millis,
        quality: frame.quality,
        hashes: vec![frame.bits],
    };
    frames.iter().map(seen).collect()
}
