//! The system calls that a jailed decoder may make.

use super::only::{self, Allowed, Only, names};

/// Name, number and arguments of every call that is let through; all others fail with `EPERM`.
///
/// Absent on purpose: open, socket, connect, exec, fork, clone, kill, ptrace, unlink, ioctl, prctl, `mprotect`.
const ALLOWED: [Allowed; 23] = [
    // The one socket: requests with their files in, answers out; and what a decoder of video outside writes.
    ("read", libc::SYS_read, Only::Sources),
    ("write", libc::SYS_write, Only::Zero),
    ("recvmsg", libc::SYS_recvmsg, Only::Zero),
    ("ppoll", libc::SYS_ppoll, Only::Any),
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
pub const SYSTEM_CALLS: [&str; ALLOWED.len()] = names(&ALLOWED);

/// Puts the filter in force for the calling thread; true when it is.
pub(super) fn apply() -> bool {
    only::apply(only::program(&ALLOWED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_twenty_five_system_calls_are_let_through() {
        assert!(SYSTEM_CALLS.len() <= 25, "{}", SYSTEM_CALLS.len());
        let program = only::program(&ALLOWED).unwrap();
        assert!(!program.is_empty());
    }

    #[test]
    fn no_call_that_opens_a_way_out_is_on_the_list() {
        let others = ["openat", "execve", "clone", "clone3", "mprotect"];
        for way_out in only::WAYS_OUT.into_iter().chain(others) {
            assert!(!SYSTEM_CALLS.contains(&way_out), "{way_out}");
        }
    }
}
