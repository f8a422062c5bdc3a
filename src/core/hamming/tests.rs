//! Tables against a scan: every form and kernel, at every radius, on kind and unkind data.

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

fn scan(values: &[Bits256], query: &Bits256, radius: u32) -> Vec<(u32, u32)> {
    let near = |value: &Bits256| value.distance(query);
    let all = (0..).zip(values).map(|(place, value)| (place, near(value)));
    all.filter(|(_, distance)| *distance <= radius).collect()
}

fn ask(table: &Table, query: &Bits256, radius: u32) -> Vec<(u32, u32)> {
    let mut found = Vec::new();
    table.query(query, radius, &mut Scratch::default(), |place, distance| {
        found.push((place, distance));
    });
    found.sort_unstable();
    found
}

/// Tables over the values in every form, with every kernel that this processor has; and one in parts, as large ones are,
/// whose sketches are filtered as those of others.
fn tables(values: &[Bits256]) -> Vec<(String, Table)> {
    let mut tables = Vec::new();
    for kernel in kernel::all() {
        for shape in [Shape::Scan, Shape::Narrow, Shape::Wide] {
            let name = format!("{shape:?} with {}", kernel.name());
            tables.push((name, Table::shaped(values, shape, kernel)));
        }
    }
    let parted = Shape::Vast(values.len().div_ceil(3).max(1));
    tables.push((format!("{parted:?}"), Table::shaped(values, parted, kernel::best())));
    tables
}

/// Asks the multi-index itself, where it can answer, however small the list is.
fn ask_chunks(table: &Table, query: &Bits256, radius: u32) -> Option<Vec<(u32, u32)>> {
    let mut found = Vec::new();
    let mut notes = chunks::Notes::default();
    let push = |place, distance| found.push((place, distance));
    let (kernel, values) = (table.kernel, &*table.values);
    match &table.form {
        Form::Narrow(chunks) if Chunks::<32, 3>::probes(radius).is_some() => {
            chunks.query(kernel, values, query, radius, &mut notes, push);
        }
        Form::Wide(chunks) if Chunks::<16, 3>::probes(radius).is_some() => {
            chunks.query(kernel, values, query, radius, &mut notes, push);
        }
        Form::Vast(chunks) if Chunks::<16, 4>::probes(radius).is_some() => {
            chunks.query(kernel, values, query, radius, &mut notes, push);
        }
        _ => return None,
    }
    found.sort_unstable();
    Some(found)
}

/// Radii at which tables are asked: those about which the plan of a search changes, and with `BULWARK_LONG=1` every one.
fn radii() -> Vec<u32> {
    let is_long = std::env::var_os("BULWARK_LONG").is_some();
    let is_edge = |radius: &u32| (radius + 1) % 16 <= 2;
    (0..=64).filter(|radius| is_long || is_edge(radius)).collect()
}

/// Every form with every kernel answers as a scan does.
fn agrees(values: &[Bits256], queries: &[Bits256]) {
    agrees_at(values, queries, &radii());
}

/// The same at some radii.
fn agrees_at(values: &[Bits256], queries: &[Bits256], radii: &[u32]) {
    let tables = tables(values);
    for query in queries {
        for &radius in radii {
            let expected = scan(values, query, radius);
            for (name, table) in &tables {
                assert!(ask(table, query, radius) == expected, "{name} at radius {radius}");
                if let Some(found) = ask_chunks(table, query, radius) {
                    assert!(found == expected, "{name} by its chunks at radius {radius}");
                }
            }
        }
    }
}

#[test]
fn every_value_within_the_distance_is_found_and_none_beyond_it() {
    let mut numbers = Numbers(1);
    let queries: Vec<_> = (0..6).map(|_| numbers.value()).collect();
    let mut values: Vec<_> = (0..500).map(|_| numbers.value()).collect();
    for &query in &queries {
        values.extend((0..=64).map(|distance| numbers.near(query, distance)));
    }
    agrees(&values, &queries);
    assert_eq!(ask(&Table::over(&values), &queries[0], 63).len(), 64, "one at each distance");
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
    agrees(&values, &[query]);
    let table = Table::over(&values);
    assert_eq!(ask(&table, &query, 31).len(), 16 * (16 * 5 + 1));
    assert_eq!(ask(&table, &query, 15).len(), 16 * 16);
    assert_eq!(ask(&table, &query, 32).len(), 16 * (16 * 5 + 2));
}

