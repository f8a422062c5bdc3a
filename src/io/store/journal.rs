//! Journal rows, the hashes kept of their tree, and the receipts given from them.
//!
//! A sealed payload belongs to its number, envelope and salt: whoever opens it has checked all of them. An erased payload
//! leaves its commitment behind, sealed as erased, so that an erasure cannot be feigned by overwriting.

use super::dialect::{Batch, Conn, Row, Value};
use super::error::StoreError;
use crate::core::event::{Event, EventKind};
use crate::core::journal::envelope::{Envelope, event_kind_code};
use crate::core::journal::leaf::{self, SALT_BYTES};
use crate::core::journal::merkle::{
    Frontier, Hash, Node, TILE_HEIGHT, leaf_hash, node_hash, peaks,
};
use crate::core::journal::proof::{Plan, verify_inclusion};
use crate::core::time::Time;
use crate::io::clock::Clock;
use crate::io::seal::{KeyRing, Place};
use futures_util::future::join;
use std::collections::HashMap;

/// An event as it stands in the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Its number, from 1.
    pub number: u64,
    /// What stays in the open.
    pub envelope: Envelope,
    /// The event; none once its payload was erased.
    pub event: Option<Event>,
    /// What the tree commits to: envelope bytes and commitment.
    pub leaf: Vec<u8>,
}

/// Proof that an event stands in the journal; can be verified offline with the log's verifier key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Number of the event, from 1; its index in the tree is one less.
    pub number: u64,
    /// What the tree commits to: envelope bytes and commitment.
    pub leaf: Vec<u8>,
    /// Inclusion proof (RFC 6962) in the tree of the checkpoint.
    pub proof: Vec<Hash>,
    /// Size of that tree.
    pub size: u64,
    /// Signed checkpoint: the first one that covers the event.
    pub checkpoint: String,
}

/// An event ready to be appended: the values of its row, and the hash of its leaf.
struct Prepared {
    values: Vec<Value>,
    leaf: Hash,
}

/// What a sealed payload belongs to.
pub(super) fn payload_place(number: u64, envelope: &[u8], salt: &[u8]) -> Place {
    Place::of("journal").number(number).bytes(envelope).bytes(salt)
}

fn erased_place(number: u64, envelope: &[u8]) -> Place {
    Place::of("erased").number(number).bytes(envelope)
}

/// The bytes an event is committed to by: its JSON.
///
/// # Panics
/// Never: events are made of names, numbers and texts.
#[must_use]
pub fn payload(event: &Event) -> Vec<u8> {
    serde_json::to_vec(event).expect("an event can be written as JSON")
}

fn prepare(keys: &KeyRing, clock: &Clock, number: u64, now: Time, event: &Event) -> Prepared {
    let envelope = Envelope::of(number, now, event, &|tenant| keys.pseudonym(tenant)).write();
    let salt: [u8; SALT_BYTES] = clock.random();
    let text = payload(event);
    let leaf = leaf::hash(&envelope, &salt, &text);
    let sealed = keys.seal(&payload_place(number, &envelope, &salt), &text);
    let values = vec![
        number.into(),
        u64::from(event_kind_code(event.kind())).into(),
        envelope.into(),
        salt.as_slice().into(),
        sealed.into(),
        leaf.as_slice().into(),
    ];
    Prepared { values, leaf }
}

/// What stands in the salt and payload columns once a payload was erased.
#[must_use]
pub fn erased(keys: &KeyRing, recorded: &Recorded) -> (Vec<u8>, Vec<u8>) {
    let (envelope, commitment) = recorded.leaf.split_at(recorded.leaf.len().saturating_sub(32));
    (Vec::new(), keys.seal(&erased_place(recorded.number, envelope), commitment))
}

/// Columns that [`read_row`] reads.
pub const COLUMNS: &str = "number, kind, envelope, salt, payload, leaf";

