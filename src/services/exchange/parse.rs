//! Exchange requests, read from the wire into the core; every bad field is named at once.

mod common;
mod kind;
mod exchange;
mod partner;

pub use exchange::{
    create_exchange, delete_exchange, exchange_id, list_exchanges, update_exchange,
};
pub use partner::{Wanted, list_partners, pull, put_partner, signed};
