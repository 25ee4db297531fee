//! AVX-512 on codes of 8 bits with scales: sums by VNNI, and what scales sums into floats.

#![allow(clippy::needless_range_loop, reason = "indices keep the accumulators in registers")]

use std::arch::x86_64::{
    __m512, __m512i, _mm512_cvtepi32_ps, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_load_si512,
    _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps,
    _mm512_setzero_ps, _mm512_setzero_si512, _mm512_storeu_ps,
};

use super::bf16::{GROUP, SIDE};
use super::block_codes::{CodePanel, CodeRows, STEPS, Sums};
use super::int8::{LINE, QUAD};

/// Rows at a time: 16 sums hide the latency of the instruction.
const ROWS: usize = 8;

/// Loads 32 values as two vectors.
#[inline]
#[target_feature(enable = "avx512f")]
fn halves(values: &[f32; SIDE]) -> [__m512; 2] {
    // SAFETY: `values` is 32 readable floats; the loads need no alignment.
    unsafe { [_mm512_loadu_ps(values.as_ptr()), _mm512_loadu_ps(values.as_ptr().add(GROUP))] }
}

/// Scales a row's sums and adds them to 32 floats, or writes them.
///
/// # Safety
/// `target` is 32 writable floats.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn collect(
    sums: [__m512i; 2],
    scales: [__m512; 2],
    row_scale: f32,
    target: *mut f32,
    add: bool,
) {
    let row_scale = _mm512_set1_ps(row_scale);
    for half in 0..2 {
        // SAFETY: the caller promises 32 floats.
        unsafe {
            let target = target.add(half * GROUP);
            let before = if add { _mm512_loadu_ps(target) } else { _mm512_setzero_ps() };
            let sum = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[half]), scales[half]);
            _mm512_storeu_ps(target, _mm512_fmadd_ps(sum, row_scale, before));
        }
    }
}

/// Scales a block's sums, and adds them to 32 rows of floats, or writes them.
///
/// # Safety
/// `target` has 32 rows of 32 floats, `pitch` apart.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn collect_block(
    sums: &Sums,
    scales: &[f32; SIDE],
    row_scales: &[f32; SIDE],
    (target, pitch): (*mut f32, usize),
    add: bool,
) {
    let scales = halves(scales);
    for row in 0..SIDE {
        let mut loaded = [_mm512_setzero_si512(); 2];
        for half in 0..2 {
            let part = &sums.0[row * SIDE + half * GROUP..][..GROUP];
            // SAFETY: `part` is 16 of the sums, on a multiple of 64 bytes.
            loaded[half] = unsafe { _mm512_load_si512(part.as_ptr().cast()) };
        }
        // SAFETY: the caller promises 32 rows of 32 floats.
        unsafe { collect(loaded, scales, row_scales[row], target.add(row * pitch), add) };
    }
}

/// All products of 32 rows of unsigned codes and a panel, written, or added, to 32 rows of `target`.
///
/// # Safety
/// The slices fit each other, see [`super::Bf16Tiles::multiply_codes`]; `target` has 32 rows of 32 floats,
/// `pitch` apart.
#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) unsafe fn multiply(
    rows: &CodeRows,
    panel: &CodePanel,
    target: *mut f32,
    pitch: usize,
    add: bool,
) {
    for start in (0..SIDE).step_by(ROWS) {
        let first = start / GROUP * rows.group + start % GROUP;
        for block in 0..panel.scales.len() {
            let scales = halves(&panel.scales[block]);
            let mut sums = [[_mm512_setzero_si512(); 2]; ROWS];
            for half in 0..2 {
                let part = &panel.starts[block][half * GROUP..][..GROUP];
                // SAFETY: `part` is 16 readable integers; the load needs no alignment.
                let begin = unsafe { _mm512_loadu_si512(part.as_ptr().cast()) };
                for r in 0..ROWS {
                    sums[r][half] = begin;
                }
            }
            for step in block * STEPS..(block + 1) * STEPS {
                let codes = &rows.lines[first + step * GROUP..][..ROWS];
                let outputs = &panel.lines[step * 2 * GROUP..][..2 * GROUP];
                for quad in 0..LINE / QUAD {
                    let mut weights = [_mm512_setzero_si512(); 2];
                    for half in 0..2 {
                        let line = outputs[half * GROUP + quad].0.as_ptr();
                        // SAFETY: a line is 64 readable bytes on a multiple of 64.
                        weights[half] = unsafe { _mm512_load_si512(line.cast()) };
                    }
                    for r in 0..ROWS {
                        let four = codes[r].0.as_chunks::<QUAD>().0[quad];
                        let row = _mm512_set1_epi32(i32::from_ne_bytes(four.map(|c| c as u8)));
                        for half in 0..2 {
                            sums[r][half] = _mm512_dpbusd_epi32(sums[r][half], row, weights[half]);
                        }
                    }
                }
            }
            for r in 0..ROWS {
                let row = start + r;
                // SAFETY: the caller promises 32 rows of 32 floats.
                unsafe {
                    let target = target.add(row * pitch);
                    collect(sums[r], scales, rows.scales[block][row], target, add || block > 0);
                }
            }
        }
    }
}
