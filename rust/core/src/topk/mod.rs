//! Exact top-k search.
//!
//! A cheap pass (`pass`) looks at all pairs and keeps, per query, the rows that its proven error
//! bound (`certificate`) cannot rule out (`candidates`); only those get the canonical `f64` score
//! (`metric`), which alone decides order. So the answer has the same bits for every instruction set,
//! number of threads and block size.

mod candidates;
mod certificate;
mod exclude;
mod metric;
mod pass;
mod pass_bf16;
mod pass_f32;
mod scan;

pub use exclude::Exclude;
pub use metric::{Metric, norm};

use candidates::{Candidates, first_capacity};
use metric::Normed;
use pass::{Pass, Setting};
use pass_bf16::Bf16Pass;
use pass_f32::F32Pass;
use rayon::prelude::*;
use scan::{Shared, Walk};

use crate::error::{Error, Result, filled};
use crate::kernels::{FloatMode, Kernels};
use crate::rank::Ranked;
use crate::rows::Rows;
use crate::threads::{Control, pool};

/// Multiply-adds under which starting threads costs more than it saves.
const SERIAL_WORK: usize = 1 << 21;

/// Memory for candidates; larger batches of queries are cut.
const CANDIDATE_BYTES: usize = 64 << 20;

/// Queries from which on a fast bf16 pass wins: below, encoding the corpus costs more than it saves.
const BF16_QUERIES: usize = 2;

/// The cheap look at all pairs that finds the candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassKind {
    /// Products of the values themselves.
    F32,
    /// Products of the values rounded to bfloat16.
    Bf16,
}

/// What to search, and how.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    /// Queries, one a row.
    pub queries: Rows<'a>,
    /// Corpus, one document a row.
    pub corpus: Rows<'a>,
    /// Canonical norms of the corpus rows if they are known; also says that the rows are finite.
    pub norms: Option<&'a [f64]>,
    /// Hits wanted per query.
    pub k: usize,
    /// How vectors are compared.
    pub metric: Metric,
    /// Rows that a query must not return.
    pub exclude: Option<&'a Exclude>,
    /// Rows that may be returned at all; `None` is all of them.
    pub allowed: Option<&'a [bool]>,
    /// Canonical score per query that a hit must reach (for l2, must not exceed).
    pub at_least: Option<&'a [f64]>,
    /// Instruction set.
    pub kernels: Kernels,
    /// Threads.
    pub threads: usize,
    /// The pass to run; `None` takes the faster one. The answer does not depend on it.
    pub pass: Option<PassKind>,
}

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
}

/// Where the hits of some queries go, `width` places each.
struct Answers<'a> {
    width: usize,
    scores: &'a mut [f32],
    exact: &'a mut [f64],
    rows: &'a mut [i64],
}

impl<'a> Answers<'a> {
    /// One query's places after the other's.
    fn per_query(self) -> impl Iterator<Item = Self> {
        let Self { width, scores, exact, rows } = self;
        (scores.chunks_mut(width).zip(exact.chunks_mut(width)).zip(rows.chunks_mut(width)))
            .map(move |((scores, exact), rows)| Self { width, scores, exact, rows })
    }
}

