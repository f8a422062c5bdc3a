//! Arguments of the commands that work on this machine's own data, and of the demo.

use super::settings::SettingsArgs;

/// Serve until told to stop; an empty data directory is made ready first
#[derive(Debug, Clone, clap::Args)]
pub struct ServeArgs {
    /// Where settings come from
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// Show the main job with drawn pictures, on a temporary server
#[derive(Debug, Clone, clap::Args)]
pub struct DemoArgs {
    /// Leave the server running afterwards, until interrupted
    #[arg(long)]
    pub keep: bool,
}

/// Make the data directory, its keys and the first credential, which is printed once
#[derive(Debug, Clone, clap::Args)]
pub struct InitArgs {
    /// Where settings come from
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// Recompute the whole journal and name whatever is wrong
#[derive(Debug, Clone, clap::Args)]
pub struct VerifyArgs {
    /// Where settings come from
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// The result as JSON
    #[arg(long)]
    pub json: bool,
}

/// Bring the database to the form that this version needs
#[derive(Debug, Clone, clap::Args)]
pub struct MigrateArgs {
    /// Where settings come from
    #[command(flatten)]
    pub settings: SettingsArgs,
}
