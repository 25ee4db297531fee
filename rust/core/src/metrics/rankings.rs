//! What the measures need to know about each query, side by side in flat buffers.

use rayon::prelude::*;

use super::{Hit, Measure, Query};
use crate::error::Result;
use crate::threads;

/// Queries per task: large enough to hide the cost of a task.
const QUERIES_PER_TASK: usize = 512;

/// All queries' judged documents, in the order in which they were pushed.
#[derive(Debug, Default)]
pub struct Rankings {
    hits: Vec<Hit>,
    grades: Vec<f64>,
    /// Where each query's part ends in `hits` and in `grades`, and how many it retrieved.
    ends: Vec<(usize, usize, usize)>,
}

impl Rankings {
    /// Adds a query that retrieved so many documents; takes what it finds in the buffers, in any
    /// order, and leaves them empty.
    pub fn push(&mut self, hits: &mut Vec<Hit>, grades: &mut Vec<f64>, retrieved: usize) {
        hits.sort_by_key(|hit| hit.before);
        grades.sort_unstable_by(|a, b| b.total_cmp(a));
        self.hits.append(hits);
        self.grades.append(grades);
        self.ends.push((self.hits.len(), self.grades.len(), retrieved));
    }

    /// Gives hits of one query, by their index among all, the rank that follows `before` others.
    pub fn place(&mut self, query: usize, ranks: impl Iterator<Item = (usize, u32)>) {
        for (hit, before) in ranks {
            (self.hits[hit].before, self.hits[hit].tied) = (before, 1);
        }
        let start = if query == 0 { 0 } else { self.ends[query - 1].0 };
        self.hits[start..self.ends[query].0].sort_by_key(|hit| hit.before);
    }

    /// Judged documents retrieved, over all queries.
    pub(super) fn n_stored(&self) -> usize {
        self.hits.len()
    }

    /// Number of queries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether no query was pushed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Relevant documents (of positive grade) retrieved, over all queries.
    #[must_use]
    pub fn n_hits(&self) -> usize {
        self.hits.iter().filter(|hit| hit.grade > 0.0).count()
    }

    /// Which queries have no document of positive grade at all.
    #[must_use]
    pub fn without_relevant(&self) -> Vec<bool> {
        let none = |i| self.query(i).grades.first().is_none_or(|&grade| grade <= 0.0);
        (0..self.len()).map(none).collect()
    }

    /// The judged documents of the `i`-th query.
    #[must_use]
    pub fn query(&self, i: usize) -> Query<'_> {
        let (hit, grade, _) = if i == 0 { (0, 0, 0) } else { self.ends[i - 1] };
        let (hit_end, grade_end, retrieved) = self.ends[i];
        Query { hits: &self.hits[hit..hit_end], grades: &self.grades[grade..grade_end], retrieved }
    }

    /// Every measure of every query, for measures that are [settled](Measure::settled): one row
    /// per measure, one column per query.
    #[must_use]
    pub fn values(&self, measures: &[Measure]) -> Vec<f64> {
        let n = self.len();
        let mut values = vec![0.0; measures.len() * n];
        for i in 0..n {
            let query = self.query(i);
            for (row, measure) in measures.iter().enumerate() {
                values[row * n + i] = measure.value(query);
            }
        }
        values
    }

    /// Every measure of every query: one row per measure, one column per query.
    ///
    /// # Errors
    /// As [`Measure::settled`], [`threads::resolve`] and [`threads::pool`].
    pub fn measure(&self, measures: &[Measure], threads: Option<usize>) -> Result<Vec<f64>> {
        let measures = settled(measures, &self.grades)?;
        let threads = threads::resolve(threads)?;
        if threads == 1 || self.len() <= QUERIES_PER_TASK {
            return Ok(self.values(&measures));
        }
        let mut values = vec![0.0; measures.len() * self.len()];
        threads::pool(threads)?.install(|| {
            for (row, measure) in values.chunks_exact_mut(self.len()).zip(&measures) {
                row.par_iter_mut()
                    .with_min_len(QUERIES_PER_TASK)
                    .enumerate()
                    .for_each(|(i, value)| *value = measure.value(self.query(i)));
            }
        });
        Ok(values)
    }
}

/// The measures with all that depends on the judgements as a whole.
pub(super) fn settled(measures: &[Measure], grades: &[f64]) -> Result<Vec<Measure>> {
    measures.iter().map(|measure| measure.settled(grades.iter().copied())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Gain, Kind};

    #[test]
    fn rankings_measure_each_query_on_its_own_documents() {
        let mut all = Rankings::default();
        // Pushed out of order on purpose: first query found at ranks 1 and 3, two relevant.
        all.push(&mut vec![Hit::at(3, 1.0), Hit::at(1, 2.0)], &mut vec![1.0, 2.0], 5);
        all.push(&mut Vec::new(), &mut vec![1.0], 3);
        all.push(&mut vec![Hit::at(1, 0.0)], &mut vec![-1.0, 0.0], 1);
        let at =
            |kind, k| Measure { kind, cutoff: Some(k), relevant_from: 1.0, judged_only: false };
        let measures = [
            at(Kind::Recall { capped: false }, 2),
            at(Kind::Precision, 4),
            at(Kind::Ndcg(Gain::Linear), 10),
        ];
        let ndcg = (2.0 + 0.5) / (2.0 + 1.0 / 3f64.log2());
        for threads in [None, Some(1), Some(3)] {
            let values = all.measure(&measures, threads).expect("threads start");
            assert_eq!(values, [0.5, 0.0, 0.0, 0.5, 0.0, 0.0, ndcg, 0.0, 0.0]);
        }
        assert_eq!((all.n_hits(), all.without_relevant()), (2, vec![false, false, true]));
    }
}
