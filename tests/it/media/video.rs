//! Video through the decoding program in its jail, and its frames through a worker.

use super::{clips, drawn, examiner, filmer, fixture, program, sealed, whole};
use bulwark::core::media::{Format, Part};
use bulwark::core::signal::Bits256;
use bulwark::core::verdict::{CheckState, Form};
use bulwark::io::media::{Examiner, MediaLimits, MediaSettings, VideoLimits};
use std::path::PathBuf;
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
    let limits = MediaLimits { video, ..MediaLimits::default() };
    MediaSettings { limits, ..MediaSettings::default() }
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
        for (number, at) in (0..).zip(&times) {
            assert!(at.abs_diff(number * 1000) <= 60, "{name}: {times:?}");
        }
        let stored = part.frames.iter().filter(|frame| frame.picture.form == Form::Canonical);
        for ((number, frame), listed) in (0..).zip(stored).zip(&listed) {
            let distance = frame.picture.hashes[0].distance(listed);
            assert!(distance <= NEAR, "{name}, frame {number}: {distance} bits");
            assert_eq!((frame.picture.frame, frame.picture.width), (number, 192), "{name}");
        }
        assert!(part.pictures.is_empty() && part.digests.is_some(), "{name}");
    }
}

#[tokio::test]
async fn a_change_of_scene_is_sampled_between_two_seconds() {
    let cut = "-f lavfi -t 2 -i testsrc2=size=128x96:rate=10 -f lavfi -t 2 -i mandelbrot=size=128x96:rate=10 \
               -filter_complex [0:v]trim=end=1.5,setsar=1[a];[1:v]setsar=1[b];[a][b]concat -c:v libx264 -qp 10 \
               -preset ultrafast -pix_fmt yuv420p";
    let clip = clips::made(cut, "cut.mp4");
    let part = whole(&filmer(MediaSettings::default()), &clip).await;
    assert_eq!(states(&part), WELL);
    assert!(times(&part, 0).contains(&1500), "{:?}", times(&part, 0));
}

#[tokio::test]
async fn every_stream_and_cover_is_examined_and_more_than_allowed_are_said() {
    let two = "-f lavfi -t 2 -i testsrc2=size=128x96:rate=10 -f lavfi -t 2 -i mandelbrot=size=96x96:rate=10 \
               -map 0 -map 1 -map 1 -c:v libx264 -qp 10 -preset ultrafast -pix_fmt yuv420p";
    let clip = clips::made(two, "two.mkv");
    let part = whole(&filmer(MediaSettings::default()), &clip).await;
    assert_eq!(states(&part), WELL);
    assert_eq!([0, 1, 2].map(|stream| times(&part, stream).len()), [2, 2, 2]);
    let part =
        whole(&filmer(with(VideoLimits { streams_max: 2, ..VideoLimits::default() })), &clip).await;
    let more =
        (CheckState::NotExpanded, CheckState::NotExpanded, "more video streams than are examined");
    assert_eq!(states(&part), more);
    assert_eq!([0, 1, 2].map(|stream| times(&part, stream).len()), [2, 2, 0]);
}

#[tokio::test]
async fn a_file_of_sound_has_no_video_to_check_and_its_cover_is_one() {
    let examiner = filmer(MediaSettings::default());
    let sound = clips::made("-f lavfi -t 2 -i sine -c:a aac", "sound.mp4");
    let part = whole(&examiner, &sound).await;
    let nothing = (CheckState::NotApplicable, CheckState::NotApplicable, "");
    assert_eq!(states(&part), nothing);
    // What has no table of streams could begin with video later.
    let sound = clips::made("-f lavfi -t 2 -i sine -c:a mp2", "sound.ts");
    assert_eq!(whole(&examiner, &sound).await.video, CheckState::NotExpanded);
    let cover = "-f lavfi -t 2 -i sine -f lavfi -t 0.04 -i testsrc2=size=160x120 -map 0 -map 1 -frames:v 1 -c:a aac -c:v mjpeg \
                 -q:v 1 -disposition:v attached_pic";
    let part = whole(&examiner, &clips::made(cover, "cover.mp4")).await;
    assert_eq!(states(&part), WELL);
    assert_eq!((times(&part, 0), part.frames[0].picture.width), (vec![0], 160));
}

