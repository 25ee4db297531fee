//! Normalised discounted cumulative gain.
//!
//! [DCG](super::dcg) divided by the DCG of the best possible order of all judged documents, cut at
//! the same rank; 0 where nothing can be gained. Järvelin and Kekäläinen, "Cumulated gain-based
//! evaluation of IR techniques", ACM TOIS 20(4), 2002; `ndcg` and `ndcg_cut` of `trec_eval`.

use super::dcg;
use super::gain::Gain;
use super::query::Hit;

pub(super) fn value(
    top: &[Hit],
    grades: &[f64],
    gain: &Gain,
    level: f64,
    cutoff: Option<usize>,
) -> f64 {
    normalised(dcg::value(top, gain, level), grades, gain, level, cutoff)
}

/// Only the numerator depends on the order, so the mean of tied gains is exact here too.
pub(super) fn expected(
    top: &[Hit],
    grades: &[f64],
    gain: &Gain,
    level: f64,
    cutoff: Option<usize>,
) -> f64 {
    normalised(dcg::expected(top, gain, level, cutoff), grades, gain, level, cutoff)
}

fn normalised(gained: f64, grades: &[f64], gain: &Gain, level: f64, cutoff: Option<usize>) -> f64 {
    if gained == 0.0 { 0.0 } else { gained / dcg::ideal(grades, gain, level, cutoff) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ndcg_of_a_hand_computed_list() {
        // Grades 3 at rank 2 and 1 at rank 4; a document of grade 2 was not found.
        let (top, grades) = ([Hit::at(2, 3.0), Hit::at(4, 1.0)], [3.0, 2.0, 1.0]);
        let of = |top: &[Hit], cutoff| value(top, &grades, &Gain::Linear, 1.0, cutoff);
        // DCG = 3/log2(3) + 1/log2(5); ideal = 3/log2(2) + 2/log2(3) + 1/log2(4) = 4.761859...
        let dcg = 3.0 / 3f64.log2() + 1.0 / 5f64.log2();
        let ideal = 3.0 + 2.0 / 3f64.log2() + 0.5;
        assert!((of(&top, None) - dcg / ideal).abs() < 1e-15);
        // Cut at 1 the ideal is 3 and nothing is found in the top; at 2 the ideal has two terms.
        assert_eq!(of(&[], Some(1)), 0.0);
        let cut = (3.0 / 3f64.log2()) / (3.0 + 2.0 / 3f64.log2());
        assert!((of(&top[..1], Some(2)) - cut).abs() < 1e-15);
    }
}
