//! AVX-512 BF16: sums of two products of bfloat16 in each of 16 lanes.

#![allow(clippy::needless_range_loop, reason = "indices keep the accumulators in registers")]

use std::arch::x86_64::{
    __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_load_si512, _mm512_set1_epi32, _mm512_setzero_ps,
    _mm512_store_ps,
};

use super::bf16::{GROUP, Line, SIDE, STEP};
use super::bf16_tiles::Products;

/// Rows at a time: 16 sums hide the latency of the instruction.
const ROWS: usize = 8;

/// Reads a vector as pairs of bfloat16.
#[inline]
#[target_feature(enable = "avx512f")]
fn pairs(bits: __m512i) -> __m512bh {
    // SAFETY: both are 64 bytes of plain bits.
    unsafe { std::mem::transmute::<__m512i, __m512bh>(bits) }
}

/// All products of two groups of rows and a panel.
///
/// # Safety
/// `panel` is whole steps of 32 lines, at least one, and `rows` is as long.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) unsafe fn multiply(rows: &[Line], panel: &[Line], products: &mut Products) {
    let steps = panel.len() / (2 * GROUP);
    for start in (0..SIDE).step_by(ROWS) {
        let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
        for step in 0..steps {
            let first = (start / GROUP * steps + step) * GROUP + start % GROUP;
            let lines = &rows[first..first + ROWS];
            for pair in 0..STEP / 2 {
                let queries: [__m512bh; 2] = std::array::from_fn(|half| {
                    let line = &panel[(step * 2 + half) * GROUP + pair];
                    // SAFETY: a line is 64 readable bytes on a multiple of 64.
                    pairs(unsafe { _mm512_load_si512(line.0.as_ptr().cast()) })
                });
                for r in 0..ROWS {
                    let [low, high] = [lines[r].0[pair * 2], lines[r].0[pair * 2 + 1]];
                    let both = u32::from(low) | u32::from(high) << 16;
                    let row = pairs(_mm512_set1_epi32(both as i32));
                    for half in 0..2 {
                        sums[r][half] = _mm512_dpbf16_ps(sums[r][half], queries[half], row);
                    }
                }
            }
        }
        for r in 0..ROWS {
            for half in 0..2 {
                let part = &mut products.0[(start + r) * SIDE + half * 16..][..16];
                // SAFETY: `part` is 16 writable floats on a multiple of 64 bytes: `Products` is
                // aligned and a row of it is 128 bytes.
                unsafe { _mm512_store_ps(part.as_mut_ptr(), sums[r][half]) };
            }
        }
    }
}
