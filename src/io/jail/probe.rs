//! What an attacker who took over a decoder would try, tried from inside the jail.

use std::ffi::CStr;
use std::ptr::null;

/// One try and what the kernel said: 0 when it was allowed, else the error number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// What was tried.
    pub what: &'static str,
    /// The error number; 0 means that it worked.
    pub errno: i32,
}

const PASSWD: &CStr = c"/etc/passwd";
const NULL: &CStr = c"/dev/null";
const NOWHERE: &CStr = c"/nonexistent/file";
const TRUE: &CStr = c"/bin/true";

/// Tries each way out once, in the calling process; `parent` is the process to attack, asked for before the jail.
#[must_use]
#[allow(unsafe_code, reason = "an attacker does not use safe wrappers")]
pub fn try_everything(parent: u32) -> Vec<Tried> {
    let mut tried = Vec::new();
    // SAFETY: every pointer is to a static C string, null where the kernel allows it, or an argument the kernel
    // checks; forked children leave at once; none of the calls gives memory to the kernel to write to.
    unsafe {
        let mut one = |what, number: libc::c_long, arguments: [libc::c_long; 6]| {
            let [a, b, c, d, e, f] = arguments;
            let answer = libc::syscall(number, a, b, c, d, e, f);
            let errno = if answer < 0 {
                std::io::Error::last_os_error().raw_os_error().unwrap_or(-1)
            } else {
                0
            };
            if answer == 0 && matches!(what, "clone" | "fork") {
                // The child of a jail that leaks must not answer in its parent's place.
                libc::_exit(0);
            }
            tried.push(Tried { what, errno });
        };
        let at = libc::c_long::from(libc::AT_FDCWD);
        let parent = libc::c_long::from(parent);
        let text = |path: &'static CStr| path.as_ptr() as libc::c_long;
        let nothing = null::<u8>() as libc::c_long;
        let read_write_execute =
            libc::c_long::from(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC);
        let private = libc::c_long::from(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        let chld = libc::c_long::from(libc::SIGCHLD);
        one("open", libc::SYS_openat, [at, text(PASSWD), 0, 0, 0, 0]);
        one("open-null", libc::SYS_openat, [at, text(NULL), 1, 0, 0, 0]);
        one(
            "socket-inet",
            libc::SYS_socket,
            [libc::AF_INET.into(), libc::SOCK_STREAM.into(), 0, 0, 0, 0],
        );
        one(
            "socket-unix",
            libc::SYS_socket,
            [libc::AF_UNIX.into(), libc::SOCK_STREAM.into(), 0, 0, 0, 0],
        );
        one("clone", libc::SYS_clone, [chld, 0, 0, 0, 0, 0]);
        one("exec", libc::SYS_execve, [text(TRUE), nothing, nothing, 0, 0, 0]);
        one("ptrace-parent", libc::SYS_ptrace, [libc::PTRACE_ATTACH.into(), parent, 0, 0, 0, 0]);
        one("ptrace-me", libc::SYS_ptrace, [libc::PTRACE_TRACEME.into(), 0, 0, 0, 0, 0]);
        one("kill-parent", libc::SYS_kill, [parent, 0, 0, 0, 0, 0]);
        one("kill-parent-hard", libc::SYS_kill, [parent, libc::SIGKILL.into(), 0, 0, 0, 0]);
        one("code-memory", libc::SYS_mmap, [0, 4096, read_write_execute, private, -1, 0]);
        one("unshare", libc::SYS_unshare, [libc::CLONE_NEWNS.into(), 0, 0, 0, 0, 0]);
        one("write-elsewhere", libc::SYS_write, [2, text(NULL), 1, 0, 0, 0]);
        one("ioctl", libc::SYS_ioctl, [0, 0x5412, text(NULL), 0, 0, 0]);
        one("memfd", libc::SYS_memfd_create, [text(NULL), 0, 0, 0, 0, 0]);
        one("chdir", libc::SYS_chdir, [text(NOWHERE), 0, 0, 0, 0, 0]);
        one("unlink", libc::SYS_unlinkat, [at, text(NOWHERE), 0, 0, 0, 0]);
    }
    tried
}
