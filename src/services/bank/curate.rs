//! What a change of an entry does within its transaction.

use crate::core::access::Scope;
use crate::core::bank::{Bank, BankRole, BankedSignal, Entry};
use crate::core::confirmation::{
    Confirmed, Said, confirmed, may_confirm_into, opine, release, signals_for,
};
use crate::core::curation::{
    Beside, NewEntry, add_entry, existing_bank, existing_entry, remove_entry, update_entry,
};
use crate::core::id::{BankId, EntryId};
use crate::core::opinion::Value;
use crate::core::promotion::{Changed, Far, Fired};
use crate::core::refused::Refused;
use crate::core::signal::Signal;
use crate::io::intake;
use crate::io::store::Tx;
use crate::services::bank::parse::{AddEntry, RecordOpinion, Release, RemoveEntry, UpdateEntry};
use crate::services::desk::{Keep, unwritable};
use serde::{Deserialize, Serialize};

/// Entries that share a value with one that is ended: more are not looked for.
const SAME_MAX: usize = 1000;

async fn present(tx: &mut Tx, scope: &Scope, bank: &BankId, id: &EntryId) -> Keep<(Bank, Entry)> {
    let settings = existing_bank(tx.bank(scope, bank).await?, bank)?;
    let entry = existing_entry(tx.entry(scope, bank, id).await?, id)?;
    Ok((settings, entry))
}

async fn put(
    tx: &mut Tx,
    scope: &Scope,
    bank: &Bank,
    (before, after): (Option<Entry>, Entry),
    far: &Far,
) -> Keep<Entry> {
    let changed = vec![Changed { before, after }];
    let put = intake::put(tx, scope, bank, changed, true, far).await?;
    put.into_iter().next().ok_or_else(unwritable)
}

fn firing<'f>(
    tx: &'f Tx,
    scope: &'f Scope,
    far: &'f Far,
) -> impl Fn(&Bank, &[BankedSignal]) -> Fired + 'f {
    |bank, signals| tx.fired(scope, bank, signals, far)
}

/// Adds an entry.
pub async fn add(tx: &mut Tx, scope: &Scope, asked: AddEntry, far: &Far) -> Keep<Entry> {
    let bank = existing_bank(tx.bank(scope, &asked.bank).await?, &asked.bank)?;
    let mut wanted = asked.wanted;
    if asked.source.is_media() {
        // The bank takes of an item what it has rules for.
        wanted.signals.retain(|banked| bank.rule(&banked.signal.kind()).is_some());
        if wanted.signals.is_empty() {
            let must = "must give a signal of a type that the bank has a rule for";
            return Err(Refused::Field("media".to_owned(), must.to_owned()).into());
        }
    }
    add_new(tx, scope, &bank, wanted, asked.override_tombstone, far).await
}

async fn add_new(
    tx: &mut Tx,
    scope: &Scope,
    bank: &Bank,
    wanted: NewEntry,
    force: bool,
    far: &Far,
) -> Keep<Entry> {
    let id = match wanted.id.clone() {
        Some(id) => id,
        None => EntryId::parse(&tx.fresh_id()).map_err(|_| unwritable())?,
    };
    let present = tx.entry(scope, &bank.id, &id).await?;
    let values: Vec<_> = wanted.signals.iter().map(|b| b.signal.clone()).collect();
    let known = tx.entries_by_signal(scope, &bank.id, &values).await?;
    let beside = Beside { id, entry: present, known };
    let (now, fire) = (tx.now(), firing(tx, scope, far));
    let entry = add_entry(bank, beside, wanted, force, now, fire)?;
    put(tx, scope, bank, (None, entry), far).await
}

/// Changes an entry.
pub async fn update(tx: &mut Tx, scope: &Scope, asked: UpdateEntry, far: &Far) -> Keep<Entry> {
    let (bank, before) = present(tx, scope, &asked.bank, &asked.id).await?;
    let mut patch = asked.patch;
    let parts = asked.provenance_mask;
    patch.provenance =
        patch.provenance.map(|wanted| parts.apply(before.provenance.clone(), wanted));
    let (now, fire) = (tx.now(), firing(tx, scope, far));
    let entry = update_entry(&bank, &before, patch, asked.read, now, fire)?;
    put(tx, scope, &bank, (Some(before), entry), far).await
}

/// Removes an entry.
pub async fn remove(tx: &mut Tx, scope: &Scope, asked: RemoveEntry, far: &Far) -> Keep<Entry> {
    let (bank, before) = present(tx, scope, &asked.bank, &asked.id).await?;
    let entry = remove_entry(before.clone(), asked.read)?;
    put(tx, scope, &bank, (Some(before), entry), far).await
}