#[test]
fn differences_of_one_bit_in_every_byte_but_one_are_found() {
    let query = Numbers(8).value();
    let mut values = Vec::new();
    for odd in 0..32_u32 {
        for turn in 0..8 {
            // 31 bits, one in each byte but one; then 62, two in each; then one more.
            for (ones, more) in [(0b1_u8, 0), (0b11, 0), (0b11, 0b100)] {
                let bits = u64::from(ones.rotate_left(turn)) * 0x0101_0101_0101_0101;
                let mut value = Bits256(query.0.map(|word| word ^ bits));
                let (word, shift) = (odd as usize / 8, odd % 8 * 8);
                let own = u64::from((ones ^ more).rotate_left(turn)) << shift;
                value.0[word] ^= if more == 0 { own } else { u64::from(more) << shift };
                values.push(value);
            }
        }
    }
    agrees(&values, &[query]);
    assert_eq!(ask(&Table::over(&values), &query, 31).len(), 32 * 8);
}

#[test]
fn one_value_at_many_places_is_found_at_each() {
    let value = Numbers(3).value();
    let values = [value; 400];
    agrees(&values, &[value, changed(value, [1; 16], 3), Bits256([!0; 4])]);
    assert_eq!(ask(&Table::over(&values), &value, 31).len(), 400);
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
    agrees(&values, &[query]);
    let few: Vec<_> = (0..300).map(|n| Bits256([n, 0, 0, 0])).collect();
    agrees(&few, &[Bits256::default(), Bits256([300; 4]), few[7]]);
}

#[test]
fn what_takes_many_rounds_is_found_whole_and_once() {
    let mut numbers = Numbers(12);
    let centre = numbers.value();
    // One bucket of many lines for each chunk, and in it values at every distance.
    let values: Vec<_> = (0..20_000).map(|n| numbers.near(centre, n % 40)).collect();
    for shape in [Shape::Narrow, Shape::Wide, Shape::Vast(7_000), Shape::Vast(COMPACT_MAX)] {
        let table = Table::shaped(&values, shape, kernel::best());
        for query in [centre, numbers.near(centre, 3)] {
            let found = ask_chunks(&table, &query, 31);
            assert!(found == Some(scan(&values, &query, 31)), "{shape:?}");
        }
    }
}

#[test]
fn tables_of_every_small_size_answer() {
    let mut numbers = Numbers(5);
    let values: Vec<_> = (0..70).map(|_| numbers.value()).collect();
    let radii = radii();
    // In the suite those about which a line of the processor's cache ends.
    let is_long = std::env::var_os("BULWARK_LONG").is_some();
    let some = |len: &usize| is_long || *len < 6 || len % 16 < 2 || len % 16 == 15;
    for len in (0..values.len()).filter(some) {
        let near = numbers.near(values[len / 2], 31);
        // The usual radius, and in turn all others.
        let some = [31, radii[len % radii.len()], radii[(len * 5 + 1) % radii.len()]];
        agrees_at(&values[..len], &[near, values[0]], &some);
    }
}

/// Small enough to be run where every access to memory is watched.
#[test]
fn tables_that_end_anywhere_in_a_line_touch_only_their_own_memory() {
    let mut numbers = Numbers(11);
    let values: Vec<_> = (0..34).map(|_| numbers.value()).collect();
    for len in [0, 1, 2, 3, 31, 32, 33, 34] {
        for (name, table) in tables(&values[..len]) {
            for query in [values[len / 2], numbers.near(values[0], 31)] {
                let expected = scan(&values[..len], &query, 31);
                let found = ask_chunks(&table, &query, 31);
                assert!(found.unwrap_or_else(|| ask(&table, &query, 31)) == expected, "{name}");
            }
        }
    }
}

#[test]
fn each_size_has_the_form_that_suits_it() {
    assert_eq!(Shape::of(0), Shape::Scan);
    assert_eq!(Shape::of(SCAN_MAX), Shape::Scan);
    assert_eq!(Shape::of(SCAN_MAX + 1), Shape::Narrow);
    assert_eq!(Shape::of(NARROW_MAX), Shape::Narrow);
    assert_eq!(Shape::of(NARROW_MAX + 1), Shape::Wide);
    assert_eq!(Shape::of(COMPACT_MAX), Shape::Wide);
    assert_eq!(Shape::of(COMPACT_MAX + 1), Shape::Vast(COMPACT_MAX));
    let value = Numbers(6).value();
    for len in [SCAN_MAX, SCAN_MAX + 1] {
        assert_eq!(ask(&Table::over(&vec![value; len]), &value, 0).len(), len);
    }
}

#[test]
fn no_value_is_shown_in_debug_output() {
    assert_eq!(format!("{:?}", Table::over(&[Bits256([5; 4])])), "Table(1 values)");
}

/// The recipe for a million queries sets the number; here it is a tenth of what the suite's other tests add to it.
fn queries_wanted() -> usize {
    let set = std::env::var("BULWARK_QUERIES").ok().and_then(|text| text.parse().ok());
    set.unwrap_or(10_000)
}

