//! AVX2 kernels with fused multiply-add.

#![allow(clippy::needless_range_loop, reason = "indices keep the accumulators in registers")]

use std::arch::x86_64::{
    __m256, __m256d, _CMP_NLT_UQ, _mm_loadu_ps, _mm_loadu_si128, _mm256_add_pd, _mm256_cmp_ps,
    _mm256_cvtph_ps, _mm256_cvtps_pd, _mm256_fmadd_pd, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_movemask_ps, _mm256_mul_pd, _mm256_set1_ps, _mm256_setzero_pd, _mm256_setzero_ps,
    _mm256_storeu_pd, _mm256_storeu_ps, _mm256_sub_pd,
};

use super::int8::{self, Coded};
use super::scalar::{is_hit, tree, widen_f16 as widen_rest};
use super::{LANES, MAX_TILE_KEYS, MAX_TILE_ROWS, Tile};

/// Floats in a vector.
const WIDTH: usize = 8;

/// Widens 16 floats to four vectors of doubles, in lane order.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn widen(x: &[f32; LANES]) -> [__m256d; 4] {
    // SAFETY: `x` is 16 readable floats, four quarters of 4; the loads need no alignment.
    std::array::from_fn(|i| _mm256_cvtps_pd(unsafe { _mm_loadu_ps(x.as_ptr().add(4 * i)) }))
}

/// Folds two slices, 16 lanes at a time; the tail is padded with zeros, which add nothing.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn fold(q: &[f32], x: &[f32], step: impl Fn(__m256d, __m256d, __m256d) -> __m256d) -> f64 {
    let mut sums = [_mm256_setzero_pd(); 4];
    let (q_chunks, q_tail) = q.as_chunks::<LANES>();
    let (x_chunks, x_tail) = x.as_chunks::<LANES>();
    for (a, b) in q_chunks.iter().zip(x_chunks) {
        let (a, b) = (widen(a), widen(b));
        for i in 0..4 {
            sums[i] = step(a[i], b[i], sums[i]);
        }
    }
    if !q_tail.is_empty() {
        let (mut a, mut b) = ([0.0; LANES], [0.0; LANES]);
        a[..q_tail.len()].copy_from_slice(q_tail);
        b[..x_tail.len()].copy_from_slice(x_tail);
        let (a, b) = (widen(&a), widen(&b));
        for i in 0..4 {
            sums[i] = step(a[i], b[i], sums[i]);
        }
    }
    let mut lanes = [0.0; LANES];
    for (i, sum) in sums.into_iter().enumerate() {
        // SAFETY: `lanes` is 16 writable doubles, four quarters of 4; no alignment is needed.
        unsafe { _mm256_storeu_pd(lanes.as_mut_ptr().add(4 * i), sum) };
    }
    tree(lanes)
}

/// Canonical inner product.
#[target_feature(enable = "avx2,fma")]
pub(super) fn dot(q: &[f32], x: &[f32]) -> f64 {
    fold(q, x, |a, b, sum| _mm256_fmadd_pd(a, b, sum))
}

/// Canonical squared distance.
#[target_feature(enable = "avx2,fma")]
pub(super) fn squared_distance(q: &[f32], x: &[f32]) -> f64 {
    fold(q, x, |a, b, sum| {
        let difference = _mm256_sub_pd(a, b);
        _mm256_add_pd(sum, _mm256_mul_pd(difference, difference))
    })
}

