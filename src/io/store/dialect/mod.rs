//! Everything that differs by database: connecting, tables, transactions, values and rows.
//!
//! Query text elsewhere keeps to a subset that SQLite and PostgreSQL share: `$1` placeholders, columns of whole numbers,
//! texts and bytes, bytewise order of texts, multi-row VALUES, ON CONFLICT, RETURNING.

mod tables;
mod value;
mod batch;
mod sqlite;
#[cfg(feature = "postgres")]
mod postgres;
mod conn;
mod pool;

pub use batch::Batch;
pub use conn::{Conn, connect, connect_lookback, connect_reading};
pub use pool::{Pool, Readers};
pub use tables::{SCHEMA_VERSION, is_usable};
pub use value::{Row, Value};
