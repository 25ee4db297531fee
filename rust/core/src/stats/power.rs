//! What a sample can decide, and how large one that decides would be.

use super::bootstrap::{Interval, Method};

/// A confidence interval of a mean in [0, 1] when all `n` values seen were equal to `value`.
///
/// A bootstrap has nothing to vary then. Markov's inequality still bounds the mean m: the chance
/// that one draw is at least v is at most m / v, so n of them have at most (m / v)^n; setting
/// that to half of 1 - confidence gives the lower end, and the same on 1 - value the upper. For
/// v = 1 this is the exact binomial bound ("rule of three").
#[must_use]
pub fn constant_interval(value: f64, n: usize, confidence: f64) -> Interval {
    let shrink = ((1.0 - confidence) / 2.0).powf(1.0 / n as f64);
    Interval { low: value * shrink, high: 1.0 - (1.0 - value) * shrink, method: Method::Constant }
}

/// The number of queries at which the interval of a mean would lie wholly below `below` or wholly
/// above `above`, if mean and spread stayed as they are: half widths shrink with the root of n.
///
/// `None` where the mean lies between the thresholds: no sample size is expected to decide then.
#[must_use]
pub fn required_queries(
    mean: f64,
    n: usize,
    interval: Interval,
    confidence: f64,
    below: f64,
    above: f64,
) -> Option<usize> {
    let n_needed = if interval.method == Method::Constant {
        let half_tail = ((1.0 - confidence) / 2.0).ln();
        if mean < below {
            half_tail / ((1.0 - below) / (1.0 - mean)).ln()
        } else if mean > above {
            half_tail / (above / mean).ln()
        } else {
            return None;
        }
    } else {
        let (half_width, distance) = if mean < below {
            (interval.high - mean, below - mean)
        } else if mean > above {
            (mean - interval.low, mean - above)
        } else {
            return None;
        };
        n as f64 * (half_width / distance).powi(2)
    };
    // The end has to pass the threshold, not touch it.
    (n_needed < 1e15).then(|| (n_needed.floor() as usize).max(n) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bca(low: f64, high: f64) -> Interval {
        Interval { low, high, method: Method::Bca }
    }

    #[test]
    fn a_half_width_of_twice_the_distance_needs_four_times_the_queries() {
        // Exact in binary. 1/8 below the mean, 1/16 to the threshold: 100 * 2^2 queries touch it.
        let found = required_queries(0.9375, 100, bca(0.8125, 0.99), 0.95, 0.5, 0.875);
        assert_eq!(found, Some(401));
        // 1/8 above the mean, 1/16 to the threshold.
        let found = required_queries(0.4375, 100, bca(0.4, 0.5625), 0.95, 0.5, 0.875);
        assert_eq!(found, Some(401));
    }

    #[test]
    fn a_mean_between_the_thresholds_is_never_settled() {
        for mean in [0.8, 0.85, 0.9] {
            assert_eq!(required_queries(mean, 100, bca(0.7, 0.95), 0.95, 0.8, 0.9), None);
        }
    }

    #[test]
    fn equal_values_are_bounded_by_markov() {
        // All of 36 values 1: 0.025^(1/36) = 0.9026 > 0.9; of 35: 0.8999.
        assert!(constant_interval(1.0, 36, 0.95).low > 0.9);
        let found = constant_interval(1.0, 35, 0.95);
        assert!(found.low < 0.9 && found.high == 1.0);
        assert_eq!(required_queries(1.0, 10, found, 0.95, 0.8, 0.9), Some(36));
        // All 0: the mirror image, 1 - 0.025^(1/n) < 0.8 from n = 3 on (0.7076; n = 2: 0.8419).
        let found = constant_interval(0.0, 1, 0.95);
        assert_eq!(required_queries(0.0, 1, found, 0.95, 0.8, 0.9), Some(3));
        assert!(constant_interval(0.0, 3, 0.95).high < 0.8);
        assert!(constant_interval(0.0, 2, 0.95).high > 0.8);
    }
}
