//! What the parts that touch something are set up with, from all settings.

use crate::config::{self, Settings};
use crate::io::jail;
use crate::io::media::{MediaLimits, MediaSettings, VideoLimits};
use crate::io::web::{Reach, WebSettings};

/// How media are examined.
#[must_use]
pub(super) fn media_settings(settings: &Settings) -> MediaSettings {
    let from = &settings.media;
    let usual = MediaSettings::default();
    MediaSettings {
        workers: if from.workers == 0 { usual.workers } else { from.workers as usize },
        waiting_max: from.waiting_max as usize,
        recycle_after: from.worker_items_max,
        jail: match from.jail {
            config::JailMode::Required => jail::JailMode::Required,
            config::JailMode::Reduced => jail::JailMode::Reduced,
        },
        limits: MediaLimits {
            pixels_max: from.pixels_max,
            side_max: from.side_max,
            frames_max: from.frames_max,
            entries_max: from.archive_entries_max,
            depth_max: from.archive_depth_max,
            expanded_bytes_max: from.archive_bytes_max.0,
            memory_bytes_max: from.memory_max.0,
            by_coefficients: from.jpeg_by_coefficients,
            item_time_max: from.item_time_max,
            video: VideoLimits {
                interval_millis: u32::try_from(from.video_interval.as_millis()).unwrap_or(u32::MAX),
                scene_percent: from.video_scene_percent,
                frames_max: from.video_frames_max,
                streams_max: from.video_streams_max,
                memory_bytes_max: from.video_memory_max.0,
                time_max: from.video_time_max,
            },
            ..usual.limits
        },
        ffmpeg: from.ffmpeg.clone().or_else(MediaSettings::ffmpeg_in_path).filter(|_| from.video),
        videos: from.videos as usize,
    }
}

/// Which sources outside are asked, and how far they are heard.
#[must_use]
pub(super) fn web_settings(settings: &Settings) -> WebSettings {
    let from = &settings.exchanges;
    WebSettings {
        reach: Reach {
            hosts: from.hosts.clone(),
            private_hosts: from.private_hosts.clone(),
            folder: from.folder.clone(),
        },
        answer_time_max: from.answer_time_max,
        file_bytes_max: from.file_bytes_max.0,
    }
}
