//! Makes, fills and shows banks.

use super::client::{Client, ServerArgs, request_id};
use super::fault::{DONE, Failure, INCOMPLETE};
use super::screen::unread;
use super::upload::{Source, Words, feed};
use super::{explain, screen, words};
use crate::proto::v1::import_entries_request::Step;
use crate::proto::v1::{
    Band, Bank, BankMode, BankRole, CreateBankRequest, CsvColumns, Disposition, GetBankRequest,
    GetIndexStatusRequest, ImportChunk, ImportEntriesRequest, ImportEntriesResponse, ImportFormat,
    ImportOpen, ListBanksRequest, SignalRule, SignalType,
};
use std::io::Write;
use std::path::PathBuf;
use tonic::Request;

/// What to do with banks. Needs a key of the role BANK_MANAGER.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum BankCommand {
    /// Make a bank
    Create(CreateArgs),
    /// List banks
    List(ServerArgs),
    /// Add entries from a file; exit code 4: some lines were refused
    Import(ImportArgs),
    /// Show a bank's settings and what the index holds of it
    Show(ShowArgs),
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

/// Add entries from a file.
#[derive(Debug, Clone, clap::Args)]
pub struct ImportArgs {
    /// The bank
    pub bank: String,
    /// Text with one value a line, or CSV; `-` reads standard input
    pub file: PathBuf,
    /// Type of every value that has no type of its own: md5, sha1, sha256, pdq, vpdq_frame, photodna, or a custom name
    #[arg(long = "type", value_name = "TYPE", required_unless_present = "type_column")]
    pub kind: Option<String>,
    /// The file is CSV; taken from a name that ends in .csv, and from any column flag
    #[arg(long)]
    pub csv: bool,
    /// CSV column of the value
    #[arg(long, value_name = "COLUMN", default_value = "value")]
    pub value_column: String,
    /// CSV column of the type
    #[arg(long, value_name = "COLUMN")]
    pub type_column: Option<String>,
    /// CSV column of a hash's quality
    #[arg(long, value_name = "COLUMN")]
    pub quality_column: Option<String>,
    /// CSV column of the entry's name
    #[arg(long, value_name = "COLUMN")]
    pub entry_column: Option<String>,
    /// CSV column of the source's own record name
    #[arg(long, value_name = "COLUMN")]
    pub record_column: Option<String>,
    /// CSV column of the content class
    #[arg(long, value_name = "COLUMN")]
    pub classification_column: Option<String>,
    /// CSV column of further labels, separated by `;`
    #[arg(long, value_name = "COLUMN")]
    pub tags_column: Option<String>,
    /// CSV column of a note
    #[arg(long, value_name = "COLUMN")]
    pub note_column: Option<String>,
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
        BankCommand::Import(args) => import(args, out).await,
        BankCommand::Show(args) => show(args, out).await,
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
    vec![pdq, equal(SignalType::Md5), equal(SignalType::Sha1), equal(SignalType::Sha256)]
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

/// How the import is opened.
fn opened(args: &ImportArgs) -> ImportOpen {
    let columns = [
        &args.type_column,
        &args.quality_column,
        &args.entry_column,
        &args.record_column,
        &args.classification_column,
        &args.tags_column,
        &args.note_column,
    ];
    let is_csv = args.csv
        || columns.iter().any(|column| column.is_some())
        || args.file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    let kind = args.kind.as_deref().unwrap_or_default();
    let known = words::find(words::SIGNALS, kind);
    let said = |column: &Option<String>| column.clone().unwrap_or_default();
    let format = if is_csv { ImportFormat::Csv } else { ImportFormat::Text };
    ImportOpen {
        bank_id: args.bank.clone(),
        format: format.into(),
        signal_type: known.map(i32::from).unwrap_or_default(),
        custom_type: if known.is_none() { kind.to_owned() } else { String::new() },
        columns: is_csv.then(|| CsvColumns {
            value: args.value_column.clone(),
            signal_type: said(&args.type_column),
            quality: said(&args.quality_column),
            entry_id: said(&args.entry_column),
            source_record: said(&args.record_column),
            classification: said(&args.classification_column),
            tags: said(&args.tags_column),
            note: said(&args.note_column),
        }),
        ..ImportOpen::default()
    }
}

async fn import(args: &ImportArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let client = Client::connect(&args.server).await?;
    let is_input = args.file.as_os_str() == "-";
    let size =
        if is_input { 0 } else { std::fs::metadata(&args.file).map_or(0, |data| data.len()) };
    let bar = screen::bar(size);
    let open = opened(args);
    let attempt = |left| {
        let words = Words {
            open: ImportEntriesRequest { step: Some(Step::Open(open.clone())) },
            chunk: |number, data| ImportEntriesRequest {
                step: Some(Step::Chunk(ImportChunk { number, data })),
            },
            finish: None,
        };
        let source = if is_input { Source::Input } else { Source::File(args.file.clone()) };
        bar.set_position(0);
        let moving = bar.clone();
        let (messages, reading) = feed(source, words, move |bytes| moving.inc(bytes));
        let mut request = Request::new(messages);
        request.set_timeout(left);
        let mut banks = client.banks();
        async move {
            let answer = banks.import_entries(request).await.map(tonic::Response::into_inner);
            unread(reading, answer).await
        }
    };
    // Standard input cannot be read a second time.
    let answer =
        if is_input { attempt(args.server.timeout).await } else { client.persist(attempt).await };
    bar.finish_and_clear();
    let answer =
        answer?.map_err(|reason| Failure::new(format!("{}: {reason}", args.file.display())))?;
    import_told(&answer, out)
}

fn import_told(answer: &ImportEntriesResponse, out: &mut dyn Write) -> Result<u8, Failure> {
    writeln!(
        out,
        "{} taken, {} already present, {} removed before and left out, {} refused",
        answer.taken_count,
        answer.already_present_count,
        answer.tombstoned_count,
        answer.refused_count
    )?;
    for refusal in &answer.refusals {
        writeln!(out, "  line {}: {}", refusal.line_number, refusal.reason)?;
    }
    let shown = answer.refusals.len() as u64;
    if answer.refused_count > shown && shown > 0 {
        writeln!(out, "  and {} more", answer.refused_count - shown)?;
    }
    Ok(if answer.refused_count > 0 { INCOMPLETE } else { DONE })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::ImportRefusal;

    #[test]
    fn bands_are_read_and_nonsense_is_not() {
        let read = band("31=hold").expect("a band");
        assert_eq!((read.distance_max, read.disposition), (31, i32::from(Disposition::Hold)));
        for bad in ["31", "x=HOLD", "31=MAYBE", "=HOLD", "-1=HOLD"] {
            assert!(band(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn refused_lines_are_named_and_make_the_exit_code() {
        let refusals = vec![ImportRefusal { line_number: 7, reason: "must be 64 digits".into() }];
        let answer = ImportEntriesResponse {
            taken_count: 2,
            refused_count: 3,
            refusals,
            ..Default::default()
        };
        let mut out = Vec::new();
        assert_eq!(import_told(&answer, &mut out), Ok(INCOMPLETE));
        let text = String::from_utf8(out).expect("text");
        assert_eq!(
            text,
            "2 taken, 0 already present, 0 removed before and left out, 3 refused\n  line 7: must be 64 digits\n  and 2 more\n"
        );
    }
}
