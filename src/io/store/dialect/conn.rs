//! A connection to either database: one set of verbs, each said in the database's own way.

use super::super::error::StoreError;
use super::super::settings::Settings;
use super::batch::Batch;
#[cfg(feature = "postgres")]
use super::postgres;
use super::sqlite;
use super::tables::{self, SCHEMA_VERSION};
use super::value::{Row, Value};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _, SqlSafeStr, Sqlite};
use std::fmt::Write as _;
#[cfg(feature = "postgres")]
use std::time::Duration;

/// A connection.
pub struct Conn {
    link: Link,
    erred: bool,
    lost: bool,
    /// How long a statement is waited for.
    #[cfg(feature = "postgres")]
    limit: Duration,
}

pub(super) enum Link {
    Sqlite(Box<SqliteConnection>),
    SqlitePooled(PoolConnection<Sqlite>),
    #[cfg(feature = "postgres")]
    Postgres(Box<sqlx::postgres::PgConnection>),
    #[cfg(feature = "postgres")]
    PostgresPooled(PoolConnection<sqlx::Postgres>),
}

/// Does the same with whichever link there is: `$sqlite` and `$postgres` name the connection in their parts.
macro_rules! on_link {
    ($conn:ident, $sqlite:ident => $here:expr, $postgres:ident, $limit:ident => $there:expr) => {
        match &mut $conn.link {
            Link::Sqlite(own) => {
                let $sqlite: &mut SqliteConnection = own;
                $here
            }
            Link::SqlitePooled(pooled) => {
                let $sqlite: &mut SqliteConnection = pooled;
                $here
            }
            #[cfg(feature = "postgres")]
            Link::Postgres(own) => {
                let ($postgres, $limit): (&mut sqlx::postgres::PgConnection, _) =
                    (own, $conn.limit);
                $there
            }
            #[cfg(feature = "postgres")]
            Link::PostgresPooled(pooled) => {
                let ($postgres, $limit): (&mut sqlx::postgres::PgConnection, _) =
                    (pooled, $conn.limit);
                $there
            }
        }
    };
}

/// Sizes of lists in `IN (…)`; a list is filled up with its last value.
const LIST_SIZES: [usize; 3] = [1, 16, 128];

impl Conn {
    pub(super) const fn new(link: Link) -> Self {
        Self {
            link,
            erred: false,
            lost: false,
            #[cfg(feature = "postgres")]
            limit: postgres::PATIENCE,
        }
    }

    #[cfg(feature = "postgres")]
    pub(super) const fn limited(link: Link, limit: Duration) -> Self {
        Self { link, erred: false, lost: false, limit }
    }

    /// Whether the database is one that other machines can reach, and this one can lose.
    #[must_use]
    pub const fn is_remote(&self) -> bool {
        match self.link {
            Link::Sqlite(_) | Link::SqlitePooled(_) => false,
            #[cfg(feature = "postgres")]
            Link::Postgres(_) | Link::PostgresPooled(_) => true,
        }
    }

    /// Whether the connection was lost: nothing more can be said over it.
    #[must_use]
    pub const fn is_lost(&self) -> bool {
        self.lost
    }

    /// Takes the connection for lost, whatever it said last.
    pub const fn lose(&mut self) {
        self.lost = true;
    }

    /// From now on statements have to be answered within the usual time, where there is one.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses.
    pub async fn hurry(&mut self, settings: &Settings) -> Result<(), StoreError> {
        #[cfg(feature = "postgres")]
        if let (Link::Postgres(own), Some(server)) = (&mut self.link, &settings.server) {
            self.limit = postgres::hurry(own, server).await?;
        }
        #[cfg(not(feature = "postgres"))]
        let _ = settings;
        Ok(())
    }

    /// Whether a statement failed since this was last asked. A database may end a transaction by itself when one does:
    /// whatever came after it would then stand alone, so the transaction has to be given up.
    pub fn take_erred(&mut self) -> bool {
        std::mem::take(&mut self.erred)
    }

