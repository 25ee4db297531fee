//! Average precision.
//!
//! The sum, over the relevant documents found, of the precision at their ranks, divided by the
//! number of relevant documents of the query, found or not (also where a cutoff k is set; divided
//! by the smaller of it and k on request). Buckley and Voorhees, "Evaluating evaluation measure
//! stability", SIGIR 2000; `map` and `map_cut` of `trec_eval`. Its geometric mean over queries
//! is gMAP: Robertson, "On GMAP", CIKM 2006.

use super::query::{Hit, count, groups};

pub(super) fn value(top: &[Hit], denominator: usize, level: f64) -> f64 {
    let (mut found, mut sum) = (0.0, 0.0);
    for hit in top.iter().filter(|hit| hit.grade >= level) {
        found += 1.0;
        sum += found / hit.rank();
    }
    if found == 0.0 { 0.0 } else { sum / denominator as f64 }
}

/// On each place of a tie of n with r relevant, a relevant document stands with probability r / n,
/// behind (r - 1) / (n - 1) of those before it in the tie: McSherry and Najork, ECIR 2008.
pub(super) fn expected(top: &[Hit], denominator: usize, level: f64, cutoff: Option<usize>) -> f64 {
    let (mut found, mut sum) = (0.0, 0.0);
    for group in groups(top) {
        let (first, r) = (group[0], count(group, level) as f64);
        let n = f64::from(first.tied);
        let others = if first.tied > 1 { (r - 1.0) / (n - 1.0) } else { 0.0 };
        if r > 0.0 {
            for place in 0..first.places_within(cutoff) {
                let rank = f64::from(first.before + place + 1);
                sum += r / n * (found + 1.0 + f64::from(place) * others) / rank;
            }
        }
        found += r;
    }
    if found == 0.0 { 0.0 } else { sum / denominator as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn average_precision_of_a_hand_computed_list() {
        let top = [Hit::at(1, 1.0), Hit::at(3, 2.0), Hit::at(6, 1.0)];
        // (1/1 + 2/3 + 3/6) / 4 relevant = 0.541666...
        assert!((value(&top, 4, 1.0) - (1.0 + 2.0 / 3.0 + 0.5) / 4.0).abs() < 1e-15);
        // From grade 2 on only rank 3 counts: (1/3) / 1.
        assert!((value(&top, 1, 2.0) - 1.0 / 3.0).abs() < 1e-15);
        assert_eq!(value(&[], 0, 1.0), 0.0);
    }

    #[test]
    fn two_relevant_documents_in_a_tie_of_three() {
        // Relevant on ranks (1, 2), (1, 3) or (2, 3): (1 + 1), (1 + 2/3), (1/2 + 2/3), each / 2.
        let top = [Hit { before: 0, tied: 3, grade: 1.0 }; 2];
        let mean = (2.0 + (1.0 + 2.0 / 3.0) + (0.5 + 2.0 / 3.0)) / 3.0 / 2.0;
        assert!((expected(&top, 2, 1.0, None) - mean).abs() < 1e-15);
    }
}
