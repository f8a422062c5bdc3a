//! One worker process and the socket to it; dropping it kills the process.

use super::super::blob::SealedBlob;
use super::super::command::processor_seconds;
use super::super::found::{Findings, Nonsense};
use super::super::limits::MediaLimits;
use super::super::reason::Reason;
use super::super::said::{Said, said_bytes_max};
use super::super::wire::{ANSWER_BYTES_MAX, Hello, Order, Setup, Watch, framed, unframed};
use super::MediaSettings;
use crate::io::jail::{Reached, Refused};
use bytes::BytesMut;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recv, sendmsg};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Time a new process has to enter its jail and say so.
const HIRE_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest first message of a worker, in bytes.
const HELLO_BYTES_MAX: u32 = 256;

/// Why there is no worker.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotHired {
    /// The program could not be started.
    #[error("worker process cannot be started")]
    Start(#[source] io::Error),
    /// It ended, or said nothing for too long, before it was ready.
    #[error("worker process ended before it was ready")]
    Silent,
    /// A required wall of the jail is missing on this machine.
    #[error("jail incomplete: {0}")]
    Jail(Refused),
}

impl NotHired {
    pub(super) const fn reason(&self) -> Reason {
        match self {
            Self::Start(_) | Self::Silent => Reason::NoWorker,
            Self::Jail(_) => Reason::JailIncomplete,
        }
    }
}

/// Why a worker gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// It died, or hung up.
    #[error("worker process is gone")]
    Gone(#[from] io::Error),
    /// What it said cannot be an answer.
    #[error(transparent)]
    Nonsense(#[from] Nonsense),
}

/// Counts a living worker, for as long as it is held.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A worker that is ready for an item.
pub(super) struct Hired {
    socket: UnixStream,
    child: Child,
    walls: Reached,
    items_left: u32,
    /// What was read from the socket and is not a whole message yet.
    heard: BytesMut,
    /// Bytes that it may still say of the item in work.
    bytes_left: u64,
    _alive: Alive,
}

/// How far a worker has come with what it says of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    MoreToCome,
    All,
}

