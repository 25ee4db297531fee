//! Student's t distribution, central and not.

use super::{beta, normal};

/// The probability that |T| is at least |t|, with `df` degrees of freedom.
pub(super) fn two_sided(t: f64, df: f64) -> f64 {
    let square = t * t;
    if square.is_infinite() {
        return 0.0;
    }
    beta::below(0.5 * df, 0.5, df / (df + square), square / (df + square))
}

/// The probability that T is at least `t`.
pub(super) fn upper(t: f64, df: f64) -> f64 {
    let tail = 0.5 * two_sided(t, df);
    if t > 0.0 { tail } else { 1.0 - tail }
}

/// The t that is exceeded with probability `tail`, in (0, 1/2].
///
/// The expansion of Abramowitz and Stegun 26.7.5 from 200 degrees of freedom on, where it is exact
/// to ten digits; below, bisection and Newton's steps on the tail.
pub(super) fn exceeded(tail: f64, df: f64) -> f64 {
    let z = -normal::quantile(tail);
    let w = z * z;
    let terms = [
        z * (w + 1.0) / 4.0,
        z * ((5.0 * w + 16.0) * w + 3.0) / 96.0,
        z * (((3.0 * w + 19.0) * w + 17.0) * w - 15.0) / 384.0,
        z * ((((79.0 * w + 776.0) * w + 1482.0) * w - 1920.0) * w - 945.0) / 92_160.0,
    ];
    let guess = z + terms.iter().rev().fold(0.0, |sum, term| (sum + term) / df);
    if df >= 200.0 && z < 8.0 {
        return guess;
    }
    let (mut low, mut high) = (0.0, guess.max(1.0));
    while upper(high, df) > tail {
        (low, high) = (high, 2.0 * high);
    }
    let mut t = guess.clamp(low, high);
    for _ in 0..200 {
        let excess = upper(t, df) - tail;
        if excess > 0.0 {
            low = t;
        } else {
            high = t;
        }
        let step = excess / density(t, df);
        let next = t + step;
        // Newton's step where it stays within what is known, else half the way.
        let next = if next > low && next < high { next } else { 0.5 * (low + high) };
        if (next - t).abs() <= 4.0 * f64::EPSILON * next.abs() {
            return next;
        }
        t = next;
    }
    t
}

fn density(t: f64, df: f64) -> f64 {
    // Gamma((df + 1) / 2) / Gamma(df / 2) by Stirling's formula and its rest.
    let (half, more) = (0.5 * df, 0.5 * (df + 1.0));
    let rest = beta::stirling_rest(more) - beta::stirling_rest(half) - 0.5;
    let ratio = (half * (more / half).ln() + rest).exp() * half.sqrt();
    ratio / (df * std::f64::consts::PI).sqrt() * (-more * (t * t / df).ln_1p()).exp()
}

