//! Makes, fills and shows banks.

use super::client::{Client, ServerArgs, request_id};
use super::entry::{self, EntryArgs, OpinionArgs, ReleaseArgs};
use super::fault::{DONE, Failure};
use super::import::{self, ImportArgs};
use super::{explain, words};
use crate::proto::v1::{
    Band, Bank, BankMode, BankRole, CreateBankRequest, Disposition, GetBankRequest,
    GetIndexStatusRequest, ListBanksRequest, SignalRule, SignalType,
};
use std::io::Write;

/// What to do with banks. Needs a key of the role BANK_MANAGER.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum BankCommand {
    /// Make a bank
    Create(CreateArgs),
    /// List banks
    List(ServerArgs),
    /// Add entries from a file; exit code 4: some of it was refused
    Import(Box<ImportArgs>),
    /// Show a bank's settings and what the index holds of it
    Show(ShowArgs),
    /// Say what people here think of an entry, and what is to follow from it
    Opinion(Box<OpinionArgs>),
    /// List what every party says of an entry
    Opinions(EntryArgs),
    /// List what guards set aside
    Quarantine(ShowArgs),
    /// Release an entry that a guard set aside
    Release(ReleaseArgs),
}

/// Make a bank.
#[derive(Debug, Clone, clap::Args)]
pub struct CreateArgs {
    /// Its name: lower-case letters, digits and hyphens
    pub bank: String,
    /// A name for people
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub name: String,
    /// What a match means: a finding, or one that overrules findings
    #[arg(long, default_value = "positive", value_parser = words::one_of(words::BANK_ROLES))]
    pub role: BankRole,
    /// Whether matches count
    #[arg(long, default_value = "enforce", value_parser = words::one_of(words::BANK_MODES))]
    pub mode: BankMode,
    /// Every entry was confirmed by an accredited body or by people here
    #[arg(long)]
    pub vetted: bool,
    /// Legal basis on which the bank is used
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub legal_basis: String,
    /// Share of items for which matches count, from 0 to 1
    #[arg(long, value_name = "SHARE")]
    pub enabled_ratio: Option<f64>,
    /// PDQ matches up to so many bits get this disposition, as `31=HOLD`; can be given several times. The bank then
    /// has this rule for PDQ and blocks equal digests; without it, it has the usual rules
    #[arg(long, value_name = "BITS=DISPOSITION", value_parser = band)]
    pub band: Vec<Band>,
    /// Least quality of PDQ hashes, with --band
    #[arg(long, default_value_t = 50, requires = "band", value_parser = clap::value_parser!(u32).range(0..=100))]
    pub quality_min: u32,
    /// Where the server is
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Show a bank.
#[derive(Debug, Clone, clap::Args)]
pub struct ShowArgs {
    /// The bank
    pub bank: String,
    /// Where the server is
    #[command(flatten)]
    pub server: ServerArgs,
}

fn band(text: &str) -> Result<Band, String> {
    let bad = || "write it as 31=HOLD".to_owned();
    let (bits, word) = text.split_once('=').ok_or_else(bad)?;
    let distance_max = bits.trim().parse().map_err(|_| bad())?;
    let disposition: Disposition = words::find(words::DISPOSITIONS, &word.trim().to_uppercase())
        .ok_or("the disposition is one of ALLOW, ALLOW_WITH_FRICTION, HOLD, BLOCK, INTERRUPT")?;
    Ok(Band { distance_max, disposition: disposition.into() })
}

/// Does it.
///
/// # Errors
/// A call that was refused, a file that cannot be read, or an answer that cannot be written.
pub async fn run(command: &BankCommand, out: &mut dyn Write) -> Result<u8, Failure> {
    match command {
        BankCommand::Create(args) => create(args, out).await,
        BankCommand::List(server) => list(server, out).await,
        BankCommand::Import(args) => import::run(args, out).await,
        BankCommand::Show(args) => show(args, out).await,
        BankCommand::Opinion(args) => entry::opinion(args, out).await,
        BankCommand::Opinions(args) => entry::opinions(args, out).await,
        BankCommand::Quarantine(args) => entry::quarantine(&args.bank, &args.server, out).await,
        BankCommand::Release(args) => entry::release(args, out).await,
    }
}

/// The rules that the flags ask for; none for the usual ones.
fn rules(args: &CreateArgs) -> Vec<SignalRule> {
    if args.band.is_empty() {
        return Vec::new();
    }
    let mut bands = args.band.clone();
    bands.sort_by_key(|band| band.distance_max);
    let pdq = SignalRule {
        r#type: SignalType::Pdq.into(),
        quality_min: args.quality_min,
        bands,
        ..SignalRule::default()
    };
    let equal = |kind: SignalType| SignalRule {
        r#type: kind.into(),
        bands: vec![Band { distance_max: 0, disposition: Disposition::Block.into() }],
        ..SignalRule::default()
    };
    // Frames as near as pictures; when a video matches is the usual.
    let frames = SignalRule { r#type: SignalType::VpdqFrame.into(), ..pdq.clone() };
    vec![pdq, frames, equal(SignalType::Md5), equal(SignalType::Sha1), equal(SignalType::Sha256)]
}

async fn create(args: &CreateArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let client = Client::connect(&args.server).await?;
    let message = CreateBankRequest {
        bank_id: args.bank.clone(),
        bank: Some(Bank {
            display_name: args.name.clone(),
            role: args.role.into(),
            mode: args.mode.into(),
            vetted: args.vetted,
            legal_basis: args.legal_basis.clone(),
            enabled_ratio: args.enabled_ratio,
            signal_rules: rules(args),
            ..Bank::default()
        }),
        request_id: request_id(),
    };
    let sent = client.ask(message, |request| {
        let mut banks = client.banks();
        async move { banks.create_bank(request).await }
    });
    let answer = sent.await?;
    writeln!(out, "bank {} is made, journal number {}", args.bank, answer.journal_number)?;
    Ok(DONE)
}

async fn list(server: &ServerArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let client = Client::connect(server).await?;
    let mut table = explain::table(&["bank", "name", "role", "mode", "vetted", "entries"]);
    let mut page_token = String::new();
    loop {
        let sent = client.ask(ListBanksRequest { page_size: 1_000, page_token }, |request| {
            let mut banks = client.banks();
            async move { banks.list_banks(request).await }
        });
        let page = sent.await?;
        for bank in page.banks {
            table.add_row([
                bank.bank_id,
                bank.display_name,
                words::bank_role_name(bank.role),
                words::bank_mode_name(bank.mode),
                bank.vetted.to_string(),
                bank.entry_count.to_string(),
            ]);
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    writeln!(out, "{table}")?;
    Ok(DONE)
}

async fn show(args: &ShowArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let client = Client::connect(&args.server).await?;
    let sent = client.ask(GetBankRequest { bank_id: args.bank.clone() }, |request| {
        let mut banks = client.banks();
        async move { banks.get_bank(request).await }
    });
    let bank = sent.await?.bank.ok_or_else(|| Failure::new("an answer without a bank"))?;
    let sent = client.ask(GetIndexStatusRequest {}, |request| {
        let mut banks = client.banks();
        async move { banks.get_index_status(request).await }
    });
    let index = sent.await?;
    let mut table = explain::table(&["setting", "value"]);
    table.add_row(["bank", &bank.bank_id]);
    table.add_row(["name", &bank.display_name]);
    table.add_row(["role", &words::bank_role_name(bank.role)]);
    table.add_row(["mode", &words::bank_mode_name(bank.mode)]);
    table.add_row(["enabled", &bank.enabled.unwrap_or(true).to_string()]);
    table.add_row(["enabled ratio", &bank.enabled_ratio.unwrap_or(1.0).to_string()]);
    table.add_row(["vetted", &bank.vetted.to_string()]);
    table.add_row(["legal basis", &bank.legal_basis]);
    for rule in &bank.signal_rules {
        let name = words::signal_name(rule.r#type, &rule.custom_type);
        table.add_row([format!("rule for {name}"), rule_told(rule)]);
    }
    table.add_row(["entries", &bank.entry_count.to_string()]);
    for held in index.banks.iter().filter(|held| held.bank_id == bank.bank_id) {
        for count in &held.signals {
            let name = words::signal_name(count.r#type, &count.custom_type);
            table.add_row([format!("{name} in the index"), count.count.to_string()]);
        }
        table.add_row(["stale", &held.stale.to_string()]);
    }
    let behind = index.journal_number.saturating_sub(index.applied_number);
    table.add_row([
        "index",
        &format!("{} of {} events, {behind} behind", index.applied_number, index.journal_number),
    ]);
    writeln!(out, "{table}")?;
    Ok(DONE)
}

fn rule_told(rule: &SignalRule) -> String {
    let bands = rule.bands.iter().map(|band| {
        format!("up to {} bits {}", band.distance_max, words::disposition_name(band.disposition))
    });
    let bands = bands.collect::<Vec<_>>().join(", ");
    if rule.quality_min > 0 {
        format!("{bands}; quality {} and more", rule.quality_min)
    } else {
        bands
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_read_and_nonsense_is_not() {
        let read = band("31=hold").expect("a band");
        assert_eq!((read.distance_max, read.disposition), (31, i32::from(Disposition::Hold)));
        for bad in ["31", "x=HOLD", "31=MAYBE", "=HOLD", "-1=HOLD"] {
            assert!(band(bad).is_err(), "{bad}");
        }
    }
}
