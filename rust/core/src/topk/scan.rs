//! The blocked, threaded walk over all pairs of a pass.
//!
//! A block of rows stays in the second-level cache while all panels meet it. Blocks are handed out
//! one by one, since cores of a shared machine are not equally fast, and in a golden-ratio stride: in
//! a sorted corpus neighbours are alike, and in plain order every row could beat the ones before it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::candidates::{Candidate, Candidates, Pushed, SharedThreshold};
use super::certificate::{interval, key_floor};
use super::pass::{MAX_LANES, Pass};
use crate::error::{Error, Result};
use crate::rank::{Ranked, keep_best};
use crate::threads::Control;

/// Bytes of corpus in a block: half of a common second-level cache, the rest is for the panel.
const BLOCK_BYTES: usize = 512 << 10;

/// Rows that a thread shows the queries first. Until a query has its first threshold everything is
/// a candidate, so a few rows set one and each next piece is twice as long.
const FIRST_ROWS: usize = 48;

/// Everything the walk needs besides the pass.
pub(super) struct Walk<'a, G, A> {
    /// Queries in this batch.
    pub(super) queries: usize,
    /// Hits wanted per query.
    pub(super) k: usize,
    /// Rows that may be found, ascending.
    pub(super) rows: &'a [u32],
    /// Values in a row.
    pub(super) dim: usize,
    /// Threads that will call [`Walk::run`].
    pub(super) threads: usize,
    /// True where this query must not return this row.
    pub(super) excluded: &'a (dyn Fn(usize, u32) -> bool + Sync),
    /// Canonical goodness of a row for a query.
    pub(super) goodness: G,
    /// Says that a row's goodness will be asked for soon.
    pub(super) announce: A,
    /// Asks whether to stop.
    pub(super) control: &'a Control,
}

/// Per thread, the candidates of each query.
type Parts = Vec<Vec<Candidates>>;

/// What the threads share while they walk.
pub(super) struct Shared {
    next: AtomicUsize,
    thresholds: Vec<SharedThreshold>,
    done: Mutex<Result<Parts>>,
}

impl Shared {
    pub(super) fn new(queries: usize) -> Self {
        Self {
            next: AtomicUsize::new(0),
            thresholds: (0..queries).map(|_| SharedThreshold::new()).collect(),
            done: Mutex::new(Ok(Vec::new())),
        }
    }

