//! A sealed memory file as a slice of bytes.

use rustix::fs::{SealFlags, fcntl_get_seals};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

/// Bytes of a memory file that nobody can change, unmapped when dropped.
pub struct Mapped {
    start: NonNull<u8>,
    len: usize,
}

impl Mapped {
    /// Maps the first `len` bytes, read-only.
    ///
    /// # Errors
    /// `InvalidInput` when the file is not sealed against writing and shrinking; otherwise what the kernel says.
    #[allow(unsafe_code, reason = "a mapping cannot be made otherwise")]
    pub fn new(file: BorrowedFd<'_>, len: usize) -> io::Result<Self> {
        let needed = SealFlags::WRITE | SealFlags::SHRINK;
        if !fcntl_get_seals(file)?.contains(needed) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "memory file is not sealed"));
        }
        if len == 0 {
            return Ok(Self { start: NonNull::dangling(), len });
        }
        // SAFETY: no address is asked for, so that no existing mapping is replaced.
        let start = unsafe {
            mmap(std::ptr::null_mut(), len, ProtFlags::READ, MapFlags::PRIVATE, file, 0)?
        };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::Other)?;
        Ok(Self { start, len })
    }

    /// The bytes. Reading beyond the end of a file that is shorter than it was said to be ends the process.
    #[must_use]
    #[allow(unsafe_code, reason = "the kernel's mapping becomes a slice here and nowhere else")]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `start` is a live read-only mapping of `len` bytes (or dangling with `len` 0) until `self` is
        // dropped, which the borrow prevents; the seals checked in `new` keep every process from changing it.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Mapped {
    #[allow(unsafe_code, reason = "the counterpart of the mapping")]
    fn drop(&mut self) {
        if self.len > 0 {
            // SAFETY: exactly the mapping that `new` made, and no slice of it outlives `self`.
            let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{MemfdFlags, fcntl_add_seals, memfd_create};
    use std::fs::File;
    use std::io::Write as _;
    use std::os::fd::AsFd as _;

    #[test]
    fn only_a_sealed_file_is_mapped() {
        let file = memfd_create("x", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        let mut file = File::from(file);
        file.write_all(b"abc").unwrap();
        assert!(Mapped::new(file.as_fd(), 3).is_err());
        fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SHRINK).unwrap();
        assert_eq!(Mapped::new(file.as_fd(), 3).unwrap().bytes(), b"abc");
        assert_eq!(Mapped::new(file.as_fd(), 0).unwrap().bytes(), b"");
    }
}
