//! The measures of retrieval, with the semantics of `trec_eval -c`, in f64.
//!
//! No measure needs the whole list: each is a function of the ranks at which a query's judged
//! documents were found and of the grades of all its judged documents. So a list is never
//! sorted for its own sake; a judged document's rank is the number of larger scores, plus its
//! place among equal ones ([`places`], [`lists`], [`ties`]). What is left fits in [`Rankings`].
//!
//! Where the order of tied documents is left open, every measure that has a closed form gives its
//! expected value over all orders: McSherry and Najork, "Computing information retrieval
//! performance measures efficiently in the presence of tied scores", ECIR 2008.

mod ap;
mod bpref;
mod dcg;
mod err;
mod f;
mod gain;
mod infap;
mod iprec;
mod judged;
pub mod lists;
mod lists_fault;
mod ndcg;
mod parts;
pub mod places;
mod precision;
mod query;
mod rankings;
mod rbp;
mod recall;
mod rr;
mod seen;
mod success;
pub mod ties;

pub use gain::Gain;
pub use iprec::Rounding;
pub use query::{Hit, Query};
pub use rankings::Rankings;

use crate::error::{Error, Result};
use query::{count, expected_count};

/// Which quantity is measured; each has a file with its formula and its paper.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Normalised discounted cumulative gain.
    Ndcg(Gain),
    /// Discounted cumulative gain.
    Dcg(Gain),
    /// Average precision.
    AveragePrecision {
        /// Divide by the cutoff where it is smaller than the number of relevant documents.
        capped: bool,
    },
    /// Reciprocal rank.
    ReciprocalRank,
    /// Recall.
    Recall {
        /// As for average precision.
        capped: bool,
    },
    /// Precision; without a cutoff, of all documents retrieved.
    Precision,
    /// F-measure; without a cutoff, of all documents retrieved.
    F {
        /// How much more recall weighs than precision.
        beta: f64,
    },
    /// Success: was anything relevant found?
    Success,
    /// Precision at the number of relevant documents.
    RPrecision,
    /// Precision times recall of all documents retrieved: `set_map` of `trec_eval`.
    SetAveragePrecision,
    /// Binary preference.
    Bpref,
    /// Inferred average precision.
    InferredAp,
    /// Rank-biased precision.
    RankBiasedPrecision {
        /// The probability that a reader goes on to the next document.
        p: f64,
    },
    /// What unjudged documents could add to rank-biased precision.
    RankBiasedResidual {
        /// As above.
        p: f64,
    },
    /// Expected reciprocal rank.
    ExpectedReciprocalRank {
        /// The largest grade there is; `None` takes that of the queries measured.
        largest: Option<f64>,
        /// Divide by the best possible.
        normalised: bool,
    },
    /// Interpolated precision at a level of recall.
    InterpolatedPrecision {
        /// The level.
        recall: f64,
        /// How it becomes a number of documents.
        rounding: Rounding,
    },
    /// Mean interpolated precision at recall 0.0, 0.1, ..., 1.0.
    ElevenPoints {
        /// As above.
        rounding: Rounding,
    },
    /// Share of the documents retrieved that are judged.
    Judged,
    /// Documents retrieved that are not judged, divided by the cutoff.
    Hole,
    /// Number of documents retrieved.
    NumRetrieved,
    /// Number of relevant documents.
    NumRelevant,
    /// Number of relevant documents retrieved.
    NumRelevantRetrieved,
    /// 1 for each query.
    NumQueries,
}

/// One measure with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// The quantity.
    pub kind: Kind,
    /// Only this many ranks count; `None` counts the whole list.
    pub cutoff: Option<usize>,
    /// Lowest grade that counts as relevant, above 0. Cumulated gain ignores it: gains are grades.
    pub relevant_from: f64,
    /// Take documents without a judgement, or with a negative grade, out of the list first.
    pub judged_only: bool,
}

impl Measure {
    /// Whether the judged documents that are not relevant must be known too.
    #[must_use]
    pub fn needs_irrelevant(&self) -> bool {
        self.judged_only
            || match &self.kind {
                Kind::Bpref
                | Kind::InferredAp
                | Kind::RankBiasedResidual { .. }
                | Kind::Judged
                | Kind::Hole => true,
                Kind::Ndcg(gain) | Kind::Dcg(gain) => gain.counts_irrelevant(),
                _ => false,
            }
    }

    /// Whether the expected value over all orders of tied documents has a closed form here.
    #[must_use]
    pub fn has_expectation(&self) -> bool {
        !matches!(
            self.kind,
            Kind::InferredAp | Kind::InterpolatedPrecision { .. } | Kind::ElevenPoints { .. }
        )
    }

    /// Refuses a grade that the measure cannot value.
    fn check(&self, grade: f64) -> Result<()> {
        match &self.kind {
            Kind::Ndcg(gain) | Kind::Dcg(gain) if !gain.covers(grade) => {
                Err(if matches!(gain, Gain::Custom(_)) {
                    Error::GainMissing { grade }
                } else {
                    Error::GainTooLarge { grade }
                })
            }
            _ => Ok(()),
        }
    }

