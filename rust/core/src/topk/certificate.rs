//! How far a pass's `f32` key can lie from the truth, proved.
//!
//! A pass computes `key = fl(fl(p . y) * scale + shift)` from a packed query `p` and a row as it
//! reads it, `y`. What ranks is the canonical `f64` score. In units of the key, the truth is
//!
//! | metric | `p` stands for | `y` stands for | scale | shift | truth |
//! |---|---|---|---|---|---|
//! | dot | `q` | `x` | 1 | 0 | `q . x` |
//! | cosine, f32 pass | `q / abs q` | `x` | `fl(1 / abs x)` | 0 | `q . x / (abs q * abs x)` |
//! | cosine, bf16 pass | `q / abs q` | `x / abs x` | 1 | 0 | the same |
//! | l2 | `q` | `x` | 1 | `fl(-abs(x)^2 / 2)` | `(abs(q)^2 - abs(q - x)^2) / 2 = q . x - abs(x)^2 / 2` |
//!
//! Write `u = 2^-24` and `g(n) = n u / (1 - n u)`. A sum of `D` products, in any order, fused or not,
//! is within `g(D) * sum |p_i y_i| <= g(D) |p| |y|` of the exact one (Higham, "Accuracy and Stability
//! of Numerical Algorithms", 2nd ed., eq. 3.5), plus `2^-149` for each product that may underflow.
//!
//! # The f32 pass
//!
//! * **dot**: multiplying by 1 and adding 0 is exact, so the error is at most `g(D) |q| |x|`.
//! * **cosine**: packing rounds once (`u`), the scale once (`u`), their product once (`u`, and once
//!   more where the shift of 0 is added unfused); with `|p| |x| scale <= 1 + 3 u` this is at most
//!   `g(D + 6)`. Underflow is magnified by the scale, hence the term `D 2^-148 scale`.
//! * **l2**: the shift rounds once (`u |x|^2 / 2`), the final sum once (`u (|q| |x| + |x|^2 / 2)`):
//!   at most `g(D + 2) |q| |x| + 2 u |x|^2`.
//!
//! # The bf16 pass
//!
//! Let `q'` and `x'` be what `p` and `y` stand for, and `a >= |q' - p|`, `b >= |x' - y|` what rounding
//! took from them, measured vector by vector. By Cauchy and Schwarz,
//!
//! ```text
//! |q' . x' - p . y| <= |q' . (x' - y)| + |(q' - p) . y| <= |q'| b + a (|x'| + b)
//! ```
//!
//! and summing adds `g(2 D + 32) (|q'| + a) (|x'| + b)`: twice the terms, because the hardware adds
//! pairs apart and its order is its own. AMX reads subnormal codes as 0 and flushes subnormal sums
//! to 0: at most `2^-126` for each value, which is in `a` and `b` ([`Rounded`]), and for each of at
//! most `2 D` additions, which is the row's term. For cosine the row is multiplied by a rounded
//! factor first, two roundings (`2 u`), which `b` includes.
//!
//! # Both
//!
//! The canonical score has a rounding error of its own: at most `g64(D + 6)` of the same masses with
//! `u64 = 2^-53`, and for l2 `g64(D + 4) (|q| + |x|)^2 / 2`, bounded by twice the squares' sum. It is
//! half a billion times smaller than the slack that the wider `g(D + 8)` below leaves for dot and
//! cosine; for l2, whose `|q|^2` does not shrink with `|x|`, it is carried as the query's constant.
//!
//! # Pairs of one corpus
//!
//! There the truth must serve both ends of a pair, so for l2 `|q|^2 / 2` is taken from it: what is
//! left, `-abs(q - x)^2 / 2`, is the same from both sides. As a product the square of the canonical
//! norm is off by at most `g64(D + 6)` of itself, which is the query's constant as well.
//!
//! Where a number leaves the range in which these bounds hold (overflow, a scale that is infinite)
//! the bound is infinite and the row is scored exactly.

use super::metric::Metric;

/// Unit roundoff of `f32`.
const U32: f64 = 1.0 / (1_u64 << 24) as f64;
/// Unit roundoff of `f64`.
const U64: f64 = 1.0 / (1_u64 << 53) as f64;
/// Twice the smallest subnormal `f32`: covers the underflow of one product.
const TINY: f64 = 1.0 / (1_u64 << 50) as f64 / (1_u64 << 49) as f64 / (1_u64 << 49) as f64;
/// The smallest normal `f32`: covers a value or a sum that is flushed to 0.
const FLUSH: f64 = 1.0 / (1_u64 << 63) as f64 / (1_u64 << 63) as f64;
/// Above this, an intermediate `f32` sum might overflow.
const HUGE: f64 = (1_u64 << 60) as f64 * (1_u64 << 60) as f64;

