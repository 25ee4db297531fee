//! Canonical scores of the rows that a pass could not rule out.

use super::candidates::{Candidate, Candidates};
use super::metric::{Metric, Normed, norm};
use super::pass::Setting;
use crate::error::{Error, Result};
use crate::rank::{Ranked, keep_best};

/// Rows that are asked for ahead: enough to keep the memory busy while one is scored.
const AHEAD: usize = 4;

/// Unit roundoff of `f64`.
const U64: f64 = 1.0 / (1_u64 << 53) as f64;

/// Scores rows of one batch of queries.
pub(super) struct Rescorer<'a> {
    pub(super) setting: Setting<'a>,
}

/// What became of a query's candidates.
pub(super) struct Answer {
    /// The best rows, in order.
    pub(super) hits: Vec<Ranked>,
    /// True if no other row can belong to them; else the query needs another walk, from `floor` up.
    pub(super) complete: bool,
    /// What a row's truth must reach to be among the hits.
    pub(super) floor: f32,
    /// Rows that were scored.
    pub(super) scored: usize,
}

impl Rescorer<'_> {
    fn goodness(&self, query: usize, row: u32, scratch: &mut Vec<f32>) -> f64 {
        let Setting { kernels, metric, corpus, norms, .. } = self.setting;
        let values = corpus.read(kernels, row as usize, scratch);
        let norm = match (metric, norms) {
            (Metric::Cosine, Some(norms)) => norms[row as usize],
            (Metric::Cosine, None) => norm(kernels, values),
            _ => 0.0,
        };
        let query =
            Normed { values: self.setting.query(query), norm: self.setting.query_norms[query] };
        metric.goodness(kernels, query, Normed { values, norm })
    }

    /// Scores these rows, in memory order: rows that lie together are read together.
    fn score(
        &self,
        query: usize,
        candidates: &mut [Candidate],
        hits: &mut Vec<Ranked>,
    ) -> Result<()> {
        let Setting { kernels, corpus, .. } = self.setting;
        candidates.sort_unstable_by_key(|candidate| candidate.row);
        for candidate in candidates.iter().take(AHEAD) {
            corpus.announce(kernels, candidate.row as usize);
        }
        let mut scratch = Vec::new();
        for (i, &Candidate { row, .. }) in candidates.iter().enumerate() {
            if let Some(soon) = candidates.get(i + AHEAD) {
                corpus.announce(kernels, soon.row as usize);
            }
            let goodness = self.goodness(query, row, &mut scratch);
            // Norms that are no longer the rows' own hide a NaN until here.
            if goodness.is_nan() {
                return Err(Error::NonFinite { argument: "corpus", row: row as usize });
            }
            hits.push(Ranked { goodness, row });
        }
        Ok(())
    }

    /// A goodness in the units of the passes' keys, rounded down.
    pub(super) fn floor(&self, query: usize, goodness: f64) -> f32 {
        let truth = match self.setting.metric {
            Metric::Cosine | Metric::Dot => goodness,
            Metric::L2 => {
                let square = self.setting.query_norms[query].powi(2);
                let slack = 8.0 * (self.setting.corpus.dim() + 8) as f64 * U64;
                0.5 * (square + goodness) - slack * (square - goodness)
            }
        };
        if truth.is_nan() { f32::NEG_INFINITY } else { (truth as f32).next_down() }
    }

    /// Scores crowded candidates and keeps the best `k`, with the threshold that they set; `None` if
    /// one has no score.
    pub(super) fn settle(
        &self,
        query: usize,
        mut crowd: Vec<Candidate>,
        k: usize,
    ) -> Option<(Vec<Candidate>, f32)> {
        let mut hits = Vec::with_capacity(crowd.len());
        self.score(query, &mut crowd, &mut hits).ok()?;
        keep_best(&mut hits, k);
        let floor = match hits.get(k - 1) {
            Some(last) => self.floor(query, last.goodness),
            None => f32::NEG_INFINITY,
        };
        let mut rows: Vec<u32> = hits.iter().map(|hit| hit.row).collect();
        rows.sort_unstable();
        crowd.retain(|candidate| rows.binary_search(&candidate.row).is_ok());
        Some((crowd, floor))
    }

    /// The final answer from a query's candidates, all of which passed `threshold`.
    ///
    /// `initial` is the part of the threshold that was proven from the start; `least` is what a
    /// hit's goodness must reach.
    ///
    /// # Errors
    /// [`Error::NonFinite`] if a row turns out to hold NaN.
    pub(super) fn answer(
        &self,
        query: usize,
        kept: Candidates,
        k: usize,
        (threshold, initial): (f32, f32),
        least: f64,
    ) -> Result<Answer> {
        let mut candidates = kept.best_first(k);
        let likely = k.min(candidates.len());
        let (best, others) = candidates.split_at_mut(likely);
        let mut hits = Vec::with_capacity(best.len() * 2);
        self.score(query, best, &mut hits)?;
        let mut floor = f32::NEG_INFINITY;
        if likely == k {
            let worst = hits.iter().map(|hit| hit.goodness).fold(f64::INFINITY, f64::min);
            floor = self.floor(query, worst);
        }
        let mut others: Vec<_> =
            others.iter().copied().filter(|candidate| candidate.upper >= floor).collect();
        self.score(query, &mut others, &mut hits)?;
        let scored = hits.len();
        keep_best(&mut hits, k);
        if let Some(last) = hits.get(k - 1) {
            floor = self.floor(query, last.goodness);
        }
        let complete = threshold <= initial || floor >= threshold;
        hits.retain(|hit| hit.goodness >= least);
        Ok(Answer { hits, complete, floor, scored })
    }
}
