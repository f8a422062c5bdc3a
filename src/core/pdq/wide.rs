//! Runs a loop with the wide instructions of the processor, where it has them.
#![allow(
    unsafe_code,
    reason = "instructions that not every processor has; the one use says why it is sound"
)]

/// A loop that the compiler can make faster where it knows of wider registers.
///
/// The result is the same with and without: the compiler neither reorders sums of floating-point numbers nor merges
/// products into them, whatever the processor offers. [`Work::run`] must be inlined, with all that takes time in it:
/// what is called is made for every processor.
pub(super) trait Work {
    /// What comes of it.
    type Done;
    /// The loop in safe code. `FUSED` says that a product and a sum in one instruction are to be had.
    fn run<const FUSED: bool>(self) -> Self::Done;
}

/// Runs the loop in the best form that this processor has.
pub(super) fn run<W: Work>(work: W) -> W::Done {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        // SAFETY: the function holds nothing but safe code, and needs a processor with AVX2 and FMA: it was just asked.
        return unsafe { avx2(work) };
    }
    work.run::<false>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<W: Work>(work: W) -> W::Done {
    work.run::<true>()
}

/// The quotient to the nearest, of which `by` is a whole number from 1 to 2^16 and `inverse` its inverse to the nearest.
///
/// A division takes three times as long as the fused form, which is the same to the last bit. Let `q` be the product of
/// `sum` and `inverse`, within two units in its last place of the true quotient. The rest `sum - q · by` is a whole
/// number of such units, at most 2^17 of them, so it is computed exactly, and the true quotient is `q + rest / by`.
/// `rest · inverse` differs from `rest / by` by at most 2^-23 units. The true quotient is no nearer than `1 / (2 by)`, at
/// least 2^-17 units, to the middle between two neighbours, and never such a middle itself, which has 25 binary digits:
/// its product with a whole number would have as many at least, and `sum` has 24. So both round to the same side.
#[inline(always)]
pub(super) fn divide<const FUSED: bool>(sum: f32, by: f32, inverse: f32) -> f32 {
    if FUSED {
        let quotient = sum * inverse;
        let rest = (-quotient).mul_add(by, sum);
        rest.mul_add(inverse, quotient)
    } else {
        sum / by
    }
}

/// Side of the squares that are turned at once, which is what a register of every processor holds.
pub(super) const TILE: usize = 4;

/// A square with its rows as columns.
#[inline(always)]
pub(super) fn square(rows: [&[f32; TILE]; TILE]) -> [[f32; TILE]; TILE] {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{
            _mm_loadu_ps, _mm_movehl_ps, _mm_movelh_ps, _mm_storeu_ps, _mm_unpackhi_ps,
            _mm_unpacklo_ps,
        };
        let mut columns = [[0.0; TILE]; TILE];
        // SAFETY: every x86-64 processor has SSE; each load and store is of the four values of one array, and needs no
        // alignment.
        unsafe {
            let [a, b, c, d] = rows.map(|row| _mm_loadu_ps(row.as_ptr()));
            let (ab, cd) = (_mm_unpacklo_ps(a, b), _mm_unpacklo_ps(c, d));
            let (ab_high, cd_high) = (_mm_unpackhi_ps(a, b), _mm_unpackhi_ps(c, d));
            _mm_storeu_ps(columns[0].as_mut_ptr(), _mm_movelh_ps(ab, cd));
            _mm_storeu_ps(columns[1].as_mut_ptr(), _mm_movehl_ps(cd, ab));
            _mm_storeu_ps(columns[2].as_mut_ptr(), _mm_movelh_ps(ab_high, cd_high));
            _mm_storeu_ps(columns[3].as_mut_ptr(), _mm_movehl_ps(cd_high, ab_high));
        }
        columns
    }
    #[cfg(not(target_arch = "x86_64"))]
    square_plain(rows)
}

/// Side of the squares of short values that are turned at once.
pub(super) const EIGHT: usize = 8;

/// A square of short values with its rows as columns.
#[inline(always)]
pub(super) fn square_of_eight(rows: [&[u16; EIGHT]; EIGHT]) -> [[u16; EIGHT]; EIGHT] {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{
            _mm_loadu_si128, _mm_storeu_si128, _mm_unpackhi_epi16, _mm_unpackhi_epi32,
            _mm_unpackhi_epi64, _mm_unpacklo_epi16, _mm_unpacklo_epi32, _mm_unpacklo_epi64,
        };
        let mut columns = [[0; EIGHT]; EIGHT];
        // SAFETY: every x86-64 processor has SSE2; each load and store is of the eight values of one array, and needs no
        // alignment.
        unsafe {
            let [a, b, c, d, e, f, g, h] = rows.map(|row| _mm_loadu_si128(row.as_ptr().cast()));
            let half = |a, b, c, d| {
                let (ab, cd) = (_mm_unpacklo_epi16(a, b), _mm_unpacklo_epi16(c, d));
                let (ab_high, cd_high) = (_mm_unpackhi_epi16(a, b), _mm_unpackhi_epi16(c, d));
                [
                    _mm_unpacklo_epi32(ab, cd),
                    _mm_unpackhi_epi32(ab, cd),
                    _mm_unpacklo_epi32(ab_high, cd_high),
                    _mm_unpackhi_epi32(ab_high, cd_high),
                ]
            };
            let halves = half(a, b, c, d).into_iter().zip(half(e, f, g, h));
            for (two, (upper, lower)) in columns.as_chunks_mut().0.iter_mut().zip(halves) {
                let [even, odd]: &mut [[u16; EIGHT]; 2] = two;
                _mm_storeu_si128(even.as_mut_ptr().cast(), _mm_unpacklo_epi64(upper, lower));
                _mm_storeu_si128(odd.as_mut_ptr().cast(), _mm_unpackhi_epi64(upper, lower));
            }
        }
        columns
    }
    #[cfg(not(target_arch = "x86_64"))]
    square_plain(rows)
}

/// The same in safe code.
#[cfg(any(test, not(target_arch = "x86_64")))]
pub(super) fn square_plain<T: Copy, const N: usize>(rows: [&[T; N]; N]) -> [[T; N]; N] {
    std::array::from_fn(|x| rows.map(|row| row[x]))
}
