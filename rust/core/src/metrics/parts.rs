//! What is found in some of the lists, and the values it gives.

use super::{Measure, Rankings};

/// A judged document that shares its score with others, whose rank is left to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// Index of its query among those found.
    pub query: usize,
    /// Index of its hit among all found.
    pub hit: usize,
    /// Which list.
    pub list: usize,
    /// Its place in the list, from 0.
    pub position: usize,
    /// First place with the same score.
    pub tie_start: usize,
    /// One past the last place with the same score.
    pub tie_end: usize,
}

/// What the lists say of the judged documents.
#[derive(Debug, Default)]
pub struct Found {
    /// The ranks, by query.
    pub rankings: Rankings,
    /// Hits whose ranks the rule gives by something other than rows; by query, then by tie.
    pub open: Vec<Open>,
    /// Relevant documents (of positive grade) that share their score.
    pub n_tied: usize,
}

/// Some of the queries, side by side.
#[derive(Debug)]
pub enum Part {
    /// All is known of them.
    Measured(Measured),
    /// Some rank is left to the caller.
    Open {
        /// What was found.
        found: Found,
        /// The measures, for [`Found::measured`].
        measures: Vec<Measure>,
    },
}

/// The values of some queries.
#[derive(Debug, Default)]
pub struct Measured {
    /// One row per measure, one column per query.
    pub values: Vec<f64>,
    /// Whether each query is without a document of positive grade.
    pub without_relevant: Vec<bool>,
    /// Documents of positive grade that were found.
    pub n_hits: usize,
    /// Those that share their score.
    pub n_tied: usize,
}

impl Found {
    /// The values, once no rank is open.
    #[must_use]
    pub fn measured(&self, measures: &[Measure]) -> Measured {
        Measured {
            values: self.rankings.values(measures),
            without_relevant: self.rankings.without_relevant(),
            n_hits: self.rankings.n_hits(),
            n_tied: self.n_tied,
        }
    }
}

impl Measured {
    /// Parts one behind the other, of `n_measures` rows each.
    #[must_use]
    pub fn joined(parts: &[Self], n_measures: usize) -> Self {
        let n: usize = parts.iter().map(|part| part.without_relevant.len()).sum();
        let mut all = Self { values: Vec::with_capacity(n * n_measures), ..Self::default() };
        for row in 0..n_measures {
            for part in parts {
                let width = part.without_relevant.len();
                all.values.extend_from_slice(&part.values[row * width..(row + 1) * width]);
            }
        }
        for part in parts {
            all.without_relevant.extend_from_slice(&part.without_relevant);
            all.n_hits += part.n_hits;
            all.n_tied += part.n_tied;
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_join_row_by_row() {
        let part = |values: &[f64], without: &[bool]| Measured {
            values: values.to_vec(),
            without_relevant: without.to_vec(),
            n_hits: 2,
            n_tied: 1,
        };
        // Two measures of two queries, then of one.
        let parts = [part(&[1.0, 2.0, 10.0, 20.0], &[false, true]), part(&[3.0, 30.0], &[false])];
        let all = Measured::joined(&parts, 2);
        assert_eq!(all.values, [1.0, 2.0, 3.0, 10.0, 20.0, 30.0]);
        assert_eq!(all.without_relevant, [false, true, false]);
        assert_eq!((all.n_hits, all.n_tied), (4, 2));
    }
}
