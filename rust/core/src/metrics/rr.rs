//! Reciprocal rank.
//!
//! One divided by the rank of the first relevant document, 0 where none is found.
//! Voorhees, "The TREC-8 question answering track report", 1999; `recip_rank` of `trec_eval`.

use super::Hit;

pub(super) fn value(top: &[Hit], level: i64) -> f64 {
    top.iter().find(|hit| hit.grade >= level).map_or(0.0, |hit| 1.0 / hit.rank as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reciprocal_rank_is_of_the_first_relevant_document() {
        let top = [Hit { rank: 2, grade: 1 }, Hit { rank: 5, grade: 2 }];
        assert_eq!(value(&top, 1), 0.5);
        assert_eq!(value(&top, 2), 0.2);
        assert_eq!(value(&top, 3), 0.0);
    }
}
