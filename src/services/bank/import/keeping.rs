//! What was read of a file, kept in groups while more of it is read.

use crate::core::access::Scope;
use crate::core::bank::{Bank, BankedSignal};
use crate::core::curation::existing_bank;
use crate::core::event::ENTRIES_PER_EVENT_MAX;
use crate::core::guard::cap::Cap;
use crate::core::id::{BankId, EntryId};
use crate::core::intake::{Draft, Intake, Source, take_drafts};
use crate::core::promotion::Far;
use crate::core::record::Record;
use crate::core::signal::Signal;
use crate::io::intake::{put, signals_of, take_records};
use crate::io::store::Tx;
use crate::services::desk::{Call, Desk, Keep};
use crate::services::status::{Reason, Refusal};
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Bytes of values and words that are kept together, about: one event must stay a size that any database takes.
pub const GROUP_BYTES: usize = 1 << 20;
/// Refusals that are named in the answer, of each kind.
pub const REFUSALS_MAX: usize = 100;
/// Groups that are read ahead of what is kept.
const AHEAD: usize = 2;
/// Groups that one transaction keeps: others wait while it runs.
const TOGETHER_MAX: usize = 4;

/// What is kept as one event: at most [`ENTRIES_PER_EVENT_MAX`] of either.
#[derive(Clone)]
pub enum Group {
    /// Entries of a list.
    Drafts(Vec<Draft>),
    /// Records of a source.
    Records(Arc<Source>, Vec<Record>),
}

/// What became of a file so far, and the change that was kept last.
#[derive(Default)]
pub struct Tally {
    /// The counts, and the first of what was refused; entries are none.
    pub intake: Intake,
    /// How many lines or records were refused in the light of what is kept.
    pub refused: u64,
    /// Number of the last change in the journal, where there was one.
    pub number: Option<u64>,
}

/// Keeps groups in the order in which they come, on a task of its own.
pub struct Keeping {
    groups: mpsc::Sender<Group>,
    task: JoinHandle<Result<Tally, Refusal>>,
}

impl Keeping {
    /// Begins to keep groups in a bank.
    #[must_use]
    pub fn begin(desk: Desk, call: Call, bank: BankId) -> Self {
        let (groups, receiver) = mpsc::channel(AHEAD);
        Self { groups, task: tokio::spawn(keep_all(desk, call, bank, receiver)) }
    }

    /// Takes a group to keep; waits while enough of them are waiting.
    ///
    /// # Errors
    /// A refusal that ended the keeping.
    pub async fn take(&mut self, group: Group) -> Result<(), Refusal> {
        if self.groups.send(group).await.is_ok() {
            return Ok(());
        }
        let refused = (&mut self.task).await.unwrap_or_else(|_| Err(broken()));
        Err(refused.err().unwrap_or_else(broken))
    }

    /// Waits until everything is kept.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub async fn end(self) -> Result<Tally, Refusal> {
        drop(self.groups);
        self.task.await.unwrap_or_else(|_| Err(broken()))
    }
}

fn broken() -> Refusal {
    Refusal::new(Reason::Internal, "an import broke down")
}

async fn keep_all(
    desk: Desk,
    call: Call,
    bank: BankId,
    mut groups: mpsc::Receiver<Group>,
) -> Result<Tally, Refusal> {
    let mut tally = Tally::default();
    let mut some = Vec::with_capacity(TOGETHER_MAX);
    while groups.recv_many(&mut some, TOGETHER_MAX).await > 0 {
        keep(&desk, &call, &bank, std::mem::take(&mut some), &mut tally).await?;
    }
    Ok(tally)
}

/// Keeps some groups in one transaction, each as an event.
async fn keep(
    desk: &Desk,
    call: &Call,
    bank: &BankId,
    groups: Vec<Group>,
    tally: &mut Tally,
) -> Result<(), Refusal> {
    let far = desk.far_good(call, bank, &signals(&groups)).await;
    let (scope, bank) = (call.caller.scope.clone(), bank.clone());
    let taken: Arc<Mutex<Vec<Intake>>> = Arc::default();
    let result = Arc::clone(&taken);
    let answer = desk.keep_change(None, move |tx| {
        Box::pin(async move {
            let mut intakes = Vec::with_capacity(groups.len());
            for group in groups {
                intakes.push(match group {
                    Group::Drafts(drafts) => take_some(tx, &scope, &bank, drafts, &far).await?,
                    Group::Records(source, records) => {
                        // What a person here brings has no cap.
                        let mut cap = Cap::default();
                        take_records(tx, &scope, &bank, &source, records, &far, &mut cap).await?
                    }
                });
            }
            *result.lock() = intakes;
            Ok(Vec::new())
        })
    });
    tally.number = answer.await?.number.or(tally.number);
    for intake in std::mem::take(&mut *taken.lock()) {
        let whole = &mut tally.intake;
        whole.taken += intake.taken;
        whole.replaced += intake.replaced;
        whole.withdrawn += intake.withdrawn;
        whole.already_present += intake.already_present;
        whole.tombstoned += intake.tombstoned;
        tally.refused += intake.refused.iter().map(|(_, lines, _)| lines).sum::<u64>();
        let room = REFUSALS_MAX.saturating_sub(whole.refused.len());
        whole.refused.extend(intake.refused.into_iter().take(room));
    }
    Ok(())
}

fn signals(groups: &[Group]) -> Vec<BankedSignal> {
    let of = |group: &Group| -> Vec<BankedSignal> {
        match group {
            Group::Drafts(drafts) => {
                drafts.iter().flat_map(|draft| draft.wanted.signals.iter().cloned()).collect()
            }
            Group::Records(_, records) => signals_of(records).cloned().collect(),
        }
    };
    groups.iter().flat_map(of).collect()
}

/// Takes drafts in, as one event.
async fn take_some(
    tx: &mut Tx,
    scope: &Scope,
    bank: &BankId,
    drafts: Vec<Draft>,
    far: &Far,
) -> Keep<Intake> {
    let settings = existing_bank(tx.bank(scope, bank).await?, bank)?;
    let signals: Vec<Signal> = drafts
        .iter()
        .flat_map(|draft| draft.wanted.signals.iter().map(|banked| banked.signal.clone()))
        .collect();
    let known = tx.entries_by_signal(scope, bank, &signals).await?;
    let mut names = Vec::with_capacity(drafts.len());
    for draft in &drafts {
        names.push(match &draft.wanted.id {
            Some(id) => tx.entry(scope, bank, id).await?.is_some(),
            None => false,
        });
    }
    let (now, fresh) = (tx.now(), || EntryId::parse(&tx.fresh_id()).ok());
    let fire = |bank: &Bank, signals: &[BankedSignal]| tx.fired(scope, bank, signals, far);
    let mut intake = take_drafts(&settings, drafts, &known, &names, fresh, fire, now);
    let changed = std::mem::take(&mut intake.changed);
    debug_assert!(changed.len() <= ENTRIES_PER_EVENT_MAX, "a group is one event");
    put(tx, scope, &settings, changed, intake.shares, far).await?;
    Ok(intake)
}
