//! The index against a scan: at every radius, on kind and unkind data, after inserts and removals.

use super::*;
use proptest::prelude::*;

/// A small generator of numbers, so that the data is the same on every machine.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn value(&mut self) -> Bits256 {
        Bits256(std::array::from_fn(|_| self.next()))
    }

    /// The value with exactly this many bits changed, anywhere.
    fn near(&mut self, mut value: Bits256, distance: u32) -> Bits256 {
        let origin = value;
        while origin.distance(&value) < distance {
            let bit = self.next() % 256;
            let (word, mask) = (bit as usize / 64, 1 << (bit % 64));
            value.0[word] = value.0[word] & !mask | !origin.0[word] & mask;
        }
        value
    }
}

/// The value with so many bits changed in each chunk, the lowest ones rotated by `turn`.
fn changed(value: Bits256, bits: [u32; 16], turn: u32) -> Bits256 {
    let mut changed = value;
    for (i, count) in bits.into_iter().enumerate() {
        let mask = ((1_u32 << count) - 1) as u16;
        changed.0[i / 4] ^= u64::from(mask.rotate_left(turn)) << (16 * (i % 4));
    }
    changed
}

fn scan(entries: &[(Bits256, u32)], value: &Bits256, radius: u32) -> Vec<Near> {
    let mut found: Vec<Near> = entries
        .iter()
        .map(|(entry, id)| Near { distance: entry.distance(value), id: *id })
        .filter(|near| near.distance <= radius)
        .collect();
    found.sort();
    found
}

/// An index that becomes a multi-index at its second entry.
fn eager(entries: &[(Bits256, u32)]) -> Index {
    let mut index = Index::scanning_up_to(1);
    index.extend(entries.iter().copied());
    assert!(index.chunks.is_some() == (entries.len() > 1));
    index
}

fn numbered(values: impl IntoIterator<Item = Bits256>) -> Vec<(Bits256, u32)> {
    values.into_iter().zip(0..).collect()
}

/// Both kinds of index answer as a scan does, at every radius.
fn agrees(entries: &[(Bits256, u32)], queries: &[Bits256]) {
    let many = eager(entries);
    let few: Index = entries.iter().copied().collect();
    assert!(few.chunks.is_none());
    for query in queries {
        for radius in 0..=63 {
            let expected = scan(entries, query, radius);
            assert!(many.query(query, radius) == expected, "the multi-index at radius {radius}");
            assert!(few.query(query, radius) == expected, "the scan at radius {radius}");
        }
    }
}

#[test]
fn every_entry_within_the_distance_is_found_and_none_beyond_it() {
    let mut numbers = Numbers(1);
    let queries: Vec<_> = (0..6).map(|_| numbers.value()).collect();
    let mut values: Vec<_> = (0..500).map(|_| numbers.value()).collect();
    for &query in &queries {
        values.extend((0..=64).map(|distance| numbers.near(query, distance)));
    }
    let entries = numbered(values);
    agrees(&entries, &queries);
    let found = eager(&entries).query(&queries[0], 63);
    assert_eq!(found.len(), 64, "one at each distance");
}

#[test]
fn differences_spread_as_thinly_as_can_be_are_found() {
    let mut numbers = Numbers(2);
    let query = numbers.value();
    let mut values = Vec::new();
    for turn in 0..16 {
        for odd in 0..16 {
            // Two bits in each chunk but one, which has one: 31 bits, and no chunk with none.
            let mut bits = [2; 16];
            bits[odd] = 1;
            values.push(changed(query, bits, turn));
            // The same number of bits with a chunk of three between two of one.
            bits[(odd + 1) % 16] = 3;
            bits[(odd + 2) % 16] = 1;
            values.push(changed(query, bits, turn));
            // One bit in each chunk but one: 15 bits, one chunk agrees.
            let mut bits = [1; 16];
            bits[odd] = 0;
            values.push(changed(query, bits, turn));
            // All of them far apart in every second chunk.
            let mut bits = [0, 4, 0, 4, 0, 4, 0, 4, 0, 4, 0, 4, 0, 4, 0, 3];
            bits.rotate_left(odd);
            values.push(changed(query, bits, turn));
            // All bits in two neighbouring chunks.
            let mut bits = [0; 16];
            bits[odd] = 16;
            bits[(odd + 1) % 16] = 15;
            values.push(changed(query, bits, turn));
        }
        // Two bits in every chunk are 32, one in every chunk 16: beyond 31 and 15.
        values.push(changed(query, [2; 16], turn));
        values.push(changed(query, [1; 16], turn));
    }
    let entries = numbered(values);
    agrees(&entries, &[query]);
    let index = eager(&entries);
    assert_eq!(index.query(&query, 31).len(), 16 * (16 * 5 + 1));
    assert_eq!(index.query(&query, 15).len(), 16 * 16);
    assert_eq!(index.query(&query, 32).len(), 16 * (16 * 5 + 2));
}

#[test]
fn one_value_under_many_numbers_is_returned_under_each() {
    let value = Numbers(3).value();
    let entries = numbered([value; 400]);
    agrees(&entries, &[value, changed(value, [1; 16], 3), Bits256([!0; 4])]);
    let found = eager(&entries).query(&value, 31);
    assert!(found.iter().zip(0..).all(|(near, id)| *near == Near { distance: 0, id }));
    assert_eq!(found.len(), 400);
}

