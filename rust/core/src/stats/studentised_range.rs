//! The distribution of the range of m normal means, in units of an estimated deviation.

use super::{beta, normal};

/// Steps of the inner rule. Its integrand is analytic and dies out like a normal density, for which
/// the trapezoidal rule converges faster than any power of the step.
const STEP: f64 = 0.2;

/// The probability that the range of `m` standard normal values is at least `width`.
fn wider(width: f64, m: usize) -> f64 {
    // m * integral of density(z) * P(z - width < the others < z); the largest is at z.
    let others = m as i32 - 1;
    let steps = ((17.0 + width) / STEP).ceil() as i32;
    let inside: f64 = (0..=steps)
        .map(|i| {
            let z = -8.5 + STEP * f64::from(i);
            normal::density(z) * (normal::cdf(z) - normal::cdf(z - width)).max(0.0).powi(others)
        })
        .sum();
    (1.0 - m as f64 * STEP * inside).clamp(0.0, 1.0)
}

/// The probability that the studentised range of `m` means with `df` degrees of freedom is at least
/// `q`, to about 1e-12.
///
/// The deviation s has df s^2 chi-squared; in u = ln s its density is integrated by the trapezoidal
/// rule from the mode outwards, until what comes is too small to matter.
pub(super) fn upper(q: f64, m: usize, df: f64) -> f64 {
    if q <= 0.0 {
        return 1.0;
    }
    // ln density of u: df ln s - df s^2 / 2 + constant; at the mode s = 1 the constant is
    // ln(2 (df / 2)^(df / 2) / Gamma(df / 2)).
    let half = 0.5 * df;
    let constant =
        half - beta::stirling_rest(half) + 0.5 * (2.0 * half / std::f64::consts::PI).ln();
    let density = |u: f64| (df * u - half * (2.0 * u).exp() + constant).exp();
    let step = (0.16 / df.sqrt()).min(0.1);
    let walk = |direction: f64, first: i32| {
        let mut sum = 0.0;
        for i in first.. {
            let u = direction * step * f64::from(i);
            let weight = density(u);
            if weight < 1e-17 {
                break;
            }
            sum += weight * wider(q * u.exp(), m);
        }
        sum
    };
    (step * (walk(1.0, 0) + walk(-1.0, 1))).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::super::student;
    use super::*;

    #[test]
    fn two_means_are_students_test() {
        for (q, df) in [(0.3, 3.0), (3.0, 10.0), (5.0, 40.0), (2.0, 1.0), (4.0, 3000.0)] {
            let found = upper(q, 2, df);
            let t = student::two_sided(q / 2f64.sqrt(), df);
            assert!((found - t).abs() < 1e-11, "{q} {df}: {found} {t}");
        }
    }

    #[test]
    fn tails_are_those_of_scipy() {
        // scipy.stats.studentized_range.sf (1.17), itself good to about 1e-10.
        for (q, m, df, p) in [
            (3.5, 3, 20.0, 0.055_891_849_081_749_934),
            (2.0, 5, 2.0, 0.676_663_602_050_074_3),
            (4.2, 10, 900.0, 0.088_855_361_337_935_7),
            (6.0, 4, 57.0, 4.660_254_981_821_987_4e-4),
            (0.5, 3, 5000.0, 0.933_422_837_594_622),
        ] {
            let found = upper(q, m, df);
            assert!((found - p).abs() < 1e-9, "{q} {m} {df}: {found} {p}");
        }
        assert_eq!(upper(0.0, 4, 9.0), 1.0);
    }
}