#[tokio::test]
async fn without_the_program_video_is_not_supported_and_pictures_are_examined() {
    for ffmpeg in [None, Some(PathBuf::from("/nonexistent/ffmpeg")), Some(fixture_script())] {
        let examiner =
            examiner(MediaSettings { ffmpeg: ffmpeg.clone(), ..MediaSettings::default() });
        let part = whole(&examiner, &clips::usual()).await;
        let state = match ffmpeg {
            None => CheckState::UnsupportedFormat,
            Some(_) => CheckState::SourceUnavailable,
        };
        assert_eq!(states(&part), (state, state, "video is not decoded"));
        assert_eq!(whole(&examiner, &fixture("base.png")).await.image, CheckState::Checked);
    }
}

/// A script in the program's place, whose interpreter could not be confined.
fn fixture_script() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/draw.py")
}

/// A limit that no other test has, by which a run of the program is told from theirs.
const MARKED: u32 = 777;

/// Processes of the decoding program that have this limit.
fn marked_films() -> Vec<rustix::process::Pid> {
    let told = format!("\0-frames:v\0{}\0", MARKED + 1).into_bytes();
    let mut films = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if line.windows(told.len()).any(|words| words == told) {
            films.extend(pid.and_then(rustix::process::Pid::from_raw));
        }
    }
    films
}

/// A clip that takes the program a good while.
fn slow() -> Vec<u8> {
    let long = "-f lavfi -t 40 -i testsrc2=size=1280x720:rate=25 -c:v mpeg4 -q:v 8";
    clips::made(long, "slow.avi")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_killed_in_the_middle_of_an_item_costs_that_item_and_no_other() {
    let marked = VideoLimits { frames_max: MARKED, ..VideoLimits::default() };
    let examiner = filmer(with(marked));
    let item = slow();
    let killer = tokio::spawn(async {
        loop {
            tokio::time::sleep(Duration::from_millis(700)).await;
            for film in marked_films() {
                let _ = rustix::process::kill_process(film, rustix::process::Signal::KILL);
            }
        }
    });
    let part = whole(&examiner, &item).await;
    killer.abort();
    let crashed = (CheckState::Corrupt, CheckState::Corrupt, "decoder crashed");
    assert_eq!(states(&part), crashed, "{:?}", times(&part, 0));
    assert_eq!(states(&whole(&examiner, &clips::usual()).await), WELL);
    assert_eq!(whole(&examiner, &fixture("base.png")).await.image, CheckState::Checked);
}

#[tokio::test]
async fn what_was_found_before_the_time_was_over_is_kept_and_nothing_runs_on() {
    let video = VideoLimits { time_max: Duration::from_millis(1500), ..VideoLimits::default() };
    let examiner = filmer(with(video));
    let item = slow();
    let part = whole(&examiner, &item).await;
    assert_eq!(states(&part), (CheckState::Deadline, CheckState::Deadline, "out of time"));
    assert!((1..40).contains(&times(&part, 0).len()), "{:?}", times(&part, 0));
    let item = sealed(&item);
    let deadline = Instant::now() + Duration::from_secs(60);
    let dropped =
        tokio::time::timeout(Duration::from_millis(400), examiner.examine(item, deadline));
    assert!(dropped.await.is_err());
    assert_eq!(states(&whole(&examiner, &drawn_small()).await), WELL);
}

fn drawn_small() -> Vec<u8> {
    clips::made("-f lavfi -t 1 -i testsrc2=size=64x64:rate=5 -c:v mpeg4", "small.avi")
}

#[tokio::test]
async fn animations_have_the_times_of_their_frames() {
    let examiner = Examiner::start(program(), MediaSettings::default());
    for name in ["drawn.gif", "drawn.png", "drawn.webp"] {
        let kind = if name.ends_with("png") { "-f apng -plays 0" } else { "" };
        let source = format!("-f lavfi -t 1 -i testsrc2=size=64x64:rate=5 {kind}");
        let part = whole(&examiner, &clips::made(&source, name)).await;
        assert_eq!(part.image, CheckState::Checked, "{name} {}", part.reason);
        let stored = part.pictures.iter().filter(|picture| picture.form == Form::Canonical);
        let times: Vec<_> = stored.map(|picture| picture.at_millis).collect();
        assert_eq!(times, [0, 200, 400, 600, 800].map(Some), "{name}");
    }
    let still = drawn::jpeg(&image::DynamicImage::from(drawn::picture(32, 32, 1)), 80);
    let part = whole(&examiner, &still).await;
    assert_eq!((part.format, part.pictures[0].at_millis), (Format::Jpeg, None));
}
