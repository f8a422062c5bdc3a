//! The heap of the process: large memory goes back to the system as soon as it is freed.
//!
//! By itself the allocator of glibc comes to keep blocks of up to 32 MiB for later, in a pool for each thread: after
//! layers of many sizes were built and dropped, twice the memory is held that is used, and more with time.
#![allow(unsafe_code, reason = "the settings of glibc's allocator have no safe wrapper")]

/// Bytes from which memory has pages of its own.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const OWN_PAGES: libc::c_int = 1 << 20;
/// Free bytes at the end of a pool from which they are given back.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const FREE_MAX: libc::c_int = 16 << 20;

/// Has large memory given back from now on. Other allocators are left as they are.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `mallopt` takes two numbers, may be called at any time and from any thread, and changes nothing of what is
    // allocated. A refused setting leaves the usual one in force.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_PAGES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, FREE_MAX);
    }
}
