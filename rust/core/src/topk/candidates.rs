//! One query's rows that may still belong to its top k.

use std::sync::atomic::{AtomicU32, Ordering};

/// A row with the interval that holds its truth, in the pass's key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) lower: f32,
    pub(super) upper: f32,
    pub(super) row: u32,
}

/// A growing list, cut back whenever it is full.
#[derive(Debug)]
pub(super) struct Candidates {
    list: Vec<Candidate>,
    capacity: usize,
    threshold: f32,
    next_cut: usize,
}

/// What a push asks of its caller.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// Nothing.
    Kept,
    /// Too many intervals overlap; only exact scores can tell the rows apart.
    Crowded,
}

/// Candidates kept before the first cut, for a given `k`.
pub(super) fn first_capacity(k: usize) -> usize {
    k.saturating_mul(4).max(256)
}

impl Candidates {
    pub(super) fn new(k: usize) -> Self {
        Self {
            list: Vec::new(),
            capacity: first_capacity(k),
            threshold: f32::NEG_INFINITY,
            next_cut: 0,
        }
    }

    /// A row whose truth is surely below this is out.
    pub(super) fn threshold(&self) -> f32 {
        self.threshold
    }

    pub(super) fn raise(&mut self, threshold: f32) {
        self.threshold = self.threshold.max(threshold);
    }

    pub(super) fn push(&mut self, candidate: Candidate, k: usize) -> Pushed {
        if self.list.len() < self.capacity {
            self.list.push(candidate);
            return Pushed::Kept;
        }
        self.list.push(candidate);
        self.cut(k);
        if self.list.len() * 4 <= self.capacity * 3 {
            Pushed::Kept
        } else if self.capacity < first_capacity(k).saturating_mul(8) {
            self.capacity *= 2;
            Pushed::Kept
        } else {
            Pushed::Crowded
        }
    }

    /// Cuts if that is worth its time: once the list is half again as long as the answer.
    pub(super) fn cut_if_grown(&mut self, k: usize) -> bool {
        let grown = self.list.len() >= (k / 2).max(8).saturating_add(k);
        // After a cut that could not tell the rows apart, the next one waits for new rows.
        if grown && self.list.len() >= self.next_cut {
            self.cut(k);
            self.next_cut = self.list.len() + (k / 2).max(8);
            return true;
        }
        false
    }

    /// Raises the threshold to the k-th best lower bound and drops what is surely below it.
    pub(super) fn cut(&mut self, k: usize) {
        if self.list.len() > k {
            let (_, kth, _) =
                self.list.select_nth_unstable_by(k - 1, |a, b| b.lower.total_cmp(&a.lower));
            self.threshold = self.threshold.max(kth.lower);
        }
        self.list.retain(|candidate| candidate.upper >= self.threshold);
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = u32> + '_ {
        self.list.iter().map(|candidate| candidate.row)
    }

    /// Keeps only these rows, given in ascending order.
    pub(super) fn keep_rows(&mut self, sorted: &[u32]) {
        self.list.retain(|candidate| sorted.binary_search(&candidate.row).is_ok());
        self.next_cut = 0;
    }

    /// Takes the list of another part of the corpus in.
    pub(super) fn absorb(&mut self, other: Self) {
        self.threshold = self.threshold.max(other.threshold);
        self.list.extend(other.list);
    }
}

/// A threshold that all threads raise together.
#[derive(Debug)]
pub(super) struct SharedThreshold(AtomicU32);

impl SharedThreshold {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(ordered(f32::NEG_INFINITY)))
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

    fn candidate(lower: f32, upper: f32, row: u32) -> Candidate {
        Candidate { lower, upper, row }
    }

    #[test]
    fn a_cut_keeps_every_row_that_may_still_be_in() {
        let mut kept = Candidates::new(2);
        for (lower, upper, row) in [(0.9, 1.0, 0), (0.5, 0.6, 1), (0.1, 0.55, 2), (0.1, 0.4, 3)] {
            assert_eq!(kept.push(candidate(lower, upper, row), 2), Pushed::Kept);
        }
        kept.cut(2);
        // The second best lower bound is 0.5; only row 3 is surely below it.
        let mut rows: Vec<_> = kept.rows().collect();
        rows.sort_unstable();
        assert_eq!((kept.threshold(), rows), (0.5, vec![0, 1, 2]));
    }

    #[test]
    fn equal_rows_crowd_and_are_never_dropped() {
        let mut kept = Candidates::new(1);
        let crowded = (0..5_000)
            .find(|&row| kept.push(candidate(0.5, 0.5, row), 1) == Pushed::Crowded)
            .unwrap();
        assert_eq!(kept.rows().count(), crowded as usize + 1);
        kept.keep_rows(&[3, 7]);
        assert_eq!(kept.rows().collect::<Vec<_>>(), [3, 7]);
    }

    #[test]
    fn a_shared_threshold_only_rises() {
        let shared = SharedThreshold::new();
        assert_eq!(shared.get(), f32::NEG_INFINITY);
        for (raise, now) in [(-2.0, -2.0), (-3.0, -2.0), (0.5, 0.5), (-0.1, 0.5), (1e30, 1e30)] {
            shared.raise(raise);
            assert_eq!(shared.get(), now);
        }
    }
}
