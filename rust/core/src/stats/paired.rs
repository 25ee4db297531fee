//! What the mean and the spread of paired differences tell: Student's test, effect sizes,
//! equivalence, and the difference that a sample would detect.

use super::{beta, mean, normal, student};

/// Differences that lie closer together than this share of their size have no spread.
const SPREAD_TOLERANCE: f64 = 1e-12;

/// Number, mean and spread of some differences.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// How many there are, at least 1.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, with n - 1; 0 where all are equal but for rounding.
    pub deviation: f64,
}

impl Moments {
    /// Those of `differences`, of which there is at least one.
    #[must_use]
    pub fn of(differences: &[f64]) -> Self {
        let (n, mean) = (differences.len(), mean(differences));
        let size = differences.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
        let furthest = differences.iter().fold(0.0f64, |most, x| most.max((x - mean).abs()));
        let deviation = if furthest > SPREAD_TOLERANCE * size {
            // In units of the furthest, whose square can neither overflow nor vanish.
            let squares: f64 = differences.iter().map(|x| ((x - mean) / furthest).powi(2)).sum();
            furthest * (squares / (n - 1) as f64).sqrt()
        } else {
            0.0
        };
        Self { n, mean, deviation }
    }

    fn df(&self) -> f64 {
        (self.n - 1) as f64
    }

    fn standard_error(&self) -> f64 {
        self.deviation / (self.n as f64).sqrt()
    }
}

/// The share of one among all arrangements of n signs.
fn one_arrangement(n: usize) -> f64 {
    0.5f64.powi(n.min(1022) as i32)
}

/// The outcome of Student's test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Test {
    /// Mean over standard error; infinite where all differences are equal and not 0.
    pub t: f64,
    /// Two-sided p-value, above 0.
    pub p: f64,
    /// Whether p is the exact randomisation test's, for there was no spread to estimate.
    pub exact: bool,
}

/// Student's paired test: whether the mean difference is 0.
///
/// Where all differences are equal t is infinite and would claim certainty from two queries. p is
/// then the exact randomisation test's, 2 / 2^n; and 1 where all are 0.
///
/// Student, "The probable error of a mean", Biometrika 6(1), 1908.
#[must_use]
pub fn t_test(moments: &Moments) -> Test {
    if moments.deviation == 0.0 {
        let t = if moments.mean == 0.0 { 0.0 } else { moments.mean.signum() * f64::INFINITY };
        let p = if moments.mean == 0.0 { 1.0 } else { 2.0 * one_arrangement(moments.n) };
        return Test { t, p, exact: true };
    }
    let t = moments.mean / moments.standard_error();
    let p = student::two_sided(t, moments.df()).clamp(f64::MIN_POSITIVE, 1.0);
    Test { t, p, exact: false }
}

/// The interval of the mean by Student's distribution; without width where there is no spread.
#[must_use]
pub fn t_interval(moments: &Moments, confidence: f64) -> (f64, f64) {
    if moments.deviation == 0.0 {
        return (moments.mean, moments.mean);
    }
    let half = student::exceeded(0.5 - 0.5 * confidence, moments.df()) * moments.standard_error();
    (moments.mean - half, moments.mean + half)
}

/// p-value of the two one-sided tests that the mean difference lies within `margin` of 0 on both
/// sides: the larger of the two.
///
/// Where all differences are equal it is that of the exact one-sided randomisation test of the
/// differences shifted by the margin, 1 / 2^n within it and 1 else.
///
/// Schuirmann, "A comparison of the two one-sided tests procedure and the power approach", Journal
/// of Pharmacokinetics and Biopharmaceutics 15(6), 1987.
#[must_use]
pub fn equivalence_p(moments: &Moments, margin: f64) -> f64 {
    if moments.deviation == 0.0 {
        return if moments.mean.abs() < margin { one_arrangement(moments.n) } else { 1.0 };
    }
    let t = (margin - moments.mean.abs()) / moments.standard_error();
    student::upper(t, moments.df()).clamp(f64::MIN_POSITIVE, 1.0)
}

/// A standardised mean difference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effect {
    /// Cohen's d of paired differences: mean over standard deviation.
    pub d: f64,
    /// Hedges' g: d less its bias in small samples.
    pub g: f64,
    /// Ends of the interval of d.
    pub ends: (f64, f64),
}

/// The effect size of paired differences; `None` where they have no spread.
///
/// The interval inverts the noncentral t distribution. Cohen, "Statistical power analysis for the
/// behavioral sciences", 1988; Hedges, "Distribution theory for Glass's estimator of effect size and
/// related estimators", Journal of Educational Statistics 6(2), 1981.
#[must_use]
pub fn effect(moments: &Moments, confidence: f64) -> Option<Effect> {
    if moments.deviation == 0.0 {
        return None;
    }
    let (d, df, root) = (moments.mean / moments.deviation, moments.df(), (moments.n as f64).sqrt());
    let tail = 0.5 - 0.5 * confidence;
    let end = |p: f64| shift_with(d * root, df, p) / root;
    Some(Effect { d, g: d * small_sample_factor(df), ends: (end(1.0 - tail), end(tail)) })
}

