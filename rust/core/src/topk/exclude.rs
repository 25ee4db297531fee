//! Rows that a query must not return.

use crate::error::{Error, Result};

/// Sorted excluded rows per query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exclude {
    offsets: Vec<usize>,
    rows: Vec<u32>,
}

impl Exclude {
    /// From one list after another: query `i` excludes `rows[offsets[i]..offsets[i + 1]]`.
    ///
    /// # Errors
    /// If the lists do not fit `queries`, or a row is not in the corpus.
    pub fn new(offsets: &[usize], rows: &[i64], queries: usize, corpus: usize) -> Result<Self> {
        if offsets.len() != queries + 1 {
            let found = offsets.len().saturating_sub(1);
            return Err(Error::ExcludeLength { found, expected: queries });
        }
        let ends = offsets.first() == Some(&0) && offsets.last() == Some(&rows.len());
        if !ends || !offsets.is_sorted() {
            return Err(Error::ExcludeOffsets { rows: rows.len() });
        }
        let mut sorted = Vec::with_capacity(rows.len());
        for (query, bounds) in offsets.windows(2).enumerate() {
            for &row in &rows[bounds[0]..bounds[1]] {
                match u32::try_from(row) {
                    Ok(number) if (number as usize) < corpus => sorted.push(number),
                    _ => {
                        let last = corpus.saturating_sub(1);
                        return Err(Error::ExcludeRow { query, row, last });
                    }
                }
            }
            sorted[bounds[0]..].sort_unstable();
        }
        Ok(Self { offsets: offsets.to_vec(), rows: sorted })
    }

    /// True if `query` must not return `row`.
    #[must_use]
    pub fn contains(&self, query: usize, row: u32) -> bool {
        self.rows[self.offsets[query]..self.offsets[query + 1]].binary_search(&row).is_ok()
    }
}

/// What the queries of one batch must not return.
#[derive(Debug, Clone, Copy)]
pub(super) struct Excluded<'a> {
    /// The lists of all queries, if there are any.
    pub(super) lists: Option<&'a Exclude>,
    /// Numbers of the batch's queries.
    pub(super) numbers: &'a [usize],
}

impl Excluded<'_> {
    /// True if the batch's query must not return this row.
    pub(super) fn contains(&self, query: usize, row: u32) -> bool {
        self.lists.is_some_and(|lists| lists.contains(self.numbers[query], row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_per_query_and_need_no_order() {
        let exclude = Exclude::new(&[0, 3, 3, 4], &[5, 1, 5, 0], 3, 6).unwrap();
        assert!(exclude.contains(0, 5) && exclude.contains(0, 1) && !exclude.contains(0, 0));
        assert!(!exclude.contains(1, 5) && exclude.contains(2, 0));
    }

    #[test]
    fn what_fits_no_query_or_no_row_is_refused() {
        assert!(matches!(
            Exclude::new(&[0, 1], &[0], 2, 6),
            Err(Error::ExcludeLength { found: 1, expected: 2 })
        ));
        for row in [-1, 6, i64::MAX] {
            assert!(matches!(
                Exclude::new(&[0, 0, 1], &[row], 2, 6),
                Err(Error::ExcludeRow { query: 1, last: 5, .. })
            ));
        }
    }
}