impl Hired {
    /// Starts the process and waits until it has locked itself in.
    pub(super) async fn new(
        program: &Path,
        settings: &MediaSettings,
        alive: &Arc<AtomicUsize>,
    ) -> Result<Self, NotHired> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(NotHired::Start)?;
        ours.set_nonblocking(true).map_err(NotHired::Start)?;
        let mut socket = UnixStream::from_std(ours).map_err(NotHired::Start)?;
        let child = Command::new(program)
            .arg("worker")
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A key pressed in the service's terminal is not for its workers.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(NotHired::Start)?;
        let alive = Alive::new(alive);
        let item_seconds = settings.limits.item_time_max.as_secs().saturating_add(1);
        let items_seconds = item_seconds.saturating_mul(settings.recycle_after.into());
        let processor_seconds =
            items_seconds.max(processor_seconds(settings.limits.video.time_max));
        let setup = Setup::new(&settings.limits, settings.jail, processor_seconds);
        let greeting = timeout(HIRE_TIME_MAX, async {
            // A worker that ended without listening may still have said why.
            let listens = socket.write_all(&framed(&setup)).await;
            Ok((receive::<Hello>(&mut socket, HELLO_BYTES_MAX).await?, listens))
        });
        let greeted: io::Result<_> = greeting.await.map_err(|_| NotHired::Silent)?;
        let (hello, listens) = greeted.map_err(|_| NotHired::Silent)?;
        let entered = hello.read().map_err(|_| NotHired::Silent)?;
        let walls = entered.map_err(NotHired::Jail)?;
        listens.map_err(|_| NotHired::Silent)?;
        Ok(Self {
            socket,
            child,
            walls,
            items_left: settings.recycle_after,
            heard: BytesMut::new(),
            bytes_left: 0,
            _alive: alive,
        })
    }

    /// Which walls of its jail stand.
    pub(super) const fn walls(&self) -> Reached {
        self.walls
    }

    /// Whether the process is still there.
    pub(super) fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Whether it may be given another item.
    pub(super) const fn stays(&self) -> bool {
        self.items_left > 0
    }

    /// Hands it an item and takes what it finds into `findings`, piece by piece. After an error, or when cancelled, it is
    /// to be dropped, after [`Self::last_words`].
    pub(super) async fn ask(
        &mut self,
        blob: &SealedBlob,
        limits: &MediaLimits,
        findings: &mut Findings<'_>,
    ) -> Result<(), NoAnswer> {
        self.order(&Order::new(blob.len(), limits, None), limits, &[blob.file()]).await?;
        self.answer(limits, findings).await
    }

    /// Hands it the pipes of a decoding program, to take the frames of a video stream from them.
    pub(super) async fn watch(
        &mut self,
        (blob, pipes): (&SealedBlob, [OwnedFd; 2]),
        watch: Watch,
        limits: &MediaLimits,
        findings: &mut Findings<'_>,
    ) -> Result<(), NoAnswer> {
        let order = Order::new(blob.len(), limits, Some(watch));
        let [pixels, log] = &pipes;
        self.order(&order, limits, &[blob.file(), pixels.as_fd(), log.as_fd()]).await?;
        // The worker has them now: when it ends, so does the program that writes.
        drop(pipes);
        self.answer(limits, findings).await
    }

    async fn order(
        &mut self,
        order: &Order,
        limits: &MediaLimits,
        files: &[BorrowedFd<'_>],
    ) -> Result<(), NoAnswer> {
        self.items_left = self.items_left.saturating_sub(1);
        let thumbs = limits.thumb_bytes().saturating_mul(limits.thumbs_max.into());
        self.bytes_left = ANSWER_BYTES_MAX.saturating_add(thumbs);
        let order = framed(order);
        let sent = self
            .socket
            .async_io(Interest::WRITABLE, || send_with(self.socket.as_fd(), &order, files))
            .await?;
        // The file went with the first byte; the rest of these few bytes may follow alone.
        Ok(self.socket.write_all(&order[sent..]).await?)
    }

    async fn answer(
        &mut self,
        limits: &MediaLimits,
        findings: &mut Findings<'_>,
    ) -> Result<(), NoAnswer> {
        while self.hear(limits, findings)? == Heard::MoreToCome {
            // What was read stays in the buffer when this is cancelled.
            if self.socket.read_buf(&mut self.heard).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
        // Whoever speaks on after the end would answer for the next item too.
        if self.heard.is_empty() { Ok(()) } else { Err(Nonsense.into()) }
    }

    /// Gives it up and takes what it had said that was not read yet.
    pub(super) fn last_words(mut self, limits: &MediaLimits, findings: &mut Findings<'_>) {
        // It must not go on speaking; what it has said stays in the socket.
        let _ = self.child.start_kill();
        while matches!(self.hear(limits, findings), Ok(Heard::MoreToCome)) {
            let mut piece = [0; 4096];
            match recv(self.socket.as_fd(), &mut piece[..], RecvFlags::DONTWAIT) {
                Ok((_, read @ 1..)) => self.heard.extend_from_slice(&piece[..read]),
                _ => return,
            }
        }
    }

    /// Takes every whole message of those that were read.
    fn hear(
        &mut self,
        limits: &MediaLimits,
        findings: &mut Findings<'_>,
    ) -> Result<Heard, NoAnswer> {
        loop {
            let before = self.heard.len();
            let Some(said) = unframed::<Said>(&mut self.heard, said_bytes_max(limits))? else {
                return Ok(Heard::MoreToCome);
            };
            let read = (before - self.heard.len()) as u64;
            self.bytes_left = self.bytes_left.checked_sub(read).ok_or(Nonsense)?;
            match said.read(limits)? {
                Some(found) => findings.take(found)?,
                None => return Ok(Heard::All),
            }
        }
    }
}

fn send_with(socket: BorrowedFd<'_>, bytes: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !beside.push(SendAncillaryMessage::ScmRights(files)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let flags = SendFlags::NOSIGNAL;
    Ok(sendmsg(socket, &[IoSlice::new(bytes)], &mut beside, flags)?)
}

/// Reads one message, never more than `bytes_max` for it.
async fn receive<M: prost::Message + Default>(
    socket: &mut UnixStream,
    bytes_max: u32,
) -> io::Result<M> {
    let len = socket.read_u32_le().await?;
    if len > bytes_max {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    // Grows with what arrives, so that a length alone reserves nothing.
    let read = socket.take(len.into()).read_to_end(&mut bytes).await?;
    if read as u64 != u64::from(len) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(M::decode(bytes.as_slice())?)
}
