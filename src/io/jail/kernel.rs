//! The walls that the kernel builds on request, each told by whether it stands.

use super::JailLimits;
use super::limits::GRACE_SECONDS;
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, PathBeneath,
    PathFd, Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError,
    RulesetStatus, Scope,
};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};
use std::ffi::{CString, c_char, c_void};
use std::io;
use std::path::PathBuf;
use std::ptr::null;

/// Sets a limit; where it leaves room between what is asked for and what is forced, the second is `beyond` higher.
fn fixed_beyond(resource: Resource, amount: u64, beyond: u64) -> bool {
    // A hard limit that is already lower stays: raising it would need a privilege.
    let hard = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let maximum = amount.saturating_add(beyond).min(hard);
    let limit = Rlimit { current: Some(amount.min(hard)), maximum: Some(maximum) };
    setrlimit(resource, limit).is_ok()
}

fn fixed(resource: Resource, amount: u64) -> bool {
    fixed_beyond(resource, amount, 0)
}

/// Sets limits that cannot be raised again.
pub(super) fn limit(limits: JailLimits) -> bool {
    fixed(Resource::Core, 0)
        && fixed(Resource::As, limits.memory_bytes)
        && fixed(Resource::Cpu, limits.processor_seconds)
        // Standard input, output, error, one memory file, and one for building the walls.
        && fixed(Resource::Nofile, 8)
        && fixed(Resource::Fsize, 0)
        && fixed(Resource::Memlock, 0)
        && fixed(Resource::Nproc, 0)
}

/// The same for a program that is executed: it opens libraries, may have threads (processes it cannot have, by the filter),
/// and is asked to end before it is ended, so that it can say that it was out of time.
pub(super) fn limit_program(limits: JailLimits) -> bool {
    fixed(Resource::Core, 0)
        && fixed(Resource::As, limits.memory_bytes)
        && fixed_beyond(Resource::Cpu, limits.processor_seconds, GRACE_SECONDS)
        && fixed(Resource::Nofile, 16)
        && fixed(Resource::Fsize, 0)
        && fixed(Resource::Memlock, 0)
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
fn no_files() -> Result<RulesetCreated, RulesetError> {
    let abi = ABI::V6;
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(abi)))
        .and_then(|rules| rules.scope(Scope::from_all(abi)))
        .and_then(Ruleset::create)
}

fn restrict(rules: Result<RulesetCreated, RulesetError>) -> bool {
    let status = rules.and_then(RulesetCreated::restrict_self);
    status.is_ok_and(|status| status.ruleset != RulesetStatus::NotEnforced)
}

/// Leaves every file.
pub(super) fn leave_files() -> bool {
    restrict(no_files())
}

/// Leaves every file but those that may be read, and those that may also be executed; a folder stands for what is in it.
/// What is not there is left out.
pub(super) fn leave_files_but(readable: &[PathBuf], executable: &[PathBuf]) -> bool {
    let read: BitFlags<AccessFs> = AccessFs::ReadFile.into();
    let rule =
        |rules: Result<RulesetCreated, RulesetError>, path: &PathBuf, access| match PathFd::new(
            path,
        ) {
            Ok(file) => rules.and_then(|rules| rules.add_rule(PathBeneath::new(file, access))),
            Err(_) => rules,
        };
    let rules = readable.iter().fold(no_files(), |rules, path| rule(rules, path, read));
    let run = read | AccessFs::Execute;
    restrict(executable.iter().fold(rules, |rules, path| rule(rules, path, run)))
}

/// A program with its arguments and an empty environment, as the kernel takes them, at addresses that stay the same.
pub(super) struct Call {
    /// The program, then its arguments, which begin with its name.
    texts: Vec<CString>,
    /// To each of the texts, then null.
    arguments: Vec<*const c_char>,
    /// Null alone.
    environment: Box<[*const c_char; 1]>,
}

impl Call {
    /// A program and its arguments behind its name.
    pub(super) fn new(program: CString, arguments: impl IntoIterator<Item = CString>) -> Self {
        let texts: Vec<_> = std::iter::once(program).chain(arguments).collect();
        let pointers = texts.iter().map(|text| text.as_ptr());
        let arguments = pointers.chain(std::iter::once(null())).collect();
        Self { texts, arguments, environment: Box::new([null()]) }
    }

    /// Where the program's name, its arguments and its environment lie.
    pub(super) fn addresses(&self) -> [*const c_void; 3] {
        let arguments = self.arguments.as_ptr().cast();
        [self.arguments[0].cast(), arguments, self.environment.as_ptr().cast()]
    }

    /// Becomes the program; returns only where that failed.
    #[allow(unsafe_code, reason = "the addresses have to be those that the filter knows")]
    pub(super) fn execute(&self) -> io::Error {
        debug_assert_eq!(self.texts.len() + 1, self.arguments.len());
        let [program, arguments, environment] = self.addresses();
        // SAFETY: `new` made both lists, which nothing changes: each ends with null, and every pointer before it is to one
        // of the `texts`, C strings that live as long as `self` and do not move with it. The kernel copies all of it before
        // it gives up this process's memory, and writes nothing where the call fails.
        unsafe { libc::execve(program.cast(), arguments.cast(), environment.cast()) };
        io::Error::last_os_error()
    }
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
