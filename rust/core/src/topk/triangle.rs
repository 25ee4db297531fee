//! The walk over all pairs of a corpus's own rows, each of which is met once.
//!
//! Every row gets a place, in an order that steps through the corpus by the golden ratio: so any
//! stretch of places is a fair sample, however the corpus is sorted. Consecutive places are packed as
//! panels, batch after batch, and each panel meets the rows of later places, block by block. A pair is
//! met by the panel of its earlier place, and tells both rows about each other.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::cost::{Shape, bearable_hits};
use super::hits::Stats;
use super::ladder::{Ladder, PassKind};
use super::pass::{Floors, MAX_LANES, Pass, RowFloors, Setting, lowered};
use super::plane::Plane;
use super::rowset::RowSet;
use super::scan::{BLOCK_BYTES, TILE, golden_stride};
use crate::error::{Error, Result};
use crate::kernels::int8::{Hit, stride};
use crate::threads::{Control, pool};

/// Rows that are packed together: so many that what a block costs to load is shared by many, and few
/// enough to stay in the second-level cache beside it.
const BATCH: usize = 64 * MAX_LANES;

/// Rows of the first batch. Rows without a threshold call every pair a hit: a few rows that meet all
/// others set one.
pub(super) const SEED: usize = 16;

/// Rows of a block where a batch meets itself: half of such a block is met in vain.
const DIAGONAL: usize = 4 * MAX_LANES;

/// A pair that the pass could not rule out. Rows are named by their places.
#[derive(Debug, Clone, Copy)]
pub(super) struct Met {
    pub(super) lane: u32,
    /// The later place.
    pub(super) row: u32,
    /// Bounds on the truth.
    pub(super) lower: f32,
    pub(super) upper: f32,
}

/// Who wants to know of pairs.
pub(super) trait Audience: Sync {
    /// True if rows have thresholds of their own; else there is one for all of them.
    const MUTUAL: bool;

    /// What a pair's truth must reach to matter to the row at this place.
    fn threshold(&self, place: usize) -> f32;

    /// Takes the pairs of a panel and a block of rows, which are places; row by row.
    ///
    /// # Errors
    /// If the walk must end.
    fn meet(&self, panel: Range<usize>, block: Range<usize>, met: &[Met]) -> Result<()>;

    /// The share of pairs that a pass without errors would report now; `None` while that cannot be
    /// told. All places before `first` have met all others, altogether `pairs`.
    fn perfect(&self, first: usize, pairs: u64) -> Option<f64>;
}

/// All rows of a corpus, about to meet.
pub(super) struct Triangle<'a> {
    /// The batch is every row, by its place.
    pub(super) setting: Setting<'a>,
    pub(super) plane: Option<Plane<'a>>,
    /// Pairs wanted of each row, if that is known: what the choice of a pass depends on.
    pub(super) k: usize,
    pub(super) kind: PassKind,
    /// Allows a more precise pass once hits explode.
    pub(super) may_step: bool,
    pub(super) threads: usize,
    pub(super) control: &'a Control,
}

/// What the threads share while a batch meets the others.
struct Turn<'a> {
    ladder: Ladder<'a>,
    batch: Range<usize>,
    shape: Shape,
    /// The next place that the batch has not met.
    next: AtomicUsize,
    hits: AtomicU64,
    failure: Mutex<Option<Error>>,
}

/// Scratch of one thread.
#[derive(Default)]
struct Scratch<B> {
    block: B,
    hits: Vec<Hit>,
    met: Vec<Met>,
    floors: Vec<f32>,
}

/// The rows' numbers by their places.
pub(super) fn places(rows: usize) -> Vec<usize> {
    let step = golden_stride(rows);
    let next = |&number: &usize| Some((number + step) % rows);
    std::iter::successors(Some(0), next).take(rows).collect()
}

/// The places that are packed together. The last place meets all others as a row.
fn batches(rows: usize) -> Vec<Range<usize>> {
    let last = rows.saturating_sub(1);
    let later = (SEED..last).step_by(BATCH).map(|first| first..rows.min(first + BATCH));
    std::iter::once(0..SEED.min(rows)).filter(|_| last > 0).chain(later).collect()
}

