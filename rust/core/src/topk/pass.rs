//! What a candidate pass must offer; the driver in `scan` is written against this alone.

use std::ops::Range;

use super::certificate::RowBound;
use super::metric::{Metric, norm};
use crate::error::{Error, Result};
use crate::kernels::Kernels;
use crate::kernels::int8::Hit;
use crate::rows::Corpus;

pub(super) use crate::kernels::int8::MAX_LANES;

/// Queries that one tile meets together: `first..first + len`, padded to `lanes`.
///
/// No panel reaches over a multiple of [`MAX_LANES`] queries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Panel {
    pub(super) number: usize,
    pub(super) first: usize,
    pub(super) len: usize,
    pub(super) lanes: usize,
    /// Where the pass keeps the packed values.
    pub(super) offset: usize,
}

/// A cheap look at all pairs that says, with a proven error, how good each one is.
///
/// A pass owns its packed queries. Rows come to it block by block; what it derives from them
/// (norms, codes) lives in its `Block` and is reused for all panels.
pub(super) trait Pass: Sync {
    /// What the pass knows of the rows at hand; reused from block to block.
    type Block: Default + Send;

    /// The panels, which together cover the queries in order.
    fn panels(&self) -> &[Panel];

    /// Reads the corpus rows of these numbers.
    ///
    /// # Errors
    /// If a row cannot be ordered (NaN, infinity).
    fn load(&self, rows: &[u32], block: &mut Self::Block) -> Result<()>;

    /// A key that a row of the block cannot stay below if its truth reaches `threshold`.
    fn floor(&self, query: usize, block: &Self::Block, threshold: f32) -> f32;

    /// By how much, at most, the truth of a query and a row of the block is above the key.
    fn lead(&self, query: usize, block: &Self::Block) -> f32;

    /// The interval that holds the truth of a query and the block's `i`-th row.
    fn interval(&self, query: usize, block: &Self::Block, i: usize, key: f32) -> (f32, f32);

    /// Appends each pair whose key is not below its floor, row by row, and maybe others.
    fn scan(&self, panel: Panel, block: &Self::Block, floors: &Floors, hits: &mut Vec<Hit>);
}

/// What a pair's key must reach to be reported.
#[derive(Debug, Clone, Copy)]
pub(super) struct Floors<'a> {
    /// Per lane; infinite beyond the panel's lanes, never NaN.
    pub(super) lanes: &'a [f32; MAX_LANES],
    /// Where a pair may matter to its row instead.
    pub(super) rows: Option<RowFloors<'a>>,
}

/// What a pair's truth must reach to matter to its row.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowFloors<'a> {
    /// Per row of the block, lowered by [`lowered`].
    pub(super) thresholds: &'a [f32],
    /// [`Pass::lead`] per lane, raised by [`raised`].
    pub(super) lead: &'a [f32; MAX_LANES],
}

/// What a difference of two `f32` may be off by, shared between both: four times what the three
/// roundings take.
const SHARE: f64 = 1.0 / (1_u64 << 22) as f64;

/// A row's threshold, so low that taking a [`raised`] lead from it cannot round above the truth.
pub(super) fn lowered(threshold: f32) -> f32 {
    let value = f64::from(threshold);
    let lower = value - SHARE * value.abs();
    if lower.is_nan() { f32::NEG_INFINITY } else { (lower as f32).next_down() }
}

/// See [`lowered`].
pub(super) fn raised(lead: f64) -> f32 {
    if lead.is_nan() { f32::INFINITY } else { ((lead + SHARE * lead.abs()) as f32).next_up() }
}

impl Floors<'_> {
    /// Floors per lane below which no pair with one of these rows matters: the lane's own, or lower
    /// where the least demanding of the rows asks for it.
    pub(super) fn with<'s>(
        &'s self,
        rows: Range<usize>,
        scratch: &'s mut [f32; MAX_LANES],
    ) -> &'s [f32; MAX_LANES] {
        let Some(RowFloors { thresholds, lead }) = self.rows else { return self.lanes };
        let least = thresholds[rows].iter().fold(f32::INFINITY, |a, &b| a.min(b));
        for ((floor, lane), lead) in scratch.iter_mut().zip(self.lanes).zip(lead) {
            *floor = lane.min(least - lead);
        }
        scratch
    }
}

