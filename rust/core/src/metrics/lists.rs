//! Ranks in sorted lists of row numbers, as a search returns them.

use rayon::prelude::*;

use crate::error::Result;
use crate::threads;

/// Lists per task: large enough to hide the cost of a task, small enough to balance.
const CHUNK: usize = 256;
/// Up to this many wanted rows, looking for one after the other beats ordering them first.
const SCAN_UP_TO: usize = 16;

/// Sorted result lists of equal depth, borrowed: a list ends where a row is -1.
#[derive(Clone, Copy, Debug)]
pub struct Lists<'a, S> {
    /// Scores, `depth` per list, falling.
    pub scores: &'a [S],
    /// Document rows, `depth` per list.
    pub rows: &'a [i64],
    /// Places per list.
    pub depth: usize,
    /// Documents that rows may name.
    pub n_docs: usize,
}

/// The relevant documents to look for in one list.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Which list.
    pub list: usize,
    /// Rows of relevant documents.
    pub rows: &'a [i64],
}

/// A relevant document that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Index of its [`Wanted`].
    pub query: usize,
    /// Index into [`Wanted::rows`].
    pub item: usize,
    /// Its place in the list, from 0.
    pub position: usize,
    /// First place with the same score.
    pub tie_start: usize,
    /// One past the last place with the same score.
    pub tie_end: usize,
}

/// What is wrong with a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A score is NaN.
    Nan,
    /// A score is larger than the one before it.
    Rising,
    /// A row is not below the number of documents, or below -1.
    OutOfRange,
    /// A row occurs twice.
    Repeated,
    /// A row follows a -1.
    Hole,
}

/// A list that cannot be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which list.
    pub list: usize,
    /// The place in it.
    pub position: usize,
    /// The row there.
    pub row: i64,
    /// What is wrong.
    pub kind: FaultKind,
}