    fn noted<T>(&mut self, found: Result<T, StoreError>) -> Result<T, StoreError> {
        self.erred |= found.is_err();
        self.lost |= matches!(found, Err(StoreError::Away(_)));
        found
    }

    /// Runs a statement and gives its rows.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses.
    pub async fn rows(
        &mut self,
        sql: impl SqlSafeStr,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        let found = on_link!(self,
            here => sqlite::rows(here, sql, values).await,
            there, limit => postgres::rows(there, limit, sql, values).await);
        self.noted(found)
    }

    /// Runs a statement and gives its only row, if there is one.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses.
    pub async fn row(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// Runs a statement and gives the number of rows it changed.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses.
    pub async fn run(
        &mut self,
        sql: impl SqlSafeStr,
        values: Vec<Value>,
    ) -> Result<u64, StoreError> {
        let done = on_link!(self,
            here => sqlite::run(here, sql, values).await,
            there, limit => postgres::run(there, limit, sql, values).await);
        self.noted(done)
    }

    /// Runs words without values, several with semicolons between them.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses.
    pub async fn say(&mut self, sql: impl SqlSafeStr) -> Result<Vec<Row>, StoreError> {
        let said = on_link!(self,
            here => sqlite::rows(here, sql, Vec::new()).await,
            there, limit => postgres::plain(there, limit, sql).await);
        self.noted(said)
    }

    /// Inserts rows of `width` values each; `head` ends before VALUES, `tail` follows them.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses.
    pub async fn insert(
        &mut self,
        head: &str,
        width: usize,
        tail: &str,
        values: Vec<Value>,
    ) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        batch.insert(head, width, tail, values);
        self.run_batch(batch).await.map(drop)
    }

    /// Runs the statements of a batch in their order, and gives the rows they return.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses.
    pub async fn run_batch(&mut self, batch: Batch) -> Result<Vec<Row>, StoreError> {
        let Batch(mut statements) = batch;
        #[cfg(feature = "postgres")]
        if self.is_remote() {
            for (sql, _) in &mut statements {
                *sql = postgres::numbered(sql);
            }
        }
        if !self.is_remote() && (2..=sqlite::JOINED_MAX).contains(&statements.len()) {
            // One way to SQLite and back instead of several: most of what a commit of one event costs.
            let sql: Vec<&str> = statements.iter().map(|(sql, _)| sql.as_str()).collect();
            let sql = sql.join("; ");
            let values = statements.into_iter().flat_map(|(_, values)| values).collect();
            statements = vec![(sql, values)];
        }
        let mut rows = Vec::new();
        for (sql, values) in statements {
            rows.extend(self.rows(AssertSqlSafe(sql), values).await?);
        }
        Ok(rows)
    }

