//! Vectors as codes of 8 bits, with what the certificate must know of each.
//!
//! # The proof
//!
//! Write `q` and `x` for the vectors that the truth multiplies (for cosine over their norms), `m` for
//! the centre and `R` for the rotation. With `q' = R (q - m)` and `x' = R (x - m)`,
//!
//! ```text
//! q . x = q' . x' + m . x + (q . m - m . m)
//! ```
//!
//! exactly, for any `m`. The second term is the row's `shift` (l2 adds `-|x|^2 / 2`), the last one the
//! query's `constant`. Let `Q` and `X` be what the codes stand for. By Cauchy and Schwarz,
//!
//! ```text
//! |q' . x' - Q . X| = |q' . (x' - X) + (q' - Q) . X| <= |q'| |x' - X| + |q' - Q| |X|
//! ```
//!
//! * `|x' - X|` is the row's `lost`: measured in `f32` by `encode_int8`, widened by that measure's own
//!   error, by `16 u (|x| + |m|)` for moving the row in `f32` (`u = 2^-24`, [`Transform::row`]), and
//!   by what may underflow.
//! * `|X|` is the row's `size`: the scale times the root of the codes' squares, a whole number.
//! * `|q'|` and `|q' - Q|` are computed in `f64` from the query itself.
//!
//! The integer product is exact ([`MAX_DIM`]). Making a key of it rounds: the product to `f32` (`u`),
//! times both scales (`2 u`), plus the shift and the two terms of the bound (`3 u` of the sum so far),
//! altogether at most `8 u (|Q| |X| + |shift|)` and `8 u` of the bound. The first is added to the
//! query's share of `size` (as `16 u |Q|`), the second to the row's `slack`, the third is covered by
//! widening the share by `2^-10`. Kernels use `share * (lost + ratio * size)`, where `share` is `|q'|` and
//! `ratio` the largest `|q' - Q| / |q'|` of the queries side by side: never less than the bound.
//!
//! The canonical score's own rounding is at most `2 (D + 8) 2^-53 |q| |x|`. It is not proportional to
//! `|q'|`, which may be small: so the query's share of `lost` is at least `2^-10 |q|`, and `lost` holds
//! `(D + 8) 2^-40 |x|`. For l2 it is at most `4 (D + 4) 2^-53 (|q|^2 + |x|^2)`: the row's half is slack,
//! the query's half is part of its constant error, as is the rounding of the constant itself.
//!
//! # Rows as queries
//!
//! Where a corpus is compared with itself, a row's codes are the query's as well. Then `|q' - Q|` is
//! at most its `lost`, `|q'|` at most `size + lost`, and its `shift` less `m . m` is the constant of a
//! truth that is the same from both sides: `m . q - m . m`, for l2 less `|q|^2 / 2`. It is too large by
//! at most the row's `slack`, which holds the canonical score's rounding too, and off by the rounding of
//! `m . m`.
//!
//! What leaves the range in which all this holds is coded as nothing, with an infinite shift: such a
//! row or query is a hit everywhere, and scored exactly.

use super::metric::Metric;
use super::transform::{Transform, factor};
use crate::kernels::Kernels;
use crate::kernels::int8::MAX_DIM;

/// Unit roundoff of `f32`.
const U32: f64 = 1.0 / (1_u64 << 24) as f64;
/// Unit roundoff of `f64`.
const U64: f64 = 1.0 / (1_u64 << 53) as f64;
/// The smallest normal `f32`.
const FLUSH: f64 = f32::MIN_POSITIVE as f64;
/// Larger vectors are not coded, so that no key overflows.
const LARGEST: f64 = (1_u64 << 50) as f64;
/// Widens a bound that was itself computed with rounding.
const WIDER: f64 = 1.0 + 1.0 / 1024.0;

/// True if rows of this width can be coded.
pub(super) fn fits(dim: usize) -> bool {
    dim <= MAX_DIM
}

/// What is kept of a row besides its codes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RowFacts {
    pub(super) scale: f32,
    pub(super) shift: f32,
    pub(super) lost: f32,
    pub(super) size: f32,
    /// By how much `shift` may exceed the truth's; half of it was added.
    pub(super) slack: f32,
    pub(super) sum: i32,
}

impl RowFacts {
    /// A row that is a hit everywhere.
    fn unknown() -> Self {
        Self {
            scale: 0.0,
            shift: f32::INFINITY,
            lost: 0.0,
            size: 0.0,
            slack: f32::INFINITY,
            sum: 0,
        }
    }
}

/// Codes rows one by one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coder<'a> {
    pub(super) kernels: Kernels,
    pub(super) metric: Metric,
    pub(super) transform: &'a Transform,
}

