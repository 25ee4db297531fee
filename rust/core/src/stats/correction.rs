//! Corrections of p-values for the number of comparisons.
//!
//! NaN, the p-value of a comparison that could not be tested, stays NaN; it counts as one of the
//! comparisons and as larger than all others, which makes those larger rather than smaller.

/// The places of `p`, smallest value first and NaN last.
fn ascending(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].is_nan().cmp(&p[b].is_nan()).then(p[a].total_cmp(&p[b])));
    order
}

/// Bonferroni's correction: each value times their number, cut at 1. It controls the chance of any
/// false claim in the family, and never finds more than [`holm`].
///
/// Dunn, "Multiple comparisons among means", Journal of the American Statistical Association
/// 56(293), 1961.
#[must_use]
pub fn bonferroni(p: &[f64]) -> Vec<f64> {
    let cut = |x: &f64| if x.is_nan() { f64::NAN } else { (x * p.len() as f64).min(1.0) };
    p.iter().map(cut).collect()
}

/// Holm's step-down correction: the i-th smallest of m values is multiplied by m - i + 1, made
/// monotone and cut at 1. It controls the chance of any false claim in the family.
///
/// Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
/// Statistics 6(2), 1979.
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut corrected = vec![0.0; p.len()];
    let mut largest = 0.0f64;
    for (i, &index) in ascending(p).iter().enumerate() {
        largest = largest.max(p[index] * (p.len() - i) as f64).min(1.0);
        corrected[index] = if p[index].is_nan() { f64::NAN } else { largest };
    }
    corrected
}

/// Benjamini and Hochberg's step-up correction: the i-th smallest of m values is multiplied by m / i,
/// made monotone from above and cut at 1. It controls the expected share of false claims among all
/// claims, which is a weaker promise than [`holm`]'s; for independent or positively dependent tests.
///
/// Benjamini and Hochberg, "Controlling the false discovery rate", Journal of the Royal Statistical
/// Society B 57(1), 1995.
#[must_use]
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let mut corrected = vec![f64::NAN; p.len()];
    let mut smallest = 1.0f64;
    for (i, &index) in ascending(p).iter().enumerate().rev() {
        if !p[index].is_nan() {
            smallest = smallest.min(p[index] * (p.len() as f64 / (i + 1) as f64));
            corrected[index] = smallest;
        }
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holm_multiplies_by_what_is_left_and_stays_monotone() {
        // Sorted: 0.01 * 4 = 0.04; 0.02 * 3 = 0.06; 0.025 * 2 = 0.05 -> 0.06; 0.5 * 1.
        assert_eq!(holm(&[0.5, 0.01, 0.025, 0.02]), [0.5, 0.04, 0.06, 0.06]);
        assert_eq!(holm(&[0.8, 0.9]), [1.0, 1.0]);
        assert_eq!(holm(&[0.3]), [0.3]);
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn bonferroni_multiplies_by_the_number() {
        assert_eq!(bonferroni(&[0.5, 0.01, 0.25]), [1.0, 0.03, 0.75]);
        let corrected = bonferroni(&[f64::NAN, 0.25]);
        assert!(corrected[0].is_nan() && corrected[1] == 0.5);
    }

    #[test]
    fn benjamini_hochberg_divides_by_the_rank_and_stays_monotone() {
        // Sorted: 0.01 * 4 / 1; 0.02 * 4 / 2 = 0.04; 0.025 * 4 / 3 = 0.0333, which lowers both
        // before it; 0.5 * 4 / 4.
        let third = 0.025 * (4.0 / 3.0);
        assert_eq!(benjamini_hochberg(&[0.5, 0.01, 0.025, 0.02]), [0.5, third, third, third]);
        assert_eq!(benjamini_hochberg(&[0.3]), [0.3]);
        let corrected = benjamini_hochberg(&[f64::NAN, 0.25, 0.375]);
        // 0.25 * 3 and 0.375 * 3 / 2: NaN counts as the largest of three.
        assert!(corrected[0].is_nan(), "{corrected:?}");
        assert_eq!(corrected[1..], [0.5625, 0.5625]);
    }

    #[test]
    fn what_could_not_be_tested_stays_nan_and_counts_as_a_comparison() {
        for nan in [f64::NAN, -f64::NAN] {
            // 0.25 * 3 and 0.375 * 2, though only two values are numbers.
            let corrected = holm(&[nan, 0.25, 0.375]);
            assert!(corrected[0].is_nan(), "{corrected:?}");
            assert_eq!(corrected[1..], [0.75, 0.75]);
        }
    }
}
