//! Loading the memory of the process: from a snapshot that is proved to be of this journal, else from rows.
//!
//! A snapshot counts only where the journal has a signed checkpoint of its number and root, and where the events behind
//! it, put on its own tree, give the root of the head. Whatever is wrong with it, it is removed, and the memory is made
//! from rows as if it had never been.

use super::dialect::Conn;
use super::error::StoreError;
#[cfg(feature = "s3")]
use super::figures::SharedFigures;
use super::head::Head;
use super::journal;
use super::open;
use super::settings::Settings;
#[cfg(feature = "s3")]
use super::sharing::Sharing;
#[cfg(feature = "s3")]
use super::shelf::{Offer, Shelf};
use super::snapshot::{self, Refused, Snapshot, Title};
use super::snapshots::Origin;
use crate::core::event::Event;
use crate::core::journal::merkle::Frontier;
use crate::core::resident::Resident;
use crate::core::shard::Shard;
use crate::io::seal::KeyRing;
#[cfg(feature = "s3")]
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Changes of entries after which layers are merged: each entry is looked for in every layer.
const PUTS_PER_MERGE: u64 = 64;
/// Bytes of events that are replayed whatever there is to be loaded.
const REPLAYED_BYTES_MIN: u64 = 64 << 20;
/// Bytes of events that take as long to replay as an entry takes to load from its row.
const REPLAYED_BYTES_PER_ENTRY: u64 = 256;

/// Bytes of events behind the snapshot of this machine up to which nobody looks for a shared one.
#[cfg(feature = "s3")]
const NEAR_BYTES: u64 = 4 << 20;
/// Shared snapshots that are tried.
#[cfg(feature = "s3")]
const FETCHES_MAX: u32 = 2;

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

/// Loads the memory; says what it was made from.
///
/// # Errors
/// [`StoreError`] where the database refuses or a row was changed.
pub(super) async fn load(
    conn: &mut Conn,
    keys: &Arc<KeyRing>,
    head: &Head,
    settings: &Settings,
) -> Result<(Resident, Origin), StoreError> {
    let path = &settings.snapshot;
    if snapshot::sweep(path).is_err() {
        tracing::warn!("unfinished snapshots could not be removed");
    }
    let is_on = settings.snapshot_changes > 0;
    #[cfg(feature = "s3")]
    let (mut found, sharing) =
        if is_on { from_shared(conn, keys, head, settings).await } else { (None, None) };
    #[cfg(not(feature = "s3"))]
    let mut found = None;
    if found.is_none() && is_on {
        found = from_file(conn, keys, head, (path, settings.shard)).await;
        #[cfg(feature = "s3")]
        if let (Some(_), Some(sharing)) = (&found, &sharing) {
            sharing.owe();
        }
    }
    let (resident, number) = match found {
        Some(found) => found,
        None => {
            // One that is not used is of no use: the next that is written stands in its place.
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    tracing::warn!("the snapshot that is not used could not be removed");
                }
                _ => {}
            }
            (open::load(conn, keys, head, settings.shard).await?, 0)
        }
    };
    let origin = Origin {
        number,
        #[cfg(feature = "s3")]
        sharing,
    };
    Ok((resident, origin))
}

/// Loads the memory from a snapshot and says so, or says why not.
async fn from_file(
    conn: &mut Conn,
    keys: &Arc<KeyRing>,
    head: &Head,
    (path, shard): (&Path, Shard),
) -> Option<(Resident, u64)> {
    let began = Instant::now();
    match from_snapshot(conn, keys, head, (path, shard)).await {
        Ok(None) => None,
        Ok(Some((resident, number))) => {
            let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            let replayed = head.size - number;
            tracing::info!(number, replayed, millis, "loaded from a snapshot");
            Some((resident, number))
        }
        Err(unfit) => {
            let why = match unfit {
                Unfit::Refused(refused) => refused.to_string(),
                Unfit::Database(error) => error.to_string(),
            };
            tracing::warn!(why, "the snapshot is not used: loading from rows takes longer");
            None
        }
    }
}

async fn from_snapshot(
    conn: &mut Conn,
    keys: &Arc<KeyRing>,
    head: &Head,
    (path, shard): (&Path, Shard),
) -> Result<Option<(Resident, u64)>, Unfit> {
    let Some(snapshot) = Snapshot::open(path)? else { return Ok(None) };
    let title = snapshot.title;
    let frontier = prove(conn, keys, head, &title).await?;
    let ring = Arc::clone(keys);
    let reading = tokio::task::spawn_blocking(move || snapshot.read(&ring));
    let read = reading.await.map_err(|_| unfit("reading it broke down"))?;
    let mut resident = read?;
    if resident.shard() != shard {
        return Err(unfit("it is of another shard"));
    }
    replay(conn, keys, head, frontier, &mut resident).await?;
    Ok(Some((resident, title.number)))
}

