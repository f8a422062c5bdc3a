//! The system calls that a program may make which a launcher locks in and executes, as a decoder of video.

use super::only::{self, Allowed, Only, names};
use std::ffi::c_void;

/// Name, number and arguments of every call that is let through; all others fail with `EPERM`.
///
/// Absent on purpose: socket, connect, ptrace, kill, unlink, rename, mount, ioctl, prctl, fcntl. What [`Only`] cannot say
/// is said by Landlock: which files are read, and which may be executed.
const ALLOWED: [Allowed; 42] = [
    // Once, to begin with: see [`apply`].
    ("execve", libc::SYS_execve, Only::Addresses([0; 3])),
    // The loader, its libraries, and the item.
    ("openat", libc::SYS_openat, Only::Reading),
    ("read", libc::SYS_read, Only::Any),
    ("pread64", libc::SYS_pread64, Only::Any),
    ("lseek", libc::SYS_lseek, Only::Any),
    ("fstat", libc::SYS_fstat, Only::Any),
    ("newfstatat", libc::SYS_newfstatat, Only::Any),
    ("close", libc::SYS_close, Only::Any),
    // Pixels and log.
    ("write", libc::SYS_write, Only::Outputs),
    ("writev", libc::SYS_writev, Only::Outputs),
    ("poll", POLL, Only::Any),
    // Memory.
    ("mmap", libc::SYS_mmap, Only::NoWrittenCode),
    ("mprotect", libc::SYS_mprotect, Only::NoCode),
    ("munmap", libc::SYS_munmap, Only::Any),
    ("mremap", libc::SYS_mremap, Only::Any),
    ("madvise", libc::SYS_madvise, Only::Any),
    ("brk", libc::SYS_brk, Only::Any),
    // Threads: newer releases make one for each stream, however few are asked for.
    ("clone", libc::SYS_clone, Only::Thread),
    ("clone3", libc::SYS_clone3, Only::Any),
    ("set_tid_address", libc::SYS_set_tid_address, Only::Any),
    ("set_robust_list", libc::SYS_set_robust_list, Only::Any),
    ("rseq", libc::SYS_rseq, Only::Any),
    ("futex", libc::SYS_futex, Only::Any),
    ("sched_yield", libc::SYS_sched_yield, Only::Any),
    ("sched_getaffinity", libc::SYS_sched_getaffinity, Only::Any),
    THREAD_POINTER,
    // What a program asks about itself, its machine and the time.
    ("getpid", libc::SYS_getpid, Only::Any),
    ("gettid", libc::SYS_gettid, Only::Any),
    ("getrandom", libc::SYS_getrandom, Only::Any),
    ("getrusage", libc::SYS_getrusage, Only::Any),
    ("prlimit64", libc::SYS_prlimit64, Only::NoNewLimit),
    ("uname", libc::SYS_uname, Only::Any),
    ("clock_gettime", libc::SYS_clock_gettime, Only::Any),
    ("clock_nanosleep", libc::SYS_clock_nanosleep, Only::Any),
    ("nanosleep", libc::SYS_nanosleep, Only::Any),
    // Ending, well or badly.
    ("rt_sigaction", libc::SYS_rt_sigaction, Only::Any),
    ("rt_sigprocmask", libc::SYS_rt_sigprocmask, Only::Any),
    ("rt_sigreturn", libc::SYS_rt_sigreturn, Only::Any),
    ("sigaltstack", libc::SYS_sigaltstack, Only::Any),
    ("restart_syscall", libc::SYS_restart_syscall, Only::Any),
    ("exit", libc::SYS_exit, Only::Any),
    ("exit_group", libc::SYS_exit_group, Only::Any),
];

#[cfg(target_arch = "x86_64")]
const POLL: i64 = libc::SYS_poll;
#[cfg(not(target_arch = "x86_64"))]
const POLL: i64 = libc::SYS_ppoll;

/// Where a thread finds its own variables; set without a system call elsewhere.
#[cfg(target_arch = "x86_64")]
const THREAD_POINTER: Allowed = ("arch_prctl", libc::SYS_arch_prctl, Only::Any);
#[cfg(not(target_arch = "x86_64"))]
const THREAD_POINTER: Allowed = ("getcpu", libc::SYS_getcpu, Only::Any);

/// Names of the calls that a program in the jail may make; anything else fails with `EPERM`.
pub const PROGRAM_SYSTEM_CALLS: [&str; ALLOWED.len()] = names(&ALLOWED);

/// Puts the filter in force for the calling thread; true when it is.
///
/// `execve` is let through with the three addresses of the launcher's own arguments only, and what lies there is gone
/// once the launcher has executed. That is no proof against who has taken the program over and lays out its memory anew,
/// but Landlock still lets nothing be executed then but the same program and its loader, under the same walls.
pub(super) fn apply(arguments: [*const c_void; 3]) -> bool {
    let addresses = arguments.map(|argument| argument.addr() as u64);
    let list = ALLOWED.map(|(name, number, only)| match only {
        Only::Addresses(_) => (name, number, Only::Addresses(addresses)),
        _ => (name, number, only),
    });
    // A filter cannot read what `clone3` points to; who is told that there is none uses `clone`.
    only::apply(only::without(libc::SYS_clone3)) && only::apply(only::program(&list))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_forty_five_system_calls_are_let_through() {
        assert!(PROGRAM_SYSTEM_CALLS.len() <= 45, "{}", PROGRAM_SYSTEM_CALLS.len());
        assert!(!only::program(&ALLOWED).unwrap().is_empty());
        assert!(!only::without(libc::SYS_clone3).unwrap().is_empty());
    }

    #[test]
    fn no_call_that_opens_a_way_out_is_on_the_list() {
        for way_out in only::WAYS_OUT {
            assert!(!PROGRAM_SYSTEM_CALLS.contains(&way_out), "{way_out}");
        }
    }
}
