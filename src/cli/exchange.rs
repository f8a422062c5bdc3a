//! Makes, shows and asks exchanges: those from whom banks learn.

use super::client::{Client, ServerArgs, request_id};
use super::fault::{DONE, FAILED, Failure};
use super::learned::{
    ArachnidArgs, BulwarkArgs, Learned, NcmecArgs, PublicationArgs, StopNciiArgs,
    ThreatExchangeArgs,
};
use super::{explain, screen, words};
use crate::core::time::Time;
use crate::proto::v1;
use indicatif::ProgressBar;
use std::io::Write;
use std::time::{Duration, Instant};

/// How often somebody who follows an exchange looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What to do with exchanges. Needs a key of the role BANK_MANAGER.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum ExchangeCommand {
    /// Learn from another service of this kind
    Create(Box<BulwarkArgs>),
    /// Learn from NCMEC hash sharing
    CreateNcmec(Box<NcmecArgs>),
    /// Learn from StopNCII
    CreateStopncii(Box<StopNciiArgs>),
    /// Learn from a privacy group of Meta's ThreatExchange
    CreateThreatexchange(Box<ThreatExchangeArgs>),
    /// Learn from a file, or from what an address gives
    CreateFile(Box<PublicationArgs>),
    /// Have Arachnid Shield asked about what is screened
    CreateArachnid(Box<ArachnidArgs>),
    /// List exchanges
    List(ServerArgs),
    /// Show how far an exchange has come; exit code 1: it is failing
    Status(NamedArgs),
    /// Watch an exchange until everything it has is taken in; exit code 1: for `--timeout` nothing more came
    Follow(NamedArgs),
    /// Ask an exchange that failed again now
    Sync(NamedArgs),
    /// Stop asking an exchange
    Disable(NamedArgs),
    /// Ask an exchange again
    Enable(NamedArgs),
    /// Remove an exchange; what it brought stays
    Delete(NamedArgs),
}

