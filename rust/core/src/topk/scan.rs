//! The blocked, threaded walk over all pairs.
//!
//! A block of rows stays in the second-level cache while all panels meet it. Blocks are handed out
//! one by one, since cores of a shared machine are not equally fast, and each is made of chunks in a
//! golden-ratio stride over the corpus: neighbours are alike, and in plain order every row of a sorted
//! corpus could beat the ones before it.
//!
//! Where there are many queries, a sample comes first: single rows from all over the corpus, by which
//! a query judges what its answer will reach ([`Threshold::Expected`]). Then all rows pass by in long
//! stretches, and those of the sample are not counted again.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::candidates::{Candidate, Candidates, SharedThreshold, Threshold};
use super::ceiling::{Above, Ceiling, Side};
use super::cost::{self, Shape};
use super::exclude::Excluded;
use super::ladder::{Ladder, PassKind};
use super::pass::{Floors, MAX_LANES, Pass};
use super::rescore::Rescorer;
use super::rowset::RowSet;
use super::shared::{Desk, Shared};
use crate::error::{Error, Result};
use crate::kernels::int8::Hit;
use crate::threads::Control;

/// Bytes of corpus in a block: a share of a common second-level cache, the rest is for the panels.
pub(super) const BLOCK_BYTES: usize = 1024 << 10;

/// Rows of a tile, of which long chunks are multiples.
pub(super) const TILE: usize = 32;

/// Smaller corpora are sample throughout.
const SAMPLED_ROWS: usize = 8192;

/// Most rows that lie together: memory is read best in long stretches.
const CHUNK: usize = 4096;

/// Rows that a thread shows the queries first. Until a query has its first threshold everything is
/// a candidate, so a few rows set one and each next piece is twice as long.
const FIRST_ROWS: usize = TILE;

/// Rows after which the share of hits says something of the pass, and the share of the corpus: before,
/// thresholds are still low.
const JUDGED_ROWS: usize = 2048;
const JUDGED_SHARE: usize = 16;

/// Everything the walk needs besides the passes.
pub(super) struct Walk<'a> {
    /// Rows that are looked at.
    pub(super) rows: RowSet<'a>,
    /// Hits wanted per query.
    pub(super) k: usize,
    pub(super) how: Threshold,
    /// What the choice of a pass depends on.
    pub(super) shape: Shape,
    /// Bytes that are read of a row.
    pub(super) row_bytes: usize,
    /// Threads that will call [`Walk::run`].
    pub(super) threads: usize,
    pub(super) excluded: Excluded<'a>,
    /// What the hits of each query must not exceed.
    pub(super) ceilings: Option<&'a [Ceiling]>,
    /// Rows above its ceiling after which a query gives up.
    pub(super) most_above: u64,
    pub(super) rescorer: &'a Rescorer<'a>,
    /// Asks whether to stop.
    pub(super) control: &'a Control,
}

/// Scratch of one thread.
#[derive(Default)]
struct Scratch<B> {
    block: B,
    hits: Vec<Hit>,
}

/// Which part of the walk rows belong to.
#[derive(Debug, Clone, Copy)]
struct Phase {
    is_sample: bool,
    /// One of so many rows is in the sample.
    step: usize,
    /// Rows whose numbers are multiples of this were met in the sample; 0 for none.
    met: usize,
}

