//! One search: what is asked, and how the parts answer it.

use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use rayon::prelude::*;

use super::candidates::{Candidates, Threshold, usual_capacity};
use super::ceiling::{Above, Ceiling, most_above};
use super::cost::{Shape, cheapest};
use super::exclude::{Exclude, Excluded};
use super::hits::{Hits, Stats};
use super::ladder::{Ladder, PassKind};
use super::metric::Metric;
use super::norms::row_norms;
use super::pass::{MAX_LANES, Setting};
use super::plane::Plane;
use super::rescore::{Answer, Rescorer};
use super::rowset::RowSet;
use super::scan::Walk;
use super::shared::Shared;
use super::transform::Transform;
use crate::error::{Error, Result, filled};
use crate::kernels::int8::stride;
use crate::kernels::{FloatMode, Kernels};
use crate::rank::Ranked;
use crate::rows::{Corpus, Rows};
use crate::threads::{Control, pool};

/// Multiply-adds under which starting threads costs more than it saves.
pub(super) const SERIAL_WORK: usize = 1 << 21;

/// Memory for candidates; larger batches of queries are cut.
const CANDIDATE_BYTES: usize = 64 << 20;

/// Queries from which on thresholds are judged by a sample. Fewer have not enough hits to save, and
/// the sample must be gathered from all over the corpus, which they would wait for.
const EXPECTED_QUERIES: usize = 64;

/// What to search, and how.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    /// Queries, one a row.
    pub queries: Rows<'a>,
    /// Corpus, one document a row.
    pub corpus: Corpus<'a>,
    /// Canonical norms of the corpus rows if they are known; also says that the rows are finite.
    pub norms: Option<&'a [f64]>,
    /// The corpus's codes, if they are there; they come with norms.
    pub plane: Option<Plane<'a>>,
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
    /// Canonical score per query that a hit must not exceed (for l2, must not stay below); rows that
    /// do are counted.
    pub at_most: Option<&'a [f64]>,
    /// Instruction set.
    pub kernels: Kernels,
    /// Threads.
    pub threads: usize,
    /// The pass to start with; `None` takes the one that is expected to be fastest. The answer does
    /// not depend on it.
    pub pass: Option<PassKind>,
}

/// Queries that are searched together, with what each must reach.
struct Batch<'a> {
    numbers: &'a [usize],
    norms: &'a [f64],
    initial: Vec<f32>,
    ceilings: Option<Vec<Ceiling>>,
}

