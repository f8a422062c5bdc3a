//! PostgreSQL, and what speaks its protocol: a server that may be far away, slow, or gone for a while.
//!
//! Every statement has a time within which the server is to answer, on both sides of the line: a server that vanished
//! without a word is noticed as soon as one that refuses.

use super::super::error::StoreError;
use super::super::settings::Server;
use super::value::{Row, Value};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgSslMode};
use sqlx::query::Query;
use sqlx::{ConnectOptions as _, Connection as _, Postgres, SqlSafeStr};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

/// What statements may take while a store is opened, copied or verified.
pub const PATIENCE: Duration = Duration::from_secs(600);
/// How much later than the server this side gives a statement up.
const SLACK: Duration = Duration::from_millis(250);
/// Longest time for words of farewell.
const CLOSING_MAX: Duration = Duration::from_secs(1);

/// Which server is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The one that is written to.
    Primary,
    /// The one that lists are read from.
    Replica,
}

/// What waits for an answer of the database, and gives it up in time.
///
/// # Errors
/// [`StoreError::Away`] where the time is over.
pub async fn within<T>(
    limit: Duration,
    asking: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(limit, asking).await {
        Ok(answer) => Ok(answer?),
        Err(_) => {
            Err(StoreError::Away(Arc::new(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))))
        }
    }
}

/// How connections are made; the password's file is read anew, since it may have been replaced.
///
/// # Errors
/// [`StoreError::Url`], or [`StoreError::File`] where the password cannot be read.
pub async fn options(server: &Server, which: Which) -> Result<PgConnectOptions, StoreError> {
    let url = match (which, &server.replica_url) {
        (Which::Replica, Some(replica)) => replica.reveal(),
        _ => server.url.reveal(),
    };
    // What the library says of a bad address may hold parts of it.
    let mut options = PgConnectOptions::from_str(url).map_err(|_| StoreError::Url)?;
    if !url.contains("sslmode=") && !is_here(&options) {
        options = options.ssl_mode(PgSslMode::VerifyFull);
    }
    if let Some(file) = &server.password_file {
        let text = zeroize::Zeroizing::new(tokio::fs::read_to_string(file).await?);
        options = options.password(text.trim_end_matches(['\r', '\n']));
    }
    let millis = |time: Duration| time.as_millis().to_string();
    // A transaction that was left half done must not keep the head locked.
    let left = server.statement_time_max + server.lock_time_max;
    Ok(options
        .application_name("bulwark")
        .statement_cache_capacity(256)
        .options([
            ("lock_timeout", millis(server.lock_time_max)),
            ("idle_in_transaction_session_timeout", millis(left)),
            ("default_transaction_isolation", "read committed".to_owned()),
        ])
        .disable_statement_logging())
}

/// Whether the server is on this machine, so that nobody can listen on the way.
fn is_here(options: &PgConnectOptions) -> bool {
    let host = options.get_host().trim_matches(['[', ']']);
    options.get_socket().is_some()
        || host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Connects; statements may take [`PATIENCE`] at first. For writing, what is committed is on the server's disk, whatever
/// it was set to otherwise.
///
/// # Errors
/// [`StoreError`] where the server refuses or is not reached in time.
pub async fn connect(server: &Server, which: Which) -> Result<PgConnection, StoreError> {
    let options = options(server, which).await?;
    let mut own = within(server.connect_time_max, options.connect()).await?;
    let sql = "SELECT current_setting('synchronous_commit')";
    let found: String =
        within(server.connect_time_max, sqlx::query_scalar(sql).fetch_one(&mut own)).await?;
    if found == "off" {
        plain(&mut own, server.connect_time_max, "SET synchronous_commit = on").await?;
    }
    Ok(own)
}

/// From now on statements have to be answered within the usual time; gives that of this side.
///
/// # Errors
/// [`StoreError`] where the server refuses.
pub async fn hurry(own: &mut PgConnection, server: &Server) -> Result<Duration, StoreError> {
    let limit = limit(server);
    let sql = format!("SET statement_timeout = {}", server.statement_time_max.as_millis());
    within(limit, sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(own)).await?;
    Ok(limit)
}

/// How long this side waits for a statement.
#[must_use]
pub fn limit(server: &Server) -> Duration {
    server.statement_time_max + SLACK
}

/// The placeholders of a batch, `?`, as PostgreSQL numbers them.
#[must_use]
pub fn numbered(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len() * 2);
    for (at, part) in sql.split('?').enumerate() {
        if at > 0 {
            text.push('$');
            text.push_str(&at.to_string());
        }
        text.push_str(part);
    }
    text
}

