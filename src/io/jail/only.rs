//! Lists of system calls with the arguments that each may have, and how they are put in force.

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;

/// Which arguments a call may have.
#[derive(Clone, Copy)]
pub(super) enum Only {
    /// Any.
    Any,
    /// The first one is descriptor 0: the socket of a worker, or the item of a program.
    Zero,
    /// The first one is descriptor 0, or one of the two pipes that come with an order.
    Sources,
    /// The first one is standard output or error.
    Outputs,
    /// The third one has no `PROT_EXEC`: memory never becomes code.
    NoCode,
    /// The third one does not have both `PROT_WRITE` and `PROT_EXEC`: no code is written where it runs.
    NoWrittenCode,
    /// The second one is `F_GET_SEALS`.
    Seals,
    /// The third one asks to read, and to make nothing.
    Reading,
    /// The first one asks for a thread of this process, and never for a process or a namespace.
    Thread,
    /// The third one is null: limits are asked for and never set.
    NoNewLimit,
    /// The first three are these addresses.
    Addresses([u64; 3]),
}

/// Name, number and arguments of a call that is let through.
pub(super) type Allowed = (&'static str, i64, Only);

/// The descriptors that hold the two pipes of an order: the lowest that are free beside its memory file.
pub(super) const PIPES: [u64; 2] = [4, 5];

/// The names in a list.
pub(super) const fn names<const N: usize>(list: &[Allowed; N]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut place = 0;
    while place < N {
        names[place] = list[place].0;
        place += 1;
    }
    names
}

fn dword(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)?;
    SeccompRule::new(vec![condition])
}

fn bits(value: i32) -> u64 {
    value.unsigned_abs().into()
}

/// The rules of which one has to hold; none where all is allowed.
fn rules(only: Only) -> Result<Vec<SeccompRule>, BackendError> {
    let is = |argument, value| dword(argument, SeccompCmpOp::Eq, value);
    let masked = |argument, mask, value| dword(argument, SeccompCmpOp::MaskedEq(mask), value);
    Ok(match only {
        Only::Any => Vec::new(),
        Only::Zero => vec![is(0, 0)?],
        Only::Sources => vec![is(0, 0)?, is(0, PIPES[0])?, is(0, PIPES[1])?],
        Only::Outputs => vec![is(0, 1)?, is(0, 2)?],
        Only::NoCode => vec![masked(2, bits(libc::PROT_EXEC), 0)?],
        Only::NoWrittenCode => {
            vec![masked(2, bits(libc::PROT_EXEC), 0)?, masked(2, bits(libc::PROT_WRITE), 0)?]
        }
        Only::Seals => vec![is(1, bits(libc::F_GET_SEALS))?],
        Only::Reading => {
            let making = libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | libc::O_TMPFILE;
            // A temporary file is asked for with the bit of a folder, too, which is harmless alone.
            let making = making & !libc::O_DIRECTORY;
            vec![masked(2, bits(making), 0)?]
        }
        Only::Thread => {
            let thread = libc::CLONE_THREAD | libc::CLONE_VM | libc::CLONE_SIGHAND;
            let apart = libc::CLONE_NEWNS
                | libc::CLONE_NEWCGROUP
                | libc::CLONE_NEWUTS
                | libc::CLONE_NEWIPC
                | libc::CLONE_NEWUSER
                | libc::CLONE_NEWPID
                | libc::CLONE_NEWNET;
            vec![masked(0, bits(thread | apart), bits(thread))?]
        }
        Only::NoNewLimit => {
            let (len, eq) = (SeccompCmpArgLen::Qword, SeccompCmpOp::Eq);
            vec![SeccompRule::new(vec![SeccompCondition::new(2, len, eq, 0)?])?]
        }
        Only::Addresses(addresses) => {
            let each = (0..).zip(addresses).map(|(place, value)| {
                SeccompCondition::new(place, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, value)
            });
            vec![SeccompRule::new(each.collect::<Result<_, _>>()?)?]
        }
    })
}

/// The program of a filter that lets these calls through and lets all others fail with `EPERM`.
pub(super) fn program<'a>(
    list: impl IntoIterator<Item = &'a Allowed>,
) -> Result<BpfProgram, BackendError> {
    let mut calls = BTreeMap::new();
    for (_, number, only) in list {
        calls.insert(*number, rules(*only)?);
    }
    let denied = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let architecture = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(calls, denied, SeccompAction::Allow, architecture)?.try_into()
}

/// The program of a filter that says of one call that this kernel does not have it, and lets all others through.
pub(super) fn without(number: i64) -> Result<BpfProgram, BackendError> {
    let absent = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let architecture = std::env::consts::ARCH.try_into()?;
    let calls = BTreeMap::from([(number, Vec::new())]);
    SeccompFilter::new(calls, SeccompAction::Allow, absent, architecture)?.try_into()
}

/// Puts a filter in force for the calling thread; true when it is.
pub(super) fn apply(program: Result<BpfProgram, BackendError>) -> bool {
    program.is_ok_and(|program| seccompiler::apply_filter(&program).is_ok())
}

/// Calls that open a way out, absent from every list.
#[cfg(test)]
pub(super) const WAYS_OUT: [&str; 37] = [
    "open",
    "openat2",
    "creat",
    "socket",
    "socketpair",
    "connect",
    "bind",
    "listen",
    "accept",
    "accept4",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "execveat",
    "fork",
    "vfork",
    "ptrace",
    "kill",
    "tgkill",
    "tkill",
    "ioctl",
    "prctl",
    "unshare",
    "setns",
    "io_uring_setup",
    "bpf",
    "unlink",
    "unlinkat",
    "rename",
    "renameat2",
    "mount",
    "chmod",
    "process_vm_readv",
    "process_vm_writev",
    "pidfd_getfd",
    "memfd_create",
    "keyctl",
];
