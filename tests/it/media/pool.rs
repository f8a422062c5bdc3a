//! Workers that die, hang, lie or cannot be had cost one item at most.

use super::{drawn, examiner, fixture, program, sealed, whole};
use bulwark::core::media::Format;
use bulwark::core::verdict::CheckState;
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
    assert_eq!((part.image, part.video), (CheckState::Deadline, CheckState::NotApplicable));
    assert_eq!((part.exact, part.reason.as_str()), (CheckState::Checked, "out of time"));
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

#[tokio::test]
async fn a_worker_that_answers_nonsense_is_not_believed() {
    // An answer of one part that says all is checked, and has nothing to show; and one that is too long to read.
    for answer in [r"\004\0\0\0\012\002\060\001", r"\377\377\377\377"] {
        let (_folder, path) = impostor(&format!("printf '{HELLO}{answer}' >&0; sleep 60"));
        let examiner = Examiner::start(path, one_worker());
        let part = whole(&examiner, &fixture("base.png")).await;
        assert_eq!((part.image, part.pictures.len()), (CheckState::Corrupt, 0));
    }
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
