//! Canonical scores of the rows that a pass could not rule out.
//!
//! All queries' rows are scored together in memory order: a row that several queries ask for is read
//! once, and its neighbours lie in the same pages.

use rayon::ThreadPool;
use rayon::prelude::*;

use super::candidates::{Candidate, Candidates};
use super::ceiling::{Above, Ceiling};
use super::metric::{Metric, Normed, norm};
use super::pass::Setting;
use crate::error::{Error, Result};
use crate::rank::{Ranked, keep_best};
use crate::threads::Control;

/// Rows that are asked for ahead: enough to keep the memory busy while one is scored.
const AHEAD: usize = 4;

/// Bytes of rows that are scored together, a share of a common second-level cache.
const BUCKET_BYTES: usize = 256 << 10;

/// Pairs under which handing work to threads costs more than it saves.
const SERIAL_PAIRS: usize = 256;

/// Unit roundoff of `f64`.
const U64: f64 = 1.0 / (1_u64 << 53) as f64;

/// A pair to score, and where the score goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job {
    pub(super) row: u32,
    pub(super) query: u32,
    pub(super) place: u32,
}

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
    /// Rows above the query's ceiling, if it has one.
    pub(super) above: u64,
    /// True if there were too many of them for the pass.
    pub(super) gave_up: bool,
}

