//! What a decoder that was taken over could do: nothing.

use super::{examiner, fixture, program, whole};
use bulwark::core::verdict::CheckState;
use bulwark::io::jail::{JailMode, SYSTEM_CALLS};
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
