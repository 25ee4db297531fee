//! Near-duplicate texts: `MinHash` with banded LSH finds candidates, the exact Jaccard similarity of
//! their shingles decides.

mod bands;
mod near;
mod shingles;
#[cfg(test)]
mod tests;

pub use bands::Banding;
pub use near::{NearDuplicates, NearPairs};
pub use shingles::{Shingles, normalised};