/// `n u / (1 - n u)`, or infinity once the bound says nothing.
fn gamma(n: usize) -> f64 {
    let nu = n as f64 * U32;
    if nu < 0.5 { nu / (1.0 - nu) } else { f64::INFINITY }
}

/// Bound on the norm of what rounding took from a vector.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rounded(f64);

impl Rounded {
    /// From the measured squared norm, which `Kernels::encode_bf16` gives to a relative 1e-2 and an
    /// absolute `dim * 2^-126`.
    pub(super) fn new(dim: usize, squared: f64) -> Self {
        let flushed = dim as f64 * FLUSH;
        // `max` would pass over a NaN.
        let squared = if squared.is_nan() { f64::INFINITY } else { squared };
        Self((squared * 1.02 + flushed).sqrt() + flushed)
    }
}

/// The query's part of a bound.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueryBound {
    on_weight: f64,
    on_rounded: f64,
    constant: f64,
    magnitude: f64,
    /// What the truth is more than the key.
    pub(super) offset: f64,
}

/// The row's part of a bound, and the map from product to key.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowBound {
    weight: f64,
    rounded: f64,
    term: f64,
    magnitude: f64,
    /// See the module's table.
    pub(super) scale: f32,
    /// See the module's table.
    pub(super) shift: f32,
}

impl QueryBound {
    /// For the f32 pass, from the query's norm.
    pub(super) fn new(metric: Metric, dim: usize, norm: f64) -> Self {
        let norm = if metric == Metric::Cosine { 1.0 } else { norm };
        Self {
            on_weight: gamma(dim + 8) * norm,
            on_rounded: 0.0,
            constant: canonical_slack(metric, dim, norm),
            magnitude: norm,
            offset: 0.0,
        }
    }

    /// For the bf16 pass, from the query's norm and what rounding took from it.
    pub(super) fn rounded(metric: Metric, dim: usize, norm: f64, Rounded(lost): Rounded) -> Self {
        let norm = if metric == Metric::Cosine { 1.0 } else { norm };
        Self {
            on_weight: lost + gamma(2 * dim + 32) * (norm + lost),
            on_rounded: norm,
            constant: canonical_slack(metric, dim, norm),
            magnitude: norm + lost,
            offset: 0.0,
        }
    }

    /// The same with a truth that does not depend on which of the two is the query; see the module.
    pub(super) fn mutual(self, metric: Metric, dim: usize, norm: f64) -> Self {
        match metric {
            Metric::Cosine | Metric::Dot => self,
            Metric::L2 => {
                let (offset, slack) = own_share(dim, norm);
                Self { offset: -offset, constant: self.constant + slack, ..self }
            }
        }
    }

    /// Bound on `|key - truth|` for a row.
    pub(super) fn error(&self, row: &RowBound) -> f64 {
        if self.magnitude * row.magnitude < HUGE {
            self.on_weight * row.weight + self.on_rounded * row.rounded + row.term + self.constant
        } else {
            f64::INFINITY
        }
    }
}

/// Half the square of a canonical norm, and by how much that may be off the exact vector's.
pub(super) fn own_share(dim: usize, norm: f64) -> (f64, f64) {
    let square = norm * norm;
    (0.5 * square, 8.0 * (dim + 8) as f64 * U64 * square)
}

/// The canonical score's own rounding, where it is not covered by the pass's; see the module.
fn canonical_slack(metric: Metric, dim: usize, norm: f64) -> f64 {
    match metric {
        Metric::Cosine | Metric::Dot => 0.0,
        Metric::L2 => 4.0 * (dim + 4) as f64 * U64 * norm * norm,
    }
}

impl RowBound {
    /// For the f32 pass, from the row's norm.
    pub(super) fn new(metric: Metric, dim: usize, norm: f64) -> Self {
        let underflow = dim as f64 * TINY;
        let plain = Self {
            weight: norm,
            rounded: 0.0,
            term: underflow,
            magnitude: norm,
            scale: 1.0,
            shift: 0.0,
        };
        match metric {
            Metric::Dot => plain,
            Metric::Cosine => {
                // A zero row's key is 0, which is its canonical score.
                let scale = if norm == 0.0 { 0.0 } else { (1.0 / norm) as f32 };
                if scale.is_finite() {
                    Self { weight: 1.0, term: underflow * f64::from(scale), scale, ..plain }
                } else {
                    plain.uncertain()
                }
            }
            Metric::L2 => plain.with_shift(dim, norm),
        }
    }