impl Search<'_> {
    /// Multiply-adds of the pass.
    #[must_use]
    pub fn work(&self) -> usize {
        self.queries
            .len()
            .saturating_mul(self.corpus.len())
            .saturating_mul(self.corpus.dim().max(1))
    }

    fn check(&self) -> Result<()> {
        let (queries, corpus) = (self.queries, self.corpus);
        for (argument, rows) in [("queries", queries), ("corpus", corpus)] {
            if rows.is_empty() {
                return Err(Error::Empty { argument });
            }
        }
        if queries.dim() != corpus.dim() {
            return Err(Error::Width { queries: queries.dim(), corpus: corpus.dim() });
        }
        if self.k == 0 {
            return Err(Error::ZeroK);
        }
        let most = u32::MAX as usize;
        if corpus.len() > most {
            return Err(Error::TooManyRows { argument: "corpus", rows: corpus.len(), most });
        }
        let per_row =
            [("where", self.allowed.map(<[_]>::len)), ("norms", self.norms.map(<[_]>::len))];
        for (argument, found) in per_row {
            if let Some(found) = found.filter(|&found| found != corpus.len()) {
                return Err(Error::PerRow { argument, found, expected: corpus.len() });
            }
        }
        if let Some(at_least) = self.at_least {
            if at_least.len() != queries.len() {
                let (found, expected) = (at_least.len(), queries.len());
                return Err(Error::PerQuery { argument: "at_least", found, expected });
            }
            if let Some(row) = at_least.iter().position(|score| score.is_nan()) {
                return Err(Error::NonFinite { argument: "at_least", row });
            }
        }
        Ok(())
    }

    /// Returns the best rows of every query, in canonical order.
    ///
    /// # Errors
    /// If shapes do not fit, an input holds NaN or infinity, or `control` asked to stop.
    pub fn run(&self, control: &Control) -> Result<Hits> {
        self.check()?;
        let _mode = FloatMode::standard();
        let threads = if self.work() < SERIAL_WORK { 1 } else { self.threads };
        let norms = norms_of("queries", self.kernels, self.queries, threads, control)?;
        let width = self.k.min(self.corpus.len());
        let total = self.queries.len();
        let places = total.checked_mul(width);
        let mut hits = Hits {
            scores: filled("the answer", self.metric.worst(), places)?,
            exact: filled("the answer", f64::from(self.metric.worst()), places)?,
            rows: filled("the answer", -1, places)?,
            width,
        };
        let rows: Vec<u32> = (0..self.corpus.len() as u32)
            .filter(|&row| self.allowed.is_none_or(|allowed| allowed[row as usize]))
            .collect();
        let candidate = size_of::<candidates::Candidate>() * threads;
        let fitting = CANDIDATE_BYTES / first_capacity(width).saturating_mul(candidate);
        // Whole panels, so that a cut costs no lanes; fewer queries only where k is huge.
        let batch = if fitting >= 64 { fitting / 64 * 64 } else { fitting.max(1) };
        for first in (0..total).step_by(batch) {
            let count = batch.min(total - first);
            let places = first * width..(first + count) * width;
            self.batch(
                first,
                &norms[first..first + count],
                &rows,
                threads,
                Answers {
                    width,
                    scores: &mut hits.scores[places.clone()],
                    exact: &mut hits.exact[places.clone()],
                    rows: &mut hits.rows[places],
                },
                control,
            )?;
        }
        Ok(hits)
    }

    /// Answers the queries from `first` on whose norms these are.
    fn batch(
        &self,
        first: usize,
        norms: &[f64],
        rows: &[u32],
        threads: usize,
        output: Answers,
        control: &Control,
    ) -> Result<()> {
        let width = self.k.min(self.corpus.len());
        let count = norms.len();
        let excluded = |query: usize, row: u32| {
            self.exclude.is_some_and(|exclude| exclude.contains(first + query, row))
        };
        let walk = Walk {
            queries: count,
            k: width,
            rows,
            dim: self.corpus.dim(),
            threads,
            excluded: &excluded,
            goodness: |query: usize, row: u32| {
                let query = Normed { values: self.queries.row(first + query), norm: norms[query] };
                self.goodness(query, row as usize)
            },
            announce: |row: u32| self.kernels.prefetch(self.corpus.row(row as usize)),
            control,
        };
        let setting = Setting {
            kernels: self.kernels,
            metric: self.metric,
            queries: self.queries,
            first,
            query_norms: norms,
            corpus: self.corpus,
            norms: self.norms,
        };
        match self.pass_for(count) {
            PassKind::F32 => self.walk(&walk, &F32Pass::new(setting), first, output),
            PassKind::Bf16 => self.walk(&walk, &Bf16Pass::new(setting), first, output),
        }
    }

    fn pass_for(&self, queries: usize) -> PassKind {
        self.pass.unwrap_or(if self.kernels.has_fast_bf16() && queries >= BF16_QUERIES {
            PassKind::Bf16
        } else {
            PassKind::F32
        })
    }

    /// Runs a pass on all threads, then writes the answers.
    fn walk<G, A>(
        &self,
        walk: &Walk<'_, G, A>,
        pass: &impl Pass,
        first: usize,
        output: Answers,
    ) -> Result<()>
    where
        G: Fn(usize, u32) -> f64 + Sync,
        A: Fn(u32) + Sync,
    {
        let Walk { queries: count, threads, .. } = *walk;
        debug_assert_eq!(pass.panels().iter().map(|panel| panel.len).sum::<usize>(), count);
        let shared = Shared::new(count);
        let write = |query: usize, kept: Candidates, answer: Answers| {
            let floor = self
                .at_least
                .map_or(f64::NEG_INFINITY, |all| self.metric.signed(all[first + query]));
            let hits = walk.answer(query, kept)?.into_iter().filter(|hit| hit.goodness >= floor);
            for (place, Ranked { goodness, row }) in hits.enumerate() {
                answer.exact[place] = self.metric.signed(goodness);
                answer.scores[place] = answer.exact[place] as f32;
                answer.rows[place] = i64::from(row);
            }
            Ok(())
        };
        if threads == 1 {
            walk.run(pass, &shared);
            let kept = self.gather(shared)?;
            kept.into_iter()
                .zip(output.per_query())
                .enumerate()
                .try_for_each(|(query, (kept, answer))| write(query, kept, answer))
        } else {
            let pool = pool(threads)?;
            pool.broadcast(|_| walk.run(pass, &shared));
            let kept = self.gather(shared)?;
            let answers: Vec<_> = output.per_query().collect();
            pool.install(|| {
                (kept, answers)
                    .into_par_iter()
                    .enumerate()
                    .try_for_each(|(query, (kept, answer))| write(query, kept, answer))
            })
        }
    }

    /// All threads' candidates, joined per query.
    fn gather(&self, shared: Shared) -> Result<Vec<Candidates>> {
        let mut parts = shared.finish().map_err(|error| match error {
            // Threads meet bad rows in any order; the caller is told the first one.
            Error::NonFinite { argument, row } => {
                let seen = |row: &usize| self.allowed.is_none_or(|allowed| allowed[*row]);
                let bad = |row: &usize| self.corpus.row(*row).iter().any(|v| !v.is_finite());
                let first = (0..self.corpus.len()).filter(seen).find(bad).unwrap_or(row);
                Error::NonFinite { argument, row: first }
            }
            other => other,
        })?;
        let mut kept = parts.pop().unwrap_or_default();
        for part in parts {
            for (mine, other) in kept.iter_mut().zip(part) {
                mine.absorb(other);
            }
        }
        Ok(kept)
    }

    fn goodness(&self, query: Normed, row: usize) -> f64 {
        let values = self.corpus.row(row);
        let norm = match (self.metric, self.norms) {
            (Metric::Cosine, Some(norms)) => norms[row],
            (Metric::Cosine, None) => norm(self.kernels, values),
            _ => 0.0,
        };
        self.metric.goodness(self.kernels, query, Normed { values, norm })
    }
}

