//! Everything that differs by database: connecting, tables, transactions, values and rows.
//!
//! Query text elsewhere keeps to a subset that SQLite and PostgreSQL share: `$1` placeholders, columns of whole numbers,
//! texts and bytes, bytewise order of texts, multi-row VALUES, ON CONFLICT, RETURNING.

use super::error::StoreError;
use super::settings::Settings;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _, SqlSafeStr, Sqlite};
use std::fmt::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

/// Version of the tables that this program reads and writes.
pub const SCHEMA_VERSION: u64 = 1;

/// Bytes of the write-ahead log after which it is folded into the database, in pages.
const CHECKPOINT_PAGES: &str = "4000";

const SQLITE_TABLES: &str = "
CREATE TABLE version (id INTEGER PRIMARY KEY, version INTEGER NOT NULL) STRICT;
CREATE TABLE head (id INTEGER PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL,
  time INTEGER NOT NULL, epoch INTEGER NOT NULL, clean INTEGER NOT NULL, mark BLOB NOT NULL) STRICT;
CREATE TABLE journal (number INTEGER PRIMARY KEY, kind INTEGER NOT NULL, envelope BLOB NOT NULL,
  salt BLOB NOT NULL, payload BLOB NOT NULL, leaf BLOB NOT NULL) STRICT;
CREATE TABLE subtree (level INTEGER NOT NULL, place INTEGER NOT NULL, hash BLOB NOT NULL,
  PRIMARY KEY (level, place)) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT;
CREATE TABLE document (kind TEXT NOT NULL, scope TEXT NOT NULL, name TEXT NOT NULL,
  version INTEGER NOT NULL, number INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (kind, scope, name)) STRICT, WITHOUT ROWID;
CREATE TABLE entry (scope TEXT NOT NULL, bank TEXT NOT NULL, entry TEXT NOT NULL,
  state INTEGER NOT NULL, version INTEGER NOT NULL, number INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (scope, bank, entry)) STRICT, WITHOUT ROWID;
CREATE INDEX entry_state ON entry (scope, bank, state, entry);
CREATE TABLE signal (scope TEXT NOT NULL, bank TEXT NOT NULL, fingerprint BLOB NOT NULL,
  entry TEXT NOT NULL, PRIMARY KEY (scope, bank, fingerprint, entry)) STRICT, WITHOUT ROWID;
CREATE INDEX signal_entry ON signal (scope, bank, entry);
CREATE TABLE request (scope TEXT NOT NULL, method TEXT NOT NULL, request BLOB NOT NULL,
  digest BLOB NOT NULL, number INTEGER NOT NULL, kept INTEGER NOT NULL, answer BLOB NOT NULL,
  PRIMARY KEY (scope, method, request)) STRICT, WITHOUT ROWID;
CREATE INDEX request_kept ON request (kept);
CREATE TABLE verdict (scope TEXT NOT NULL, verdict TEXT NOT NULL, number INTEGER NOT NULL,
  PRIMARY KEY (scope, verdict)) STRICT, WITHOUT ROWID;
CREATE TABLE outcome (scope TEXT NOT NULL, verdict TEXT NOT NULL, number INTEGER NOT NULL,
  PRIMARY KEY (scope, verdict, number)) STRICT, WITHOUT ROWID;
";

/// A value given to a statement.
#[derive(Clone)]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl From<u64> for Value {
    /// Journal numbers, versions and counts stay far below 2⁶³; what would not is kept as the greatest number.
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

/// A row that was read.
pub enum Row {
    /// From SQLite.
    Sqlite(SqliteRow),
}

impl Row {
    /// The whole number in column `at`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where it holds something else.
    pub fn int(&self, at: usize) -> Result<i64, StoreError> {
        let Self::Sqlite(row) = self;
        Ok(row.try_get(at)?)
    }

    /// The number in column `at`, which is never negative.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where it holds something else.
    pub fn number(&self, at: usize) -> Result<u64, StoreError> {
        u64::try_from(self.int(at)?).map_err(|_| StoreError::Corrupt("column"))
    }

    /// The text in column `at`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where it holds something else.
    pub fn text(&self, at: usize) -> Result<String, StoreError> {
        let Self::Sqlite(row) = self;
        Ok(row.try_get(at)?)
    }

