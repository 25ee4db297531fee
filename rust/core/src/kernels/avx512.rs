//! AVX-512 Foundation kernels.

#![allow(clippy::needless_range_loop, reason = "indices keep the accumulators in registers")]

use std::arch::x86_64::{
    __m512, __m512d, _CMP_NLT_UQ, _MM_HINT_T0, _mm_prefetch, _mm256_loadu_ps, _mm256_loadu_si256,
    _mm256_storeu_si256, _mm512_add_epi32, _mm512_add_pd, _mm512_and_si512, _mm512_castps_si512,
    _mm512_castsi512_ps, _mm512_cmp_ps_mask, _mm512_cvtepi32_epi16, _mm512_cvtph_ps,
    _mm512_cvtps_pd, _mm512_fmadd_pd, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_maskz_loadu_ps,
    _mm512_mul_pd, _mm512_mul_ps, _mm512_reduce_add_ps, _mm512_set1_epi32, _mm512_set1_ps,
    _mm512_setzero_pd, _mm512_setzero_ps, _mm512_slli_epi32, _mm512_srli_epi32, _mm512_storeu_pd,
    _mm512_storeu_ps, _mm512_sub_pd, _mm512_sub_ps,
};

use super::bf16::{Line, SIDE, STEP};
use super::bf16_tiles::{Bf16Tile, Products};
use super::int8::{self, Coded};
use super::scalar::{is_hit, tree, widen_f16 as widen_rest};
use super::{LANES, MAX_TILE_KEYS, MAX_TILE_ROWS, Tile};

/// Floats in a vector.
const WIDTH: usize = 16;

/// Widens 16 floats to two vectors of doubles, lanes 0 to 7 and 8 to 15.
#[inline]
#[target_feature(enable = "avx512f")]
fn widen(x: &[f32; LANES]) -> [__m512d; 2] {
    // SAFETY: `x` is 16 readable floats, two halves of 8; the loads need no alignment.
    let halves = unsafe { [_mm256_loadu_ps(x.as_ptr()), _mm256_loadu_ps(x.as_ptr().add(8))] };
    halves.map(|half| _mm512_cvtps_pd(half))
}

/// Folds two slices, 16 lanes at a time; the tail is padded with zeros, which add nothing.
#[inline]
#[target_feature(enable = "avx512f")]
fn fold(q: &[f32], x: &[f32], step: impl Fn(__m512d, __m512d, __m512d) -> __m512d) -> f64 {
    let mut sums = [_mm512_setzero_pd(); 2];
    let (q_chunks, q_tail) = q.as_chunks::<LANES>();
    let (x_chunks, x_tail) = x.as_chunks::<LANES>();
    for (a, b) in q_chunks.iter().zip(x_chunks) {
        let (a, b) = (widen(a), widen(b));
        sums = [step(a[0], b[0], sums[0]), step(a[1], b[1], sums[1])];
    }
    if !q_tail.is_empty() {
        let (mut a, mut b) = ([0.0; LANES], [0.0; LANES]);
        a[..q_tail.len()].copy_from_slice(q_tail);
        b[..x_tail.len()].copy_from_slice(x_tail);
        let (a, b) = (widen(&a), widen(&b));
        sums = [step(a[0], b[0], sums[0]), step(a[1], b[1], sums[1])];
    }
    let mut lanes = [0.0; LANES];
    // SAFETY: `lanes` is 16 writable doubles, two halves of 8; the stores need no alignment.
    unsafe {
        _mm512_storeu_pd(lanes.as_mut_ptr(), sums[0]);
        _mm512_storeu_pd(lanes.as_mut_ptr().add(8), sums[1]);
    }
    tree(lanes)
}

/// Canonical inner product.
#[target_feature(enable = "avx512f")]
pub(super) fn dot(q: &[f32], x: &[f32]) -> f64 {
    fold(q, x, |a, b, sum| _mm512_fmadd_pd(a, b, sum))
}

/// Canonical squared distance.
#[target_feature(enable = "avx512f")]
pub(super) fn squared_distance(q: &[f32], x: &[f32]) -> f64 {
    fold(q, x, |a, b, sum| {
        let difference = _mm512_sub_pd(a, b);
        _mm512_add_pd(sum, _mm512_mul_pd(difference, difference))
    })
}

