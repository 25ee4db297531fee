//! What a candidate pass must offer; the driver in `scan` is written against this alone.

use crate::error::Result;

/// Most queries in a panel.
pub(super) const MAX_LANES: usize = 64;

/// Queries that one tile meets together: `first..first + len`, padded to `lanes`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Panel {
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

    /// Bound on `|key - truth|` for a query and the block's `i`-th row.
    fn error(&self, query: usize, block: &Self::Block, i: usize) -> f64;

    /// Bound that holds for all the block's rows.
    fn max_error(&self, query: usize, block: &Self::Block) -> f64;

    /// Calls `hit(lane, i, key)` for each pair whose key is not below `floors[lane]`; the floors of
    /// lanes beyond the panel's are infinite.
    fn scan(
        &self,
        panel: Panel,
        block: &Self::Block,
        floors: &[f32; MAX_LANES],
        hit: impl FnMut(usize, usize, f32),
    );
}