    /// The bytes in column `at`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where it holds something else.
    pub fn bytes(&self, at: usize) -> Result<Vec<u8>, StoreError> {
        let Self::Sqlite(row) = self;
        Ok(row.try_get(at)?)
    }

    /// Exactly `N` bytes in column `at`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where it holds something else.
    pub fn exact<const N: usize>(&self, at: usize) -> Result<[u8; N], StoreError> {
        self.bytes(at)?.try_into().map_err(|_| StoreError::Corrupt("column"))
    }
}

/// A connection.
pub struct Conn {
    link: Link,
    erred: bool,
}

enum Link {
    Sqlite(Box<SqliteConnection>),
    SqlitePooled(PoolConnection<Sqlite>),
}

/// Sizes of multi-row statements: few distinct texts, so that each is prepared once.
const ROWS_SIZES: [usize; 4] = [256, 32, 4, 1];
/// Sizes of lists in `IN (…)`; a list is filled up with its last value.
const LIST_SIZES: [usize; 3] = [1, 16, 128];

/// Most statements that are sent as one: more would make too many distinct texts to be kept prepared.
const JOINED_MAX: usize = 5;

/// Statements that are run one after the other, without looking at what the first ones give.
#[derive(Default)]
pub struct Batch(Vec<(String, Vec<Value>)>);

impl Batch {
    /// Adds a statement; its placeholders are `?`, in the order of the values.
    pub fn push(&mut self, sql: &str, values: Vec<Value>) {
        self.0.push((sql.to_owned(), values));
    }

    /// Adds the insertion of rows of `width` values each; `head` ends before VALUES, `tail` follows them.
    pub fn insert(&mut self, head: &str, width: usize, tail: &str, values: Vec<Value>) {
        let mut left = values.len() / width.max(1);
        let mut values = values.into_iter();
        while left > 0 {
            let size = ROWS_SIZES.into_iter().find(|size| *size <= left).unwrap_or(1);
            // SQLite finds a numbered placeholder's name by walking all of them; nameless ones cost nothing.
            let row = format!("({}?)", "?, ".repeat(width.saturating_sub(1)));
            let sql = format!("{head} VALUES {}{row} {tail}", format!("{row}, ").repeat(size - 1));
            self.0.push((sql, values.by_ref().take(size * width).collect()));
            left -= size;
        }
    }
}

impl Conn {
    const fn new(link: Link) -> Self {
        Self { link, erred: false }
    }

    fn sqlite(&mut self) -> &mut SqliteConnection {
        match &mut self.link {
            Link::Sqlite(own) => own,
            Link::SqlitePooled(pooled) => pooled,
        }
    }