/// The batch's answers, one after the other.
type Answers = Vec<Answer>;

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
        for (argument, empty) in [("queries", queries.is_empty()), ("corpus", corpus.is_empty())] {
            if empty {
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
        let per_row = [
            ("where", self.allowed.map(<[_]>::len)),
            ("norms", self.norms.map(<[_]>::len)),
            ("codes", self.plane.map(|plane| plane.len())),
        ];
        for (argument, found) in per_row {
            if let Some(found) = found.filter(|&found| found != corpus.len()) {
                return Err(Error::PerRow { argument, found, expected: corpus.len() });
            }
        }
        if let Some(plane) = self.plane {
            let found = plane.transform().centre().len();
            if found != corpus.dim() {
                return Err(Error::Width { queries: found, corpus: corpus.dim() });
            }
        }
        for (argument, limits) in [("at_least", self.at_least), ("at_most", self.at_most)] {
            let Some(limits) = limits else { continue };
            if limits.len() != queries.len() {
                let (found, expected) = (limits.len(), queries.len());
                return Err(Error::PerQuery { argument, found, expected });
            }
            if let Some(row) = limits.iter().position(|score| score.is_nan()) {
                return Err(Error::NonFinite { argument, row });
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
        let threads = if self.work() < SERIAL_WORK { 1 } else { self.threads };
        self.run_on(threads, control)
    }

    /// As [`Search::run`], on exactly so many threads.
    pub(super) fn run_on(&self, threads: usize, control: &Control) -> Result<Hits> {
        let _mode = FloatMode::standard();
        let norms = row_norms("queries", self.kernels, self.queries.into(), threads, control)?;
        let width = self.k.min(self.corpus.len());
        let total = self.queries.len();
        let places = total.checked_mul(width);
        let worst = self.metric.worst();
        let mut hits = Hits {
            scores: filled("the answer", worst, places)?,
            exact: filled("the answer", f64::from(worst), places)?,
            rows: filled("the answer", -1, places)?,
            width,
            above: Vec::new(),
            stats: Stats::default(),
        };
        let listed: Option<Vec<u32>> = self.allowed.map(|allowed| {
            (0..self.corpus.len() as u32).filter(|&row| allowed[row as usize]).collect()
        });
        let rows = match &listed {
            Some(rows) => RowSet::Listed(rows),
            None => RowSet::Stretch { first: 0, len: self.corpus.len() },
        };
        let transform = OnceLock::new();
        let numbers: Vec<usize> = (0..total).collect();
        let size = batch_size(width);
        control.expect((rows.len() * total.div_ceil(size)) as u64);
        for first in (0..total).step_by(size) {
            let last = total.min(first + size);
            let (numbers, norms) = (&numbers[first..last], &norms[first..last]);
            let answers =
                self.batch(numbers, norms, rows, &transform, threads, &mut hits.stats, control)?;
            for (query, answer) in (first..last).zip(answers) {
                if self.at_most.is_some() {
                    hits.above.push(answer.above as i64);
                }
                for (place, Ranked { goodness, row }) in answer.hits.into_iter().enumerate() {
                    let place = query * width + place;
                    hits.exact[place] = self.metric.signed(goodness);
                    hits.scores[place] = hits.exact[place] as f32;
                    hits.rows[place] = i64::from(row);
                }
            }
        }
        Ok(hits)
    }

    /// Answers some queries.
    #[allow(clippy::too_many_arguments, reason = "what the batches of one search share")]
    fn batch<'b>(
        &'b self,
        numbers: &'b [usize],
        norms: &'b [f64],
        rows: RowSet<'b>,
        transform: &'b OnceLock<Transform>,
        threads: usize,
        stats: &mut Stats,
        control: &Control,
    ) -> Result<Answers> {
        let setting = self.setting(numbers, norms);
        let rescorer = Rescorer { setting };
        let initial = (0..numbers.len()).map(|query| {
            let least = self.at_least.map(|all| self.metric.signed(all[numbers[query]]));
            least.map_or(f32::NEG_INFINITY, |goodness| rescorer.floor(query, goodness))
        });
        let ceilings = self.at_most.map(|all| {
            let goodness = |query: usize| self.metric.signed(all[numbers[query]]);
            (0..numbers.len()).map(|query| rescorer.ceiling(query, goodness(query))).collect()
        });
        let batch = Batch { numbers, norms, initial: initial.collect(), ceilings };
        let how =
            if numbers.len() < EXPECTED_QUERIES { Threshold::Proven } else { Threshold::Expected };
        let mut answers =
            self.attempt(&batch, how, self.pass, rows, transform, threads, stats, control)?;
        // The sample misled the first: now with thresholds that are proven at every step, from what
        // the first attempt found. The others gave up, as most rows lie above their ceiling: a
        // precise pass need not score those.
        for (gave_up, pass) in [(false, self.pass), (true, Some(PassKind::F32))] {
            let repeats = |query: &usize| {
                let answer = &answers[*query];
                !answer.complete && answer.gave_up == gave_up
            };
            let again: Vec<usize> = (0..answers.len()).filter(repeats).collect();
            if again.is_empty() {
                continue;
            }
            stats.repeated += again.len() as u64;
            let numbers: Vec<usize> = again.iter().map(|&query| batch.numbers[query]).collect();
            let norms: Vec<f64> = again.iter().map(|&query| batch.norms[query]).collect();
            let floor = |&query: &usize| answers[query].floor.max(batch.initial[query]);
            let initial = again.iter().map(floor).collect();
            let of = |all: &Vec<Ceiling>| again.iter().map(|&query| all[query]).collect();
            let ceilings = batch.ceilings.as_ref().map(of);
            let part = Batch { numbers: &numbers, norms: &norms, initial, ceilings };
            let how = Threshold::Proven;
            let repeated =
                self.attempt(&part, how, pass, rows, transform, threads, stats, control)?;
            for (query, answer) in again.into_iter().zip(repeated) {
                answers[query] = answer;
            }
        }
        Ok(answers)
    }

    fn setting<'b>(&'b self, batch: &'b [usize], query_norms: &'b [f64]) -> Setting<'b> {
        Setting {
            kernels: self.kernels,
            metric: self.metric,
            queries: self.queries.into(),
            batch,
            query_norms,
            corpus: self.corpus,
            norms: self.norms,
            mutual: false,
        }
    }

    /// One walk for some queries, and their answers.
    #[allow(clippy::too_many_arguments, reason = "what the batches of one search share")]
    fn attempt<'b>(
        &'b self,
        batch: &'b Batch<'b>,
        how: Threshold,
        pass: Option<PassKind>,
        rows: RowSet<'b>,
        transform: &'b OnceLock<Transform>,
        threads: usize,
        stats: &mut Stats,
        control: &Control,
    ) -> Result<Answers> {
        let Batch { numbers, norms, initial, ceilings } = batch;
        let ceilings = ceilings.as_deref();
        let k = self.k.min(self.corpus.len());
        let setting = self.setting(numbers, norms);
        let rescorer = Rescorer { setting };
        let dim = self.corpus.dim();
        let shape = Shape {
            queries: numbers.len(),
            rows: rows.len(),
            dim,
            k,
            value_bytes: self.corpus.value_bytes(),
            stored: self.plane.is_some(),
        };
        let kind = pass.unwrap_or_else(|| cheapest(self.kernels, shape));
        let ladder = Ladder::new(setting, rows, self.plane, transform, kind, pass.is_none());
        // Nothing is gained by another try with the same pass.
        let precise = ladder.kind() == PassKind::F32;
        let row_bytes = match (ladder.kind(), self.plane) {
            (PassKind::Int8, Some(_)) => stride(dim),
            _ => dim * self.corpus.value_bytes(),
        };
        let walk = Walk {
            rows,
            k,
            how,
            shape,
            row_bytes,
            threads,
            excluded: Excluded { lists: self.exclude, numbers },
            ceilings,
            most_above: if precise { u64::MAX } else { most_above(rows.len()) },
            rescorer: &rescorer,
            control,
        };
        let shared = Shared::new(initial, ceilings.is_some());
        let proven = |query: usize, threshold: f32| match how {
            Threshold::Expected => initial[query],
            Threshold::Proven => threshold,
        };
        let least = |query: usize| {
            let all = self.at_least;
            all.map_or(f64::NEG_INFINITY, |all| self.metric.signed(all[numbers[query]]))
        };
        let pool = if threads == 1 { None } else { Some(pool(threads)?) };
        match &pool {
            Some(pool) => {
                pool.broadcast(|_| walk.run(&ladder, &shared));
            }
            None => walk.run(&ladder, &shared),
        }
        stats.hits += shared.hits.load(Ordering::Relaxed);
        let (mut kept, mut above) = self.named(shared.finish())?;
        if let Some(ceilings) = ceilings {
            let clear = |(query, (above, kept)): (usize, (&mut Above, &mut (Candidates, f32)))| {
                rescorer.clear(query, &ceilings[query], above, &mut kept.0);
            };
            match &pool {
                Some(pool) => pool.install(|| {
                    above.par_iter_mut().zip(&mut kept).enumerate().for_each(clear);
                }),
                None => above.iter_mut().zip(&mut kept).enumerate().for_each(clear),
            }
        }
        let mut answers = rescorer.answers(kept, k, proven, least, pool.as_deref(), control)?;
        for (answer, above) in answers.iter_mut().zip(above) {
            (answer.above, answer.gave_up) = (above.count, above.gave_up);
            answer.complete &= !above.gave_up;
        }
        stats.scored += answers.iter().map(|answer| answer.scored as u64).sum::<u64>();
        for (total, rows) in stats.rows.iter_mut().zip(ladder.counts()) {
            *total += rows;
        }
        stats.fallbacks += u64::from(ladder.kind() != ladder.first_kind());
        Ok(answers)
    }

    /// Threads meet bad rows in any order; the caller is told the first one.
    fn named<T>(&self, outcome: Result<T>) -> Result<T> {
        outcome.map_err(|error| match error {
            Error::NonFinite { argument: "corpus", row } => {
                let seen = |row: &usize| self.allowed.is_none_or(|allowed| allowed[*row]);
                let mut scratch = Vec::new();
                let mut bad = |row: &usize| {
                    let values = self.corpus.read(self.kernels, *row, &mut scratch);
                    values.iter().any(|value| !value.is_finite())
                };
                let first = (0..self.corpus.len()).filter(seen).find(|row| bad(row)).unwrap_or(row);
                Error::NonFinite { argument: "corpus", row: first }
            }
            other => other,
        })
    }
}

/// Queries that fit the memory for candidates: whole panels, so that a cut costs no lanes; fewer only
/// where k is huge.
pub(super) fn batch_size(k: usize) -> usize {
    let candidate = size_of::<super::candidates::Candidate>();
    let fitting = CANDIDATE_BYTES / usual_capacity(k).saturating_mul(candidate);
    if fitting >= MAX_LANES { fitting / MAX_LANES * MAX_LANES } else { fitting.max(1) }
}
