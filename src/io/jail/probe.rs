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
const SHELL: &CStr = c"/bin/sh";
const MADE: &CStr = c"/tmp/made-by-a-probe";
const EMPTY: &CStr = c"";

/// Makes one call and notes what the kernel said.
///
/// # Safety
/// The call must not give the kernel memory to write to, and every pointer must be one that it may read, or checks.
#[allow(unsafe_code, reason = "an attacker does not use safe wrappers")]
unsafe fn try_one(
    tried: &mut Vec<Tried>,
    what: &'static str,
    number: libc::c_long,
    arguments: [libc::c_long; 6],
) {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: as the caller promises.
    let answer = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    let errno = match answer {
        ..0 => std::io::Error::last_os_error().raw_os_error().unwrap_or(-1),
        _ => 0,
    };
    if answer == 0 && matches!(what, "clone" | "fork" | "vfork") {
        // SAFETY: takes no pointer. The child of a jail that leaks must not answer in its parent's place.
        unsafe { libc::_exit(0) };
    }
    tried.push(Tried { what, errno });
}

/// Tries each way out once, in the calling process; `parent` is the process to attack, asked for before the jail.
#[must_use]
#[allow(unsafe_code, reason = "an attacker does not use safe wrappers")]
pub fn try_everything(parent: u32) -> Vec<Tried> {
    let mut tried = Vec::new();
    // SAFETY: every pointer is to a static C string, null where the kernel allows it, or an argument the kernel
    // checks; forked children leave at once; none of the calls gives memory to the kernel to write to.
    unsafe {
        let mut one = |what, number, arguments| try_one(&mut tried, what, number, arguments);
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

/// Tries what a program that was executed in the jail could try beyond [`try_everything`].
#[must_use]
#[allow(unsafe_code, reason = "an attacker does not use safe wrappers")]
pub fn try_as_program(parent: u32) -> Vec<Tried> {
    let mut tried = Vec::new();
    // SAFETY: every pointer is to a static C string, null where the kernel allows it, or an argument the kernel
    // checks; forked children leave at once; none of the calls gives memory to the kernel to write to.
    unsafe {
        let mut one = |what, number, arguments| try_one(&mut tried, what, number, arguments);
        let at = libc::c_long::from(libc::AT_FDCWD);
        let parent = libc::c_long::from(parent);
        let text = |path: &'static CStr| path.as_ptr() as libc::c_long;
        let write = libc::c_long::from(libc::O_WRONLY);
        let make = libc::c_long::from(libc::O_WRONLY | libc::O_CREAT);
        let temporary = libc::c_long::from(libc::O_TMPFILE | libc::O_RDWR);
        let new_net = libc::c_long::from(libc::CLONE_NEWNET | libc::SIGCHLD);
        let written_code = libc::c_long::from(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC);
        let private = libc::c_long::from(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        let tcp = [libc::c_long::from(libc::AF_INET), libc::SOCK_STREAM.into(), 0, 0, 0, 0];
        let raw = [libc::c_long::from(libc::AF_INET), libc::SOCK_RAW.into(), 1, 0, 0, 0];
        let netlink = [libc::c_long::from(libc::AF_NETLINK), libc::SOCK_RAW.into(), 0, 0, 0, 0];
        one("read-passwd", libc::SYS_openat, [at, text(PASSWD), 0, 0, 0, 0]);
        one("read-environment", libc::SYS_openat, [at, text(c"/proc/1/environ"), 0, 0, 0, 0]);
        one("read-folder", libc::SYS_openat, [at, text(c"/"), 0, 0, 0, 0]);
        one("read-device", libc::SYS_openat, [at, text(c"/dev/urandom"), 0, 0, 0, 0]);
        one("write-null", libc::SYS_openat, [at, text(NULL), write, 0, 0, 0]);
        one("make-file", libc::SYS_openat, [at, text(MADE), make, 0o600, 0, 0]);
        one("temporary-file", libc::SYS_openat, [at, text(c"/tmp"), temporary, 0o600, 0, 0]);
        one("write-own-memory", libc::SYS_openat, [at, text(c"/proc/self/mem"), 2, 0, 0, 0]);
        one("socket-inet", libc::SYS_socket, tcp);
        one("socket-raw", libc::SYS_socket, raw);
        one("socket-netlink", libc::SYS_socket, netlink);
        one("connect", libc::SYS_connect, [0, text(EMPTY), 16, 0, 0, 0]);
        one("fork", libc::SYS_clone, [libc::SIGCHLD.into(), 0, 0, 0, 0, 0]);
        one("fork-apart", libc::SYS_clone, [new_net, 0, 0, 0, 0, 0]);
        one("clone3", libc::SYS_clone3, [0, 0, 0, 0, 0, 0]);
        one("exec-shell", libc::SYS_execve, [text(SHELL), 0, 0, 0, 0, 0]);
        one("exec-item", libc::SYS_execveat, [0, text(EMPTY), 0, 0, 0x1000, 0]);
        one("ptrace-parent", libc::SYS_ptrace, [libc::PTRACE_ATTACH.into(), parent, 0, 0, 0, 0]);
        one("ptrace-me", libc::SYS_ptrace, [libc::PTRACE_TRACEME.into(), 0, 0, 0, 0, 0]);
        one("read-parent", libc::SYS_process_vm_readv, [parent, 0, 0, 0, 0, 0]);
        one("kill-parent", libc::SYS_kill, [parent, 0, 0, 0, 0, 0]);
        one("kill-parent-hard", libc::SYS_kill, [parent, libc::SIGKILL.into(), 0, 0, 0, 0]);
        one("kill-all", libc::SYS_kill, [-1, 0, 0, 0, 0, 0]);
        one("written-code", libc::SYS_mmap, [0, 4096, written_code, private, -1, 0]);
        one("new-code", libc::SYS_mprotect, [0, 4096, libc::PROT_EXEC.into(), 0, 0, 0]);
        one("unlink", libc::SYS_unlinkat, [at, text(PASSWD), 0, 0, 0, 0]);
        one("rename", libc::SYS_renameat2, [at, text(PASSWD), at, text(MADE), 0, 0]);
        one("mount", libc::SYS_mount, [text(EMPTY), text(c"/tmp"), text(c"tmpfs"), 0, 0, 0]);
        one("bpf", libc::SYS_bpf, [0, 0, 0, 0, 0, 0]);
        one("io-uring", libc::SYS_io_uring_setup, [1, 0, 0, 0, 0, 0]);
        one("unshare", libc::SYS_unshare, [libc::CLONE_NEWNS.into(), 0, 0, 0, 0, 0]);
        one("memfd", libc::SYS_memfd_create, [text(EMPTY), 0, 0, 0, 0, 0]);
        one("ioctl", libc::SYS_ioctl, [0, 0x5412, text(NULL), 0, 0, 0]);
        one("prctl", libc::SYS_prctl, [libc::PR_SET_DUMPABLE.into(), 1, 0, 0, 0, 0]);
        one("higher-limit", libc::SYS_prlimit64, [0, libc::RLIMIT_AS.into(), text(NULL), 0, 0, 0]);
        one("write-elsewhere", libc::SYS_write, [0, text(NULL), 1, 0, 0, 0]);
    }
    tried
}
