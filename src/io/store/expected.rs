//! Which rows the events account for, found along the journal without keeping the rows in memory.

use super::dialect::{Conn, Row, Value};
use super::error::StoreError;
use super::journal::{self, Recorded};
use super::report::Report;
use super::rows::{self, Document, NO_SCOPE};
use crate::core::access::{Credential, Scope, Tenant};
use crate::core::bank::{Bank, Entry, EntryState};
use crate::core::event::{Event, EventKind};
use crate::core::exchange::{Exchange, Partner, Progress};
use crate::core::id::EntryId;
use crate::core::journal::envelope::event_kind_code;
use crate::core::live::kept::Interrupt;
use crate::core::policy::Surface;
use crate::io::seal::KeyRing;
use std::collections::{BTreeMap, BTreeSet, HashMap};

type DocumentKey = (&'static str, String, String);
type BankKey = (String, String);

/// What the events met so far account for.
#[derive(Default)]
pub struct Expected {
    /// Journal number and JSON of the last record of each document.
    documents: BTreeMap<DocumentKey, (u64, Vec<u8>)>,
    banks: BTreeMap<BankKey, Bank>,
    /// Number of the last deletion of each bank: rows of earlier events went with it.
    deleted: HashMap<BankKey, u64>,
    /// Fingerprints that removed entries leave behind: those of their last signals.
    tombstones: HashMap<(BankKey, EntryId), BTreeSet<[u8; 32]>>,
    entries: u64,
    signals: u64,
    verdicts: u64,
    outcomes: u64,
    /// Kinds of events whose payload was erased: what they account for is not known.
    erased: BTreeSet<EventKind>,
}

impl Expected {
    /// Finds which banks are deleted later on.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read.
    pub async fn begin(&mut self, conn: &mut Conn, keys: &KeyRing) -> Result<(), StoreError> {
        let sql = "SELECT number, kind, envelope, salt, payload, leaf FROM journal \
                   WHERE kind = $1 ORDER BY number";
        let kind = u64::from(event_kind_code(EventKind::BankDeleted));
        for row in conn.rows(sql, vec![kind.into()]).await? {
            // A row that does not read is named when its turn comes.
            if let Ok((recorded, _)) = journal::read_row(keys, &row)
                && let Some(Event::BankDeleted { scope, bank, .. }) = recorded.event
            {
                self.deleted.insert((scope.to_string(), bank.to_string()), recorded.number);
            }
        }
        Ok(())
    }

    /// Takes the next event into account and looks up the rows it accounts for.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read any further.
    pub async fn event(
        &mut self,
        conn: &mut Conn,
        keys: &KeyRing,
        recorded: &Recorded,
        report: &mut Report,
    ) -> Result<(), StoreError> {
        let number = recorded.number;
        let Some(event) = &recorded.event else {
            self.erased.insert(recorded.envelope.kind);
            return Ok(());
        };
        match event {
            Event::TenantPut { tenant } => self.document(NO_SCOPE, number, tenant),
            Event::CredentialPut { credential } => self.document(NO_SCOPE, number, credential),
            Event::SurfacePut { scope, surface } => {
                self.document(&scope.to_string(), number, surface);
            }
            Event::BankPut { scope, bank } => {
                self.document(&scope.to_string(), number, bank);
                self.banks.insert((scope.to_string(), bank.id.to_string()), bank.clone());
            }
            Event::BankDeleted { scope, bank, .. } => {
                let key = (scope.to_string(), bank.to_string());
                self.documents.remove(&(Bank::KIND, key.0.clone(), key.1.clone()));
                self.tombstones.retain(|(of, _), _| *of != key);
                self.banks.remove(&key);
            }
            Event::EntriesPut { scope, bank, entries, at } => {
                let key = (scope.to_string(), bank.to_string());
                if let Some(mut settings) = self.banks.get(&key).cloned() {
                    settings.changed = *at;
                    settings.learned = *at;
                    self.document(&key.0, number, &settings);
                    self.banks.insert(key.clone(), settings);
                }
                if self.deleted.get(&key).is_none_or(|deleted| *deleted < number) {
                    self.entries(conn, keys, report, &key, number, entries).await?;
                }
            }
            Event::VerdictGiven { scope, given } => {
                let name = given.verdict.id.as_str();
                let sql = "SELECT number FROM verdict WHERE scope = $1 AND verdict = $2";
                let row =
                    conn.row(sql, vec![scope.to_string().as_str().into(), name.into()]).await?;
                match row.map(|row| row.number(0)).transpose()? {
                    Some(found) if found == number => self.verdicts += 1,
                    // A verdict told twice stands under its first number.
                    Some(found) if found < number => {}
                    _ => report.fault(format!("verdict of event {number}"), "missing or changed"),
                }
            }
            Event::OutcomeRecorded { scope, outcome } => {
                self.outcome(conn, report, scope, outcome.verdict.as_str(), number).await?;
            }
            Event::PartnerPut { scope, partner } => {
                self.document(&scope.to_string(), number, &**partner);
            }
            Event::ExchangePut { scope, exchange } => {
                self.document(&scope.to_string(), number, &**exchange);
            }
            Event::ExchangeAdvanced { scope, progress } => {
                self.document(&scope.to_string(), number, &**progress);
            }
            Event::ExchangeDeleted { scope, exchange, .. } => {
                for kind in [Exchange::KIND, Progress::KIND] {
                    self.documents.remove(&(kind, scope.to_string(), exchange.to_string()));
                }
            }
            Event::StreamInterrupted { scope, interrupt } => {
                self.document(&scope.to_string(), number, &**interrupt);
            }
            Event::Counted { .. }
            | Event::CountsLost { .. }
            | Event::Restored { .. }
            | Event::StreamCut { .. }
            | Event::StreamNoted { .. } => {}
        }
        Ok(())
    }

    fn document<T: Document>(&mut self, scope: &str, number: u64, record: &T) {
        let key = (T::KIND, scope.to_owned(), record.name().to_owned());
        self.documents.insert(key, (number, rows::json(record)));
    }

    async fn outcome(
        &mut self,
        conn: &mut Conn,
        report: &mut Report,
        scope: &Scope,
        verdict: &str,
        number: u64,
    ) -> Result<(), StoreError> {
        let sql = "SELECT number FROM outcome WHERE scope = $1 AND verdict = $2 AND number = $3";
        let values = vec![scope.to_string().as_str().into(), verdict.into(), number.into()];
        if conn.row(sql, values).await?.is_some() {
            self.outcomes += 1;
        } else {
            report.fault(format!("outcome of event {number}"), "missing or changed");
        }
        Ok(())
    }

    async fn entries(
        &mut self,
        conn: &mut Conn,
        keys: &KeyRing,
        report: &mut Report,
        key: &BankKey,
        number: u64,
        entries: &[Entry],
    ) -> Result<(), StoreError> {
        let last: BTreeMap<&EntryId, &Entry> = entries.iter().map(|one| (&one.id, one)).collect();
        let names: Vec<Value> = last.keys().map(|id| id.as_str().into()).collect();
        let of_bank = [Value::from(key.0.as_str()), key.1.as_str().into()];
        let sql = "SELECT scope, bank, entry, state, version, number, body FROM entry \
                   WHERE scope = $1 AND bank = $2 AND entry";
        let mut stored = HashMap::new();
        for row in conn.within(sql, &of_bank, &names, "").await? {
            let name = row.text(2)?;
            match rows::read_entry(keys, &row) {
                Ok((at, entry)) => drop(stored.insert(entry.id.clone(), (at, entry))),
                Err(_) => report.fault(format!("entry {}/{}/{name}", key.0, key.1), "changed"),
            }
        }
        let sql = "SELECT entry, fingerprint FROM signal WHERE scope = $1 AND bank = $2 AND entry";
        let mut prints = HashMap::<String, BTreeSet<[u8; 32]>>::new();
        for row in conn.within(sql, &of_bank, &names, "").await? {
            prints.entry(row.text(0)?).or_default().insert(row.exact(1)?);
        }
        for (id, entry) in last {
            let place = || format!("entry {}/{}/{id}", key.0, key.1);
            let Some((at, found)) = stored.get(id) else {
                report.fault(place(), "missing");
                continue;
            };
            let wanted: BTreeSet<[u8; 32]> =
                entry.signals.iter().map(|banked| keys.fingerprint(&banked.signal)).collect();
            let tombstone = (key.clone(), id.clone());
            if *at > number {
                if found.state == EntryState::Removed && entry.state != EntryState::Removed {
                    self.tombstones.insert(tombstone, wanted);
                }
                continue;
            }
            if *at < number || found != entry {
                report.fault(place(), "not what its last event says");
                continue;
            }
            let wanted = if entry.state == EntryState::Removed {
                let kept = self.tombstones.remove(&tombstone).unwrap_or_default();
                // What its source withdrew leaves nothing.
                if entry.is_withdrawn() { BTreeSet::new() } else { kept }
            } else {
                wanted
            };
            self.entries += 1;
            self.signals += wanted.len() as u64;
            let known = prints.remove(id.as_str()).unwrap_or_default();
            // Of an entry whose earlier events were erased, more fingerprints may remain than are accounted for.
            let same = known == wanted
                || (self.erased.contains(&EventKind::EntriesPut) && known.is_superset(&wanted));
            if !same {
                report.fault(place(), "signals are not those of its last event");
            }
        }
        Ok(())
    }

    /// Compares the rows with what all events account for.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read any further.
    pub async fn end(
        &mut self,
        conn: &mut Conn,
        keys: &KeyRing,
        report: &mut Report,
    ) -> Result<(), StoreError> {
        self.documents_of::<Tenant>(conn, keys, report, EventKind::TenantPut).await?;
        self.documents_of::<Credential>(conn, keys, report, EventKind::CredentialPut).await?;
        self.documents_of::<Surface>(conn, keys, report, EventKind::SurfacePut).await?;
        self.documents_of::<Bank>(conn, keys, report, EventKind::BankPut).await?;
        self.documents_of::<Partner>(conn, keys, report, EventKind::PartnerPut).await?;
        self.documents_of::<Exchange>(conn, keys, report, EventKind::ExchangePut).await?;
        self.documents_of::<Progress>(conn, keys, report, EventKind::ExchangeAdvanced).await?;
        self.documents_of::<Interrupt>(conn, keys, report, EventKind::StreamInterrupted).await?;
        for (kind, scope, name) in self.documents.keys() {
            report.fault(format!("{kind} {scope}/{name}"), "missing");
        }
        let known: Vec<Value> = rows::KINDS.iter().map(|kind| (*kind).into()).collect();
        let sql = "SELECT COUNT(*) FROM document WHERE kind NOT";
        let strange = conn.within(sql, &[], &known, "").await?;
        if strange.first().map(|row| row.number(0)).transpose()? != Some(0) {
            report.fault("document", "rows of unknown kind");
        }
        for (table, sql, accounted, kinds) in [
            (
                "entry",
                "SELECT COUNT(*) FROM entry",
                self.entries,
                &[EventKind::EntriesPut, EventKind::BankDeleted][..],
            ),
            (
                "signal",
                "SELECT COUNT(*) FROM signal",
                self.signals,
                &[EventKind::EntriesPut, EventKind::BankDeleted],
            ),
            ("verdict", "SELECT COUNT(*) FROM verdict", self.verdicts, &[EventKind::VerdictGiven]),
            (
                "outcome",
                "SELECT COUNT(*) FROM outcome",
                self.outcomes,
                &[EventKind::OutcomeRecorded],
            ),
        ] {
            let row = conn.row(sql, Vec::new()).await?.ok_or(StoreError::Corrupt("count"))?;
            let stored = row.number(0)?;
            report.rows += stored;
            let unknown = kinds.iter().any(|kind| self.erased.contains(kind));
            if stored < accounted || (stored > accounted && !unknown) {
                report.fault(table, "rows that no event accounts for, or fewer than it does");
            }
        }
        Ok(())
    }

    async fn documents_of<T: Document>(
        &mut self,
        conn: &mut Conn,
        keys: &KeyRing,
        report: &mut Report,
        kind: EventKind,
    ) -> Result<(), StoreError> {
        let sql = "SELECT scope, name, version, number, body FROM document \
                   WHERE kind = $1 ORDER BY scope, name";
        let stored: Vec<Row> = conn.rows(sql, vec![T::KIND.into()]).await?;
        for row in stored {
            report.rows += 1;
            let (scope, name) = (row.text(0)?, row.text(1)?);
            let place = format!("{} {scope}/{name}", T::KIND);
            let accounted = self.documents.remove(&(T::KIND, scope, name));
            let Ok((_, number, record)) = rows::read_document::<T>(keys, &row) else {
                report.fault(place, "changed");
                continue;
            };
            match accounted {
                Some((last, json)) if last == number && json == rows::json(&record) => {}
                _ if self.erased.contains(&kind) => {}
                Some(_) => report.fault(place, "not what its last event says"),
                None => report.fault(place, "no event accounts for it"),
            }
        }
        Ok(())
    }
}
