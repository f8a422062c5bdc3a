//! A log of items as this process has it in memory: a window for each scope, and how far it was searched.

use super::rows::{Item, LogRow};
use crate::core::access::Scope;
use crate::core::bank::{Bank, Entry, SignalRule};
use crate::core::hamming::Scratch;
use crate::core::id::BankId;
use crate::core::lookback::Remembered;
use crate::core::matcher::window::Window;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A log of items.
pub struct Log {
    /// Its number.
    pub log: u64,
    /// Every event up to this number was heeded for every item of it.
    pub searched: u64,
    /// Up to where the database knows that.
    pub told: u64,
    /// The number of the next item.
    pub next: u64,
    /// Items that are still to be read: those behind the first number, up to the second.
    pub loading: Option<(u64, u64)>,
    /// Banks of which all entries are still to be compared, with the entry reached.
    pub sweeps: BTreeMap<(Scope, BankId), String>,
    /// Surfaces that there may be items of.
    pub surfaces: BTreeSet<(Scope, String)>,
    windows: HashMap<Scope, Window>,
}

impl Log {
    /// A log of which nothing was read yet, whose last item has this number.
    #[must_use]
    pub fn new(row: &LogRow, last: u64, sweeps: Vec<(Scope, BankId, String)>) -> Self {
        Self {
            log: row.log,
            searched: row.searched,
            told: row.searched,
            next: last + 1,
            loading: (last > 0).then_some((0, last)),
            sweeps: sweeps.into_iter().map(|(scope, bank, at)| ((scope, bank), at)).collect(),
            surfaces: BTreeSet::new(),
            windows: HashMap::new(),
        }
    }

    /// Whether all its items are here.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.loading.is_none()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.is_whole() && self.windows.values().all(Window::is_empty)
    }

    /// Takes items that were read, with the surface of each.
    pub fn take(&mut self, items: &[(Item, String)]) {
        let good =
            items.iter().filter_map(|(read, surface)| Some((read, surface, read.item.as_ref()?)));
        let mut by_scope: HashMap<&Scope, Vec<(u64, &Remembered)>> = HashMap::new();
        for (read, surface, item) in good {
            by_scope.entry(&read.scope).or_default().push((read.number, item));
            self.surfaces.insert((read.scope.clone(), surface.clone()));
        }
        for (scope, items) in by_scope {
            self.add(scope, items);
        }
    }

    /// Takes items of a scope, in the order of their numbers.
    pub fn add<'i>(
        &mut self,
        scope: &Scope,
        items: impl IntoIterator<Item = (u64, &'i Remembered)>,
    ) {
        let window = self.windows.entry(scope.clone()).or_default();
        window.add(items.into_iter().map(|(number, item)| {
            let signals = item.probes.iter().map(|probe| (&probe.signal, probe.quality));
            (number, signals.collect())
        }));
    }

    /// Forgets items, whosever they are.
    pub fn end(&mut self, numbers: &[u64]) {
        for window in self.windows.values_mut() {
            numbers.iter().for_each(|number| window.end(*number));
        }
        self.windows.retain(|_, window| !window.is_empty());
    }

    /// The items from number `from` on that may match an entry by the rule of its bank.
    #[must_use]
    pub fn near(
        &self,
        scope: &Scope,
        bank: &Bank,
        entry: &Entry,
        from: u64,
        scratch: &mut Scratch,
    ) -> BTreeSet<u64> {
        let mut found = BTreeSet::new();
        let Some(window) = self.windows.get(scope) else { return found };
        for banked in &entry.signals {
            let Some(rule) = bank.rule(&banked.signal.kind()) else { continue };
            let least = rule.quality_min;
            if banked.quality.is_some_and(|quality| quality < least) {
                continue;
            }
            let radius = SignalRule::distance_max(rule);
            window.search(from, &banked.signal, radius, scratch, |sighting| {
                if sighting.quality.is_none_or(|quality| u32::from(quality) >= least) {
                    found.insert(sighting.item);
                }
            });
        }
        found
    }

    /// A window in which sheets should become one, and its scope.
    pub fn windows(&mut self) -> impl Iterator<Item = (&Scope, &mut Window)> {
        self.windows.iter_mut()
    }

    /// The window of a scope.
    pub fn window(&mut self, scope: &Scope) -> Option<&mut Window> {
        self.windows.get_mut(scope)
    }

    /// Number of items, and bytes of memory that they take.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let windows = self.windows.values();
        windows
            .fold((0, 0), |(items, bytes), window| (items + window.len(), bytes + window.bytes()))
    }
}