impl Rescorer<'_> {
    fn goodness(&self, query: usize, row: u32, scratch: &mut [Vec<f32>; 2]) -> f64 {
        let Setting { kernels, metric, corpus, norms, .. } = self.setting;
        let [for_query, for_row] = scratch;
        let values = corpus.read(kernels, row as usize, for_row);
        let norm = match (metric, norms) {
            (Metric::Cosine, Some(norms)) => norms[row as usize],
            (Metric::Cosine, None) => norm(kernels, values),
            _ => 0.0,
        };
        let query = Normed {
            values: self.setting.query(query, for_query),
            norm: self.setting.query_norms[query],
        };
        metric.goodness(kernels, query, Normed { values, norm })
    }

    /// Scores these pairs one after the other.
    pub(super) fn score(&self, jobs: &[Job], mut put: impl FnMut(f64)) {
        let Setting { kernels, corpus, queries, batch, .. } = self.setting;
        let announce = |job: &Job| {
            corpus.announce(kernels, job.row as usize);
            queries.announce(kernels, batch[job.query as usize]);
        };
        jobs.iter().take(AHEAD).for_each(announce);
        let mut scratch = Default::default();
        for (i, job) in jobs.iter().enumerate() {
            if let Some(soon) = jobs.get(i + AHEAD) {
                announce(soon);
            }
            put(self.goodness(job.query as usize, job.row, &mut scratch));
        }
    }

    /// Scores all pairs, each into its place.
    pub(super) fn score_all(
        &self,
        jobs: Vec<Job>,
        pool: Option<&ThreadPool>,
        control: &Control,
    ) -> Result<Vec<f64>> {
        let corpus = self.setting.corpus;
        let row_bytes = corpus.dim() * corpus.value_bytes();
        let per_bucket = (BUCKET_BYTES / row_bytes.max(1)).max(1);
        let (sorted, ends) = by_bucket(&jobs, per_bucket, corpus.len());
        drop(jobs);
        let mut scores = vec![0.0; sorted.len()];
        let work = |(jobs, scores): (&[Job], &mut [f64])| {
            if control.is_stopped() {
                return Err(Error::Stopped);
            }
            let mut scores = scores.iter_mut();
            self.score(jobs, |score| {
                if let Some(place) = scores.next() {
                    *place = score;
                }
            });
            Ok(())
        };
        match pool {
            Some(pool) if sorted.len() >= SERIAL_PAIRS => {
                let mut pieces = Vec::new();
                let (mut jobs, mut left, mut start) = (&sorted[..], &mut scores[..], 0);
                for end in ends {
                    let (piece, later) = jobs.split_at(end - start);
                    let (target, rest) = left.split_at_mut(end - start);
                    pieces.push((piece, target));
                    (jobs, left, start) = (later, rest, end);
                }
                pool.install(|| pieces.into_par_iter().try_for_each(work))?;
            }
            _ => work((&sorted, &mut scores))?,
        }
        let mut placed = vec![0.0; scores.len()];
        for (job, score) in sorted.iter().zip(scores) {
            // Norms that are no longer the rows' own hide a NaN until here.
            if score.is_nan() {
                return Err(Error::NonFinite { argument: "corpus", row: job.row as usize });
            }
            placed[job.place as usize] = score;
        }
        Ok(placed)
    }

    /// A goodness in the units of the passes' keys, and by how much that may be off.
    fn truth(&self, query: usize, goodness: f64) -> (f64, f64) {
        match self.setting.metric {
            Metric::Cosine | Metric::Dot => (goodness, 0.0),
            Metric::L2 if self.setting.mutual => (0.5 * goodness, 0.0),
            Metric::L2 => {
                let square = self.setting.query_norms[query].powi(2);
                let slack = 8.0 * (self.setting.corpus.dim() + 8) as f64 * U64;
                (0.5 * (square + goodness), slack * (square - goodness))
            }
        }
    }

    /// A goodness in the units of the passes' keys, rounded down.
    pub(super) fn floor(&self, query: usize, goodness: f64) -> f32 {
        let (truth, slack) = self.truth(query, goodness);
        let truth = truth - slack;
        if truth.is_nan() { f32::NEG_INFINITY } else { (truth as f32).next_down() }
    }

    /// A goodness in the units of the passes' keys, rounded up.
    pub(super) fn roof(&self, query: usize, goodness: f64) -> f32 {
        let (truth, slack) = self.truth(query, goodness);
        let truth = truth + slack;
        if truth.is_nan() { f32::INFINITY } else { (truth as f32).next_up() }
    }

    /// What a query's hits must not exceed, given as a canonical goodness.
    pub(super) fn ceiling(&self, query: usize, goodness: f64) -> Ceiling {
        Ceiling::new(goodness, self.floor(query, goodness), self.roof(query, goodness))
    }

    /// Scores the rows about which a query's ceiling was unclear, and puts them where they belong.
    pub(super) fn clear(
        &self,
        query: usize,
        ceiling: &Ceiling,
        above: &mut Above,
        kept: &mut Candidates,
    ) {
        let mut unclear = std::mem::take(&mut above.unclear);
        unclear.sort_unstable_by_key(|candidate| candidate.row);
        let jobs = jobs_of(query, &unclear, 0);
        let mut candidates = unclear.iter();
        self.score(&jobs, |goodness| {
            let Some(candidate) = candidates.next() else { return };
            if ceiling.is_topped_by(goodness) {
                above.count += 1;
            } else if goodness.is_nan() {
                // Stays a candidate, and the answer reports it.
                kept.push(*candidate);
            } else {
                let (lower, upper) = (self.floor(query, goodness), self.roof(query, goodness));
                kept.push(Candidate { lower, upper, row: candidate.row });
            }
        });
    }

    /// Scores crowded candidates and keeps the best `k`, with the threshold that they set; `None` if
    /// one has no score.
    pub(super) fn settle(
        &self,
        query: usize,
        mut crowd: Vec<Candidate>,
        k: usize,
    ) -> Option<(Vec<Candidate>, f32)> {
        crowd.sort_unstable_by_key(|candidate| candidate.row);
        let jobs = jobs_of(query, &crowd, 0);
        let mut hits = Vec::with_capacity(crowd.len());
        let mut rows = crowd.iter().map(|candidate| candidate.row);
        self.score(&jobs, |goodness| {
            hits.extend(rows.next().map(|row| Ranked { goodness, row }));
        });
        if hits.iter().any(|hit| hit.goodness.is_nan()) {
            return None;
        }
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

    /// The final answers from all queries' candidates, each list with the threshold that it passed.
    ///
    /// `proven` is the part of a query's threshold that no row of its answer can stay below; `least`
    /// is what a hit's goodness must reach.
    ///
    /// # Errors
    /// [`Error::NonFinite`] if a row turns out to hold NaN; [`Error::Stopped`] if asked to stop.
    pub(super) fn answers(
        &self,
        kept: Vec<(Candidates, f32)>,
        k: usize,
        proven: impl Fn(usize, f32) -> f32 + Sync,
        least: impl Fn(usize) -> f64 + Sync,
        pool: Option<&ThreadPool>,
        control: &Control,
    ) -> Result<Vec<Answer>> {
        let thresholds: Vec<f32> = kept.iter().map(|(_, threshold)| *threshold).collect();
        let lists: Vec<Vec<Candidate>> =
            kept.into_iter().map(|(list, _)| list.best_first(k)).collect();
        // First those that are likely to be the answer: their scores rule most others out.
        let likely: Vec<&[Candidate]> =
            lists.iter().map(|list| &list[..k.min(list.len())]).collect();
        let mut hits = self.ranked(&likely, pool, control)?;
        let floors: Vec<f32> = hits
            .iter()
            .enumerate()
            .map(|(query, hits)| match hits.iter().map(|hit| hit.goodness).reduce(f64::min) {
                Some(worst) if hits.len() == k => self.floor(query, worst),
                _ => f32::NEG_INFINITY,
            })
            .collect();
        let others: Vec<Vec<Candidate>> = lists
            .iter()
            .zip(&floors)
            .map(|(list, &floor)| {
                let others = &list[k.min(list.len())..];
                others.iter().copied().filter(|candidate| candidate.upper >= floor).collect()
            })
            .collect();
        let others: Vec<&[Candidate]> = others.iter().map(Vec::as_slice).collect();
        for (hits, others) in hits.iter_mut().zip(self.ranked(&others, pool, control)?) {
            hits.extend(others);
        }
        let finish = |(query, mut hits): (usize, Vec<Ranked>)| {
            let scored = hits.len();
            keep_best(&mut hits, k);
            let floor = match hits.get(k - 1) {
                Some(last) => self.floor(query, last.goodness),
                None => f32::NEG_INFINITY,
            };
            let threshold = thresholds[query];
            let complete = threshold <= proven(query, threshold) || floor >= threshold;
            let least = least(query);
            hits.retain(|hit| hit.goodness >= least);
            Answer { hits, complete, floor, scored, above: 0, gave_up: false }
        };
        Ok(match pool {
            Some(pool) => pool.install(|| hits.into_par_iter().enumerate().map(finish).collect()),
            None => hits.into_iter().enumerate().map(finish).collect(),
        })
    }

    /// The canonical scores of each query's candidates, in their order.
    fn ranked(
        &self,
        lists: &[&[Candidate]],
        pool: Option<&ThreadPool>,
        control: &Control,
    ) -> Result<Vec<Vec<Ranked>>> {
        let mut jobs = Vec::with_capacity(lists.iter().map(|list| list.len()).sum());
        for (query, list) in lists.iter().enumerate() {
            let first = jobs.len();
            jobs.extend(jobs_of(query, list, first));
        }
        let mut scores = self.score_all(jobs, pool, control)?.into_iter();
        let ranked = |list: &&[Candidate]| {
            let scored = list.iter().zip(scores.by_ref());
            scored.map(|(candidate, goodness)| Ranked { goodness, row: candidate.row }).collect()
        };
        Ok(lists.iter().map(ranked).collect())
    }
}

