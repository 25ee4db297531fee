//! What the measures need to know about each query, side by side in flat buffers.

use rayon::prelude::*;

use super::Measure;
use crate::error::Result;
use crate::threads;

/// Queries per task: large enough to hide the cost of a task.
const QUERIES_PER_TASK: usize = 512;

/// A relevant document that was retrieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its rank, from 1.
    pub rank: usize,
    /// Its grade, above 0.
    pub grade: i64,
}

/// The relevant documents of one query.
#[derive(Clone, Copy, Debug)]
pub struct RelevantDocuments<'a> {
    /// Those retrieved, by rank.
    pub hits: &'a [Hit],
    /// The grades of all of them, largest first.
    pub grades: &'a [i64],
}

impl<'a> RelevantDocuments<'a> {
    /// The hits that a cutoff leaves.
    pub(super) fn within(&self, cutoff: Option<usize>) -> &'a [Hit] {
        let end = cutoff.map_or(self.hits.len(), |k| self.hits.partition_point(|h| h.rank <= k));
        &self.hits[..end]
    }

    /// How many documents have at least this grade.
    pub(super) fn relevant(&self, level: i64) -> usize {
        self.grades.partition_point(|&grade| grade >= level)
    }
}

/// All queries' relevant documents, in the order in which they were pushed.
#[derive(Debug, Default)]
pub struct Rankings {
    hits: Vec<Hit>,
    grades: Vec<i64>,
    /// Where each query's part ends in `hits` and in `grades`.
    ends: Vec<(usize, usize)>,
}

impl Rankings {
    /// Adds a query; takes what it finds in the buffers, in any order, and leaves them empty.
    pub fn push(&mut self, hits: &mut Vec<Hit>, grades: &mut Vec<i64>) {
        hits.sort_unstable_by_key(|hit| hit.rank);
        grades.sort_unstable_by(|a, b| b.cmp(a));
        self.hits.append(hits);
        self.grades.append(grades);
        self.ends.push((self.hits.len(), self.grades.len()));
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

    /// Relevant documents retrieved, over all queries.
    #[must_use]
    pub fn n_hits(&self) -> usize {
        self.hits.len()
    }

    /// Queries that have no relevant document at all.
    #[must_use]
    pub fn n_without_relevant(&self) -> usize {
        (0..self.len()).filter(|&i| self.query(i).grades.is_empty()).count()
    }

    /// The relevant documents of the `i`-th query.
    #[must_use]
    pub fn query(&self, i: usize) -> RelevantDocuments<'_> {
        let (hit, grade) = if i == 0 { (0, 0) } else { self.ends[i - 1] };
        let (hit_end, grade_end) = self.ends[i];
        RelevantDocuments { hits: &self.hits[hit..hit_end], grades: &self.grades[grade..grade_end] }
    }

    /// Every measure of every query: one row per measure, one column per query.
    ///
    /// # Errors
    /// As [`threads::resolve`] and [`threads::pool`].
    pub fn measure(&self, measures: &[Measure], threads: Option<usize>) -> Result<Vec<f64>> {
        let mut values = vec![0.0; measures.len() * self.len()];
        if values.is_empty() {
            return Ok(values);
        }
        let threads = threads::resolve(threads)?;
        let rows = values.chunks_exact_mut(self.len()).zip(measures);
        let fill = |measure: &Measure, (i, value): (usize, &mut f64)| {
            *value = measure.value(self.query(i));
        };
        if threads == 1 || self.len() <= QUERIES_PER_TASK {
            for (row, measure) in rows {
                row.iter_mut().enumerate().for_each(|item| fill(measure, item));
            }
            return Ok(values);
        }
        threads::pool(threads)?.install(|| {
            for (row, measure) in rows {
                row.par_iter_mut()
                    .with_min_len(QUERIES_PER_TASK)
                    .enumerate()
                    .for_each(|item| fill(measure, item));
            }
        });
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Kind;

    #[test]
    fn rankings_measure_each_query_on_its_own_documents() {
        let mut all = Rankings::default();
        // Pushed out of order on purpose: first query found at ranks 1 and 3, two relevant.
        all.push(&mut vec![Hit { rank: 3, grade: 1 }, Hit { rank: 1, grade: 2 }], &mut vec![1, 2]);
        all.push(&mut Vec::new(), &mut vec![1]);
        all.push(&mut Vec::new(), &mut Vec::new());
        let at = |kind, k| Measure { kind, cutoff: Some(k), relevant_from: 1 };
        let measures = [at(Kind::Recall, 2), at(Kind::Precision, 4), at(Kind::Ndcg, 10)];
        let ndcg = (2.0 + 0.5) / (2.0 + 1.0 / 3f64.log2());
        for threads in [None, Some(1), Some(3)] {
            let values = all.measure(&measures, threads).expect("threads start");
            assert_eq!(values, [0.5, 0.0, 0.0, 0.5, 0.0, 0.0, ndcg, 0.0, 0.0]);
        }
        assert_eq!((all.n_hits(), all.n_without_relevant()), (2, 1));
    }
}
