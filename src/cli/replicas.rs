//! Shows the processes that share a database, what each does for all, and how far they are.

use super::client::{Client, ServerArgs};
use super::explain;
use super::fault::{DONE, FAILED, Failure};
use crate::proto::v1::{GetHealthDetailRequest, GetHealthDetailResponse, ReplicaHealth, Shard};
use serde_json::json;
use std::io::Write;

/// Show the processes that share a database: how far each is, and what it does for all. Needs an ADMIN key of the operator
#[derive(Debug, Clone, clap::Args)]
pub struct ReplicasArgs {
    /// Sum up what the server answers from, to compare it with another's
    #[arg(long)]
    pub sum: bool,
    /// The answer as JSON
    #[arg(long)]
    pub json: bool,
    /// Where the server is
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Does it.
///
/// # Errors
/// A call that was refused, or an answer that cannot be written.
pub async fn run(args: &ReplicasArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let client = Client::connect(&args.server).await?;
    let sent = client.ask(GetHealthDetailRequest { sum_index: args.sum }, |request| {
        let mut admin = client.admin();
        async move { admin.get_health_detail(request).await }
    });
    let found = sent.await?;
    if args.json {
        as_json(&found, out)?
    } else {
        as_tables(&found, out)?
    }
    let store = found.store.unwrap_or_default();
    Ok(if store.away || store.failed { FAILED } else { DONE })
}

fn seconds(span: Option<prost_types::Duration>) -> f64 {
    span.map_or(0.0, |span| span.seconds as f64 + f64::from(span.nanos) / 1e9)
}

/// A shard as people write it.
fn written(shard: Option<Shard>) -> String {
    shard.map_or_else(String::new, |shard| format!("{}/{}", shard.number, shard.count))
}

fn tasks(found: &GetHealthDetailResponse, replica: &ReplicaHealth) -> Vec<String> {
    let theirs = found.leases.iter().filter(|lease| lease.replica_id == replica.replica_id);
    theirs.map(|lease| lease.task.clone()).collect()
}

fn as_tables(found: &GetHealthDetailResponse, out: &mut dyn Write) -> Result<(), Failure> {
    let (index, store) = (found.index.clone().unwrap_or_default(), found.store.unwrap_or_default());
    let mut table = explain::table(&["this process", "value"]);
    table.add_row(["index", &format!("event {}", index.applied_number)]);
    let size = store.journal_number.map_or("away".to_owned(), |size| format!("event {size}"));
    table.add_row(["journal", &size]);
    table.add_row(["age of the index", &format!("{:.3} s", seconds(index.age))]);
    table.add_row(["entries", &index.entry_count.to_string()]);
    if let Some(shard) = found.shard.filter(|shard| shard.count > 1) {
        table.add_row(["shard", &written(Some(shard))]);
        let missing = found.other_shards.iter().filter(|shard| shard.holder_count == 0);
        let missing: Vec<_> = missing.map(|shard| shard.number.to_string()).collect();
        let missing = if missing.is_empty() { "none".to_owned() } else { missing.join(", ") };
        table.add_row(["shards that nobody keeps", &missing]);
    }
    if !index.sum.is_empty() {
        table.add_row(["sum", &hex::encode(&index.sum)]);
    }
    table.add_row(["snapshot", &format!("event {}", index.snapshot_number)]);
    table.add_row(["bytes that wait", &store.spooled_bytes.to_string()]);
    let state = match (store.failed, store.away, store.shared) {
        (true, ..) => "has ended writing",
        (_, true, _) => "away",
        (.., true) => "shared",
        _ => "this machine's alone",
    };
    table.add_row(["database", state]);
    writeln!(out, "{table}")?;
    if found.replicas.is_empty() {
        return Ok(());
    }
    let head = ["replica", "title", "version", "shard", "index", "lag", "entries", "does", "beat"];
    let mut table = explain::table(&head);
    for replica in &found.replicas {
        let own = if replica.answering { " *" } else { "" };
        let beat = replica.beat_time.map(|time| time.to_string()).unwrap_or_default();
        table.add_row([
            format!("{}{own}", replica.replica_id.get(..8).unwrap_or_default()),
            replica.title.clone(),
            replica.version.clone(),
            written(replica.shard),
            replica.applied_number.to_string(),
            replica.lag.to_string(),
            replica.entry_count.to_string(),
            tasks(found, replica).join(", "),
            beat,
        ]);
    }
    writeln!(out, "{table}")?;
    Ok(())
}

fn as_json(found: &GetHealthDetailResponse, out: &mut dyn Write) -> Result<(), Failure> {
    let (index, store) = (found.index.clone().unwrap_or_default(), found.store.unwrap_or_default());
    let replicas: Vec<_> = found
        .replicas
        .iter()
        .map(|replica| {
            json!({
                "replica": replica.replica_id, "title": replica.title, "version": replica.version,
                "applied": replica.applied_number, "lag": replica.lag,
                "entries": replica.entry_count, "answering": replica.answering,
                "tasks": tasks(found, replica),
                "shard": written(replica.shard), "shard_address": replica.shard_address,
                "beat": replica.beat_time.map(|time| time.to_string()),
            })
        })
        .collect();
    let told = json!({
        "applied": index.applied_number, "journal": store.journal_number,
        "age_seconds": seconds(index.age), "entries": index.entry_count,
        "sum": (!index.sum.is_empty()).then(|| hex::encode(&index.sum)),
        "snapshot": index.snapshot_number, "spooled_bytes": store.spooled_bytes,
        "shard": written(found.shard),
        "holders": found.other_shards.iter().map(|shard| (shard.number.to_string(), shard.holder_count.into()))
            .collect::<serde_json::Map<String, serde_json::Value>>(),
        "shared": store.shared, "away": store.away, "failed": store.failed, "replicas": replicas,
    });
    writeln!(out, "{told}")?;
    Ok(())
}
