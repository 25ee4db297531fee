//! One layer of either kind, and the buffers that layers share.

use super::Precision;
use super::architecture::Architecture;
use super::attention::{Attention, Joined};
use super::linear::Linear;
use super::operand::Operand;
use super::post_norm::PostNorm;
use super::pre_norm::PreNorm;
use super::ranges::Ranges;
use crate::kernels::{Bf16Tiles, Kernels};

/// Buffers of one thread.
#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) tiles: Bf16Tiles,
    pub(super) attention: Attention,
    pub(super) input: Operand,
    pub(super) mixed: Operand,
    pub(super) inner: Operand,
    pub(super) joined: Joined,
    /// Rows that were normalised beside those that pass by.
    pub(super) normal: Vec<f32>,
    /// What is still turned, or lets through.
    pub(super) floats: Vec<f32>,
    pub(super) ranges: Ranges,
}

impl Scratch {
    pub(super) fn new(shape: &Architecture, precision: Precision, kernels: Kernels) -> Self {
        Self {
            tiles: Bf16Tiles::new(kernels),
            attention: Attention::new(
                precision.of_attention(kernels),
                shape.heads,
                shape.head_width(),
            ),
            input: Operand::new(precision),
            mixed: Operand::new(precision),
            inner: Operand::new(precision),
            joined: Joined::default(),
            normal: Vec::new(),
            floats: Vec::new(),
            ranges: Ranges::default(),
        }
    }
}

#[derive(Debug)]
pub(super) enum Layer {
    /// BERT and its kin.
    PostNorm(PostNorm),
    /// ModernBERT.
    PreNorm(PreNorm),
}

impl Layer {
    /// Takes the rows of several texts, whose ends are `ends`, through the layer.
    pub(super) fn forward(&self, rows: &mut [f32], ends: &[usize], scratch: &mut Scratch) {
        match self {
            Self::PostNorm(layer) => layer.forward(rows, ends, scratch),
            Self::PreNorm(layer) => layer.forward(rows, ends, scratch),
        }
    }

    /// Its linear maps.
    pub(super) fn linears(&self) -> Vec<&Linear> {
        match self {
            Self::PostNorm(layer) => layer.linears().to_vec(),
            Self::PreNorm(layer) => layer.linears().to_vec(),
        }
    }
}
