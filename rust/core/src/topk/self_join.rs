//! A corpus compared with itself: each pair of rows is looked at once, and serves both.

use rayon::prelude::*;

use super::cost::{Shape, cheapest};
use super::exclude::Exclude;
use super::hits::{Hits, Stats};
use super::ladder::PassKind;
use super::metric::Metric;
use super::neighbours::{Neighbours, list_bytes};
use super::norms::row_norms;
use super::pairs::{Above, Pair};
use super::pass::Setting;
use super::plane::Plane;
use super::rescore::Rescorer;
use super::search::{SERIAL_WORK, Search, batch_size};
use super::triangle::{Triangle, places};
use crate::error::{Error, Result, filled};
use crate::kernels::{FloatMode, Kernels};
use crate::rank::Ranked;
use crate::rows::{Corpus, Rows};
use crate::threads::{Control, pool};

/// Lists of all rows at once may take so much; where they would take more, rows are searched for in
/// batches, and every pair is looked at from both sides.
const LIST_BYTES: usize = 1 << 30;

/// Fewer rows are searched for as queries are: what the second look costs is less than what keeping
/// two lists at each meeting does.
const FEW_ROWS: usize = 10_000;

/// What to compare, and how.
#[derive(Debug, Clone, Copy)]
pub struct SelfJoin<'a> {
    /// Name of the rows in errors.
    pub argument: &'static str,
    /// The rows.
    pub corpus: Corpus<'a>,
    /// Their canonical norms if they are known; also says that the rows are finite.
    pub norms: Option<&'a [f64]>,
    /// Their codes; without, only the floats are multiplied.
    pub plane: Option<Plane<'a>>,
    /// How vectors are compared.
    pub metric: Metric,
    /// Instruction set.
    pub kernels: Kernels,
    /// Threads.
    pub threads: usize,
    /// The pass to start with; `None` takes the one that is expected to be fastest. The answer does
    /// not depend on it.
    pub pass: Option<PassKind>,
}

/// Pairs of rows, the best first, then by the rows; in each the first is the lower one.
#[derive(Debug, Default, PartialEq)]
pub struct Pairs {
    /// The lower row of each.
    pub first: Vec<i64>,
    /// The higher row of each.
    pub second: Vec<i64>,
    /// Scores.
    pub scores: Vec<f32>,
    /// The canonical scores behind them.
    pub exact: Vec<f64>,
}

/// The rows in the order of their places, and their norms in that order and in their own.
struct Order {
    numbers: Vec<usize>,
    norms: Vec<f64>,
    by_number: Vec<f64>,
}

