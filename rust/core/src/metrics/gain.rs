//! What a grade is worth to the measures of cumulated gain.

use std::sync::LazyLock;

/// Ranks whose logarithm is kept.
const KEPT: usize = 2048;

static LOG2: LazyLock<Vec<f64>> =
    LazyLock::new(|| (0..KEPT).map(|rank| ((rank + 1) as f64).log2()).collect());

/// log2(rank + 1), the discount of a rank that counts from 1.
pub(super) fn discount(rank: usize) -> f64 {
    LOG2.get(rank).copied().unwrap_or_else(|| ((rank + 1) as f64).log2())
}

/// From a grade to its gain. A grade below 0 gains nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Gain {
    /// The grade itself: Järvelin and Kekäläinen 2002, `trec_eval`.
    Linear,
    /// 2^grade - 1: Burges et al., "Learning to rank using gradient descent", ICML 2005.
    Exponential,
    /// 1 from the grade that counts as relevant on, else 0.
    Binary,
    /// A gain per grade, by rising grade. A positive grade without one is an error.
    Custom(Vec<(f64, f64)>),
}

impl Gain {
    pub(super) fn of(&self, grade: f64, level: f64) -> f64 {
        match self {
            Self::Linear => grade.max(0.0),
            // Whole powers of two are exact, which `exp2` promises on no platform.
            Self::Exponential if grade.fract() == 0.0 && grade < 1024.0 => {
                2f64.powi(grade.max(0.0) as i32) - 1.0
            }
            Self::Exponential => grade.max(0.0).exp2() - 1.0,
            Self::Binary => f64::from(u8::from(grade >= level)),
            Self::Custom(gains) => gains
                .binary_search_by(|(known, _)| known.total_cmp(&grade))
                .map_or(0.0, |i| gains[i].1),
        }
    }

    /// Whether a grade has a finite gain.
    pub(super) fn covers(&self, grade: f64) -> bool {
        match self {
            Self::Linear | Self::Binary => true,
            Self::Exponential => self.of(grade, 1.0).is_finite(),
            Self::Custom(gains) => {
                grade <= 0.0 || gains.binary_search_by(|(known, _)| known.total_cmp(&grade)).is_ok()
            }
        }
    }

    /// Whether documents that are judged but not relevant may gain.
    pub(super) fn counts_irrelevant(&self) -> bool {
        matches!(self, Self::Custom(gains) if gains.iter().any(|&(grade, gain)| grade <= 0.0 && gain != 0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gain_is_what_its_formula_says() {
        let all = |gain: &Gain| [-1.0, 0.0, 1.0, 3.0, 0.5].map(|grade| gain.of(grade, 2.0));
        assert_eq!(all(&Gain::Linear), [0.0, 0.0, 1.0, 3.0, 0.5]);
        assert_eq!(all(&Gain::Exponential), [0.0, 0.0, 1.0, 7.0, 2f64.sqrt() - 1.0]);
        assert_eq!(all(&Gain::Binary), [0.0, 0.0, 0.0, 1.0, 0.0]);
        let custom = Gain::Custom(vec![(0.0, 0.25), (1.0, 5.0), (3.0, 9.0)]);
        assert_eq!(all(&custom), [0.0, 0.25, 5.0, 9.0, 0.0]);
        assert!(custom.counts_irrelevant() && !Gain::Linear.counts_irrelevant());
        assert!(custom.covers(3.0) && custom.covers(-7.0) && !custom.covers(0.5));
        assert!(Gain::Exponential.covers(1023.0) && !Gain::Exponential.covers(1e6));
    }

    #[test]
    fn discounts_are_logarithms_on_both_sides_of_the_table() {
        for rank in [1, 3, KEPT - 1, KEPT, 123_456] {
            assert_eq!(discount(rank), ((rank + 1) as f64).log2());
        }
    }
}
