//! Opening: the lock, the tables, the signed head, the last leaves, and loading the memory of the process.

use super::dialect::{self, Conn};
use super::error::StoreError;
use super::head::{self, Head};
use super::journal;
use super::kinds;
use super::rows::{self, Which};
use super::settings::Settings;
use crate::core::access::{Credential, Tenant};
use crate::core::bank::Bank;
use crate::core::event::Event;
use crate::core::journal::merkle::{Frontier, TILE_HEIGHT};
use crate::core::policy::Surface;
use crate::core::resident::Resident;
use crate::core::shard::Shard;
use crate::io::seal::KeyRing;
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, Instant};

/// Entries loaded at a time.
const ENTRIES_AT_ONCE: u64 = 1000;
/// Pages of entries after which layers are merged while the memory is loaded.
const PAGES_PER_MERGE: u64 = 64;
/// How often a lock that another holds is tried.
const LOCK_TRY_EVERY: Duration = Duration::from_millis(20);

/// Takes the lock that says who may write; the operating system frees it with the process.
///
/// # Errors
/// [`StoreError::InUse`] where another process keeps it for too long.
pub async fn lock(settings: &Settings) -> Result<File, StoreError> {
    let path = settings.database.with_extension("lock");
    let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    let began = Instant::now();
    while let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
        if error != rustix::io::Errno::WOULDBLOCK {
            return Err(std::io::Error::from(error).into());
        }
        if began.elapsed() >= settings.lock_wait_max {
            return Err(StoreError::InUse);
        }
        tokio::time::sleep(LOCK_TRY_EVERY).await;
    }
    Ok(file)
}

/// Makes the tables where there are none, and brings older ones forward to the present version; each only once, however
/// many begin at the same moment. What later tables have beside that is left as it is. Tells what was not made here that
/// the keys are those of the store.
///
/// # Errors
/// [`StoreError::Schema`] where they are of a version that this program cannot use; as [`check_keys`].
pub async fn make_ready(conn: &mut Conn, keys: &KeyRing) -> Result<(), StoreError> {
    let found = conn.version().await?;
    if found != 0 && found < dialect::SCHEMA_VERSION {
        // Nothing is written with other keys.
        check_keys(conn, keys).await?;
    }
    if found < dialect::SCHEMA_VERSION {
        bring_forward(conn, keys).await?;
    }
    check_version(conn).await?;
    check_keys(conn, keys).await
}

async fn bring_forward(conn: &mut Conn, keys: &KeyRing) -> Result<(), StoreError> {
    let brought = async {
        conn.begin_migrating().await?;
        let found = conn.version().await?;
        if found >= dialect::SCHEMA_VERSION {
            // Somebody else was first.
            conn.roll_back().await;
            return Ok(());
        }
        conn.bring_tables_forward(found).await?;
        if found == 0 {
            head::create(conn, keys).await?;
        }
        conn.set_version(found).await?;
        conn.commit().await?;
        if found != 0 {
            let now = dialect::SCHEMA_VERSION;
            tracing::info!(found, now, "the tables were brought forward");
        }
        Ok(())
    };
    let brought: Result<(), StoreError> = brought.await;
    if brought.is_err() {
        conn.roll_back().await;
    }
    brought
}

/// Checks that the keys are those that the store was made with, before anything is written with others.
///
/// # Errors
/// [`StoreError::OtherKeys`]; [`StoreError::Corrupt`] where the head was changed and a checkpoint shows that the keys are
/// the right ones.
pub async fn check_keys(conn: &mut Conn, keys: &KeyRing) -> Result<(), StoreError> {
    let Err(error) = head::read(conn, keys).await else { return Ok(()) };
    if error != StoreError::Corrupt("head") {
        return Err(error);
    }
    let sql = "SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1";
    let note = conn.row(sql, Vec::new()).await?.map(|row| row.text(0)).transpose()?;
    let ours = note.is_some_and(|note| keys.verify(&note).is_some());
    Err(if ours { error } else { StoreError::OtherKeys })
}

/// Checks that the tables are of a version on which this program works, its own or the next, and the journal of events
/// that it knows.
///
/// # Errors
/// [`StoreError::Schema`] or [`StoreError::LaterEvents`] where not, [`StoreError::Missing`] where there are none.
pub async fn check_version(conn: &mut Conn) -> Result<(), StoreError> {
    version_where(conn, dialect::is_usable).await
}

/// Checks that the tables are of this program's own version: of later ones it would copy only what it knows.
///
/// # Errors
/// As [`check_version`].
pub async fn check_same_version(conn: &mut Conn) -> Result<(), StoreError> {
    version_where(conn, |found| found == dialect::SCHEMA_VERSION).await
}

