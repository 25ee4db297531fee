//! The one tie order: the better canonical score first, then the lower row.

use std::cmp::Ordering;

/// A scored row. `goodness` grows with quality: the similarity, or the negated distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// Canonical score, larger is better; never NaN.
    pub goodness: f64,
    /// Position in the corpus.
    pub row: u32,
}

impl Ranked {
    /// `Less` if `self` comes before `other` in a result list.
    #[must_use]
    pub fn order(&self, other: &Self) -> Ordering {
        // Adding 0 makes -0 and 0 one; the order is total even if memory changes under a search.
        (other.goodness + 0.0).total_cmp(&(self.goodness + 0.0)).then(self.row.cmp(&other.row))
    }
}

/// Cuts `hits` to its best `k` and sorts them.
pub fn keep_best(hits: &mut Vec<Ranked>, k: usize) {
    if hits.len() > k && k > 0 {
        hits.select_nth_unstable_by(k - 1, Ranked::order);
    }
    hits.truncate(k);
    hits.sort_unstable_by(Ranked::order);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_scores_keep_the_lower_row_and_zero_has_no_sign() {
        let mut hits: Vec<_> = [(0.5, 9), (0.5, 2), (0.7, 5), (0.5, 1), (-0.0, 4), (0.0, 3)]
            .map(|(goodness, row)| Ranked { goodness, row })
            .to_vec();
        keep_best(&mut hits, 6);
        assert_eq!(hits.iter().map(|h| h.row).collect::<Vec<_>>(), [5, 1, 2, 9, 3, 4]);
        keep_best(&mut hits, 2);
        assert_eq!(hits.iter().map(|h| h.row).collect::<Vec<_>>(), [5, 1]);
        keep_best(&mut hits, 0);
        assert!(hits.is_empty());
    }
}
