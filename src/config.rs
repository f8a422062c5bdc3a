//! What is set: all settings, read whole, every mistake named, before a port is bound.
//!
//! Settings come as pairs of key and text from a TOML file, the environment and `--set key=value`,
//! later ones winning. A key nobody knows is a mistake, never a default.

pub mod value;
mod place;
mod words;
mod mistake;
pub mod table;
mod models;
mod check;
mod read;

pub use check::store_address;
pub use mistake::{Mistake, Mistakes};
pub use models::{ModelServer, ModelSettings, load_models, read_models};
pub use place::{Endpoint, SharedPlace};
pub use read::{Pair, load, pairs_of_arguments, pairs_of_environment, pairs_of_toml, read};
pub use table::{
    BackupSettings, CounterSettings, ENVIRONMENT_PREFIX, GeneralSettings, GrpcWebSettings,
    GuardSettings, LimitSettings, LogSettings, LookbackSettings, MediaSettings, OtlpSettings,
    Settings, ShardSettings, StoreSettings, TlsSettings,
};
pub use value::{Bytes, Secret};
pub use words::{JailMode, LogFormat, LogLevel, TlsMode};

/// Exit code for wrong settings (`EX_CONFIG` of sysexits.h).
pub const EXIT_CODE: u8 = 78;
