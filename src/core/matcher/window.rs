//! The other way round: items that were screened, ready to be searched when a bank learns something.
//!
//! Items lie in sheets that do not change, as entries lie in layers; what happens to an item is that it ends. A search
//! gives every item that has an equal or near signal. Equal digests are told by eight bytes of them: whoever asks
//! compares the whole with what is kept of the item.

mod sheet;
#[cfg(test)]
mod tests;

use crate::core::hamming::Scratch;
use crate::core::matcher::merge::GROWTH;
use crate::core::signal::Signal;
use sheet::{Draft, Sheet};
pub use sheet::{Given, Sighting};
use std::sync::Arc;

/// Items up to which sheets are merged with the change itself, in milliseconds.
const AT_ONCE_MAX: usize = 4096;

/// Items of one scope, by the numbers that they were given. A clone is a picture that costs little: what is added later is not
/// in it, what ends is told to both.
#[derive(Default, Clone)]
pub struct Window {
    /// The largest first.
    sheets: Vec<Arc<Sheet>>,
}

impl std::fmt::Debug for Window {
    /// Prints sizes only: values must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sizes: Vec<_> = self.sheets.iter().map(|sheet| sheet.len()).collect();
        write!(f, "Window(sheets of {sizes:?} items)")
    }
}

impl Window {
    /// Takes items with their signals, in rising order of their numbers. Signals that are neither digests nor perceptual
    /// hashes are passed over.
    pub fn add<'s>(&mut self, items: impl IntoIterator<Item = (u64, Vec<Given<'s>>)>) {
        let mut draft = Draft::default();
        for (item, signals) in items {
            draft.push(item, &signals);
        }
        if draft.is_empty() {
            return;
        }
        self.take(Arc::new(draft.finish()));
        while let Some(gathering) = self.due(|items| items <= AT_ONCE_MAX) {
            self.adopt(gathering.run());
        }
    }

    fn take(&mut self, sheet: Arc<Sheet>) {
        self.sheets.push(sheet);
        self.sheets.sort_by_key(|sheet| std::cmp::Reverse(sheet.len()));
    }

    /// Forgets an item.
    pub fn end(&mut self, item: u64) {
        for sheet in &self.sheets {
            sheet.end(item);
        }
        self.sheets.retain(|sheet| sheet.alive() > 0);
    }

    /// Calls `found` for every item from number `from` on that has the signal, or a hash within `radius` bits of it: once
    /// for each of its hashes, in no particular order.
    pub fn search(
        &self,
        from: u64,
        signal: &Signal,
        radius: u32,
        scratch: &mut Scratch,
        mut found: impl FnMut(Sighting),
    ) {
        for sheet in self.sheets.iter().filter(|sheet| sheet.last() >= from) {
            sheet.search(signal, radius, scratch, |sighting| {
                if sighting.item >= from {
                    found(sighting);
                }
            });
        }
    }

    /// The sheets that the items lie in.
    pub(super) fn sheets(&self) -> impl Iterator<Item = &Sheet> {
        self.sheets.iter().map(|sheet| &**sheet)
    }

    /// Number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sheets.iter().map(|sheet| sheet.alive()).sum()
    }

    /// Whether there is no item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sheets.is_empty()
    }

    /// Bytes of memory that the items take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.sheets.iter().map(|sheet| sheet.bytes()).sum()
    }

    /// Which sheets should become one. Whoever runs it has it adopted, and asks again; nobody else does so meanwhile.
    #[must_use]
    pub fn gathering(&self) -> Option<Gathering> {
        self.due(|_| true)
    }

    fn due(&self, is_of: impl Fn(usize) -> bool) -> Option<Gathering> {
        let among: Vec<_> = self.sheets.iter().filter(|sheet| is_of(sheet.len())).collect();
        let alike = (2..=among.len()).rev().find_map(|end| {
            let run = run(&among[..end]);
            (run.len() >= 2).then_some(run)
        });
        // A quarter of ended items is given back.
        let is_spent = |sheet: &&&Arc<Sheet>| (sheet.len() - sheet.alive()) * 4 > sheet.len();
        let chosen = match alike {
            Some(run) => run.to_vec(),
            None => among.iter().filter(is_spent).take(1).copied().collect(),
        };
        let input = |sheet: &Arc<Sheet>| (Arc::clone(sheet), sheet.ended());
        let inputs: Vec<_> = chosen.into_iter().map(input).collect();
        (!inputs.is_empty()).then_some(Gathering { inputs })
    }

    /// Puts one sheet in the place of those that it was made from.
    pub fn adopt(&mut self, gathered: Gathered) {
        let Gathered { inputs, output } = gathered;
        for (sheet, known) in &inputs {
            sheet.ended_since(*known).into_iter().for_each(|item| output.end(item));
        }
        let is_input = |sheet: &Arc<Sheet>| inputs.iter().any(|(old, _)| Arc::ptr_eq(old, sheet));
        self.sheets.retain(|sheet| !is_input(sheet));
        if output.alive() > 0 {
            self.take(Arc::new(output));
        }
    }
}

/// Of the sheets up to the last, the largest first, those that are not much larger than all after them together.
fn run<'s, 'w>(sheets: &'s [&'w Arc<Sheet>]) -> &'s [&'w Arc<Sheet>] {
    let (mut items, mut hashes, mut start) = (0, 0, sheets.len());
    for (at, sheet) in sheets.iter().enumerate().rev() {
        hashes += sheet.hashes();
        let is_first = start == sheets.len();
        if !is_first && (sheet.len() >= GROWTH * items || hashes > sheet::HASHES_MAX) {
            break;
        }
        items += sheet.len();
        start = at;
    }
    &sheets[start..]
}

/// Sheets that should become one, each with how many of its items had ended.
pub struct Gathering {
    inputs: Vec<(Arc<Sheet>, usize)>,
}

/// One sheet in the place of others.
pub struct Gathered {
    inputs: Vec<(Arc<Sheet>, usize)>,
    output: Sheet,
}

impl Gathering {
    /// Makes the one sheet: in seconds where there are millions of items.
    #[must_use]
    pub fn run(self) -> Gathered {
        let mut draft = Draft::default();
        let mut sheets: Vec<_> = self.inputs.iter().map(|(sheet, _)| &**sheet).collect();
        sheets.sort_by_key(|sheet| sheet.last());
        draft.absorb(&sheets);
        Gathered { output: draft.finish(), inputs: self.inputs }
    }
}
