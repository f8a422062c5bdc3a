//! The entries of a layer as bytes.

use super::{Name, Row, Rows, Shape, Span};
use crate::core::bank::Effect;
use crate::core::encoding::{Decoder, Encoder, Malformed, Stopped, Word, holds};
use crate::core::id::EntryId;
use crate::core::matcher::sorted::Sorted;
use crate::core::opinion::Merged;
use crate::core::time::Time;
use crate::core::verdict::Provenance;
use std::sync::Arc;

/// Bytes that a row takes.
const ROW_BYTES: usize = 18;
/// Bytes that the shortest provenance takes.
const ORIGIN_BYTES_MIN: usize = 50;
/// Bytes that the shortest shape takes.
const SHAPE_BYTES_MIN: usize = 10;
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

/// Writes where an entry comes from. There may be as many as entries: they are not JSON.
fn write_origin(origin: &Provenance, to: &mut Encoder<'_>) -> Result<(), Stopped> {
    let Provenance {
        exchange,
        source_organisation,
        source_record,
        classification,
        tags,
        first_seen,
        confirmed_by_us,
        opinion,
    } = origin;
    for text in [exchange, source_organisation, source_record, classification] {
        to.text(text)?;
    }
    to.count(tags.len())?;
    tags.iter().try_for_each(|tag| to.text(tag))?;
    to.word(first_seen.millis().cast_unsigned())?;
    to.word(u8::from(*confirmed_by_us))?;
    to.word(opinion_code(*opinion))
}

const fn opinion_code(opinion: Option<Merged>) -> u8 {
    match opinion {
        None => 0,
        Some(Merged::Negative) => 1,
        Some(Merged::Seed) => 2,
        Some(Merged::Positive) => 3,
        Some(Merged::Disputed) => 4,
    }
}

fn read_origin(from: &mut Decoder<'_>) -> Result<Provenance, Malformed> {
    Ok(Provenance {
        exchange: from.text()?,
        source_organisation: from.text()?,
        source_record: from.text()?,
        classification: from.text()?,
        tags: {
            let count = from.count(8)?;
            from.records(count, Decoder::text)?
        },
        first_seen: Time::from_millis(from.word::<u64>()?.cast_signed()),
        confirmed_by_us: match from.word()? {
            0_u8 => false,
            1 => true,
            _ => return Err(Malformed("neither yes nor no")),
        },
        opinion: match from.word()? {
            0_u8 => None,
            1 => Some(Merged::Negative),
            2 => Some(Merged::Seed),
            3 => Some(Merged::Positive),
            4 => Some(Merged::Disputed),
            _ => return Err(Malformed("not what opinions come to")),
        },
    })
}

impl Rows {
    /// Writes them, as they are.
    pub fn write(&self, to: &mut Encoder<'_>) -> Result<(), Stopped> {
        to.count(self.origins.len())?;
        self.origins.iter().try_for_each(|origin| write_origin(origin, to))?;
        to.count(self.shapes.len())?;
        self.shapes.iter().try_for_each(|shape| to.json(&**shape))?;
        to.bytes(&self.text)?;
        to.count(self.rows.len())?;
        to.words(&self.rows)?;
        self.by_name.write(to)
    }

    /// Reads what [`Self::write`] wrote.
    pub fn read(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let count = from.count(ORIGIN_BYTES_MIN)?;
        let origins = from.records(count, |from| Ok(Arc::new(read_origin(from)?)))?;
        let count = from.count(SHAPE_BYTES_MIN)?;
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
        let mut rows = Self {
            span: Span::default(),
            rows: rows.into(),
            text: text.into(),
            origins: origins.into(),
            shapes: shapes.into(),
            by_name,
        };
        rows.span = (0..rows.len() as u32).fold(Span::default(), |mut span, number| {
            span.take(rows.get(number).name);
            span
        });
        holds(rows.are_found(), "names under other numbers")?;
        Ok(rows)
    }

    /// Whether some of them are found by their names: an index made by other rules finds none.
    fn are_found(&self) -> bool {
        let step = self.len().div_ceil(SAMPLES).max(1);
        self.by_name.iter().count() == self.len()
            && (0..self.len() as u32).step_by(step).all(|number| {
                let seen = self.get(number);
                self.named(&Name::of(seen.bank, seen.name)).any(|other| other == number)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::encoding::Source;
    use proptest::prelude::*;

    struct Bytes(Vec<u8>, usize);

    impl Source for Bytes {
        fn next(&mut self, most: usize) -> &[u8] {
            let from = self.1;
            self.1 = self.0.len().min(from + most);
            &self.0[from..self.1]
        }

        fn left_max(&self) -> u64 {
            (self.0.len() - self.1) as u64
        }
    }

    proptest! {
        #[test]
        fn where_an_entry_comes_from_is_read_as_it_was_written(
            texts in prop::array::uniform4(".{0,20}"),
            tags in prop::collection::vec(".{0,9}", 0..4),
            at: i64,
            confirmed_by_us: bool,
            opinion in prop::option::of(prop::sample::select(vec![
                Merged::Negative, Merged::Seed, Merged::Positive, Merged::Disputed,
            ])),
        ) {
            let [exchange, source_organisation, source_record, classification] = texts;
            let first_seen = Time::from_millis(at);
            let origin = Provenance {
                exchange,
                source_organisation,
                source_record,
                classification,
                tags,
                first_seen,
                confirmed_by_us,
                opinion,
            };
            let mut bytes = Vec::new();
            let mut to = Encoder::new(&mut bytes);
            write_origin(&origin, &mut to).unwrap();
            to.finish().unwrap();
            prop_assert!(bytes.len() >= ORIGIN_BYTES_MIN);
            let mut source = Bytes(bytes, 0);
            let mut from = Decoder::new(&mut source);
            prop_assert_eq!(read_origin(&mut from).unwrap(), origin);
            from.finish().unwrap();
        }
    }
}
