//! Copying a store into another database, row by row as it stands: what is sealed stays sealed, the journal stays itself.
//!
//! The target is made in one transaction and is there whole or not at all. Before that is committed, its head, its tree
//! and the number of rows of every table are compared with the source, which nobody may have changed meanwhile.

use super::dialect::{self, Conn, Row, Value};
use super::error::StoreError;
use super::head::{self, Head};
use super::kinds;
use super::open;
use super::settings::Settings;
use crate::core::journal::merkle::Hash;
use crate::io::seal::KeyRing;
use sqlx::AssertSqlSafe;

/// Rows that are read at a time.
const ROWS_AT_ONCE: u64 = 1024;

#[derive(Clone, Copy)]
enum Kind {
    Int,
    Text,
    Bytes,
}
use Kind::{Bytes, Int, Text};

/// A table: its columns, of which the first `keys` tell rows apart.
struct Table {
    name: &'static str,
    keys: usize,
    columns: &'static [(&'static str, Kind)],
}

const TABLES: [Table; 10] = [
    Table {
        name: "journal",
        keys: 1,
        columns: &[
            ("number", Int),
            ("kind", Int),
            ("envelope", Bytes),
            ("salt", Bytes),
            ("payload", Bytes),
            ("leaf", Bytes),
        ],
    },
    Table { name: "subtree", keys: 2, columns: &[("level", Int), ("place", Int), ("hash", Bytes)] },
    Table { name: "checkpoint", keys: 1, columns: &[("size", Int), ("note", Text)] },
    Table {
        name: "document",
        keys: 3,
        columns: &[
            ("kind", Text),
            ("scope", Text),
            ("name", Text),
            ("version", Int),
            ("number", Int),
            ("body", Bytes),
        ],
    },
    Table {
        name: "entry",
        keys: 3,
        columns: &[
            ("scope", Text),
            ("bank", Text),
            ("entry", Text),
            ("state", Int),
            ("version", Int),
            ("number", Int),
            ("body", Bytes),
        ],
    },
    Table {
        name: "signal",
        keys: 4,
        columns: &[("scope", Text), ("bank", Text), ("fingerprint", Bytes), ("entry", Text)],
    },
    Table {
        name: "request",
        keys: 3,
        columns: &[
            ("scope", Text),
            ("method", Text),
            ("request", Bytes),
            ("digest", Bytes),
            ("number", Int),
            ("kept", Int),
            ("answer", Bytes),
        ],
    },
    Table {
        name: "verdict",
        keys: 2,
        columns: &[("scope", Text), ("verdict", Text), ("number", Int)],
    },
    Table {
        name: "outcome",
        keys: 3,
        columns: &[("scope", Text), ("verdict", Text), ("number", Int)],
    },
    // Last: a store without its head is none.
    Table {
        name: "head",
        keys: 1,
        columns: &[
            ("id", Int),
            ("size", Int),
            ("root", Bytes),
            ("time", Int),
            ("epoch", Int),
            ("clean", Int),
            ("mark", Bytes),
        ],
    },
];

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Number of events.
    pub events: u64,
    /// Root of the tree over them.
    pub root: Hash,
    /// Number of rows of each table.
    pub rows: Vec<(&'static str, u64)>,
}

/// How far a copy has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Rows that were copied.
    pub rows: u64,
    /// Rows that there are.
    pub of: u64,
}

