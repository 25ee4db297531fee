//! The similarities and their canonical scores.

use crate::kernels::Kernels;

/// How two vectors are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Inner product over both norms; 0 where a norm is 0. Larger is better.
    Cosine,
    /// Inner product. Larger is better.
    Dot,
    /// Squared Euclidean distance. Smaller is better.
    L2,
}

impl Metric {
    /// Canonical goodness of a row for a query: the similarity, or the negated distance.
    ///
    /// The norms are canonical ones ([`norm`]); only cosine reads them.
    #[must_use]
    pub fn goodness(self, kernels: Kernels, query: Normed, row: Normed) -> f64 {
        match self {
            Self::Dot => kernels.dot(query.values, row.values),
            Self::L2 => -kernels.squared_distance(query.values, row.values),
            Self::Cosine => {
                let product = query.norm * row.norm;
                if product == 0.0 { 0.0 } else { kernels.dot(query.values, row.values) / product }
            }
        }
    }

    /// The canonical score of a goodness, and the other way round.
    #[must_use]
    pub fn signed(self, value: f64) -> f64 {
        match self {
            Self::Cosine | Self::Dot => value,
            Self::L2 => 0.0 - value,
        }
    }

    /// The score of a place that no row fills.
    #[must_use]
    pub fn worst(self) -> f32 {
        match self {
            Self::Cosine | Self::Dot => f32::NEG_INFINITY,
            Self::L2 => f32::INFINITY,
        }
    }
}

/// A vector with its canonical norm.
#[derive(Debug, Clone, Copy)]
pub struct Normed<'a> {
    /// The vector.
    pub values: &'a [f32],
    /// Its [`norm`].
    pub norm: f64,
}

/// Canonical Euclidean norm: the root of the canonical inner product with itself.
#[must_use]
pub fn norm(kernels: Kernels, x: &[f32]) -> f64 {
    kernels.dot(x, x).sqrt()
}
