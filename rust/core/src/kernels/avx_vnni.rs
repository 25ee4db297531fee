//! AVX-VNNI: sums of four products of 8 bits in each of 8 lanes.

#![allow(clippy::needless_range_loop, reason = "indices keep the accumulators in registers")]

use std::arch::x86_64::{
    __m256, __m256i, _CMP_NLT_UQ, _mm256_cmp_ps, _mm256_cvtepi32_ps, _mm256_dpbusd_avx_epi32,
    _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_min_ps, _mm256_movemask_ps,
    _mm256_mul_ps, _mm256_set1_epi32, _mm256_set1_ps, _mm256_storeu_ps, _mm256_sub_ps,
};

use super::int8::{Block, GROUP, Hit, Int8Panel, MAX_LANES, QUAD};

/// Lanes in a vector.
const WIDTH: usize = 8;

/// Rows in a tile: 12 sums, 2 vectors of queries and a broadcast leave no register idle or spilled.
const ROWS: usize = 6;

/// Loads 8 floats of a lane array.
#[inline]
#[target_feature(enable = "avx")]
fn lanes(values: &[f32; MAX_LANES], half: usize) -> __m256 {
    let half: &[f32; WIDTH] = &values.as_chunks().0[half];
    // SAFETY: `half` is 8 readable floats; the load needs no alignment.
    unsafe { _mm256_loadu_ps(half.as_ptr()) }
}

/// All rows against one group of queries after the other.
///
/// # Safety
/// The block's slices fit each other and its pitch; `panel.lines` is whole groups of the rows' width.
#[target_feature(enable = "avx2,fma,avxvnni")]
pub(super) unsafe fn scan(panel: &Int8Panel, block: &Block, hits: &mut Vec<Hit>) {
    let Block { rows, pitch, first, .. } = *block;
    let count = rows.scale.len();
    let quads = pitch / QUAD;
    for (group, lines) in panel.lines.chunks_exact(quads).enumerate() {
        for start in (0..count).step_by(ROWS) {
            let here = ROWS.min(count - start);
            let at: [usize; ROWS] = std::array::from_fn(|r| start + r.min(here - 1));
            // SAFETY: `at` stays below `count`, and a row is `pitch` codes.
            let codes: [*const i8; ROWS] =
                std::array::from_fn(|r| unsafe { rows.codes.as_ptr().add(at[r] * pitch) });
            let mut sums: [[__m256i; 2]; ROWS] = std::array::from_fn(|r| {
                [_mm256_set1_epi32(rows.sums[at[r]].wrapping_mul(-128)); 2]
            });
            for (quad, line) in lines.iter().enumerate() {
                let line = line.0.as_ptr();
                // SAFETY: a line is 64 readable bytes, two vectors of 32.
                let queries: [__m256i; 2] =
                    std::array::from_fn(|v| unsafe { _mm256_loadu_si256(line.add(v * 32).cast()) });
                for r in 0..ROWS {
                    // SAFETY: a row is `quads` times 4 codes.
                    let four = unsafe { codes[r].add(quad * QUAD).cast::<i32>().read_unaligned() };
                    let row = _mm256_set1_epi32(four);
                    for v in 0..2 {
                        sums[r][v] = _mm256_dpbusd_avx_epi32(sums[r][v], queries[v], row);
                    }
                }
            }
            for r in 0..here {
                for v in 0..2 {
                    let half = group * 2 + v;
                    let row = at[r];
                    let set = |values: &[f32]| _mm256_set1_ps(values[row]);
                    let product =
                        _mm256_mul_ps(_mm256_cvtepi32_ps(sums[r][v]), lanes(panel.scale, half));
                    let key = _mm256_fmadd_ps(product, set(rows.scale), set(rows.shift));
                    let off = _mm256_fmadd_ps(
                        _mm256_set1_ps(panel.ratio),
                        set(rows.size),
                        set(rows.lost),
                    );
                    let key = _mm256_fmadd_ps(lanes(panel.share, half), off, key);
                    let floor = match panel.lead {
                        Some(lead) => _mm256_min_ps(
                            lanes(panel.floor, half),
                            _mm256_sub_ps(set(rows.floor), lanes(lead, half)),
                        ),
                        None => lanes(panel.floor, half),
                    };
                    let reached = _mm256_cmp_ps::<_CMP_NLT_UQ>(key, floor);
                    let mut mask = _mm256_movemask_ps(reached);
                    if mask != 0 {
                        let mut keys = [0.0; WIDTH];
                        // SAFETY: `keys` is 8 writable floats; the store needs no alignment.
                        unsafe { _mm256_storeu_ps(keys.as_mut_ptr(), key) };
                        while mask != 0 {
                            let lane = mask.trailing_zeros() as usize;
                            mask &= mask - 1;
                            let place = group * GROUP + v * WIDTH + lane;
                            hits.push(Hit::new(first + row, place, keys[lane]));
                        }
                    }
                }
            }
        }
    }
}
