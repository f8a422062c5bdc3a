//! The entries of a layer as bytes.

use super::{Row, Rows, Shape};
use crate::core::bank::Effect;
use crate::core::encoding::{Decoder, Encoder, Malformed, Stopped, Word, holds};
use crate::core::id::EntryId;
use crate::core::matcher::sorted::Sorted;
use crate::core::verdict::Provenance;
use std::sync::Arc;

/// Bytes that a row takes.
const ROW_BYTES: usize = 18;
/// Bytes that the shortest provenance or shape takes.
const RECORD_BYTES_MIN: usize = 10;
/// Entries that are looked up to see whether the index by names is theirs.
const SAMPLES: usize = 4_096;

const fn code(effect: Effect) -> u8 {
    match effect {
        Effect::Absent => 0,
        Effect::Shadow => 1,
        Effect::HoldAtMost => 2,
        Effect::Full => 3,
    }
}

const fn effect_of(code: u8) -> Effect {
    match code {
        1 => Effect::Shadow,
        2 => Effect::HoldAtMost,
        3 => Effect::Full,
        _ => Effect::Absent,
    }
}

impl Word for Row {
    const BYTES: usize = ROW_BYTES;

    #[inline]
    fn write(self, to: &mut Vec<u8>) {
        for number in [self.bank, self.origin, self.shape, self.text_end] {
            number.write(to);
        }
        to.extend([self.name_len, code(self.effect)]);
    }

    #[inline]
    fn read(bytes: &[u8]) -> Self {
        let number = |at: usize| u32::read(&bytes[at * 4..]);
        Self {
            bank: number(0),
            origin: number(1),
            shape: number(2),
            text_end: number(3),
            name_len: bytes[16],
            effect: effect_of(bytes[17]),
        }
    }
}

impl Rows {
    /// Writes them, as they are.
    pub(in crate::core::matcher) fn write(&self, to: &mut Encoder<'_>) -> Result<(), Stopped> {
        to.count(self.origins.len())?;
        self.origins.iter().try_for_each(|origin| to.json(&**origin))?;
        to.count(self.shapes.len())?;
        self.shapes.iter().try_for_each(|shape| to.json(&**shape))?;
        to.bytes(&self.text)?;
        to.count(self.rows.len())?;
        to.words(&self.rows)?;
        self.by_name.write(to)
    }

    /// Reads what [`Self::write`] wrote.
    pub(in crate::core::matcher) fn read(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let count = from.count(RECORD_BYTES_MIN)?;
        let origins = from.records(count, |from| Ok(Arc::new(from.json::<Provenance>()?)))?;
        let count = from.count(RECORD_BYTES_MIN)?;
        let shapes = from.records(count, |from| Ok(Arc::new(from.json::<Shape>()?)))?;
        let text = from.bytes()?;
        let count = from.count(ROW_BYTES)?;
        holds(u32::try_from(count).is_ok(), "too many entries")?;
        let mut end = 0;
        let rows = from.list(count, |some: &[Row]| {
            some.iter().try_for_each(|row| {
                let texts = text.get(std::mem::replace(&mut end, row.text_end as usize)..end);
                let names = texts.and_then(|texts| texts.split_at_checked(row.name_len.into()));
                let (name, record) = names.ok_or(Malformed("an entry beyond the texts"))?;
                let good = std::str::from_utf8(name).is_ok_and(EntryId::is_well_formed)
                    && std::str::from_utf8(record).is_ok();
                holds(good, "a name that is none")?;
                let known = (row.origin as usize) < origins.len()
                    && (row.shape as usize) < shapes.len()
                    && row.effect != Effect::Absent;
                holds(known, "an entry of no origin, shape or effect")
            })
        })?;
        holds(end == text.len(), "texts of no entry")?;
        let by_name = Sorted::read(from, count)?;
        let rows = Self {
            rows: rows.into(),
            text: text.into(),
            origins: origins.into(),
            shapes: shapes.into(),
            by_name,
        };
        holds(rows.are_found(), "names under other numbers")?;
        Ok(rows)
    }

    /// Whether some of them are found by their names: an index made by other rules finds none.
    fn are_found(&self) -> bool {
        let step = self.len().div_ceil(SAMPLES).max(1);
        self.by_name.iter().count() == self.len()
            && (0..self.len() as u32).step_by(step).all(|number| {
                let seen = self.get(number);
                self.named(seen.bank, seen.name).any(|other| other == number)
            })
    }
}
