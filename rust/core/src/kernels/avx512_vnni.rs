//! AVX-512 VNNI: sums of four products of 8 bits in each of 16 lanes.

#![allow(clippy::needless_range_loop, reason = "indices keep the accumulators in registers")]

use std::arch::x86_64::{
    __m512, __m512i, _CMP_NLT_UQ, _MM_HINT_T0, _mm_prefetch, _mm512_cmp_ps_mask,
    _mm512_cvtepi32_ps, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512,
    _mm512_min_ps, _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_storeu_ps, _mm512_sub_ps,
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

/// What a kernel must know of a row besides its products.
#[derive(Clone, Copy)]
pub(super) struct Facts {
    pub(super) scale: f32,
    pub(super) shift: f32,
    /// What each lane's share of is the key's uncertainty.
    pub(super) off: f32,
    /// The row's own floor, where it is asked.
    pub(super) floor: f32,
}

impl Facts {
    /// Of the `r`-th of some rows.
    #[inline]
    pub(super) fn of<const BOTH: bool>(panel: &Int8Panel, rows: &Int8Rows, r: usize) -> Self {
        Self {
            scale: rows.scale[r],
            shift: rows.shift[r],
            off: rows.lost[r] + panel.ratio * rows.size[r],
            floor: if BOTH { rows.floor[r] } else { 0.0 },
        }
    }
}

/// What a kernel holds of its lanes while rows pass by; with `BOTH`, the rows' floors count too.
pub(super) struct Lanes<const V: usize, const BOTH: bool> {
    scale: [__m512; V],
    share: [__m512; V],
    floor: [__m512; V],
    lead: [__m512; V],
    /// Number of the first lane.
    first: usize,
}

impl<const V: usize, const BOTH: bool> Lanes<V, BOTH> {
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn of(panel: &Int8Panel, group: usize) -> Self {
        let load = |values| std::array::from_fn(|i| lanes(values, group + i));
        Self {
            scale: load(panel.scale),
            share: load(panel.share),
            floor: load(panel.floor),
            lead: panel.lead.map_or([_mm512_setzero_ps(); V], load),
            first: group * GROUP,
        }
    }

    /// Appends the hits of one row from its products with all lanes.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn collect(
        &self,
        products: [__m512i; V],
        facts: Facts,
        row: usize,
        hits: &mut Vec<Hit>,
    ) {
        let (scale, shift) = (_mm512_set1_ps(facts.scale), _mm512_set1_ps(facts.shift));
        let (off, own) = (_mm512_set1_ps(facts.off), _mm512_set1_ps(facts.floor));
        let mut keys = [_mm512_setzero_ps(); V];
        let mut mask = 0_u64;
        for v in 0..V {
            let product = _mm512_mul_ps(_mm512_cvtepi32_ps(products[v]), self.scale[v]);
            let key = _mm512_fmadd_ps(product, scale, shift);
            keys[v] = _mm512_fmadd_ps(self.share[v], off, key);
            let floor = if BOTH {
                _mm512_min_ps(self.floor[v], _mm512_sub_ps(own, self.lead[v]))
            } else {
                self.floor[v]
            };
            let reached = _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(keys[v], floor);
            mask |= u64::from(reached) << (v * GROUP);
        }
        if mask != 0 {
            append(&keys, mask, row, self.first, hits);
        }
    }
}

/// Appends the lanes whose bit is set. Apart, so that the loop without hits stays small.
#[cold]
#[inline(never)]
#[target_feature(enable = "avx512f")]
fn append<const V: usize>(
    keys: &[__m512; V],
    mut mask: u64,
    row: usize,
    first: usize,
    hits: &mut Vec<Hit>,
) {
    let mut stored = [[0.0; GROUP]; V];
    for (stored, key) in stored.iter_mut().zip(keys) {
        // SAFETY: `stored` is 16 writable floats; the store needs no alignment.
        unsafe { _mm512_storeu_ps(stored.as_mut_ptr(), *key) };
    }
    while mask != 0 {
        let lane = mask.trailing_zeros() as usize;
        mask &= mask - 1;
        hits.push(Hit::new(row, first + lane, stored[lane / GROUP][lane % GROUP]));
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
pub(super) unsafe fn scan<const R: usize, const V: usize, const BOTH: bool>(
    panel: &Int8Panel,
    block: &Block,
    hits: &mut Vec<Hit>,
) {
    let Block { rows, pitch, first, streaming } = *block;
    let count = rows.scale.len();
    let quads = pitch / QUAD;
    let lines = panel.lines.as_ptr();
    let held = Lanes::<V, BOTH>::of(panel, 0);
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
            let facts = Facts::of::<BOTH>(panel, rows, at[r]);
            held.collect(sums[r], facts, first + at[r], hits);
        }
    }
}
