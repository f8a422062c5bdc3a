//! The jail that a worker process locks itself into.
//!
//! Nothing in it asks for trust in a decoder: after [`enter`] the process can read the memory file it is handed
//! and write an answer to its one socket, and every other way out is closed, most of them twice. A program that is not
//! this one gets walls of its own, by [`Launch`].

mod limits;
mod walls;
mod only;
mod filter;
mod program;
mod kernel;
mod loader;
mod launch;
pub mod map;
pub mod probe;

pub use filter::SYSTEM_CALLS;
pub use launch::{Launch, NotLaunched};
pub use limits::JailLimits;
pub use program::PROGRAM_SYSTEM_CALLS;
pub use walls::{JailMode, Reached, Refused};

/// Locks the calling process in, for good; it must have one thread, and its socket as standard input.
///
/// # Errors
/// [`Refused`] names the first required wall that could not be built, unless `mode` is [`JailMode::Reduced`].
pub fn enter(limits: JailLimits, mode: JailMode) -> Result<Reached, Refused> {
    let mut reached = Reached {
        limits: kernel::limit(limits),
        files_closed: kernel::close_files(),
        no_new_privileges: kernel::forbid_new_privileges(),
        undumpable: kernel::forbid_dumps(),
        ..Reached::default()
    };
    reached.user_namespace = kernel::leave_users();
    reached.network_namespace = kernel::leave_network();
    reached.landlock = kernel::leave_files();
    // Last: it forbids the calls that built the other walls.
    reached.system_calls = filter::apply();
    match reached.missing() {
        Some(missing) if mode == JailMode::Required => Err(missing),
        _ => Ok(reached),
    }
}

/// The descriptors under which the two pipes of an order are read: nothing else is, but the socket.
pub const PIPES: [u64; 2] = only::PIPES;

/// Ends the calling process after so many seconds of wall-clock time; 0 calls that off. Works inside the jail.
pub fn alarm(seconds: u64) {
    kernel::alarm(seconds);
}
