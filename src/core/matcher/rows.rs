//! The entries of a layer: of which bank, under which name, how far they count and where they come from.

mod written;

use crate::core::bank::Effect;
use crate::core::id::EntryId;
use crate::core::matcher::sorted::Sorted;
use crate::core::signal::SignalType;
use crate::core::verdict::Provenance;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

/// How many matchable signals of each type an entry has.
pub(super) type Shape = Vec<(SignalType, u64)>;

/// One entry, without its texts.
#[derive(Clone, Copy)]
struct Row {
    bank: u32,
    /// Which of the layer's provenances it has, but for the source's name of the record.
    origin: u32,
    /// Which of the layer's shapes.
    shape: u32,
    /// Where its texts end in those of the layer: its name, then the source's name of the record.
    text_end: u32,
    name_len: u8,
    effect: Effect,
}

/// The entries of a layer, by number.
pub(super) struct Rows {
    rows: Box<[Row]>,
    text: Box<[u8]>,
    origins: Box<[Arc<Provenance>]>,
    shapes: Box<[Arc<Shape>]>,
    /// The numbers by a hash of bank and name.
    by_name: Sorted<u32>,
}

/// What a layer knows of an entry.
pub(super) struct Seen<'r> {
    /// Number of its bank.
    pub(super) bank: u32,
    /// How far it counts.
    pub(super) effect: Effect,
    /// Its name.
    pub(super) name: &'r str,
    /// The source's name of the record.
    pub(super) record: &'r str,
    /// Where it comes from, but for the source's name of the record.
    pub(super) origin: &'r Arc<Provenance>,
    /// Its signals by type.
    pub(super) shape: &'r Arc<Shape>,
}

impl Seen<'_> {
    /// Its name, as others use it.
    pub(super) fn id(&self) -> Option<EntryId> {
        EntryId::parse(self.name).ok()
    }

    /// Where it comes from.
    pub(super) fn provenance(&self) -> Provenance {
        Provenance { source_record: self.record.to_owned(), ..(**self.origin).clone() }
    }
}

/// What an entry is looked for by.
pub(super) struct Name<'n> {
    bank: u32,
    name: &'n str,
    /// Thirty-two bits of both.
    hash: u32,
}

impl<'n> Name<'n> {
    /// A name in the bank of this number.
    pub(super) fn of(bank: u32, name: &'n str) -> Self {
        let mut hasher = DefaultHasher::new();
        (bank, name).hash(&mut hasher);
        Self { bank, name, hash: (hasher.finish() >> 32) as u32 }
    }
}

impl Rows {
    /// Number of entries.
    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// The entry with this number.
    pub(super) fn get(&self, number: u32) -> Seen<'_> {
        let at = number as usize;
        let row = &self.rows[at];
        let start = at.checked_sub(1).map_or(0, |before| self.rows[before].text_end as usize);
        let text = &self.text[start..row.text_end as usize];
        let (name, record) = text.split_at(usize::from(row.name_len));
        // Both were texts when they were put together.
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
        Seen {
            bank: row.bank,
            effect: row.effect,
            name: text(name),
            record: text(record),
            origin: &self.origins[row.origin as usize],
            shape: &self.shapes[row.shape as usize],
        }
    }

    /// Numbers of the entries with this name in its bank, of which one at most is alive.
    pub(super) fn named(&self, name: &Name<'_>) -> impl Iterator<Item = u32> {
        self.by_name.numbers_of(&name.hash).filter(|number| {
            let seen = self.get(*number);
            seen.bank == name.bank && seen.name == name.name
        })
    }

    /// Number of the bank of an entry.
    pub(super) fn bank_of(&self, number: u32) -> u32 {
        self.rows[number as usize].bank
    }

    /// Bytes of all texts.
    pub(super) const fn text_bytes(&self) -> usize {
        self.text.len()
    }
}

/// Rows in the making.
#[derive(Default)]
pub(super) struct Draft {
    rows: Vec<Row>,
    text: Vec<u8>,
    origins: HashMap<Arc<Provenance>, u32>,
    shapes: HashMap<Arc<Shape>, u32>,
    names: Vec<(u32, u32)>,
}

/// In the place of the number of an entry that was not taken over.
pub(super) const GONE: u32 = u32::MAX;

/// The number of a thing among those seen so far.
fn number<T: std::hash::Hash + Eq>(known: &mut HashMap<Arc<T>, u32>, thing: &Arc<T>) -> u32 {
    if let Some(number) = known.get(thing) {
        return *number;
    }
    let number = known.len() as u32;
    known.insert(Arc::clone(thing), number);
    number
}

/// The same for the thing at place `at` of `list`, asked once for each place.
fn renumbered<T: std::hash::Hash + Eq>(
    known: &mut HashMap<Arc<T>, u32>,
    list: &[Arc<T>],
    numbers: &mut [u32],
    at: u32,
) -> u32 {
    let place = &mut numbers[at as usize];
    if *place == GONE {
        *place = number(known, &list[at as usize]);
    }
    *place
}

fn in_order<T>(known: HashMap<Arc<T>, u32>) -> Box<[Arc<T>]> {
    let mut list: Vec<_> = known.into_iter().collect();
    list.sort_unstable_by_key(|(_, number)| *number);
    list.into_iter().map(|(thing, _)| thing).collect()
}

impl Draft {
    /// Number of entries.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Adds an entry and gives its number.
    pub(super) fn push(&mut self, seen: &Seen<'_>) -> u32 {
        let origin = number(&mut self.origins, seen.origin);
        let shape = number(&mut self.shapes, seen.shape);
        let hash = Name::of(seen.bank, seen.name).hash;
        self.add(seen, origin, shape, hash)
    }

    fn add(&mut self, seen: &Seen<'_>, origin: u32, shape: u32, hash: u32) -> u32 {
        let at = self.rows.len() as u32;
        self.text.extend_from_slice(seen.name.as_bytes());
        self.text.extend_from_slice(seen.record.as_bytes());
        self.rows.push(Row {
            bank: seen.bank,
            origin,
            shape,
            text_end: self.text.len() as u32,
            name_len: seen.name.len() as u8,
            effect: seen.effect,
        });
        self.names.push((hash, at));
        at
    }

    /// Adds some entries of other rows; gives for each of those rows the entry's number here, or [`GONE`].
    pub(super) fn absorb(&mut self, rows: &Rows, some: impl Iterator<Item = u32>) -> Vec<u32> {
        let mut numbers = vec![GONE; rows.len()];
        let mut hashes = vec![0; rows.len()];
        for (hash, number) in rows.by_name.iter() {
            hashes[number as usize] = *hash;
        }
        let mut origins = vec![GONE; rows.origins.len()];
        let mut shapes = vec![GONE; rows.shapes.len()];
        for at in some {
            let (row, seen) = (&rows.rows[at as usize], rows.get(at));
            let origin = renumbered(&mut self.origins, &rows.origins, &mut origins, row.origin);
            let shape = renumbered(&mut self.shapes, &rows.shapes, &mut shapes, row.shape);
            numbers[at as usize] = self.add(&seen, origin, shape, hashes[at as usize]);
        }
        numbers
    }

    /// The rows, as they stay.
    pub(super) fn finish(self) -> Rows {
        Rows {
            rows: self.rows.into(),
            text: self.text.into(),
            origins: in_order(self.origins),
            shapes: in_order(self.shapes),
            by_name: Sorted::over(self.names),
        }
    }
}
