//! Canonical scores of pairs that are named one by one.

use super::metric::Metric;
use super::norms::row_norms;
use super::pass::Setting;
use super::rescore::{Job, Rescorer};
use crate::error::{Error, Result};
use crate::kernels::{FloatMode, Kernels};
use crate::rows::{Corpus, Rows};
use crate::threads::{Control, pool};

/// Canonical scores of each query with the rows of its list: query `i` with
/// `rows[offsets[i]..offsets[i + 1]]`, flat and in their order, bit for bit those of a search.
///
/// # Errors
/// If shapes do not fit, an offset or a row is out of range, an input holds NaN or infinity, or
/// `control` asked to stop.
#[allow(clippy::too_many_arguments, reason = "both sides, the pairs, and how to compare them")]
pub fn pair_scores(
    kernels: Kernels,
    metric: Metric,
    queries: Rows,
    corpus: Corpus,
    offsets: &[usize],
    rows: &[i64],
    threads: usize,
    control: &Control,
) -> Result<Vec<f64>> {
    let _mode = FloatMode::standard();
    if queries.dim() != corpus.dim() {
        return Err(Error::Width { queries: queries.dim(), corpus: corpus.dim() });
    }
    if offsets.len() != queries.len() + 1 {
        let (found, expected) = (offsets.len().saturating_sub(1), queries.len());
        return Err(Error::PerQuery { argument: "pairs", found, expected });
    }
    if offsets.first() != Some(&0) || offsets.last() != Some(&rows.len()) || !offsets.is_sorted() {
        return Err(Error::PairOffsets { rows: rows.len() });
    }
    let most = u32::MAX as usize;
    for (argument, rows) in [("corpus", corpus.len()), ("pairs", rows.len())] {
        if rows > most {
            return Err(Error::TooManyRows { argument, rows, most });
        }
    }
    let mut jobs = Vec::with_capacity(rows.len());
    for (query, bounds) in offsets.windows(2).enumerate() {
        for (place, &row) in (bounds[0]..bounds[1]).zip(&rows[bounds[0]..bounds[1]]) {
            match u32::try_from(row) {
                Ok(number) if (number as usize) < corpus.len() => {
                    jobs.push(Job { row: number, query: query as u32, place: place as u32 });
                }
                _ => {
                    let last = corpus.len().saturating_sub(1);
                    return Err(Error::PairRow { query, row, last });
                }
            }
        }
    }
    let query_norms = row_norms("queries", kernels, queries.into(), threads, control)?;
    let batch: Vec<usize> = (0..queries.len()).collect();
    let setting = Setting {
        kernels,
        metric,
        queries: queries.into(),
        batch: &batch,
        query_norms: &query_norms,
        corpus,
        norms: None,
        mutual: false,
    };
    let pool = if threads == 1 { None } else { Some(pool(threads)?) };
    let scores = Rescorer { setting }.score_all(jobs, pool.as_deref(), control)?;
    Ok(scores.into_iter().map(|goodness| metric.signed(goodness)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topk::Search;
    use crate::topk::tests::{METRICS, noise};

    #[test]
    fn scores_are_those_of_a_search_bit_for_bit() {
        let (dim, q, n) = (33, 40, 300);
        let (queries, corpus) = (noise(q * dim, 1), noise(n * dim, 2));
        let queries = Rows::new("queries", &queries, q, dim).unwrap();
        let corpus = Rows::new("corpus", &corpus, n, dim).unwrap();
        // Lists of 0 to 9 rows, out of order, with repeats.
        let mut offsets = vec![0];
        offsets.extend((0..q).scan(0, |end, i| {
            *end += i % 10;
            Some(*end)
        }));
        let rows: Vec<i64> = (0..offsets[q]).map(|i| (i * 7919 % n) as i64).collect();
        for metric in METRICS {
            let kernels = Kernels::best();
            let control = Control::default();
            let search = Search {
                queries,
                corpus: corpus.into(),
                norms: None,
                plane: None,
                k: n,
                metric,
                exclude: None,
                allowed: None,
                at_least: None,
                at_most: None,
                kernels,
                threads: 2,
                pass: None,
            };
            let all = search.run(&control).unwrap();
            for threads in [1, 2] {
                let found = pair_scores(
                    kernels,
                    metric,
                    queries,
                    corpus.into(),
                    &offsets,
                    &rows,
                    threads,
                    &control,
                )
                .unwrap();
                for (query, bounds) in offsets.windows(2).enumerate() {
                    for place in bounds[0]..bounds[1] {
                        let own = &all.rows[query * n..(query + 1) * n];
                        let hit = own.iter().position(|&row| row == rows[place]).unwrap();
                        let expected = all.exact[query * n + hit];
                        assert_eq!(found[place].to_bits(), expected.to_bits());
                    }
                }
            }
        }
    }

    #[test]
    fn pairs_that_fit_no_query_or_no_row_are_refused() {
        let values = [1.0, 2.0, 3.0];
        let rows = Rows::new("corpus", &values, 3, 1).unwrap();
        let run = |offsets: &[usize], pairs: &[i64]| {
            let (kernels, control) = (Kernels::best(), Control::default());
            pair_scores(kernels, Metric::Dot, rows, rows.into(), offsets, pairs, 1, &control)
        };
        assert_eq!(run(&[0, 1, 1, 2], &[2, 0]), Ok(vec![3.0, 3.0]));
        assert!(matches!(run(&[0, 1], &[0]), Err(Error::PerQuery { found: 1, expected: 3, .. })));
        assert_eq!(run(&[0, 1, 1, 1], &[0, 0]), Err(Error::PairOffsets { rows: 2 }));
        assert_eq!(run(&[0, 2, 1, 2], &[0, 0]), Err(Error::PairOffsets { rows: 2 }));
        for row in [-1, 3, i64::MAX] {
            let error = Error::PairRow { query: 1, row, last: 2 };
            assert_eq!(run(&[0, 0, 1, 1], &[row]), Err(error));
        }
    }
}
