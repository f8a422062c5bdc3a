//! One video stream, watched frame by frame as another program decodes it; runs inside the jail only.

mod pixels;
mod log;

use super::decode::{admit_frame, hash_frame};
use super::found::{Found, Tell, Watched};
use super::limits::MediaLimits;
use super::reason::Reason;
use super::wire::Watch;
use crate::core::media::{Picture, VideoFrame};
use crate::core::raster::Raster;
use crate::core::verdict::CheckState;
use log::Log;
use pixels::{NoFrames, Pixels};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Bytes read from a pipe at once.
const PIECE_BYTES: usize = 256 << 10;
/// Frames that may be announced before their pixels have come.
const AHEAD_MAX: usize = 1_000;
/// A frame that is made as large as the first one keeps what its hash is made of, when the first one has such sides.
const SIDE_KEPT: u32 = 128;

/// Why no more frames are taken.
struct Cut(CheckState, Reason);

impl From<NoFrames> for Cut {
    fn from(_: NoFrames) -> Self {
        Self(CheckState::Corrupt, Reason::DecoderRefused)
    }
}

/// Hashes of a frame, and its size.
struct Hashed {
    pictures: Vec<Picture>,
    sides: (u32, u32),
}

struct Stream<'a> {
    limits: &'a MediaLimits,
    watch: Watch,
    tell: &'a mut Tell<'a>,
    log: Log,
    pixels: Pixels,
    /// Frames that were hashed, and wait to be announced.
    waiting: VecDeque<Hashed>,
    frames: u32,
    pictures_left: u32,
    last_millis: u32,
    /// The first that was amiss with frames that were hashed nevertheless.
    amiss: Option<(CheckState, Reason)>,
}

/// Most pieces that are read of a log after the pixels were left: more than a pipe holds.
const DRAINED_MAX: usize = 64;

/// Watches the frames and the log of a decoding program until both end, or a limit is reached. What is known to be wrong
/// `around` the stream makes it incomplete, however well it is decoded.
///
/// # Errors
/// What reading the pipes says.
pub(super) fn watch<'a>(
    (pixels, log): (BorrowedFd<'_>, BorrowedFd<'_>),
    (watch, around): (Watch, Option<(CheckState, Reason)>),
    limits: &'a MediaLimits,
    tell: &'a mut Tell<'a>,
) -> io::Result<()> {
    let mut stream = Stream {
        limits,
        watch,
        tell,
        log: Log::default(),
        pixels: Pixels::default(),
        waiting: VecDeque::new(),
        frames: 0,
        pictures_left: watch.pictures_left,
        last_millis: 0,
        amiss: None,
    };
    let cut = stream.read(pixels, log)?;
    if cut.is_err() {
        stream.drain(log)?;
    }
    stream.log.finish();
    let told = stream.pass_on();
    let cut = cut.and(told).err();
    let mut watched = stream.watched(cut);
    if let Some((state, reason)) = around.filter(|_| watched.state == CheckState::Checked) {
        (watched.state, watched.reason) = (state, reason);
    }
    (stream.tell)(Found::Watched(watched));
    Ok(())
}

