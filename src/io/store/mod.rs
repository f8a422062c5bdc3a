//! The store: journal and rows in one database.