#[test]
fn an_overfull_bucket_loses_nothing() {
    let mut numbers = Numbers(4);
    let query = numbers.value();
    // Everything shares the first two chunks with the query.
    let values: Vec<_> = (0..300)
        .map(|n| {
            let mut value = if n % 2 == 0 { numbers.value() } else { numbers.near(query, n / 5) };
            value.0[0] = value.0[0] & !0xffff_ffff | query.0[0] & 0xffff_ffff;
            value
        })
        .collect();
    agrees(&numbered(values), &[query]);
    agrees(
        &numbered((0..300).map(|n| Bits256([n, 0, 0, 0]))),
        &[Bits256::default(), Bits256([300; 4])],
    );
}

#[test]
fn an_index_without_entries_or_with_one_answers() {
    let value = Numbers(5).value();
    let mut index = Index::new();
    assert!(index.is_empty());
    assert_eq!(index.query(&value, 63), []);
    assert!(!index.remove(&value, 1));
    index.insert(value, 1);
    assert_eq!(index.query(&value, 0), [Near { distance: 0, id: 1 }]);
    assert!(!index.remove(&value, 2));
    assert!(!index.remove(&Bits256::default(), 1));
    assert!(index.remove(&value, 1));
    assert!(!index.remove(&value, 1));
    assert!(index.is_empty());
}

#[test]
fn a_pair_inserted_twice_is_to_be_removed_twice() {
    let value = Numbers(6).value();
    for scan_max in [0, 100] {
        let mut index = Index::scanning_up_to(scan_max);
        index.extend([(value, 7), (value, 8), (value, 7)]);
        let ids = |index: &Index| index.query(&value, 0).iter().map(|n| n.id).collect::<Vec<_>>();
        assert_eq!(ids(&index), [7, 7, 8]);
        assert!(index.remove(&value, 7));
        assert_eq!(ids(&index), [7, 8]);
        assert!(index.remove(&value, 7));
        assert!(!index.remove(&value, 7));
        assert_eq!(ids(&index), [8]);
    }
}

#[test]
fn removal_gives_memory_back() {
    let mut numbers = Numbers(7);
    let mut entries = numbered((0..4_000).map(|_| numbers.value()));
    // One bucket is overfull, so that its own memory is seen to shrink.
    entries.iter_mut().for_each(|(value, _)| value.0[0] &= !0xffff);
    let mut index = eager(&entries);
    let crowded =
        |index: &Index| index.chunks.as_ref().map_or(0, |chunks| chunks.capacity_of(0, 0));
    assert!(crowded(&index) >= 4_000);
    for (value, id) in entries.drain(40..) {
        assert!(index.remove(&value, id));
    }
    assert!(index.values.capacity() <= 160 && index.ids.capacity() <= 160);
    assert!(crowded(&index) <= 160);
    assert_eq!(index.query(&entries[39].0, 31), scan(&entries, &entries[39].0, 31));
    for (value, id) in entries.drain(..) {
        assert!(index.remove(&value, id));
    }
    assert!(index.chunks.is_none());
    assert!(index.values.capacity() <= 8);
}

#[test]
fn no_value_is_shown_in_debug_output() {
    assert_eq!(format!("{:?}", eager(&[(Bits256([5; 4]), 1)])), "Index(1 entries)");
}

/// One act on an index.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// Inserts a value at this distance from the centre.
    Insert(u64, u32),
    /// Removes the entry at this place of what was inserted.
    Remove(usize),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0_u64..50, 0_u32..70).prop_map(|(seed, distance)| Act::Insert(seed, distance)),
        any::<usize>().prop_map(Act::Remove),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn after_inserts_and_removals_across_the_switch_it_answers_as_a_scan_does(
        acts in proptest::collection::vec(act(), 1..120),
        scan_max in 0_usize..40,
        radius in 0_u32..=63,
        centre in any::<[u64; 4]>(),
    ) {
        let centre = Bits256(centre);
        let mut index = Index::scanning_up_to(scan_max);
        let mut entries: Vec<(Bits256, u32)> = Vec::new();
        for (id, act) in (0..).zip(acts) {
            match act {
                Act::Insert(seed, distance) => {
                    let value = Numbers(seed).near(centre, distance);
                    index.insert(value, id);
                    entries.push((value, id));
                }
                Act::Remove(place) if !entries.is_empty() => {
                    let (value, id) = entries.swap_remove(place % entries.len());
                    prop_assert!(index.remove(&value, id));
                    prop_assert!(!index.remove(&value, id));
                }
                Act::Remove(_) => prop_assert!(!index.remove(&centre, id)),
            }
            prop_assert_eq!(index.len(), entries.len());
            prop_assert!(index.query(&centre, radius) == scan(&entries, &centre, radius));
        }
        for radius in 0..=63 {
            prop_assert!(index.query(&centre, radius) == scan(&entries, &centre, radius));
        }
    }

    #[test]
    fn any_spread_of_differences_over_the_chunks_is_found(
        parts in proptest::collection::vec(0_usize..16, 0..64), turn in 0_u32..16, value in any::<[u64; 4]>(),
    ) {
        let query = Bits256(value);
        let mut bits = [0; 16];
        parts.iter().for_each(|&part| bits[part] = (bits[part] + 1).min(16));
        let distance = bits.iter().sum();
        let index = eager(&[(changed(query, bits, turn), 1), (changed(query, [16; 16], 0), 2)]);
        for radius in 0..=63 {
            let expected: &[Near] =
                if distance <= radius { &[Near { distance, id: 1 }] } else { &[] };
            prop_assert_eq!(&index.query(&query, radius)[..], expected);
        }
    }
}
