//! The standard normal distribution.

/// Probability below `x`, to about 1e-15 absolute.
///
/// Marsaglia, "Evaluating the normal distribution", Journal of Statistical Software 11(4), 2004:
/// 1/2 + density(x) * (x + x^3/3 + x^5/(3*5) + ...).
pub(super) fn cdf(x: f64) -> f64 {
    if x.abs() > 8.0 {
        // Less than 1e-15 is beyond, and the series would need many terms.
        return if x > 0.0 { 1.0 } else { 0.0 };
    }
    let (mut term, mut sum, mut odd) = (x, x, 1.0);
    while term.abs() > f64::EPSILON * sum.abs() {
        odd += 2.0;
        term *= x * x / odd;
        sum += term;
    }
    0.5 + sum * density(x)
}

/// Probability above `x`, to about 1e-13 of itself also far out.
///
/// From 3 on Laplace's continued fraction of Mills' ratio, evaluated from its 80th term inwards.
pub(super) fn upper(x: f64) -> f64 {
    if x < 3.0 {
        return 1.0 - cdf(x);
    }
    let ratio = (1..=80).rev().fold(x, |below, i| x + f64::from(i) / below);
    density(x) / ratio
}

pub(super) fn density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

fn polynomial(x: f64, coefficients: [f64; 8]) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

/// The value below which the probability is `p`, relative error about 1e-16; infinite at 0 and 1.
///
/// Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied
/// Statistics 37(3), 1988, its PPND16.
pub(super) fn quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * polynomial(r, A) / polynomial(r, B);
    }
    let tail = p.min(1.0 - p);
    if tail <= 0.0 {
        return if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    let r = (-tail.ln()).sqrt();
    let x = if r <= 5.0 {
        polynomial(r - 1.6, C) / polynomial(r - 1.6, D)
    } else {
        polynomial(r - 5.0, E) / polynomial(r - 5.0, F)
    };
    if q < 0.0 { -x } else { x }
}

const A: [f64; 8] = [
    3.387_132_872_796_366_5,
    133.141_667_891_784_38,
    1_971.590_950_306_551_3,
    13_731.693_765_509_46,
    45_921.953_931_549_87,
    67_265.770_927_008_7,
    33_430.575_583_588_13,
    2_509.080_928_730_122_7,
];
const B: [f64; 8] = [
    1.0,
    42.313_330_701_600_91,
    687.187_007_492_057_9,
    5_394.196_021_424_751,
    21_213.794_301_586_597,
    39_307.895_800_092_71,
    28_729.085_735_721_943,
    5_226.495_278_852_855,
];
const C: [f64; 8] = [
    1.423_437_110_749_683_5,
    4.630_337_846_156_546,
    5.769_497_221_460_691,
    3.647_848_324_763_204_5,
    1.270_458_252_452_368_4,
    0.241_780_725_177_450_6,
    0.022_723_844_989_269_184,
    7.745_450_142_783_414e-4,
];
const D: [f64; 8] = [
    1.0,
    2.053_191_626_637_759,
    1.676_384_830_183_803_8,
    0.689_767_334_985_1,
    0.148_103_976_427_480_08,
    0.015_198_666_563_616_457,
    5.475_938_084_995_345e-4,
    1.050_750_071_644_416_9e-9,
];
const E: [f64; 8] = [
    6.657_904_643_501_103,
    5.463_784_911_164_114,
    1.784_826_539_917_291_3,
    0.296_560_571_828_504_87,
    0.026_532_189_526_576_124,
    1.242_660_947_388_078_4e-3,
    2.711_555_568_743_487_6e-5,
    2.010_334_399_292_288_1e-7,
];
const F: [f64; 8] = [
    1.0,
    0.599_832_206_555_888,
    0.136_929_880_922_735_8,
    0.014_875_361_290_850_615,
    7.868_691_311_456_133e-4,
    1.846_318_317_510_054_8e-5,
    1.421_511_758_316_446e-7,
    2.044_263_103_389_939_8e-15,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_the_tables() {
        // The usual table values, to more digits.
        for (p, x) in [
            (0.5, 0.0),
            (0.975, 1.959_963_984_540_054),
            (0.995, 2.575_829_303_548_900_4),
            (0.025, -1.959_963_984_540_054),
            (1e-9, -5.997_807_015_007_686),
            (1e-30, -11.464_024_688_443_613),
        ] {
            assert!((quantile(p) - x).abs() < 1e-12, "{p}: {}", quantile(p));
        }
        assert_eq!((quantile(0.0), quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
    }

    #[test]
    fn upper_tails_keep_their_digits() {
        // scipy.stats.norm.sf (1.17).
        for (x, p) in [
            (-1.0, 0.841_344_746_068_542_9),
            (2.5, 6.209_665_325_776_132e-3),
            (3.0, 1.349_898_031_630_093_3e-3),
            (3.5, 2.326_290_790_355_250_2e-4),
            (8.0, 6.220_960_574_271_74e-16),
            (30.0, 4.906_713_927_147_908e-198),
        ] {
            assert!((upper(x) / p - 1.0).abs() < 1e-12, "{x}: {} {p}", upper(x));
        }
        assert_eq!(upper(f64::INFINITY), 0.0);
    }

    #[test]
    fn the_cdf_undoes_the_quantile() {
        for i in 1..1000 {
            let p = f64::from(i) / 1000.0;
            assert!((cdf(quantile(p)) - p).abs() < 1e-14, "{p}");
        }
        assert_eq!((cdf(f64::NEG_INFINITY), cdf(0.0), cdf(f64::INFINITY)), (0.0, 0.5, 1.0));
    }
}
