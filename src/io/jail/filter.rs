//! The system calls that a jailed decoder may make.

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use std::collections::BTreeMap;

/// Which arguments a call may have.
#[derive(Clone, Copy)]
enum Only {
    /// Any.
    Any,
    /// The first one is descriptor 0, the socket.
    Socket,
    /// The third one has no `PROT_EXEC`: memory never becomes code.
    NoCode,
    /// The second one is `F_GET_SEALS`.
    Seals,
}

/// Name, number and arguments of every call that is let through; all others fail with `EPERM`.
///
/// Absent on purpose: open, socket, connect, exec, fork, clone, kill, ptrace, unlink, ioctl, prctl, `mprotect`.
const ALLOWED: &[(&str, i64, Only)] = &[
    // The one socket: requests with their memory file in, answers out.
    ("read", libc::SYS_read, Only::Socket),
    ("write", libc::SYS_write, Only::Socket),
    ("recvmsg", libc::SYS_recvmsg, Only::Socket),
    ("close", libc::SYS_close, Only::Any),
    ("fcntl", libc::SYS_fcntl, Only::Seals),
    // Memory.
    ("mmap", libc::SYS_mmap, Only::NoCode),
    ("munmap", libc::SYS_munmap, Only::Any),
    ("mremap", libc::SYS_mremap, Only::Any),
    ("madvise", libc::SYS_madvise, Only::Any),
    ("brk", libc::SYS_brk, Only::Any),
    // Locks inside libraries, seeds of hash tables, clocks where there is no vDSO.
    ("futex", libc::SYS_futex, Only::Any),
    ("getrandom", libc::SYS_getrandom, Only::Any),
    ("clock_gettime", libc::SYS_clock_gettime, Only::Any),
    ("sched_yield", libc::SYS_sched_yield, Only::Any),
    // Ending, well or badly or too late.
    ("setitimer", libc::SYS_setitimer, Only::Any),
    ("rt_sigaction", libc::SYS_rt_sigaction, Only::Any),
    ("rt_sigprocmask", libc::SYS_rt_sigprocmask, Only::Any),
    ("rt_sigreturn", libc::SYS_rt_sigreturn, Only::Any),
    ("sigaltstack", libc::SYS_sigaltstack, Only::Any),
    ("restart_syscall", libc::SYS_restart_syscall, Only::Any),
    ("exit", libc::SYS_exit, Only::Any),
    ("exit_group", libc::SYS_exit_group, Only::Any),
];

/// Names of the calls that a jailed process may make; anything else fails with `EPERM`.
pub const SYSTEM_CALLS: [&str; ALLOWED.len()] = {
    let mut names = [""; ALLOWED.len()];
    let mut place = 0;
    while place < names.len() {
        names[place] = ALLOWED[place].0;
        place += 1;
    }
    names
};

fn rules(only: Only) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let condition = |argument, operator, value| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
    };
    let condition = match only {
        Only::Any => return Ok(Vec::new()),
        Only::Socket => condition(0, SeccompCmpOp::Eq, 0)?,
        Only::NoCode => {
            let exec = libc::PROT_EXEC.unsigned_abs().into();
            condition(2, SeccompCmpOp::MaskedEq(exec), 0)?
        }
        Only::Seals => condition(1, SeccompCmpOp::Eq, libc::F_GET_SEALS.unsigned_abs().into())?,
    };
    Ok(vec![SeccompRule::new(vec![condition])?])
}

fn program() -> Result<BpfProgram, seccompiler::BackendError> {
    let mut calls = BTreeMap::new();
    for (_, number, only) in ALLOWED {
        calls.insert(*number, rules(*only)?);
    }
    let denied = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let architecture = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(calls, denied, SeccompAction::Allow, architecture)?.try_into()
}

/// Puts the filter in force for the calling thread; true when it is.
pub(super) fn apply() -> bool {
    program().is_ok_and(|program| seccompiler::apply_filter(&program).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_twenty_five_system_calls_are_let_through() {
        assert!(SYSTEM_CALLS.len() <= 25, "{}", SYSTEM_CALLS.len());
        let program = program().unwrap();
        assert!(!program.is_empty());
    }

    #[test]
    fn no_call_that_opens_a_way_out_is_on_the_list() {
        for way_out in [
            "open",
            "openat",
            "openat2",
            "socket",
            "connect",
            "sendto",
            "sendmsg",
            "execve",
            "execveat",
            "fork",
            "vfork",
            "clone",
            "clone3",
            "ptrace",
            "kill",
            "tgkill",
            "tkill",
            "ioctl",
            "prctl",
            "mprotect",
            "unshare",
            "setns",
            "io_uring_setup",
            "bpf",
        ] {
            assert!(!SYSTEM_CALLS.contains(&way_out), "{way_out}");
        }
    }
}
