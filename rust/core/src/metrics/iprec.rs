//! Interpolated precision at a level of recall, and its mean over eleven levels.
//!
//! The largest precision at any rank where at least that share of the relevant documents has been
//! found; 0 where it never is. The eleven-point average takes the levels 0.0, 0.1, ..., 1.0.
//! Salton and McGill, "Introduction to Modern Information Retrieval", 1983; `iprec_at_recall` and
//! `11pt_avg` of `trec_eval`. How many documents a level asks for is rounded: up to version 9 as
//! the whole part of level * R + 0.9, in version 10 to the nearest.

use super::query::Query;

/// From a level of recall to a number of relevant documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// The whole part of level * R + 0.9: `trec_eval` up to version 9.
    PlusNineTenths,
    /// The nearest, halves up: `trec_eval` 10.
    Nearest,
}

impl Rounding {
    fn documents(self, level: f64, relevant: usize) -> usize {
        let share = level * relevant as f64;
        match self {
            Self::PlusNineTenths => (share + 0.9) as usize,
            Self::Nearest => share.round() as usize,
        }
    }
}

pub(super) fn value(query: Query<'_>, recall: f64, rounding: Rounding, level: f64) -> f64 {
    let needed = rounding.documents(recall, query.relevant(level));
    let ranks = query.hits.iter().filter(|hit| hit.grade >= level).map(super::query::Hit::rank);
    // Between two relevant documents precision only falls, so their ranks are the ones to look at.
    (1..).zip(ranks).fold(0.0, |best, (found, rank)| {
        if found >= needed.max(1) { f64::max(best, found as f64 / rank) } else { best }
    })
}

pub(super) fn eleven_points(query: Query<'_>, rounding: Rounding, level: f64) -> f64 {
    const LEVELS: [f64; 11] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];
    LEVELS.iter().fold(0.0, |sum, &recall| sum + value(query, recall, rounding, level)) / 11.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Hit;

    #[test]
    fn interpolated_precision_of_a_hand_computed_list() {
        // Relevant at 2, 3 and 9, four in all: precision 1/2, 2/3, 3/9.
        let hits = [Hit::at(2, 1.0), Hit::at(3, 1.0), Hit::at(9, 1.0)];
        let query = Query { hits: &hits, grades: &[1.0; 4], retrieved: 9 };
        let at = |recall| value(query, recall, Rounding::PlusNineTenths, 1.0);
        // 0.5 * 4 + 0.9 = 2.9 asks for two; 0.6 * 4 + 0.9 = 3.3 for three; 1.0 for four.
        assert_eq!([0.0, 0.5, 0.6, 1.0].map(at), [2.0 / 3.0, 2.0 / 3.0, 1.0 / 3.0, 0.0]);
        // To the nearest, 0.6 * 4 = 2.4 asks for two.
        assert_eq!(value(query, 0.6, Rounding::Nearest, 1.0), 2.0 / 3.0);
        let mean = eleven_points(query, Rounding::PlusNineTenths, 1.0);
        assert!((mean - (6.0 * 2.0 / 3.0 + 2.0 / 3.0) / 11.0).abs() < 1e-15);
    }
}