impl Stream<'_> {
    /// Reads both pipes, whichever has something, so that the program never waits for the one while this waits for the
    /// other.
    fn read(&mut self, pixels: BorrowedFd<'_>, log: BorrowedFd<'_>) -> io::Result<Result<(), Cut>> {
        let mut piece = vec![0; PIECE_BYTES];
        let mut open = [Some(pixels), Some(log)];
        while open.iter().any(Option::is_some) {
            let mut polled: Vec<_> =
                open.iter().flatten().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
            match poll(&mut polled, None) {
                Err(Errno::INTR) => continue,
                other => other?,
            };
            let ready: Vec<_> = polled.iter().map(|polled| !polled.revents().is_empty()).collect();
            let mut ready = ready.into_iter();
            for (place, slot) in open.iter_mut().enumerate() {
                let Some(fd) = *slot else { continue };
                if ready.next() != Some(true) {
                    continue;
                }
                let len = match read(fd.as_fd(), &mut piece[..]) {
                    Err(Errno::INTR) => continue,
                    other => other?,
                };
                if len == 0 {
                    *slot = None;
                }
                let taken =
                    if place == 0 { self.frames(&piece[..len]) } else { self.words(&piece[..len]) };
                if taken.is_err() {
                    return Ok(taken);
                }
            }
        }
        Ok(Ok(()))
    }

    /// Reads what stands in the log already: the times of frames whose pixels came before the rest was left.
    fn drain(&mut self, log: BorrowedFd<'_>) -> io::Result<()> {
        let mut piece = vec![0; PIECE_BYTES];
        for _ in 0..DRAINED_MAX {
            let mut polled = [PollFd::new(&log, PollFlags::IN)];
            let ready = match poll(&mut polled, Some(&Timespec::default())) {
                Err(Errno::INTR) => continue,
                other => other?,
            };
            if ready == 0 {
                break;
            }
            match read(log, &mut piece[..]) {
                Err(Errno::INTR) => {}
                Ok(0) => break,
                Ok(len) => self.log.take(&piece[..len]),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn words(&mut self, bytes: &[u8]) -> Result<(), Cut> {
        self.log.take(bytes);
        if self.log.shown.len() > AHEAD_MAX {
            return Err(NoFrames.into());
        }
        self.pass_on()
    }

    fn frames(&mut self, mut bytes: &[u8]) -> Result<(), Cut> {
        while !bytes.is_empty() {
            let limits = self.limits;
            let admit = |width, height| {
                admit_frame(width, height, limits).map_err(|(state, reason)| Cut(state, reason))
            };
            if let Some(raster) = self.pixels.take(&mut bytes, admit)? {
                self.hash(&raster)?;
            }
        }
        self.pass_on()
    }

    fn hash(&mut self, raster: &Raster) -> Result<(), Cut> {
        if self.frames >= self.watch.frames_left {
            return Err(Cut(CheckState::TooLarge, Reason::Frames));
        }
        // Frames are as good as announced before they come; more of them than fit a pipe that wait are not.
        if self.waiting.len() > AHEAD_MAX {
            return Err(NoFrames.into());
        }
        let mut pictures = Vec::new();
        let (handed, why) =
            hash_frame(raster, (self.frames, 0), self.limits, self.pictures_left, &mut |picture| {
                pictures.push(picture)
            });
        self.pictures_left = self.pictures_left.saturating_sub(handed);
        self.frames += 1;
        self.waiting.push_back(Hashed { pictures, sides: (raster.width(), raster.height()) });
        match why {
            None => Ok(()),
            Some(why @ (CheckState::TooSmall, _)) => {
                self.amiss.get_or_insert(why);
                Ok(())
            }
            Some((state, reason)) => Err(Cut(state, reason)),
        }
    }

    /// Tells the frames of which both the pixels and the time are there.
    fn pass_on(&mut self) -> Result<(), Cut> {
        if self.log.is_disordered {
            return Err(Cut(CheckState::Corrupt, Reason::Untimed));
        }
        while !self.waiting.is_empty()
            && let Some(shown) = self.log.shown.pop_front()
            && let Some(hashed) = self.waiting.pop_front()
        {
            let (width, height) = hashed.sides;
            let smaller = shown.width > width || shown.height > height;
            if smaller && width.min(height) < SIDE_KEPT {
                self.amiss.get_or_insert((CheckState::UnsupportedFormat, Reason::Resized));
            }
            // Without a time of its own it is shown no earlier than the one before.
            let at = shown.at_millis.unwrap_or(self.last_millis);
            self.last_millis = at;
            for picture in hashed.pictures {
                let picture = Picture { at_millis: Some(at), ..picture };
                (self.tell)(Found::Frame(VideoFrame { stream: self.watch.stream, picture }));
            }
        }
        Ok(())
    }

    fn watched(&self, cut: Option<Cut>) -> Watched {
        let untold = !self.waiting.is_empty() || !self.log.shown.is_empty();
        let unlisted = self.log.is_unlisted && self.frames == 0 && !self.log.is_absent;
        let (state, reason) = match (cut, self.log.harm, self.amiss) {
            // What the log says explains why there are no frames, or worse ones.
            (Some(Cut(CheckState::Corrupt, _)) | None, Some(harm), _)
                if harm.0 != CheckState::Corrupt =>
            {
                harm
            }
            (Some(Cut(state, reason)), ..) => (state, reason),
            (None, ..) if unlisted => (CheckState::UnsupportedFormat, Reason::Codec),
            (None, Some(harm), _) => harm,
            (None, None, _) if !self.pixels.is_between_frames() => {
                (CheckState::Corrupt, Reason::Truncated)
            }
            (None, None, _) if untold => (CheckState::Corrupt, Reason::Untimed),
            (None, None, Some(amiss)) => amiss,
            (None, None, None) if self.frames == 0 && !self.log.is_absent => {
                (CheckState::Corrupt, Reason::DecoderRefused)
            }
            (None, None, None) => (CheckState::Checked, Reason::Nothing),
        };
        Watched {
            frames: self.frames,
            is_absent: self.log.is_absent,
            sounds: if self.log.is_unclear { 0 } else { self.log.sounds },
            videos: self.log.videos,
            beside: self.log.beside.unwrap_or(Reason::Nothing),
            state,
            reason,
        }
    }
}
