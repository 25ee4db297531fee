//! Layer normalisation: rows brought to mean 0 and variance 1, then scaled and shifted.

#![allow(clippy::inline_always, reason = "a body is compiled for vectors only inside its caller")]

use super::by_isa::by_isa;
use super::vector_math::{Lane, tree_sum};
use super::{Kernels, LANES};

/// Sum of `f` over a row: 16 running sums, a fixed tree, then the rest one by one.
#[inline(always)]
fn sum(row: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = row.as_chunks::<LANES>();
    let mut sums: Lane = [0.0; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            sums[lane] += f(chunk[lane]);
        }
    }
    let mut total = tree_sum(sums);
    for &value in rest {
        total += f(value);
    }
    total
}

#[inline(always)]
fn normalise_body(row: &mut [f32], weight: &[f32], bias: &[f32], epsilon: f32) {
    let n = row.len() as f32;
    let mean = sum(row, |x| x) / n;
    let variance = sum(row, |x| (x - mean) * (x - mean)) / n;
    let factor = 1.0 / (variance + epsilon).sqrt();
    for ((value, weight), bias) in row.iter_mut().zip(weight).zip(bias) {
        *value = ((*value - mean) * factor).mul_add(*weight, *bias);
    }
}

by_isa! {
    fn normalise(kernels, row: &mut [f32], weight: &[f32], bias: &[f32], epsilon: f32)
        = normalise_body;
}

impl Kernels {
    /// Normalises a row in place (Ba, Kiros and Hinton, "Layer normalization", 2016).
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn layer_norm(self, row: &mut [f32], weight: &[f32], bias: &[f32], epsilon: f32) {
        assert!(row.len() == weight.len() && row.len() == bias.len());
        normalise(self, row, weight, bias, epsilon);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Isa;

    #[test]
    fn every_isa_returns_the_formula_and_the_same_bits() {
        for n in [1, 2, 15, 16, 17, 33, 384] {
            let row: Vec<f32> = (0..n).map(|i| ((i * 37) % 101) as f32 * 0.1 - 3.0).collect();
            let weight: Vec<f32> = (0..n).map(|i| 1.0 + i as f32 * 0.01).collect();
            let bias: Vec<f32> = (0..n).map(|i| i as f32 * -0.02).collect();
            let mean = row.iter().copied().map(f64::from).sum::<f64>() / f64::from(n);
            let variance =
                row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / f64::from(n);
            let mut first: Option<Vec<f32>> = None;
            for kernels in Isa::available().filter_map(Kernels::with_isa) {
                let mut found = row.clone();
                kernels.layer_norm(&mut found, &weight, &bias, 1e-5);
                for (i, value) in found.iter().enumerate() {
                    let truth = (f64::from(row[i]) - mean) / (variance + 1e-5).sqrt()
                        * f64::from(weight[i])
                        + f64::from(bias[i]);
                    assert!((f64::from(*value) - truth).abs() < 2e-5, "{n} {i}");
                }
                assert_eq!(&found, first.get_or_insert(found.clone()));
            }
        }
    }
}
