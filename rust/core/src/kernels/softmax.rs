//! The exponentials of attention.

#![allow(clippy::inline_always, reason = "a body is compiled for vectors only inside its caller")]

use super::bf16::{Line, STEP, round};
use super::by_isa::by_isa;
use super::vector_math::{Lane, exp, exp2_near, larger, tree_max, tree_sum};
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

/// The largest of the scores, scaled and with their bias.
#[inline(always)]
fn highest(scores: &[f32], scale: f32, bias: &[f32]) -> f32 {
    let (chunks, rest) = scores.as_chunks::<LANES>();
    let (biases, last_bias) = bias.as_chunks::<LANES>();
    let mut most: Lane = [f32::NEG_INFINITY; LANES];
    if bias.is_empty() {
        for chunk in chunks {
            for lane in 0..LANES {
                most[lane] = larger(most[lane], chunk[lane]);
            }
        }
        for (lane, score) in rest.iter().enumerate() {
            most[lane] = larger(most[lane], *score);
        }
        return tree_max(most) * scale;
    }
    for (chunk, bias) in chunks.iter().zip(biases) {
        for lane in 0..LANES {
            most[lane] = larger(most[lane], chunk[lane].mul_add(scale, bias[lane]));
        }
    }
    for (lane, (score, bias)) in rest.iter().zip(last_bias).enumerate() {
        most[lane] = larger(most[lane], score.mul_add(scale, *bias));
    }
    tree_max(most)
}

/// 16 exponentials as codes; adds them to `sums`.
#[inline(always)]
fn half_line(values: &Lane, sums: &mut Lane, codes: &mut [u16; LANES]) {
    // Loops over one vector's lanes each: anything else is compiled to shuffles.
    let mut powers: Lane = [0.0; LANES];
    for lane in 0..LANES {
        powers[lane] = exp2_near(values[lane]);
    }
    for lane in 0..LANES {
        sums[lane] += powers[lane];
    }
    for lane in 0..LANES {
        codes[lane] = round(powers[lane]);
    }
}

/// As [`exponentials_body`], to lines of bfloat16 that lie `stride` apart.
#[inline(always)]
fn shares_body(scores: &[f32], scale: f32, bias: &[f32], lines: &mut [Line], stride: usize) -> f32 {
    // Powers of 2 take one step less.
    let to_two = std::f32::consts::LOG2_E;
    let (scale, top) = (scale * to_two, highest(scores, scale, bias) * to_two);
    let mut sums: Lane = [0.0; LANES];
    let (chunks, rest) = scores.as_chunks::<LANES>();
    let (biases, last_bias) = bias.as_chunks::<LANES>();
    let mut at = 0;
    for line in lines.iter_mut().step_by(stride) {
        for codes in line.0.as_chunks_mut::<LANES>().0 {
            let mut values: Lane = [0.0; LANES];
            if let Some(chunk) = chunks.get(at) {
                if let Some(bias) = biases.get(at) {
                    for lane in 0..LANES {
                        let bias = bias[lane].mul_add(to_two, -top);
                        values[lane] = chunk[lane].mul_add(scale, bias);
                    }
                } else {
                    for lane in 0..LANES {
                        values[lane] = chunk[lane].mul_add(scale, -top);
                    }
                }
                half_line(&values, &mut sums, codes);
            } else if at == chunks.len() && !rest.is_empty() {
                values = [f32::NEG_INFINITY; LANES];
                for (i, score) in rest.iter().enumerate() {
                    let bias = last_bias.get(i).unwrap_or(&0.0);
                    values[i] = score.mul_add(scale, bias.mul_add(to_two, -top));
                }
                half_line(&values, &mut sums, codes);
                codes[rest.len()..].fill(0);
            } else {
                codes.fill(0);
            }
            at += 1;
        }
        if at * LANES >= scores.len() {
            break;
        }
    }
    tree_sum(sums)
}

by_isa! {
    fn shares(
        kernels, scores: &[f32], scale: f32, bias: &[f32], lines: &mut [Line], stride: usize,
    ) -> f32 = shares_body;
}

impl Kernels {
    /// As [`Kernels::exponentials`], rounded to bfloat16, 32 a line, `stride` lines apart, the last one
    /// filled up with zeros. Within 1e-4 of the value before it is rounded; the sum is of those.
    ///
    /// # Panics
    /// If a bias is given and the lengths differ, the scale is not above 0, or there are too few lines.
    #[must_use]
    pub fn shares(
        self,
        scores: &[f32],
        scale: f32,
        bias: &[f32],
        lines: &mut [Line],
        stride: usize,
    ) -> f32 {
        assert!(bias.is_empty() || bias.len() == scores.len());
        assert!(scale > 0.0 && scores.len().div_ceil(STEP).max(1) * stride < lines.len() + stride);
        shares(self, scores, scale, bias, lines, stride)
    }

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
    use crate::kernels::{Isa, bf16};

    #[test]
    fn shares_are_the_softmax_as_lines_on_every_isa() {
        for n in [1_usize, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100] {
            let scores: Vec<f32> = (0..n).map(|i| ((i * 29) % 53) as f32 * 0.4 - 9.0).collect();
            let bias: Vec<f32> = (0..n).map(|i| i as f32 * 0.05).collect();
            for bias in [&[][..], &bias] {
                let mut first: Option<(Vec<Line>, f32)> = None;
                for kernels in Isa::available().filter_map(Kernels::with_isa) {
                    let mut truth = scores.clone();
                    let total = kernels.exponentials(&mut truth, 0.25, bias);
                    let mut lines = vec![Line([7; STEP]); 2 * n.div_ceil(STEP) - 1];
                    let sum = kernels.shares(&scores, 0.25, bias, &mut lines, 2);
                    assert!((sum / total - 1.0).abs() < 1e-4);
                    for i in 0..n.next_multiple_of(STEP) {
                        let found = bf16::widen(lines[i / STEP * 2].0[i % STEP]);
                        let truth = truth.get(i).copied().unwrap_or_default();
                        assert!((found - truth).abs() <= truth * 4.1e-3, "{n} {i} {found} {truth}");
                    }
                    let answer = (lines, sum);
                    assert_eq!(&answer, first.get_or_insert(answer.clone()));
                }
            }
        }
    }

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
