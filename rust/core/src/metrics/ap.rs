//! Average precision.
//!
//! The sum, over the relevant documents found, of the precision at their ranks, divided by the
//! number of relevant documents of the query, found or not (also where a cutoff is set).
//! Buckley and Voorhees, "Evaluating evaluation measure stability", SIGIR 2000; `map` and
//! `map_cut` of `trec_eval`.

use super::Hit;

pub(super) fn value(top: &[Hit], relevant: usize, level: i64) -> f64 {
    let mut found = 0usize;
    let mut sum = 0.0;
    for hit in top.iter().filter(|hit| hit.grade >= level) {
        found += 1;
        sum += found as f64 / hit.rank as f64;
    }
    if found == 0 { 0.0 } else { sum / relevant as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn average_precision_of_a_hand_computed_list() {
        let top = [Hit { rank: 1, grade: 1 }, Hit { rank: 3, grade: 2 }, Hit { rank: 6, grade: 1 }];
        // (1/1 + 2/3 + 3/6) / 4 relevant = 0.541666...
        assert!((value(&top, 4, 1) - (1.0 + 2.0 / 3.0 + 0.5) / 4.0).abs() < 1e-15);
        // From grade 2 on only rank 3 counts: (1/3) / 1.
        assert!((value(&top, 1, 2) - 1.0 / 3.0).abs() < 1e-15);
        assert_eq!(value(&[], 0, 1), 0.0);
    }
}
