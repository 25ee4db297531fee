//! Success, also called hit rate.
//!
//! 1 where at least one relevant document is within the cutoff, else 0; `success` of `trec_eval`.

use super::query::{Hit, count, groups};

pub(super) fn value(top: &[Hit], level: f64) -> f64 {
    f64::from(u8::from(top.iter().any(|hit| hit.grade >= level)))
}

/// A tie of n with r relevant, m of whose places are inside, misses with probability
/// C(n - r, m) / C(n, m).
pub(super) fn expected(top: &[Hit], level: f64, cutoff: Option<usize>) -> f64 {
    let mut missed = 1.0;
    for group in groups(top) {
        let (n, inside) = (group[0].tied, group[0].places_within(cutoff));
        let r = count(group, level) as u32;
        for i in 0..r {
            missed *= f64::from((n - inside).saturating_sub(i)) / f64::from(n - i);
        }
    }
    1.0 - missed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_needs_one_relevant_document() {
        let top = [Hit::at(2, 1.0)];
        assert_eq!(value(&top, 1.0), 1.0);
        assert_eq!(value(&top, 2.0), 0.0);
        assert_eq!(value(&[], 1.0), 0.0);
    }

    #[test]
    fn two_of_five_tied_documents_miss_the_first_two_places_three_times_in_ten() {
        let top = [Hit { before: 3, tied: 5, grade: 1.0 }; 2];
        assert!((expected(&top, 1.0, Some(5)) - 0.7).abs() < 1e-15);
        assert_eq!(expected(&top, 1.0, Some(7)), 1.0);
        assert_eq!(expected(&top, 1.0, Some(3)), 0.0);
    }
}
