//! Workers that die, hang, lie or cannot be had cost one item at most.

use super::{drawn, examine, examiner, fixture, program, sealed, whole};
use bulwark::core::media::{Format, Part};
use bulwark::core::verdict::{CheckState, Form};
use bulwark::io::media::{Examiner, MediaLimits, MediaSettings};
use image::{DynamicImage, ImageFormat};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A worker's first message: all walls stand.
const HELLO: &str = r"\012\0\0\0\012\010\001\001\001\001\001\001\001\001";

/// A program that speaks to its socket as this shell script says.
fn impostor(script: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("impostor");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    (folder, path)
}

fn one_worker() -> MediaSettings {
    let limits = MediaLimits { item_time_max: Duration::from_secs(60), ..MediaLimits::default() };
    MediaSettings { workers: 1, limits, ..MediaSettings::default() }
}

/// A picture that takes a worker a good while.
fn slow() -> Vec<u8> {
    let side = if cfg!(debug_assertions) { 2_000 } else { 6_000 };
    drawn::encoded(&DynamicImage::new_rgba16(side, side), ImageFormat::Png)
}

/// Processes of this test's own copy of the program.
fn workers_of(program: &Path) -> Vec<rustix::process::Pid> {
    let started_as = program.as_os_str().as_encoded_bytes();
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            line.starts_with(started_as).then(|| rustix::process::Pid::from_raw(pid)).flatten()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_in_the_middle_of_an_item_costs_nothing_but_time() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("bulwark-copy");
    std::fs::copy(program(), &copy).unwrap();
    let examiner = Examiner::start(copy.clone(), one_worker());
    assert_eq!(whole(&examiner, &fixture("base.png")).await.image, CheckState::Checked);
    let item = slow();
    let killed = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let workers = workers_of(&copy);
        assert_eq!(workers.len(), 1);
        rustix::process::kill_process(workers[0], rustix::process::Signal::KILL).unwrap();
    });
    let part = whole(&examiner, &item).await;
    killed.await.unwrap();
    assert_eq!(part.image, CheckState::Checked, "{}: tried again on a fresh worker", part.reason);
    assert_eq!(examiner.status().restarts, 1);
    assert_eq!(whole(&examiner, &fixture("base.png")).await.image, CheckState::Checked);
}

#[tokio::test]
async fn an_item_that_takes_too_long_is_given_up_and_its_worker_replaced() {
    let limits = MediaLimits { item_time_max: Duration::from_millis(60), ..MediaLimits::default() };
    let examiner = examiner(MediaSettings { limits, ..one_worker() });
    let item = slow();
    let started = Instant::now();
    let part = whole(&examiner, &item).await;
    assert_eq!((part.image, part.exact), (CheckState::Deadline, CheckState::Checked));
    assert_eq!(part.reason, "out of time");
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(examiner.status().restarts, 1);
    let small = drawn::jpeg(&DynamicImage::from(drawn::picture(32, 32, 1)), 80);
    // On a busy machine even a small item may take longer than this short time.
    let mut last = CheckState::Deadline;
    for _ in 0..50 {
        last = whole(&examiner, &small).await.image;
        if last != CheckState::Deadline {
            break;
        }
    }
    assert_eq!(last, CheckState::Checked);
}