impl Walk<'_> {
    /// The sample's rows are those whose numbers are multiples of this; 0 if there is no sample.
    fn sample_step(&self, ladder: &Ladder) -> usize {
        match self.how {
            Threshold::Expected if self.rows.len() < SAMPLED_ROWS => 1,
            Threshold::Expected => {
                cost::sample_step(ladder.kernels(), ladder.first_kind(), self.shape)
            }
            Threshold::Proven => 0,
        }
    }

    fn block_rows(&self) -> usize {
        let cached = BLOCK_BYTES / self.row_bytes.max(1);
        let shared = self.rows.len().div_ceil(4 * self.threads);
        cached.min(shared).max(TILE)
    }

    /// One thread's share, until no block is left.
    pub(super) fn run(&self, ladder: &Ladder, shared: &Shared) {
        if let Err(error) = self.walk(ladder, shared) {
            // No thread needs to go on.
            shared.next.store(usize::MAX / 2, Ordering::Relaxed);
            let mut failure = shared.failure.lock().unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert(error);
        }
    }

    fn walk(&self, ladder: &Ladder, shared: &Shared) -> Result<()> {
        let size = self.block_rows();
        let step = self.sample_step(ladder);
        let sample = if step > 0 { self.rows.multiples_of(step) } else { Vec::new() };
        let (samples, leap) = (sample.len().div_ceil(size), golden_stride(sample.len()));
        // Every thread gets some of a small corpus.
        let chunk =
            (self.rows.len() / (8 * self.threads) / TILE * TILE).clamp(TILE, size.min(CHUNK));
        let per_block = (size / chunk).max(1);
        let chunks = if step == 1 { 0 } else { self.rows.len().div_ceil(chunk) };
        let stride = golden_stride(chunks);
        let mut rows = Vec::with_capacity(per_block * chunk);
        let (mut int8, mut bf16, mut f32) = Default::default();
        let mut piece = FIRST_ROWS;
        let mut seen = 0;
        loop {
            let turn = shared.next.fetch_add(1, Ordering::Relaxed);
            rows.clear();
            let is_sample = turn < samples;
            if is_sample {
                let places = turn * size..sample.len().min((turn + 1) * size);
                rows.extend(places.map(|place| sample[leapt(place, leap, sample.len())]));
            } else {
                let turn = turn - samples;
                if turn >= chunks.div_ceil(per_block) {
                    return Ok(());
                }
                for place in turn * per_block..chunks.min((turn + 1) * per_block) {
                    let start = leapt(place, stride, chunks) * chunk;
                    self.rows.append(start..self.rows.len().min(start + chunk), &mut rows);
                }
            }
            let phase = Phase { is_sample, step, met: if is_sample { 0 } else { step } };
            let mut left = &rows[..];
            while !left.is_empty() {
                let (now, later) = left.split_at(left.len().min(piece));
                let kind = ladder.kind();
                let hits = match kind {
                    PassKind::Int8 => self.meet(ladder.int8(), shared, now, phase, &mut int8)?,
                    PassKind::Bf16 => self.meet(ladder.bf16(), shared, now, phase, &mut bf16)?,
                    PassKind::F32 => self.meet(ladder.f32(), shared, now, phase, &mut f32)?,
                };
                ladder.count(kind, now.len());
                shared.hits.fetch_add(hits as u64, Ordering::Relaxed);
                if !is_sample || step == 1 {
                    self.control.advance(now.len() as u64);
                }
                seen += now.len();
                let judged = JUDGED_ROWS.max(self.rows.len() / JUDGED_SHARE / self.threads);
                if seen > judged && self.explodes(ladder, kind, seen, now.len(), hits) {
                    ladder.step_down(kind);
                }
                (left, piece) = (later, piece.saturating_mul(2));
            }
        }
    }

    /// True if a pass of more precision would be faster, so many hits does this one give.
    fn explodes(
        &self,
        ladder: &Ladder,
        kind: PassKind,
        seen: usize,
        rows: usize,
        hits: usize,
    ) -> bool {
        let Some(next) = ladder.below(kind) else { return false };
        let Shape { queries, k, .. } = self.shape;
        // What a perfect pass would report at this point of the walk.
        let seen = (seen * self.threads).min(self.rows.len()) as f64;
        let share = k as f64 / self.rows.len() as f64;
        let perfect = share * (1.0 + 2.0 / (share * seen).sqrt()) + 2.0 / seen;
        let bearable = cost::bearable_hits(ladder.kernels(), kind, next, self.shape, perfect);
        hits as f64 > bearable * (rows * queries) as f64
    }

    /// Shows all panels these rows; returns how many hits there were.
    fn meet<P: Pass>(
        &self,
        pass: &P,
        shared: &Shared,
        rows: &[u32],
        phase: Phase,
        scratch: &mut Scratch<P::Block>,
    ) -> Result<usize> {
        let Scratch { block, hits } = scratch;
        pass.load(rows, block)?;
        let mut floors = [f32::INFINITY; MAX_LANES];
        let mut total = 0;
        for &panel in pass.panels() {
            if self.control.is_stopped() {
                return Err(Error::Stopped);
            }
            let queries = panel.first..panel.first + panel.len;
            floors[panel.len..].fill(f32::INFINITY);
            for (floor, query) in floors.iter_mut().zip(queries.clone()) {
                *floor = pass.floor(query, block, shared.thresholds[query].get());
            }
            hits.clear();
            pass.scan(panel, block, &Floors { lanes: &floors, rows: None }, hits);
            total += hits.len();
            let desk = &shared.desks[panel.first / MAX_LANES];
            let mut desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
            let Desk { kept, above } = &mut *desk;
            let first = panel.first % MAX_LANES;
            for hit in &*hits {
                if hit.lane() >= panel.len {
                    continue;
                }
                let query = panel.first + hit.lane();
                let (lower, upper) = pass.interval(query, block, hit.row(), hit.key);
                let row = rows[hit.row()];
                if phase.met > 0 && (row as usize).is_multiple_of(phase.met) {
                    continue;
                }
                if upper < shared.thresholds[query].get() || self.excluded.contains(query, row) {
                    continue;
                }
                let (candidate, place) = (Candidate { lower, upper, row }, first + hit.lane());
                let side = |ceilings: &[Ceiling]| ceilings[query].side(lower, upper);
                match self.ceilings.map_or(Side::Below, side) {
                    Side::Below => kept[place].push(candidate),
                    Side::Unclear => above[place].unclear.push(candidate),
                    Side::Above => above[place].count += 1,
                }
            }
            if let Some(ceilings) = self.ceilings {
                let above = &mut above[first..first + panel.len];
                for (i, query) in queries.clone().enumerate() {
                    let kept = &mut kept[first + i];
                    let threshold = &shared.thresholds[query];
                    let step = if phase.is_sample { phase.step } else { 1 };
                    self.look_up(query, &ceilings[query], &mut above[i], kept, (threshold, step));
                }
            }
            for (kept, query) in kept[first..first + panel.len].iter_mut().zip(queries) {
                let how = if phase.is_sample {
                    kept.see(rows.len());
                    self.how
                } else if self.how == Threshold::Expected {
                    // The sample has been judged; from here on only what is sure counts.
                    Threshold::Proven
                } else {
                    self.how
                };
                if kept.has_grown(self.k) {
                    self.cut(query, kept, how, &shared.thresholds[query]);
                }
            }
        }
        Ok(total)
    }

    /// Scores what is unclear once there is enough of it, and gives up a query that has met too many
    /// rows above its ceiling.
    fn look_up(
        &self,
        query: usize,
        ceiling: &Ceiling,
        above: &mut Above,
        kept: &mut Candidates,
        (threshold, step): (&SharedThreshold, usize),
    ) {
        if above.is_full() {
            self.rescorer.clear(query, ceiling, above, kept);
        }
        if !above.gave_up && above.is_too_much(self.most_above, step) {
            above.give_up();
            kept.drain();
            // From here on nothing is a hit.
            threshold.raise(f32::INFINITY);
        }
    }

    fn cut(
        &self,
        query: usize,
        kept: &mut Candidates,
        how: Threshold,
        threshold: &SharedThreshold,
    ) {
        threshold.raise(kept.threshold(how, self.k, self.rows.len()));
        kept.drop_below(threshold.get());
        if kept.is_crowded(self.k) {
            // A row without a score stays a candidate, and the answer reports it.
            if let Some((best, floor)) = self.rescorer.settle(query, kept.drain(), self.k) {
                for candidate in best {
                    kept.push(candidate);
                }
                threshold.raise(floor);
                kept.drop_below(threshold.get());
            }
        }
    }
}

/// Where the `place`-th of `n` lies when each leaps `stride` further.
fn leapt(place: usize, stride: usize, n: usize) -> usize {
    (place as u128 * stride as u128 % n as u128) as usize
}

/// A step near 0.618 of `n` that visits every residue.
pub(super) fn golden_stride(n: usize) -> usize {
    let mut step = ((n as f64 * 0.618_033_988_75) as usize).max(1);
    while gcd(step, n.max(1)) != 1 {
        step += 1;
    }
    step
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stride_visits_every_block_once() {
        for n in [1, 2, 3, 10, 97, 1_000, 2_584] {
            let step = golden_stride(n);
            let mut seen: Vec<_> = (0..n).map(|turn| turn * step % n).collect();
            seen.sort_unstable();
            assert!(seen.iter().copied().eq(0..n), "{n}");
        }
    }
}
