//! Matchers that are written and read again: they answer as before, go on as before, and believe nothing that is wrong.

use super::*;
use crate::core::encoding::{Decoder, Encoder, Malformed, Source};
use crate::core::hamming::Scratch;
use crate::core::signal::Signal;

/// Bytes in pieces of a few.
struct Pieces<'b>(&'b [u8]);

impl Source for Pieces<'_> {
    fn next(&mut self, most: usize) -> &[u8] {
        let (piece, rest) = self.0.split_at(most.min(self.0.len()).min(1_000));
        self.0 = rest;
        piece
    }

    fn left_max(&self) -> u64 {
        self.0.len() as u64
    }
}

fn written(matcher: &Matcher) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut to = Encoder::new(&mut bytes);
    matcher.write(&mut to).unwrap();
    to.finish().unwrap();
    bytes
}

fn read(bytes: &[u8]) -> Result<Matcher, Malformed> {
    let mut pieces = Pieces(bytes);
    let mut from = Decoder::new(&mut pieces);
    let matcher = Matcher::read(&mut from)?;
    from.finish()?;
    Ok(matcher)
}

fn again(matcher: &Matcher) -> Matcher {
    Matcher { sizes: matcher.sizes, ..read(&written(matcher)).unwrap() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_read_answers_as_what_was_written_and_goes_on_changing_as_it_would(
        acts in prop::collection::vec(act(), 1..50), at_once in 0_usize..5,
    ) {
        let (mut matcher, mut model) = (Matcher::merging(Sizes { at_once, soon: at_once, ..SIZES }), Model::default());
        for at in 0..2 {
            matcher.put_bank(0, &bank(&format!("b{at}"), true));
            model.banks.insert(name(at), bank(&format!("b{at}"), true));
        }
        let mut pictures = Vec::new();
        for act in acts {
            match act {
                Act::Merge(_) => {
                    // What is read takes the place of what was written.
                    matcher = again(&matcher);
                    model.agrees(&matcher);
                    matcher.settle(Room(0));
                }
                Act::Picture => pictures.push((matcher.clone(), model.clone())),
                change => change.apply(&mut matcher, &mut model),
            }
            model.agrees(&matcher);
        }
        // Entries have ended since: a picture is written as it was.
        for (picture, model) in &pictures {
            model.agrees(&again(picture));
        }
        model.agrees(&again(&matcher));
    }
}

fn large(entries: u32) -> (Matcher, Vec<Bits256>) {
    let mut matcher = Matcher::default();
    matcher.put_bank(0, &bank("b0", true));
    let bits = |n: u32| {
        Bits256(std::array::from_fn(|at| {
            let spread = (u64::from(n) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15 + at as u64 * 2);
            spread ^ spread >> 29
        }))
    };
    let values: Vec<_> = (0..entries).map(bits).collect();
    let list: Vec<_> = (0..entries)
        .zip(&values)
        .map(|(n, bits)| Entry {
            background: None,
            id: EntryId::parse(&format!("n{n}")).unwrap(),
            signals: vec![BankedSignal::new(Signal::Pdq(*bits), Some(100))],
            ..entry(0, EntryState::Active, &[])
        })
        .collect();
    matcher.put_entries(1, NOW, &name(0), &list);
    (matcher, values)
}

#[test]
fn an_index_of_every_form_is_read_as_it_was_built() {
    for entries in [1, 200, 3_000, 120_000] {
        let (matcher, values) = large(entries);
        let read = again(&matcher);
        let mut scratch = Scratch::default();
        for bits in values.iter().step_by(entries as usize / 100 + 1) {
            let mut near = *bits;
            near.0[1] ^= 0x0101_0101_0101_0101;
            let signal = Signal::Pdq(near);
            let query = Query { signal: &signal, quality: None };
            let told = |hits: Vec<Hit<'_>>| -> Vec<_> {
                hits.into_iter().map(|hit| (hit.distance, hit.entry)).collect()
            };
            let found = told(read.search(query, &mut scratch));
            assert!(!found.is_empty());
            assert_eq!(found, told(matcher.search(query, &mut scratch)));
        }
    }
}

#[test]
fn whatever_byte_is_wrong_it_is_refused_or_answers_without_breaking_down() {
    let (mut matcher, values) = large(400);
    let signals: Vec<Given> = (0..8).map(|kind| (kind, 1, None)).collect();
    let list = [entry(1, EntryState::Active, &signals), entry(2, EntryState::Active, &signals)];
    matcher.put_entries(2, NOW, &name(0), &list);
    matcher.put_entries(3, NOW, &name(0), &[entry(1, EntryState::Removed, &[])]);
    let bytes = written(&matcher);
    let every = if std::env::var_os("BULWARK_LONG").is_some() { 1 } else { 397 };
    let (mut refused, mut scratch) = (0, Scratch::default());
    for at in (0..bytes.len()).step_by(every) {
        let mut wrong = bytes.clone();
        wrong[at] ^= 1 << (at % 8);
        let Ok(mut read) = read(&wrong) else {
            refused += 1;
            continue;
        };
        for kind in 0..8 {
            let _ = read.search(Query { signal: &value(kind, 1), quality: None }, &mut scratch);
        }
        let signal = Signal::Pdq(values[0]);
        let _ = read.search(Query { signal: &signal, quality: None }, &mut scratch);
        read.put_entries(4, NOW, &name(0), &[entry(2, EntryState::Removed, &[])]);
        read.delete_bank(&name(0));
        read.settle(Room(0));
    }
    assert!(refused > 0);
    for end in (0..bytes.len()).step_by(every) {
        assert!(read(&bytes[..end]).is_err(), "cut at {end}");
    }
}
