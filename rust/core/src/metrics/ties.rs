//! The order of documents with equal scores.

use std::cmp::Ordering;

/// Which of two documents with equal scores comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ties {
    /// The larger id, compared by bytes: the rule of `trec_eval`.
    DocidDescending,
    /// The smaller id, compared by bytes.
    DocidAscending,
    /// The one that the run lists first.
    Input,
    /// Neither: a relevant document that ties with another one is an error.
    Error,
}

/// One of the documents that share a score.
#[derive(Clone, Copy, Debug)]
pub struct Tied<'a> {
    /// The shared score.
    pub score: f64,
    /// Its id.
    pub id: &'a str,
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
            // Strings compare by their UTF-8 bytes.
            Ties::DocidDescending => {
                tied.sort_unstable_by(|a, b| by_score(a, b).then(b.id.cmp(a.id)));
            }
            Ties::DocidAscending => {
                tied.sort_unstable_by(|a, b| by_score(a, b).then(a.id.cmp(b.id)));
            }
            // Stable: within a score the order of the run stays.
            Ties::Input | Ties::Error => tied.sort_by(by_score),
        }
        let mut places = Vec::with_capacity(tied.len());
        for group in tied.chunk_by(|a, b| a.score == b.score) {
            places.extend(group.iter().enumerate().map(|(place, &tied)| (tied, place)));
        }
        places.sort_unstable_by(|(a, _), (b, _)| by_score(a, b).then(a.id.cmp(b.id)));
        Self { places }
    }

    /// How many documents of equal score stand before document `id`; `None` if it is not there.
    #[must_use]
    pub fn before(&self, score: f64, id: &str) -> Option<usize> {
        let own = Tied { score, id };
        let order = |(other, _): &(Tied<'_>, usize)| by_score(other, &own).then(other.id.cmp(id));
        self.places.binary_search_by(order).ok().map(|i| self.places[i].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_puts_the_documents_it_says_first() {
        let group = ["d10", "d9", "é", "D9"].map(|id| Tied { score: 0.0, id });
        // Documents of other scores do not count, and -0.0 is no other score than 0.0.
        let others = [("z", 2.0), ("D10", 2.0), ("z0", -1.0)].map(|(id, score)| Tied { score, id });
        let tied = [&group[..2], &others[..], &group[2..]].concat();
        let places = |ties| {
            let order = TieOrder::new(ties, tied.clone());
            ["é", "d9", "d10", "D9"].map(|id| order.before(-0.0, id).expect("a tied document"))
        };
        // By bytes: D9 < d10 < d9 < é.
        assert_eq!(places(Ties::DocidDescending), [0, 1, 2, 3]);
        assert_eq!(places(Ties::DocidAscending), [3, 2, 1, 0]);
        assert_eq!(places(Ties::Input), [2, 1, 0, 3]);
        let order = TieOrder::new(Ties::Input, tied.clone());
        assert_eq!(order.before(2.0, "D10"), Some(1));
        assert_eq!(order.before(0.0, "D10"), None);
    }
}
