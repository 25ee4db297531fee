//! What a search returns.

/// The hits of all queries, row-major, `width` per query.
#[derive(Debug, PartialEq)]
pub struct Hits {
    /// Scores, best first; [`Metric::worst`] where no row is left.
    pub scores: Vec<f32>,
    /// The canonical scores behind them, by which parts of a search are merged.
    pub exact: Vec<f64>,
    /// Corpus rows; -1 where none is left.
    pub rows: Vec<i64>,
    /// `min(k, corpus rows)`.
    pub width: usize,
    /// Rows per query beyond `at_most` that it may return otherwise; empty without such a limit.
    pub above: Vec<i64>,
    /// What it took.
    pub stats: Stats,
}

/// What a search took. Counts depend on how threads met; the answer does not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Rows that each of [`PassKind::ALL`] looked at, for whole batches of queries.
    pub rows: [u64; 3],
    /// Pairs that the passes reported.
    pub hits: u64,
    /// Pairs that were scored in full.
    pub scored: u64,
    /// Queries that were searched again: their threshold was judged too high, or most of the corpus
    /// lies above their ceiling.
    pub repeated: u64,
    /// Batches in which a more precise pass took over on the way.
    pub fallbacks: u64,
}

impl Stats {
    /// Adds what another search took.
    pub(super) fn add(&mut self, other: &Self) {
        for (total, rows) in self.rows.iter_mut().zip(other.rows) {
            *total += rows;
        }
        self.hits += other.hits;
        self.scored += other.scored;
        self.repeated += other.repeated;
        self.fallbacks += other.fallbacks;
    }
}
