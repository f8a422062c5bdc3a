//! What keeps coming back: items that are equal or near to each other, or to one that is.
//!
//! Two items are of one group where they have a digest in common, or a hash within a distance, or where a chain of such
//! leads from one to the other. Every such link is found: each hash is searched for among all others.

use crate::core::hamming::Scratch;
use crate::core::matcher::window::Window;

/// An item of one of several windows: the window's place, and the item's number there.
pub type Place = (u32, u64);

/// Items of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// How many.
    pub items: u32,
    /// The first of them.
    pub first: Place,
    /// The last of them.
    pub last: Place,
}

/// Which items are known to be of one group.
struct Links {
    /// All items, in order.
    places: Vec<Place>,
    /// For each the place in the list of another of its group, or its own: smaller ones stand for larger ones.
    parents: Vec<u32>,
}

impl Links {
    fn of(windows: &[Window]) -> Self {
        let mut places: Vec<Place> = Vec::new();
        for (at, window) in (0..).zip(windows) {
            let items = window.sheets().flat_map(|sheet| sheet.items());
            places.extend(items.map(|item| (at, item)));
        }
        places.sort_unstable();
        let parents = (0..places.len() as u32).collect();
        Self { places, parents }
    }

    fn root(&mut self, mut at: u32) -> u32 {
        while self.parents[at as usize] != at {
            // Half of the way is cut off for whoever comes next.
            let above = self.parents[at as usize];
            self.parents[at as usize] = self.parents[above as usize];
            at = above;
        }
        at
    }

    /// Says that two items are of one group. One that ended since the list was made is passed over.
    fn link(&mut self, one: Place, other: Place) {
        let at = |place: &Place| self.places.binary_search(place).map(|at| at as u32);
        let (Ok(one), Ok(other)) = (at(&one), at(&other)) else { return };
        let (one, other) = (self.root(one), self.root(other));
        self.parents[one.max(other) as usize] = one.min(other);
    }

    /// Groups of two items at least: the largest first, then the one that began first.
    fn groups(mut self) -> Vec<Group> {
        let roots: Vec<u32> = (0..self.places.len() as u32).map(|at| self.root(at)).collect();
        let mut groups: Vec<Option<Group>> = vec![None; roots.len()];
        for (place, root) in self.places.iter().zip(roots) {
            let new = Group { items: 0, first: *place, last: *place };
            let group = groups[root as usize].get_or_insert(new);
            group.items += 1;
            group.last = *place;
        }
        let mut groups: Vec<Group> =
            groups.into_iter().flatten().filter(|group| group.items > 1).collect();
        groups.sort_by_key(|group| (std::cmp::Reverse(group.items), group.first));
        groups
    }
}

/// The groups among the items of windows; nothing where `enough`, which is asked now and then, says to stop before the end.
/// It takes a search in all of them for each perceptual hash.
#[must_use]
pub fn groups(
    windows: &[Window],
    radius: u32,
    mut enough: impl FnMut() -> bool,
) -> Option<Vec<Group>> {
    let mut links = Links::of(windows);
    let sheets: Vec<_> =
        (0..).zip(windows).flat_map(|(at, w)| w.sheets().map(move |sheet| (at, sheet))).collect();
    let mut scratch = Scratch::default();
    let mut asked = 0_u32;
    let mut is_time = || {
        asked = asked.wrapping_add(1);
        asked.is_multiple_of(256) && enough()
    };
    for (place, (at, sheet)) in sheets.iter().enumerate() {
        for (print, item) in sheet.prints() {
            if is_time() {
                return None;
            }
            for (other_at, other) in &sheets[place..] {
                let equal = other.with_print(print);
                equal.for_each(|equal| links.link((*at, item), (*other_at, equal)));
            }
        }
        for (signal, item) in sheet.hashes_by_item() {
            if is_time() {
                return None;
            }
            for (other_at, other) in &sheets[place..] {
                other.search(&signal, radius, &mut scratch, |near| {
                    links.link((*at, item), (*other_at, near.item));
                });
            }
        }
    }
    Some(links.groups())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::signal::{Bits256, Signal};
    use proptest::prelude::*;

    fn signal(kind: u8, seed: u8) -> Signal {
        let far = [0, u64::MAX, 0x5555_5555_5555_5555][usize::from(seed / 60 % 3)];
        let mut bits = Bits256([far, 1, 2, 3]);
        (0..seed % 60).for_each(|bit| bits.0[1] ^= 1 << bit);
        match kind {
            0 => Signal::Md5([seed % 50; 16]),
            1 => Signal::Pdq(bits),
            _ => Signal::VpdqFrame(bits),
        }
    }

    fn is_near(one: &Signal, other: &Signal) -> bool {
        match (one, other) {
            (Signal::Pdq(a), Signal::Pdq(b)) | (Signal::VpdqFrame(a), Signal::VpdqFrame(b)) => {
                a.distance(b) <= 9
            }
            (one, other) => one == other,
        }
    }

    proptest! {
        #[test]
        fn items_are_of_one_group_exactly_where_a_chain_of_near_ones_joins_them(
            items in proptest::collection::vec(
                (0_u32..2, proptest::collection::vec((0_u8..3, 0_u8..180), 0..3), any::<bool>()),
                0..40,
            ),
        ) {
            let mut windows = [Window::default(), Window::default()];
            let mut list: Vec<(Place, Vec<Signal>)> = Vec::new();
            for (number, (at, signals, _)) in (1..).zip(&items) {
                let signals: Vec<_> = signals.iter().map(|(k, s)| signal(*k, *s)).collect();
                let given = signals.iter().map(|signal| (signal, None)).collect();
                windows[*at as usize].add([(number, given)]);
                list.push(((*at, number), signals));
            }
            for (number, (at, _, is_gone)) in (1..).zip(&items) {
                if *is_gone && number % 3 == 0 {
                    windows[*at as usize].end(number);
                    list.retain(|(place, _)| place.1 != number);
                }
            }
            list.sort_by_key(|(place, _)| *place);
            // Everything that is near takes the smaller label, until nothing changes.
            let mut labels: Vec<usize> = (0..list.len()).collect();
            loop {
                let before = labels.clone();
                for a in 0..list.len() {
                    for b in 0..list.len() {
                        let mut pairs = list[a].1.iter().flat_map(|x| list[b].1.iter().map(move |y| (x, y)));
                        if pairs.any(|(x, y)| is_near(x, y)) {
                            labels[a] = labels[a].min(labels[b]);
                        }
                    }
                }
                if labels == before {
                    break;
                }
            }
            let mut expected = Vec::new();
            for label in 0..list.len() {
                let members: Vec<Place> =
                    (0..list.len()).filter(|at| labels[*at] == label).map(|at| list[at].0).collect();
                if members.len() > 1 {
                    let (first, last) = (members[0], members[members.len() - 1]);
                    expected.push(Group { items: members.len() as u32, first, last });
                }
            }
            expected.sort_by_key(|group| (std::cmp::Reverse(group.items), group.first));
            prop_assert_eq!(groups(&windows, 9, || false), Some(expected));
        }
    }

    #[test]
    fn who_has_no_time_left_gets_nothing_instead_of_a_part() {
        let mut window = Window::default();
        let all: Vec<Signal> = (0..200).map(|seed| signal(1, seed)).collect();
        window.add((1..).zip(&all).map(|(number, signal)| (number, vec![(signal, None); 2])));
        assert!(groups(&[window.clone()], 9, || true).is_none());
        assert!(groups(&[window], 9, || false).is_some());
    }
}