    /// Whether a statement failed since this was last asked. A database may end a transaction by itself when one does:
    /// whatever came after it would then stand alone, so the transaction has to be given up.
    pub fn take_erred(&mut self) -> bool {
        std::mem::take(&mut self.erred)
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
        let mut query = sqlx::query::<Sqlite>(sql);
        for value in values {
            query = match value {
                Value::Int(number) => query.bind(number),
                Value::Text(text) => query.bind(text),
                Value::Bytes(bytes) => query.bind(bytes),
            };
        }
        let rows = query.fetch_all(self.sqlite()).await;
        self.erred |= rows.is_err();
        Ok(rows?.into_iter().map(Row::Sqlite).collect())
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
        let mut query = sqlx::query::<Sqlite>(sql);
        for value in values {
            query = match value {
                Value::Int(number) => query.bind(number),
                Value::Text(text) => query.bind(text),
                Value::Bytes(bytes) => query.bind(bytes),
            };
        }
        let done = query.execute(self.sqlite()).await;
        self.erred |= done.is_err();
        Ok(done?.rows_affected())
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
        if (2..=JOINED_MAX).contains(&statements.len()) {
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
        // One text and one way to SQLite and back; the statements are prepared once, as any other.
        self.rows(AssertSqlSafe(format!("BEGIN IMMEDIATE; {first}")), Vec::new()).await
    }

    /// Begins a transaction that reads one state.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses.
    pub async fn begin_reading(&mut self) -> Result<(), StoreError> {
        self.run("BEGIN DEFERRED", Vec::new()).await.map(drop)
    }

    /// Commits.
    ///
    /// # Errors
    /// [`StoreError`]: whether the changes were kept is then unknown.
    pub async fn commit(&mut self) -> Result<(), StoreError> {
        self.run("COMMIT", Vec::new()).await.map(drop)
    }

    /// Gives the transaction up. A database that gave it up by itself is no error.
    pub async fn roll_back(&mut self) {
        let _ = self.run("ROLLBACK", Vec::new()).await;
    }

    /// Begins a transaction in which the tables are made in an empty database.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses.
    pub async fn create_tables(&mut self) -> Result<(), StoreError> {
        self.run("BEGIN IMMEDIATE", Vec::new()).await?;
        sqlx::raw_sql(SQLITE_TABLES).execute(self.sqlite()).await?;
        let first = vec![1_i64.into(), SCHEMA_VERSION.into()];
        self.run("INSERT INTO version (id, version) VALUES ($1, $2)", first).await.map(drop)
    }

    /// Version of the tables; 0 where there are none.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses.
    pub async fn version(&mut self) -> Result<u64, StoreError> {
        let known = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'version'";
        if self.row(known, Vec::new()).await?.is_none() {
            return Ok(0);
        }
        let row = self.row("SELECT version FROM version WHERE id = 1", Vec::new()).await?;
        row.ok_or(StoreError::Corrupt("version"))?.number(0)
    }

    /// What the database itself finds wrong with its files; empty where nothing is.
    ///
    /// # Errors
    /// [`StoreError`] where they are too damaged to be examined.
    pub async fn integrity(&mut self) -> Result<Vec<String>, StoreError> {
        let rows = self.rows("PRAGMA integrity_check(20)", Vec::new()).await?;
        let lines = rows.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>()?;
        Ok(lines.into_iter().filter(|line| line != "ok").collect())
    }

    /// Closes the connection; what is in the write-ahead log is folded into the database.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses.
    pub async fn close(self) -> Result<(), StoreError> {
        match self.link {
            Link::Sqlite(own) => Ok(own.close().await?),
            Link::SqlitePooled(_) => Ok(()),
        }
    }
}

fn options(settings: &Settings) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(&settings.database)
        .busy_timeout(settings.busy_max)
        .statement_cache_capacity(256)
        .pragma("cell_size_check", "ON")
        .pragma("trusted_schema", "OFF")
        .disable_statement_logging()
}

/// Connects for writing; makes the file where `create` says so.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn connect(settings: &Settings, create: bool) -> Result<Conn, StoreError> {
    if create {
        // Made here, not by SQLite, whose mode would follow the umask; the files beside it get the mode of this one.
        let mut owners = std::fs::OpenOptions::new();
        owners.append(true).create(true).mode(0o600).open(&settings.database)?;
    } else if !settings.database.exists() {
        return Err(StoreError::Missing);
    }
    let own = options(settings)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .connect()
        .await?;
    Ok(Conn::new(Link::Sqlite(Box::new(own))))
}

/// Connects for reading only.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn connect_reading(settings: &Settings) -> Result<Conn, StoreError> {
    if !settings.database.exists() {
        return Err(StoreError::Missing);
    }
    let own = options(settings).read_only(true).connect().await?;
    Ok(Conn::new(Link::Sqlite(Box::new(own))))
}

/// Connections for reading.
pub enum Pool {
    /// To SQLite.
    Sqlite(SqlitePool),
}

impl Pool {
    /// A pool of so many connections, which are made when they are first needed.
    #[must_use]
    pub fn new(settings: &Settings, readers: u32) -> Self {
        let pool = SqlitePoolOptions::new()
            .max_connections(readers.max(1))
            .acquire_timeout(settings.busy_max)
            .connect_lazy_with(options(settings).read_only(true));
        Self::Sqlite(pool)
    }

    /// A connection out of the pool.
    ///
    /// # Errors
    /// [`StoreError::Database`] where none becomes free in time.
    pub async fn connection(&self) -> Result<Conn, StoreError> {
        let Self::Sqlite(pool) = self;
        Ok(Conn::new(Link::SqlitePooled(pool.acquire().await?)))
    }

    /// Closes all connections.
    pub async fn close(&self) {
        let Self::Sqlite(pool) = self;
        pool.close().await;
    }
}
