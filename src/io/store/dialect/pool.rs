//! Connections for reading, made when they are first needed.

use super::super::error::StoreError;
use super::super::settings::Settings;
use super::conn::{Conn, Link};
#[cfg(feature = "postgres")]
use super::postgres;
use super::sqlite;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};

/// What connections are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// What must be as new as what was answered.
    Fresh,
    /// Lists, which may come from a replica that lags a little.
    Lists,
}

/// Connections for reading.
pub enum Pool {
    /// To SQLite.
    Sqlite(SqlitePool),
    /// To PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(Box<Remote>),
    /// To nothing: this build cannot reach the server that is set.
    #[cfg(not(feature = "postgres"))]
    None,
}

/// Connections to a server.
#[cfg(feature = "postgres")]
pub struct Remote {
    pool: sqlx::PgPool,
    server: super::super::settings::Server,
    which: postgres::Which,
}

impl Pool {
    /// A pool of so many connections, which are made when they are first needed.
    #[must_use]
    pub fn new(settings: &Settings, readers: u32, what: Readers) -> Self {
        if let Some(server) = &settings.server {
            #[cfg(feature = "postgres")]
            return Self::Postgres(Box::new(Remote::new(server, readers, what)));
            #[cfg(not(feature = "postgres"))]
            {
                let _ = (server, what);
                return Self::None;
            }
        }
        let pool = SqlitePoolOptions::new()
            .max_connections(readers.max(1))
            .acquire_timeout(settings.busy_max)
            .connect_lazy_with(sqlite::options(settings).read_only(true));
        Self::Sqlite(pool)
    }

    /// A connection out of the pool.
    ///
    /// # Errors
    /// [`StoreError::Database`] or [`StoreError::Away`] where none becomes free in time.
    pub async fn connection(&self) -> Result<Conn, StoreError> {
        match self {
            Self::Sqlite(pool) => Ok(Conn::new(Link::SqlitePooled(pool.acquire().await?))),
            #[cfg(feature = "postgres")]
            Self::Postgres(remote) => remote.connection().await,
            #[cfg(not(feature = "postgres"))]
            Self::None => Err(StoreError::NotBuilt),
        }
    }

    /// Closes all connections.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            #[cfg(feature = "postgres")]
            Self::Postgres(remote) => remote.pool.close().await,
            #[cfg(not(feature = "postgres"))]
            Self::None => {}
        }
    }
}

#[cfg(feature = "postgres")]
impl Remote {
    fn new(server: &super::super::settings::Server, readers: u32, what: Readers) -> Self {
        let which = match what {
            Readers::Fresh => postgres::Which::Primary,
            Readers::Lists => postgres::Which::Replica,
        };
        // The address is put in before the first connection is made.
        let pool = sqlx::postgres::PgPoolOptions::new()
            .max_connections(readers.max(1))
            .acquire_timeout(server.connect_time_max)
            .connect_lazy_with(sqlx::postgres::PgConnectOptions::new_without_pgpass());
        Self { pool, server: server.clone(), which }
    }

    async fn connection(&self) -> Result<Conn, StoreError> {
        if self.pool.num_idle() == 0 {
            self.read_options().await?;
        }
        let own = match self.pool.acquire().await {
            // Nobody came back in time, and no new one could be made.
            Err(sqlx::Error::PoolTimedOut) => return Err(StoreError::Late),
            // What it was made with may be out of date by now.
            Err(_) => {
                self.read_options().await?;
                self.pool.acquire().await?
            }
            Ok(own) => own,
        };
        Ok(Conn::limited(Link::PostgresPooled(own), postgres::limit(&self.server)))
    }

    /// Reads again what the next connections are made with.
    async fn read_options(&self) -> Result<(), StoreError> {
        let statements = self.server.statement_time_max.as_millis().to_string();
        let options = postgres::options(&self.server, self.which).await?;
        self.pool.set_connect_options(options.options([
            ("statement_timeout", statements),
            ("default_transaction_read_only", "on".to_owned()),
        ]));
        Ok(())
    }
}