#[tokio::test]
async fn a_deadline_that_passes_while_waiting_ends_the_wait() {
    let examiner = examiner(one_worker());
    let busy = tokio::spawn({
        let (examiner, item) = (examiner.clone(), slow());
        async move { whole(&examiner, &item).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let started = Instant::now();
    let deadline = started + Duration::from_millis(30);
    let part = examiner.examine(sealed(&fixture("base.png")), deadline).await.parts.remove(0);
    assert_eq!(part.image, CheckState::Deadline);
    assert!(part.digests.is_some());
    assert!(started.elapsed() < Duration::from_millis(500));
    assert_eq!(busy.await.unwrap().image, CheckState::Checked);
    assert_eq!(examiner.status().restarts, 0, "the busy worker was left alone");
}

#[tokio::test]
async fn more_items_than_may_wait_are_shed_at_once() {
    let examiner = examiner(MediaSettings { waiting_max: 0, ..one_worker() });
    while !examiner.status().ready {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let busy = tokio::spawn({
        let (examiner, item) = (examiner.clone(), slow());
        async move { whole(&examiner, &item).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let part = whole(&examiner, &fixture("base.png")).await;
    assert_eq!((part.image, part.exact), (CheckState::Shed, CheckState::Checked));
    assert_eq!(busy.await.unwrap().image, CheckState::Checked);
    assert_eq!(whole(&examiner, &fixture("base.png")).await.image, CheckState::Checked);
}

#[tokio::test]
async fn an_item_nobody_waits_for_any_more_takes_its_worker_with_it() {
    let examiner = examiner(one_worker());
    assert_eq!(whole(&examiner, &fixture("base.png")).await.image, CheckState::Checked);
    let deadline = Instant::now() + Duration::from_secs(60);
    let item = sealed(&slow());
    let dropped = tokio::time::timeout(Duration::from_millis(50), examiner.examine(item, deadline));
    assert!(dropped.await.is_err());
    assert_eq!(examiner.status().workers_alive, 0);
    let part = whole(&examiner, &fixture("base.png")).await;
    assert_eq!(part.image, CheckState::Checked, "not the answer to the item before");
    assert_eq!((part.pictures[0].width, part.pictures[0].height), (192, 144));
}

#[tokio::test]
async fn a_worker_that_crashes_twice_on_an_item_makes_it_corrupt() {
    let (_folder, path) = impostor(&format!("printf '{HELLO}' >&0; sleep 0.3"));
    let examiner = Examiner::start(path, one_worker());
    let part = whole(&examiner, &fixture("base.png")).await;
    assert_eq!((part.image, part.reason.as_str()), (CheckState::Corrupt, "decoder crashed"));
    assert_eq!((part.exact, part.format), (CheckState::Checked, Format::Png));
    assert!(examiner.status().restarts >= 2);
}

/// An archive of a picture, of several that take long, and of a last one.
fn picture_before_slow_ones() -> Vec<u8> {
    let (first, slow, last) = (fixture("base.png"), slow(), fixture("still.gif"));
    let mut entries = vec![("first", first.as_slice())];
    entries.extend([("slow", slow.as_slice()); 40]);
    let names: Vec<_> = (0..=entries.len()).map(|i| i.to_string()).collect();
    entries.push(("last", last.as_slice()));
    let named = entries.iter().zip(&names).map(|((_, bytes), name)| (name.as_str(), *bytes));
    drawn::zipped(&named.collect::<Vec<_>>())
}

/// The first part of the archive is known, one that was in work has this state, and the archive is not done.
fn first_is_found(parts: &[Part], state: CheckState) {
    let first = parts.iter().find(|part| part.place == "0").expect("the first is known");
    assert_eq!((first.image, first.exact), (CheckState::Checked, CheckState::Checked));
    assert!(!first.pictures.is_empty() && first.digests.is_some());
    let whole = &parts[0];
    let open = (CheckState::NotExpanded, CheckState::NotExpanded);
    assert_eq!((whole.image, whole.video), open, "{}", whole.reason);
    assert!(parts.iter().any(|part| part.image == state), "{}", whole.reason);
    assert!(parts.iter().all(|part| part.place != "41"), "the last was never reached");
}

#[tokio::test]
async fn what_was_found_before_the_time_was_over_is_kept() {
    let limits = MediaLimits { item_time_max: Duration::from_secs(2), ..MediaLimits::default() };
    let examiner = examiner(MediaSettings { limits, ..one_worker() });
    let examined = examine(&examiner, &picture_before_slow_ones()).await;
    first_is_found(&examined.parts, CheckState::Deadline);
    assert_eq!(examiner.status().restarts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_before_a_crash_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("bulwark-copy");
    std::fs::copy(program(), &copy).unwrap();
    let examiner = Examiner::start(copy.clone(), one_worker());
    assert_eq!(whole(&examiner, &fixture("base.png")).await.image, CheckState::Checked);
    let item = picture_before_slow_ones();
    let killer = tokio::spawn(async move {
        // Each worker has time for the first picture and is killed in the middle of a later one.
        loop {
            tokio::time::sleep(Duration::from_millis(1500)).await;
            for worker in workers_of(&copy) {
                let _ = rustix::process::kill_process(worker, rustix::process::Signal::KILL);
            }
        }
    });
    let examined = examine(&examiner, &item).await;
    killer.abort();
    first_is_found(&examined.parts, CheckState::Corrupt);
    assert!(examined.parts.iter().any(|part| part.reason == "decoder crashed"));
}

#[tokio::test]
async fn frames_before_one_that_takes_too_long_are_kept() {
    let millis = if cfg!(debug_assertions) { 2_000 } else { 600 };
    let item_time_max = Duration::from_millis(millis);
    let limits = MediaLimits { item_time_max, ..MediaLimits::default() };
    let examiner = examiner(MediaSettings { limits, ..one_worker() });
    let mut bytes = Vec::new();
    {
        let mut encoder = image::codecs::gif::GifEncoder::new_with_speed(&mut bytes, 30);
        let drawn = DynamicImage::from(drawn::picture(1200, 900, 1)).into_rgba8();
        for _ in 0..100 {
            encoder.encode_frame(image::Frame::new(drawn.clone())).unwrap();
        }
    }
    let part = whole(&examiner, &bytes).await;
    assert_eq!((part.format, part.image), (Format::Gif, CheckState::Deadline), "{}", part.reason);
    let frames = part.pictures.iter().filter(|p| p.form == Form::Canonical).count();
    assert!((1..100).contains(&frames), "{frames}");
}

/// A message as a worker frames it: its length, then one field of this number.
fn said(field: u8, body: &[u8]) -> Vec<u8> {
    let varint = |len: usize| match len {
        0..=0x7f => vec![len as u8],
        _ => vec![len as u8 | 0x80, (len >> 7) as u8],
    };
    let message = [&[field << 3 | 2][..], &varint(body.len()), body].concat();
    [&u32::try_from(message.len()).unwrap().to_le_bytes()[..], &message].concat()
}

/// A PNG has begun; hashes that an honest worker could have; and the end of it.
fn words() -> [Vec<u8>; 3] {
    let begun = said(1, &[0x10, 1, 0x20, 1]);
    let picture = [&[0x18, 64, 0x20, 64, 0x28, 99, 0x32, 0x80, 2][..], &[7; 256]].concat();
    [begun, said(2, &picture), said(3, &[0x10, 1])]
}

/// An impostor that says this for every item.
fn speaker(words: &[u8], then: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let said = folder.path().join("said");
    std::fs::write(&said, words).unwrap();
    let script = format!("printf '{HELLO}' >&0; cat '{}' >&0 2>/dev/null; {then}", said.display());
    let (inner, path) = impostor(&script);
    std::fs::rename(&path, folder.path().join("impostor")).unwrap();
    drop(inner);
    let path = folder.path().join("impostor");
    (folder, path)
}

#[tokio::test]
async fn an_honest_workers_words_are_believed_up_to_where_it_ends() {
    let [begun, picture, ended] = words();
    let finished = [2, 0, 0, 0, 0x20, 1];
    let all = [&begun[..], &picture, &ended, &finished].concat();
    let (_folder, path) = speaker(&all, "sleep 60");
    let examiner = Examiner::start(path, one_worker());
    let part = whole(&examiner, &fixture("base.png")).await;
    assert_eq!((part.image, part.pictures.len()), (CheckState::Checked, 1), "{}", part.reason);
    for (cut, pictures) in [(begun.len(), 0), (all.len() - ended.len() - 6, 1), (all.len() - 6, 1)]
    {
        let (_folder, path) = speaker(&all[..cut], "sleep 0.1");
        let examiner = Examiner::start(path, one_worker());
        let part = whole(&examiner, &fixture("base.png")).await;
        assert_eq!((part.image, part.pictures.len()), (CheckState::Corrupt, pictures), "{cut}");
    }
}

#[tokio::test]
async fn a_worker_that_answers_nonsense_is_not_believed() {
    let [begun, picture, ended] = words();
    // A part that says all is checked and has nothing to show; one of another format than the item has; a message that
    // is too long to read; an end before a beginning; more after the end.
    let lies = [
        [&begun[..], &said(3, &[])].concat(),
        said(1, &[0x10, 2, 0x20, 1]),
        vec![0xff; 4],
        ended.clone(),
        [&begun[..], &picture, &ended, &[2, 0, 0, 0, 0x20, 1], &picture].concat(),
    ];
    for (case, lie) in lies.iter().enumerate() {
        let (_folder, path) = speaker(lie, "sleep 60");
        let examiner = Examiner::start(path, one_worker());
        let part = whole(&examiner, &fixture("base.png")).await;
        assert_eq!(part.image, CheckState::Corrupt, "{case}");
        assert!(case == 4 || part.pictures.is_empty(), "{case}");
    }
}

#[tokio::test]
async fn a_worker_that_says_more_than_an_item_can_hold_is_stopped() {
    let [begun, picture, _] = words();
    let limits = MediaLimits { pictures_max: 50, ..one_worker().limits };
    let settings = MediaSettings { limits, ..one_worker() };
    let started = Instant::now();
    // More pictures than the limit; pieces that say nothing, without end; and padding that no field explains.
    let padded = [&[0x7a, 0xe8, 7][..], &[0; 1000]].concat();
    let padded = [&[0xf3, 3, 0, 0][..], &[0x22, 0][..], &padded[..1003], &[0; 6]].concat();
    for words in [[&begun[..], &picture.repeat(60)].concat(), begun.repeat(100_000), padded] {
        let (_folder, path) = speaker(&words, "sleep 60");
        let examiner = Examiner::start(path, settings.clone());
        let part = whole(&examiner, &fixture("base.png")).await;
        assert_eq!(part.image, CheckState::Corrupt);
        assert!(part.pictures.len() <= 50, "{}", part.pictures.len());
    }
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn without_a_worker_nothing_is_cleared_and_health_says_why() {
    let (_folder, ends) = impostor("exit 1");
    for program in [PathBuf::from("/nonexistent/program"), ends] {
        let examiner = Examiner::start(program, one_worker());
        let part = whole(&examiner, &fixture("base.png")).await;
        assert_eq!(
            (part.image, part.reason.as_str()),
            (CheckState::SourceUnavailable, "no worker")
        );
        assert!(part.digests.is_some());
        let status = examiner.status();
        assert!(!status.ready && status.why_not.starts_with("worker process"), "{status:?}");
    }
}

#[tokio::test]
async fn a_machine_that_cannot_build_the_jail_examines_nothing_and_health_says_why() {
    let (_folder, path) = impostor(r"printf '\002\0\0\0\020\005' >&0");
    let examiner = Examiner::start(path, one_worker());
    let part = whole(&examiner, &fixture("base.png")).await;
    assert_eq!(
        (part.image, part.reason.as_str()),
        (CheckState::SourceUnavailable, "jail incomplete")
    );
    let status = examiner.status();
    assert!(!status.ready);
    assert_eq!(status.why_not, "jail incomplete: the kernel cannot filter system calls");
}

#[tokio::test]
async fn hashes_from_coefficients_are_for_screening_alone_and_only_when_asked_for() {
    let picture = DynamicImage::ImageRgb8(drawn::picture(1300, 900, 3));
    let bytes = drawn::jpeg(&picture, 85);
    let by_coefficients = MediaLimits { by_coefficients: true, ..one_worker().limits };
    let mut found = Vec::new();
    for limits in [by_coefficients, one_worker().limits] {
        let examiner = Examiner::start(program(), MediaSettings { limits, ..one_worker() });
        let end = Instant::now() + Duration::from_secs(60);
        found.push(examiner.examine(sealed(&bytes), end).await);
        found.push(examiner.examine_canonically(sealed(&bytes), end).await);
    }
    let pictures: Vec<_> = found.iter().map(|examined| &examined.parts[0].pictures[..]).collect();
    let marked = pictures.iter().map(|all| all.iter().any(|picture| picture.by_coefficients));
    assert_eq!(marked.collect::<Vec<_>>(), [true, false, false, false]);
    assert_eq!(pictures[1], pictures[2]);
    assert_eq!(pictures[1], pictures[3]);
    let words = pictures[0][0].hashes[0].0.iter().zip(pictures[1][0].hashes[0].0);
    assert!(words.map(|(a, b)| (a ^ b).count_ones()).sum::<u32>() <= 4);
    assert!(found.iter().all(|examined| examined.parts[0].image == CheckState::Checked));
}