/// Loads the memory from a snapshot that another machine has shared, where there is one that leaves far less to be
/// replayed than the one of this machine does. Whatever is wrong with it, it is as if it had not been there.
#[cfg(feature = "s3")]
async fn from_shared(
    conn: &mut Conn,
    keys: &Arc<KeyRing>,
    head: &Head,
    settings: &Settings,
) -> (Option<(Resident, u64)>, Option<Sharing>) {
    let Some(shelf) = Shelf::of(settings, keys) else { return (None, None) };
    let (mut figures, mut wrong) = (SharedFigures::default(), HashSet::new());
    let mut found = None;
    let own = own_backlog(conn, keys, head, &settings.snapshot).await;
    let until = tokio::time::Instant::now() + settings.snapshot_fetch_time_max;
    let looked = match own {
        // Nothing that is there could be much better.
        Some(backlog) if backlog <= NEAR_BYTES => Ok(Vec::new()),
        _ => shelf.look_until(until).await,
    };
    let offers = looked.unwrap_or_else(|error| {
        figures.failures += 1;
        tracing::warn!(%error, "the place of shared snapshots could not be used");
        Vec::new()
    });
    let mut tries = 0;
    for offer in &offers {
        if !is_of_this_journal(conn, keys, head, offer).await {
            wrong.insert(offer.name().to_owned());
            continue;
        }
        if figures.number == 0 {
            (figures.number, figures.since) = (offer.number, Some(offer.since()));
        }
        let backlog = backlog(conn, offer.number).await.unwrap_or(u64::MAX);
        if tries == FETCHES_MAX || own.is_some_and(|own| backlog > own / 2) {
            break;
        }
        tries += 1;
        match shelf.fetch_until(until, offer, &settings.snapshot).await {
            Err(error) => {
                figures.failures += 1;
                tracing::warn!(%error, "a shared snapshot could not be fetched");
            }
            Ok(fetched) => {
                found = from_file(conn, keys, head, (&fetched, settings.shard)).await;
                if found.is_some() {
                    // Here it is as good as one that was written here.
                    if let Err(error) = std::fs::rename(&fetched, &settings.snapshot) {
                        tracing::warn!(%error, "a shared snapshot could not be put into its place");
                    }
                    break;
                }
                let _ = std::fs::remove_file(&fetched);
                figures.failures += 1;
                wrong.insert(offer.name().to_owned());
                figures = SharedFigures { number: 0, since: None, ..figures };
            }
        }
    }
    (found, Some(Sharing::new(shelf, wrong, figures)))
}

/// Bytes of events behind the snapshot of this machine; none where there is none that fits the journal.
#[cfg(feature = "s3")]
async fn own_backlog(conn: &mut Conn, keys: &KeyRing, head: &Head, path: &Path) -> Option<u64> {
    let own = Snapshot::open(path).ok()??;
    prove(conn, keys, head, &own.title).await.ok()?;
    backlog(conn, own.title.number).await.ok()
}

/// Whether the journal had the root that the name of a shared snapshot says, at the number that it says.
#[cfg(feature = "s3")]
async fn is_of_this_journal(conn: &mut Conn, keys: &KeyRing, head: &Head, offer: &Offer) -> bool {
    if offer.number == 0 || offer.number > head.size {
        return false;
    }
    let Ok(Some((size, note))) = journal::checkpoint(conn, offer.number).await else {
        return false;
    };
    size == offer.number && keys.verify(&note).is_some_and(|signed| offer.is_of(&signed.root))
}

/// Bytes of the events behind a number.
async fn backlog(conn: &mut Conn, number: u64) -> Result<u64, StoreError> {
    let sql = "SELECT COALESCE(SUM(LENGTH(payload)), 0) FROM journal WHERE number > $1";
    let row = conn.row(sql, vec![number.into()]).await?;
    Ok(row.map(|row| row.number(0)).transpose()?.unwrap_or(0))
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
    let behind = backlog(conn, title.number).await?;
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
    let mut puts = 0_u64;
    while frontier.size() < head.size {
        let events = journal::next(conn, keys, &mut frontier, head.size).await?;
        for (number, event) in &events {
            resident.apply(*number, event);
            if matches!(event, Event::EntriesPut { .. }) {
                puts += 1;
                if puts.is_multiple_of(PUTS_PER_MERGE) {
                    resident.settle();
                }
            }
        }
    }
    if frontier.root() != head.root {
        return Err(unfit("events behind it are others than the head stands for"));
    }
    resident.settle();
    resident.in_step(head.size);
    Ok(())
}