    /// Runs a statement for a list of keys: `sql` ends in the column, `IN (…)` follows, then `tail`; `values` come before the list.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses.
    pub async fn within(
        &mut self,
        sql: &str,
        values: &[Value],
        list: &[Value],
        tail: &str,
    ) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::new();
        for part in list.chunks(LIST_SIZES[LIST_SIZES.len() - 1]) {
            let size =
                LIST_SIZES.into_iter().find(|size| *size >= part.len()).unwrap_or(part.len());
            let mut text = format!("{sql} IN (");
            for at in 0..size {
                let comma = if at == 0 { "" } else { ", " };
                let _ = write!(text, "{comma}${}", values.len() + at + 1);
            }
            let _ = write!(text, ") {tail}");
            let mut given = values.to_vec();
            given.extend(part.iter().cloned());
            if let Some(last) = part.last() {
                given.resize(values.len() + size, last.clone());
            }
            rows.extend(self.rows(AssertSqlSafe(text), given).await?);
        }
        Ok(rows)
    }

    /// Begins a transaction that writes, runs its first statement, and gives that statement's rows.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses or is locked for too long.
    pub async fn begin(&mut self, first: &'static str) -> Result<Vec<Row>, StoreError> {
        // One text and one way to the database and back; SQLite prepares the statements once, as any other.
        let begin = if self.is_remote() { "BEGIN" } else { "BEGIN IMMEDIATE" };
        self.say(AssertSqlSafe(format!("{begin}; {first}"))).await
    }

    /// Begins a transaction that reads one state. What is read may take long to be taken in.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses.
    pub async fn begin_reading(&mut self) -> Result<(), StoreError> {
        let one_state = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
                         SET LOCAL idle_in_transaction_session_timeout = '600s'";
        self.say(if self.is_remote() { one_state } else { "BEGIN DEFERRED" }).await.map(drop)
    }

    /// Commits.
    ///
    /// # Errors
    /// [`StoreError`]: whether the changes were kept is then unknown.
    pub async fn commit(&mut self) -> Result<(), StoreError> {
        self.say("COMMIT").await.map(drop)
    }

    /// Gives the transaction up. A database that gave it up by itself is no error.
    pub async fn roll_back(&mut self) {
        if !self.lost {
            let _ = self.say("ROLLBACK").await;
        }
    }

    /// Begins a transaction in which tables are made or changed: one process at a time.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses, or another process takes too long.
    pub async fn begin_migrating(&mut self) -> Result<(), StoreError> {
        if !self.is_remote() {
            return self.say("BEGIN IMMEDIATE").await.map(drop);
        }
        let known = "SELECT COUNT(*) FROM information_schema.tables \
                     WHERE table_schema = current_schema() AND table_name = 'migrator'";
        let known = self.row(known, Vec::new()).await?.map(|row| row.number(0)).transpose()?;
        if known != Some(1) {
            // Two that make it at once: one of them is refused, and both find it afterwards.
            let sql = "CREATE TABLE IF NOT EXISTS migrator (id BIGINT PRIMARY KEY)";
            let made = self.say(sql).await;
            if let Err(error @ StoreError::Away(_)) = made {
                return Err(error);
            }
        }
        // Always: whoever made the table may not have come to its row yet, and nobody is kept out by a row that is not there.
        let sql = "INSERT INTO migrator (id) VALUES (1) ON CONFLICT (id) DO NOTHING";
        self.run(sql, Vec::new()).await?;
        self.begin("UPDATE migrator SET id = id WHERE id = 1").await.map(drop)
    }

    /// Brings tables of a version forward to the present one, 0 where there are none, within a transaction of
    /// [`Self::begin_migrating`].
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses.
    pub async fn bring_tables_forward(&mut self, from: u64) -> Result<(), StoreError> {
        let made = on_link!(self,
            here => sqlx::raw_sql(AssertSqlSafe(tables::sqlite(from))).execute(here).await
                .map(drop).map_err(StoreError::from),
            there, limit => postgres::plain(there, limit, AssertSqlSafe(tables::postgres(from))).await.map(drop));
        self.noted(made)
    }

    /// Says that the tables, which were of version `from`, are whole and of the present one: the last word of making them.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where they are not of that version any more; [`StoreError`] where the database refuses.
    pub async fn set_version(&mut self, from: u64) -> Result<(), StoreError> {
        if from == 0 {
            let first = vec![1_i64.into(), SCHEMA_VERSION.into()];
            let sql = "INSERT INTO version (id, version) VALUES ($1, $2)";
            return self.run(sql, first).await.map(drop);
        }
        // Where each table is a transaction of its own, two may bring them forward at once.
        let sql = "UPDATE version SET version = $1 WHERE id = 1 AND version = $2";
        match self.run(sql, vec![SCHEMA_VERSION.into(), from.into()]).await? {
            1 => Ok(()),
            _ => Err(StoreError::Conflict),
        }
    }

    /// Version of the tables; 0 where there are none.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses.
    pub async fn version(&mut self) -> Result<u64, StoreError> {
        let known = if self.is_remote() {
            "SELECT table_name FROM information_schema.tables \
             WHERE table_schema = current_schema() AND table_name = 'version'"
        } else {
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'version'"
        };
        if self.row(known, Vec::new()).await?.is_none() {
            return Ok(0);
        }
        match self.row("SELECT version FROM version WHERE id = 1", Vec::new()).await? {
            Some(row) => row.number(0),
            // Where each table is a transaction of its own, whoever made them may not have come to the end.
            None if self.is_remote() => Ok(0),
            None => Err(StoreError::Corrupt("version")),
        }
    }

    /// What the database itself finds wrong with its files; empty where nothing is, or where it cannot be asked.
    ///
    /// # Errors
    /// [`StoreError`] where they are too damaged to be examined.
    pub async fn integrity(&mut self) -> Result<Vec<String>, StoreError> {
        if self.is_remote() {
            return Ok(Vec::new());
        }
        let rows = self.rows("PRAGMA integrity_check(20)", Vec::new()).await?;
        let lines = rows.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>()?;
        Ok(lines.into_iter().filter(|line| line != "ok").collect())
    }

    /// Makes SQLite write straight into its file, which nobody else may look at until it is closed and synced: a
    /// transaction that fails spoils it. It is then one plain file, with nothing beside it.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses.
    pub async fn write_straight(&mut self) -> Result<(), StoreError> {
        for word in ["journal_mode = DELETE", "journal_mode = OFF", "synchronous = OFF"] {
            self.say(AssertSqlSafe(format!("PRAGMA {word}"))).await?;
        }
        Ok(())
    }

    /// Closes the connection; what is in SQLite's write-ahead log is folded into the database.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses.
    pub async fn close(self) -> Result<(), StoreError> {
        match self.link {
            Link::Sqlite(own) => Ok(own.close().await?),
            Link::SqlitePooled(_) => Ok(()),
            #[cfg(feature = "postgres")]
            Link::Postgres(own) => postgres::close(*own).await,
            #[cfg(feature = "postgres")]
            Link::PostgresPooled(_) => Ok(()),
        }
    }
}

