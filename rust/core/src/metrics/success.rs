//! Success, also called hit rate.
//!
//! 1 where at least one relevant document is within the cutoff, else 0; `success` of `trec_eval`.

use super::Hit;

pub(super) fn value(top: &[Hit], level: i64) -> f64 {
    f64::from(u8::from(top.iter().any(|hit| hit.grade >= level)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_needs_one_relevant_document() {
        let top = [Hit { rank: 2, grade: 1 }];
        assert_eq!(value(&top, 1), 1.0);
        assert_eq!(value(&top, 2), 0.0);
        assert_eq!(value(&[], 1), 0.0);
    }
}