/// `R` rows against a panel of `16 * V` queries.
///
/// Lanes are queries: each row value is broadcast once and multiplied into `V` accumulators, so
/// the corpus is read as it lies and only the panel is packed.
///
/// # Safety
/// The first `R` rows have one length, `panel` holds that many groups of `16 * V` floats, and
/// `floor` holds `16 * V`.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn tile<const R: usize, const V: usize>(
    tile: &Tile,
    keys: &mut [f32; MAX_TILE_KEYS],
) -> [u64; MAX_TILE_ROWS] {
    const { assert!(R <= MAX_TILE_ROWS && R * V * WIDTH <= MAX_TILE_KEYS) }
    let dim = tile.rows[0].len();
    let rows: [*const f32; R] = std::array::from_fn(|r| tile.rows[r].as_ptr());
    let panel = tile.panel.as_ptr();
    let mut sums = [[_mm512_setzero_ps(); V]; R];
    for d in 0..dim {
        // SAFETY: the caller promises `dim` groups of `16 * V` floats in the panel.
        let lanes: [__m512; V] =
            std::array::from_fn(|v| unsafe { _mm512_loadu_ps(panel.add((d * V + v) * WIDTH)) });
        for r in 0..R {
            // SAFETY: the caller promises `dim` floats in each of the `R` rows.
            let value = _mm512_set1_ps(unsafe { *rows[r].add(d) });
            for v in 0..V {
                sums[r][v] = _mm512_fmadd_ps(lanes[v], value, sums[r][v]);
            }
        }
    }
    let mut hits = [0; MAX_TILE_ROWS];
    let mut any = 0;
    for r in 0..R {
        let (scale, shift) = (_mm512_set1_ps(tile.scale[r]), _mm512_set1_ps(tile.shift[r]));
        for v in 0..V {
            sums[r][v] = _mm512_fmadd_ps(sums[r][v], scale, shift);
            // SAFETY: the caller promises `16 * V` floors.
            let floor = unsafe { _mm512_loadu_ps(tile.floor.as_ptr().add(v * WIDTH)) };
            let mask = _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(sums[r][v], floor);
            hits[r] |= u64::from(mask) << (v * WIDTH);
        }
        any |= hits[r];
    }
    if any != 0 {
        for r in 0..R {
            for v in 0..V {
                // SAFETY: `R * V * 16 <= MAX_TILE_KEYS`, asserted when this function is compiled.
                unsafe {
                    _mm512_storeu_ps(keys.as_mut_ptr().add((r * V + v) * WIDTH), sums[r][v]);
                }
            }
        }
    }
    hits
}

/// `R` rows against one query: rows are read as vectors, several at once to hide latency.
///
/// # Safety
/// The first `R` rows and `panel` have one length, and `floor` holds one value.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn tile_one<const R: usize>(
    tile: &Tile,
    keys: &mut [f32; MAX_TILE_KEYS],
) -> [u64; MAX_TILE_ROWS] {
    let dim = tile.panel.len();
    let mut sums = [_mm512_setzero_ps(); R];
    for d in (0..dim).step_by(WIDTH) {
        let left = dim - d;
        let mask = if left >= WIDTH { u16::MAX } else { (1 << left) - 1 };
        // SAFETY: the mask keeps the load inside the panel's `dim` floats.
        let query = unsafe { _mm512_maskz_loadu_ps(mask, tile.panel.as_ptr().add(d)) };
        for r in 0..R {
            let start = tile.rows[r].as_ptr();
            // SAFETY: the caller promises `dim` floats a row, and the mask stays within them.
            let row = unsafe { _mm512_maskz_loadu_ps(mask, start.add(d)) };
            // The next tile's rows mostly lie right behind these. Here the memory is the limit, and
            // the processor's own prefetch alone does not reach it. It may point past the corpus.
            _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(R * dim + d).cast());
            sums[r] = _mm512_fmadd_ps(query, row, sums[r]);
        }
    }
    let mut hits = [0; MAX_TILE_ROWS];
    for r in 0..R {
        keys[r] = _mm512_reduce_add_ps(sums[r]) * tile.scale[r] + tile.shift[r];
        hits[r] = u64::from(is_hit(keys[r], tile.floor[0]));
    }
    hits
}