/// Names an exchange.
#[derive(Debug, Clone, clap::Args)]
pub struct NamedArgs {
    /// The exchange
    pub exchange: String,
    /// Where the server is
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Does it.
///
/// # Errors
/// A call that was refused, a file that cannot be read, or an answer that cannot be written.
pub async fn run(command: &ExchangeCommand, out: &mut dyn Write) -> Result<u8, Failure> {
    match command {
        ExchangeCommand::Create(args) => create(args.learned()?, out).await,
        ExchangeCommand::CreateNcmec(args) => create(args.learned()?, out).await,
        ExchangeCommand::CreateStopncii(args) => create(args.learned()?, out).await,
        ExchangeCommand::CreateThreatexchange(args) => create(args.learned()?, out).await,
        ExchangeCommand::CreateFile(args) => create(args.learned()?, out).await,
        ExchangeCommand::CreateArachnid(args) => create(args.learned()?, out).await,
        ExchangeCommand::List(server) => list(server, out).await,
        ExchangeCommand::Status(args) => status(args, out).await,
        ExchangeCommand::Follow(args) => follow(args, out).await,
        ExchangeCommand::Sync(args) => sync(args, out).await,
        ExchangeCommand::Disable(args) => enable(args, false, out).await,
        ExchangeCommand::Enable(args) => enable(args, true, out).await,
        ExchangeCommand::Delete(args) => delete(args, out).await,
    }
}

async fn create(learned: Learned<'_>, out: &mut dyn Write) -> Result<u8, Failure> {
    let client = Client::connect(learned.server).await?;
    let id = learned.exchange.exchange_id.clone();
    let message = v1::CreateExchangeRequest {
        exchange_id: id.clone(),
        exchange: Some(learned.exchange),
        request_id: request_id(),
    };
    let sent = client.ask(message, |request| {
        let mut exchanges = client.exchanges();
        async move { exchanges.create_exchange(request).await }
    });
    let number = sent.await?.journal_number;
    writeln!(out, "exchange {id} is made, journal number {number}")?;
    Ok(DONE)
}

async fn list(server: &ServerArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let client = Client::connect(server).await?;
    let mut table =
        explain::table(&["exchange", "into", "address", "of it", "enabled", "enters as"]);
    let mut page_token = String::new();
    loop {
        let message = v1::ListExchangesRequest { page_size: 1_000, page_token };
        let sent = client.ask(message, |request| {
            let mut exchanges = client.exchanges();
            async move { exchanges.list_exchanges(request).await }
        });
        let page = sent.await?;
        for one in page.exchanges {
            let enters_as = words::entry_state_name(one.enters_as);
            let (address, bank) = match one.kind {
                Some(v1::exchange::Kind::Bulwark(other)) => (other.address, other.bank_id),
                Some(v1::exchange::Kind::Ncmec(other)) => (other.base_url, String::new()),
                Some(v1::exchange::Kind::StopNcii(other)) => (other.base_url, String::new()),
                Some(v1::exchange::Kind::ThreatExchange(other)) => {
                    (other.base_url, other.privacy_group)
                }
                Some(v1::exchange::Kind::File(other)) => (other.url, String::new()),
                Some(v1::exchange::Kind::Arachnid(other)) => (other.base_url, String::new()),
                None => ("of a kind that this version does not know".to_owned(), String::new()),
            };
            let enabled = one.enabled.unwrap_or(true).to_string();
            table.add_row([one.exchange_id, one.bank_id, address, bank, enabled, enters_as]);
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    writeln!(out, "{table}")?;
    Ok(DONE)
}

async fn found(client: &Client, exchange: &str) -> Result<v1::GetExchangeStatusResponse, Failure> {
    let message = v1::GetExchangeStatusRequest { exchange_id: exchange.to_owned() };
    let sent = client.ask(message, |request| {
        let mut exchanges = client.exchanges();
        async move { exchanges.get_exchange_status(request).await }
    });
    Ok(sent.await?)
}

async fn status(args: &NamedArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let client = Client::connect(&args.server).await?;
    told(found(&client, &args.exchange).await?, out)
}

async fn follow(args: &NamedArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let client = Client::connect(&args.server).await?;
    let line = screen::counter("records");
    let watched = watch(&client, &args.exchange, &line).await;
    line.finish_and_clear();
    let (last, has_all) = watched?;
    told(last, out)?;
    Ok(if has_all { DONE } else { FAILED })
}

/// Looks at an exchange until everything it has is taken in, or nothing more comes; says which.
async fn watch(
    client: &Client,
    exchange: &str,
    line: &ProgressBar,
) -> Result<(v1::GetExchangeStatusResponse, bool), Failure> {
    let mut moved = ((0, 0), Instant::now());
    loop {
        let found = found(client, exchange).await?;
        let state = found.state();
        let has_all = state == v1::ExchangeState::Live
            || (state == v1::ExchangeState::Elsewhere && found.whole);
        let records = found.counts.as_ref().map_or(0, records);
        line.set_position(records);
        line.set_message(format!("{} {}", words::exchange_state_name(found.state), found.failure));
        if (records, found.source_number) != moved.0 {
            moved = ((records, found.source_number), Instant::now());
        }
        let stands_still = moved.1.elapsed() >= client.timeout();
        if has_all || stands_still || state == v1::ExchangeState::Disabled {
            return Ok((found, has_all));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// How many of its records were looked at.
const fn records(counts: &v1::IntakeCounts) -> u64 {
    counts.taken
        + counts.replaced
        + counts.withdrawn
        + counts.unchanged
        + counts.tombstoned
        + counts.refused
}

fn told(found: v1::GetExchangeStatusResponse, out: &mut dyn Write) -> Result<u8, Failure> {
    let counts = found.counts.unwrap_or_default();
    let mut table = explain::table(&["of the exchange", "value"]);
    table.add_row(["state", &words::exchange_state_name(found.state)]);
    let reached = found.source_time.map(|time| {
        Time::from_millis(time.seconds.saturating_mul(1000) + i64::from(time.nanos / 1_000_000))
            .utc()
    });
    let reached = reached.unwrap_or_else(|| format!("number {}", found.source_number));
    table.add_row(["heard up to", &reached]);
    table.add_row(["everything came once", &found.whole.to_string()]);
    for (name, count) in [
        ("taken", counts.taken),
        ("replaced", counts.replaced),
        ("withdrawn", counts.withdrawn),
        ("unchanged", counts.unchanged),
        ("removed here before", counts.tombstoned),
        ("refused", counts.refused),
        ("set aside as too many", counts.over_cap),
    ] {
        table.add_row([name, &count.to_string()]);
    }
    for unknown in &found.unknown {
        table.add_row([format!("not known: {}", unknown.what), unknown.count.to_string()]);
    }
    if found.feedback_taken_count + found.feedback_refused_count > 0 {
        table.add_row(["opinions taken by it", &found.feedback_taken_count.to_string()]);
        table.add_row(["opinions refused by it", &found.feedback_refused_count.to_string()]);
    }
    if !found.failure.is_empty() {
        table.add_row(["failure", &found.failure]);
        table.add_row(["failures in a row", &found.failure_count.to_string()]);
    }
    writeln!(out, "{table}")?;
    let failing = i32::from(v1::ExchangeState::Failing);
    Ok(if found.state == failing { FAILED } else { DONE })
}

async fn sync(args: &NamedArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let client = Client::connect(&args.server).await?;
    let message = v1::SyncExchangeRequest { exchange_id: args.exchange.clone() };
    let sent = client.ask(message, |request| {
        let mut exchanges = client.exchanges();
        async move { exchanges.sync_exchange(request).await }
    });
    let how = if sent.await?.asked_here { "now" } else { "by another process, in its own time" };
    writeln!(out, "exchange {} is asked {how}", args.exchange)?;
    Ok(DONE)
}

async fn enable(args: &NamedArgs, enabled: bool, out: &mut dyn Write) -> Result<u8, Failure> {
    let client = Client::connect(&args.server).await?;
    let message = v1::UpdateExchangeRequest {
        exchange: Some(v1::Exchange {
            exchange_id: args.exchange.clone(),
            enabled: Some(enabled),
            ..v1::Exchange::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["enabled".to_owned()] }),
        request_id: request_id(),
    };
    let sent = client.ask(message, |request| {
        let mut exchanges = client.exchanges();
        async move { exchanges.update_exchange(request).await }
    });
    sent.await?;
    let now = if enabled { "asked" } else { "not asked any more" };
    writeln!(out, "exchange {} is {now}", args.exchange)?;
    Ok(DONE)
}

async fn delete(args: &NamedArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let client = Client::connect(&args.server).await?;
    let message = v1::DeleteExchangeRequest {
        exchange_id: args.exchange.clone(),
        etag: String::new(),
        request_id: request_id(),
    };
    let sent = client.ask(message, |request| {
        let mut exchanges = client.exchanges();
        async move { exchanges.delete_exchange(request).await }
    });
    sent.await?;
    writeln!(out, "exchange {} is gone; what it brought stays", args.exchange)?;
    Ok(DONE)
}
