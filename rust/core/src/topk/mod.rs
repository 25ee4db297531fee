//! Exact top-k search.
//!
//! A cheap pass (`pass`) looks at all pairs and keeps, per query, the rows that its proven error bound
//! (`certificate`, `coding`) cannot rule out (`candidates`); only those get the canonical `f64` score
//! (`metric`, `rescore`), which alone decides order. So the answer has the same bits for every
//! instruction set, pass, number of threads and block size.

mod candidates;
mod ceiling;
mod certificate;
mod coding;
mod cost;
mod exclude;
mod hits;
mod ladder;
mod metric;
mod neighbours;
mod norms;
mod pairs;
mod pass;
mod pass_bf16;
mod pass_f32;
mod pass_int8;
mod plane;
mod rescore;
mod rowset;
mod scan;
mod scores;
mod search;
mod self_join;
mod shared;
mod transform;
mod triangle;

pub use exclude::Exclude;
pub use hits::{Hits, Stats};
pub use ladder::PassKind;
pub use metric::{Metric, norm};
pub use norms::row_norms;
pub use plane::{FACTS, Plane, PlaneMut, build};
pub use scores::pair_scores;
pub use search::Search;
pub use self_join::{Pairs, SelfJoin};
pub use transform::Transform;

#[cfg(test)]
mod bounds;
#[cfg(test)]
mod ceiling_tests;
#[cfg(test)]
mod self_join_tests;
#[cfg(test)]
mod tests;