/// A row whose envelope, payload and leaf were checked, with the payload not yet read.
struct Opened {
    number: u64,
    envelope: Envelope,
    payload: Option<Vec<u8>>,
    leaf: Vec<u8>,
    hash: Hash,
}

fn open_row(keys: &KeyRing, row: &Row) -> Result<Opened, StoreError> {
    let number = row.number(0)?;
    let (bytes, salt, sealed) = (row.bytes(2)?, row.bytes(3)?, row.bytes(4)?);
    let hash: Hash = row.exact(5)?;
    let envelope = Envelope::read(&bytes).map_err(|_| StoreError::Corrupt("envelope"))?;
    let kind = u64::from(event_kind_code(envelope.kind));
    if envelope.number != number || row.number(1)? != kind {
        return Err(StoreError::Corrupt("envelope"));
    }
    let (payload, commitment) = if salt.is_empty() {
        let commitment = keys.open(&erased_place(number, &bytes), &sealed)?;
        (None, commitment.try_into().map_err(|_| StoreError::Corrupt("payload"))?)
    } else {
        let payload = keys.open(&payload_place(number, &bytes, &salt), &sealed)?;
        let salt = salt.try_into().map_err(|_| StoreError::Corrupt("salt"))?;
        let commitment = leaf::commitment(&salt, &payload);
        (Some(payload), commitment)
    };
    let leaf = leaf::leaf_bytes(&bytes, &commitment);
    if leaf_hash(&leaf) != hash {
        return Err(StoreError::Corrupt("leaf"));
    }
    Ok(Opened { number, envelope, payload, leaf, hash })
}

/// Reads a row of [`COLUMNS`] and checks everything in it.
///
/// # Errors
/// [`StoreError::Corrupt`] names the part that is not what was written.
pub fn read_row(keys: &KeyRing, row: &Row) -> Result<(Recorded, Hash), StoreError> {
    let Opened { number, envelope, payload, leaf, hash } = open_row(keys, row)?;
    let read = |payload: Vec<u8>| serde_json::from_slice::<Event>(&payload).ok();
    let event = match payload.map(read) {
        None => None,
        Some(Some(event)) if event.kind() == envelope.kind => Some(event),
        Some(_) => return Err(StoreError::Corrupt("payload")),
    };
    Ok((Recorded { number, envelope, event, leaf }, hash))
}

const INSERT: &str = "INSERT INTO journal (number, kind, envelope, salt, payload, leaf)";
/// Rows that are prepared and inserted at a time.
const ROWS_AT_ONCE: usize = 256;

/// Appends events, whose numbers follow on the frontier's size, and the subtrees that become complete with them; gives
/// the frontier behind them. While the database takes in some rows, the next ones are sealed; the last ones are left
/// in `batch`.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn append(
    conn: &mut Conn,
    batch: &mut Batch,
    (keys, clock, now): (&KeyRing, &Clock, Time),
    frontier: &Frontier,
    events: &[Event],
) -> Result<Frontier, StoreError> {
    let mut frontier = frontier.clone();
    let mut subtrees = Vec::new();
    let mut ready = Vec::new();
    for part in events.chunks(ROWS_AT_ONCE) {
        let prepare = async {
            let mut rows = Vec::with_capacity(part.len() * 6);
            for event in part {
                let mut prepared = prepare(keys, clock, frontier.size() + 1, now, event);
                rows.append(&mut prepared.values);
                frontier.append(prepared.leaf, |kept| subtrees.push(kept));
            }
            rows
        };
        let (inserted, next) = join(conn.insert(INSERT, 6, "", ready), prepare).await;
        inserted?;
        ready = next;
    }
    batch.insert(INSERT, 6, "", ready);
    let values = subtrees
        .iter()
        .flat_map(|kept| {
            [u64::from(kept.level).into(), kept.index.into(), kept.hash.as_slice().into()]
        })
        .collect();
    batch.insert("INSERT INTO subtree (level, place, hash)", 3, "", values);
    Ok(frontier)
}

