//! What a candidate pass must offer; the driver in `scan` is written against this alone.

use super::certificate::RowBound;
use super::metric::{Metric, norm};
use crate::error::{Error, Result};
use crate::kernels::Kernels;
use crate::kernels::int8::Hit;
use crate::rows::{Corpus, Rows};

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

    /// The interval that holds the truth of a query and the block's `i`-th row.
    fn interval(&self, query: usize, block: &Self::Block, i: usize, key: f32) -> (f32, f32);

    /// Appends each pair whose key is not below `floors[lane]`; the floors of lanes beyond the
    /// panel's are infinite.
    fn scan(
        &self,
        panel: Panel,
        block: &Self::Block,
        floors: &[f32; MAX_LANES],
        hits: &mut Vec<Hit>,
    );
}

/// What every pass is made for: a batch of queries against a borrowed corpus.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting<'a> {
    pub(super) kernels: Kernels,
    pub(super) metric: Metric,
    pub(super) queries: Rows<'a>,
    /// Numbers of the batch's queries.
    pub(super) batch: &'a [usize],
    /// Canonical norms of the batch's queries.
    pub(super) query_norms: &'a [f64],
    pub(super) corpus: Corpus<'a>,
    /// Canonical norms of the corpus, if known.
    pub(super) norms: Option<&'a [f64]>,
}

impl<'a> Setting<'a> {
    /// A query of the batch.
    pub(super) fn query(&self, number: usize) -> &'a [f32] {
        self.queries.row(self.batch[number])
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
    fn ones_are_found_in_order_and_only_among_the_first() {
        assert_eq!(ones(0b1010_0110, 8).collect::<Vec<_>>(), [1, 2, 5, 7]);
        assert_eq!(ones(0b1010_0110, 3).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(ones(u64::MAX, 64).count(), 64);
        assert_eq!(ones(u64::MAX, 0).count(), 0);
    }
}
