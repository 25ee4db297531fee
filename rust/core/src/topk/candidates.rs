//! One query's rows that may still belong to its answer.

use std::sync::atomic::{AtomicU32, Ordering};

/// A row with the interval that holds its truth.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) lower: f32,
    pub(super) upper: f32,
    pub(super) row: u32,
}

impl Candidate {
    /// Twice the middle of the interval: what the pass took the row for.
    fn middle(&self) -> f32 {
        // An interval that says nothing comes last.
        let middle = self.lower + self.upper;
        if middle.is_nan() { f32::NEG_INFINITY } else { middle }
    }
}

/// How a query's threshold is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Threshold {
    /// The `k`-th best lower bound so far: never above the truth of a row that counts.
    Proven,
    /// What a row of the answer will probably reach, judged by the share of the corpus that was
    /// seen. Far fewer rows are kept; once the answer is there, it is checked.
    Expected,
}

/// A growing list, cut back whenever it has grown.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    list: Vec<Candidate>,
    /// Rows seen so far.
    seen: usize,
    next_cut: usize,
}

/// Candidates a query will hardly exceed, for a given `k`.
pub(super) fn usual_capacity(k: usize) -> usize {
    k.saturating_mul(4).max(256)
}

/// Rows of the answer that are expected among the share `seen / all` of the corpus, and so many more
/// that it is very rarely wrong: 4.5 standard deviations of a binomial count.
pub(super) fn expected_rank(k: usize, seen: usize, all: usize) -> usize {
    let mean = k as f64 * seen as f64 / all.max(1) as f64;
    (mean + 4.5 * mean.sqrt() + 2.0).ceil() as usize
}

impl Candidates {
    pub(super) fn push(&mut self, candidate: Candidate) {
        self.list.push(candidate);
    }

    /// Counts rows that were shown to the query.
    pub(super) fn see(&mut self, rows: usize) {
        self.seen += rows;
    }

    /// Says that the query has been shown so many rows by now.
    pub(super) fn has_seen(&mut self, rows: usize) {
        self.seen = rows;
    }

    /// Number of candidates.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// True once the list has grown enough for a cut to pay.
    pub(super) fn has_grown(&self, k: usize) -> bool {
        self.list.len() >= self.next_cut.max(k.min(8))
    }

    /// True once so many intervals overlap that only exact scores can tell the rows apart.
    pub(super) fn is_crowded(&self, k: usize) -> bool {
        self.list.len() > usual_capacity(k).saturating_mul(8)
    }

    /// Returns the threshold that the list supports.
    pub(super) fn threshold(&mut self, how: Threshold, k: usize, all: usize) -> f32 {
        let (rank, expected) = match how {
            Threshold::Proven => (k, false),
            Threshold::Expected => (expected_rank(k, self.seen, all), true),
        };
        if self.list.len() < rank {
            return f32::NEG_INFINITY;
        }
        if expected {
            let order = |a: &Candidate, b: &Candidate| b.middle().total_cmp(&a.middle());
            let (_, at, _) = self.list.select_nth_unstable_by(rank - 1, order);
            // A little below the middle: rows that tie differ by what the pass got wrong of them.
            0.4375 * at.middle() + 0.125 * at.lower
        } else {
            let order = |a: &Candidate, b: &Candidate| b.lower.total_cmp(&a.lower);
            let (_, at, _) = self.list.select_nth_unstable_by(rank - 1, order);
            at.lower
        }
    }

    /// Drops what is surely below the threshold.
    pub(super) fn drop_below(&mut self, threshold: f32) {
        self.list.retain(|candidate| candidate.upper >= threshold);
        self.next_cut = self.list.len() + (self.list.len() / 4).max(16);
    }

    /// The candidates, those that the pass took for the best `k` first.
    pub(super) fn best_first(mut self, k: usize) -> Vec<Candidate> {
        if self.list.len() > k {
            let order = |a: &Candidate, b: &Candidate| b.middle().total_cmp(&a.middle());
            self.list.select_nth_unstable_by(k - 1, order);
        }
        self.list
    }

