//! What the matcher holds, as a sum: the same for matchers that find the same, however their layers lie.

use super::frames::FrameHash;
use super::layer::Layer;
use super::{Matcher, Shelf};
use crate::core::signal::Signal;
use crate::core::sum::Sum;
use serde::Serialize;

/// What exact values have for a quality.
const NO_QUALITY: Option<u8> = None;

impl Matcher {
    /// Adds everything that is matched against in a scope: matchers that find the same add the same. Takes some
    /// microseconds for each signal.
    pub fn sum(&self, scope: &str, sum: &mut Sum) {
        for shelf in self.all() {
            let Shelf { bank, number, silent, counts, .. } = shelf;
            sum.add_record("bank", scope, &(bank, number, counts.iter().collect::<Vec<_>>()));
            for entry in silent {
                let (bank, entry) = (bank.id.as_str(), entry.as_str());
                sum.add(&[b"silent", scope.as_bytes(), bank.as_bytes(), entry.as_bytes()]);
            }
        }
        for layer in &self.layers {
            let of = Of { matcher: self, layer, scope };
            for hash in layer.pictures.iter() {
                of.add(sum, &Signal::Pdq(hash.bits), hash.entry, hash.quality);
            }
            for FrameHash { entry, at, hash } in layer.frames.iter() {
                of.add(sum, &Signal::VpdqFrame(hash.bits), entry, (hash.quality, at));
            }
            layer
                .md5
                .iter()
                .for_each(|(key, entry)| of.add(sum, &Signal::Md5(*key), entry, NO_QUALITY));
            layer
                .sha1
                .iter()
                .for_each(|(key, entry)| of.add(sum, &Signal::Sha1(*key), entry, NO_QUALITY));
            layer
                .sha256
                .iter()
                .for_each(|(key, entry)| of.add(sum, &Signal::Sha256(*key), entry, NO_QUALITY));
            layer.opaque.iter().for_each(|(key, entry)| of.add(sum, key, entry, NO_QUALITY));
        }
    }
}

/// Where a signal belongs.
struct Of<'a> {
    matcher: &'a Matcher,
    layer: &'a Layer,
    scope: &'a str,
}

impl Of<'_> {
    /// Adds a signal of an entry that has not ended and whose bank is there.
    fn add(&self, sum: &mut Sum, signal: &Signal, entry: u32, quality: impl Serialize) {
        if !self.layer.ends.is_alive(entry, self.matcher.sequence) {
            return;
        }
        let seen = self.layer.rows.get(entry);
        let shelf = self.matcher.shelves.get(seen.bank as usize).and_then(Option::as_deref);
        let Some(shelf) = shelf else { return };
        let (bank, name) = (shelf.bank.id.as_str(), seen.name);
        let record = (bank, name, signal, quality, seen.effect as u8, seen.provenance());
        sum.add_record("signal", self.scope, &record);
    }
}
