//! A matcher as bytes: a picture of it is written while it changes, and what is read goes on from there.

use super::{Matcher, Shelf, counts};
use crate::core::bank::{Bank, Effect};
use crate::core::encoding::{Decoder, Encoder, Malformed, Stopped, holds};
use crate::core::id::EntryId;
use crate::core::matcher::layer::Layer;
use imbl::HashSet;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The change that stands for all that came before what is read.
const READ: u64 = 1;

/// A bank's number where the bank is there, and where it is not.
const THERE: u8 = 1;
const GONE: u8 = 0;

impl Matcher {
    /// Writes the matcher as it is: what changes in clones of it meanwhile is not seen.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn write(&self, to: &mut Encoder<'_>) -> Result<(), Stopped> {
        to.count(self.shelves.len())?;
        for shelf in &self.shelves {
            match shelf {
                None => to.word(GONE)?,
                Some(shelf) => {
                    to.word(THERE)?;
                    to.json(&shelf.bank)?;
                    to.word(shelf.number)?;
                    to.count(shelf.silent.len())?;
                    shelf.silent.iter().try_for_each(|name| to.text(name.as_str()))?;
                }
            }
        }
        to.count(self.layers.len())?;
        self.layers.iter().try_for_each(|layer| layer.write(self.sequence, to))
    }

    /// Reads what [`Self::write`] wrote.
    ///
    /// # Errors
    /// [`Malformed`] where something in it does not hold.
    pub fn read(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let mut read = Self { sequence: READ, ..Self::default() };
        let mut shelves = Vec::new();
        let count = from.count(1)?;
        for number in 0..count {
            let shelf = match from.word()? {
                GONE => None,
                THERE => Some(Shelf::read(from)?),
                _ => return Err(Malformed("a bank neither there nor gone")),
            };
            if let Some(shelf) = &shelf {
                let number = u32::try_from(number).map_err(|_| Malformed("too many banks"))?;
                let twice = read.numbers.insert(shelf.bank.id.clone(), number).is_some();
                holds(!twice, "a bank that is there twice")?;
            }
            shelves.push(shelf);
        }
        for _ in 0..from.count(1)? {
            let layer = Layer::read(from)?;
            count_in(&layer, &mut shelves)?;
            if layer.ends.ended() < layer.len() {
                read.layers.push(Arc::new(layer));
            }
        }
        read.layers.sort_by_key(|layer| std::cmp::Reverse(layer.len()));
        read.shelves = shelves.into_iter().map(|shelf| shelf.map(Arc::new)).collect();
        Ok(read)
    }
}

impl Shelf {
    /// A bank with its silent entries; the others are counted as their layers are read.
    fn read(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let bank: Bank = from.json()?;
        let number = from.word()?;
        let mut silent = HashSet::new();
        for _ in 0..from.count(8)? {
            let name = EntryId::try_from(from.text()?);
            let name = name.map_err(|_| Malformed("a name that is none"))?;
            let twice = silent.insert(name).is_some();
            holds(!twice, "an entry that is there twice")?;
        }
        let (counts, counting) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { bank, number, entries: 0, silent, counts, counting })
    }
}

/// What entries have in common that are counted together: bank, place of the shape in memory, effect.
type Kind = (u32, usize, Effect);

/// Entries of one kind: one of them, and how many they are.
struct Alike {
    kind: Kind,
    entry: u32,
    count: u64,
}

/// Counts the entries of a layer and their signals in their banks.
fn count_in(layer: &Layer, shelves: &mut [Option<Shelf>]) -> Result<(), Malformed> {
    // Entries alike stand side by side: most are counted without a look at the rest.
    let mut all: HashMap<Kind, Alike> = HashMap::new();
    let mut add = |run: Option<Alike>| {
        if let Some(run) = run {
            let known = all.entry(run.kind).or_insert(Alike { count: 0, ..run });
            known.count += run.count;
        }
    };
    let mut run: Option<Alike> = None;
    for entry in layer.alive() {
        let seen = layer.rows.get(entry);
        let kind = (seen.bank, Arc::as_ptr(seen.shape).addr(), seen.effect);
        match &mut run {
            Some(run) if run.kind == kind => run.count += 1,
            _ => add(run.replace(Alike { kind, entry, count: 1 })),
        }
    }
    add(run);
    for ((bank, _, effect), Alike { entry, count, .. }) in all {
        let shelf = shelves.get_mut(bank as usize).and_then(Option::as_mut);
        let shelf = shelf.ok_or(Malformed("an entry of no bank"))?;
        shelf.entries += count as usize;
        for (kind, each) in layer.rows.get(entry).shape.iter() {
            let more = each.checked_mul(count).ok_or(Malformed("too many signals"))?;
            let lists = [Some(&mut shelf.counts), counts(effect).then_some(&mut shelf.counting)];
            for list in lists.into_iter().flatten() {
                let sum = list.entry(kind.clone()).or_default();
                *sum = sum.checked_add(more).ok_or(Malformed("too many signals"))?;
            }
        }
    }
    Ok(())
}
