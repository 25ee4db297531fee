//! What follows the layers: pooling, dense maps, normalisation, and the columns that are kept.

use std::path::PathBuf;

use super::Precision;
use super::linear::Linear;
use super::operand::Operand;
use super::packed::Plan;
use super::pooling::Pooling;
use super::tensors::Tensors;
use crate::error::{Error, Result};
use crate::kernels::{Activation, Bf16Tiles, Kernels};

/// A dense map's file and shape.
#[derive(Debug, Clone)]
pub struct DenseFile {
    /// Its safetensors file, with `linear.weight` and perhaps `linear.bias`.
    pub path: PathBuf,
    /// Columns in.
    pub inputs: usize,
    /// Columns out.
    pub outputs: usize,
    /// The function after it.
    pub activation: Activation,
}

/// What modules.json lists after the transformer.
#[derive(Debug, Clone, Default)]
pub struct HeadFiles {
    /// One or more; several are put side by side.
    pub poolings: Vec<Pooling>,
    /// In order.
    pub dense: Vec<DenseFile>,
    /// Whether vectors are brought to length 1.
    pub normalize: bool,
    /// How many columns of each vector are kept.
    pub columns: usize,
}

/// The same with its weights.
#[derive(Debug)]
pub(super) struct Head {
    poolings: Vec<Pooling>,
    dense: Vec<(Linear, Activation)>,
    normalize: bool,
    columns: usize,
    hidden: usize,
}

impl Head {
    pub(super) fn read(files: &HeadFiles, hidden: usize, kernels: Kernels) -> Result<Self> {
        let mut width = hidden * files.poolings.len();
        let mut dense = Vec::new();
        for file in &files.dense {
            if file.inputs != width || file.outputs == 0 {
                return Err(Error::Architecture {
                    problem: format!("a dense map takes {} columns and gets {width}", file.inputs),
                });
            }
            let tensors = Tensors::open(std::slice::from_ref(&file.path))?;
            // A row per text: nothing to win by fewer bits.
            let plan = Plan { precision: Precision::F32, kernels, ranges: &[] };
            let linear = Linear::read(&tensors, "linear", (width, file.outputs), &plan.form())?;
            dense.push((linear, file.activation));
            width = file.outputs;
        }
        if files.poolings.is_empty() || files.columns == 0 || files.columns > width {
            return Err(Error::Architecture {
                problem: format!("{} of {width} columns are to be kept", files.columns),
            });
        }
        Ok(Self {
            poolings: files.poolings.clone(),
            dense,
            normalize: files.normalize,
            columns: files.columns,
            hidden,
        })
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// The vector of a text's rows.
    pub(super) fn vector(&self, rows: &[f32], tiles: &mut Bf16Tiles) -> Vec<f32> {
        let kernels = tiles.kernels();
        let mut vector = Vec::new();
        for pooling in &self.poolings {
            pooling.append(rows, self.hidden, &mut vector, kernels);
        }
        for (linear, activation) in &self.dense {
            let mut input = Operand::new(Precision::F32);
            input.fill(&vector, vector.len(), &[], kernels);
            let mut output = Operand::new(Precision::F32);
            let after = (*activation, None);
            linear.activate(&input, 0..linear.outputs(), after, &mut output, tiles);
            vector = output.floats;
        }
        if self.normalize {
            // torch's floor: a zero vector stays one, and is refused by whoever asked for it.
            let norm = kernels.dot(&vector, &vector).sqrt().max(1e-12);
            for value in &mut vector {
                *value = (f64::from(*value) / norm) as f32;
            }
        }
        vector.truncate(self.columns);
        vector
    }
}
