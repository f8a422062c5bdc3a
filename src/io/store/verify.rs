//! Full verification: everything that is stored is recomputed and compared, and what is wrong is named with its place.
//!
//! One pass over the journal recomputes leaves, tree, kept subtrees and checkpoints, and finds for each event the rows
//! it accounts for. Every row must be accounted for by exactly one event, the last one that changed it; since each is
//! met once, comparing numbers shows rows that no event accounts for. Memory does not grow with the journal.

use super::dialect::{self, Conn, Row};
use super::error::StoreError;
use super::expected::Expected;
use super::head::{self, Head};
use super::journal;
use super::open;
use super::report::Report;
use super::requests;
use super::settings::Settings;
use crate::core::journal::merkle::{Frontier, Hash, Kept};
use crate::io::seal::KeyRing;
use std::time::Duration;

/// Events read at a time.
const EVENTS_AT_ONCE: u64 = 256;

/// Verifies a store by reading only; a process that writes at the same time is not held up. Pauses for `pause` after
/// every few hundred events, which keeps a verification in the background from taking a core.
///
/// # Errors
/// [`StoreError`] only where there is no store to be read at all, or it went away meanwhile: a damaged one gives a report.
pub async fn verify(
    settings: &Settings,
    keys: &KeyRing,
    pause: Duration,
) -> Result<Report, StoreError> {
    let mut report = Report::default();
    let mut conn = match dialect::connect_reading(settings).await {
        Ok(conn) => conn,
        Err(StoreError::Corrupt(what)) => {
            report.fault("database", what);
            return Ok(report);
        }
        Err(error) => return Err(error),
    };
    match begin(&mut conn).await {
        Ok(()) => {}
        Err(
            error @ (StoreError::Schema { .. }
            | StoreError::LaterEvents { .. }
            | StoreError::Missing),
        ) => return Err(error),
        Err(error) if error.is_away() => return Err(error),
        Err(error) => {
            report.fault("database", error.to_string());
            return Ok(report);
        }
    }
    let mut run = Run { conn, keys, pause, report };
    if let Err(error) = run.all().await {
        if error.is_away() {
            return Err(error);
        }
        // A database that cannot be read any further is itself what was found.
        run.report.fault("database", error.to_string());
    }
    run.conn.roll_back().await;
    let _ = run.conn.close().await;
    Ok(run.report)
}

async fn begin(conn: &mut Conn) -> Result<(), StoreError> {
    open::check_version(conn).await?;
    conn.begin_reading().await
}

struct Run<'a> {
    conn: Conn,
    keys: &'a KeyRing,
    pause: Duration,
    report: Report,
}

/// Checkpoints as they are met along the journal.
struct Signed {
    rows: std::vec::IntoIter<Row>,
    next: Option<(u64, String)>,
    after: u64,
}