impl SelfJoin<'_> {
    /// Multiply-adds of the pass.
    #[must_use]
    pub fn work(&self) -> usize {
        let rows = self.corpus.len();
        (rows.saturating_mul(rows) / 2).saturating_mul(self.corpus.dim().max(1))
    }

    /// Returns all pairs whose canonical score reaches `threshold` (for l2, does not exceed it).
    ///
    /// # Errors
    /// [`Error::TooManyPairs`] if there are more than `most`; else as [`SelfJoin::topk`].
    pub fn pairs_above(&self, threshold: f64, most: u64, control: &Control) -> Result<Pairs> {
        self.pairs_on(self.threads_for_work(), threshold, most, control)
    }

    /// Returns the best `k` other rows of every row, in canonical order: `min(k, rows - 1)` each.
    ///
    /// # Errors
    /// If there is no row, an array does not fit, a row holds NaN or infinity, or `control` asked to
    /// stop.
    pub fn topk(&self, k: usize, control: &Control) -> Result<Hits> {
        let few = self.pass.is_none() && self.corpus.len() < FEW_ROWS;
        self.topk_on(self.threads_for_work(), k, if few { 0 } else { LIST_BYTES }, control)
    }

    fn threads_for_work(&self) -> usize {
        if self.work() < SERIAL_WORK { 1 } else { self.threads }
    }

    /// As [`SelfJoin::pairs_above`], on exactly so many threads.
    pub(super) fn pairs_on(
        &self,
        threads: usize,
        threshold: f64,
        most: u64,
        control: &Control,
    ) -> Result<Pairs> {
        self.check()?;
        if threshold.is_nan() {
            return Err(Error::NanThreshold);
        }
        let _mode = FloatMode::standard();
        let order = self.order(threads, control)?;
        let rescorer = Rescorer { setting: self.setting(&order) };
        let above = Above::new(&rescorer, self.metric.signed(threshold), most);
        // What a pass reports beyond the answer is scored at once: the cheapest one is the fastest.
        let codes = self.plane.filter(|_| self.kernels.has_int8()).map(|_| PassKind::Int8);
        let kind = codes.unwrap_or_else(|| self.cheapest(1));
        let triangle = self.triangle(rescorer.setting, 1, kind, threads, control);
        self.named(triangle.walk(&above, &mut Stats::default()))?;
        let mut pairs = above.into_pairs();
        if threads == 1 {
            pairs.sort_unstable_by(Pair::order);
        } else {
            pool(threads)?.install(|| pairs.par_sort_unstable_by(Pair::order));
        }
        let count = Some(pairs.len());
        let mut sorted = Pairs {
            first: filled("the pairs", 0, count)?,
            second: filled("the pairs", 0, count)?,
            scores: filled("the pairs", 0.0, count)?,
            exact: filled("the pairs", 0.0, count)?,
        };
        for (i, pair) in pairs.into_iter().enumerate() {
            sorted.first[i] = i64::from(pair.first);
            sorted.second[i] = i64::from(pair.second);
            sorted.exact[i] = self.metric.signed(pair.goodness);
            sorted.scores[i] = sorted.exact[i] as f32;
        }
        Ok(sorted)
    }

    /// As [`SelfJoin::topk`], on exactly so many threads; lists may take `most_bytes` all at once.
    pub(super) fn topk_on(
        &self,
        threads: usize,
        k: usize,
        most_bytes: usize,
        control: &Control,
    ) -> Result<Hits> {
        self.check()?;
        if k == 0 {
            return Err(Error::ZeroK);
        }
        let _mode = FloatMode::standard();
        let rows = self.corpus.len();
        let width = k.min(rows - 1);
        let answer = rows.checked_mul(width);
        let worst = self.metric.worst();
        let mut hits = Hits {
            above: Vec::new(),
            scores: filled("the answer", worst, answer)?,
            exact: filled("the answer", f64::from(worst), answer)?,
            rows: filled("the answer", -1, answer)?,
            width,
            stats: Stats::default(),
        };
        let order = self.order(threads, control)?;
        if width == 0 {
            return Ok(hits);
        }
        let doubtful = if list_bytes(rows, width) > most_bytes {
            (0..rows).collect()
        } else {
            self.meet(&order, threads, &mut hits, control)?
        };
        self.search(&doubtful, &order.by_number, threads, &mut hits, control)?;
        Ok(hits)
    }

    /// Lets all rows meet, and fills in the answers; returns the rows that a sample misled.
    fn meet(
        &self,
        order: &Order,
        threads: usize,
        hits: &mut Hits,
        control: &Control,
    ) -> Result<Vec<usize>> {
        let k = hits.width;
        let setting = self.setting(order);
        let rescorer = Rescorer { setting };
        let neighbours = Neighbours::new(&rescorer, k);
        let triangle = self.triangle(setting, k, self.cheapest(k), threads, control);
        self.named(triangle.walk(&neighbours, &mut hits.stats))?;
        let pool = if threads == 1 { None } else { Some(pool(threads)?) };
        let mut lists = neighbours.into_lists();
        let mut doubtful = Vec::new();
        let size = batch_size(k);
        for first in (0..order.numbers.len()).step_by(size) {
            let last = order.numbers.len().min(first + size);
            let batch = &order.numbers[first..last];
            let setting = Setting { batch, query_norms: &order.norms[first..last], ..setting };
            let kept = lists.by_ref().take(batch.len()).collect();
            let unproven = |_, _| f32::NEG_INFINITY;
            let all = |_| f64::NEG_INFINITY;
            let answers =
                Rescorer { setting }.answers(kept, k, unproven, all, pool.as_deref(), control);
            for (&row, answer) in batch.iter().zip(self.named(answers)?) {
                hits.stats.scored += answer.scored as u64;
                if answer.complete {
                    self.put(hits, row, answer.hits);
                } else {
                    doubtful.push(row);
                }
            }
        }
        hits.stats.repeated += doubtful.len() as u64;
        Ok(doubtful)
    }

    fn put(&self, hits: &mut Hits, row: usize, found: Vec<Ranked>) {
        for (place, Ranked { goodness, row }) in (row * hits.width..).zip(found) {
            hits.exact[place] = self.metric.signed(goodness);
            hits.scores[place] = hits.exact[place] as f32;
            hits.rows[place] = i64::from(row);
        }
    }

    /// Searches for these rows, one by one, among all others.
    fn search(
        &self,
        rows: &[usize],
        norms: &[f64],
        threads: usize,
        hits: &mut Hits,
        control: &Control,
    ) -> Result<()> {
        let (dim, width) = (self.corpus.dim(), hits.width);
        let mut scratch = Vec::new();
        for batch in rows.chunks(batch_size(width)) {
            let mut values = filled("queries", 0.0, batch.len().checked_mul(dim))?;
            for (target, &row) in values.chunks_exact_mut(dim.max(1)).zip(batch) {
                target.copy_from_slice(self.corpus.read(self.kernels, row, &mut scratch));
            }
            let offsets: Vec<usize> = (0..=batch.len()).collect();
            let own: Vec<i64> = batch.iter().map(|&row| row as i64).collect();
            let exclude = Exclude::new(&offsets, &own, batch.len(), self.corpus.len())?;
            let search = Search {
                queries: Rows::new(self.argument, &values, batch.len(), dim)?,
                corpus: self.corpus,
                norms: Some(norms),
                plane: self.plane,
                k: width,
                metric: self.metric,
                exclude: Some(&exclude),
                allowed: None,
                at_least: None,
                at_most: None,
                kernels: self.kernels,
                threads,
                pass: self.pass,
            };
            let found = self.named(search.run_on(threads, control))?;
            for (i, &row) in batch.iter().enumerate() {
                let (to, from) = (row * width..(row + 1) * width, i * width..(i + 1) * width);
                hits.scores[to.clone()].copy_from_slice(&found.scores[from.clone()]);
                hits.exact[to.clone()].copy_from_slice(&found.exact[from.clone()]);
                hits.rows[to].copy_from_slice(&found.rows[from]);
            }
            hits.stats.add(&found.stats);
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let rows = self.corpus.len();
        if rows == 0 {
            return Err(Error::Empty { argument: self.argument });
        }
        let most = u32::MAX as usize;
        if rows > most {
            return Err(Error::TooManyRows { argument: self.argument, rows, most });
        }
        let found =
            [("norms", self.norms.map(<[_]>::len)), ("codes", self.plane.map(|plane| plane.len()))];
        for (argument, found) in found {
            if let Some(found) = found.filter(|&found| found != rows) {
                return Err(Error::PerRow { argument, found, expected: rows });
            }
        }
        match self.plane.map(|plane| plane.transform().centre().len()) {
            Some(found) if found != self.corpus.dim() => {
                Err(Error::Width { queries: found, corpus: self.corpus.dim() })
            }
            _ => Ok(()),
        }
    }

    fn order(&self, threads: usize, control: &Control) -> Result<Order> {
        let by_number = match self.norms {
            Some(norms) => norms.to_vec(),
            None => row_norms(self.argument, self.kernels, self.corpus, threads, control)?,
        };
        let numbers = places(by_number.len());
        let norms = numbers.iter().map(|&number| by_number[number]).collect();
        Ok(Order { numbers, norms, by_number })
    }

    fn setting<'b>(&'b self, order: &'b Order) -> Setting<'b> {
        Setting {
            kernels: self.kernels,
            metric: self.metric,
            queries: self.corpus,
            batch: &order.numbers,
            query_norms: &order.norms,
            corpus: self.corpus,
            norms: Some(&order.by_number),
            mutual: true,
        }
    }

    fn cheapest(&self, k: usize) -> PassKind {
        let rows = self.corpus.len();
        let shape = Shape {
            queries: rows,
            rows,
            dim: self.corpus.dim(),
            k,
            value_bytes: self.corpus.value_bytes(),
            stored: self.plane.is_some(),
        };
        cheapest(self.kernels, shape)
    }

    fn triangle<'b>(
        &'b self,
        setting: Setting<'b>,
        k: usize,
        kind: PassKind,
        threads: usize,
        control: &'b Control,
    ) -> Triangle<'b> {
        let kind = self.pass.unwrap_or(kind);
        // Codes are made for the corpus as a whole, or not at all.
        let kind = if self.plane.is_some() { kind } else { kind.max(PassKind::Bf16) };
        Triangle {
            setting,
            plane: self.plane,
            k,
            kind,
            may_step: self.pass.is_none(),
            threads,
            control,
        }
    }

    /// Threads meet bad rows in any order, and as either end of a pair; the caller is told the first.
    fn named<T>(&self, outcome: Result<T>) -> Result<T> {
        outcome.map_err(|error| match error {
            Error::NonFinite { row, .. } => {
                let mut scratch = Vec::new();
                let mut bad = |row: &usize| {
                    let values = self.corpus.read(self.kernels, *row, &mut scratch);
                    values.iter().any(|value| !value.is_finite())
                };
                let first = (0..self.corpus.len()).find(|row| bad(row)).unwrap_or(row);
                Error::NonFinite { argument: self.argument, row: first }
            }
            other => other,
        })
    }
}
