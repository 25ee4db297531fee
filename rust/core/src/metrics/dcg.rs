//! Discounted cumulative gain.
//!
//! The sum of gain / log2(rank + 1) over the ranks that count. It has no upper bound.
//! Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20(4),
//! 2002, with the discount of Burges et al., ICML 2005, as `ndcg` of `trec_eval` has it.

use super::gain::{Gain, discount};
use super::query::{Hit, groups};

pub(super) fn value(top: &[Hit], gain: &Gain, level: f64) -> f64 {
    top.iter()
        .fold(0.0, |sum, hit| sum + gain.of(hit.grade, level) / discount(hit.before as usize + 1))
}

/// Every document of a tie gains the mean of the tie: McSherry and Najork, "Computing information
/// retrieval performance measures efficiently in the presence of tied scores", ECIR 2008.
pub(super) fn expected(top: &[Hit], gain: &Gain, level: f64, cutoff: Option<usize>) -> f64 {
    groups(top).fold(0.0, |sum, group| {
        let (first, n) = (group[0], f64::from(group[0].tied));
        let gained = group.iter().fold(0.0, |sum, hit| sum + gain.of(hit.grade, level));
        let discounts = (1..=first.places_within(cutoff))
            .fold(0.0, |sum, place| sum + 1.0 / discount((first.before + place) as usize));
        sum + gained / n * discounts
    })
}

/// The sum of the best possible order of all judged documents.
pub(super) fn ideal(grades: &[f64], gain: &Gain, level: f64, cutoff: Option<usize>) -> f64 {
    let depth = cutoff.unwrap_or(usize::MAX).min(grades.len());
    let sum = |gains: &mut dyn Iterator<Item = f64>| {
        gains.take(depth).enumerate().fold(0.0, |sum, (i, gain)| sum + gain / discount(i + 1))
    };
    if let Gain::Custom(_) = gain {
        // Gains of one's own need not rise with the grades.
        let mut gains: Vec<f64> = grades.iter().map(|&grade| gain.of(grade, level)).collect();
        gains.sort_unstable_by(|a, b| b.total_cmp(a));
        return sum(&mut gains.into_iter());
    }
    sum(&mut grades.iter().map(|&grade| gain.of(grade, level)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dcg_of_a_hand_computed_list() {
        let top = [Hit::at(2, 3.0), Hit::at(4, 1.0), Hit::at(5, -2.0)];
        // 3/log2(3) + 1/log2(5)
        let sum = 3.0 / 3f64.log2() + 1.0 / 5f64.log2();
        assert!((value(&top, &Gain::Linear, 1.0) - sum).abs() < 1e-15);
        let sum = 7.0 / 3f64.log2() + 1.0 / 5f64.log2();
        assert!((value(&top, &Gain::Exponential, 1.0) - sum).abs() < 1e-15);
        let custom = Gain::Custom(vec![(1.0, 9.0), (3.0, 2.0)]);
        // The best order of those gains is 9 before 2.
        let best = 9.0 + 2.0 / 3f64.log2();
        assert!((ideal(&[3.0, 1.0], &custom, 1.0, None) - best).abs() < 1e-15);
        assert_eq!(ideal(&[3.0, 1.0], &custom, 1.0, Some(1)), 9.0);
    }

    #[test]
    fn a_tie_gains_its_mean_on_every_place() {
        // Grade 2 somewhere on ranks 2, 3 or 4; cut at 3 two of those places count.
        let top = [Hit { before: 1, tied: 3, grade: 2.0 }];
        let mean = 2.0 / 3.0 * (1.0 / 3f64.log2() + 1.0 / 4f64.log2());
        assert!((expected(&top, &Gain::Linear, 1.0, Some(3)) - mean).abs() < 1e-15);
    }
}