/// `R` rows against a panel of `8 * V` queries; see the AVX-512 twin for the idea.
///
/// # Safety
/// The first `R` rows have one length, `panel` holds that many groups of `8 * V` floats, and
/// `floor` holds `8 * V`.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn tile<const R: usize, const V: usize>(
    tile: &Tile,
    keys: &mut [f32; MAX_TILE_KEYS],
) -> [u64; MAX_TILE_ROWS] {
    const { assert!(R <= MAX_TILE_ROWS && R * V * WIDTH <= MAX_TILE_KEYS) }
    let dim = tile.rows[0].len();
    let rows: [*const f32; R] = std::array::from_fn(|r| tile.rows[r].as_ptr());
    let panel = tile.panel.as_ptr();
    let mut sums = [[_mm256_setzero_ps(); V]; R];
    for d in 0..dim {
        // SAFETY: the caller promises `dim` groups of `8 * V` floats in the panel.
        let lanes: [__m256; V] =
            std::array::from_fn(|v| unsafe { _mm256_loadu_ps(panel.add((d * V + v) * WIDTH)) });
        for r in 0..R {
            // SAFETY: the caller promises `dim` floats in each of the `R` rows.
            let value = _mm256_set1_ps(unsafe { *rows[r].add(d) });
            for v in 0..V {
                sums[r][v] = _mm256_fmadd_ps(lanes[v], value, sums[r][v]);
            }
        }
    }
    let mut hits = [0; MAX_TILE_ROWS];
    let mut any = 0;
    for r in 0..R {
        let (scale, shift) = (_mm256_set1_ps(tile.scale[r]), _mm256_set1_ps(tile.shift[r]));
        for v in 0..V {
            sums[r][v] = _mm256_fmadd_ps(sums[r][v], scale, shift);
            // SAFETY: the caller promises `8 * V` floors.
            let floor = unsafe { _mm256_loadu_ps(tile.floor.as_ptr().add(v * WIDTH)) };
            let mask = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NLT_UQ>(sums[r][v], floor));
            hits[r] |= u64::from(mask.cast_unsigned()) << (v * WIDTH);
        }
        any |= hits[r];
    }
    if any != 0 {
        for r in 0..R {
            for v in 0..V {
                // SAFETY: `R * V * 8 <= MAX_TILE_KEYS`, asserted when this function is compiled.
                unsafe {
                    _mm256_storeu_ps(keys.as_mut_ptr().add((r * V + v) * WIDTH), sums[r][v]);
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
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn tile_one<const R: usize>(
    tile: &Tile,
    keys: &mut [f32; MAX_TILE_KEYS],
) -> [u64; MAX_TILE_ROWS] {
    let dim = tile.panel.len();
    let whole = dim - dim % WIDTH;
    let mut sums = [_mm256_setzero_ps(); R];
    for d in (0..whole).step_by(WIDTH) {
        // SAFETY: `d + 8 <= whole <= dim`, the panel's length.
        let query = unsafe { _mm256_loadu_ps(tile.panel.as_ptr().add(d)) };
        for r in 0..R {
            // SAFETY: the caller promises `dim` floats a row.
            let row = unsafe { _mm256_loadu_ps(tile.rows[r].as_ptr().add(d)) };
            sums[r] = _mm256_fmadd_ps(query, row, sums[r]);
        }
    }
    let mut hits = [0; MAX_TILE_ROWS];
    for r in 0..R {
        let mut lanes = [0.0_f32; WIDTH];
        // SAFETY: `lanes` is 8 writable floats.
        unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), sums[r]) };
        for (lane, d) in (whole..dim).enumerate() {
            lanes[lane] = tile.panel[d].mul_add(tile.rows[r][d], lanes[lane]);
        }
        let dot: f32 = lanes.iter().sum();
        keys[r] = dot * tile.scale[r] + tile.shift[r];
        hits[r] = u64::from(is_hit(keys[r], tile.floor[0]));
    }
    hits
}

/// See [`super::Kernels::encode_int8`].
#[target_feature(enable = "avx2,fma")]
pub(super) fn encode_int8(values: &[f32], codes: &mut [i8]) -> Coded {
    int8::encode(values, codes)
}

/// See [`super::Kernels::centre`].
#[target_feature(enable = "avx2,fma")]
pub(super) fn centre(values: &[f32], factor: f32, centre: &[f32], target: &mut [f32]) {
    int8::centre(values, factor, centre, target);
}

/// See [`super::Kernels::widen_f16`].
#[target_feature(enable = "avx2,f16c")]
pub(super) fn widen_f16(bits: &[u16], target: &mut [f32]) {
    let (chunks, rest) = bits.as_chunks::<8>();
    let (targets, target_rest) = target.as_chunks_mut::<8>();
    for (chunk, target) in chunks.iter().zip(targets) {
        // SAFETY: `chunk` is 8 readable halves, `target` 8 writable floats; no alignment is asked.
        unsafe {
            let halves = _mm_loadu_si128(chunk.as_ptr().cast());
            _mm256_storeu_ps(target.as_mut_ptr(), _mm256_cvtph_ps(halves));
        }
    }
    widen_rest(rest, target_rest);
}
