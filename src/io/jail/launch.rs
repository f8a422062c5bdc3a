//! One program that is executed inside walls of its own, since it cannot build them itself.

use super::limits::JailLimits;
use super::loader::loader;
use super::walls::{JailMode, Reached, Refused};
use super::{kernel, program};
use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Where loaders look for libraries; those that a machine does not have are left out.
const LIBRARIES: [&str; 8] = [
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/local/lib64",
    "/etc/ld.so.cache",
    "/etc/ld-musl-x86_64.path",
];

/// Why a program was not executed.
#[derive(Debug, thiserror::Error)]
pub enum NotLaunched {
    /// A required wall could not be built.
    #[error(transparent)]
    Jail(#[from] Refused),
    /// It is not there, or not for this machine.
    #[error("program cannot be executed: {0}")]
    Execute(#[from] io::Error),
}

/// A program and what it is told, ready to be executed.
pub struct Launch {
    call: kernel::Call,
    /// Files and folders that it may read.
    readable: Vec<PathBuf>,
    /// Files that may be executed: itself and its loader.
    executable: Vec<PathBuf>,
}

impl Launch {
    /// Reads what has to be known of the program outside the jail.
    ///
    /// # Errors
    /// [`NotLaunched::Execute`] when it is no program for this machine; a script is none.
    pub fn new(program: &Path, arguments: &[&OsStr]) -> Result<Self, NotLaunched> {
        let text = |text: &OsStr| CString::new(text.as_bytes()).map_err(io::Error::from);
        let own = program.canonicalize()?;
        // Programs that bring their libraries along have them beside the folder they stand in.
        let beside = own.parent().and_then(Path::parent).filter(|above| above.parent().is_some());
        let brought = beside.into_iter().flat_map(|above| [above.join("lib"), above.join("lib64")]);
        let readable = LIBRARIES.into_iter().map(PathBuf::from).chain(brought).collect();
        let executable = std::iter::once(own.clone()).chain(loader(&own)?).collect();
        let arguments: Result<Vec<_>, _> =
            arguments.iter().map(|argument| text(argument)).collect();
        let call = kernel::Call::new(text(own.as_os_str())?, arguments?);
        Ok(Self { call, readable, executable })
    }

    /// Locks the calling process in, for good, and becomes the program, with an empty environment; the process must have
    /// one thread. Returns only where that failed. `told` is given the walls that stand.
    ///
    /// Standard input, output and error are what the program gets; everything else is closed. After `wall_seconds` the
    /// kernel ends it. Being undumpable is no wall here: executing a program undoes it.
    pub fn start(
        &self,
        limits: JailLimits,
        wall_seconds: u64,
        mode: JailMode,
        told: impl FnOnce(Reached),
    ) -> NotLaunched {
        let mut reached = Reached {
            limits: kernel::limit_program(limits),
            files_closed: kernel::close_files(),
            no_new_privileges: kernel::forbid_new_privileges(),
            ..Reached::default()
        };
        kernel::alarm(wall_seconds);
        reached.user_namespace = kernel::leave_users();
        reached.network_namespace = kernel::leave_network();
        reached.landlock = kernel::leave_files_but(&self.readable, &self.executable);
        // Last: it forbids the calls that built the other walls.
        reached.system_calls = program::apply(self.call.addresses());
        match reached.missing_around_program() {
            Some(missing) if mode == JailMode::Required => return missing.into(),
            _ => told(reached),
        }
        self.call.execute().into()
    }
}