/// What every pass is made for: a batch of queries against a borrowed corpus.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting<'a> {
    pub(super) kernels: Kernels,
    pub(super) metric: Metric,
    pub(super) queries: Corpus<'a>,
    /// Numbers of the batch's queries.
    pub(super) batch: &'a [usize],
    /// Canonical norms of the batch's queries.
    pub(super) query_norms: &'a [f64],
    pub(super) corpus: Corpus<'a>,
    /// Canonical norms of the corpus, if known.
    pub(super) norms: Option<&'a [f64]>,
    /// True if a pair's truth is to be the same whichever of the two is the query. For l2 it is then
    /// half the negated squared distance, without the query's own part, see `certificate`.
    pub(super) mutual: bool,
}

impl<'a> Setting<'a> {
    /// A query of the batch, as it lies or widened into `scratch`.
    pub(super) fn query<'s>(&self, number: usize, scratch: &'s mut Vec<f32>) -> &'s [f32]
    where
        'a: 's,
    {
        self.queries.read(self.kernels, self.batch[number], scratch)
    }

    /// What a packed query's value stands for: itself, or over the query's norm.
    pub(super) fn scaled(&self, number: usize, value: f32) -> f64 {
        let norm = self.query_norms[number];
        match self.metric {
            Metric::Cosine if norm > 0.0 => f64::from(value) / norm,
            _ => f64::from(value),
        }
    }

    /// A corpus row, as it lies or widened into `scratch`, and its canonical norm.
    ///
    /// # Errors
    /// [`Error::NonFinite`] if the row holds NaN or infinity: finite values have a finite norm, since
    /// their squares sum far inside the range of `f64`.
    pub(super) fn row<'s>(&self, row: u32, scratch: &'s mut Vec<f32>) -> Result<(&'s [f32], f64)>
    where
        'a: 's,
    {
        let values = self.corpus.read(self.kernels, row as usize, scratch);
        let norm = match self.norms {
            Some(norms) => norms[row as usize],
            None => norm(self.kernels, values),
        };
        if norm.is_finite() {
            Ok((values, norm))
        } else {
            Err(Error::NonFinite { argument: "corpus", row: row as usize })
        }
    }
}
/// The bounds of a block's rows, and one that holds for all of them.
#[derive(Debug)]
pub(super) struct Bounds {
    pub(super) rows: Vec<RowBound>,
    pub(super) widest: RowBound,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { rows: Vec::new(), widest: RowBound::none() }
    }
}

impl Bounds {
    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.widest = RowBound::none();
    }

    pub(super) fn push(&mut self, bound: RowBound) {
        self.widest.widen(&bound);
        self.rows.push(bound);
    }
}

/// The places of the ones among the lowest `len` bits.
pub(super) fn ones(bits: u64, len: usize) -> impl Iterator<Item = usize> {
    let mut left = if len >= 64 { bits } else { bits & ((1 << len) - 1) };
    std::iter::from_fn(move || {
        let place = left.trailing_zeros() as usize;
        left &= left.wrapping_sub(1);
        (place < 64).then_some(place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_s_threshold_less_a_lead_never_rounds_up() {
        let values = [0.0, 1.0, 0.1, 1e-3, 1e-40, 3e7, 1e38];
        for a in values {
            for b in values {
                for (threshold, lead) in [(a, b), (a, -b), (-a, b), (-a, -b)] {
                    let found = lowered(threshold as f32) - raised(lead);
                    assert!(f64::from(found) < f64::from(threshold as f32) - lead, "{a} {b}");
                }
            }
        }
        assert_eq!(lowered(f32::NEG_INFINITY) - raised(-1.0), f32::NEG_INFINITY);
        assert_eq!(lowered(1.0) - raised(f64::INFINITY), f32::NEG_INFINITY);
    }

    #[test]
    fn the_least_demanding_row_lowers_the_floors_of_its_tile() {
        let (lanes, lead) = ([0.5; MAX_LANES], [0.25; MAX_LANES]);
        let rows = Some(RowFloors { thresholds: &[0.9, 0.6, 0.95], lead: &lead });
        let floors = Floors { lanes: &lanes, rows };
        let mut scratch = [0.0; MAX_LANES];
        assert_eq!(floors.with(0..1, &mut scratch)[3], 0.5);
        assert_eq!(floors.with(0..3, &mut scratch)[3], 0.6 - 0.25);
        let without = Floors { lanes: &lanes, rows: None };
        assert_eq!(without.with(0..3, &mut scratch), &lanes);
    }

    #[test]
    fn ones_are_found_in_order_and_only_among_the_first() {
        assert_eq!(ones(0b1010_0110, 8).collect::<Vec<_>>(), [1, 2, 5, 7]);
        assert_eq!(ones(0b1010_0110, 3).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(ones(u64::MAX, 64).count(), 64);
        assert_eq!(ones(u64::MAX, 0).count(), 0);
    }
}