/// Canonical norms of all rows, in parallel.
///
/// # Errors
/// [`Error::NonFinite`] if a row holds NaN or infinity.
pub fn row_norms(
    kernels: Kernels,
    rows: Rows,
    threads: usize,
    control: &Control,
) -> Result<Vec<f64>> {
    norms_of("corpus", kernels, rows, threads, control)
}

fn norms_of(
    argument: &'static str,
    kernels: Kernels,
    rows: Rows,
    threads: usize,
    control: &Control,
) -> Result<Vec<f64>> {
    const ROWS: usize = 1024;
    let _mode = FloatMode::standard();
    let mut norms = filled("norms", 0.0, Some(rows.len()))?;
    let fill = |(chunk, norms): (usize, &mut [f64])| {
        if control.is_stopped() {
            return Err(Error::Stopped);
        }
        for (i, out) in norms.iter_mut().enumerate() {
            *out = norm(kernels, rows.row(chunk * ROWS + i));
        }
        Ok(())
    };
    if threads == 1 {
        norms.chunks_mut(ROWS).enumerate().try_for_each(fill)?;
    } else {
        pool(threads)?.install(|| norms.par_chunks_mut(ROWS).enumerate().try_for_each(fill))?;
    }
    match norms.iter().position(|norm| !norm.is_finite()) {
        Some(row) => Err(Error::NonFinite { argument, row }),
        None => Ok(norms),
    }
}

#[cfg(test)]
mod tests;
