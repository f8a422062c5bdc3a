//! A window against a list.

use super::*;
use crate::core::signal::Bits256;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// One of few values, so that many are near each other.
fn bits(seed: u64) -> Bits256 {
    let near = seed % 5;
    let mut bits = Bits256([near.wrapping_mul(0x9E37_79B9_7F4A_7C15), near << 40, !near, 7]);
    (0..seed % 41).for_each(|bit| bits.0[(bit % 4) as usize] ^= 1 << (bit * 7 % 64));
    bits
}

fn signal(kind: u8, seed: u64) -> Signal {
    let byte = (seed % 7) as u8;
    match kind % 5 {
        0 => Signal::Md5([byte; 16]),
        1 => Signal::Sha1([byte; 20]),
        2 => Signal::Sha256([byte; 32]),
        3 => Signal::Pdq(bits(seed)),
        _ => Signal::VpdqFrame(bits(seed)),
    }
}

fn distance(one: &Signal, other: &Signal) -> Option<u32> {
    match (one, other) {
        (Signal::Pdq(a), Signal::Pdq(b)) | (Signal::VpdqFrame(a), Signal::VpdqFrame(b)) => {
            Some(a.distance(b))
        }
        (one, other) => (one == other).then_some(0),
    }
}

/// What becomes of a window.
#[derive(Debug, Clone)]
enum Step {
    Add(Vec<Vec<(u8, u64, Option<u32>)>>),
    End(usize),
    Gather,
    /// Items end while sheets are gathered.
    EndMeanwhile(usize),
    Search(u8, u64, u32, u64),
}

fn step() -> impl Strategy<Value = Step> {
    let given = (0_u8..5, 0_u64..200, proptest::option::of(0_u32..=100));
    let item = proptest::collection::vec(given, 0..4);
    prop_oneof![
        3 => proptest::collection::vec(item, 0..6).prop_map(Step::Add),
        2 => any::<usize>().prop_map(Step::End),
        1 => Just(Step::Gather),
        1 => any::<usize>().prop_map(Step::EndMeanwhile),
        4 => (0_u8..5, 0_u64..200, 0_u32..=63, 0_u64..40)
            .prop_map(|(kind, seed, radius, from)| Step::Search(kind, seed, radius, from)),
    ]
}

type List = BTreeMap<u64, Vec<(Signal, Option<u32>)>>;

fn nth(list: &List, nth: usize) -> Option<u64> {
    list.keys().nth(nth % list.len().max(1)).copied()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_item_that_is_equal_or_near_is_found_whatever_came_and_went(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let (mut window, mut list, mut next) = (Window::default(), List::new(), 1);
        let mut scratch = Scratch::default();
        for step in steps {
            match step {
                Step::Add(items) => {
                    let signals = |item: &Vec<(u8, u64, Option<u32>)>| -> Vec<_> {
                        item.iter().map(|(kind, seed, q)| (signal(*kind, *seed), *q)).collect()
                    };
                    let items: Vec<_> = items.iter().map(signals).collect();
                    let numbered = items.iter().enumerate().map(|(at, signals)| {
                        (next + at as u64, signals.iter().map(|(s, q)| (s, *q)).collect())
                    });
                    window.add(numbered);
                    for signals in items {
                        list.insert(next, signals);
                        next += 1;
                    }
                }
                Step::End(place) => {
                    if let Some(item) = nth(&list, place) {
                        list.remove(&item);
                        window.end(item);
                    }
                }
                Step::Gather => {
                    while let Some(gathering) = window.gathering() {
                        window.adopt(gathering.run());
                    }
                    prop_assert!(window.sheets.len() <= 8);
                }
                Step::EndMeanwhile(place) => {
                    let gathered = window.gathering().map(Gathering::run);
                    if let Some(item) = nth(&list, place) {
                        list.remove(&item);
                        window.end(item);
                    }
                    gathered.into_iter().for_each(|gathered| window.adopt(gathered));
                }
                Step::Search(kind, seed, radius, from) => {
                    let sought = signal(kind, seed);
                    let mut found = Vec::new();
                    window.search(from, &sought, radius, &mut scratch, |one| found.push(one));
                    found.sort_unstable();
                    let mut expected: Vec<_> = list
                        .range(from..)
                        .flat_map(|(item, signals)| signals.iter().map(move |given| (*item, given)))
                        .filter_map(|(item, (signal, quality))| {
                            let distance = distance(&sought, signal).filter(|d| *d <= radius)?;
                            let quality = quality.filter(|_| kind >= 3).map(|q| q as u8);
                            Some(Sighting { item, distance, quality })
                        })
                        .collect();
                    expected.sort_unstable();
                    prop_assert_eq!(found, expected);
                }
            }
            prop_assert_eq!(window.len(), list.len());
        }
    }
}
