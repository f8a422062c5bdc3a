//! SQLite: a file on this machine, one process that writes, a write-ahead log.

use super::super::error::StoreError;
use super::super::settings::Settings;
use super::value::{Row, Value};
use sqlx::query::Query;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, SqlSafeStr, Sqlite};
use std::os::unix::fs::OpenOptionsExt as _;

/// Bytes of the write-ahead log after which it is folded into the database, in pages.
const CHECKPOINT_PAGES: &str = "4000";
/// Bytes that the write-ahead log keeps of the disk once it was folded: while others read, it may grow beyond.
const LOG_BYTES_KEPT: &str = "67108864";
/// Most statements that are sent as one: more would make too many distinct texts to be kept prepared.
pub const JOINED_MAX: usize = 5;

/// How connections to the file are made.
pub fn options(settings: &Settings) -> SqliteConnectOptions {
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
pub async fn connect(settings: &Settings, create: bool) -> Result<SqliteConnection, StoreError> {
    if create {
        // Made here, not by SQLite, whose mode would follow the umask; the files beside it get the mode of this one.
        let mut owners = std::fs::OpenOptions::new();
        owners.append(true).create(true).mode(0o600).open(&settings.database)?;
    } else if !settings.database.exists() {
        return Err(StoreError::Missing);
    }
    let writing = options(settings)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .pragma("journal_size_limit", LOG_BYTES_KEPT)
        // Kibibytes, which SQLite takes as a negative number. What an import of a million entries comes to again and again
        // is the index of their values, which lie in no order.
        .pragma("cache_size", format!("-{}", settings.cache_bytes_max >> 10));
    Ok(writing.connect().await?)
}

/// Connects for reading only.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn connect_reading(settings: &Settings) -> Result<SqliteConnection, StoreError> {
    if !settings.database.exists() {
        return Err(StoreError::Missing);
    }
    Ok(options(settings).read_only(true).connect().await?)
}

fn query(sql: impl SqlSafeStr, values: Vec<Value>) -> Query<'static, Sqlite, SqliteArguments> {
    let mut query = sqlx::query::<Sqlite>(sql);
    for value in values {
        query = match value {
            Value::Int(number) => query.bind(number),
            Value::Text(text) => query.bind(text),
            Value::Bytes(bytes) => query.bind(bytes),
        };
    }
    query
}

/// Runs a statement and gives its rows.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn rows(
    conn: &mut SqliteConnection,
    sql: impl SqlSafeStr,
    values: Vec<Value>,
) -> Result<Vec<Row>, StoreError> {
    let rows = query(sql, values).fetch_all(conn).await?;
    Ok(rows.into_iter().map(Row::Sqlite).collect())
}

/// Runs a statement and gives the number of rows it changed.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn run(
    conn: &mut SqliteConnection,
    sql: impl SqlSafeStr,
    values: Vec<Value>,
) -> Result<u64, StoreError> {
    Ok(query(sql, values).execute(conn).await?.rows_affected())
}
