//! Precision.
//!
//! Relevant documents within the first k ranks, divided by k, also where fewer were retrieved.
//! Kent, Berry, Luehrs and Perry, "Machine literature searching VIII", American Documentation
//! 6(2), 1955; `P` of `trec_eval`.

use super::{Hit, found};

/// Without a cutoff there is no k to divide by, so the parser of names demands one; 0 otherwise.
pub(super) fn value(top: &[Hit], cutoff: Option<usize>, level: i64) -> f64 {
    cutoff.map_or(0.0, |k| found(top, level) as f64 / k as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_divides_by_the_cutoff() {
        let top = [Hit { rank: 2, grade: 1 }, Hit { rank: 5, grade: 2 }];
        assert_eq!(value(&top, Some(5), 1), 0.4);
        assert_eq!(value(&top, Some(5), 2), 0.2);
    }
}
