//! AVX-512 VNNI: sums of four products of 8 bits in each of 16 lanes.

#![allow(clippy::needless_range_loop, reason = "indices keep the accumulators in registers")]

use std::arch::x86_64::{
    __m512, __m512i, _CMP_NLT_UQ, _MM_HINT_T0, _mm_prefetch, _mm512_cmp_ps_mask,
    _mm512_cvtepi32_ps, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512,
    _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_storeu_ps,
};

use super::int8::{Block, GROUP, Hit, Int8Panel, Int8Rows, LINE, MAX_LANES, QUAD};

/// Bytes that are asked for ahead of the row at hand.
const AHEAD: usize = 8 << 10;

/// Loads 16 floats of a lane array.
#[inline]
#[target_feature(enable = "avx512f")]
fn lanes(values: &[f32; MAX_LANES], group: usize) -> __m512 {
    let group: &[f32; GROUP] = &values.as_chunks().0[group];
    // SAFETY: `group` is 16 readable floats; the load needs no alignment.
    unsafe { _mm512_loadu_ps(group.as_ptr()) }
}

/// The upper bounds of 16 pairs of one row from their integer products.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn upper(
    products: __m512i,
    panel: &Int8Panel,
    rows: &Int8Rows,
    row: usize,
    group: usize,
) -> __m512 {
    let product = _mm512_mul_ps(_mm512_cvtepi32_ps(products), lanes(panel.scale, group));
    let key =
        _mm512_fmadd_ps(product, _mm512_set1_ps(rows.scale[row]), _mm512_set1_ps(rows.shift[row]));
    let key = _mm512_fmadd_ps(lanes(panel.on_lost, group), _mm512_set1_ps(rows.lost[row]), key);
    _mm512_fmadd_ps(lanes(panel.on_size, group), _mm512_set1_ps(rows.size[row]), key)
}

/// Appends the lanes of one row that reach their floors.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn collect(
    key: __m512,
    panel: &Int8Panel,
    row: usize,
    group: usize,
    hits: &mut Vec<Hit>,
) {
    let mut mask = _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(key, lanes(panel.floor, group));
    if mask != 0 {
        let mut keys = [0.0; GROUP];
        // SAFETY: `keys` is 16 writable floats; the store needs no alignment.
        unsafe { _mm512_storeu_ps(keys.as_mut_ptr(), key) };
        while mask != 0 {
            let lane = mask.trailing_zeros() as usize;
            mask &= mask - 1;
            hits.push(Hit::new(row, group * GROUP + lane, keys[lane]));
        }
    }
}

/// All rows against `V` groups of queries, `R` rows at a time.
///
/// Lanes are queries; the query's codes are unsigned (128 is added), so each sum starts at minus
/// 128 times the row's codes.
///
/// # Safety
/// The block's slices fit each other and its pitch; `panel.lines` is `V` groups of the rows' width.
#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) unsafe fn scan<const R: usize, const V: usize>(
    panel: &Int8Panel,
    block: &Block,
    hits: &mut Vec<Hit>,
) {
    let Block { rows, pitch, first, streaming } = *block;
    let count = rows.scale.len();
    let quads = pitch / QUAD;
    let lines = panel.lines.as_ptr();
    for start in (0..count).step_by(R) {
        let here = R.min(count - start);
        // A last, partial tile repeats its last row; those places are not looked at.
        let at: [usize; R] = std::array::from_fn(|r| start + r.min(here - 1));
        // SAFETY: `at` stays below `count`, and a row is `pitch` codes.
        let codes: [*const i8; R] =
            std::array::from_fn(|r| unsafe { rows.codes.as_ptr().add(at[r] * pitch) });
        let mut sums: [[__m512i; V]; R] =
            std::array::from_fn(|r| [_mm512_set1_epi32(rows.sums[at[r]].wrapping_mul(-128)); V]);
        if streaming {
            for line in 0..R * pitch / LINE {
                let ahead = codes[0].wrapping_add(AHEAD.max(R * pitch) + line * LINE);
                // It may point past the plane, which a prefetch may.
                _mm_prefetch::<_MM_HINT_T0>(ahead);
            }
        }
        for quad in 0..quads {
            // SAFETY: the caller promises `V` groups of `quads` lines of 64 bytes.
            let queries: [__m512i; V] = std::array::from_fn(|v| unsafe {
                _mm512_loadu_si512(lines.add(v * quads + quad).cast())
            });
            for r in 0..R {
                // SAFETY: a row is `quads` times 4 codes.
                let four = unsafe { codes[r].add(quad * QUAD).cast::<i32>().read_unaligned() };
                let row = _mm512_set1_epi32(four);
                for v in 0..V {
                    sums[r][v] = _mm512_dpbusd_epi32(sums[r][v], queries[v], row);
                }
            }
        }
        for r in 0..here {
            for v in 0..V {
                let key = upper(sums[r][v], panel, rows, at[r], v);
                collect(key, panel, first + at[r], v, hits);
            }
        }
    }
}
