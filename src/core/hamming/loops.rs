//! The innermost loops, in the form that every processor can run.

use crate::core::hamming::memory::prefetch;
use crate::core::signal::Bits256;

/// Sketches of one cache line, which are read together.
pub(super) const LANES: usize = 32;

/// A cache line of sketches.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Line(pub(super) [u16; LANES]);

/// Part of all sketches to be filtered.
#[derive(Clone, Copy)]
pub(super) struct Run {
    /// Place of the first.
    pub(super) start: u32,
    /// Place after the last.
    pub(super) end: u32,
    /// What they are compared with.
    pub(super) query: u16,
    /// Most bits in which a sketch may differ.
    pub(super) most: u16,
}

impl Run {
    /// The lines that the run touches.
    #[inline(always)]
    pub(super) const fn lines(self) -> std::ops::Range<usize> {
        self.start as usize / LANES..(self.end as usize).div_ceil(LANES)
    }

    /// Those lanes of a line that it touches that belong to the run.
    #[inline(always)]
    pub(super) const fn within(self, line: usize) -> u32 {
        let at = (line * LANES) as u32;
        let before = self.start.saturating_sub(at);
        let after = (at + LANES as u32).saturating_sub(self.end);
        (u32::MAX << before) & (u32::MAX >> after)
    }
}

/// Runs whose sketches are fetched ahead of the one that is filtered.
const AHEAD: usize = 16;

/// Lines of one run that are fetched ahead; the processor's own prefetcher follows the rest.
const LINES_AHEAD: usize = 8;

/// Goes through runs, has those to come fetched, and calls `filter` for each.
#[inline(always)]
pub(super) fn each_run(lines: &[Line], runs: &[Run], mut filter: impl FnMut(&Run)) {
    let fetch = |run: &Run| {
        run.lines().take(LINES_AHEAD).for_each(|line| prefetch(lines, line));
    };
    runs.iter().take(AHEAD).for_each(fetch);
    for (at, run) in runs.iter().enumerate() {
        if let Some(later) = runs.get(at + AHEAD) {
            fetch(later);
        }
        filter(run);
    }
}

/// Place and distance of each value that was found.
pub(super) type Found = Vec<(u32, u32)>;

/// The innermost loops in one form.
#[derive(Clone, Copy)]
pub(super) struct Kernel {
    pub(super) name: &'static str,
    pub(super) filter: fn(&[Line], &[Run], &mut Vec<u32>),
    pub(super) near: fn(&[Bits256], &Bits256, u32, &mut Found),
    pub(super) distances: fn(&[Bits256], &[u32], &Bits256, &mut Vec<u32>),
}

impl Kernel {
    /// Its name, for people who measure.
    pub(super) const fn name(self) -> &'static str {
        self.name
    }

    /// Appends the places, run by run and in order, of the sketches that are near enough.
    ///
    /// # Panics
    /// Where a run goes beyond the last line.
    pub(super) fn filter(self, lines: &[Line], runs: &[Run], places: &mut Vec<u32>) {
        (self.filter)(lines, runs, places);
    }

    /// Appends place and distance of every value within `radius` of `query`.
    pub(super) fn near(self, values: &[Bits256], query: &Bits256, radius: u32, found: &mut Found) {
        (self.near)(values, query, radius, found);
    }

    /// Appends the distance from `query` of the value at each of some places.
    ///
    /// # Panics
    /// Where a place is not one of a value.
    pub(super) fn distances(
        self,
        values: &[Bits256],
        places: &[u32],
        query: &Bits256,
        distances: &mut Vec<u32>,
    ) {
        (self.distances)(values, places, query, distances);
    }
}

/// Without anything that not every processor has.
pub(super) const PLAIN: Kernel =
    Kernel { name: "plain", filter: filter_plain, near: near_any, distances: distances_any };

fn filter_plain(lines: &[Line], runs: &[Run], places: &mut Vec<u32>) {
    each_run(lines, runs, |run| {
        for at in run.start..run.end {
            let sketch = lines[at as usize / LANES].0[at as usize % LANES];
            if (sketch ^ run.query).count_ones() <= u32::from(run.most) {
                places.push(at);
            }
        }
    });
}

#[inline(always)]
pub(super) fn near_any(values: &[Bits256], query: &Bits256, radius: u32, found: &mut Found) {
    for (place, value) in (0..).zip(values) {
        let distance = value.distance(query);
        if distance <= radius {
            found.push((place, distance));
        }
    }
}

#[inline(always)]
pub(super) fn distances_any(
    values: &[Bits256],
    places: &[u32],
    query: &Bits256,
    distances: &mut Vec<u32>,
) {
    distances.extend(places.iter().map(|place| values[*place as usize].distance(query)));
}
