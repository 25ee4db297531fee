//! Layer normalisation with its weights.

use super::tensors::Tensors;
use crate::error::Result;
use crate::kernels::Kernels;

/// Weights of one normalisation.
#[derive(Debug)]
pub(super) struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

impl Norm {
    /// Reads `name.weight` and `name.bias`; files of TensorFlow's days say gamma and beta.
    pub(super) fn read(tensors: &Tensors, name: &str, width: usize, epsilon: f32) -> Result<Self> {
        let old = tensors.has(&format!("{name}.gamma"));
        let (weight, bias) = if old { ("gamma", "beta") } else { ("weight", "bias") };
        Ok(Self {
            weight: tensors.values(&format!("{name}.{weight}"), &[width])?,
            bias: tensors.values(&format!("{name}.{bias}"), &[width])?,
            epsilon,
        })
    }

    /// Reads `name.weight`, and `name.bias` if there is one.
    pub(super) fn read_shifted(
        tensors: &Tensors,
        name: &str,
        width: usize,
        epsilon: f32,
        is_shifted: bool,
    ) -> Result<Self> {
        if is_shifted {
            return Self::read(tensors, name, width, epsilon);
        }
        let weight = tensors.values(&format!("{name}.weight"), &[width])?;
        Ok(Self { weight, bias: vec![0.0; width], epsilon })
    }

    /// Adds a row to each, and normalises it in place.
    pub(super) fn apply_after(&self, added: &[f32], rows: &mut [f32], kernels: Kernels) {
        for row in rows.chunks_exact_mut(self.weight.len()) {
            kernels.add(added, row);
            kernels.layer_norm(row, &self.weight, &self.bias, self.epsilon);
        }
    }

    /// Normalises each row in place.
    pub(super) fn apply(&self, rows: &mut [f32], kernels: Kernels) {
        for row in rows.chunks_exact_mut(self.weight.len()) {
            kernels.layer_norm(row, &self.weight, &self.bias, self.epsilon);
        }
    }
}
