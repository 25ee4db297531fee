//! Corrections of p-values for the number of comparisons.

/// Holm's step-down correction: the i-th smallest of m values is multiplied by m - i + 1, made
/// monotone and cut at 1. It controls the chance of any false claim in the family.
///
/// NaN, the p-value of a comparison that could not be tested, stays NaN; it counts as one of the m
/// and as larger than all others, which makes those larger rather than smaller.
///
/// Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
/// Statistics 6(2), 1979.
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].is_nan().cmp(&p[b].is_nan()).then(p[a].total_cmp(&p[b])));
    let mut corrected = vec![0.0; p.len()];
    let mut largest = 0.0f64;
    for (i, &index) in order.iter().enumerate() {
        largest = largest.max(p[index] * (p.len() - i) as f64).min(1.0);
        corrected[index] = if p[index].is_nan() { f64::NAN } else { largest };
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
    fn what_could_not_be_tested_stays_nan_and_counts_as_a_comparison() {
        for nan in [f64::NAN, -f64::NAN] {
            // 0.25 * 3 and 0.375 * 2, though only two values are numbers.
            let corrected = holm(&[nan, 0.25, 0.375]);
            assert!(corrected[0].is_nan(), "{corrected:?}");
            assert_eq!(corrected[1..], [0.75, 0.75]);
        }
    }
}
