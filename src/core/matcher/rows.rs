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
    span: Span,
}

/// Between what all names begin with, in the order of their bytes.
///
/// The service makes names that sort by time: whoever looks for a fresh one passes by a layer of older ones without
/// touching its index.
#[derive(Clone, Copy)]
pub(super) struct Span {
    first: u128,
    last: u128,
}

impl Default for Span {
    /// Of no names.
    fn default() -> Self {
        Self { first: u128::MAX, last: 0 }
    }
}

impl Span {
    /// What a name begins with.
    fn lead(name: &str) -> u128 {
        let mut lead = [0; 16];
        let len = name.len().min(lead.len());
        lead[..len].copy_from_slice(&name.as_bytes()[..len]);
        u128::from_be_bytes(lead)
    }

    /// Takes in a name.
    pub(super) fn take(&mut self, name: &str) {
        let lead = Self::lead(name);
        *self = self.and(Self { first: lead, last: lead });
    }

    /// Of two together.
    fn and(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), last: self.last.max(other.last) }
    }

    /// Whether a name of one may be a name of the other.
    pub(super) const fn meets(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
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

    /// Between which names theirs lie.
    pub(super) const fn span(&self) -> Span {
        self.span
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

/// An entry that is added.
pub(super) struct New<'e> {
    /// Its name in its bank.
    pub(super) name: &'e Name<'e>,
    /// How far it counts.
    pub(super) effect: Effect,
    /// Where it comes from.
    pub(super) provenance: &'e Provenance,
    /// Its signals by type, in the order of types.
    pub(super) shape: &'e Shape,
}

/// Things, each once, with their numbers.
struct Known<T> {
    numbers: HashMap<Arc<T>, u32>,
    list: Vec<Arc<T>>,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), list: Vec::new() }
    }
}

impl<T: std::hash::Hash + Eq> Known<T> {
    /// The number of a thing.
    fn number(&mut self, thing: &Arc<T>) -> u32 {
        *self.numbers.entry(Arc::clone(thing)).or_insert_with(|| {
            self.list.push(Arc::clone(thing));
            self.list.len() as u32 - 1
        })
    }

    /// The same for the thing at place `at` of another list, asked once for each place.
    fn renumbered(&mut self, list: &[Arc<T>], numbers: &mut [u32], at: u32) -> u32 {
        let place = &mut numbers[at as usize];
        if *place == GONE {
            *place = self.number(&list[at as usize]);
        }
        *place
    }
}

/// Rows in the making.
#[derive(Default)]
pub(super) struct Draft {
    rows: Vec<Row>,
    text: Vec<u8>,
    origins: Known<Provenance>,
    shapes: Known<Shape>,
    names: Vec<(u32, u32)>,
    span: Span,
}

/// In the place of the number of an entry that was not taken over.
pub(super) const GONE: u32 = u32::MAX;

/// Whether two entries come from the same place, whatever the source calls their records.
fn is_alike(one: &Provenance, other: &Provenance) -> bool {
    let Provenance {
        exchange,
        source_organisation,
        source_record: _,
        classification,
        tags,
        first_seen,
        confirmed_by_us,
        opinion,
    } = one;
    *exchange == other.exchange
        && *source_organisation == other.source_organisation
        && *classification == other.classification
        && *tags == other.tags
        && *first_seen == other.first_seen
        && *confirmed_by_us == other.confirmed_by_us
        && *opinion == other.opinion
}

impl Draft {
    /// Number of entries.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Adds an entry and gives its number.
    pub(super) fn push(&mut self, new: &New<'_>) -> u32 {
        let New { name: &Name { bank, name, hash }, effect, provenance, shape } = *new;
        let (origin, shape) = self.like_last(new).unwrap_or_else(|| {
            let origin = Provenance { source_record: String::new(), ..provenance.clone() };
            (self.origins.number(&Arc::new(origin)), self.shapes.number(&Arc::new(shape.clone())))
        });
        let row = Row { bank, origin, shape, effect, text_end: 0, name_len: 0 };
        self.span.take(name);
        self.add(row, name, &provenance.source_record, hash)
    }

    /// Numbers of origin and shape where the entry that was added last has the same: of a file or a source many have.
    fn like_last(&self, new: &New<'_>) -> Option<(u32, u32)> {
        let Row { origin, shape, .. } = *self.rows.last()?;
        let is_same = is_alike(&self.origins.list[origin as usize], new.provenance)
            && *self.shapes.list[shape as usize] == *new.shape;
        is_same.then_some((origin, shape))
    }

    fn add(&mut self, row: Row, name: &str, record: &str, hash: u32) -> u32 {
        let at = self.rows.len() as u32;
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(record.as_bytes());
        let (text_end, name_len) = (self.text.len() as u32, name.len() as u8);
        self.rows.push(Row { text_end, name_len, ..row });
        self.names.push((hash, at));
        at
    }

    /// Adds some entries of other rows; gives for each of those rows the entry's number here, or [`GONE`].
    pub(super) fn absorb(&mut self, rows: &Rows, some: impl Iterator<Item = u32>) -> Vec<u32> {
        // Names of entries that are not taken over only widen it.
        self.span = self.span.and(rows.span);
        let mut numbers = vec![GONE; rows.len()];
        let mut hashes = vec![0; rows.len()];
        for (hash, number) in rows.by_name.iter() {
            hashes[number as usize] = *hash;
        }
        let mut origins = vec![GONE; rows.origins.len()];
        let mut shapes = vec![GONE; rows.shapes.len()];
        for at in some {
            let (row, seen) = (&rows.rows[at as usize], rows.get(at));
            let origin = self.origins.renumbered(&rows.origins, &mut origins, row.origin);
            let shape = self.shapes.renumbered(&rows.shapes, &mut shapes, row.shape);
            let row = Row { origin, shape, ..*row };
            numbers[at as usize] = self.add(row, seen.name, seen.record, hashes[at as usize]);
        }
        numbers
    }

    /// The rows, as they stay.
    pub(super) fn finish(self) -> Rows {
        Rows {
            rows: self.rows.into(),
            text: self.text.into(),
            origins: self.origins.list.into(),
            shapes: self.shapes.list.into(),
            by_name: Sorted::over(self.names),
            span: self.span,
        }
    }
}
