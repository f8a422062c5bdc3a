//! What people say of entries: opinions, confirmations, and the release of what guards set aside.

use super::client::{Client, ServerArgs, request_id};
use super::fault::{DONE, Failure};
use super::{explain, words};
use crate::proto::v1;
use std::io::Write;

/// Names an entry.
#[derive(Debug, Clone, clap::Args)]
pub struct EntryArgs {
    /// The bank
    pub bank: String,
    /// The entry
    pub entry: String,
    /// Where the server is
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Say what people here think of an entry.
#[derive(Debug, Clone, clap::Args)]
pub struct OpinionArgs {
    /// What they say; left out with --withdraw
    #[arg(long, value_parser = words::one_of(words::OPINIONS), required_unless_present = "withdraw")]
    pub value: Option<v1::OpinionValue>,
    /// Take back what they said
    #[arg(long, conflicts_with_all = ["value", "reason", "confirm_into", "disable"])]
    pub withdraw: bool,
    /// Why; can be given several times
    #[arg(long, value_name = "TEXT")]
    pub reason: Vec<String>,
    /// Take the entry into this bank as confirmed here
    #[arg(long, value_name = "BANK")]
    pub confirm_into: Option<String>,
    /// End the entry, and dispute whatever shares a value with it; only with `--value negative`
    #[arg(long)]
    pub disable: bool,
    /// Which entry
    #[command(flatten)]
    pub of: EntryArgs,
}

/// Release an entry that a guard set aside.
#[derive(Debug, Clone, clap::Args)]
pub struct ReleaseArgs {
    /// Why it may be matched
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Which entry
    #[command(flatten)]
    pub of: EntryArgs,
}

/// Records an opinion.
///
/// # Errors
/// A call that was refused, or an answer that cannot be written.
pub async fn opinion(args: &OpinionArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let client = Client::connect(&args.of.server).await?;
    let message = v1::RecordOpinionRequest {
        bank_id: args.of.bank.clone(),
        entry_id: args.of.entry.clone(),
        value: args.value.map_or(0, i32::from),
        withdraw: args.withdraw,
        reasons: args.reason.clone(),
        confirm_bank_id: args.confirm_into.clone().unwrap_or_default(),
        disable: args.disable,
        request_id: request_id(),
        ..v1::RecordOpinionRequest::default()
    };
    let sent = client.ask(message, |request| {
        let mut banks = client.banks();
        async move { banks.record_opinion(request).await }
    });
    let answer = sent.await?;
    let entry = answer.entry.ok_or_else(|| Failure::new("an answer without an entry"))?;
    writeln!(out, "entry {} is {}", entry.entry_id, words::entry_state_name(entry.state))?;
    if let Some(confirmed) = answer.confirmed_entry {
        writeln!(out, "confirmed as entry {} of {}", confirmed.entry_id, confirmed.bank_id)?;
    }
    for same in answer.same_entries {
        writeln!(out, "disputed with it: entry {} of {}", same.entry_id, same.bank_id)?;
    }
    Ok(DONE)
}

/// Lists what parties say of an entry.
///
/// # Errors
/// As [`opinion`].
pub async fn opinions(args: &EntryArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let client = Client::connect(&args.server).await?;
    let mut table = explain::table(&["exchange", "organisation", "says", "why"]);
    let mut page_token = String::new();
    let merged = loop {
        let message = v1::ListOpinionsRequest {
            bank_id: args.bank.clone(),
            entry_id: args.entry.clone(),
            page_size: 1_000,
            page_token,
        };
        let sent = client.ask(message, |request| {
            let mut banks = client.banks();
            async move { banks.list_opinions(request).await }
        });
        let page = sent.await?;
        for one in page.opinions {
            let exchange = if one.exchange.is_empty() { "here".to_owned() } else { one.exchange };
            let value = words::opinion_name(one.value);
            table.add_row([exchange, one.organisation, value, one.reasons.join("; ")]);
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break page.merged_opinion;
        }
    };
    writeln!(out, "{table}\nall together: {}", words::merged_name(merged))?;
    Ok(DONE)
}

/// Lists what guards set aside.
///
/// # Errors
/// As [`opinion`].
pub async fn quarantine(
    bank: &str,
    server: &ServerArgs,
    out: &mut dyn Write,
) -> Result<u8, Failure> {
    let client = Client::connect(server).await?;
    let mut table = explain::table(&["entry", "state", "guard", "would match", "bits apart"]);
    let mut page_token = String::new();
    loop {
        let message =
            v1::ListQuarantineRequest { bank_id: bank.to_owned(), page_size: 1_000, page_token };
        let sent = client.ask(message, |request| {
            let mut banks = client.banks();
            async move { banks.list_quarantine(request).await }
        });
        let page = sent.await?;
        for entry in page.entries {
            let why = entry.quarantine.unwrap_or_default();
            let good = why.good.map(|good| format!("{} of {}", good.entry_id, good.bank_id));
            let bits = if good.is_some() { why.good_distance.to_string() } else { String::new() };
            table.add_row([
                entry.entry_id,
                words::entry_state_name(entry.state),
                words::guard_name(why.guard),
                good.unwrap_or_default(),
                bits,
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

/// Releases an entry.
///
/// # Errors
/// As [`opinion`].
pub async fn release(args: &ReleaseArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let client = Client::connect(&args.of.server).await?;
    let message = v1::ReleaseFromQuarantineRequest {
        bank_id: args.of.bank.clone(),
        entry_id: args.of.entry.clone(),
        reason: args.reason.clone(),
        etag: String::new(),
        request_id: request_id(),
    };
    let sent = client.ask(message, |request| {
        let mut banks = client.banks();
        async move { banks.release_from_quarantine(request).await }
    });
    let entry = sent.await?.entry.ok_or_else(|| Failure::new("an answer without an entry"))?;
    writeln!(out, "entry {} is {}", entry.entry_id, words::entry_state_name(entry.state))?;
    Ok(DONE)
}