    /// For the bf16 pass, from the row's norm and what rounding took from what is encoded.
    pub(super) fn rounded(metric: Metric, dim: usize, norm: f64, Rounded(lost): Rounded) -> Self {
        let (length, lost) = match metric {
            Metric::Cosine => (1.0, lost + 4.0 * U32),
            Metric::Dot | Metric::L2 => (norm, lost),
        };
        let plain = Self {
            weight: length + lost,
            rounded: lost,
            term: 2.0 * dim as f64 * FLUSH,
            magnitude: length + lost,
            scale: 1.0,
            shift: 0.0,
        };
        match metric {
            // Outside, the factor of normalisation is no normal number.
            Metric::Cosine if norm > 0.0 && !(1.0 / HUGE..HUGE).contains(&norm) => {
                plain.uncertain()
            }
            // A code overflowed.
            _ if !lost.is_finite() => plain.uncertain(),
            Metric::Cosine | Metric::Dot => plain,
            Metric::L2 => plain.with_shift(dim, norm),
        }
    }

    fn with_shift(self, dim: usize, norm: f64) -> Self {
        let square = norm * norm;
        if square < HUGE {
            let own = (2.0 * U32 + 4.0 * (dim + 4) as f64 * U64) * square;
            Self { term: self.term + own, shift: (-0.5 * square) as f32, ..self }
        } else {
            self.uncertain()
        }
    }

    /// A row whose key says nothing: NaN is what the kernels always report.
    fn uncertain(self) -> Self {
        Self { term: f64::INFINITY, scale: f32::NAN, ..self }
    }

    /// A bound that holds for every row seen so far and `other`.
    ///
    /// An uncertain row is left out: its key is a NaN, which is a hit under any floor, and it would
    /// take every other row of its block along.
    pub(super) fn widen(&mut self, other: &Self) {
        if other.scale.is_nan() {
            return;
        }
        self.weight = self.weight.max(other.weight);
        self.rounded = self.rounded.max(other.rounded);
        self.term = self.term.max(other.term);
        self.magnitude = self.magnitude.max(other.magnitude);
    }

    /// The bound that holds for no row yet.
    pub(super) fn none() -> Self {
        Self { weight: 0.0, rounded: 0.0, term: 0.0, magnitude: 0.0, scale: 0.0, shift: 0.0 }
    }
}

/// The interval of `f32` that surely holds the truth, which is `offset` more than the key, give or
/// take the error.
pub(super) fn interval(key: f32, offset: f64, error: f64) -> (f32, f32) {
    let middle = f64::from(key) + offset;
    outward(middle - error, middle + error)
}

/// The bounds, rounded outwards to `f32`; everything, where one of them says nothing.
pub(super) fn outward(lower: f64, upper: f64) -> (f32, f32) {
    if lower.is_finite() && upper.is_finite() {
        ((lower as f32).next_down(), (upper as f32).next_up())
    } else {
        (f32::NEG_INFINITY, f32::INFINITY)
    }
}

/// The largest key that a row cannot have if its truth, at most `lead` more, reaches `threshold`:
/// below it, nothing needs to be kept.
pub(super) fn key_floor(threshold: f32, lead: f64) -> f32 {
    if lead.is_finite() {
        ((f64::from(threshold) - lead) as f32).next_down()
    } else {
        f32::NEG_INFINITY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_and_the_floor_round_outwards() {
        let (low, high) = interval(1.0, 0.0, 1e-12);
        assert!(low < 1.0 && high > 1.0);
        assert!(key_floor(1.0, 1e-12) < 1.0);
        assert_eq!(interval(f32::NAN, 0.0, 0.0), (f32::NEG_INFINITY, f32::INFINITY));
        assert_eq!(interval(1.0, 0.0, f64::INFINITY).1, f32::INFINITY);
        let (low, high) = interval(1.0, -0.5, 0.125);
        assert!(low < 0.375 && low > 0.374 && high > 0.625 && high < 0.626);
        assert_eq!(key_floor(f32::NEG_INFINITY, 1.0), f32::NEG_INFINITY);
    }

    #[test]
    fn tiny_and_huge_norms_lose_the_certificate_but_never_the_row() {
        let tiny = RowBound::new(Metric::Cosine, 8, 1e-45);
        assert!(tiny.scale.is_nan() && tiny.term.is_infinite());
        let query = QueryBound::new(Metric::Dot, 8, 1e30);
        assert!(query.error(&RowBound::new(Metric::Dot, 8, 1e30)).is_infinite());
        assert!(RowBound::new(Metric::L2, 8, 1e19).scale.is_nan());
        for norm in [1e-40, 1e37] {
            let row = RowBound::rounded(Metric::Cosine, 8, norm, Rounded::new(8, 0.0));
            assert!(row.scale.is_nan() && row.term.is_infinite());
        }
    }

    #[test]
    fn constants_are_the_powers_of_two_they_claim() {
        assert_eq!(TINY, 2.0_f64.powi(-148));
        assert_eq!(FLUSH, f64::from(f32::MIN_POSITIVE));
        assert_eq!(HUGE, 2.0_f64.powi(120));
        assert_eq!(U32, f64::from(f32::EPSILON) / 2.0);
        assert_eq!(U64, f64::EPSILON / 2.0);
    }
}