    /// Each thread's candidates, or the first error that one met.
    pub(super) fn finish(self) -> Result<Parts> {
        self.done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<G: Fn(usize, u32) -> f64 + Sync, A: Fn(u32) + Sync> Walk<'_, G, A> {
    fn block_rows(&self) -> usize {
        let cached = BLOCK_BYTES / (4 * self.dim.max(1));
        let shared = self.rows.len().div_ceil(4 * self.threads);
        cached.min(shared).max(48)
    }

    /// One thread's share, until no block is left.
    pub(super) fn run(&self, pass: &impl Pass, shared: &Shared) {
        let mine = self.walk(pass, shared);
        let mut done = shared.done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match (mine, done.as_mut()) {
            (Ok(mine), Ok(all)) => all.push(mine),
            (Err(error), Ok(_)) => {
                // No thread needs to go on.
                shared.next.store(usize::MAX / 2, Ordering::Relaxed);
                *done = Err(error);
            }
            (_, Err(_)) => {}
        }
    }

    fn walk(&self, pass: &impl Pass, shared: &Shared) -> Result<Vec<Candidates>> {
        let mut mine: Vec<_> = (0..self.queries).map(|_| Candidates::new(self.k)).collect();
        let size = self.block_rows();
        let blocks = self.rows.len().div_ceil(size);
        let stride = golden_stride(blocks);
        let mut block = Default::default();
        let mut piece = FIRST_ROWS;
        loop {
            let turn = shared.next.fetch_add(1, Ordering::Relaxed);
            if turn >= blocks {
                return Ok(mine);
            }
            let start = turn * stride % blocks * size;
            let mut rows = &self.rows[start..self.rows.len().min(start + size)];
            while !rows.is_empty() {
                let (now, later) = rows.split_at(rows.len().min(piece));
                self.meet(pass, shared, now, &mut block, &mut mine)?;
                (rows, piece) = (later, piece.saturating_mul(2));
            }
        }
    }

    /// Shows all panels these rows.
    fn meet<P: Pass>(
        &self,
        pass: &P,
        shared: &Shared,
        rows: &[u32],
        block: &mut P::Block,
        mine: &mut [Candidates],
    ) -> Result<()> {
        pass.load(rows, block)?;
        let mut floors = [f32::INFINITY; MAX_LANES];
        for &panel in pass.panels() {
            if self.control.is_stopped() {
                return Err(Error::Stopped);
            }
            floors.fill(f32::INFINITY);
            for (lane, floor) in floors[..panel.len].iter_mut().enumerate() {
                let query = panel.first + lane;
                mine[query].raise(shared.thresholds[query].get());
                *floor = key_floor(mine[query].threshold(), pass.max_error(query, block));
            }
            pass.scan(panel, block, &floors, |lane, i, key| {
                let query = panel.first + lane;
                let (lower, upper) = interval(key, pass.error(query, block, i));
                let kept = &mut mine[query];
                if upper < kept.threshold() || (self.excluded)(query, rows[i]) {
                    return;
                }
                if kept.push(Candidate { lower, upper, row: rows[i] }, self.k) == Pushed::Crowded {
                    self.settle(query, kept);
                }
            });
            let queries = panel.first..panel.first + panel.len;
            for (kept, threshold) in
                mine[queries.clone()].iter_mut().zip(&shared.thresholds[queries])
            {
                if kept.cut_if_grown(self.k) {
                    threshold.raise(kept.threshold());
                }
            }
        }
        Ok(())
    }

    /// Tells crowded candidates apart by their exact scores.
    fn settle(&self, query: usize, kept: &mut Candidates) {
        let rows: Vec<u32> = kept.rows().collect();
        // A row without a score stays a candidate, and `answer` reports it.
        if let Ok(best) = self.best(query, &rows) {
            let mut best: Vec<u32> = best.iter().map(|hit| hit.row).collect();
            best.sort_unstable();
            kept.keep_rows(&best);
        }
    }

    /// The best `k` of these rows by canonical score, in order.
    fn best(&self, query: usize, rows: &[u32]) -> Result<Vec<Ranked>> {
        let mut hits = Vec::with_capacity(rows.len());
        for (i, &row) in rows.iter().enumerate() {
            if let Some(&soon) = rows.get(i + 2) {
                (self.announce)(soon);
            }
            let goodness = (self.goodness)(query, row);
            // Norms that are no longer the rows' own hide a NaN until here; its key, a NaN as well,
            // has made it a candidate of every query.
            if goodness.is_nan() {
                return Err(Error::NonFinite { argument: "corpus", row: row as usize });
            }
            hits.push(Ranked { goodness, row });
        }
        keep_best(&mut hits, self.k);
        Ok(hits)
    }

    /// The final answer for a query from all threads' candidates.
    ///
    /// # Errors
    /// [`Error::NonFinite`] if a row turns out to hold NaN; [`Error::Stopped`] if asked to stop.
    pub(super) fn answer(&self, query: usize, mut kept: Candidates) -> Result<Vec<Ranked>> {
        if self.control.is_stopped() {
            return Err(Error::Stopped);
        }
        kept.cut(self.k);
        let mut rows: Vec<u32> = kept.rows().collect();
        // Memory order: rows that lie together are read together.
        rows.sort_unstable();
        self.best(query, &rows)
    }
}

/// A step near 0.618 of `n` that visits every residue.
fn golden_stride(n: usize) -> usize {
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
