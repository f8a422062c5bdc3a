//! Memory of large tables: of exactly their size, beginning at a cache line, on large pages where the system has them.
//!
//! A look-up in a table of gigabytes touches hundreds of unrelated places. Each costs a cache line, two where what is
//! read lies across the end of one; and on pages of 4 KiB a walk through the page tables, too.
#![allow(unsafe_code, reason = "no list of the standard library begins where it is told to")]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Bytes of a cache line.
const LINE: usize = 64;
/// Bytes of a large page; a list of several of them begins with one.
const LARGE_PAGE: usize = 2 << 20;
/// Bytes below which large pages would waste more than they save.
const LARGE: usize = 4 * LARGE_PAGE;

/// A list of a fixed length.
pub(super) struct Block<T: Copy> {
    /// Of `len` elements, all of them written; dangling where there are none.
    start: NonNull<T>,
    len: usize,
}

impl<T: Copy> Block<T> {
    /// A list of `len` equal elements, to be overwritten.
    pub(super) fn filled(value: T, len: usize) -> Self {
        let Some(layout) = Self::layout(len) else {
            return Self { start: NonNull::dangling(), len };
        };
        // SAFETY: the layout is not of size zero: `Self::layout` gives none where it would be.
        let Some(start) = NonNull::new(unsafe { alloc(layout) }) else {
            handle_alloc_error(layout)
        };
        ask_for_large_pages(start, layout);
        let start = start.cast::<T>();
        for at in 0..len {
            // SAFETY: the memory is of `len` elements and aligned for them, and `at` is less than `len`.
            unsafe { start.add(at).write(value) };
        }
        Self { start, len }
    }

    /// How the memory of so many elements lies; none where it takes no memory.
    fn layout(len: usize) -> Option<Layout> {
        let elements = Layout::array::<T>(len).expect("less than half of the address space");
        let large = elements.size() >= LARGE;
        let layout = elements.align_to(if large { LARGE_PAGE } else { LINE });
        (elements.size() > 0).then(|| layout.expect("less than half of the address space"))
    }
}

impl<T: Copy> Drop for Block<T> {
    fn drop(&mut self) {
        if let Some(layout) = Self::layout(self.len) {
            // SAFETY: the memory was allocated by `Self::filled` with the same layout, which the length alone decides,
            // and nobody else frees it. The elements need no dropping: they are `Copy`.
            unsafe { dealloc(self.start.as_ptr().cast(), layout) };
        }
    }
}

impl<T: Copy> Deref for Block<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `start` is of `len` elements, written when the list was made, or dangling and of none; and the list
        // owns them for as long as it is borrowed.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T: Copy> DerefMut for Block<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`, and whoever has the list mutably borrowed is alone with it.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

// SAFETY: a block owns its elements as a boxed slice does, and has no state besides.
unsafe impl<T: Copy + Send> Send for Block<T> {}
// SAFETY: as above; a shared block gives out shared elements only.
unsafe impl<T: Copy + Sync> Sync for Block<T> {}

/// Asks the system to back memory with large pages once it is touched.
#[cfg(target_os = "linux")]
fn ask_for_large_pages(start: NonNull<u8>, layout: Layout) {
    if layout.align() == LARGE_PAGE {
        // SAFETY: the range was just allocated and begins at a page, and MADV_HUGEPAGE changes neither what it holds
        // nor how it may be accessed. Where the kernel has no large pages the call fails and nothing is lost.
        unsafe { libc::madvise(start.as_ptr().cast(), layout.size(), libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn ask_for_large_pages(_start: NonNull<u8>, _layout: Layout) {}

/// Has the processor fetch the memory of an element that will be read soon, into the second level of the cache: more
/// than the first has room for is under way at one time. Nothing happens where there is no such element.
#[inline(always)]
pub(super) fn prefetch<T>(list: &[T], at: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(element) = list.get(at) {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: SSE belongs to every x86-64 processor, and a prefetch reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(std::ptr::from_ref(element).cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (list, at);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_every_size_begin_at_a_line_and_hold_what_they_were_filled_with() {
        for len in [0, 1, 3, 1000, LARGE / 2 - 1, LARGE / 2, LARGE / 2 + 7] {
            let mut list = Block::filled(7_u16, len);
            assert_eq!(list.len(), len);
            assert!(list.iter().all(|value| *value == 7));
            if len > 0 {
                assert_eq!(list.as_ptr().addr() % LINE, 0);
                list[len - 1] = 8;
                assert_eq!(
                    list.iter().map(|value| usize::from(*value)).sum::<usize>(),
                    7 * len + 1
                );
            }
        }
        assert_eq!(Block::filled((), 5).len(), 5);
    }
}
