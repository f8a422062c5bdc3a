//! Video that is cut, broken, boundless, or not what it says: never checked, and never more than it says.

use super::{clips, examine, filmer, whole};
use bulwark::core::media::Part;
use bulwark::core::verdict::{CheckState, Form};
use bulwark::io::media::{MediaLimits, MediaSettings, VideoLimits};
use std::time::{Duration, Instant};

fn stored(part: &Part) -> usize {
    part.frames.iter().filter(|frame| frame.picture.form == Form::Canonical).count()
}

#[tokio::test]
async fn a_cut_file_is_never_checked_and_an_overwritten_one_only_with_all_its_frames() {
    let examiner = filmer(MediaSettings::default());
    for (name, further) in clips::CONTAINERS {
        let clip = clips::drawn(further, name);
        let mut broken: Vec<(String, Vec<u8>)> = Vec::new();
        for cut in
            [clip.len() / 10, clip.len() / 2, clip.len() * 9 / 10, clip.len() - 200, clip.len() - 1]
        {
            // A stream of packets may end behind any of them; what is cut is a packet.
            let cut = if cut % 188 == 0 { cut - 1 } else { cut };
            broken.push((format!("cut at {cut} of {}", clip.len()), clip[..cut].to_vec()));
        }
        // As a bad disk would.
        let mut overwritten = clip.to_vec();
        let middle = clip.len() / 2;
        for (place, byte) in overwritten[middle..middle + 4_000].iter_mut().enumerate() {
            *byte = (place as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0];
        }
        // Noise inside a coded picture can be another picture: then that is what whoever plays the file sees.
        let part = whole(&examiner, &overwritten).await;
        let is_played = part.video == CheckState::Checked && stored(&part) >= 6;
        assert!(is_played || !part.video.is_complete(), "{name}, overwritten: {}", part.reason);
        for (how, bytes) in broken {
            let part = whole(&examiner, &bytes).await;
            assert!(!part.video.is_complete() && !part.image.is_complete(), "{name}, {how}");
            assert!(!part.reason.is_empty(), "{name}, {how}");
        }
    }
}

#[tokio::test]
async fn nothing_and_noise_behind_a_right_beginning_are_not_video() {
    let examiner = filmer(MediaSettings::default());
    for magic in [
        &b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41"[..],
        b"\x1a\x45\xdf\xa3",
        b"RIFF\xff\xff\0\0AVI LIST",
        b"FLV\x01\x05\0\0\0\x09\0\0\0\0",
        b"\0\0\x01\xba\x44",
        b"\0\0\x01\xb3\x14",
    ] {
        let noise = (0..100_000_u32).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[1]);
        let noise: Vec<u8> = magic.iter().copied().chain(noise).collect();
        for bytes in [magic, &noise] {
            let part = whole(&examiner, bytes).await;
            assert!(
                !part.video.is_complete() && !part.image.is_complete(),
                "{:?} {}",
                &magic[..8.min(magic.len())],
                part.reason
            );
            assert_eq!(part.frames, []);
        }
    }
}

#[tokio::test]
async fn a_list_of_other_files_opens_none_of_them() {
    let examiner = filmer(MediaSettings::default());
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.mp4");
    std::fs::write(&other, &**clips::usual()).unwrap();
    let lists = [
        format!("ffconcat version 1.0\nfile '{}'\n", other.display()),
        format!("#EXTM3U\n#EXTINF:6,\nfile://{}\n#EXT-X-ENDLIST\n", other.display()),
        "#EXTM3U\n#EXTINF:6,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n".to_owned(),
    ];
    for list in lists {
        // As it is, and behind what makes it look like video.
        for magic in ["", "\0\0\0\x08wide", "FLV\x01\x05\0\0\0\x09\0\0\0\0"] {
            let part = whole(&examiner, format!("{magic}{list}").as_bytes()).await;
            assert_eq!(part.frames, []);
            assert!(!part.video.is_complete(), "{magic:?} {}", part.reason);
        }
    }
}

#[tokio::test]
async fn more_frames_than_the_limit_are_too_many_and_those_before_are_kept() {
    let limits = VideoLimits { frames_max: 3, ..VideoLimits::default() };
    let limits = MediaLimits { video: limits, ..MediaLimits::default() };
    let examiner = filmer(MediaSettings { limits, ..MediaSettings::default() });
    let part = whole(&examiner, &clips::usual()).await;
    assert_eq!(
        (part.video, part.reason.as_str()),
        (CheckState::TooLarge, "more frames than are examined")
    );
    assert_eq!(stored(&part), 3);
    // A flood of small frames, of which a clock takes few.
    let flood = "-f lavfi -t 20 -i testsrc2=size=16x16:rate=1000 -c:v mpeg4";
    let examiner = filmer(MediaSettings::default());
    let part = whole(&examiner, &clips::made(flood, "flood.avi")).await;
    assert_eq!(part.video, CheckState::Checked, "{}", part.reason);
    assert!((20..=101).contains(&stored(&part)), "{}", stored(&part));
    // Too small to be hashed at all.
    let dots = "-f lavfi -t 1 -i testsrc2=size=4x4:rate=10 -c:v ffv1";
    let part = whole(&examiner, &clips::made(dots, "dots.mkv")).await;
    assert_eq!((part.video, part.frames.len()), (CheckState::TooSmall, 0), "{}", part.reason);
}