/// Releases an entry that a guard set aside.
pub async fn let_go(tx: &mut Tx, scope: &Scope, asked: Release, far: &Far) -> Keep<Entry> {
    let (bank, before) = present(tx, scope, &asked.bank, &asked.id).await?;
    let (now, fire) = (tx.now(), firing(tx, scope, far));
    let entry = release(&bank, &before, &asked.reason, asked.read, now, fire)?;
    put(tx, scope, &bank, (Some(before), entry), far).await
}

/// What came of an opinion.
#[derive(Debug, Serialize, Deserialize)]
pub struct Opined {
    /// The entry.
    pub entry: Entry,
    /// The entry of the bank of what was confirmed, where one was named.
    pub confirmed: Option<(BankId, Entry)>,
    /// Other entries that share a value with it and got the same opinion.
    pub same: Vec<(BankId, EntryId)>,
}

/// Records an opinion, with all that is to follow from it.
pub async fn record(tx: &mut Tx, scope: &Scope, asked: RecordOpinion, far: &Far) -> Keep<Opined> {
    let (bank, before) = present(tx, scope, &asked.bank, &asked.id).await?;
    let (now, fire) = (tx.now(), firing(tx, scope, far));
    let entry = opine(&bank, &before, &asked.said, asked.disable, asked.read, now, fire)?;
    let entry = put(tx, scope, &bank, (Some(before.clone()), entry), far).await?;
    let confirmed = match asked.confirm {
        Some((to, value)) => {
            let to = existing_bank(tx.bank(scope, &to).await?, &to)?;
            may_confirm_into(&to, &bank, value)?;
            let confirmed = confirm(tx, scope, &to, &before, &asked.said, far).await?;
            Some((to.id, confirmed))
        }
        None => None,
    };
    let same = match asked.disable {
        true => dispute_same(tx, scope, &bank.id, &before, &asked.said, far).await?,
        false => Vec::new(),
    };
    Ok(Opined { entry, confirmed, same })
}

/// Takes an entry into the bank of what was confirmed here.
async fn confirm(
    tx: &mut Tx,
    scope: &Scope,
    to: &Bank,
    of: &Entry,
    said: &Said,
    far: &Far,
) -> Keep<Entry> {
    let signals = signals_for(to, of)?;
    let values: Vec<Signal> = signals.iter().map(|banked| banked.signal.clone()).collect();
    let known = tx.entries_by_signal(scope, &to.id, &values).await?;
    // In the bank of what was confirmed, the person says that it belongs there, whatever that bank is for.
    let said = match said {
        Said::Opinion(_, reasons) => Said::Opinion(Value::Positive, reasons.clone()),
        Said::Nothing => Said::Nothing,
    };
    let before = match confirmed(of, signals, &known) {
        Confirmed::Present(id) => existing_entry(tx.entry(scope, &to.id, &id).await?, &id)?,
        Confirmed::New(wanted) => add_new(tx, scope, to, *wanted, true, far).await?,
    };
    let (now, fire) = (tx.now(), firing(tx, scope, far));
    let entry = opine(to, &before, &said, false, None, now, fire)?;
    put(tx, scope, to, (Some(before), entry), far).await
}

/// Lets every other entry of a positive bank that shares a value with an entry have the same opinion.
async fn dispute_same(
    tx: &mut Tx,
    scope: &Scope,
    bank: &BankId,
    of: &Entry,
    said: &Said,
    far: &Far,
) -> Keep<Vec<(BankId, EntryId)>> {
    let values: Vec<Signal> = of.signals.iter().map(|banked| banked.signal.clone()).collect();
    let mut same = Vec::new();
    for other in tx.banks(scope).into_iter().filter(|bank| bank.role == BankRole::Positive) {
        let left = SAME_MAX - same.len();
        let found = tx.entries_sharing(scope, &other.id, &values, left).await?;
        let names: Vec<EntryId> =
            found.into_iter().filter(|id| other.id != *bank || *id != of.id).collect();
        let now = tx.now();
        let mut changed = Vec::new();
        for before in tx.entries_named(scope, &other.id, &names).await?.into_iter().flatten() {
            let after = opine(&other, &before, said, false, None, now, firing(tx, scope, far))?;
            changed.push(Changed { before: Some(before), after });
        }
        same.extend(names.into_iter().map(|id| (other.id.clone(), id)));
        intake::put(tx, scope, &other, changed, true, far).await?;
    }
    Ok(same)
}
