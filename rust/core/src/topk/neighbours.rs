//! The best other rows of every row, kept while all rows meet.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::candidates::{Candidate, Candidates, SharedThreshold, Threshold, expected_rank};
use super::pass::MAX_LANES;
use super::rescore::Rescorer;
use super::triangle::{Audience, Met, SEED};
use crate::error::Result;

/// The lists of the places that are in a panel together.
struct Desk {
    lists: [Candidates; MAX_LANES],
    /// Rows that each of these places met while it was in a panel.
    met: [usize; MAX_LANES],
}

/// A list of candidates for every place, under thresholds that are judged by a sample.
///
/// What is met is a fair sample for each end of a pair, see `triangle`. The sample may mislead: so
/// the answers are checked, as those of a search are.
pub(super) struct Neighbours<'a> {
    rescorer: &'a Rescorer<'a>,
    k: usize,
    /// Candidates from which on only exact scores can tell a list's rows apart.
    crowd: usize,
    desks: Vec<Mutex<Desk>>,
    thresholds: Vec<SharedThreshold>,
}

/// About the bytes that the lists of so many rows take.
pub(super) fn list_bytes(rows: usize, k: usize) -> usize {
    // As measured: lists grow by doubling, and hold what the last cut has not seen yet.
    let list = size_of::<Candidates>() + 3 * expected_rank(k, 1, 1) * size_of::<Candidate>();
    rows.saturating_mul(list)
}

/// The desk of a place, and the place's list there: no panel reaches over two desks.
fn desk_of(place: usize) -> (usize, usize) {
    let shifted = place + MAX_LANES - SEED;
    (shifted / MAX_LANES, shifted % MAX_LANES)
}

impl<'a> Neighbours<'a> {
    /// Wants the `k` best for every place of the rescorer's batch.
    pub(super) fn new(rescorer: &'a Rescorer<'a>, k: usize) -> Self {
        let places = rescorer.setting.batch.len();
        let desk = |_| {
            let lists = std::array::from_fn(|_| Candidates::default());
            Mutex::new(Desk { lists, met: [0; MAX_LANES] })
        };
        Self {
            rescorer,
            k,
            crowd: k.saturating_mul(8).max(128),
            desks: (0..places.checked_sub(1).map_or(0, |last| desk_of(last).0 + 1))
                .map(desk)
                .collect(),
            thresholds: (0..places).map(|_| SharedThreshold::new(f32::NEG_INFINITY)).collect(),
        }
    }

    /// The candidates of all places, in their order, each with the threshold that they passed.
    pub(super) fn into_lists(self) -> impl Iterator<Item = (Candidates, f32)> {
        let desks = self.desks.into_iter();
        let lists =
            desks.flat_map(|desk| desk.into_inner().unwrap_or_else(PoisonError::into_inner).lists);
        let lists = lists.skip(desk_of(0).1);
        lists.zip(self.thresholds).map(|(list, threshold)| (list, threshold.get()))
    }

    fn desk(&self, number: usize) -> MutexGuard<'_, Desk> {
        self.desks[number].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts a list that has grown; `met` is at least the number of rows that it has seen.
    fn cut(&self, place: usize, met: usize, kept: &mut Candidates) {
        let all = self.rescorer.setting.batch.len() - 1;
        kept.has_seen(met.min(all));
        let threshold = &self.thresholds[place];
        threshold.raise(kept.threshold(Threshold::Expected, self.k, all));
        kept.drop_below(threshold.get());
        if kept.len() > self.crowd {
            // A row without a score stays a candidate, and the answer reports it.
            if let Some((best, floor)) = self.rescorer.settle(place, kept.drain(), self.k) {
                for candidate in best {
                    kept.push(candidate);
                }
                threshold.raise(floor);
                kept.drop_below(threshold.get());
            }
        }
    }

    /// Tells places of others, which they may want on their lists; all before `before` have met.
    fn tell(&self, before: usize, news: impl Iterator<Item = (u32, u32, Met)>) {
        let mut open: Option<(usize, MutexGuard<Desk>)> = None;
        for (place, other, Met { lower, upper, .. }) in news {
            let place = place as usize;
            if upper < self.thresholds[place].get() {
                continue;
            }
            let (number, index) = desk_of(place);
            let desk = match open.take() {
                Some((at, desk)) if at == number => desk,
                other => {
                    // Never two at once: another thread may want them in the other order.
                    drop(other);
                    self.desk(number)
                }
            };
            let (_, desk) = open.insert((number, desk));
            let row = self.rescorer.setting.batch[other as usize] as u32;
            let Desk { lists, met } = &mut **desk;
            let (kept, met) = (&mut lists[index], before + met[index]);
            kept.push(Candidate { lower, upper, row });
            if kept.has_grown(self.k) {
                self.cut(place, met, kept);
            }
        }
    }
}

impl Audience for Neighbours<'_> {
    const MUTUAL: bool = true;

    fn threshold(&self, place: usize) -> f32 {
        self.thresholds[place].get()
    }

    fn meet(&self, panel: Range<usize>, block: Range<usize>, met: &[Met]) -> Result<()> {
        // Earlier places met these when they were in a panel.
        let before = panel.end;
        let (number, first) = desk_of(panel.start);
        let later = block.end.saturating_sub(block.start.max(panel.start + 1));
        for count in &mut self.desk(number).met[first..first + panel.len()] {
            *count += later;
        }
        self.tell(before, met.iter().map(|pair| (pair.lane, pair.row, *pair)));
        self.tell(before, met.iter().map(|pair| (pair.row, pair.lane, *pair)));
        Ok(())
    }

    fn perfect(&self, first: usize, _pairs: u64) -> Option<f64> {
        // The first batch fills the lists.
        if first == 0 {
            return None;
        }
        let all = (self.rescorer.setting.batch.len() - 1) as f64;
        let (share, seen) = (self.k as f64 / all, first as f64);
        // For both ends of a pair, as in `Walk::explodes`.
        Some(2.0 * (share * (1.0 + 2.0 / (share * seen).sqrt()) + 2.0 / seen))
    }
}
