//! A motion that makes vectors easy to code, and keeps their inner products.
//!
//! Codes of 8 bits share one scale a vector, so what they lose grows with its largest coordinate.
//! Taking the corpus's mean away makes vectors shorter where they all lean one way, as many models'
//! do; a rotation spreads coordinates that dwarf the others.

use crate::kernels::Kernels;
use crate::kernels::int8::{LINE, stride};
use crate::rows::Corpus;

use super::metric::Metric;

/// Rows that the mean is taken from.
const SAMPLE: usize = 1024;

/// A vector is rotated once its largest coordinate is on average this many times the root mean
/// square of all: 3 to 4 is what a bell curve gives.
const DOMINATED: f64 = 7.0;

/// Coordinates that are turned among themselves.
const TURNED: usize = LINE;

/// Beyond it, a centre would cost more precision than it saves.
const LARGEST: f32 = (1_u64 << 50) as f32;

/// A centre, and whether to rotate.
#[derive(Debug, Clone, PartialEq)]
pub struct Transform {
    /// As many values as a padded row.
    centre: Vec<f32>,
    rotated: bool,
    /// Norm of the centre.
    norm: f64,
    dim: usize,
}

impl Transform {
    /// With this centre.
    ///
    /// Any centre gives the same answers: it only decides how tight the bounds are.
    #[must_use]
    pub fn new(centre: &[f32], rotated: bool) -> Self {
        let mut padded = centre.to_vec();
        padded.resize(stride(centre.len()), 0.0);
        let norm = centre.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
        Self { centre: padded, rotated, norm, dim: centre.len() }
    }

    /// Chosen from a sample of the rows, which are numbers in the corpus.
    #[must_use]
    pub fn fitted(
        kernels: Kernels,
        metric: Metric,
        corpus: Corpus,
        rows: usize,
        number: impl Fn(usize) -> u32,
    ) -> Self {
        let dim = corpus.dim();
        let step = rows.div_ceil(SAMPLE).max(1);
        let sample = || (0..rows).step_by(step).map(&number);
        let (mut scratch, mut sums, mut count) = (Vec::new(), vec![0.0_f64; dim], 0_usize);
        let factor = |values: &[f32]| factor(metric, super::metric::norm(kernels, values));
        for row in sample() {
            let values = corpus.read(kernels, row as usize, &mut scratch);
            let Some(factor) = factor(values) else { continue };
            count += 1;
            for (sum, &value) in sums.iter_mut().zip(values) {
                *sum += f64::from(value * factor);
            }
        }
        let mean = |sum: &f64| (sum / count.max(1) as f64) as f32;
        let mut centre: Vec<f32> = sums.iter().map(mean).collect();
        if !centre.iter().all(|value| value.abs() < LARGEST) {
            centre.fill(0.0);
        }
        let plain = Self::new(&centre, false);
        let mut moved = vec![0.0; stride(dim)];
        let (mut peaks, mut seen) = (0.0, 0_usize);
        for row in sample().step_by(8) {
            let values = corpus.read(kernels, row as usize, &mut scratch);
            let Some(factor) = factor(values) else { continue };
            plain.row(kernels, values, factor, &mut moved);
            let mass: f64 = moved.iter().map(|&value| f64::from(value).powi(2)).sum();
            let peak = moved.iter().fold(0.0, |most: f32, value| most.max(value.abs()));
            if mass > 0.0 && mass.is_finite() {
                peaks += f64::from(peak) * (dim as f64 / mass).sqrt();
                seen += 1;
            }
        }
        Self { rotated: peaks > DOMINATED * seen as f64, ..plain }
    }

    /// The centre, as wide as a row.
    #[must_use]
    pub fn centre(&self) -> &[f32] {
        &self.centre[..self.dim]
    }

    /// True if vectors are rotated.
    #[must_use]
    pub fn is_rotated(&self) -> bool {
        self.rotated
    }

    /// Norm of the centre.
    pub(super) fn norm(&self) -> f64 {
        self.norm
    }

    /// Moves `values * factor`, in `f32`. The result is padded to `target`'s length, a whole stride.
    ///
    /// It is within `16 * 2^-24 * (|values * factor| + |centre|)` of the exact motion: three roundings
    /// a coordinate and one for each of six turns, which keep lengths.
    pub(super) fn row(&self, kernels: Kernels, values: &[f32], factor: f32, target: &mut [f32]) {
        kernels.centre(values, factor, &self.centre, target);
        if self.rotated {
            turn(target, 0.125);
        }
    }

    /// Moves a query that is already scaled, in `f64`.
    pub(super) fn query(&self, values: &mut [f64]) {
        for (value, &centre) in values.iter_mut().zip(&self.centre) {
            *value -= f64::from(centre);
        }
        if self.rotated {
            turn(values, 0.125);
        }
    }

