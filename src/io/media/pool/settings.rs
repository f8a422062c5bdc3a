//! How many workers there are, and how long one is kept.

use super::super::limits::MediaLimits;
use crate::io::jail::JailMode;
use std::path::PathBuf;

/// Settings of the examination of media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaSettings {
    /// Worker processes, each examining one item at a time; at least 1.
    pub workers: usize,
    /// Items that may wait for a worker; one more is answered `SHED` at once.
    pub waiting_max: usize,
    /// Items after which a worker is replaced by a fresh one.
    pub recycle_after: u32,
    /// What to do when the kernel cannot build the whole jail.
    pub jail: JailMode,
    /// Limits of one item.
    pub limits: MediaLimits,
    /// The `ffmpeg` program that decodes video; without one, video is answered as a format that is not supported.
    pub ffmpeg: Option<PathBuf>,
    /// Videos examined at once, each by a worker of its own beside those for pictures; at least 1.
    pub videos: usize,
}

impl MediaSettings {
    /// The `ffmpeg` program that a shell would find, by the variable `PATH` of this process.
    #[must_use]
    pub fn ffmpeg_in_path() -> Option<PathBuf> {
        let folders = std::env::var_os("PATH")?;
        let places = std::env::split_paths(&folders).filter(|folder| folder.is_absolute());
        places.map(|folder| folder.join("ffmpeg")).find(|path| path.is_file())
    }
}

impl Default for MediaSettings {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(2, usize::from),
            waiting_max: 256,
            recycle_after: 1_000,
            jail: JailMode::Required,
            limits: MediaLimits::default(),
            ffmpeg: None,
            videos: 1,
        }
    }
}
