//! The order of documents with equal scores.

use std::cmp::Ordering;

use super::Hit;
use super::query::groups;

/// Which of two documents with equal scores comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ties {
    /// The larger id, compared by bytes: the rule of `trec_eval`.
    DocidDescending,
    /// The smaller id, compared by bytes.
    DocidAscending,
    /// The one that the run lists first.
    Input,
    /// Neither: the value is the expected one over all orders.
    Expected,
    /// The one with the larger grade; documents without a judgement come last.
    Best,
    /// The one with the smaller grade; documents without a judgement come first.
    Worst,
    /// Neither: a judged document that ties with another one is an error.
    Error,
}

impl Ties {
    /// Whether the rule looks at ids or at their order in the run.
    #[must_use]
    pub fn looks_at_documents(self) -> bool {
        matches!(self, Self::DocidDescending | Self::DocidAscending | Self::Input)
    }

    /// Gives a rank to each of a list's judged documents that still share places, where the rule
    /// goes by grades.
    pub fn settle(self, hits: &mut [Hit]) {
        if !matches!(self, Self::Best | Self::Worst) || hits.iter().all(|hit| hit.tied == 1) {
            return;
        }
        hits.sort_by_key(|hit| hit.before);
        let sizes: Vec<usize> = groups(hits).map(<[Hit]>::len).collect();
        let mut rest = hits;
        for size in sizes {
            let (group, others) = rest.split_at_mut(size);
            rest = others;
            group.sort_by(|a, b| b.grade.total_cmp(&a.grade));
            for (place, hit) in (0..).zip(group) {
                let from_end = hit.tied - 1 - place;
                hit.before += if self == Self::Best { place } else { from_end };
                hit.tied = 1;
            }
        }
    }
}
/// How many of a tie's rows stand before `row` where ids are rows; `skipped` is none of them.
///
/// `sorted` is empty, or holds the group's rows in rising order from an earlier call: with it,
/// the tie is ordered once instead of counted for each of its rows.
pub(super) fn place_by_row(
    ties: Ties,
    group: &[i64],
    row: i64,
    skipped: Option<i64>,
    sorted: Option<&mut Vec<i64>>,
) -> usize {
    let before = |other: i64| {
        let first = if ties == Ties::DocidDescending { other > row } else { other < row };
        first && Some(other) != skipped
    };
    let Some(sorted) = sorted else {
        return group.iter().filter(|&&other| before(other)).count();
    };
    // Rows occur once in a list, so one row tells whether these are the group's.
    if sorted.len() != group.len() || sorted.binary_search(&group[0]).is_err() {
        sorted.clear();
        sorted.extend_from_slice(group);
        sorted.sort_unstable();
    }
    let smaller = sorted.partition_point(|&other| other < row);
    let all = if ties == Ties::DocidDescending { sorted.len() - 1 - smaller } else { smaller };
    all - usize::from(skipped.is_some_and(|skipped| {
        if ties == Ties::DocidDescending { skipped > row } else { skipped < row }
    }))
}

/// An id, as it is compared: numbers by size, strings by their UTF-8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Id<'a> {
    /// An integer.
    Number(i64),
    /// A string.
    Text(&'a [u8]),
}

/// One of the documents that share a score.
#[derive(Clone, Copy, Debug)]
pub struct Tied<'a> {
    /// The shared score.
    pub score: f64,
    /// Its id.
    pub id: Id<'a>,
}

/// Documents that tie, ordered once so that each one's place is a binary search away.
#[derive(Debug)]
pub struct TieOrder<'a> {
    /// By score, then by id: each document and how many of its score stand before it.
    places: Vec<(Tied<'a>, usize)>,
}

fn by_score(a: &Tied<'_>, b: &Tied<'_>) -> Ordering {
    // Without NaN this order is total, and 0.0 equals -0.0 as it does for the ranks.
    a.score.partial_cmp(&b.score).unwrap_or(Ordering::Equal)
}