#[test]
fn ten_thousand_queries_on_random_and_clustered_values_answer_as_a_scan_does() {
    let mut numbers = Numbers(9);
    let wanted = queries_wanted();
    let centres: Vec<_> = (0..40).map(|_| numbers.value()).collect();
    let mut values: Vec<_> = (0..2_000).map(|_| numbers.value()).collect();
    for centre in &centres {
        values.extend((0..40).map(|n| numbers.near(*centre, n)));
    }
    let tables = tables(&values);
    let (mut asked, mut hits) = (0, 0);
    while asked < wanted {
        let radius = [31, 31, 31, 0, 15, 16, 23, 32, 47, 63][asked % 10];
        let query = match asked % 3 {
            0 => numbers.value(),
            1 => numbers.near(centres[asked % 40], asked as u32 % 12),
            // Exactly at the radius from a value, or one beyond.
            _ => {
                let value = values[numbers.next() as usize % values.len()];
                numbers.near(value, radius + asked as u32 % 2)
            }
        };
        let expected = scan(&values, &query, radius);
        let (name, table) = &tables[asked / 10 % tables.len()];
        let found = ask_chunks(table, &query, radius).unwrap_or_else(|| ask(table, &query, radius));
        assert!(found == expected, "{name} at radius {radius}");
        hits += expected.len();
        asked += 1;
    }
    assert!(hits > wanted, "{hits} values were found by {wanted} queries");
}

#[test]
fn every_kernel_filters_as_the_plain_one_at_every_length_and_place() {
    let mut numbers = Numbers(10);
    let line = |_| -> loops::Line { std::array::from_fn(|_| numbers.next() as u8) };
    let lines: Vec<_> = (0..7).map(line).collect();
    // The first two are of others.
    let all = ((lines.len() - 2) * loops::LANES) as u32;
    for kernel in kernel::all() {
        for start in 0..=all {
            for end in start..=all {
                let (query, most) = (numbers.next() as u16, (numbers.next() % 17) as u16);
                let line = start / loops::LANES as u32 + 2;
                let run = loops::Run { start, end, line, query, most, bucket: 0 };
                let both = [run, run];
                let filtered = |kernel: Kernel| {
                    let mut ends = Vec::new();
                    let (mut walk, mut places) =
                        (loops::Walk::through(&lines, &both, &mut ends), vec![1]);
                    kernel.filter(&mut walk, &mut places);
                    assert!(walk.is_over());
                    places
                };
                let is_near = |at: &u32| {
                    let line = &lines[*at as usize / loops::LANES + 2];
                    let differ = pairs::sketch_in(line, *at) ^ query;
                    differ.count_ones() <= u32::from(most)
                };
                let near = || (start..end).filter(is_near);
                let expected: Vec<_> = [1].into_iter().chain(near()).chain(near()).collect();
                assert_eq!(filtered(kernel), expected, "{}", kernel.name());
            }
        }
    }
}

#[test]
#[should_panic(expected = "out of range")]
fn no_kernel_reads_beyond_the_end() {
    let run = loops::Run { start: 0, end: 33, line: 0, query: 0, most: 1, bucket: 0 };
    let lines = [[0; 64]];
    kernel::best()
        .filter(&mut loops::Walk::through(&lines, &[run], &mut Vec::new()), &mut Vec::new());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_values_are_found_as_by_a_scan(
        seeds in proptest::collection::vec((0_u64..50, 0_u32..70), 0..120),
        radius in 0_u32..=64,
        centre in any::<[u64; 4]>(),
    ) {
        let centre = Bits256(centre);
        let near = |(seed, distance): &(u64, u32)| Numbers(*seed).near(centre, *distance);
        let values: Vec<_> = seeds.iter().map(near).collect();
        let expected = scan(&values, &centre, radius);
        for (name, table) in tables(&values) {
            prop_assert!(ask(&table, &centre, radius) == expected, "{}", name);
            if let Some(found) = ask_chunks(&table, &centre, radius) {
                prop_assert!(found == expected, "{} by its chunks", name);
            }
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
        let values = [changed(query, bits, turn), changed(query, [16; 16], 0)];
        for (name, table) in tables(&values) {
            for radius in radii() {
                let expected: &[_] = if distance <= radius { &[(0, distance)] } else { &[] };
                prop_assert_eq!(&ask(&table, &query, radius)[..], expected, "{}", name);
                if let Some(found) = ask_chunks(&table, &query, radius) {
                    prop_assert_eq!(&found[..], expected, "{} by its chunks", name);
                }
            }
        }
    }
}