/// Per row the lanes whose key is not below their floor.
#[target_feature(enable = "avx512f")]
pub(super) fn sift(tile: &Bf16Tile, products: &Products) -> [u32; SIDE] {
    let load = |values: &[f32], half: usize| {
        let half: &[f32; WIDTH] = &values.as_chunks().0[half];
        // SAFETY: `half` is 16 readable floats; the load needs no alignment.
        unsafe { _mm512_loadu_ps(half.as_ptr()) }
    };
    let floors = [load(tile.floor, 0), load(tile.floor, 1)];
    let mut hits = [0; SIDE];
    for (row, (&scale, &shift)) in tile.scale.iter().zip(tile.shift).enumerate() {
        let (scale, shift) = (_mm512_set1_ps(scale), _mm512_set1_ps(shift));
        for half in 0..2 {
            let key = _mm512_fmadd_ps(load(&products.0, row * 2 + half), scale, shift);
            let mask = _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(key, floors[half]);
            hits[row] |= u32::from(mask) << (half * WIDTH);
        }
    }
    hits
}

/// See [`super::Kernels::encode_bf16`].
#[target_feature(enable = "avx512f")]
pub(super) fn encode_bf16(x: &[f32], factor: f32, lines: &mut [Line], stride: usize) -> f64 {
    let factor = _mm512_set1_ps(factor);
    let mut lost = _mm512_setzero_ps();
    for step in 0..x.len().div_ceil(STEP).max(1) {
        let line = &mut lines[step * stride];
        for half in 0..2 {
            let start = step * STEP + half * WIDTH;
            let left = x.len().saturating_sub(start);
            let mask = if left >= WIDTH { u16::MAX } else { (1 << left) - 1 };
            // SAFETY: the mask keeps the load inside `x`; `wrapping_add` allows a start beyond it.
            let value = unsafe { _mm512_maskz_loadu_ps(mask, x.as_ptr().wrapping_add(start)) };
            let value = _mm512_mul_ps(value, factor);
            let bits = _mm512_castps_si512(value);
            // To nearest, ties to even: add half a unit, less one where the code is even.
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let up = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF));
            let code = _mm512_srli_epi32::<16>(_mm512_add_epi32(bits, up));
            let rounded = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(code));
            let rest = _mm512_sub_ps(value, rounded);
            lost = _mm512_fmadd_ps(rest, rest, lost);
            let target = line.0[half * WIDTH..].as_mut_ptr();
            // SAFETY: `target` starts one of the line's two halves of 16 codes.
            unsafe { _mm256_storeu_si256(target.cast(), _mm512_cvtepi32_epi16(code)) };
        }
    }
    f64::from(_mm512_reduce_add_ps(lost))
}

/// See [`super::Kernels::encode_int8`].
#[target_feature(enable = "avx512f")]
pub(super) fn encode_int8(values: &[f32], codes: &mut [i8]) -> Coded {
    int8::encode(values, codes)
}

/// See [`super::Kernels::centre`].
#[target_feature(enable = "avx512f")]
pub(super) fn centre(values: &[f32], factor: f32, centre: &[f32], target: &mut [f32]) {
    int8::centre(values, factor, centre, target);
}

/// See [`super::Kernels::widen_f16`].
#[target_feature(enable = "avx512f")]
pub(super) fn widen_f16(bits: &[u16], target: &mut [f32]) {
    let (chunks, rest) = bits.as_chunks::<WIDTH>();
    let (targets, target_rest) = target.as_chunks_mut::<WIDTH>();
    for (chunk, target) in chunks.iter().zip(targets) {
        // SAFETY: `chunk` is 16 readable halves, `target` 16 writable floats; no alignment is asked.
        unsafe {
            let halves = _mm256_loadu_si256(chunk.as_ptr().cast());
            _mm512_storeu_ps(target.as_mut_ptr(), _mm512_cvtph_ps(halves));
        }
    }
    widen_rest(rest, target_rest);
}
