//! Taking in what others tell: records in groups, and with the last of them how far was heard.

use crate::core::access::Scope;
use crate::core::event::{ENTRIES_PER_EVENT_MAX, Event};
use crate::core::exchange::{Counts, Progress};
use crate::core::guard::cap::Cap;
use crate::core::id::{BankId, EntryId};
use crate::core::intake::{Intake, Source};
use crate::core::promotion::Far;
use crate::core::record::{BadRecord, Record};
use crate::core::refused::{Refused, Thing};
use crate::io::intake::{signals_of, take_records, withdraw_entries};
use crate::io::store::{Lease, Tx};
use crate::services::desk::{Desk, Keep};
use crate::services::status::Refusal;
use parking_lot::Mutex;
use std::sync::Arc;

/// Where records go, and whose they are.
#[derive(Debug, Clone)]
pub struct Into {
    /// Whose bank.
    pub scope: Scope,
    /// The bank.
    pub bank: BankId,
    /// Whose records.
    pub source: Source,
    /// How many new ones they may be in a day; nought for any number.
    pub new_per_day: u32,
    /// The right to take them, where only one process may.
    pub lease: Option<Lease>,
}

/// What is taken in at once.
#[derive(Debug, Clone)]
pub enum What {
    /// What a source says.
    Records(Vec<Record>),
    /// Entries that were not among all that it lists.
    Absent(Vec<EntryId>),
}

impl What {
    fn len(&self) -> usize {
        match self {
            Self::Records(records) => records.len(),
            Self::Absent(ids) => ids.len(),
        }
    }

    /// Takes what is too much for one event off.
    fn split(&mut self) -> Self {
        let at = self.len().min(ENTRIES_PER_EVENT_MAX);
        match self {
            Self::Records(records) => Self::Records(records.split_off(at)),
            Self::Absent(ids) => Self::Absent(ids.split_off(at)),
        }
    }
}

/// What was heard in one piece.
#[derive(Debug)]
pub struct Piece {
    /// What it says.
    pub what: What,
    /// What of it cannot be read.
    pub bad: Vec<BadRecord>,
    /// How far was heard before.
    pub before: Progress,
    /// And how far with it; counts, version and time are those of `before`.
    pub after: Progress,
}

/// What became of a piece.
#[derive(Debug)]
pub struct Took {
    /// How far was heard now.
    pub progress: Progress,
    /// What became of its records.
    pub counts: Counts,
    /// Those that could not be taken.
    pub bad: Vec<BadRecord>,
    /// Journal number of the last change.
    pub number: u64,
}

/// Takes a piece in. Only with its last group it counts as heard: what was taken before a break is told again, and changes
/// nothing then. How many new entries came is kept with each group.
///
/// # Errors
/// [`Refused::Changed`] where somebody else heard it meanwhile; [`Refused::Missing`] where there is no such bank.
pub async fn take_in(desk: &Desk, into: &Into, piece: Piece) -> Result<Took, Refusal> {
    let Piece { mut what, mut bad, mut before, after } = piece;
    let mut counts = Counts { refused: bad.len() as u64, ..Counts::default() };
    loop {
        let rest = what.split();
        let group = std::mem::replace(&mut what, rest);
        let is_last = what.len() == 0;
        let signals: Vec<_> = match &group {
            What::Records(records) => signals_of(records).cloned().collect(),
            What::Absent(_) => Vec::new(),
        };
        let far = desk.far_good_in(&into.scope, &into.bank, &signals).await;
        let taken: Arc<Mutex<Intake>> = Arc::default();
        let (result, into, known, next) =
            (Arc::clone(&taken), into.clone(), before.clone(), after.clone());
        let kept = desk.keep_record(None, move |tx| {
            Box::pin(async move {
                let known = unmoved(tx, &into, known).await?;
                let now = tx.now();
                let mut cap = Cap::new(into.new_per_day, known.brought, now);
                let intake = take(tx, &into, group, &far, &mut cap).await?;
                let is_kept = is_last || cap.brought() != known.brought;
                let counted = known.counts;
                let mut progress = match (is_last, is_kept) {
                    (true, _) => Progress { version: known.version, ..next }.kept(now),
                    (false, true) => known.kept(now),
                    (false, false) => known,
                };
                progress.brought = cap.brought();
                let mut all = counts;
                all.add(&intake);
                *result.lock() = intake;
                if is_last {
                    progress.counts = sum(counted, all);
                }
                if is_kept {
                    let (scope, progress) = (into.scope, Box::new(progress.clone()));
                    tx.record(Event::ExchangeAdvanced { scope, progress }).await?;
                }
                Ok(progress)
            })
        });
        let (progress, number) = kept.await?;
        if progress.brought.overflowed_since(&before.brought) {
            desk.guards.over_cap();
        }
        before = progress;
        let intake = std::mem::take(&mut *taken.lock());
        counts.add(&intake);
        let refused = intake.refused.into_iter();
        bad.extend(refused.map(|(place, _, must)| BadRecord { place, must }));
        if is_last {
            return Ok(Took { progress: before, counts, bad, number });
        }
    }
}

const fn sum(one: Counts, other: Counts) -> Counts {
    Counts {
        taken: one.taken + other.taken,
        replaced: one.replaced + other.replaced,
        withdrawn: one.withdrawn + other.withdrawn,
        unchanged: one.unchanged + other.unchanged,
        tombstoned: one.tombstoned + other.tombstoned,
        refused: one.refused + other.refused,
        over_cap: one.over_cap + other.over_cap,
    }
}

/// How far was heard, where nobody has heard more since.
async fn unmoved(tx: &mut Tx, into: &Into, known: Progress) -> Keep<Progress> {
    if let Some(lease) = into.lease {
        tx.fence(lease).await?;
    }
    let kept = tx.progress(&into.scope, &known.id).await?.filter(|kept| kept.of == known.of);
    if kept.map_or(0, |kept| kept.version) != known.version {
        return Err(Refused::Changed(Thing::Exchange, known.id).into());
    }
    Ok(known)
}

async fn take(tx: &mut Tx, into: &Into, what: What, far: &Far, cap: &mut Cap) -> Keep<Intake> {
    let Into { scope, bank, source, .. } = into;
    match what {
        What::Records(records) if records.is_empty() => Ok(Intake::default()),
        What::Records(records) => take_records(tx, scope, bank, source, records, far, cap).await,
        What::Absent(ids) if ids.is_empty() => Ok(Intake::default()),
        What::Absent(ids) => withdraw_entries(tx, scope, bank, source, ids).await,
    }
}
