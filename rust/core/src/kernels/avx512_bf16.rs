//! AVX-512 BF16: sums of two products of bfloat16 in each of 16 lanes.

#![allow(clippy::needless_range_loop, reason = "indices keep the accumulators in registers")]

use std::arch::x86_64::{
    __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_load_si512, _mm512_loadu_ps, _mm512_set1_epi32,
    _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::bf16::{GROUP, Line, SIDE, STEP};
use super::bf16_tiles::{Bf16Rows, Products};

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
    let rows = Bf16Rows::grouped(rows, panel.len() / 2);
    // SAFETY: as the caller promises; `products` is 32 rows of 32.
    unsafe { multiply_into(&rows, panel, products.0.as_mut_ptr(), SIDE, false) };
}

/// The same for rows wherever they lie, written, or added, to 32 rows of `target`.
///
/// # Safety
/// `panel` is whole steps of 32 lines, at least one; `rows` has as many steps of 32 rows; `target` has 32
/// rows of 32 floats, `pitch` apart.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) unsafe fn multiply_into(
    rows: &Bf16Rows,
    panel: &[Line],
    target: *mut f32,
    pitch: usize,
    add: bool,
) {
    let steps = panel.len() / (2 * GROUP);
    for start in (0..SIDE).step_by(ROWS) {
        let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
        if add {
            for r in 0..ROWS {
                for half in 0..2 {
                    // SAFETY: the caller promises 32 rows of 32 floats.
                    sums[r][half] =
                        unsafe { _mm512_loadu_ps(target.add((start + r) * pitch + half * GROUP)) };
                }
            }
        }
        for step in 0..steps {
            let mut lines = [&Line::ZERO; ROWS];
            for r in 0..ROWS {
                lines[r] = &rows.lines[rows.place(start + r, step)];
            }
            for pair in 0..STEP / 2 {
                let mut queries = [pairs(_mm512_set1_epi32(0)); 2];
                for half in 0..2 {
                    let line = &panel[(step * 2 + half) * GROUP + pair];
                    // SAFETY: a line is 64 readable bytes on a multiple of 64.
                    queries[half] = pairs(unsafe { _mm512_load_si512(line.0.as_ptr().cast()) });
                }
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
                // SAFETY: the caller promises 32 rows of 32 floats.
                unsafe {
                    _mm512_storeu_ps(target.add((start + r) * pitch + half * GROUP), sums[r][half]);
                }
            }
        }
    }
}
