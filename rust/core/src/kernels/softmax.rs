//! The exponentials of attention.

#![allow(clippy::inline_always, reason = "a body is compiled for vectors only inside its caller")]

use super::by_isa::by_isa;
use super::vector_math::{Lane, exp, larger, tree_max, tree_sum};
use super::{Kernels, LANES};

/// Turns scores into exponentials; returns their sum. The last lanes are filled up with minus infinity,
/// whose exponential is 0.
#[inline(always)]
fn exponentials_body(scores: &mut [f32], scale: f32, bias: &[f32]) -> f32 {
    let (chunks, rest) = scores.as_chunks_mut::<LANES>();
    let (biases, last_bias) = bias.as_chunks::<LANES>();
    let mut last: Lane = [f32::NEG_INFINITY; LANES];
    last[..rest.len()].copy_from_slice(rest);
    let mut highest: Lane = [f32::NEG_INFINITY; LANES];
    for (at, chunk) in chunks.iter_mut().enumerate() {
        let bias = biases.get(at).unwrap_or(&[0.0; LANES]);
        for lane in 0..LANES {
            chunk[lane] = chunk[lane].mul_add(scale, bias[lane]);
            highest[lane] = larger(highest[lane], chunk[lane]);
        }
    }
    let mut bias: Lane = [0.0; LANES];
    bias[..last_bias.len()].copy_from_slice(last_bias);
    for lane in 0..LANES {
        last[lane] = last[lane].mul_add(scale, bias[lane]);
        highest[lane] = larger(highest[lane], last[lane]);
    }
    let highest = tree_max(highest);
    let mut sums: Lane = [0.0; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            chunk[lane] = exp(chunk[lane] - highest);
            sums[lane] += chunk[lane];
        }
    }
    for lane in 0..LANES {
        last[lane] = exp(last[lane] - highest);
        sums[lane] += last[lane];
    }
    rest.copy_from_slice(&last[..rest.len()]);
    tree_sum(sums)
}

by_isa! {
    fn exponentials(kernels, scores: &mut [f32], scale: f32, bias: &[f32]) -> f32
        = exponentials_body;
}

impl Kernels {
    /// Replaces each score by `exp(score * scale + bias - largest)` and returns the sum: a softmax but for
    /// the division. The bias may be empty.
    ///
    /// # Panics
    /// If a bias is given and the lengths differ.
    #[must_use]
    pub fn exponentials(self, scores: &mut [f32], scale: f32, bias: &[f32]) -> f32 {
        assert!(bias.is_empty() || bias.len() == scores.len());
        exponentials(self, scores, scale, bias)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Isa;

    #[test]
    fn every_isa_returns_a_softmax_and_the_same_bits() {
        for n in [1, 2, 15, 16, 17, 31, 33, 100] {
            let scores: Vec<f32> = (0..n).map(|i| ((i * 29) % 53) as f32 * 0.4 - 9.0).collect();
            let bias: Vec<f32> = (0..n).map(|i| i as f32 * 0.05).collect();
            for bias in [&[][..], &bias] {
                let scaled: Vec<f64> = (0..n)
                    .map(|i| {
                        f64::from(scores[i]) * 0.25 + bias.get(i).map_or(0.0, |&b| f64::from(b))
                    })
                    .collect();
                let highest = scaled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let truth: Vec<f64> = scaled.iter().map(|x| (x - highest).exp()).collect();
                let total: f64 = truth.iter().sum();
                let mut first: Option<(Vec<f32>, f32)> = None;
                for kernels in Isa::available().filter_map(Kernels::with_isa) {
                    let mut found = scores.clone();
                    let sum = kernels.exponentials(&mut found, 0.25, bias);
                    for (value, truth) in found.iter().zip(&truth) {
                        let share = f64::from(*value) / f64::from(sum);
                        assert!((share - truth / total).abs() < 1e-6);
                    }
                    let answer = (found, sum);
                    assert_eq!(&answer, first.get_or_insert(answer.clone()));
                }
            }
        }
    }
}
