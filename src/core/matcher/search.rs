//! Searching: which entries a signal is equal or near to, and which video an entry is.

use crate::core::bank::SignalRule;
use crate::core::hamming::Scratch;
use crate::core::id::{BankId, EntryId};
use crate::core::matcher::Matcher;
use crate::core::matcher::hit::{Hit, Query, rule_of};
use crate::core::matcher::layer::Layer;
use crate::core::matcher::perceptual::Hash;
use crate::core::matcher::rows::Name;
use crate::core::signal::{Bits256, Signal, SignalType};
use crate::core::video::track::Track;

impl Matcher {
    /// Every entry that the query is equal or near to, in each enabled bank by the bank's own rule; nearest first, then by
    /// bank and entry. A query or an entry below a bank's quality is not matched there. A picture is compared with frames of
    /// videos, too, and a frame with pictures, where the rule of what is listed says so; of each video the nearest frame
    /// is told.
    #[must_use]
    pub fn search(&self, query: Query<'_>, scratch: &mut Scratch) -> Vec<Hit<'_>> {
        let kind = query.signal.kind();
        let mut hits = Vec::new();
        match query.signal {
            Signal::Pdq(bits) | Signal::VpdqFrame(bits) => {
                for listed in [SignalType::Pdq, SignalType::VpdqFrame] {
                    self.near(bits, query.quality, &kind, &listed, scratch, &mut hits);
                }
            }
            exact => {
                for layer in &self.layers {
                    let found = |entry| {
                        hits.extend(self.hit(layer, [query.quality, None], &kind, &kind, 0, entry))
                    };
                    match exact {
                        Signal::Md5(value) => layer.md5.numbers_of(value).for_each(found),
                        Signal::Sha1(value) => layer.sha1.numbers_of(value).for_each(found),
                        Signal::Sha256(value) => layer.sha256.numbers_of(value).for_each(found),
                        other => layer.opaque.numbers_of(other).for_each(found),
                    }
                }
            }
        }
        hits.sort_by(Hit::order);
        hits
    }

    /// Adds the entries with a hash of type `listed` that the value of type `sought` is near to.
    fn near<'m>(
        &'m self,
        bits: &Bits256,
        quality: Option<u32>,
        sought: &SignalType,
        listed: &SignalType,
        scratch: &mut Scratch,
        hits: &mut Vec<Hit<'m>>,
    ) {
        let rules = self.enabled().filter_map(|shelf| rule_of(&shelf.bank, sought, listed));
        let Some(radius) = rules.map(SignalRule::distance_max).max() else { return };
        for layer in &self.layers {
            if *listed == SignalType::Pdq {
                layer.pictures.search(bits, radius, scratch, |distance, hash| {
                    let qualities = [quality, hash.quality.map(u32::from)];
                    hits.extend(self.hit(layer, qualities, sought, listed, distance, hash.entry));
                });
                continue;
            }
            let mut near: Vec<(u32, u32, Hash)> = Vec::new();
            layer.frames.search(bits, radius, scratch, |distance, hash| {
                near.push((hash.entry, distance, hash));
            });
            near.sort_unstable();
            for frames in near.chunk_by(|one, next| one.0 == next.0) {
                // A frame of too little quality may lie nearer than one that counts.
                let mut frames = frames.iter();
                let nearest = frames.find_map(|(entry, distance, hash)| {
                    let qualities = [quality, hash.quality.map(u32::from)];
                    self.hit(layer, qualities, sought, listed, *distance, *entry)
                });
                hits.extend(nearest);
            }
        }
    }

    fn hit(
        &self,
        layer: &Layer,
        qualities: [Option<u32>; 2],
        sought: &SignalType,
        listed: &SignalType,
        distance: u32,
        entry: u32,
    ) -> Option<Hit<'_>> {
        if !layer.ends.is_alive(entry, self.sequence) {
            return None;
        }
        let seen = layer.rows.get(entry);
        let bank = &self.shelves.get(seen.bank as usize)?.as_deref()?.bank;
        let rule = rule_of(bank, sought, listed).filter(|_| bank.enabled)?;
        if qualities.iter().flatten().any(|quality| *quality < rule.quality_min) {
            return None;
        }
        Some(Hit {
            bank,
            entry: seen.id()?,
            kind: listed.clone(),
            distance,
            distance_max: rule.distance_max(),
            disposition: rule.disposition_at(distance)?,
            effect: seen.effect,
            provenance: seen.provenance(),
        })
    }

    /// The video of an entry that has not ended; nothing where the entry has no frames or is not here.
    #[must_use]
    pub fn track(&self, bank: &BankId, entry: &EntryId) -> Option<Track> {
        let name = Name::of(*self.numbers.get(bank)?, entry.as_str());
        // As this picture of the matcher sees it: the entry may have ended since.
        let is_alive = |layer: &Layer, entry: &u32| layer.ends.is_alive(*entry, self.sequence);
        let found = self.layers.iter().find_map(|layer| {
            Some((layer, layer.rows.named(&name).find(|entry| is_alive(layer, entry))?))
        });
        let (layer, entry) = found?;
        Some(layer.frames.track(entry)).filter(|track| !track.frames().is_empty())
    }
}
