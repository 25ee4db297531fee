//! Functions of 16 values at a time, by polynomials: the same bits on every instruction set.

#![allow(clippy::inline_always, reason = "a body is compiled for vectors only inside its caller")]

use super::LANES;

/// Values side by side.
pub(crate) type Lane = [f32; LANES];

/// Sum of the lanes, by a fixed tree.
#[inline(always)]
pub(crate) fn tree_sum(mut x: Lane) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            x[lane] += x[lane + width];
        }
        width /= 2;
    }
    x[0]
}

/// The largest of the lanes.
#[inline(always)]
pub(crate) fn tree_max(mut x: Lane) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            x[lane] = larger(x[lane], x[lane + width]);
        }
        width /= 2;
    }
    x[0]
}

/// The larger of two values that are no NaN, without the branches of `f32::max`.
#[inline(always)]
pub(crate) fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// `e` to the power of `x`, for finite `x`, within 2 units in the last place; 0 below -87.
///
/// 2 to the nearest whole power, times a polynomial of the rest, |rest| <= ln(2) / 2 (Cody and
/// Waite's split of ln 2 in two keeps the rest exact).
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const LOWEST: f32 = -87.0;
    const HIGHEST: f32 = 88.0;
    /// Adding 1.5 * 2^23 leaves the nearest whole number in the low bits.
    const ROUNDER: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let clamped = larger(LOWEST, if x < HIGHEST { x } else { HIGHEST });
    let shifted = clamped.mul_add(std::f32::consts::LOG2_E, ROUNDER);
    let whole = shifted - ROUNDER;
    let rest = whole.mul_add(-LN2_HIGH, clamped);
    let rest = whole.mul_add(-LN2_LOW, rest);
    // Taylor's coefficients from 1/6! down; the remainder is below 2^-27 of the value.
    let mut power = 1.0_f32 / 720.0;
    for coefficient in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        power = power.mul_add(rest, coefficient);
    }
    let exponent = (shifted.to_bits() << 23).wrapping_add(0x3F80_0000);
    let scaled = power * f32::from_bits(exponent);
    if x < LOWEST { 0.0 } else { scaled }
}

/// `x` times the normal distribution's share below `x`: GELU, within 2e-7 of the largest of 1 and |x|.
///
/// The share is 1/2 plus `x` times a polynomial of the square, fitted at Chebyshev's points up to
/// [`REACH`]; neither exponential nor division. Beyond, what is left of the share is below 1e-7.
#[inline(always)]
pub(crate) fn gelu(x: f32) -> f32 {
    const REACH: f32 = 5.2;
    const TO_UNIT: f32 = 2.0 / (REACH * REACH);
    /// Highest power first, of `2 x^2 / REACH^2 - 1`.
    const COEFFICIENTS: [f32; 15] = [
        0.000_198_297_16,
        -0.000_570_160_05,
        0.000_619_207_3,
        -0.000_955_615_7,
        0.002_631_731_3,
        -0.005_092_731,
        0.008_034_426,
        -0.012_340_044,
        0.018_124_314,
        -0.024_766_797,
        0.031_964_086,
        -0.039_925_043,
        0.050_025_992,
        -0.067_743_815,
        0.135_949_98,
    ];
    let unit = (x * x).mul_add(TO_UNIT, -1.0);
    let mut slope = 0.0_f32;
    for coefficient in COEFFICIENTS {
        slope = slope.mul_add(unit, coefficient);
    }
    let inside = x * x.mul_add(slope, 0.5);
    let outside = if x > 0.0 { x } else { 0.0 };
    if x.abs() < REACH { inside } else { outside }
}

/// [`gelu`] for a value that is rounded to 8 bits or less of significand: within 1.3e-4.
///
/// The same form with eight coefficients up to 4, fitted to the least largest error.
#[inline(always)]
pub(crate) fn gelu_near(x: f32) -> f32 {
    const REACH: f32 = 4.0;
    const TO_UNIT: f32 = 2.0 / (REACH * REACH);
    const COEFFICIENTS: [f32; 8] = [
        -0.002_729_091_6,
        0.008_211_374,
        -0.013_259_916,
        0.021_621_622,
        -0.036_495_388,
        0.056_050_83,
        -0.084_357_47,
        0.175_947_76,
    ];
    let unit = (x * x).mul_add(TO_UNIT, -1.0);
    let mut slope = 0.0_f32;
    for coefficient in COEFFICIENTS {
        slope = slope.mul_add(unit, coefficient);
    }
    let inside = x * x.mul_add(slope, 0.5);
    let outside = if x > 0.0 { x } else { 0.0 };
    if x.abs() < REACH { inside } else { outside }
}