impl<'a> TieOrder<'a> {
    /// Orders documents of one or several scores, none NaN, given in the order of the run.
    #[must_use]
    pub fn new(ties: Ties, mut tied: Vec<Tied<'a>>) -> Self {
        match ties {
            Ties::DocidDescending => {
                tied.sort_unstable_by(|a, b| by_score(a, b).then(b.id.cmp(&a.id)));
            }
            Ties::DocidAscending => {
                tied.sort_unstable_by(|a, b| by_score(a, b).then(a.id.cmp(&b.id)));
            }
            // Stable: within a score the order of the run stays.
            Ties::Input | Ties::Expected | Ties::Best | Ties::Worst | Ties::Error => {
                tied.sort_by(by_score);
            }
        }
        let mut places = Vec::with_capacity(tied.len());
        for group in tied.chunk_by(|a, b| a.score == b.score) {
            places.extend(group.iter().enumerate().map(|(place, &tied)| (tied, place)));
        }
        places.sort_unstable_by(|(a, _), (b, _)| by_score(a, b).then(a.id.cmp(&b.id)));
        Self { places }
    }

    /// How many documents of equal score stand before document `id`; `None` if it is not there.
    #[must_use]
    pub fn before(&self, score: f64, id: Id<'_>) -> Option<usize> {
        let own = Tied { score, id };
        let order = |(other, _): &(Tied<'_>, usize)| by_score(other, &own).then(other.id.cmp(&id));
        self.places.binary_search_by(order).ok().map(|i| self.places[i].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(id: &str) -> Id<'_> {
        Id::Text(id.as_bytes())
    }

    #[test]
    fn numbers_compare_by_size() {
        let tied = [9, 10, -1].map(|id| Tied { score: 0.0, id: Id::Number(id) });
        let order = TieOrder::new(Ties::DocidDescending, tied.to_vec());
        assert_eq!([10, 9, -1].map(|id| order.before(0.0, Id::Number(id))), [0, 1, 2].map(Some));
    }

    #[test]
    fn each_rule_puts_the_documents_it_says_first() {
        let group = ["d10", "d9", "é", "D9"].map(|id| Tied { score: 0.0, id: text(id) });
        // Documents of other scores do not count, and -0.0 is no other score than 0.0.
        let others = [("z", 2.0), ("D10", 2.0), ("z0", -1.0)]
            .map(|(id, score)| Tied { score, id: text(id) });
        let tied = [&group[..2], &others[..], &group[2..]].concat();
        let places = |ties| {
            let order = TieOrder::new(ties, tied.clone());
            ["é", "d9", "d10", "D9"]
                .map(|id| order.before(-0.0, text(id)).expect("a tied document"))
        };
        // By bytes: D9 < d10 < d9 < é.
        assert_eq!(places(Ties::DocidDescending), [0, 1, 2, 3]);
        assert_eq!(places(Ties::DocidAscending), [3, 2, 1, 0]);
        assert_eq!(places(Ties::Input), [2, 1, 0, 3]);
        let order = TieOrder::new(Ties::Input, tied.clone());
        assert_eq!(order.before(2.0, text("D10")), Some(1));
        assert_eq!(order.before(0.0, text("D10")), None);
    }

    #[test]
    fn grades_settle_ties_for_better_or_worse() {
        // Three of five tied documents are judged; behind them one that does not tie.
        let tied = |grade| Hit { before: 2, tied: 5, grade };
        let ranks = |ties: Ties| {
            let mut hits = [tied(0.0), tied(2.0), tied(1.0), Hit::at(8, 1.0)];
            ties.settle(&mut hits);
            hits.map(|hit| (hit.before + 1, hit.tied, hit.grade))
        };
        assert_eq!(ranks(Ties::Best), [(3, 1, 2.0), (4, 1, 1.0), (5, 1, 0.0), (8, 1, 1.0)]);
        assert_eq!(ranks(Ties::Worst), [(7, 1, 2.0), (6, 1, 1.0), (5, 1, 0.0), (8, 1, 1.0)]);
        assert_eq!(ranks(Ties::Expected), [(3, 5, 0.0), (3, 5, 2.0), (3, 5, 1.0), (8, 1, 1.0)]);
    }
}
