//! The innermost loops for x86-64 processors with AVX2, and with AVX-512 and its counting of bits.
//!
//! Every function here has a twin in safe code, `PLAIN`, and the tests compare them.
#![allow(
    unsafe_code,
    reason = "instructions that not every processor has; each use says why it is sound"
)]

use crate::core::hamming::loops::{Found, Kernel, LANES, Walk, distances_any, near_any};
use crate::core::signal::Bits256;
use std::arch::is_x86_feature_detected;
use std::arch::x86_64::{
    __m256i, _mm256_add_epi8, _mm256_and_si256, _mm256_cmpgt_epi16, _mm256_loadu_si256,
    _mm256_maddubs_epi16, _mm256_movemask_epi8, _mm256_packs_epi16, _mm256_permute4x64_epi64,
    _mm256_set1_epi8, _mm256_set1_epi16, _mm256_setr_epi8, _mm256_shuffle_epi8, _mm256_srli_epi16,
    _mm256_xor_si256, _mm512_cmple_epu16_mask, _mm512_loadu_si512, _mm512_popcnt_epi16,
    _mm512_set1_epi16, _mm512_xor_si512,
};

const AVX2: Kernel = Kernel {
    name: "avx2",
    filter: |walk, places| {
        // SAFETY: `available` hands this kernel out only where the processor has AVX2 and POPCNT.
        unsafe { filter_avx2(walk, places) }
    },
    near: |values, query, radius, found| {
        // SAFETY: as above, the processor has AVX2 and POPCNT.
        unsafe { near_avx2(values, query, radius, found) }
    },
    distances: |values, places, query, distances| {
        // SAFETY: as above, the processor has AVX2 and POPCNT.
        unsafe { distances_avx2(values, places, query, distances) }
    },
};

const AVX512: Kernel = Kernel {
    name: "avx512",
    filter: |walk, places| {
        // SAFETY: `available` hands this kernel out only where the processor has all that the function is made for.
        unsafe { filter_avx512(walk, places) }
    },
    near: |values, query, radius, found| {
        // SAFETY: as above, the processor has all that the function is made for.
        unsafe { near_avx512(values, query, radius, found) }
    },
    distances: |values, places, query, distances| {
        // SAFETY: as above, the processor has AVX2 and POPCNT.
        unsafe { distances_avx2(values, places, query, distances) }
    },
};

/// Those of the kernels that this processor can run, the best last.
pub(super) fn available() -> Vec<Kernel> {
    let has_avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt");
    let has_avx512 = has_avx2
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bitalg")
        && is_x86_feature_detected!("avx512vpopcntdq");
    [(has_avx2, AVX2), (has_avx512, AVX512)]
        .into_iter()
        .filter_map(|(has, kernel)| has.then_some(kernel))
        .collect()
}

/// Appends the places of the set bits of a mask whose lowest bit stands for place `from`.
#[inline(always)]
fn push_set(mut mask: u32, from: usize, places: &mut Vec<u32>) {
    while mask != 0 {
        places.push(from as u32 + mask.trailing_zeros());
        mask &= mask - 1;
    }
}

/// # Safety
/// The processor must have what is enabled here.
#[target_feature(enable = "avx512bw,avx512bitalg,bmi1,bmi2")]
unsafe fn filter_avx512(walk: &mut Walk<'_>, places: &mut Vec<u32>) {
    walk.round(places, |lines, run, places| {
        let query = _mm512_set1_epi16(run.query as i16);
        let most = _mm512_set1_epi16(run.most as i16);
        for (at, line) in run.lines().zip(&lines[run.lines_in_memory()]) {
            // SAFETY: a line is 64 bytes long; the load wants no alignment.
            let some = unsafe { _mm512_loadu_si512(std::ptr::from_ref(line).cast()) };
            let bits = _mm512_popcnt_epi16(_mm512_xor_si512(some, query));
            let near = _mm512_cmple_epu16_mask(bits, most) & run.within(at);
            push_set(near, at * LANES, places);
        }
    });
}

/// # Safety
/// The processor must have what is enabled here.
#[target_feature(enable = "avx2,bmi1,bmi2")]
unsafe fn filter_avx2(walk: &mut Walk<'_>, places: &mut Vec<u32>) {
    // Bits of each half byte, looked up in the halves of the register.
    let ones = _mm256_setr_epi8(
        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3,
        3, 4,
    );
    let half = _mm256_set1_epi8(0x0f);
    let each = _mm256_set1_epi8(1);
    walk.round(places, |lines, run, places| {
        let query = _mm256_set1_epi16(run.query as i16);
        let most = _mm256_set1_epi16(run.most as i16);
        let beyond = |some| {
            let bits = _mm256_xor_si256(some, query);
            let low = _mm256_shuffle_epi8(ones, _mm256_and_si256(bits, half));
            let high = _mm256_and_si256(_mm256_srli_epi16::<4>(bits), half);
            let bytes = _mm256_add_epi8(low, _mm256_shuffle_epi8(ones, high));
            // The two bytes of a sketch, added.
            _mm256_cmpgt_epi16(_mm256_maddubs_epi16(bytes, each), most)
        };
        for (at, line) in run.lines().zip(&lines[run.lines_in_memory()]) {
            let start: *const __m256i = std::ptr::from_ref(line).cast();
            // SAFETY: a line is 64 bytes long: two halves of 32 bytes each; the loads want no alignment.
            let (first, second) =
                unsafe { (_mm256_loadu_si256(start), _mm256_loadu_si256(start.add(1))) };
            // Words become bytes, in an order that is put right after: 0 to 7, 16 to 23, 8 to 15, 24 to 31.
            let packed = _mm256_packs_epi16(beyond(first), beyond(second));
            let ordered = _mm256_permute4x64_epi64::<0b11_01_10_00>(packed);
            let near = !(_mm256_movemask_epi8(ordered) as u32) & run.within(at);
            push_set(near, at * LANES, places);
        }
    });
}

/// # Safety
/// The processor must have what is enabled here.
#[target_feature(enable = "avx2,popcnt")]
unsafe fn near_avx2(values: &[Bits256], query: &Bits256, radius: u32, found: &mut Found) {
    near_any(values, query, radius, found);
}

/// # Safety
/// The processor must have what is enabled here.
#[target_feature(enable = "avx2,popcnt,avx512bw,avx512vl,avx512vpopcntdq")]
unsafe fn near_avx512(values: &[Bits256], query: &Bits256, radius: u32, found: &mut Found) {
    near_any(values, query, radius, found);
}

/// # Safety
/// The processor must have what is enabled here.
#[target_feature(enable = "avx2,popcnt")]
unsafe fn distances_avx2(
    values: &[Bits256],
    places: &[u32],
    query: &Bits256,
    distances: &mut Vec<u32>,
) {
    distances_any(values, places, query, distances);
}
