//! Loading the memory of the process: from a snapshot that is proved to be of this journal, else from rows.
//!
//! A snapshot counts only where the journal has a signed checkpoint of its number and root, and where the events behind
//! it, put on its own tree, give the root of the head. Whatever is wrong with it, it is removed, and the memory is made
//! from rows as if it had never been.

use super::dialect::Conn;
use super::error::StoreError;
use super::head::Head;
use super::journal;
use super::open;
use super::settings::Settings;
use super::snapshot::{self, Refused, Snapshot, Title};
use crate::core::journal::merkle::Frontier;
use crate::core::resident::Resident;
use crate::io::seal::KeyRing;
use std::sync::Arc;
use std::time::Instant;

/// Events that are replayed at a time.
const EVENTS_AT_ONCE: u64 = 256;
/// Rounds of them after which layers are merged.
const ROUNDS_PER_MERGE: u64 = 4;
/// Bytes of events that are replayed whatever there is to be loaded.
const REPLAYED_BYTES_MIN: u64 = 64 << 20;
/// Bytes of events that take as long to replay as an entry takes to load from its row.
const REPLAYED_BYTES_PER_ENTRY: u64 = 256;

/// Why a snapshot is not used: itself, or the database that it was to be compared with.
enum Unfit {
    Refused(Refused),
    Database(StoreError),
}

impl From<Refused> for Unfit {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<StoreError> for Unfit {
    fn from(error: StoreError) -> Self {
        Self::Database(error)
    }
}

const fn unfit(why: &'static str) -> Unfit {
    Unfit::Refused(Refused::Wrong(why))
}

/// Loads the memory; gives the number of the snapshot that it was made from, 0 where it was made without.
///
/// # Errors
/// [`StoreError`] where the database refuses or a row was changed.
pub(super) async fn load(
    conn: &mut Conn,
    keys: &Arc<KeyRing>,
    head: &Head,
    settings: &Settings,
) -> Result<(Resident, u64), StoreError> {
    let path = &settings.snapshot;
    if snapshot::sweep(path).is_err() {
        tracing::warn!("unfinished snapshots could not be removed");
    }
    let began = Instant::now();
    let millis = || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    if settings.snapshot_changes > 0 {
        match from_snapshot(conn, keys, head, settings).await {
            Ok(None) => {}
            Ok(Some((resident, number))) => {
                let (replayed, millis) = (head.size - number, millis());
                tracing::info!(number, replayed, millis, "loaded from a snapshot");
                return Ok((resident, number));
            }
            Err(unfit) => {
                let why = match unfit {
                    Unfit::Refused(refused) => refused.to_string(),
                    Unfit::Database(error) => error.to_string(),
                };
                tracing::warn!(why, "the snapshot is not used: loading from rows takes longer");
            }
        }
    }
    // One that is not used is of no use: the next that is written stands in its place.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!("the snapshot that is not used could not be removed");
        }
        _ => {}
    }
    let resident = open::load(conn, keys, head).await?;
    Ok((resident, 0))
}

async fn from_snapshot(
    conn: &mut Conn,
    keys: &Arc<KeyRing>,
    head: &Head,
    settings: &Settings,
) -> Result<Option<(Resident, u64)>, Unfit> {
    let Some(snapshot) = Snapshot::open(&settings.snapshot)? else { return Ok(None) };
    let title = snapshot.title;
    let frontier = prove(conn, keys, head, &title).await?;
    let ring = Arc::clone(keys);
    let reading = tokio::task::spawn_blocking(move || snapshot.read(&ring));
    let read = reading.await.map_err(|_| unfit("reading it broke down"))?;
    let mut resident = read?;
    replay(conn, keys, head, frontier, &mut resident).await?;
    Ok(Some((resident, title.number)))
}

/// Shows that what a snapshot says it is of is part of this journal; gives the right edge of the tree there.
async fn prove(
    conn: &mut Conn,
    keys: &KeyRing,
    head: &Head,
    title: &Title,
) -> Result<Frontier, Unfit> {
    if title.number == 0 || title.number > head.size {
        return Err(unfit("it is of events that the journal does not have"));
    }
    let (size, note) = journal::checkpoint(conn, title.number)
        .await?
        .filter(|(size, _)| *size == title.number)
        .ok_or(unfit("the journal has no checkpoint of its number"))?;
    let signed = keys.verify(&note).ok_or(unfit("the checkpoint of its number is not signed"))?;
    if (signed.size, signed.root) != (size, title.root) {
        return Err(unfit("it is of another journal"));
    }
    let frontier = journal::frontier(conn, title.number).await?;
    if frontier.root() != title.root {
        return Err(unfit("it is of another journal"));
    }
    let sql = "SELECT COALESCE(SUM(LENGTH(payload)), 0) FROM journal WHERE number > $1";
    let row = conn.row(sql, vec![title.number.into()]).await?;
    let behind = row.map(|row| row.number(0)).transpose()?.unwrap_or(0);
    let most = title.entries.saturating_mul(REPLAYED_BYTES_PER_ENTRY);
    if behind > REPLAYED_BYTES_MIN.saturating_add(most) {
        return Err(unfit("it is so old that rows are loaded sooner"));
    }
    Ok(frontier)
}

/// Takes the events behind a snapshot into account, each of which must be there, and all of which the head stands for.
async fn replay(
    conn: &mut Conn,
    keys: &KeyRing,
    head: &Head,
    mut frontier: Frontier,
    resident: &mut Resident,
) -> Result<(), Unfit> {
    let mut rounds = 0_u64;
    while frontier.size() < head.size {
        let events = journal::events(conn, keys, frontier.size() + 1, EVENTS_AT_ONCE).await?;
        if events.is_empty() {
            return Err(unfit("events behind it are missing"));
        }
        for (recorded, leaf) in events {
            if recorded.number != frontier.size() + 1 {
                return Err(unfit("events behind it are missing"));
            }
            frontier.append(leaf, |_| {});
            let event = recorded.event.ok_or(unfit("an event behind it was erased"))?;
            resident.apply(recorded.number, &event);
        }
        rounds += 1;
        if rounds.is_multiple_of(ROUNDS_PER_MERGE) {
            resident.settle();
        }
    }
    if frontier.root() != head.root {
        return Err(unfit("events behind it are others than the head stands for"));
    }
    resident.settle();
    resident.in_step(head.size);
    Ok(())
}