/// Gamma(df / 2) / (sqrt(df / 2) Gamma((df - 1) / 2)); 0 for one degree of freedom, where the mean
/// of d does not exist.
fn small_sample_factor(df: f64) -> f64 {
    if df <= 1.0 {
        return 0.0;
    }
    let (half, less) = (0.5 * df, 0.5 * (df - 1.0));
    let rest = beta::stirling_rest(half) - beta::stirling_rest(less) - 0.5;
    // Powers cancel up to half^(half - 1) / less^(less - 1/2) = (half / less)^(half - 1).
    ((half - 1.0) * (half / less).ln() + rest).exp()
}

/// The shift at which a noncentral t is below `t` with probability `p`; falls as `p` grows.
fn shift_with(t: f64, df: f64, p: f64) -> f64 {
    let spread = 10.0 * (1.0 + t * t / (2.0 * df)).sqrt();
    let (mut low, mut high) = (t - spread, t + spread);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if student::shifted_below(t, df, middle) > p { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// The mean difference that a two-sided test at `alpha` finds with probability `power`, from `n`
/// queries whose differences have this standard deviation: (t quantiles of both) * deviation / √n.
#[must_use]
pub fn detectable(deviation: f64, n: usize, alpha: f64, power: f64) -> f64 {
    let df = (n - 1) as f64;
    let sure = |tail: f64| {
        if tail <= 0.5 { student::exceeded(tail, df) } else { -student::exceeded(1.0 - tail, df) }
    };
    (student::exceeded(0.5 * alpha, df) + sure(1.0 - power)) * deviation / (n as f64).sqrt()
}

/// The number of queries at which [`detectable`] is no more than `difference`, by the normal
/// distribution with Guenther's correction: ((z of both) * deviation / difference)^2 + (z of alpha)^2 / 2.
///
/// Guenther, "Sample size formulas for normal theory t tests", The American Statistician 35(4), 1981.
#[must_use]
pub fn queries_for(deviation: f64, difference: f64, alpha: f64, power: f64) -> f64 {
    let (two_sided, one) = (-normal::quantile(0.5 * alpha), normal::quantile(power));
    ((two_sided + one) * deviation / difference).powi(2) + 0.5 * two_sided * two_sided
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 8 differences: mean 0.15, squares about it 0.285.
    fn sample() -> Moments {
        Moments::of(&[0.3, -0.1, 0.25, 0.0, 0.5, -0.05, 0.2, 0.1])
    }

    #[test]
    fn students_test_of_a_small_sample() {
        let moments = sample();
        // Squares of 0.15 -0.25 0.1 -0.15 0.35 -0.2 0.05 -0.05: 0.285.
        assert!((moments.deviation - (0.285f64 / 7.0).sqrt()).abs() < 1e-15);
        let found = t_test(&moments);
        // scipy.stats.ttest_1samp (1.17).
        assert!((found.t - 2.102_629_932_151_387_5).abs() < 1e-13, "{found:?}");
        assert!((found.p - 0.073_584_887_514_738_71).abs() < 1e-13 && !found.exact, "{found:?}");
    }

    #[test]
    fn equal_differences_are_tested_by_counting_arrangements() {
        for (n, p) in [(1, 1.0), (2, 0.5), (6, 2.0 / 64.0)] {
            // Sums of 0.1 do not round to multiples of it.
            let found = t_test(&Moments::of(&vec![0.1; n]));
            assert_eq!((found.p, found.exact, found.t), (p, true, f64::INFINITY));
        }
        assert_eq!(t_test(&Moments::of(&[0.0; 9])).p, 1.0);
        assert_eq!(t_test(&Moments::of(&[-0.2; 3])).t, f64::NEG_INFINITY);
        assert!(t_test(&Moments::of(&vec![1.0; 9000])).p > 0.0);
    }

    #[test]
    fn equivalence_agrees_with_the_interval_of_twice_its_level() {
        let moments = sample();
        let (low, high) = t_interval(&moments, 0.9);
        for margin in [0.1, 0.2, high - 1e-9, high + 1e-9, 0.4] {
            let inside = low > -margin && high < margin;
            assert_eq!(equivalence_p(&moments, margin) < 0.05, inside, "{margin}");
        }
        let turned = Moments { mean: -moments.mean, ..moments };
        assert_eq!(equivalence_p(&turned, 0.2), equivalence_p(&moments, 0.2));
        assert_eq!(equivalence_p(&Moments::of(&[0.0; 5]), 0.01), 1.0 / 32.0);
        assert_eq!(equivalence_p(&Moments::of(&[0.02; 5]), 0.01), 1.0);
    }

    #[test]
    fn effect_sizes_and_their_correction() {
        let moments = sample();
        let found = effect(&moments, 0.95).expect("they vary");
        assert!((found.d - moments.mean / moments.deviation).abs() < 1e-15);
        // 7 degrees of freedom: Gamma(3.5) / (sqrt(3.5) Gamma(3)) = 3.32335 / (1.87083 * 2).
        assert!((found.g / found.d - 0.888_2).abs() < 1e-4, "{found:?}");
        assert!(found.ends.0 < found.d && found.d < found.ends.1);
        assert_eq!(effect(&Moments::of(&[0.4; 7]), 0.95), None);
        assert_eq!(effect(&Moments::of(&[0.4]), 0.95), None);
    }

    #[test]
    fn the_detectable_difference_needs_the_queries_it_came_from() {
        for n in [30, 300] {
            let difference = detectable(0.3, n, 0.05, 0.8);
            let needed = queries_for(0.3, difference, 0.05, 0.8);
            assert!((needed / n as f64 - 1.0).abs() < 0.02, "{n} {needed}");
        }
    }
}
