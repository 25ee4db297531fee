//! All pairs of rows that are at least so good.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::rescore::{Job, Rescorer};
use super::triangle::{Audience, Met};
use crate::error::{Error, Result};

/// Pairs after which their share says something of the data.
const JUDGED_PAIRS: u64 = 1 << 22;

/// Two rows and their canonical goodness; `first < second`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pair {
    pub(super) goodness: f64,
    pub(super) first: u32,
    pub(super) second: u32,
}

impl Pair {
    /// `Less` if `self` comes before `other`: the better one, then the lower rows.
    pub(super) fn order(&self, other: &Self) -> std::cmp::Ordering {
        // As in `Ranked::order`.
        let better = (other.goodness + 0.0).total_cmp(&(self.goodness + 0.0));
        better.then(self.first.cmp(&other.first)).then(self.second.cmp(&other.second))
    }
}

/// Scores what the passes report at once, and keeps what is good enough.
///
/// So it holds nothing but the answer, and knows at any time how large that is.
pub(super) struct Above<'a> {
    rescorer: &'a Rescorer<'a>,
    /// What a pair's goodness must reach, and the same for a pass.
    least: f64,
    floor: f32,
    most: u64,
    count: AtomicU64,
    found: Mutex<Vec<Pair>>,
}

impl<'a> Above<'a> {
    /// Wants pairs from this goodness up; more than `most` are an error.
    pub(super) fn new(rescorer: &'a Rescorer<'a>, least: f64, most: u64) -> Self {
        Self {
            rescorer,
            least,
            floor: rescorer.floor(0, least),
            most,
            count: AtomicU64::new(0),
            found: Mutex::default(),
        }
    }

    /// The pairs, in no order.
    pub(super) fn into_pairs(self) -> Vec<Pair> {
        self.found.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Audience for Above<'_> {
    const MUTUAL: bool = false;

    fn threshold(&self, _place: usize) -> f32 {
        self.floor
    }

    fn meet(&self, _panel: Range<usize>, _block: Range<usize>, met: &[Met]) -> Result<()> {
        if met.is_empty() {
            return Ok(());
        }
        let numbers = self.rescorer.setting.batch;
        // The row is the query, so that it stays while lanes change.
        let jobs: Vec<Job> = met
            .iter()
            .filter(|pair| pair.upper >= self.floor)
            .map(|pair| Job { row: numbers[pair.lane as usize] as u32, query: pair.row, place: 0 })
            .collect();
        let mut found = Vec::new();
        let mut named = jobs.iter();
        let mut unordered = None;
        self.rescorer.score(&jobs, |goodness| {
            let Some(job) = named.next() else { return };
            let (a, b) = (job.row, numbers[job.query as usize] as u32);
            if goodness.is_nan() {
                unordered = Some(a);
            }
            if goodness >= self.least {
                found.push(Pair { goodness, first: a.min(b), second: a.max(b) });
            }
        });
        if let Some(row) = unordered {
            return Err(Error::NonFinite { argument: "corpus", row: row as usize });
        }
        let count = found.len() as u64;
        if self.count.fetch_add(count, Ordering::Relaxed) + count > self.most {
            return Err(Error::TooManyPairs { most: self.most });
        }
        let mut all = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = ((all.len() + found.len()) * size_of::<Pair>()) as u128;
        all.try_reserve(found.len()).map_err(|_| Error::Memory { argument: "the pairs", bytes })?;
        all.append(&mut found);
        Ok(())
    }

    fn perfect(&self, _first: usize, pairs: u64) -> Option<f64> {
        let count = self.count.load(Ordering::Relaxed);
        (pairs >= JUDGED_PAIRS).then(|| count as f64 / pairs as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_ordered_by_goodness_then_rows_and_zero_has_no_sign() {
        let pair = |goodness, first, second| Pair { goodness, first, second };
        let mut pairs = [pair(0.0, 1, 3), pair(0.5, 2, 3), pair(-0.0, 1, 2), pair(0.0, 0, 9)];
        pairs.sort_by(Pair::order);
        let order: Vec<_> = pairs.iter().map(|pair| (pair.first, pair.second)).collect();
        assert_eq!(order, [(2, 3), (0, 9), (1, 2), (1, 3)]);
    }
}
