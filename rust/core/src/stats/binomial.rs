//! Counts of successes: Wilson's interval and the sign test.

use super::{beta, normal};

/// Up to this many trials the binomial terms are summed: their coefficients fit an f64.
const SUMMED: usize = 1000;

/// The interval of a share of which `successes` of `n` were seen; `n` is at least 1.
///
/// Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
/// American Statistical Association 22(158), 1927; without continuity correction.
#[must_use]
pub fn wilson(successes: usize, n: usize, confidence: f64) -> (f64, f64) {
    let (k, n) = (successes as f64, n as f64);
    let z = normal::quantile(0.5 + 0.5 * confidence);
    let square = z * z;
    let centre = (k + 0.5 * square) / (n + square);
    let half = z / (n + square) * (k * (n - k) / n + 0.25 * square).sqrt();
    // The formula's ends are 0 and 1 there, but for rounding.
    let low = if successes == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if k == n { 1.0 } else { (centre + half).min(1.0) };
    (low, high)
}

/// Two-sided p-value of the sign test: ties have been left out. Without any query p is 1.
///
/// Exact: twice the binomial probability of the smaller count or less.
#[must_use]
pub fn sign_test(wins: usize, losses: usize) -> f64 {
    let (n, fewer) = (wins + losses, wins.min(losses));
    if wins == losses {
        return 1.0;
    }
    let below = if n <= SUMMED {
        let (mut term, mut sum) = (1.0, 1.0);
        for i in 0..fewer {
            term *= (n - i) as f64 / (i + 1) as f64;
            sum += term;
        }
        sum * 0.5f64.powi(n as i32)
    } else {
        beta::below((n - fewer) as f64, fewer as f64 + 1.0, 0.5, 0.5)
    };
    (2.0 * below).clamp(f64::MIN_POSITIVE, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilsons_interval_of_a_printed_example() {
        // Newcombe, Statistics in Medicine 17(8), 1998, table I, method 3.
        for (k, n, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let found = wilson(k, n, 0.95);
            assert!((found.0 - low).abs() < 6e-5 && (found.1 - high).abs() < 6e-5, "{found:?}");
            let mirrored = wilson(n - k, n, 0.95);
            assert!((mirrored.0 + found.1 - 1.0).abs() < 1e-15);
        }
    }

    #[test]
    fn the_sign_test_counts_arrangements() {
        // 5 of 5: 2 / 32. 1 of 6: 2 * (1 + 6) / 64.
        assert_eq!(sign_test(5, 0), 0.0625);
        assert_eq!(sign_test(1, 5), 14.0 / 64.0);
        assert_eq!((sign_test(0, 0), sign_test(1, 0), sign_test(3, 3)), (1.0, 1.0, 1.0));
        assert_eq!(sign_test(4, 3), 1.0);
        assert_eq!(sign_test(6000, 0), f64::MIN_POSITIVE);
    }

    #[test]
    fn both_ways_to_sum_agree() {
        // One trial more, on the other way, moves p by little.
        let (summed, beta) = (sign_test(470, 530), sign_test(470, 531));
        assert!(summed > beta && summed < 1.1 * beta, "{summed} {beta}");
        let direct = beta::below(530.0, 471.0, 0.5, 0.5) * 2.0;
        assert!((summed / direct - 1.0).abs() < 1e-11, "{summed} {direct}");
    }
}