impl Run<'_> {
    async fn all(&mut self) -> Result<(), StoreError> {
        for line in self.conn.integrity().await? {
            self.report.fault("database", line);
        }
        let head = match head::read(&mut self.conn, self.keys).await {
            Ok(head) => Some(head),
            Err(error) => {
                self.report.fault("head", error.to_string());
                None
            }
        };
        let mut expected = Expected::default();
        expected.begin(&mut self.conn, self.keys).await?;
        let frontier = self.events(&mut expected).await?;
        if let Some(head) = &head {
            self.head(head, &frontier);
        }
        expected.end(&mut self.conn, self.keys, &mut self.report).await?;
        self.requests(frontier.size()).await
    }

    fn head(&mut self, head: &Head, frontier: &Frontier) {
        if head.size != frontier.size() {
            self.report.fault("head", "size is not the number of events");
        } else if head.root != frontier.root() {
            self.report.fault("head", "root is not that of the events");
        }
    }

    async fn events(&mut self, expected: &mut Expected) -> Result<Frontier, StoreError> {
        let mut frontier = Frontier::default();
        let mut signed = Signed { rows: Vec::new().into_iter(), next: None, after: 0 };
        self.next_checkpoint(&mut signed).await?;
        let mut subtrees = 0;
        loop {
            let sql = "SELECT number, kind, envelope, salt, payload, leaf FROM journal \
                       WHERE number > $1 ORDER BY number LIMIT $2";
            let last = frontier.size();
            let rows = self.conn.rows(sql, vec![last.into(), EVENTS_AT_ONCE.into()]).await?;
            if rows.is_empty() {
                break;
            }
            let mut kept = Vec::new();
            for row in rows {
                let number = frontier.size() + 1;
                if row.number(0)? != number {
                    self.report.fault(format!("journal {number}"), "missing");
                    // Behind a gap no number and no root can be right.
                    return Ok(frontier);
                }
                let leaf = self.event(number, &row, expected).await?;
                frontier.append(leaf, |node| kept.push(node));
                self.checkpoint(&mut signed, &frontier).await?;
            }
            subtrees += kept.len() as u64;
            self.subtrees(&kept).await?;
            if !self.pause.is_zero() {
                tokio::time::sleep(self.pause).await;
            }
        }
        let row = self.conn.row("SELECT COUNT(*) FROM subtree", Vec::new()).await?;
        if row.map(|row| row.number(0)).transpose()? != Some(subtrees) {
            self.report.fault("subtree", "more or fewer than the journal has");
        }
        if let Some((size, _)) = signed.next {
            self.report.fault(format!("checkpoint {size}"), "covers events that are not there");
        }
        if frontier.size() > 0 && signed.after != frontier.size() {
            self.report.fault("checkpoint", "the last events are not covered");
        }
        Ok(frontier)
    }

    /// Gives the hash of a leaf: recomputed where that is possible, else as it stands.
    async fn event(
        &mut self,
        number: u64,
        row: &Row,
        expected: &mut Expected,
    ) -> Result<Hash, StoreError> {
        match journal::read_row(self.keys, row) {
            Ok((recorded, hash)) => {
                self.report.events += 1;
                self.report.erased += u64::from(recorded.event.is_none());
                expected.event(&mut self.conn, self.keys, &recorded, &mut self.report).await?;
                Ok(hash)
            }
            Err(error) => {
                self.report.fault(format!("journal {number}"), error.to_string());
                row.exact(5)
            }
        }
    }

    async fn subtrees(&mut self, kept: &[Kept]) -> Result<(), StoreError> {
        for node in kept {
            let sql = "SELECT hash FROM subtree WHERE level = $1 AND place = $2";
            let values = vec![u64::from(node.level).into(), node.index.into()];
            let row = self.conn.row(sql, values).await?;
            let stored = row.map(|row| row.exact::<32>(0)).transpose()?;
            if stored != Some(node.hash) {
                let place = format!("subtree {}/{}", node.level, node.index);
                self.report.fault(place, "not the hash of its events");
            }
        }
        Ok(())
    }

    async fn next_checkpoint(&mut self, signed: &mut Signed) -> Result<(), StoreError> {
        if let Some((size, _)) = signed.next.take() {
            signed.after = size;
        }
        if signed.rows.len() == 0 {
            let sql = "SELECT size, note FROM checkpoint WHERE size > $1 ORDER BY size LIMIT $2";
            let values = vec![signed.after.into(), EVENTS_AT_ONCE.into()];
            signed.rows = self.conn.rows(sql, values).await?.into_iter();
        }
        if let Some(row) = signed.rows.next() {
            signed.next = Some((row.number(0)?, row.text(1)?));
        }
        Ok(())
    }

    async fn checkpoint(
        &mut self,
        signed: &mut Signed,
        frontier: &Frontier,
    ) -> Result<(), StoreError> {
        let Some((size, note)) = &signed.next else { return Ok(()) };
        if *size > frontier.size() {
            return Ok(());
        }
        self.report.checkpoints += 1;
        let place = format!("checkpoint {size}");
        match self.keys.verify(note) {
            None => self.report.fault(place, "not signed by a key of this store"),
            Some(read) if read.size != *size => self.report.fault(place, "of another size"),
            Some(read) if read.root != frontier.root() => {
                self.report.fault(place, "root is not that of the events");
            }
            Some(_) => {}
        }
        self.next_checkpoint(signed).await
    }

    /// Kept answers are no fold of events: each must open in its place.
    async fn requests(&mut self, size: u64) -> Result<(), StoreError> {
        let mut after = (String::new(), String::new(), Vec::new());
        loop {
            let sql = "SELECT scope, method, request, digest, number, kept, answer FROM request \
                       WHERE (scope, method, request) > ($1, $2, $3) \
                       ORDER BY scope, method, request LIMIT $4";
            let (scope, method, request) = after.clone();
            let values = vec![
                scope.as_str().into(),
                method.as_str().into(),
                request.into(),
                EVENTS_AT_ONCE.into(),
            ];
            let rows = self.conn.rows(sql, values).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = (last.text(0)?, last.text(1)?, last.bytes(2)?);
            for row in &rows {
                let (number, kept) = (row.number(4)?, row.int(5)?);
                let place = requests::place(
                    &row.text(0)?,
                    &row.text(1)?,
                    &row.bytes(2)?,
                    &row.bytes(3)?,
                    number,
                    kept,
                );
                self.report.rows += 1;
                if number > size || self.keys.open(&place, &row.bytes(6)?).is_err() {
                    let place = format!("request of event {number}");
                    self.report.fault(place, "not what was written");
                }
            }
            if !self.pause.is_zero() {
                tokio::time::sleep(self.pause).await;
            }
        }
    }
}