impl Coder<'_> {
    /// Codes a row of this canonical norm; `moved` and `codes` are a stride long.
    pub(super) fn row(
        &self,
        values: &[f32],
        norm: f64,
        moved: &mut [f32],
        codes: &mut [i8],
    ) -> RowFacts {
        let dim = values.len() as f64;
        let (Some(factor), true) = (factor(self.metric, norm), norm < LARGEST || self.unit())
        else {
            codes.fill(0);
            return RowFacts::unknown();
        };
        self.transform.row(self.kernels, values, factor, moved);
        let coded = self.kernels.encode_int8(moved, codes);
        let length = if self.unit() && norm > 0.0 { 1.0 } else { norm };
        let centre = self.transform.norm();
        let size = f64::from(coded.scale) * f64::from(coded.squares).sqrt();
        let lost = (1.02 * f64::from(coded.lost)).sqrt()
            + 32.0 * U32 * (length + centre + size)
            + (dim + 8.0) * (1.0 / (1_u64 << 40) as f64) * length
            + dim * FLUSH;
        let share = self.kernels.dot(&self.transform.centre()[..values.len()], values);
        let share = if self.unit() && norm > 0.0 { share / norm } else { share };
        let square = if self.metric == Metric::L2 { norm * norm } else { 0.0 };
        let shift = share - 0.5 * square;
        let slack = 16.0 * U32 * (shift.abs() + FLUSH)
            + 4.0 * (dim + 8.0) * U64 * (centre * length + square);
        let facts = RowFacts {
            scale: coded.scale,
            shift: ((shift + slack) as f32).next_up(),
            lost: ((lost * WIDER) as f32).next_up(),
            size: ((size * WIDER) as f32).next_up(),
            slack: ((2.0 * slack * WIDER) as f32).next_up(),
            sum: coded.sum,
        };
        let bounded = f64::from(facts.size) < LARGEST && square < LARGEST * LARGEST;
        if facts.lost.is_finite() && facts.shift.is_finite() && bounded {
            facts
        } else {
            codes.fill(0);
            RowFacts::unknown()
        }
    }

    fn unit(&self) -> bool {
        self.metric == Metric::Cosine
    }
}

/// What is kept of a query besides its codes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct QueryFacts {
    pub(super) scale: f32,
    /// The key may be off by this times the row's `lost`, and `ratio` times as much of its `size`.
    pub(super) share: f32,
    /// At most 1.
    pub(super) ratio: f32,
    /// What the truth is more than the key.
    pub(super) constant: f64,
    /// By how much `constant` may be wrong.
    pub(super) constant_error: f64,
}

impl QueryFacts {
    /// Codes a query of this canonical norm, given scaled and padded to a stride; `put` gets each
    /// dimension's code.
    pub(super) fn code(
        metric: Metric,
        transform: &Transform,
        dim: usize,
        norm: f64,
        values: &mut [f64],
        mut put: impl FnMut(usize, i8),
    ) -> Self {
        let constant = transform.constant(&values[..dim]);
        transform.query(values);
        let length = if metric == Metric::Cosine && norm > 0.0 { 1.0 } else { norm };
        let largest = values.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
        let own = values.iter().map(|value| value * value).sum::<f64>().sqrt();
        if !(own < LARGEST && length < LARGEST) {
            (0..values.len()).for_each(|d| put(d, 0));
            return Self::unknown();
        }
        let scale = (largest / 127.0) as f32;
        // Too small to be coded: all of it is lost.
        let scale = if f64::from(scale) > 1.0 / LARGEST / LARGEST { scale } else { 0.0 };
        let (mut rest, mut squares) = (0.0, 0.0);
        for (d, &value) in values.iter().enumerate() {
            let code = if scale > 0.0 { (value / f64::from(scale)).round() } else { 0.0 };
            let code = code.clamp(-127.0, 127.0);
            put(d, code as i8);
            rest += (value - code * f64::from(scale)).powi(2);
            squares += code * code;
        }
        let size = f64::from(scale) * squares.sqrt();
        let on_size = rest.sqrt() + 16.0 * U32 * size + FLUSH;
        let share = own.max(length / 1024.0).max(on_size);
        let centre = transform.norm();
        let canonical = match metric {
            Metric::L2 => 4.0 * (dim + 4) as f64 * U64 * norm * norm,
            Metric::Cosine | Metric::Dot => 0.0,
        };
        Self {
            scale,
            share: ((share * WIDER) as f32).next_up(),
            ratio: ((on_size / share) as f32).next_up().min(1.0),
            constant,
            constant_error: canonical
                + 4.0 * (dim + 8) as f64 * U64 * (length + centre) * (1.0 + centre),
        }
    }

    /// A query for which every row is a hit.
    fn unknown() -> Self {
        Self {
            scale: 0.0,
            share: f32::INFINITY,
            ratio: 1.0,
            constant: 0.0,
            constant_error: f64::INFINITY,
        }
    }

    /// For a coded row of this canonical norm as the query, with a truth that is the same from both
    /// sides; see the module.
    pub(super) fn of_row(
        metric: Metric,
        transform: &Transform,
        dim: usize,
        norm: f64,
        row: &RowFacts,
    ) -> Self {
        if !row.shift.is_finite() {
            return Self::unknown();
        }
        let length = if metric == Metric::Cosine && norm > 0.0 { 1.0 } else { norm };
        let (lost, size) = (f64::from(row.lost), f64::from(row.size));
        let on_size = lost + 16.0 * U32 * size + FLUSH;
        let share = (size + lost).max(length / 1024.0).max(on_size);
        let square = transform.norm().powi(2);
        Self {
            scale: row.scale,
            share: ((share * WIDER) as f32).next_up(),
            ratio: ((on_size / share) as f32).next_up().min(1.0),
            constant: f64::from(row.shift) - square,
            constant_error: f64::from(row.slack) + 4.0 * (dim + 8) as f64 * U64 * square,
        }
    }

    /// Bound on how far an upper key lies above what it bounds, for a row.
    ///
    /// `ratio` is the largest of those that met the row together.
    pub(super) fn error(&self, row: &RowFacts, ratio: f32) -> f64 {
        let off = f64::from(row.lost) + f64::from(ratio) * f64::from(row.size);
        f64::from(self.share) * off * WIDER
    }
}