    /// The scaled query's inner product with the centre, less the centre's own: what a key of moved
    /// vectors lacks, besides the row's share.
    pub(super) fn constant(&self, query: &[f64]) -> f64 {
        let products = query.iter().zip(&self.centre);
        products.map(|(value, &centre)| (value - f64::from(centre)) * f64::from(centre)).sum()
    }
}

/// What a row's values are multiplied with; `None` where that is no normal number.
pub(super) fn factor(metric: Metric, norm: f64) -> Option<f32> {
    const MOST: f64 = (1_u64 << 60) as f64 * (1_u64 << 40) as f64;
    match metric {
        _ if norm >= MOST || norm.is_nan() => None,
        Metric::Cosine if norm == 0.0 => Some(1.0),
        Metric::Cosine if norm < 1.0 / MOST => None,
        Metric::Cosine => Some((1.0 / norm) as f32),
        Metric::Dot | Metric::L2 => Some(1.0),
    }
}

/// Hadamard's transform of every 64 coordinates, after turning fixed signs: a rotation, since the
/// scale is that of 64 unit columns.
fn turn<T>(values: &mut [T], scale: T)
where
    T: Copy + std::ops::Add<Output = T> + std::ops::Sub<Output = T> + std::ops::Mul<Output = T>,
    T: std::ops::Neg<Output = T>,
{
    // Bits without a pattern: without signs, a constant vector would become one giant coordinate.
    const SIGNS: u64 = 0x9E37_79B9_7F4A_7C15;
    for (number, block) in values.as_chunks_mut::<TURNED>().0.iter_mut().enumerate() {
        let signs = SIGNS.rotate_left(number as u32 * 7);
        for (place, value) in block.iter_mut().enumerate() {
            let scaled = *value * scale;
            *value = if signs >> place & 1 == 1 { -scaled } else { scaled };
        }
        let mut half = 1;
        while half < TURNED {
            for start in (0..TURNED).step_by(2 * half) {
                for i in start..start + half {
                    let (a, b) = (block[i], block[i + half]);
                    (block[i], block[i + half]) = (a + b, a - b);
                }
            }
            half *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Rows;

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn turning_keeps_inner_products_and_spreads_a_peak() {
        let mut a: Vec<f64> = (0..128).map(|i| f64::from(i * 31 % 17) - 8.0).collect();
        let mut b: Vec<f64> = (0..128).map(|i| f64::from(i * 13 % 11) - 5.0).collect();
        let before = dot(&a, &b);
        turn(&mut a, 0.125);
        turn(&mut b, 0.125);
        assert!((dot(&a, &b) - before).abs() < 1e-9);
        let mut peak = vec![0.0; 64];
        peak[5] = 8.0;
        turn(&mut peak, 0.125);
        assert!(peak.iter().all(|value: &f64| value.abs() == 1.0));
    }

    #[test]
    fn moved_vectors_have_the_inner_product_less_what_the_centre_tells() {
        let centre = [0.5_f32, -1.0, 2.0];
        for rotated in [false, true] {
            let transform = Transform::new(&centre, rotated);
            let query = [3.0, 4.0, -1.0];
            let row = [1.0_f32, 0.25, 8.0];
            let mut moved_row = vec![0.0_f32; 64];
            transform.row(Kernels::best(), &row, 1.0, &mut moved_row);
            let mut moved = query.to_vec();
            moved.resize(64, 0.0);
            transform.query(&mut moved);
            let wide: Vec<f64> = moved_row.iter().map(|&value| f64::from(value)).collect();
            let share: f64 = row.iter().zip(&centre).map(|(a, b)| f64::from(a * b)).sum();
            let total = dot(&moved, &wide) + share + transform.constant(&query);
            // 3 + 1 - 8
            assert!((total + 4.0).abs() < 1e-6, "{total}");
        }
    }

    #[test]
    fn a_dominant_coordinate_asks_for_the_rotation() {
        let mut data = vec![0.0_f32; 200 * 64];
        for (i, value) in data.iter_mut().enumerate() {
            *value = ((i * 7919 % 1009) as f32 / 1009.0 - 0.5) * 0.1;
        }
        let fit = |data: &[f32]| {
            let rows = Rows::new("corpus", data, 200, 64).unwrap();
            Transform::fitted(Kernels::best(), Metric::Dot, rows.into(), 200, |i| i as u32)
        };
        assert!(!fit(&data).is_rotated());
        for (i, row) in data.chunks_mut(64).enumerate() {
            row[9] = if i % 2 == 0 { 6.0 } else { -6.0 };
        }
        assert!(fit(&data).is_rotated());
    }
}