/// The pairs of a query and its candidates, with places that count on from `first`.
fn jobs_of(query: usize, list: &[Candidate], first: usize) -> Vec<Job> {
    let job = |(i, candidate): (usize, &Candidate)| Job {
        row: candidate.row,
        query: query as u32,
        place: (first + i) as u32,
    };
    list.iter().enumerate().map(job).collect()
}

/// Sorts jobs by the stretch of `per_bucket` rows that theirs lies in; returns them with the end of
/// each stretch.
fn by_bucket(jobs: &[Job], per_bucket: usize, rows: usize) -> (Vec<Job>, Vec<usize>) {
    let bucket = |job: &Job| job.row as usize / per_bucket;
    let mut ends = vec![0; rows.div_ceil(per_bucket)];
    for job in jobs {
        ends[bucket(job)] += 1;
    }
    let mut total = 0;
    for end in &mut ends {
        let count = *end;
        *end = total;
        total += count;
    }
    let mut sorted = vec![Job { row: 0, query: 0, place: 0 }; jobs.len()];
    for job in jobs {
        let end = &mut ends[bucket(job)];
        sorted[*end] = *job;
        *end += 1;
    }
    (sorted, ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_sorted_by_stretch_and_keep_their_order_within() {
        let job = |row, place| Job { row, query: 0, place };
        let jobs = [job(9, 0), job(2, 1), job(5, 2), job(1, 3), job(4, 4)];
        let (sorted, ends) = by_bucket(&jobs, 4, 10);
        let places: Vec<u32> = sorted.iter().map(|job| job.place).collect();
        // Rows 0 to 3, 4 to 7, 8 and 9.
        assert_eq!((places, ends), (vec![1, 3, 2, 4, 0], vec![2, 4, 5]));
    }
}
