//! Video through the decoding program in its jail, and its frames through a worker.

use super::{clips, drawn, examine, filmer, program, sealed, whole};
use bulwark::core::media::{Format, Part};
use bulwark::core::signal::Bits256;
use bulwark::core::verdict::{CheckState, Form};
use bulwark::io::jail::PROGRAM_SYSTEM_CALLS;
use bulwark::io::media::{Examiner, MediaLimits, MediaSettings, VideoLimits};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Bits within which two hashes are of the same picture.
const NEAR: u32 = 31;

/// The times of the sampled frames of a stream, as they were stored.
fn times(part: &Part, stream: u32) -> Vec<u32> {
    let frames = part.frames.iter().filter(|frame| frame.stream == stream);
    let stored = frames.filter(|frame| frame.picture.form == Form::Canonical);
    stored.map(|frame| frame.picture.at_millis.unwrap()).collect()
}

fn states(part: &Part) -> (CheckState, CheckState, &str) {
    (part.video, part.image, part.reason.as_str())
}

const WELL: (CheckState, CheckState, &str) = (CheckState::Checked, CheckState::NotApplicable, "");

fn with(video: VideoLimits) -> MediaSettings {
    MediaSettings { limits: MediaLimits { video, ..MediaLimits::default() }, ..MediaSettings::default() }
}

#[tokio::test]
async fn every_container_gives_a_frame_a_second_with_its_time_and_the_hash_of_its_picture() {
    let by_clock = VideoLimits { scene_percent: 100, ..VideoLimits::default() };
    let examiner = filmer(with(by_clock));
    let mut listed: Vec<Bits256> = Vec::new();
    for still in clips::stills(&[0, 10, 20, 30, 40, 50]) {
        let part = whole(&examiner, &still).await;
        listed.push(part.pictures[0].hashes[0]);
    }
    for (name, further) in clips::CONTAINERS {
        let part = whole(&examiner, &clips::drawn(further, name)).await;
        assert_eq!(states(&part), WELL, "{name}");
        let times = times(&part, 0);
        assert_eq!(times.len(), 6, "{name}: {times:?}");
        for (number, at) in times.iter().enumerate() {
            let second = number as u32 * 1000;
            assert!(at.abs_diff(second) <= 150, "{name}: {times:?}");
        }
        let stored = part.frames.iter().filter(|frame| frame.picture.form == Form::Canonical);
        for (number, (frame, listed)) in stored.zip(&listed).enumerate() {
            let distance = frame.picture.hashes[0].distance(listed);
            assert!(distance <= NEAR, "{name}, frame {number}: {distance} bits");
            assert_eq!((frame.picture.frame, frame.picture.width), (number as u32, 192), "{name}");
        }
        assert!(part.pictures.is_empty());
    }
}
