//! What is known about one query: where its judged documents were found, and all their grades.

/// A judged document that was retrieved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Documents that stand before it for certain.
    pub before: u32,
    /// Documents that share its places, itself included; 1 where its rank is `before + 1`.
    pub tied: u32,
    /// Its grade.
    pub grade: f64,
}

impl Hit {
    /// A document whose rank, from 1, is known.
    #[must_use]
    pub fn at(rank: u32, grade: f64) -> Self {
        Self { before: rank - 1, tied: 1, grade }
    }

    pub(super) fn rank(&self) -> f64 {
        f64::from(self.before + 1)
    }

    /// How many of the places it shares a cutoff leaves.
    pub(super) fn places_within(&self, cutoff: Option<usize>) -> u32 {
        let left = |k: usize| k.saturating_sub(self.before as usize).min(self.tied as usize);
        cutoff.map_or(self.tied, |k| left(k) as u32)
    }
}

/// The judged documents of one query.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// Those retrieved, by `before`. All have one rank each (`tied` is 1), unless the expected
    /// value over all orders of tied documents is asked for.
    pub hits: &'a [Hit],
    /// The grades of all of them, largest first.
    pub grades: &'a [f64],
    /// How many documents were retrieved, judged or not.
    pub retrieved: usize,
}

impl<'a> Query<'a> {
    /// The hits that a cutoff leaves; with ties, those that it may leave.
    pub(super) fn within(&self, cutoff: Option<usize>) -> &'a [Hit] {
        let inside = |k: usize| self.hits.partition_point(|hit| (hit.before as usize) < k);
        &self.hits[..cutoff.map_or(self.hits.len(), inside)]
    }

    /// How many documents have at least this grade, retrieved or not.
    pub(super) fn relevant(&self, level: f64) -> usize {
        self.grades.partition_point(|&grade| grade >= level)
    }

    /// How many of them were retrieved.
    pub(super) fn relevant_retrieved(&self, level: f64) -> usize {
        count(self.hits, level)
    }

    /// Whether an order of tied documents is open.
    pub(super) fn has_ties(&self) -> bool {
        self.hits.iter().any(|hit| hit.tied > 1)
    }
}

/// Hits that count as relevant from `level` on.
pub(super) fn count(hits: &[Hit], level: f64) -> usize {
    hits.iter().filter(|hit| hit.grade >= level).count()
}

/// Hits that share places, side by side.
pub(super) fn groups(hits: &[Hit]) -> impl Iterator<Item = &[Hit]> {
    hits.chunk_by(|a, b| a.before == b.before)
}

/// The expected number of relevant documents within a cutoff: each is as likely on any of the
/// places that it shares.
pub(super) fn expected_count(hits: &[Hit], cutoff: Option<usize>, level: f64) -> f64 {
    hits.iter()
        .filter(|hit| hit.grade >= level)
        .fold(0.0, |sum, hit| sum + f64::from(hit.places_within(cutoff)) / f64::from(hit.tied))
}

/// The hits among judged documents only: every other document is taken out of the list.
pub(super) fn judged_only(hits: &[Hit], out: &mut Vec<Hit>) {
    out.clear();
    for group in groups(hits) {
        let kept = || group.iter().filter(|hit| hit.grade >= 0.0);
        let tied = if group[0].tied > 1 { kept().count() as u32 } else { 1 };
        let before = out.len() as u32;
        out.extend(kept().map(|hit| Hit { before, tied, grade: hit.grade }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cutoffs_leave_the_places_before_them() {
        let hit = Hit { before: 3, tied: 4, grade: 1.0 };
        let left = [Some(2), Some(3), Some(5), Some(7), Some(99), None];
        assert_eq!(left.map(|k| hit.places_within(k)), [0, 0, 2, 4, 4, 4]);
        let query = Query { hits: &[Hit::at(1, 2.0), hit], grades: &[2.0, 1.0], retrieved: 9 };
        assert_eq!([3, 4].map(|k| query.within(Some(k)).len()), [1, 2]);
        assert!((expected_count(query.hits, Some(5), 1.0) - 1.5).abs() < 1e-15);
        assert_eq!((query.relevant(2.0), query.relevant_retrieved(0.5)), (1, 2));
    }

    #[test]
    fn unjudged_documents_leave_no_gap() {
        let tied = |grade| Hit { before: 4, tied: 5, grade };
        let hits = [Hit::at(3, 1.0), tied(2.0), tied(-1.0), tied(0.0), Hit::at(20, 1.0)];
        let mut kept = Vec::new();
        judged_only(&hits, &mut kept);
        let pair = |grade| Hit { before: 1, tied: 2, grade };
        assert_eq!(kept, [Hit::at(1, 1.0), pair(2.0), pair(0.0), Hit::at(4, 1.0)]);
    }
}
