//! The walls that the kernel builds on request, each told by whether it stands.

use super::JailLimits;
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetStatus, Scope,
};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// Sets limits that cannot be raised again.
pub(super) fn limit(limits: JailLimits) -> bool {
    let fixed = |resource, amount: u64| {
        // A hard limit that is already lower stays: raising it would need a privilege.
        let amount = getrlimit(resource).maximum.map_or(amount, |hard| amount.min(hard));
        setrlimit(resource, Rlimit { current: Some(amount), maximum: Some(amount) }).is_ok()
    };
    fixed(Resource::Core, 0)
        && fixed(Resource::As, limits.memory_bytes)
        && fixed(Resource::Cpu, limits.processor_seconds)
        // Standard input, output, error, one memory file, and one for building the walls.
        && fixed(Resource::Nofile, 8)
        && fixed(Resource::Fsize, 0)
        && fixed(Resource::Memlock, 0)
        && fixed(Resource::Nproc, 0)
}

/// Closes every descriptor above standard error.
#[allow(unsafe_code, reason = "no safe wrapper for close_range exists in the libraries used here")]
pub(super) fn close_files() -> bool {
    // SAFETY: a plain system call without pointers. The only thing it can break is an owner of one of the closed
    // descriptors; the process is a worker that has just started and owns none but 0, 1 and 2.
    let done = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
    done == 0
}

/// No later exec, of which there is none, could gain a privilege; also what lets an ordinary user filter calls.
#[allow(unsafe_code, reason = "one call is not worth another feature of the wrapper library")]
pub(super) fn forbid_new_privileges() -> bool {
    // SAFETY: a plain system call without pointers.
    unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 }
}

/// Neither traced nor dumped.
pub(super) fn forbid_dumps() -> bool {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok()
}

#[allow(unsafe_code, reason = "the safe wrapper is marked unsafe for other flags, too")]
fn unshare(flags: libc::c_int) -> bool {
    // SAFETY: a plain system call without pointers. The namespaces asked for hold no memory and no descriptors, so
    // that nothing the process owns changes its meaning.
    unsafe { libc::unshare(flags) == 0 }
}

/// Own user namespace, without any user in it.
pub(super) fn leave_users() -> bool {
    unshare(libc::CLONE_NEWUSER)
}

/// Own network namespace, without even a loopback that is up, and own System V objects.
pub(super) fn leave_network() -> bool {
    unshare(libc::CLONE_NEWNET) && unshare(libc::CLONE_NEWIPC)
}

/// Landlock with no rule: no file, no TCP, no signal to others, as far as this kernel knows them.
pub(super) fn leave_files() -> bool {
    let abi = ABI::V6;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(abi)))
        .and_then(|rules| rules.scope(Scope::from_all(abi)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self);
    status.is_ok_and(|status| status.ruleset != RulesetStatus::NotEnforced)
}

/// Asks for the signal that ends the process after so many seconds of wall-clock time; 0 takes the wish back.
#[allow(unsafe_code, reason = "no safe wrapper for setitimer exists in the libraries used here")]
pub(super) fn alarm(seconds: u64) {
    let nothing = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let value = libc::timeval { tv_sec: seconds.try_into().unwrap_or(i64::MAX), tv_usec: 0 };
    let timer = libc::itimerval { it_interval: nothing, it_value: value };
    // SAFETY: the kernel reads one live `itimerval` and, given null, writes nothing.
    unsafe {
        libc::syscall(libc::SYS_setitimer, libc::ITIMER_REAL, &raw const timer, 0_usize);
    }
}
