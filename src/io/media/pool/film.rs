//! One run of the decoding program, in its jail; dropping it kills the program.

use super::super::blob::SealedBlob;
use super::super::command::{arguments, demuxer, processor_seconds};
use super::super::launcher::{LAUNCH, Told, refusal};
use super::super::limits::MediaLimits;
use super::super::reason::Reason;
use super::super::wire::Watch;
use crate::core::media::Format;
use crate::core::verdict::CheckState;
use crate::io::jail::{JailLimits, JailMode};
use rustix::pipe::fcntl_setpipe_size;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Bytes that pixels may wait in their pipe: fewer switches between two processes.
const PIPE_BYTES: usize = 1 << 20;
/// Time the program has to end when nobody reads any more.
const END_TIME_MAX: Duration = Duration::from_secs(3);
/// Exit code of a program that ended as it should.
const WELL: i32 = 0;

/// The programs and limits of a run.
pub(super) struct Studio<'a> {
    /// This program, as a launcher.
    pub(super) launcher: &'a Path,
    /// The program that decodes.
    pub(super) ffmpeg: &'a Path,
    pub(super) jail: JailMode,
    pub(super) limits: &'a MediaLimits,
}

/// A decoding program at work.
pub(super) struct Film {
    child: Child,
}

impl Film {
    /// Starts the program on a video stream; with the pipes that its pixels and its log come through.
    pub(super) fn start(
        studio: &Studio<'_>,
        (blob, format): (&SealedBlob, Format),
        watch: Watch,
    ) -> io::Result<(Self, [OwnedFd; 2])> {
        let video = &studio.limits.video;
        let demuxer = demuxer(format, blob.head()).ok_or(io::ErrorKind::InvalidInput)?;
        let (pixels, pixels_in) = io::pipe()?;
        let (log, log_in) = io::pipe()?;
        // Only as good as the machine allows.
        let _ = fcntl_setpipe_size(&pixels, PIPE_BYTES);
        let told = Told {
            limits: JailLimits {
                memory_bytes: video.memory_bytes_max,
                processor_seconds: processor_seconds(video.time_max),
            },
            wall_seconds: video.time_max.as_secs().saturating_mul(2).saturating_add(1),
            mode: studio.jail,
        };
        let child = Command::new(studio.launcher)
            .arg(LAUNCH)
            .args(told.words())
            .arg(studio.ffmpeg)
            .args(arguments(demuxer, watch.stream, watch.frames_left, studio.limits))
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(blob.file().try_clone_to_owned()?))
            .stdout(Stdio::from(OwnedFd::from(pixels_in)))
            .stderr(Stdio::from(OwnedFd::from(log_in)))
            // A key pressed in the service's terminal is not for it.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        Ok((Self { child }, [pixels.into(), log.into()]))
    }

    /// How the program ended, once its pipes are closed; why it was not well, else nothing.
    pub(super) async fn end(mut self) -> Option<(CheckState, Reason)> {
        match timeout(END_TIME_MAX, self.child.wait()).await {
            Ok(Ok(status)) => amiss(status),
            // It goes on with nobody to write to, or cannot be waited for: dropping kills it.
            Ok(Err(_)) | Err(_) => Some((CheckState::Corrupt, Reason::DecoderCrashed)),
        }
    }
}

fn amiss(status: ExitStatus) -> Option<(CheckState, Reason)> {
    match status.code() {
        Some(WELL) => None,
        Some(code) => Some(match refusal(code) {
            None => (CheckState::Corrupt, Reason::DecoderRefused),
            Some(None) => (CheckState::SourceUnavailable, Reason::VideoDecoder),
            Some(Some(_)) => (CheckState::SourceUnavailable, Reason::JailIncomplete),
        }),
        // By a signal.
        None => Some((CheckState::Corrupt, Reason::DecoderCrashed)),
    }
}
