//! What a decoder that was taken over could do: nothing.

use super::program;
use bulwark::io::jail::SYSTEM_CALLS;
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
