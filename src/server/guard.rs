//! Watches the frames that a caller sends, and ends connections that are used as a weapon.
//!
//! HTTP/2 lets a caller make a server work at almost no cost: open and reset streams (CVE-2023-44487),
//! send headers without end (CVE-2024-27316), empty data, pings. The library below bounds some of it;
//! this counts the headers of frames as they are read and bounds the rest.

use crate::server::metrics::Ending;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const WINDOW: Duration = Duration::from_secs(1);

/// Streams closed within a second from which on resets are judged.
const CLOSED_MIN: u32 = 200;
/// CONTINUATION frames after one HEADERS frame: 16 of 16 KiB carry far more than any header list allowed.
const CONTINUATIONS_MAX: u32 = 16;
/// Bytes up to which a DATA frame is small: less than what it costs to handle it.
const SMALL_DATA_BYTES: u32 = 16;
/// Small DATA frames in a second, over all streams of a connection. A chat of short messages stays far below.
const SMALL_DATA_MAX: u32 = 5_000;
/// SETTINGS, PING, PRIORITY and unknown frames in a second. Honest callers send a handful.
const CONTROL_MAX: u32 = 500;
/// WINDOW_UPDATE frames in a second. Two for each frame of an answer are honest.
const WINDOW_UPDATES_MAX: u32 = 50_000;

/// What has been counted since the window began.
#[derive(Debug, Clone, Copy)]
struct Counts {
    since: Instant,
    opened: u32,
    reset: u32,
    small_data: u32,
    control: u32,
    window_updates: u32,
}

impl Counts {
    const fn new(since: Instant) -> Self {
        Self { since, opened: 0, reset: 0, small_data: 0, control: 0, window_updates: 0 }
    }
}

#[derive(Debug, Clone, Copy)]
enum Position {
    /// So many bytes of the preface have been seen.
    Preface(usize),
    /// So many bytes of a frame's header have been seen.
    Header([u8; 9], usize),
    /// So many bytes of a frame's payload are still to come.
    Payload(u32),
    /// Not HTTP/2.
    Other,
}

/// Follows the frames of one connection.
#[derive(Debug)]
pub struct FrameScanner {
    position: Position,
    counts: Counts,
    continuations: u32,
}

impl FrameScanner {
    /// A scanner for a connection that begins at `now`.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self { position: Position::Preface(0), counts: Counts::new(now), continuations: 0 }
    }

    /// Takes the bytes that were read at `now` into account.
    ///
    /// # Errors
    /// What the connection must be ended for.
    pub fn feed(&mut self, mut bytes: &[u8], now: Instant) -> Result<(), Ending> {
        if now.saturating_duration_since(self.counts.since) >= WINDOW {
            self.counts = Counts::new(now);
        }
        while !bytes.is_empty() {
            match self.position {
                Position::Other => return Ok(()),
                Position::Preface(seen) => {
                    let take = bytes.len().min(PREFACE.len() - seen);
                    if bytes[..take] != PREFACE[seen..seen + take] {
                        self.position = Position::Other;
                        return Ok(());
                    }
                    bytes = &bytes[take..];
                    self.position = if seen + take == PREFACE.len() {
                        Position::Header([0; 9], 0)
                    } else {
                        Position::Preface(seen + take)
                    };
                }
                Position::Header(mut header, seen) => {
                    let take = bytes.len().min(9 - seen);
                    header[seen..seen + take].copy_from_slice(&bytes[..take]);
                    bytes = &bytes[take..];
                    self.position = if seen + take == 9 {
                        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
                        self.frame(length, header[3], header[4])?;
                        if length == 0 {
                            Position::Header([0; 9], 0)
                        } else {
                            Position::Payload(length)
                        }
                    } else {
                        Position::Header(header, seen + take)
                    };
                }
                Position::Payload(left) => {
                    let take = bytes.len().min(left as usize);
                    bytes = &bytes[take..];
                    // `take` is not more than `left`.
                    let left = left - take as u32;
                    self.position = if left == 0 {
                        Position::Header([0; 9], 0)
                    } else {
                        Position::Payload(left)
                    };
                }
            }
        }
        Ok(())
    }

    fn frame(&mut self, length: u32, kind: u8, flags: u8) -> Result<(), Ending> {
        const END_STREAM: u8 = 1;
        let counts = &mut self.counts;
        match kind {
            0 if length <= SMALL_DATA_BYTES && flags & END_STREAM == 0 => {
                counts.small_data += 1;
                if counts.small_data > SMALL_DATA_MAX {
                    return Err(Ending::FrameFlood);
                }
            }
            0 => {}
            1 => {
                counts.opened += 1;
                self.continuations = 0;
            }
            3 => {
                counts.reset += 1;
                let closed = counts.reset.max(counts.opened);
                if closed >= CLOSED_MIN && counts.reset.saturating_mul(2) >= closed {
                    return Err(Ending::RapidReset);
                }
            }
            8 => {
                counts.window_updates += 1;
                if counts.window_updates > WINDOW_UPDATES_MAX {
                    return Err(Ending::FrameFlood);
                }
            }
            9 => {
                self.continuations += 1;
                if self.continuations > CONTINUATIONS_MAX {
                    return Err(Ending::FrameFlood);
                }
            }
            _ => {
                counts.control += 1;
                if counts.control > CONTROL_MAX {
                    return Err(Ending::FrameFlood);
                }
            }
        }
        Ok(())
    }
}

