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

/// Thirty-two bits of bank and name.
fn hash(bank: u32, name: &str) -> u32 {
    let mut hasher = DefaultHasher::new();
    (bank, name).hash(&mut hasher);
    (hasher.finish() >> 32) as u32
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

    /// Numbers of the entries with this name in this bank, of which one at most is alive.
    pub(super) fn named<'r>(&'r self, bank: u32, name: &'r str) -> impl Iterator<Item = u32> + 'r {
        let likely = self.by_name.numbers_of(&hash(bank, name)).collect::<Vec<_>>();
        likely.into_iter().filter(move |number| {
            let seen = self.get(*number);
            seen.bank == bank && seen.name == name
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

/// The number of a thing among those seen so far.
fn number<T: std::hash::Hash + Eq>(known: &mut HashMap<Arc<T>, u32>, thing: &Arc<T>) -> u32 {
    if let Some(number) = known.get(thing) {
        return *number;
    }
    let number = known.len() as u32;
    known.insert(Arc::clone(thing), number);
    number
}

fn in_order<T>(known: HashMap<Arc<T>, u32>) -> Box<[Arc<T>]> {
    let mut list: Vec<_> = known.into_iter().collect();
    list.sort_unstable_by_key(|(_, number)| *number);
    list.into_iter().map(|(thing, _)| thing).collect()
}

impl Draft {
    /// Adds an entry and gives its number.
    pub(super) fn push(&mut self, seen: &Seen<'_>) -> u32 {
        let at = self.rows.len() as u32;
        self.text.extend_from_slice(seen.name.as_bytes());
        self.text.extend_from_slice(seen.record.as_bytes());
        self.rows.push(Row {
            bank: seen.bank,
            origin: number(&mut self.origins, seen.origin),
            shape: number(&mut self.shapes, seen.shape),
            text_end: self.text.len() as u32,
            name_len: seen.name.len() as u8,
            effect: seen.effect,
        });
        self.names.push((hash(seen.bank, seen.name), at));
        at
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