/// Numbers of the events from `from` on, each of which was checked: the bytes of its payload are those that its leaf
/// commits to. What they say is not read, which would take most of the time.
///
/// # Errors
/// As [`events`].
pub async fn checked(
    conn: &mut Conn,
    keys: &KeyRing,
    from: u64,
    limit: u64,
) -> Result<Vec<u64>, StoreError> {
    let rows = rows_from(conn, from, limit).await?;
    rows.iter().map(|row| Ok(open_row(keys, row)?.number)).collect()
}

async fn rows_from(conn: &mut Conn, from: u64, limit: u64) -> Result<Vec<Row>, StoreError> {
    let sql = "SELECT number, kind, envelope, salt, payload, leaf FROM journal \
               WHERE number >= $1 ORDER BY number LIMIT $2";
    conn.rows(sql, vec![from.into(), limit.into()]).await
}

/// Events from number `from` on.
///
/// # Errors
/// [`StoreError`] where the database refuses or a row was changed.
pub async fn events(
    conn: &mut Conn,
    keys: &KeyRing,
    from: u64,
    limit: u64,
) -> Result<Vec<(Recorded, Hash)>, StoreError> {
    let rows = rows_from(conn, from, limit).await?;
    rows.iter().map(|row| read_row(keys, row)).collect()
}

/// Events that are taken into account at a time.
pub const NEXT_AT_ONCE: u64 = 256;

/// The next events behind a frontier, none of them beyond `size`, put on it; nothing where it reaches so far.
///
/// # Errors
/// As [`events`]; [`StoreError::Corrupt`] where one is missing or was erased.
pub async fn next(
    conn: &mut Conn,
    keys: &KeyRing,
    frontier: &mut Frontier,
    size: u64,
) -> Result<Vec<(u64, Event)>, StoreError> {
    let limit = size.saturating_sub(frontier.size()).min(NEXT_AT_ONCE);
    let found = events(conn, keys, frontier.size() + 1, limit).await?;
    if found.len() as u64 != limit {
        return Err(StoreError::Corrupt("journal is not dense"));
    }
    let mut next = Vec::with_capacity(found.len());
    for (recorded, leaf) in found {
        if recorded.number != frontier.size() + 1 {
            return Err(StoreError::Corrupt("journal is not dense"));
        }
        frontier.append(leaf, |_| {});
        next.push((recorded.number, recorded.event.ok_or(StoreError::Corrupt("erased event"))?));
    }
    Ok(next)
}

/// The hash of the leaf at a number; nothing where the journal does not reach so far.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn leaf_of(conn: &mut Conn, number: u64) -> Result<Option<Hash>, StoreError> {
    let sql = "SELECT leaf FROM journal WHERE number = $1";
    conn.row(sql, vec![number.into()]).await?.map(|row| row.exact(0)).transpose()
}

/// Events of these kinds behind a number, up to another, at most `limit`.
///
/// # Errors
/// As [`events`].
pub async fn events_of(
    conn: &mut Conn,
    keys: &KeyRing,
    (after, upto): (u64, u64),
    (first, last): (EventKind, EventKind),
    limit: u64,
) -> Result<Vec<Recorded>, StoreError> {
    let sql = "SELECT number, kind, envelope, salt, payload, leaf FROM journal \
               WHERE number > $1 AND number <= $2 AND kind >= $3 AND kind <= $4 \
               ORDER BY number LIMIT $5";
    let kinds = [first, last].map(|kind| u64::from(event_kind_code(kind)).into());
    let [first, last] = kinds;
    let rows = conn.rows(sql, vec![after.into(), upto.into(), first, last, limit.into()]).await?;
    rows.iter().map(|row| Ok(read_row(keys, row)?.0)).collect()
}

