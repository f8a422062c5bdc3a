//! Values given to statements, and rows that come back.

use super::super::error::StoreError;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

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
    /// From PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(sqlx::postgres::PgRow),
}

macro_rules! column {
    ($row:expr, $at:expr) => {
        match $row {
            Self::Sqlite(row) => row.try_get($at),
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get($at),
        }
    };
}

impl Row {
    /// The whole number in column `at`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where it holds something else.
    pub fn int(&self, at: usize) -> Result<i64, StoreError> {
        Ok(column!(self, at)?)
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
        Ok(column!(self, at)?)
    }

    /// The bytes in column `at`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where it holds something else.
    pub fn bytes(&self, at: usize) -> Result<Vec<u8>, StoreError> {
        Ok(column!(self, at)?)
    }

    /// Exactly `N` bytes in column `at`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where it holds something else.
    pub fn exact<const N: usize>(&self, at: usize) -> Result<[u8; N], StoreError> {
        self.bytes(at)?.try_into().map_err(|_| StoreError::Corrupt("column"))
    }
}
