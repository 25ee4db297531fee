//! Reciprocal rank.
//!
//! One divided by the rank of the first relevant document, 0 where none is found.
//! Voorhees, "The TREC-8 question answering track report", 1999; `recip_rank` of `trec_eval`.

use super::query::{Hit, count, groups};

pub(super) fn value(top: &[Hit], level: f64) -> f64 {
    top.iter().find(|hit| hit.grade >= level).map_or(0.0, |hit| 1.0 / hit.rank())
}

/// In a tie of n with r relevant, the first relevant one stands on place j with probability
/// C(n - j, r - 1) / C(n, r): McSherry and Najork, ECIR 2008.
pub(super) fn expected(top: &[Hit], level: f64, cutoff: Option<usize>) -> f64 {
    let Some(group) = groups(top).find(|group| count(group, level) > 0) else { return 0.0 };
    let (first, r) = (group[0], count(group, level) as u32);
    let n = first.tied;
    let (mut sum, mut probability) = (0.0, f64::from(r) / f64::from(n));
    for place in 1..=first.places_within(cutoff).min(n - r + 1) {
        sum += probability / f64::from(first.before + place);
        if place < n {
            probability *= f64::from(n - r + 1 - place) / f64::from(n - place);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reciprocal_rank_is_of_the_first_relevant_document() {
        let top = [Hit::at(2, 1.0), Hit::at(5, 2.0)];
        assert_eq!(value(&top, 1.0), 0.5);
        assert_eq!(value(&top, 2.0), 0.2);
        assert_eq!(value(&top, 3.0), 0.0);
    }

    #[test]
    fn the_first_of_two_in_a_tie_of_four() {
        // The first of two stands on place 1, 2, 3 of four in 3, 2, 1 of six orders.
        let top = [Hit { before: 1, tied: 4, grade: 1.0 }; 2];
        let mean = (3.0 / 2.0 + 2.0 / 3.0 + 1.0 / 4.0) / 6.0;
        assert!((expected(&top, 1.0, None) - mean).abs() < 1e-15);
        assert!((expected(&top, 1.0, Some(3)) - (3.0 / 2.0 + 2.0 / 3.0) / 6.0).abs() < 1e-15);
        let all = [Hit { before: 0, tied: 2, grade: 1.0 }; 2];
        assert_eq!(expected(&all, 1.0, None), 1.0);
    }
}