    /// The same measure with all that depends on the judgements as a whole filled in, for queries
    /// with these positive grades.
    ///
    /// # Errors
    /// [`Error::GainMissing`] or [`Error::GainTooLarge`] where a grade has no gain.
    pub fn settled(&self, grades: impl Iterator<Item = f64>) -> Result<Self> {
        let mut own = self.clone();
        match &mut own.kind {
            Kind::ExpectedReciprocalRank { largest, .. } => {
                let found = grades.fold(0.0, f64::max);
                if largest.is_some_and(|largest| largest < found) {
                    return Err(Error::GradeAboveLargest {
                        grade: found,
                        largest: largest.unwrap_or_default(),
                    });
                }
                *largest = Some(largest.unwrap_or(found));
            }
            Kind::Ndcg(Gain::Exponential | Gain::Custom(_))
            | Kind::Dcg(Gain::Exponential | Gain::Custom(_)) => {
                for grade in grades {
                    self.check(grade)?;
                }
            }
            _ => {}
        }
        Ok(own)
    }

    /// The value for one query; 0 where nothing was retrieved or nothing is relevant.
    ///
    /// Of a measure that is [settled](Self::settled). Where hits tie, the expected value over all
    /// orders, if the measure [has one](Self::has_expectation), else NaN.
    #[must_use]
    pub fn value(&self, query: Query<'_>) -> f64 {
        if !self.judged_only {
            return self.of(query);
        }
        let mut hits = Vec::with_capacity(query.hits.len());
        query::judged_only(query.hits, &mut hits);
        self.of(Query { hits: &hits, retrieved: hits.len(), ..query })
    }