    /// Takes all candidates out.
    pub(super) fn drain(&mut self) -> Vec<Candidate> {
        self.next_cut = 0;
        std::mem::take(&mut self.list)
    }
}

/// A threshold that all threads raise together.
#[derive(Debug)]
pub(super) struct SharedThreshold(AtomicU32);

impl SharedThreshold {
    pub(super) fn new(threshold: f32) -> Self {
        Self(AtomicU32::new(ordered(threshold)))
    }

    // Relaxed: a stale threshold is a lower one, which keeps more rows and loses none.
    pub(super) fn get(&self) -> f32 {
        let bits = self.0.load(Ordering::Relaxed);
        f32::from_bits(if bits >> 31 == 1 { bits ^ (1 << 31) } else { !bits })
    }

    pub(super) fn raise(&self, threshold: f32) {
        self.0.fetch_max(ordered(threshold), Ordering::Relaxed);
    }
}

/// Maps floats to integers of the same order.
fn ordered(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(intervals: &[(f32, f32)]) -> Candidates {
        let mut kept = Candidates::default();
        for (row, &(lower, upper)) in intervals.iter().enumerate() {
            kept.push(Candidate { lower, upper, row: row as u32 });
        }
        kept
    }

    #[test]
    fn a_proven_cut_keeps_every_row_that_may_still_be_in() {
        let mut kept = list(&[(0.9, 1.0), (0.5, 0.6), (0.1, 0.55), (0.1, 0.4)]);
        let threshold = kept.threshold(Threshold::Proven, 2, 100);
        kept.drop_below(threshold);
        // The second best lower bound is 0.5; only row 3 is surely below it.
        let mut rows: Vec<_> = kept.drain().iter().map(|candidate| candidate.row).collect();
        rows.sort_unstable();
        assert_eq!((threshold, rows), (0.5, vec![0, 1, 2]));
    }

    #[test]
    fn the_expected_rank_shrinks_with_the_share_seen_and_never_below_two() {
        assert_eq!(expected_rank(100, 0, 1_000), 2);
        // 10 + 4.5 * sqrt(10) + 2 = 26.23
        assert_eq!(expected_rank(100, 100, 1_000), 27);
        assert_eq!(expected_rank(100, 1_000, 1_000), 147);
        let mut kept = list(&[(0.8, 1.0), (0.5, 0.7), (0.3, 0.5), (0.2, 0.4)]);
        kept.see(1);
        // 0.01 + 0.45 + 2, rounded up: the third best middle.
        // An eighth of the way from the middle, 0.4, to the lower bound, 0.3.
        let threshold = kept.threshold(Threshold::Expected, 1, 100);
        assert!((threshold - 0.3875).abs() < 1e-6, "{threshold}");
        assert_eq!(kept.threshold(Threshold::Proven, 5, 100), f32::NEG_INFINITY);
    }

    #[test]
    fn an_interval_that_says_nothing_is_never_dropped_and_never_sets_a_threshold() {
        let mut kept = list(&[(f32::NEG_INFINITY, f32::INFINITY), (0.1, 0.3), (0.0, 0.1)]);
        kept.see(100);
        assert!(kept.threshold(Threshold::Expected, 1, 1_000) <= 0.2);
        kept.drop_below(9.0);
        assert_eq!(kept.drain().len(), 1);
    }

    #[test]
    fn a_shared_threshold_only_rises() {
        let shared = SharedThreshold::new(f32::NEG_INFINITY);
        assert_eq!(shared.get(), f32::NEG_INFINITY);
        for (raise, now) in [(-2.0, -2.0), (-3.0, -2.0), (0.5, 0.5), (-0.1, 0.5), (1e30, 1e30)] {
            shared.raise(raise);
            assert_eq!(shared.get(), now);
        }
    }
}
