//! Where settings are read from, and the command that checks them.

use super::explain;
use super::fault::{DONE, Failure};
use crate::config::value::Value as _;
use crate::config::{self, Secret, Settings};
use std::io::Write;
use std::path::PathBuf;

/// Where settings come from, beside the environment.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct SettingsArgs {
    /// TOML file of settings
    #[arg(long, value_name = "FILE", env = "BULWARK_CONFIG")]
    pub config: Option<PathBuf>,
    /// One setting, which wins over file and environment; can be given several times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where the database is: the same as `--set store.url=URL`; give the password in a file instead
    #[arg(long, value_name = "URL", value_parser = Secret::read)]
    pub store: Option<Secret>,
    /// TOML file of the models outside that are asked about items: the same as `--set models=FILE`
    #[arg(long, value_name = "FILE")]
    pub models: Option<PathBuf>,
}

impl SettingsArgs {
    /// Reads the settings.
    ///
    /// # Errors
    /// Every mistake, with exit code 78.
    pub fn load(&self) -> Result<Settings, Failure> {
        let store = self.store.as_ref().map(|url| format!("store.url={}", url.reveal()));
        let models = self.models.as_ref().map(|file| format!("models={}", file.display()));
        let last = [store.as_deref(), models.as_deref()].into_iter().flatten();
        let arguments = self.set.iter().map(String::as_str).chain(last);
        // A variable that is no text cannot be a setting of ours and would be a panic in `vars`.
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        config::load(self.config.as_deref(), variables, arguments)
            .map_err(|mistakes| Failure { text: mistakes.to_string(), code: config::EXIT_CODE })
    }
}

/// What to do with settings.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum ConfigCommand {
    /// Read all settings, name every mistake, print what is in force
    Check(SettingsArgs),
}

/// Does it.
///
/// # Errors
/// Every mistake in the settings, or an answer that cannot be written.
pub fn run(command: &ConfigCommand, out: &mut dyn Write) -> Result<u8, Failure> {
    let ConfigCommand::Check(args) = command;
    let settings = args.load()?;
    let mut table = explain::table(&["setting", "in force", "variable"]);
    for row in config::table::rows() {
        table.add_row([row.key.clone(), row.shown(&settings), row.variable()]);
    }
    writeln!(out, "{table}\nthe settings are good")?;
    Ok(DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_setting_ends_with_78_and_is_named() {
        let args =
            SettingsArgs { set: vec!["limits.conections=5".into()], ..SettingsArgs::default() };
        let failure = run(&ConfigCommand::Check(args), &mut Vec::new()).expect_err("misspelt");
        assert_eq!(failure.code, 78);
        assert!(failure.text.contains("limits.conections"), "{failure}");
    }
}