async fn version_where(conn: &mut Conn, is_good: impl Fn(u64) -> bool) -> Result<(), StoreError> {
    match conn.version().await? {
        0 => Err(StoreError::Missing),
        found if is_good(found) => kinds::check(conn).await,
        found => Err(StoreError::Schema { found, needed: dialect::SCHEMA_VERSION }),
    }
}

/// Checks the head against its signed checkpoint, and the leaves since the last complete tile; gives the tree's right edge.
///
/// # Errors
/// [`StoreError::Corrupt`] names what does not hold.
pub async fn check_tail(
    conn: &mut Conn,
    keys: &KeyRing,
    head: &Head,
) -> Result<Frontier, StoreError> {
    let frontier = journal::frontier(conn, head.size).await?;
    if frontier.root() != head.root {
        return Err(StoreError::Corrupt("tree"));
    }
    let beyond = conn
        .row("SELECT number FROM journal WHERE number > $1 LIMIT 1", vec![head.size.into()])
        .await?;
    if beyond.is_some() {
        return Err(StoreError::Corrupt("journal reaches beyond its head"));
    }
    if head.size == 0 {
        return Ok(frontier);
    }
    let (size, note) =
        journal::checkpoint(conn, head.size).await?.ok_or(StoreError::Corrupt("checkpoint"))?;
    let signed = keys.verify(&note).ok_or(StoreError::Corrupt("checkpoint"))?;
    if (signed.size, signed.root, size) != (head.size, head.root, head.size) {
        return Err(StoreError::Corrupt("checkpoint"));
    }
    let tile = 1_u64 << TILE_HEIGHT;
    let from = (head.size - 1) / tile * tile + 1;
    let tail = journal::checked(conn, keys, from, tile).await?;
    let dense = tail.iter().zip(from..).all(|(found, number)| *found == number);
    if !dense || tail.len() as u64 != head.size - from + 1 {
        return Err(StoreError::Corrupt("journal is not dense"));
    }
    Ok(frontier)
}

/// Loads the memory of the process from rows, of which each stands for the event that made it: of entries, those of a shard.
///
/// # Errors
/// [`StoreError`] where the database refuses or a row was changed.
pub async fn load(
    conn: &mut Conn,
    keys: &KeyRing,
    head: &Head,
    shard: Shard,
) -> Result<Resident, StoreError> {
    let mut resident = Resident::of_shard(shard);
    for (_, number, tenant) in rows::all_documents::<Tenant>(conn, keys).await? {
        resident.apply(number, &Event::TenantPut { tenant });
    }
    for (_, number, credential) in rows::all_documents::<Credential>(conn, keys).await? {
        resident.apply(number, &Event::CredentialPut { credential });
    }
    for (scope, number, surface) in rows::all_documents::<Surface>(conn, keys).await? {
        resident.apply(number, &Event::SurfacePut { scope: rows::scope_of(&scope)?, surface });
    }
    for (text, number, bank) in rows::all_documents::<Bank>(conn, keys).await? {
        let scope = rows::scope_of(&text)?;
        let (id, at) = (bank.id.clone(), bank.learned);
        let put = Event::BankPut { scope: scope.clone(), bank };
        resident.apply(number, &put);
        let mut after: Option<String> = None;
        let mut pages = 0_u64;
        loop {
            let page = rows::entries(
                conn,
                keys,
                &text,
                &id,
                Which::All,
                after.as_deref(),
                ENTRIES_AT_ONCE,
            )
            .await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.to_string());
            let (scope, bank) = (scope.clone(), id.clone());
            // All pages bear the number of the bank's last change, which its row keeps.
            resident.apply(number, &Event::EntriesPut { scope, bank, entries: page, at });
            // Each entry is looked for in every layer: they are kept few while more come.
            pages += 1;
            if pages.is_multiple_of(PAGES_PER_MERGE) {
                resident.settle();
            }
        }
        // The pages set the bank's times as if its entries had changed last.
        resident.apply(number, &put);
    }
    resident.settle();
    resident.in_step(head.size);
    Ok(resident)
}

/// Takes the store over: a new epoch, and the mark of an orderly end taken away.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn take_over(conn: &mut Conn, keys: &KeyRing) -> Result<(Head, Head), StoreError> {
    let taken = async {
        let before = head::begin(conn, keys).await?;
        let after = Head { epoch: before.epoch + 1, clean: false, ..before };
        head::advance(conn, keys, &before, &after).await?;
        conn.commit().await?;
        Ok((before, after))
    };
    let taken: Result<_, StoreError> = taken.await;
    if taken.is_err() {
        conn.roll_back().await;
    }
    taken
}