/// 2 to the power of `x`, for `x` up to 0, within 4e-6 of the value: for a value that is rounded to 8 bits
/// of significand. The polynomial is fitted to the least largest relative error.
#[inline(always)]
pub(crate) fn exp2_near(x: f32) -> f32 {
    const LOWEST: f32 = -126.0;
    /// As in [`exp`].
    const ROUNDER: f32 = 12_582_912.0;
    let clamped = larger(LOWEST, x);
    let shifted = clamped + ROUNDER;
    let rest = clamped - (shifted - ROUNDER);
    let mut power = 0.009_582_849_f32;
    for coefficient in [0.055_906_43, 0.240_240_99, 0.693_124_2, 1.0] {
        power = power.mul_add(rest, coefficient);
    }
    let exponent = (shifted.to_bits() << 23).wrapping_add(0x3F80_0000);
    power * f32::from_bits(exponent)
}

/// Hyperbolic tangent, within 3e-7.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    let size = x.abs();
    let far = 1.0 - 2.0 / (exp(2.0 * size) + 1.0);
    // Near zero the difference above loses digits: three terms of the series are exact enough.
    let square = x * x;
    let near = size
        * square
            .mul_add(square.mul_add(square.mul_add(-17.0 / 315.0, 2.0 / 15.0), -1.0 / 3.0), 1.0);
    let value = if size < 0.125 { near } else { far };
    value.copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> impl Iterator<Item = f32> {
        (-10_000..=10_000).map(|i| i as f32 * 1e-3).chain([-200.0, -87.5, 60.0, 0.0, -0.0])
    }

    #[test]
    fn the_exponential_is_within_two_units() {
        for x in values() {
            let truth = f64::from(x).exp();
            let found = f64::from(exp(x));
            if x < -87.0 {
                assert_eq!(found, 0.0);
            } else {
                assert!((found / truth - 1.0).abs() < 2.5e-7, "{x}: {found} {truth}");
            }
        }
        assert_eq!(exp(0.0), 1.0);
    }

    /// The error function by its series and continued fraction would be another program to trust:
    /// the integral of the density by Simpson's rule is plain.
    fn share_below(x: f64) -> f64 {
        let steps = 2_000;
        let h = x / f64::from(steps);
        let density = |t: f64| (-0.5 * t * t).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let sum: f64 = (0..steps)
            .map(|i| {
                let t = f64::from(i) * h;
                density(t) + 4.0 * density(t + h / 2.0) + density(t + h)
            })
            .sum();
        0.5 + sum * h / 6.0
    }

    #[test]
    fn gelu_is_the_value_times_the_share_below() {
        for x in (-80..=80).map(|i| i as f32 * 0.1) {
            let truth = f64::from(x) * share_below(f64::from(x));
            let found = f64::from(gelu(x));
            assert!((found - truth).abs() < 2e-7 * f64::from(x.abs().max(1.0)), "{x}");
        }
        assert_eq!(gelu(0.0), 0.0);
        assert_eq!(gelu(40.0), 40.0);
        assert_eq!(gelu(-40.0), 0.0);
    }

    #[test]
    fn the_near_functions_are_near() {
        for x in values() {
            assert!((gelu_near(x) - gelu(x)).abs() < 1.3e-4, "{x}");
            if x <= 0.0 {
                let truth = f64::from(x).exp2();
                assert!((f64::from(exp2_near(x)) - truth).abs() <= 4e-6 * truth.max(1e-32), "{x}");
            }
        }
        assert_eq!(exp2_near(0.0), 1.0);
        assert!(exp2_near(f32::NEG_INFINITY) < 1e-37);
    }

    #[test]
    fn the_tangent_is_close_everywhere() {
        for x in values() {
            assert!((f64::from(tanh(x)) - f64::from(x).tanh()).abs() < 3e-7, "{x}");
        }
    }

    #[test]
    fn lanes_are_summed_and_compared() {
        let x: Lane = std::array::from_fn(|i| i as f32 - 3.0);
        assert_eq!(tree_sum(x), 72.0);
        assert_eq!(tree_max(x), 12.0);
    }
}
