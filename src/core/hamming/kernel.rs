//! Which form of the innermost loops is taken: all have one result, and the best that the processor has is the fastest.

use crate::core::hamming::loops::{Kernel, PLAIN};
#[cfg(target_arch = "x86_64")]
use crate::core::hamming::x86;
use std::sync::OnceLock;

/// The best that this processor has.
pub(super) fn best() -> Kernel {
    static BEST: OnceLock<Kernel> = OnceLock::new();
    *BEST.get_or_init(|| all().pop().unwrap_or(PLAIN))
}

/// All that this processor has, the best last.
pub(super) fn all() -> Vec<Kernel> {
    let mut all = vec![PLAIN];
    #[cfg(target_arch = "x86_64")]
    all.extend(x86::available());
    all
}