/// The probability that a T whose mean is shifted by `delta` standard errors is below `t`.
///
/// Lenth, "Algorithm AS 243: cumulative distribution function of the non-central t distribution",
/// Applied Statistics 38(1), 1989. Its series starts at exp(-delta^2 / 2), which no f64 holds for
/// shifts past 37; there the normal approximation of Abramowitz and Stegun 26.7.10 serves, which
/// is off by less than 1e-3 for 30 degrees of freedom.
pub(super) fn shifted_below(t: f64, df: f64, delta: f64) -> f64 {
    if delta.abs() > 37.0 {
        let z = t * (1.0 - 0.25 / df) - delta;
        return normal::upper(-z / (1.0 + t * t / (2.0 * df)).sqrt());
    }
    if t < 0.0 {
        return 1.0 - shifted_below(-t, df, -delta);
    }
    let start = normal::upper(delta);
    if t == 0.0 {
        return start;
    }
    let (x, y) = (t * t / (t * t + df), df / (t * t + df));
    let (half, lambda) = (0.5 * df, delta * delta);
    // Poisson weights of the even and odd terms, and the beta probabilities, each from the last.
    let mut even = 0.5 * (-0.5 * lambda).exp();
    let mut odd = (2.0 / std::f64::consts::PI).sqrt() * even * delta;
    let mut left = 0.5 - even;
    let (mut even_beta, mut odd_beta) =
        (beta::below(0.5, half, x, y), beta::below(1.0, half, x, y));
    let rest = |a: f64| beta::stirling_rest(a);
    let mut even_step = {
        // x^(1/2) y^(df/2) Gamma(df/2 + 1/2) / (Gamma(3/2) Gamma(df/2)), twice the even front.
        let more = half + 0.5;
        let log = half * (more / half).ln() + rest(more) - rest(half) - 0.5;
        2.0 * (log.exp() * half.sqrt() / std::f64::consts::PI.sqrt())
            * (half * y.ln()).exp()
            * x.sqrt()
    };
    let mut odd_step = half * x * (half * y.ln()).exp();
    let mut sum = even * even_beta + odd * odd_beta;
    let mut a = 1.0;
    for j in 1..100_000 {
        let j = f64::from(j);
        a += 1.0;
        even_beta -= even_step;
        odd_beta -= odd_step;
        even_step *= x * (a + half - 1.5) / (a - 0.5);
        odd_step *= x * (a + half - 1.0) / a;
        even *= lambda / (2.0 * j);
        odd *= lambda / (2.0 * j + 1.0);
        left -= even;
        sum += even * even_beta + odd * odd_beta;
        // What is left is bounded by the weights that are left.
        if 2.0 * left.abs() * (even_beta - even_step).abs() < 1e-13 && 2.0 * j > lambda {
            break;
        }
    }
    (start + sum).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_scipy() {
        // 2 * scipy.stats.t.sf (1.17).
        for (t, df, p) in [
            (2.0, 5.0, 0.101_939_478_829_858_35),
            (1.0, 1.0, 0.5),
            (10.0, 3.0, 2.128_399_058_414_150_3e-3),
            (4.5, 999.0, 7.593_903_755_170_074_5e-6),
            (40.0, 50.0, 1.241_242_378_437_269_1e-39),
            (0.1, 1e5, 0.920_344_525_906_726_7),
        ] {
            let found = two_sided(t, df);
            assert!((found / p - 1.0).abs() < 1e-11, "{t} {df}: {found} {p}");
            assert!((upper(t, df) - 0.5 * p).abs() < 1e-12 && upper(-t, df) > 0.5);
        }
        assert_eq!((two_sided(f64::INFINITY, 3.0), two_sided(0.0, 3.0)), (0.0, 1.0));
    }

    #[test]
    fn quantiles_are_those_of_scipy() {
        // scipy.stats.t.ppf (1.17).
        for (p, df, t) in [
            (0.975, 1.0, 12.706_204_736_174_694),
            (0.975, 5.0, 2.570_581_835_636_314_6),
            (0.975, 250.0, 1.969_498_393_421_153_2),
            (0.9, 30.0, 1.310_415_025_391_395_5),
            (0.995, 1e5, 2.575_878_469_908_375),
        ] {
            let found = exceeded(1.0 - p, df);
            assert!((found / t - 1.0).abs() < 1e-10, "{p} {df}: {found} {t}");
        }
        // Both sides of the change of method.
        let (below, above) = (exceeded(0.025, 199.999_9), exceeded(0.025, 200.0));
        assert!((below - above).abs() < 1e-7, "{below} {above}");
        assert!(exceeded(0.5, 7.0).abs() < 1e-12);
    }

    #[test]
    fn shifted_tails_are_those_of_scipy() {
        // scipy.stats.nct.cdf (1.17).
        for (t, df, delta, p) in [
            (2.0, 10.0, 1.0, 0.807_611_562_530_375_2),
            (-1.0, 10.0, 1.0, 0.026_801_856_769_479_687),
            (3.0, 100.0, 5.0, 0.024_788_472_152_230_213),
            (30.0, 400.0, 28.0, 0.913_288_308_813_341_7),
            (0.0, 7.0, -1.5, 0.933_192_798_731_141_9),
        ] {
            let found = shifted_below(t, df, delta);
            assert!((found - p).abs() < 1e-10, "{t} {df} {delta}: {found} {p}");
        }
        // Where the method changes, both agree.
        let (series, approximation) =
            (shifted_below(36.5, 500.0, 36.999), shifted_below(36.5, 500.0, 37.001));
        assert!((series - approximation).abs() < 2e-3, "{series} {approximation}");
    }
}
