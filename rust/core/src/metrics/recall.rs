//! Recall.
//!
//! Relevant documents found within the cutoff, divided by all relevant documents of the query.
//! Kent, Berry, Luehrs and Perry, "Machine literature searching VIII", American Documentation
//! 6(2), 1955; `recall` of `trec_eval`.

use super::{Hit, found};

pub(super) fn value(top: &[Hit], relevant: usize, level: i64) -> f64 {
    if relevant == 0 { 0.0 } else { found(top, level) as f64 / relevant as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recall_divides_by_all_relevant_documents() {
        let top = [Hit { rank: 2, grade: 1 }, Hit { rank: 5, grade: 2 }];
        assert_eq!(value(&top, 4, 1), 0.5);
        assert_eq!(value(&top, 1, 2), 1.0);
        assert_eq!(value(&[], 0, 1), 0.0);
    }
}