#[tokio::test]
async fn a_frame_of_33_million_pixels_is_hashed_and_one_beyond_the_limit_is_told() {
    let large = "-f lavfi -t 1 -i testsrc2=size=7680x4320:rate=1 -c:v mjpeg -q:v 20";
    let clip = clips::made(large, "large.avi");
    let patient = MediaLimits::default();
    let part =
        whole(&filmer(MediaSettings { limits: patient, ..MediaSettings::default() }), &clip).await;
    assert_eq!((part.video, stored(&part)), (CheckState::Checked, 1), "{}", part.reason);
    let narrow = MediaLimits { pixels_max: 20_000_000, ..MediaLimits::default() };
    let part =
        whole(&filmer(MediaSettings { limits: narrow, ..MediaSettings::default() }), &clip).await;
    assert_eq!((part.video, part.reason.as_str()), (CheckState::TooLarge, "too many pixels"));
}

#[tokio::test]
async fn times_that_jump_or_run_backwards_end_and_every_frame_has_one() {
    let examiner = filmer(MediaSettings::default());
    let source = "-f lavfi -t 4 -i testsrc2=size=64x64:rate=10 -c:v libx264 -preset ultrafast -pix_fmt yuv420p";
    for (name, times) in [
        ("forward.mkv", "setts=pts=PTS*1000:dts=DTS*1000"),
        ("still.mkv", "setts=pts=0:dts=0"),
        (
            "backward.ts",
            "setts=pts=if(lt(N\\,20)\\,PTS+900000\\,PTS-1):dts=if(lt(N\\,20)\\,DTS+900000\\,DTS-1)",
        ),
    ] {
        let clip = clips::made(&format!("{source} -bsf:v {times} -bf 0"), name);
        let part = whole(&examiner, &clip).await;
        assert!((1..=41).contains(&stored(&part)), "{name}: {} {}", stored(&part), part.reason);
        assert!(part.frames.iter().all(|frame| frame.picture.at_millis.is_some()));
    }
}

#[tokio::test]
async fn a_duration_without_end_takes_no_longer_than_what_is_there() {
    let examiner = filmer(MediaSettings::default());
    let mut clip = clips::usual().to_vec();
    // The duration in the header of the movie, and of its tracks, as long as can be said.
    for (name, place) in [(&b"mvhd"[..], 20), (b"tkhd", 24), (b"mdhd", 20)] {
        let found: Vec<_> =
            clip.windows(4).enumerate().filter(|(_, w)| *w == name).map(|(i, _)| i).collect();
        for at in found {
            clip[at + place..at + place + 4].fill(0xff);
        }
    }
    let began = Instant::now();
    let part = whole(&examiner, &clip).await;
    assert_eq!(stored(&part), 6, "{}", part.reason);
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn a_file_behind_a_video_is_seen_and_a_video_in_an_archive_is_not_decoded() {
    let examiner = filmer(MediaSettings::default());
    let clip = clips::usual();
    let archive = super::drawn::zipped(&[("clip.mp4", &clip)]);
    let part = whole(&examiner, &[&clip[..], &archive].concat()).await;
    let behind = "bytes behind the end were not examined";
    assert_eq!((part.video, part.reason.as_str()), (CheckState::NotExpanded, behind));
    let examined = examine(&examiner, &archive).await;
    let inner = (examined.parts[1].video, examined.parts[1].reason.as_str());
    assert_eq!(inner, (CheckState::UnsupportedFormat, "video is not decoded"));
}

#[tokio::test]
async fn frames_that_grow_behind_a_small_first_one_are_told() {
    let examiner = filmer(MediaSettings::default());
    let coded = "-c:v mpeg2video -q:v 2 -r 25 -f mpegts";
    let one = |size: u32| {
        let source = format!("-f lavfi -t 2 -i testsrc2=size={size}x{size}:rate=25 {coded}");
        clips::made(&source, "piece.ts")
    };
    // Packets follow one another as if one program had written them.
    let part = whole(&examiner, &[one(64), one(320)].concat()).await;
    assert!(!part.video.is_complete(), "{} {}", part.reason, stored(&part));
}
