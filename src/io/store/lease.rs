//! Leases: what must be done by one process only, and a token that fences out whoever had it before.
//!
//! A lease is kept by a beat. Nobody's clock is trusted: who finds another's name watches for a while by its own, and
//! takes over only where nothing moves meanwhile. A process that was stopped and goes on may still believe that it has
//! a lease; what it then wants to change is refused by the token.

use super::dialect::Conn;
use super::error::StoreError;
use super::replica::Name;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// For how long a lease holds after it was last renewed.
const TERM: Duration = Duration::from_secs(5);
/// For how long another's lease is watched before it is taken.
const WATCH: Duration = Duration::from_secs(10);

/// What must be done by one process only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Telling what processes left behind that ended without a word.
    Reaping,
    /// Recomputing the whole journal in the background.
    Verifying,
    /// Asking exchanges.
    Exchanging,
}

impl Task {
    /// Every task.
    pub const ALL: [Self; 3] = [Self::Reaping, Self::Verifying, Self::Exchanging];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reaping => "reaping",
            Self::Verifying => "verifying",
            Self::Exchanging => "exchanging",
        }
    }
}

/// The right to do a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Which task.
    pub task: Task,
    /// Goes up with every holder.
    pub token: u64,
}

/// A lease as everybody can see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Name of the task.
    pub task: String,
    /// Who has it; none where nobody has.
    pub holder: Option<Name>,
    /// Goes up with every holder.
    pub token: u64,
}

/// The leases that this process has.
#[derive(Debug)]
pub struct Leases {
    /// Whether no other process can be there: then it has all of them.
    alone: bool,
    mine: Mutex<HashMap<&'static str, (u64, Instant)>>,
}

impl Leases {
    /// None as yet, or all of them where no other process can be there.
    #[must_use]
    pub fn new(alone: bool) -> Self {
        Self { alone, mine: Mutex::default() }
    }

    /// The right to do a task, where this process has it.
    #[must_use]
    pub fn of(&self, task: Task) -> Option<Lease> {
        if self.alone {
            return Some(Lease { task, token: 0 });
        }
        let (token, until) = *self.mine.lock().get(task.name())?;
        (Instant::now() < until).then_some(Lease { task, token })
    }

    fn set(&self, task: Task, token: u64, since: Instant) {
        self.mine.lock().insert(task.name(), (token, since + TERM));
    }
}

/// What was seen of others' leases: token and beat, and since when they have not moved.
#[derive(Debug, Default)]
pub struct Watched(HashMap<&'static str, (u64, u64, Instant)>);

impl Watched {
    /// Whether a lease that somebody has, or had, is left: watched for long enough, and nothing moved.
    fn is_left(&mut self, task: Task, token: u64, beat: u64) -> bool {
        let now = Instant::now();
        let seen = self.0.entry(task.name()).or_insert((token, beat, now));
        if (seen.0, seen.1) != (token, beat) {
            *seen = (token, beat, now);
        }
        now.duration_since(seen.2) >= WATCH
    }
}

/// Every lease there is.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn all(conn: &mut Conn) -> Result<Vec<Held>, StoreError> {
    let sql = "SELECT task, holder, token FROM lease ORDER BY task";
    let rows = conn.rows(sql, Vec::new()).await?;
    let read = |row: &super::dialect::Row| {
        let holder = row.bytes(1)?;
        let holder = (!holder.is_empty()).then(|| Name::read(holder));
        Ok(Held { task: row.text(0)?, holder, token: row.number(2)? })
    };
    rows.iter().map(read).collect()
}

/// Renews the leases that a process has, and takes those that nobody has any more.
///
/// # Errors
/// [`StoreError`] where the database refuses.
pub async fn renew(
    conn: &mut Conn,
    name: &Name,
    leases: &Leases,
    watched: &mut Watched,
) -> Result<(), StoreError> {
    let asked = Instant::now();
    let sql = "UPDATE lease SET beat = beat + 1 WHERE holder = $1 RETURNING task, token";
    let mut renewed = HashMap::new();
    for row in conn.rows(sql, vec![name.value()]).await? {
        renewed.insert(row.text(0)?, row.number(1)?);
    }
    for task in Task::ALL {
        match renewed.get(task.name()) {
            Some(token) => leases.set(task, *token, asked),
            None => take(conn, name, task, leases, watched).await?,
        }
    }
    Ok(())
}

async fn take(
    conn: &mut Conn,
    name: &Name,
    task: Task,
    leases: &Leases,
    watched: &mut Watched,
) -> Result<(), StoreError> {
    let asked = Instant::now();
    let sql = "SELECT holder, token, beat FROM lease WHERE task = $1";
    let Some(row) = conn.row(sql, vec![task.name().into()]).await? else {
        let sql = "INSERT INTO lease (task, holder, token, beat) VALUES ($1, $2, 0, 0) \
                   ON CONFLICT (task) DO NOTHING";
        return conn.run(sql, vec![task.name().into(), Vec::new().into()]).await.map(drop);
    };
    let (holder, token, beat) = (row.bytes(0)?, row.number(1)?, row.number(2)?);
    if !holder.is_empty() && !watched.is_left(task, token, beat) {
        return Ok(());
    }
    let sql = "UPDATE lease SET holder = $1, token = token + 1, beat = beat + 1 \
               WHERE task = $2 AND token = $3 AND beat = $4";
    let values = vec![name.value(), task.name().into(), token.into(), beat.into()];
    if conn.run(sql, values).await? == 1 {
        leases.set(task, token + 1, asked);
    }
    Ok(())
}

/// Makes sure, within a transaction, that a lease still holds, and that nobody takes it before the transaction ends.
///
/// # Errors
/// [`StoreError::Overtaken`] where somebody else has taken it.
pub async fn fence(conn: &mut Conn, lease: Lease) -> Result<(), StoreError> {
    if !conn.is_remote() {
        // The lock of the store lets no other process be there.
        return Ok(());
    }
    // The row stays locked until the end of the transaction.
    let sql = "UPDATE lease SET token = token WHERE task = $1 AND token = $2";
    let values = vec![lease.task.name().into(), lease.token.into()];
    if conn.run(sql, values).await? == 1 { Ok(()) } else { Err(StoreError::Overtaken) }
}

/// Leaves what a process has to whoever comes next.
///
/// # Errors
/// [`StoreError`] where the database refuses: the next one then has to watch for a while.
pub async fn leave(conn: &mut Conn, name: &Name) -> Result<(), StoreError> {
    let sql = "UPDATE lease SET holder = $1, token = token + 1 WHERE holder = $2";
    conn.run(sql, vec![Vec::new().into(), name.value()]).await.map(drop)
}