impl Table {
    fn names(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    async fn count(&self, conn: &mut Conn) -> Result<u64, StoreError> {
        let sql = format!("SELECT COUNT(*) FROM {}", self.name);
        let rows = conn.rows(AssertSqlSafe(sql), Vec::new()).await?;
        rows.first().ok_or(StoreError::Corrupt("count"))?.number(0)
    }

    fn values(&self, row: &Row) -> Result<Vec<Value>, StoreError> {
        let value = |(at, (_, kind)): (usize, &(_, Kind))| {
            Ok(match kind {
                Int => Value::Int(row.int(at)?),
                Text => Value::Text(row.text(at)?),
                Bytes => Value::Bytes(row.bytes(at)?),
            })
        };
        self.columns.iter().enumerate().map(value).collect()
    }

    /// The rows after the one with the key `after`, from the beginning where there is none.
    async fn page(
        &self,
        conn: &mut Conn,
        after: Option<Vec<Value>>,
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        let key: Vec<&str> = self.columns[..self.keys].iter().map(|(name, _)| *name).collect();
        let (key, name, names) = (key.join(", "), self.name, self.names());
        let mut values = after.unwrap_or_default();
        let beyond = if values.is_empty() {
            String::new()
        } else {
            let marks: Vec<_> = (1..=self.keys).map(|at| format!("${at}")).collect();
            format!("WHERE ({key}) > ({}) ", marks.join(", "))
        };
        values.push(ROWS_AT_ONCE.into());
        let limit = values.len();
        let sql = format!("SELECT {names} FROM {name} {beyond}ORDER BY {key} LIMIT ${limit}");
        let rows = conn.rows(AssertSqlSafe(sql), values).await?;
        rows.iter().map(|row| self.values(row)).collect()
    }

    /// Copies every row; gives how many there were.
    async fn copy(
        &self,
        from: &mut Conn,
        to: &mut Conn,
        tell: &mut (impl FnMut(u64) + Send),
    ) -> Result<u64, StoreError> {
        let (mut after, mut count) = (None, 0);
        loop {
            let rows = self.page(from, after.take()).await?;
            let Some(last) = rows.last() else { return Ok(count) };
            after = Some(last[..self.keys].to_vec());
            let copied = rows.len() as u64;
            let head = format!("INSERT INTO {} ({})", self.name, self.names());
            let values = rows.into_iter().flatten().collect();
            to.insert(&head, self.columns.len(), "", values).await?;
            count += copied;
            tell(copied);
        }
    }
}

/// Copies a store into a database that holds none. Nobody may write to it meanwhile.
///
/// # Errors
/// [`StoreError::Occupied`] where the target holds a store; [`StoreError::OtherKeys`]; [`StoreError::InUse`] where
/// somebody writes to the source; [`StoreError::Corrupt`] where the copy is not what the source is. The target is then
/// left as it was.
pub async fn copy(
    from: &Settings,
    to: &Settings,
    keys: &KeyRing,
    tell: impl FnMut(Progress) + Send,
) -> Result<Copied, StoreError> {
    let _lock = open::lock(from).await?;
    let _other = if from.database == to.database { None } else { Some(open::lock(to).await?) };
    between(from, to, keys, tell).await
}

/// [`copy`] for one who holds the locks.
///
/// # Errors
/// As [`copy`].
pub(super) async fn between(
    from: &Settings,
    to: &Settings,
    keys: &KeyRing,
    mut tell: impl FnMut(Progress) + Send,
) -> Result<Copied, StoreError> {
    let mut source = dialect::connect_reading(from).await?;
    open::check_same_version(&mut source).await?;
    open::check_keys(&mut source, keys).await?;
    let mut target = dialect::connect(to, true).await?;
    let copied = all(&mut source, &mut target, keys, &mut tell).await;
    source.roll_back().await;
    let copied = match copied {
        Ok((copied, head)) if head::read(&mut source, keys).await? == head => {
            target.commit().await.map(|()| copied)
        }
        Ok(_) => Err(StoreError::InUse),
        Err(error) => Err(error),
    };
    if copied.is_err() {
        target.roll_back().await;
    }
    source.close().await?;
    target.close().await?;
    copied
}

/// Number of rows of each table.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub(super) async fn counts(conn: &mut Conn) -> Result<Vec<(&'static str, u64)>, StoreError> {
    let mut counts = Vec::with_capacity(TABLES.len());
    for table in &TABLES {
        counts.push((table.name, table.count(conn).await?));
    }
    Ok(counts)
}

/// Copies what `source` holds at one moment, while others may go on writing to it, within a transaction of `target` that
/// the caller commits or gives up; gives the head as it was at that moment.
///
/// # Errors
/// As [`copy`].
pub(super) async fn all(
    source: &mut Conn,
    target: &mut Conn,
    keys: &KeyRing,
    tell: &mut (impl FnMut(Progress) + Send),
) -> Result<(Copied, Head), StoreError> {
    source.begin_reading().await?;
    let head = head::read(source, keys).await?;
    let counts = counts(source).await?;
    let of = counts.iter().map(|(_, count)| count).sum();
    target.begin_migrating().await?;
    if target.version().await? != 0 {
        return Err(StoreError::Occupied);
    }
    target.bring_tables_forward(0).await?;
    let mut rows = 0;
    for (table, (_, count)) in TABLES.iter().zip(&counts) {
        let mut more = |more| {
            rows += more;
            tell(Progress { rows, of });
        };
        let copied = table.copy(source, target, &mut more).await?;
        if copied != *count || table.count(target).await? != *count {
            return Err(StoreError::Corrupt("copy"));
        }
    }
    target.set_version(0).await?;
    kinds::carry(source, target).await?;
    if head::read(target, keys).await? != head {
        return Err(StoreError::Corrupt("copy"));
    }
    open::check_tail(target, keys, &head).await?;
    Ok((Copied { events: head.size, root: head.root, rows: counts }, head))
}