impl Triangle<'_> {
    fn len(&self) -> usize {
        self.setting.batch.len()
    }

    /// Shows the audience all pairs.
    ///
    /// # Errors
    /// What the audience answers, or [`Error::Stopped`].
    pub(super) fn walk<A: Audience>(&self, audience: &A, stats: &mut Stats) -> Result<()> {
        let batches = batches(self.len());
        let rows = batches.iter().map(|batch| (self.len() - batch.start - 1) as u64);
        self.control.expect(rows.sum());
        let transform = OnceLock::new();
        let pairs = AtomicU64::new(0);
        let mut kind = self.kind;
        for batch in batches {
            let first = batch.start;
            let setting = Setting {
                batch: &self.setting.batch[batch.clone()],
                query_norms: &self.setting.query_norms[batch.clone()],
                ..self.setting
            };
            let rows = RowSet::Stretch { first: 0, len: self.len() };
            let shape = Shape {
                queries: batch.len(),
                rows: self.len() - first,
                dim: setting.corpus.dim(),
                k: self.k,
                value_bytes: setting.corpus.value_bytes(),
                stored: self.plane.is_some(),
            };
            let turn = Turn {
                ladder: Ladder::new(setting, rows, self.plane, &transform, kind, self.may_step),
                batch,
                shape,
                next: AtomicUsize::new(first + 1),
                hits: AtomicU64::new(0),
                failure: Mutex::new(None),
            };
            if self.threads == 1 {
                self.share(&turn, audience, &pairs);
            } else {
                pool(self.threads)?.broadcast(|_| self.share(&turn, audience, &pairs));
            }
            let Turn { ladder, hits, failure, .. } = turn;
            if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
                return Err(error);
            }
            stats.hits += hits.into_inner();
            for (total, rows) in stats.rows.iter_mut().zip(ladder.counts()) {
                *total += rows;
            }
            stats.fallbacks += u64::from(ladder.kind() != ladder.first_kind());
            kind = ladder.kind();
        }
        Ok(())
    }

    /// One thread's share of a turn.
    fn share<A: Audience>(&self, turn: &Turn, audience: &A, pairs: &AtomicU64) {
        if let Err(error) = self.blocks(turn, audience, pairs) {
            // No thread needs to go on.
            turn.next.store(self.len(), Ordering::Relaxed);
            let mut failure = turn.failure.lock().unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert(error);
        }
    }

    fn blocks<A: Audience>(&self, turn: &Turn, audience: &A, pairs: &AtomicU64) -> Result<()> {
        let (mut int8, mut bf16, mut f32) = Default::default();
        let mut numbers = Vec::new();
        let mut judged = (0, 0);
        while let Some(block) = self.next_block(turn) {
            numbers.clear();
            numbers.extend(self.setting.batch[block.clone()].iter().map(|&number| number as u32));
            let ladder = &turn.ladder;
            let kind = ladder.kind();
            let rows = &numbers;
            let (hits, met) = match kind {
                PassKind::Int8 => {
                    self.meet(ladder.int8(), turn, audience, block, rows, &mut int8)?
                }
                PassKind::Bf16 => {
                    self.meet(ladder.bf16(), turn, audience, block, rows, &mut bf16)?
                }
                PassKind::F32 => self.meet(ladder.f32(), turn, audience, block, rows, &mut f32)?,
            };
            ladder.count(kind, rows.len());
            turn.hits.fetch_add(hits, Ordering::Relaxed);
            self.control.advance(rows.len() as u64);
            let so_far = pairs.fetch_add(met, Ordering::Relaxed) + met;
            judged = (judged.0 + hits, judged.1 + met);
            if let (Some(next), Some(perfect)) =
                (ladder.below(kind), audience.perfect(turn.batch.start, so_far))
            {
                let kernels = ladder.kernels();
                let bearable = bearable_hits(kernels, kind, next, turn.shape, perfect);
                if judged.0 as f64 > bearable * judged.1 as f64 {
                    ladder.step_down(kind);
                }
                judged = (0, 0);
            }
        }
        Ok(())
    }

    /// The next block of places for a turn.
    fn next_block(&self, turn: &Turn) -> Option<Range<usize>> {
        let row_bytes = match turn.ladder.kind() {
            PassKind::Int8 => stride(turn.shape.dim),
            PassKind::Bf16 | PassKind::F32 => turn.shape.dim * size_of::<f32>(),
        };
        let end = |start: usize| {
            let len = if start < turn.batch.end {
                DIAGONAL
            } else {
                let shared = (self.len() - start).div_ceil(4 * self.threads);
                (BLOCK_BYTES / row_bytes.max(1)).min(shared).max(1).next_multiple_of(TILE)
            };
            self.len().min(start + len)
        };
        let taken = turn.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |start| {
            (start < self.len()).then(|| end(start))
        });
        taken.ok().map(|start| start..end(start))
    }

    /// Shows a block to all panels of a batch; returns how many hits there were, among how many pairs.
    fn meet<P: Pass, A: Audience>(
        &self,
        pass: &P,
        turn: &Turn,
        audience: &A,
        places: Range<usize>,
        numbers: &[u32],
        scratch: &mut Scratch<P::Block>,
    ) -> Result<(u64, u64)> {
        let Scratch { block, hits, met, floors } = scratch;
        pass.load(numbers, block)?;
        floors.clear();
        if A::MUTUAL {
            floors.extend(places.clone().map(|place| lowered(audience.threshold(place))));
        }
        let mut lanes = [f32::INFINITY; MAX_LANES];
        let mut lead = [f32::NEG_INFINITY; MAX_LANES];
        let (mut reported, mut pairs) = (0, 0);
        for &panel in pass.panels() {
            if self.control.is_stopped() {
                return Err(Error::Stopped);
            }
            let first = turn.batch.start + panel.first;
            let panel_places = first..first + panel.len;
            // No row of the block is behind this panel's, or the ones that follow.
            if first + 1 >= places.end {
                break;
            }
            lanes[panel.len..].fill(f32::INFINITY);
            lead[panel.len..].fill(f32::NEG_INFINITY);
            for lane in 0..panel.len {
                let query = panel.first + lane;
                lanes[lane] = pass.floor(query, block, audience.threshold(first + lane));
                if A::MUTUAL {
                    lead[lane] = pass.lead(query, block);
                }
            }
            let rows = A::MUTUAL.then_some(RowFloors { thresholds: floors, lead: &lead });
            hits.clear();
            pass.scan(panel, block, &Floors { lanes: &lanes, rows }, hits);
            met.clear();
            for hit in &*hits {
                let (lane, row) = (first + hit.lane(), places.start + hit.row());
                if hit.lane() >= panel.len || row <= lane {
                    continue;
                }
                let (lower, upper) =
                    pass.interval(panel.first + hit.lane(), block, hit.row(), hit.key);
                met.push(Met { lane: lane as u32, row: row as u32, lower, upper });
            }
            reported += met.len() as u64;
            pairs += (panel.len * numbers.len()) as u64;
            audience.meet(panel_places, places.clone(), met)?;
            if A::MUTUAL {
                for pair in &*met {
                    let row = pair.row as usize;
                    floors[row - places.start] = lowered(audience.threshold(row));
                }
            }
        }
        Ok((reported, pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_place_and_neighbours_are_far_apart() {
        for rows in [1, 2, 3, 64, 1_000] {
            let mut numbers = places(rows);
            if rows > 100 {
                assert!(numbers.windows(2).all(|pair| pair[0].abs_diff(pair[1]) > rows / 4));
            }
            numbers.sort_unstable();
            assert!(numbers.into_iter().eq(0..rows));
        }
        assert!(places(0).is_empty());
    }

    #[test]
    fn every_place_but_the_last_is_in_one_batch() {
        assert!(batches(0).is_empty() && batches(1).is_empty());
        let ends = |rows| batches(rows).iter().map(|batch| batch.end).collect::<Vec<_>>();
        assert_eq!((ends(2), ends(17), ends(18)), (vec![2], vec![16], vec![16, 18]));
        let many: Vec<usize> = batches(10_000).into_iter().flatten().collect();
        assert!(many.into_iter().eq(0..10_000));
    }
}