/// Why the guard ended a connection, readable from outside of the stream.
#[derive(Debug, Clone, Default)]
pub struct Verdict(Arc<OnceLock<Ending>>);

impl Verdict {
    /// What the connection was ended for, if the guard ended it.
    #[must_use]
    pub fn get(&self) -> Option<Ending> {
        self.0.get().copied()
    }
}

/// A stream whose reads are watched.
#[derive(Debug)]
pub struct Guarded<S> {
    stream: S,
    scanner: FrameScanner,
    verdict: Verdict,
}

impl<S> Guarded<S> {
    /// Watches what is read from `stream`.
    pub fn new(stream: S) -> Self {
        Self { stream, scanner: FrameScanner::new(Instant::now()), verdict: Verdict::default() }
    }

    /// Where it is written when the guard ends the connection.
    pub fn verdict(&self) -> Verdict {
        self.verdict.clone()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let this = &mut *self;
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        if let Poll::Ready(Ok(())) = polled
            && let Err(ending) = this.scanner.feed(&buf.filled()[before..], Instant::now())
        {
            // Only the first is kept; there is no second.
            let _ = this.verdict.0.set(ending);
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let size = u32::try_from(length).expect("small").to_be_bytes();
        let mut bytes = vec![size[1], size[2], size[3], kind, flags, 0, 0, 0, 1];
        bytes.resize(9 + length, 0);
        bytes
    }

    fn after(frames: &[Vec<u8>]) -> Result<(), Ending> {
        let now = Instant::now();
        let mut scanner = FrameScanner::new(now);
        scanner.feed(PREFACE, now)?;
        frames.iter().try_for_each(|frame| scanner.feed(frame, now))
    }

    fn repeated(frames: &[Vec<u8>], count: usize) -> Vec<Vec<u8>> {
        frames.iter().cloned().cycle().take(frames.len() * count).collect()
    }

    #[test]
    fn opening_and_resetting_is_ended_after_two_hundred() {
        let pair = [frame(1, 5, 10), frame(3, 0, 4)];
        assert_eq!(after(&repeated(&pair, 199)), Ok(()));
        assert_eq!(after(&repeated(&pair, 200)), Err(Ending::RapidReset));
    }

    #[test]
    fn a_caller_that_cancels_now_and_then_is_left_alone() {
        let busy =
            [frame(1, 4, 10), frame(0, 1, 10), frame(1, 5, 10), frame(1, 5, 10), frame(3, 0, 4)];
        assert_eq!(after(&repeated(&busy, 1000)), Ok(()));
    }

    #[test]
    fn cancelling_slowly_is_no_attack() {
        let mut now = Instant::now();
        let mut scanner = FrameScanner::new(now);
        scanner.feed(PREFACE, now).expect("preface");
        for _ in 0..10_000 {
            now += Duration::from_millis(6);
            scanner.feed(&frame(1, 5, 10), now).expect("opened");
            scanner.feed(&frame(3, 0, 4), now).expect("cancelled");
        }
    }

    #[test]
    fn floods_of_small_frames_are_ended() {
        for (kind, length, most) in
            [(0, 0, 5_000), (0, 16, 5_000), (4, 0, 500), (6, 8, 500), (2, 5, 500), (8, 4, 50_000)]
        {
            assert_eq!(after(&repeated(&[frame(kind, 0, length)], most)), Ok(()), "kind {kind}");
            assert_eq!(
                after(&repeated(&[frame(kind, 0, length)], most + 1)),
                Err(Ending::FrameFlood),
                "kind {kind}"
            );
        }
        assert_eq!(after(&repeated(&[frame(0, 0, 17)], 20_000)), Ok(()));
    }

    #[test]
    fn headers_without_end_are_ended() {
        let mut frames = vec![frame(1, 0, 10)];
        frames.extend(repeated(&[frame(9, 0, 0)], 17));
        assert_eq!(after(&frames), Err(Ending::FrameFlood));
    }

    proptest! {
        #[test]
        fn how_bytes_are_cut_changes_nothing(
            kinds in proptest::collection::vec((0_u8..12, 0_u8..8, 0_usize..40), 0..300),
            cuts in proptest::collection::vec(1_usize..50, 1..20),
        ) {
            let frames: Vec<_> = kinds.iter().map(|(kind, flags, length)| frame(*kind, *flags, *length)).collect();
            let whole = after(&frames);
            let now = Instant::now();
            let mut scanner = FrameScanner::new(now);
            let bytes = [PREFACE.to_vec(), frames.concat()].concat();
            let (mut rest, mut cut) = (bytes.as_slice(), cuts.iter().cycle());
            let mut cut_up = Ok(());
            while !rest.is_empty() && cut_up.is_ok() {
                let take = rest.len().min(*cut.next().expect("endless"));
                cut_up = scanner.feed(&rest[..take], now);
                rest = &rest[take..];
            }
            prop_assert_eq!(cut_up, whole);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let now = Instant::now();
            let _ = FrameScanner::new(now).feed(&bytes, now);
            let mut scanner = FrameScanner::new(now);
            scanner.feed(PREFACE, now).expect("preface");
            let _ = scanner.feed(&bytes, now);
        }
    }
}
