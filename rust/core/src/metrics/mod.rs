//! The measures of retrieval, with the semantics of `trec_eval -c`, in f64.
//!
//! No measure needs the whole list: each is a function of the ranks at which a query's relevant
//! documents were found and of the grades of all its relevant documents. So a list is never
//! sorted for its own sake; a relevant document's rank is the number of larger scores, plus its
//! place among equal ones ([`places`], [`lists`], [`ties`]). What is left fits in [`Rankings`].

mod ap;
pub mod lists;
mod ndcg;
pub mod places;
mod precision;
mod rankings;
mod recall;
mod rr;
mod success;
pub mod ties;

pub use rankings::{Hit, Rankings, RelevantDocuments};

/// Which quantity is measured; each has a file with its formula and its paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Normalised discounted cumulative gain.
    Ndcg,
    /// Average precision.
    AveragePrecision,
    /// Reciprocal rank.
    ReciprocalRank,
    /// Recall.
    Recall,
    /// Precision.
    Precision,
    /// Success: was anything relevant found?
    Success,
}

/// One measure with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// The quantity.
    pub kind: Kind,
    /// Only this many ranks count; `None` counts the whole list.
    pub cutoff: Option<usize>,
    /// Lowest grade that counts as relevant, at least 1. nDCG ignores it: its gains are grades.
    pub relevant_from: i64,
}

impl Measure {
    /// The value for one query, in [0, 1]; 0 where the query has no relevant document.
    #[must_use]
    pub fn value(&self, query: RelevantDocuments<'_>) -> f64 {
        let top = query.within(self.cutoff);
        let relevant = query.relevant(self.relevant_from);
        match self.kind {
            Kind::Ndcg => ndcg::value(top, query.grades, self.cutoff),
            Kind::AveragePrecision => ap::value(top, relevant, self.relevant_from),
            Kind::ReciprocalRank => rr::value(top, self.relevant_from),
            Kind::Recall => recall::value(top, relevant, self.relevant_from),
            Kind::Precision => precision::value(top, self.cutoff, self.relevant_from),
            Kind::Success => success::value(top, self.relevant_from),
        }
    }
}

/// Hits that count as relevant from `level` on.
fn found(top: &[Hit], level: i64) -> usize {
    top.iter().filter(|hit| hit.grade >= level).count()
}
