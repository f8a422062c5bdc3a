//! The body of the worker process: one thread that locks itself in, then examines one item after another.

use super::examine::{around_film, examine};
use super::found::Found;
use super::said::Said;
use super::watch::watch;
use super::wire::{Hello, ORDER_BYTES_MAX, Order, Setup, framed};
use crate::core::media::VideoFrame;
use crate::io::jail::{self, JailLimits, map::Mapped, probe};
use prost::Message;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::cell::Cell;
use std::io::{self, IoSliceMut, Stdin};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::process::ExitCode;
use std::time::Duration;

/// Runs a worker until the service closes the socket, which is its standard input.
///
/// It must be the whole of a process that has just started, with one thread and without a runtime. With `probing` it
/// locks itself in, tries every way out once, and answers what the kernel said: how the jail is tested.
#[must_use]
pub fn run(probing: bool) -> ExitCode {
    // Words of a panic may quote the item.
    std::panic::set_hook(Box::new(|_| ()));
    let socket = Socket(io::stdin());
    let outcome = if probing { probe_jail(&socket) } else { serve(&socket) };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve(socket: &Socket) -> io::Result<()> {
    let (setup, _) = socket.receive()?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let setup = Setup::decode(setup.as_slice())?;
    let mut limits = setup.limits();
    let bounds = JailLimits {
        memory_bytes: limits.memory_bytes_max,
        processor_seconds: setup.processor_seconds,
    };
    let entered = jail::enter(bounds, setup.jail());
    socket.send(&framed(&Hello::new(entered)))?;
    if entered.is_err() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    // A worker whose service died in the middle of an item must not go on for ever.
    let alarm_after =
        |time: Duration| jail::alarm(time.as_secs().saturating_mul(2).saturating_add(1));
    // Each piece goes out before the next is looked for: if this process dies of that one, the others are known.
    let thumbs_left = Cell::new(0_u32);
    let mut tell = |mut found: Found| {
        if let Found::Picture(picture) | Found::Frame(VideoFrame { picture, .. }) = &mut found
            && !picture.thumbs.is_empty()
        {
            match thumbs_left.get().checked_sub(1) {
                Some(left) => thumbs_left.set(left),
                None => picture.thumbs.clear(),
            }
        }
        if socket.send(&framed(&Said::of(&found))).is_err() {
            // The service has hung up: nobody is left to look for.
            std::process::exit(1);
        }
    };
    while let Some((order, files)) = socket.receive()? {
        let order = Order::decode(order.as_slice())?;
        order.limit(&mut limits);
        thumbs_left.set(limits.thumbs_max);
        let mut files = files.into_iter();
        let file = files.next().ok_or(io::ErrorKind::InvalidData)?;
        let len = usize::try_from(order.len).map_err(|_| io::ErrorKind::InvalidData)?;
        let item = Mapped::new(file.as_fd(), len)?;
        if let Some(order) = order.watch {
            let (pixels, log) = files.next().zip(files.next()).ok_or(io::ErrorKind::InvalidData)?;
            let number = |pipe: &OwnedFd| u64::from(pipe.as_raw_fd().unsigned_abs());
            let numbers = [number(&pixels), number(&log)];
            if numbers != jail::PIPES {
                return Err(io::ErrorKind::InvalidData.into());
            }
            alarm_after(limits.video.time_max);
            // Once for the file, with its first stream.
            let around = if order.stream == 0 { around_film(item.bytes()) } else { None };
            watch((pixels.as_fd(), log.as_fd()), (order, around), &limits, &mut tell)?;
        } else {
            alarm_after(limits.item_time_max);
            examine(item.bytes(), &limits, &mut tell);
        }
        jail::alarm(0);
        socket.send(&framed(&Said::finished()))?;
    }
    Ok(())
}

/// One line for each way out that was tried: its name and the error number, 0 where it was open.
fn probe_jail(socket: &Socket) -> io::Result<()> {
    let parent = std::os::unix::process::parent_id();
    let bounds = JailLimits { memory_bytes: 1 << 30, processor_seconds: 10 };
    let entered = jail::enter(bounds, jail::JailMode::Required);
    let walls = entered.map_or_else(|why| why.to_string(), |reached| reached.to_string());
    let mut lines = format!("{walls}\n");
    if entered.is_ok() {
        for tried in probe::try_everything(parent) {
            lines.push_str(&format!("{} {}\n", tried.what, tried.errno));
        }
    }
    socket.send(lines.as_bytes())
}

struct Socket(Stdin);

impl Socket {
    /// The next message, and the files beside it; nothing when the service has hung up.
    fn receive(&self) -> io::Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
        let mut message = Vec::new();
        let mut files = Vec::new();
        loop {
            if let Some((len, body)) = message.split_first_chunk::<4>() {
                let len = u32::from_le_bytes(*len);
                if len > ORDER_BYTES_MAX {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                if body.len() as u64 >= u64::from(len) {
                    return Ok(Some((body.to_vec(), files)));
                }
            }
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
            let mut beside = RecvAncillaryBuffer::new(&mut space);
            let mut piece = [0; 1028];
            let read = recvmsg(
                self.0.as_fd(),
                &mut [IoSliceMut::new(&mut piece)],
                &mut beside,
                RecvFlags::CMSG_CLOEXEC,
            )?;
            for beside in beside.drain() {
                if let RecvAncillaryMessage::ScmRights(more) = beside {
                    files.extend(more);
                }
            }
            if read.bytes == 0 {
                let hung_up = message.is_empty();
                return if hung_up { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
            message.extend_from_slice(&piece[..read.bytes]);
        }
    }

    fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match rustix::io::write(self.0.as_fd(), bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