/// Connects for writing; makes SQLite's file where `create` says so.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn connect(settings: &Settings, create: bool) -> Result<Conn, StoreError> {
    if let Some(conn) = connect_away(settings).await? {
        return Ok(conn);
    }
    Ok(Conn::new(Link::Sqlite(Box::new(sqlite::connect(settings, create).await?))))
}

/// Connects for writing to the tables of look-back: on a server they stand beside the others; SQLite has them in the file
/// that the settings name, which is made where it is not there.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn connect_lookback(settings: &Settings) -> Result<Conn, StoreError> {
    if let Some(mut conn) = connect_away(settings).await? {
        conn.hurry(settings).await?;
        return Ok(conn);
    }
    let mut own = sqlite::connect(settings, true).await?;
    sqlx::raw_sql(AssertSqlSafe(tables::lookback())).execute(&mut own).await?;
    Ok(Conn::new(Link::Sqlite(Box::new(own))))
}

/// Connects for reading only.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn connect_reading(settings: &Settings) -> Result<Conn, StoreError> {
    if let Some(conn) = connect_away(settings).await? {
        return Ok(conn);
    }
    Ok(Conn::new(Link::Sqlite(Box::new(sqlite::connect_reading(settings).await?))))
}

/// Connects to the server, where the settings name one.
async fn connect_away(settings: &Settings) -> Result<Option<Conn>, StoreError> {
    let Some(server) = &settings.server else { return Ok(None) };
    #[cfg(feature = "postgres")]
    {
        let own = postgres::connect(server, postgres::Which::Primary).await?;
        Ok(Some(Conn::new(Link::Postgres(Box::new(own)))))
    }
    #[cfg(not(feature = "postgres"))]
    {
        let _ = server;
        Err(StoreError::NotBuilt)
    }
}