/// The event with a number.
///
/// # Errors
/// As [`events`].
pub async fn event(
    conn: &mut Conn,
    keys: &KeyRing,
    number: u64,
) -> Result<Option<Recorded>, StoreError> {
    let found = events(conn, keys, number, 1).await?.into_iter().next();
    Ok(found.map(|(recorded, _)| recorded).filter(|recorded| recorded.number == number))
}

/// Hashes of complete subtrees, from the leaves and subtrees that are kept.
///
/// # Errors
/// [`StoreError::Corrupt`] where one is missing.
pub async fn hashes(conn: &mut Conn, nodes: &[Node]) -> Result<HashMap<Node, Hash>, StoreError> {
    let mut known = HashMap::with_capacity(nodes.len());
    for node in nodes {
        let level = node.height / TILE_HEIGHT;
        let rest = node.height % TILE_HEIGHT;
        let (first, count) = (node.index << rest, 1_u64 << rest);
        let rows = if level == 0 {
            let sql = "SELECT leaf FROM journal WHERE number > $1 AND number <= $2 ORDER BY number";
            conn.rows(sql, vec![first.into(), (first + count).into()]).await?
        } else {
            let sql = "SELECT hash FROM subtree \
                       WHERE level = $1 AND place >= $2 AND place < $3 ORDER BY place";
            let values = vec![u64::from(level).into(), first.into(), (first + count).into()];
            conn.rows(sql, values).await?
        };
        let mut hashes = rows.iter().map(|row| row.exact(0)).collect::<Result<Vec<Hash>, _>>()?;
        if hashes.len() as u64 != count {
            return Err(StoreError::Corrupt("tree"));
        }
        while hashes.len() > 1 {
            hashes = hashes.chunks(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
        }
        known.insert(*node, hashes[0]);
    }
    Ok(known)
}

/// The right edge of the tree of `size` leaves.
///
/// # Errors
/// As [`hashes`].
pub async fn frontier(conn: &mut Conn, size: u64) -> Result<Frontier, StoreError> {
    let nodes = peaks(size);
    let known = hashes(conn, &nodes).await?;
    let edge = nodes.iter().map(|node| known[node]).collect();
    Frontier::from_peaks(size, edge).ok_or(StoreError::Corrupt("tree"))
}

/// The first checkpoint that covers at least `size` leaves, as its size and note.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn checkpoint(conn: &mut Conn, size: u64) -> Result<Option<(u64, String)>, StoreError> {
    let sql = "SELECT size, note FROM checkpoint WHERE size >= $1 ORDER BY size LIMIT 1";
    let row = conn.row(sql, vec![size.into()]).await?;
    row.map(|row| Ok((row.number(0)?, row.text(1)?))).transpose()
}

/// The receipt of an event: the same one every time it is asked for.
///
/// # Errors
/// [`StoreError::Corrupt`] where what is stored does not prove it.
pub async fn receipt(
    conn: &mut Conn,
    keys: &KeyRing,
    number: u64,
) -> Result<Option<Receipt>, StoreError> {
    let Some(recorded) = event(conn, keys, number).await? else { return Ok(None) };
    let Some((size, note)) = checkpoint(conn, number).await? else { return Ok(None) };
    let signed = keys.verify(&note).ok_or(StoreError::Corrupt("checkpoint"))?;
    let plan = Plan::inclusion(number - 1, size).map_err(|_| StoreError::Corrupt("tree"))?;
    let known = hashes(conn, &plan.needs()).await?;
    let proof = plan.fill(&known).ok_or(StoreError::Corrupt("tree"))?;
    let leaf = recorded.leaf;
    verify_inclusion(&leaf_hash(&leaf), number - 1, size, &proof, &signed.root)
        .map_err(|_| StoreError::Corrupt("tree"))?;
    if signed.size != size {
        return Err(StoreError::Corrupt("checkpoint"));
    }
    Ok(Some(Receipt { number, leaf, proof, size, checkpoint: note }))
}
