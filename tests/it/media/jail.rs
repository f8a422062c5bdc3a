//! What a decoder that was taken over could do: nothing.

use super::{clips, examiner, fixture, program, whole};
use bulwark::core::verdict::CheckState;
use bulwark::io::jail::{JailMode, PROGRAM_SYSTEM_CALLS, SYSTEM_CALLS};
use bulwark::io::media::MediaSettings;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

const EPERM: &str = "1";

#[test]
fn every_way_out_of_the_jail_is_denied() {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut child = Command::new(program())
        .args(["worker", "probe"])
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = String::new();
    ours.read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    let mut lines = said.lines();
    let walls = lines.next().unwrap();
    for wall in ["+limits", "+files-closed", "+no-new-privileges", "+undumpable", "+system-calls"] {
        assert!(walls.contains(wall), "{walls}");
    }
    let tried: Vec<_> = lines.map(|line| line.split_once(' ').unwrap()).collect();
    for what in [
        "open",
        "socket-inet",
        "socket-unix",
        "clone",
        "exec",
        "ptrace-parent",
        "ptrace-me",
        "kill-parent",
        "kill-parent-hard",
        "code-memory",
        "write-elsewhere",
    ] {
        assert!(tried.iter().any(|(name, _)| *name == what), "{what} was not tried");
    }
    for (what, errno) in tried {
        assert_eq!(errno, EPERM, "{what}");
    }
    assert!(SYSTEM_CALLS.len() <= 25);
}

/// What a launcher says of its walls, and then whatever the program says that it becomes.
fn launched(program_and_arguments: &[&std::ffi::OsStr]) -> (String, String) {
    let ran = Command::new(program())
        .args(["launch", "1073741824", "10", "20", "0"])
        .args(program_and_arguments)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (said, log) = (text(ran.stdout), text(ran.stderr));
    assert!(ran.status.success(), "{log}");
    (said, log)
}

#[test]
fn every_way_out_of_the_jail_of_a_program_is_denied() {
    let own = program();
    let parent = std::process::id().to_string();
    let (said, log) = launched(&[own.as_os_str(), "probe-jail".as_ref(), parent.as_ref()]);
    let required = ["+limits", "+files-closed", "+no-new-privileges", "+landlock", "+system-calls"];
    assert!(required.iter().all(|wall| log.lines().next().unwrap().contains(wall)), "{log}");
    let tried: Vec<_> = said.lines().map(|line| line.split_once(' ').unwrap()).collect();
    for what in [
        "read-passwd",
        "write-null",
        "make-file",
        "socket-inet",
        "connect",
        "fork",
        "exec-shell",
        "ptrace-parent",
        "kill-parent",
        "kill-parent-hard",
        "unlink",
        "rename",
        "mount",
        "bpf",
        "io-uring",
        "written-code",
    ] {
        assert!(tried.iter().any(|(name, _)| *name == what), "{what} was not tried");
    }
    for (what, errno) in tried {
        let by = match what {
            // By Landlock: what may be read is said by paths.
            "read-passwd" | "read-environment" | "read-folder" | "read-device" => "13",
            // So that libraries use the older call, whose arguments can be seen.
            "clone3" => "38",
            _ => EPERM,
        };
        assert_eq!(errno, by, "{what}");
    }
    assert!(PROGRAM_SYSTEM_CALLS.len() <= 45);
}

#[test]
fn the_decoding_program_itself_opens_nothing_but_what_it_is_made_of() {
    let ffmpeg = clips::ffmpeg();
    let (said, _) = launched(&[ffmpeg.as_os_str(), "-version".as_ref()]);
    assert!(said.starts_with("ffmpeg version"), "{said}");
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.mp4");
    std::fs::write(&other, &**clips::usual()).unwrap();
    // Files, playlists and addresses alike, even where nothing forbids the program to try.
    let list = folder.path().join("list");
    std::fs::write(&list, format!("ffconcat version 1.0\nfile '{}'\n", other.display())).unwrap();
    for (format, input) in [
        ("mov", other.to_str().unwrap()),
        ("concat", list.to_str().unwrap()),
        ("mov", "/etc/passwd"),
        ("hls", "http://127.0.0.1:9/x.m3u8"),
        ("mpegts", "udp://127.0.0.1:9"),
    ] {
        let ran = Command::new(program())
            .args(["launch", "1073741824", "10", "20", "0"])
            .arg(&ffmpeg)
            .args(["-nostdin", "-hide_banner", "-f", format, "-i", input, "-f", "null", "-"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let log = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(!ran.status.success(), "{input}: {log}");
        assert!(
            log.contains("ermission denied") || log.contains("not permitted"),
            "{input}: {log}"
        );
    }
}

/// Runs on a thread, and in the children it starts, as on a kernel without filters of system calls.
fn without_filters<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::spawn(move || {
        let set_seccomp = SeccompCondition::new(
            0,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::Eq,
            libc::PR_SET_SECCOMP.try_into().unwrap(),
        );
        let rule = SeccompRule::new(vec![set_seccomp.unwrap()]).unwrap();
        let calls = [(libc::SYS_seccomp, vec![]), (libc::SYS_prctl, vec![rule])];
        let filter = SeccompFilter::new(
            calls.into_iter().collect(),
            SeccompAction::Allow,
            SeccompAction::Errno(libc::EINVAL.try_into().unwrap()),
            std::env::consts::ARCH.try_into().unwrap(),
        );
        let program: BpfProgram = filter.unwrap().try_into().unwrap();
        seccompiler::apply_filter(&program).unwrap();
        run()
    });
    thread.join().unwrap()
}

#[test]
fn a_kernel_without_filters_examines_nothing_unless_a_reduced_jail_is_asked_for() {
    let examined = |jail| {
        without_filters(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let examiner = examiner(MediaSettings { jail, ..MediaSettings::default() });
                let part = whole(&examiner, &fixture("palette.png")).await;
                (part, examiner.status())
            })
        })
    };
    let (part, status) = examined(JailMode::Required);
    assert_eq!(
        (part.image, part.reason.as_str()),
        (CheckState::SourceUnavailable, "jail incomplete")
    );
    assert_eq!(status.why_not, "jail incomplete: the kernel cannot filter system calls");
    let (part, status) = examined(JailMode::Reduced);
    assert_eq!(part.image, CheckState::Checked, "{}", part.reason);
    assert!(!status.walls.unwrap().system_calls, "and health says what is missing");
}
