//! Bank requests, read from the wire into the core; every bad field is named at once.

mod video;
mod settings;
mod entry;
mod import;
mod opinion;

pub use entry::{
    AddEntry, RemoveEntry, Source, UpdateEntry, add_entry, compare, entry_id, list_entries,
    remove_entry, update_entry,
};
pub use import::{ImportOpening, Imported, Written, import};
pub use opinion::{
    RecordOpinion, Release, list_opinions, list_quarantine, record_opinion, release,
};
pub use settings::{bank_id, create_bank, delete_bank, list_banks, update_bank};