    fn of(&self, query: Query<'_>) -> f64 {
        let (k, level) = (self.cutoff, self.relevant_from);
        let top = query.within(k);
        let tied = query.has_ties();
        let relevant = query.relevant(level);
        let capped =
            |yes: bool| if yes { k.map_or(relevant, |k| k.min(relevant)) } else { relevant };
        let found = |cutoff| {
            let top = query.within(cutoff);
            if tied { expected_count(top, cutoff, level) } else { count(top, level) as f64 }
        };
        let judged = || {
            if tied { expected_count(top, k, f64::NEG_INFINITY) } else { top.len() as f64 }
        };
        match &self.kind {
            Kind::Ndcg(gain) if tied => ndcg::expected(top, query.grades, gain, level, k),
            Kind::Ndcg(gain) => ndcg::value(top, query.grades, gain, level, k),
            Kind::Dcg(gain) if tied => dcg::expected(top, gain, level, k),
            Kind::Dcg(gain) => dcg::value(top, gain, level),
            Kind::AveragePrecision { capped: cap } if tied => {
                ap::expected(top, capped(*cap), level, k)
            }
            Kind::AveragePrecision { capped: cap } => ap::value(top, capped(*cap), level),
            Kind::ReciprocalRank if tied => rr::expected(top, level, k),
            Kind::ReciprocalRank => rr::value(top, level),
            Kind::Recall { capped: cap } => recall::value(found(k), capped(*cap)),
            Kind::Precision => precision::value(found(k), k.unwrap_or(query.retrieved)),
            Kind::F { beta } => f::value(found(k), k.unwrap_or(query.retrieved), relevant, *beta),
            Kind::Success if tied => success::expected(top, level, k),
            Kind::Success => success::value(top, level),
            Kind::RPrecision => precision::value(found(Some(relevant)), relevant),
            Kind::SetAveragePrecision => {
                precision::value(found(None), query.retrieved)
                    * recall::value(found(None), relevant)
            }
            Kind::Bpref if tied => bpref::expected(query, level),
            Kind::Bpref => bpref::value(query, level),
            Kind::InferredAp | Kind::InterpolatedPrecision { .. } | Kind::ElevenPoints { .. }
                if tied =>
            {
                f64::NAN
            }
            Kind::InferredAp => infap::value(query, level),
            Kind::InterpolatedPrecision { recall, rounding } => {
                iprec::value(query, *recall, *rounding, level)
            }
            Kind::ElevenPoints { rounding } => iprec::eleven_points(query, *rounding, level),
            Kind::RankBiasedPrecision { p } => rbp::value(top, *p, level, k),
            Kind::RankBiasedResidual { p } => rbp::residual(top, *p, k),
            Kind::ExpectedReciprocalRank { largest, normalised } => {
                let largest = largest.unwrap_or(0.0);
                let value =
                    if tied { err::expected(top, largest, k) } else { err::value(top, largest) };
                if *normalised {
                    err::normalised(value, err::ideal(query.grades, largest, k))
                } else {
                    value
                }
            }
            Kind::Judged => judged::judged(judged(), k, query.retrieved),
            Kind::Hole => judged::hole(judged(), k, query.retrieved),
            Kind::NumRetrieved => query.retrieved as f64,
            Kind::NumRelevant => relevant as f64,
            Kind::NumRelevantRetrieved => query.relevant_retrieved(level) as f64,
            Kind::NumQueries => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds() -> Vec<Kind> {
        let exponential = Gain::Exponential;
        vec![
            Kind::Ndcg(Gain::Linear),
            Kind::Ndcg(exponential.clone()),
            Kind::Ndcg(Gain::Custom(vec![(0.0, 0.5), (1.0, 3.0), (2.0, 2.0), (3.0, 7.0)])),
            Kind::Dcg(exponential),
            Kind::AveragePrecision { capped: false },
            Kind::AveragePrecision { capped: true },
            Kind::ReciprocalRank,
            Kind::Recall { capped: true },
            Kind::Precision,
            Kind::F { beta: 2.0 },
            Kind::Success,
            Kind::RPrecision,
            Kind::SetAveragePrecision,
            Kind::Bpref,
            Kind::RankBiasedPrecision { p: 0.8 },
            Kind::RankBiasedResidual { p: 0.8 },
            Kind::ExpectedReciprocalRank { largest: Some(3.0), normalised: false },
            Kind::ExpectedReciprocalRank { largest: Some(4.0), normalised: true },
            Kind::Judged,
            Kind::Hole,
            Kind::NumRetrieved,
            Kind::NumRelevantRetrieved,
        ]
    }

    /// All orders of a tie's documents, as ranks of its judged ones.
    fn orders(n: usize) -> Vec<Vec<usize>> {
        if n == 0 {
            return vec![Vec::new()];
        }
        let mut all = Vec::new();
        for order in orders(n - 1) {
            for at in 0..n {
                let mut longer = order.clone();
                longer.insert(at, n - 1);
                all.push(longer);
            }
        }
        all
    }

    #[test]
    fn expected_values_are_the_means_over_all_orders() {
        // Two ties, of five documents and of three, with one document between them and one after;
        // grades of each tie's judged documents, the rest unjudged.
        let ties: [(u32, u32, &[f64]); 2] = [(1, 5, &[2.0, 0.0, 1.0, -1.0]), (7, 3, &[3.0, 1.0])];
        let fixed = [Hit::at(1, 0.0), Hit::at(7, 1.0)];
        let mut grades = vec![0.0, 1.0, 2.0, 3.0];
        grades.extend(ties.iter().flat_map(|(_, _, grades)| grades.iter()));
        grades.sort_unstable_by(|a, b| b.total_cmp(a));
        let mut open: Vec<Hit> = fixed.to_vec();
        for (before, tied, grades) in ties {
            open.extend(grades.iter().map(|&grade| Hit { before, tied, grade }));
        }
        open.sort_by_key(|hit| hit.before);
        for kind in kinds() {
            for cutoff in [None, Some(1), Some(3), Some(4), Some(8), Some(40)] {
                for (judged_only, relevant_from) in [(false, 1.0), (false, 2.0), (true, 1.0)] {
                    let measure =
                        Measure { kind: kind.clone(), cutoff, relevant_from, judged_only };
                    let (mut sum, mut n) = (0.0, 0.0);
                    for first in orders(5) {
                        for second in orders(3) {
                            let mut hits = fixed.to_vec();
                            for ((before, _, grades), order) in ties.iter().zip([&first, &second]) {
                                hits.extend(grades.iter().zip(order).map(|(&grade, &place)| {
                                    Hit::at(before + place as u32 + 1, grade)
                                }));
                            }
                            hits.sort_by_key(|hit| hit.before);
                            let query = Query { hits: &hits, grades: &grades, retrieved: 11 };
                            sum += measure.value(query);
                            n += 1.0;
                        }
                    }
                    let query = Query { hits: &open, grades: &grades, retrieved: 11 };
                    let expected = measure.value(query);
                    assert!(
                        (expected - sum / n).abs() < 1e-12,
                        "{measure:?}: {expected} but the mean is {}",
                        sum / n
                    );
                }
            }
        }
    }

    #[test]
    fn settled_measures_know_the_largest_grade_and_refuse_what_has_no_gain() {
        let of = |kind| Measure { kind, cutoff: None, relevant_from: 1.0, judged_only: false };
        let err = |largest| {
            of(Kind::ExpectedReciprocalRank { largest, normalised: false })
                .settled([1.0, 3.0, 2.0].into_iter())
        };
        let known = Kind::ExpectedReciprocalRank { largest: Some(3.0), normalised: false };
        assert_eq!(err(None).expect("settled").kind, known);
        let error = Error::GradeAboveLargest { grade: 3.0, largest: 2.0 };
        assert_eq!(err(Some(2.0)), Err(error));
        let large = of(Kind::Ndcg(Gain::Exponential)).settled([1e6].into_iter());
        assert_eq!(large, Err(Error::GainTooLarge { grade: 1e6 }));
        let custom = of(Kind::Dcg(Gain::Custom(vec![(1.0, 1.0)])));
        assert_eq!(custom.settled([1.0, 2.0].into_iter()), Err(Error::GainMissing { grade: 2.0 }));
        assert!(custom.settled([1.0].into_iter()).is_ok());
    }
}