fn query(sql: impl SqlSafeStr, values: Vec<Value>) -> Query<'static, Postgres, PgArguments> {
    let mut query = sqlx::query::<Postgres>(sql);
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
/// [`StoreError`] where the server refuses or does not answer in time.
pub async fn rows(
    own: &mut PgConnection,
    limit: Duration,
    sql: impl SqlSafeStr,
    values: Vec<Value>,
) -> Result<Vec<Row>, StoreError> {
    let rows = within(limit, query(sql, values).fetch_all(own)).await?;
    Ok(rows.into_iter().map(Row::Postgres).collect())
}

/// Runs a statement and gives the number of rows it changed.
///
/// # Errors
/// As [`rows`].
pub async fn run(
    own: &mut PgConnection,
    limit: Duration,
    sql: impl SqlSafeStr,
    values: Vec<Value>,
) -> Result<u64, StoreError> {
    Ok(within(limit, query(sql, values).execute(own)).await?.rows_affected())
}

/// Runs words without values, several with semicolons between them, in one way to the server and back.
///
/// # Errors
/// As [`rows`].
pub async fn plain(
    own: &mut PgConnection,
    limit: Duration,
    sql: impl SqlSafeStr,
) -> Result<Vec<Row>, StoreError> {
    let rows = within(limit, sqlx::raw_sql(sql).fetch_all(own)).await?;
    Ok(rows.into_iter().map(Row::Postgres).collect())
}

/// Closes a connection.
///
/// # Errors
/// [`StoreError`] where the server cannot be told.
pub async fn close(own: PgConnection) -> Result<(), StoreError> {
    within(CLOSING_MAX, own.close()).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;
    use crate::config::value::Value as _;

    fn server(url: &str) -> Server {
        Server::at(Secret::read(url).unwrap())
    }

    #[test]
    fn placeholders_are_numbered_in_their_order() {
        assert_eq!(numbered("a (?, ?) b = ?"), "a ($1, $2) b = $3");
        assert_eq!(numbered("COMMIT"), "COMMIT");
    }

    #[tokio::test]
    async fn a_server_elsewhere_has_to_show_who_it_is_unless_told_otherwise() {
        for (url, mode) in [
            ("postgres://u@db.example/b", PgSslMode::VerifyFull),
            ("postgres://u@db.example/b?sslmode=disable", PgSslMode::Disable),
            ("postgres://u@127.0.0.1/b", PgSslMode::Prefer),
            ("postgres://u@[::1]/b", PgSslMode::Prefer),
            ("postgres://u@localhost/b", PgSslMode::Prefer),
        ] {
            let options = options(&server(url), Which::Primary).await.unwrap();
            let found = options.get_ssl_mode();
            assert!(std::mem::discriminant(&found) == std::mem::discriminant(&mode), "{url}");
        }
    }

    #[tokio::test]
    async fn a_bad_address_is_named_without_its_password() {
        for url in ["postgres://u:swordfish@h:port/b", "postgres://u:swordfish@h/b?sslmode=maybe"] {
            let error = options(&server(url), Which::Primary).await.unwrap_err();
            let said = format!("{error} {error:?} {:?}", server(url));
            assert!(matches!(error, StoreError::Url) && !said.contains("swordfish"), "{said}");
        }
    }
}
