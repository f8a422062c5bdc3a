//! The innermost loops, in the form that every processor can run.

use crate::core::hamming::memory::prefetch;
use crate::core::signal::Bits256;
use std::ops::Range;

/// Sketches of one cache line, which are read together.
pub(super) const LANES: usize = 32;

/// A cache line of sketches, the lower byte of each first.
pub(super) type Line = [u8; 2 * LANES];

/// Part of all sketches to be filtered.
#[derive(Clone, Copy)]
pub(super) struct Run {
    /// Place of the first.
    pub(super) start: u32,
    /// Place after the last.
    pub(super) end: u32,
    /// The line that holds the first; those of the others follow.
    pub(super) line: u32,
    /// What they are compared with.
    pub(super) query: u16,
    /// Most bits in which a sketch may differ.
    pub(super) most: u16,
    /// The bucket that it is, for whoever planned it.
    pub(super) bucket: u32,
}

impl Run {
    /// Which of all lines, had they been counted by places, the run touches.
    #[inline(always)]
    pub(super) const fn lines(self) -> Range<usize> {
        self.start as usize / LANES..(self.end as usize).div_ceil(LANES)
    }

    /// Where those are.
    #[inline(always)]
    pub(super) const fn lines_in_memory(self) -> Range<usize> {
        let (lines, start) = (self.lines(), self.line as usize);
        start..start + lines.end - lines.start
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

/// Lines that are fetched ahead of the one that is filtered: whole runs of them, since the processor's own prefetcher
/// would have to be taught each run anew.
const AHEAD: usize = 96;

/// Lines of one round. What a round finds is fetched while the next one is under way, so a round should take longer than
/// memory does, and leave what it found in the second level of the cache.
const ROUND: usize = 512;

/// A walk through runs, round by round.
pub(super) struct Walk<'a> {
    lines: &'a [Line],
    /// Runs that are still to be filtered.
    runs: &'a [Run],
    /// How many of them were asked for.
    asked: usize,
    /// How many lines those have.
    ahead: usize,
    /// For each run that was filtered, how many places were noted until its end.
    ends: &'a mut Vec<usize>,
}

impl<'a> Walk<'a> {
    /// Begins before the first run; what stood in `ends` is forgotten.
    pub(super) fn through(lines: &'a [Line], runs: &'a [Run], ends: &'a mut Vec<usize>) -> Self {
        ends.clear();
        Self { lines, runs, asked: 0, ahead: 0, ends }
    }

    /// For each run that was filtered, how many places were noted until its end.
    pub(super) fn ends(&self) -> &[usize] {
        self.ends
    }

    /// Whether nothing is left.
    pub(super) const fn is_over(&self) -> bool {
        self.runs.is_empty()
    }

    /// Calls `filter` for each run of a round, with those to come fetched. It appends to `places`.
    #[inline(always)]
    pub(super) fn round(
        &mut self,
        places: &mut Vec<u32>,
        mut filter: impl FnMut(&[Line], &Run, &mut Vec<u32>),
    ) {
        let mut left = ROUND;
        while let Some((run, rest)) = self.runs.split_first() {
            while self.ahead < AHEAD
                && let Some(next) = self.runs.get(self.asked)
            {
                next.lines_in_memory().for_each(|line| prefetch(self.lines, line));
                self.asked += 1;
                self.ahead += next.lines().len();
            }
            filter(self.lines, run, places);
            self.ends.push(places.len());
            self.runs = rest;
            self.asked -= 1;
            let lines = run.lines().len();
            self.ahead -= lines;
            if lines >= left {
                return;
            }
            left -= lines;
        }
    }
}

/// Place and distance of each value that was found.
pub(super) type Found = Vec<(u32, u32)>;

/// The innermost loops in one form.
#[derive(Clone, Copy)]
pub(super) struct Kernel {
    pub(super) name: &'static str,
    pub(super) filter: fn(&mut Walk<'_>, &mut Vec<u32>),
    pub(super) near: fn(&[Bits256], &Bits256, u32, &mut Found),
    pub(super) distances: fn(&[Bits256], &[u32], &Bits256, &mut Vec<u32>),
}

impl Kernel {
    /// Its name, for people who measure.
    pub(super) const fn name(self) -> &'static str {
        self.name
    }

    /// Appends the places, run by run and in order, of the sketches of one round that are near enough.
    ///
    /// # Panics
    /// Where a run goes beyond the last line.
    pub(super) fn filter(self, walk: &mut Walk<'_>, places: &mut Vec<u32>) {
        (self.filter)(walk, places);
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

fn filter_plain(walk: &mut Walk<'_>, places: &mut Vec<u32>) {
    walk.round(places, |lines, run, places| {
        for (at, line) in run.lines().zip(&lines[run.lines_in_memory()]) {
            let within = run.within(at);
            for (lane, sketch) in (0_u32..).zip(line.as_chunks::<2>().0) {
                let differ = (u16::from_le_bytes(*sketch) ^ run.query).count_ones();
                if within >> lane & 1 == 1 && differ <= u32::from(run.most) {
                    places.push((at * LANES) as u32 + lane);
                }
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