impl<S: Copy + PartialOrd + Sync> Lists<'_, S> {
    /// Checks list `list` and returns how many places are filled. `seen` has a bit per document,
    /// all clear, and is left so unless a fault is returned.
    fn check(&self, list: usize, seen: &mut [u64]) -> std::result::Result<usize, Fault> {
        let span = list * self.depth..(list + 1) * self.depth;
        let (scores, rows) = (&self.scores[span.clone()], &self.rows[span]);
        let fault = |position: usize, kind| Fault { list, position, row: rows[position], kind };
        let filled = rows.iter().position(|&row| row == -1).unwrap_or(rows.len());
        if let Some(more) = rows[filled..].iter().position(|&row| row != -1) {
            return Err(fault(filled + more, FaultKind::Hole));
        }
        for (i, &score) in scores[..filled].iter().enumerate() {
            if score.partial_cmp(&score).is_none() {
                return Err(fault(i, FaultKind::Nan));
            }
            if i > 0 && score > scores[i - 1] {
                return Err(fault(i, FaultKind::Rising));
            }
        }
        for (i, &row) in rows[..filled].iter().enumerate() {
            let Some(row) = usize::try_from(row).ok().filter(|&row| row < self.n_docs) else {
                return Err(fault(i, FaultKind::OutOfRange));
            };
            let (word, bit) = (row / 64, 1 << (row % 64));
            if seen[word] & bit != 0 {
                return Err(fault(i, FaultKind::Repeated));
            }
            seen[word] |= bit;
        }
        for &row in &rows[..filled] {
            seen[row as usize / 64] = 0;
        }
        Ok(filled)
    }

    fn find_in(&self, query: usize, wanted: Wanted<'_>, filled: usize, out: &mut Vec<Found>) {
        let start = wanted.list * self.depth;
        let (scores, rows) =
            (&self.scores[start..start + filled], &self.rows[start..start + filled]);
        let mut keep = |item, position: usize| {
            let score = scores[position];
            // Scores fall, so both ends of a tie are a binary search away.
            let tie_start = scores.partition_point(|&other| other > score);
            let tie_end = scores.partition_point(|&other| other >= score);
            out.push(Found { query, item, position, tie_start, tie_end });
        };
        if wanted.rows.len() <= SCAN_UP_TO {
            let mut places: Vec<(usize, usize)> = wanted
                .rows
                .iter()
                .enumerate()
                .filter_map(|(item, row)| Some((rows.iter().position(|r| r == row)?, item)))
                .collect();
            places.sort_unstable();
            for (position, item) in places {
                keep(item, position);
            }
            return;
        }
        let mut by_row: Vec<(i64, usize)> =
            wanted.rows.iter().enumerate().map(|(item, &row)| (row, item)).collect();
        by_row.sort_unstable();
        for (position, row) in rows.iter().enumerate() {
            let first = by_row.partition_point(|(other, _)| other < row);
            for &(_, item) in by_row[first..].iter().take_while(|(other, _)| other == row) {
                keep(item, position);
            }
        }
    }

    /// Finds the wanted rows of one chunk of queries, of which the first is the `first`-th.
    fn find_chunk(
        &self,
        first: usize,
        queries: &[Wanted<'_>],
        seen: &mut [u64],
    ) -> std::result::Result<Vec<Found>, Fault> {
        let mut found = Vec::new();
        for (i, &query) in queries.iter().enumerate() {
            let filled = self.check(query.list, seen).inspect_err(|_| seen.fill(0))?;
            self.find_in(first + i, query, filled, &mut found);
        }
        Ok(found)
    }

    /// Checks the wanted lists and finds the wanted rows in them: queries in the order of `wanted`,
    /// the rows of each by their place.
    ///
    /// # Errors
    /// As [`threads::resolve`] and [`threads::pool`]. The inner result is the fault of the first
    /// faulty list, whatever the number of threads.
    pub fn find(
        &self,
        wanted: &[Wanted<'_>],
        threads: Option<usize>,
    ) -> Result<std::result::Result<Vec<Found>, Fault>> {
        let threads = threads::resolve(threads)?;
        let seen = || vec![0u64; self.n_docs.div_ceil(64)];
        if threads == 1 || wanted.len() <= CHUNK {
            return Ok(self.find_chunk(0, wanted, &mut seen()));
        }
        let chunks: Vec<std::result::Result<Vec<Found>, Fault>> =
            threads::pool(threads)?.install(|| {
                wanted
                    .par_chunks(CHUNK)
                    .enumerate()
                    .map_init(seen, |seen, (chunk, queries)| {
                        self.find_chunk(chunk * CHUNK, queries, seen)
                    })
                    .collect()
            });
        Ok(chunks.into_iter().collect::<std::result::Result<Vec<_>, _>>().map(|all| all.concat()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCORES: [f32; 8] = [3.0, 2.0, 2.0, 1.0, 5.0, 4.0, f32::NEG_INFINITY, f32::NEG_INFINITY];

    fn find(scores: &[f32], rows: &[i64]) -> std::result::Result<Vec<Found>, Fault> {
        let lists = Lists { scores, rows, depth: 4, n_docs: 70 };
        let wanted = [Wanted { list: 0, rows: &[66, 9] }, Wanted { list: 1, rows: &[2] }];
        lists.find(&wanted, Some(2)).expect("threads start")
    }

    #[test]
    fn rows_are_found_with_the_span_of_their_score() {
        let found = find(&SCORES, &[1, 0, 66, 2, 69, 2, -1, -1]).expect("sound lists");
        let expected = [
            Found { query: 0, item: 0, position: 2, tie_start: 1, tie_end: 3 },
            Found { query: 1, item: 0, position: 1, tie_start: 1, tie_end: 2 },
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn many_wanted_rows_are_found_as_few_are() {
        // 300 queries of one list each, so that chunks and threads matter too; scores in threes.
        let (depth, n_lists) = (40, 300);
        let scores: Vec<f64> = (0..n_lists * depth).map(|i| -((i % depth / 3) as f64)).collect();
        let rows: Vec<i64> = (0..n_lists * depth).map(|i| (i * 7 % depth) as i64).collect();
        let lists = Lists { scores: &scores, rows: &rows, depth, n_docs: 60 };
        // Rows from 40 on are in no list.
        let all: Vec<i64> = (20..60).rev().collect();
        let find = |rows: &[&[i64]], threads| {
            let wanted: Vec<Wanted<'_>> = (0..n_lists)
                .flat_map(|list| rows.iter().map(move |rows| Wanted { list, rows }))
                .collect();
            lists.find(&wanted, Some(threads)).expect("threads start").expect("sound lists")
        };
        let many = find(&[&all], 1);
        assert_eq!(many, find(&[&all], 3));
        let halves: Vec<&[i64]> = all.chunks(10).collect();
        let mut few: Vec<Found> = find(&halves, 2)
            .into_iter()
            .map(|f| Found { query: f.query / 4, item: f.query % 4 * 10 + f.item, ..f })
            .collect();
        few.sort_unstable_by_key(|f| (f.query, f.position));
        assert_eq!(many, few);
        assert_eq!(many.len(), n_lists * 20);
        assert!(many.iter().all(|f| f.tie_start == f.position / 3 * 3));
    }

    #[test]
    fn faulty_lists_are_named() {
        let fault = |rows: [i64; 8]| find(&SCORES, &rows).expect_err("a fault");
        let at = |list, position, row, kind| Fault { list, position, row, kind };
        assert_eq!(fault([1, 0, 66, 1, 0, 1, -1, -1]), at(0, 3, 1, FaultKind::Repeated));
        assert_eq!(fault([1, 0, 66, 70, 0, 1, -1, -1]), at(0, 3, 70, FaultKind::OutOfRange));
        assert_eq!(fault([1, 0, 66, -2, 0, 1, -1, -1]), at(0, 3, -2, FaultKind::OutOfRange));
        assert_eq!(fault([1, 0, 66, 2, 0, -1, 3, -1]), at(1, 2, 3, FaultKind::Hole));
        let mut scores = SCORES;
        scores[5] = 6.0;
        let rows = [1, 0, 66, 2, 0, 1, -1, -1];
        assert_eq!(find(&scores, &rows), Err(at(1, 1, 1, FaultKind::Rising)));
        scores[1] = f32::NAN;
        assert_eq!(find(&scores, &rows), Err(at(0, 1, 0, FaultKind::Nan)));
    }
}
