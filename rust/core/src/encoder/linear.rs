//! Linear maps: weights packed once, products in tiles, and what follows them on the tile.

use std::ops::Range;

use super::Precision;
use super::operand::Operand;
use super::tensors::Tensors;
use crate::error::Result;
use crate::kernels::bf16::{GROUP, Line, SIDE, STEP, panel_place, round, steps};
use crate::kernels::{Activation, Bf16Tiles, Kernels, MAX_TILE_KEYS, MAX_TILE_ROWS, Shape, Tile};

/// Enough waiting queries that [`Kernels::shape`] gives its widest tile.
const MANY: usize = 1 << 20;

#[derive(Debug)]
enum Packed {
    /// Panels of `shape.lanes` outputs, input-major.
    F32 { panels: Vec<f32>, shape: Shape },
    /// Panels of 32 outputs.
    Bf16 { panels: Vec<Line> },
}

/// `y = W x + b`.
#[derive(Debug)]
pub(super) struct Linear {
    inputs: usize,
    outputs: usize,
    bias: Vec<f32>,
    /// The same, filled up with zeros.
    bias_lines: Vec<[f32; STEP]>,
    packed: Packed,
}

impl Linear {
    /// Reads `name.weight` of shape `(outputs, inputs)` and `name.bias`.
    pub(super) fn read(
        tensors: &Tensors,
        name: &str,
        (inputs, outputs): (usize, usize),
        (precision, kernels): (Precision, Kernels),
    ) -> Result<Self> {
        Self::read_joined(tensors, &[name.to_owned()], (inputs, outputs), (precision, kernels))
    }

    /// Reads several maps of the same inputs as one; `outputs` is that of each.
    pub(super) fn read_joined(
        tensors: &Tensors,
        names: &[String],
        (inputs, outputs): (usize, usize),
        (precision, kernels): (Precision, Kernels),
    ) -> Result<Self> {
        let (mut weights, mut bias) = (Vec::new(), Vec::new());
        for name in names {
            weights.extend(tensors.values(&format!("{name}.weight"), &[outputs, inputs])?);
            let key = format!("{name}.bias");
            bias.extend(if tensors.has(&key) {
                tensors.values(&key, &[outputs])?
            } else {
                vec![0.0; outputs]
            });
        }
        Ok(Self::new(&weights, bias, inputs, precision, kernels))
    }

    /// Reads `name` with twice as many outputs: the map of the first half of them, then that of the second.
    pub(super) fn read_halves(
        tensors: &Tensors,
        name: &str,
        (inputs, outputs): (usize, usize),
        (precision, kernels): (Precision, Kernels),
    ) -> Result<[Self; 2]> {
        let weights = tensors.values(&format!("{name}.weight"), &[2 * outputs, inputs])?;
        let key = format!("{name}.bias");
        let bias = if tensors.has(&key) {
            tensors.values(&key, &[2 * outputs])?
        } else {
            vec![0.0; 2 * outputs]
        };
        Ok([0, 1].map(|half| {
            let weights = &weights[half * outputs * inputs..][..outputs * inputs];
            let bias = bias[half * outputs..][..outputs].to_vec();
            Self::new(weights, bias, inputs, precision, kernels)
        }))
    }

    /// Packs row-major weights.
    pub(super) fn new(
        weights: &[f32],
        bias: Vec<f32>,
        inputs: usize,
        precision: Precision,
        kernels: Kernels,
    ) -> Self {
        let outputs = bias.len();
        debug_assert_eq!(weights.len(), inputs * outputs);
        let packed = match precision {
            Precision::F32 => {
                let shape = kernels.shape(MANY);
                let mut panels = vec![0.0; outputs.div_ceil(shape.lanes) * shape.lanes * inputs];
                for (output, row) in weights.chunks_exact(inputs).enumerate() {
                    let panel = output / shape.lanes * shape.lanes * inputs;
                    for (input, weight) in row.iter().enumerate() {
                        panels[panel + input * shape.lanes + output % shape.lanes] = *weight;
                    }
                }
                Packed::F32 { panels, shape }
            }
            Precision::Bf16 => {
                let depth = SIDE * steps(inputs);
                let mut panels = vec![Line::ZERO; outputs.div_ceil(SIDE) * depth];
                for (output, row) in weights.chunks_exact(inputs).enumerate() {
                    let panel = &mut panels[output / SIDE * depth..][..depth];
                    for (input, weight) in row.iter().enumerate() {
                        let (line, place) = panel_place(input, output % SIDE);
                        panel[line].0[place] = round(*weight);
                    }
                }
                Packed::Bf16 { panels }
            }
        };
        let bias_lines = bias
            .chunks(STEP)
            .map(|part| std::array::from_fn(|i| part.get(i).copied().unwrap_or_default()))
            .collect();
        Self { inputs, outputs, bias, bias_lines, packed }
    }

    /// Bytes of the packed weights.
    pub(super) fn bytes(&self) -> usize {
        match &self.packed {
            Packed::F32 { panels, .. } => size_of_val(panels.as_slice()),
            Packed::Bf16 { panels } => size_of_val(panels.as_slice()),
        }
    }

    /// Multiplications and additions for one row.
    pub(super) fn operations(&self) -> usize {
        2 * self.inputs * self.outputs
    }

    /// Writes `W x + b` to rows of floats.
    pub(super) fn store(&self, x: &Operand, y: &mut Vec<f32>, tiles: &mut Bf16Tiles) {
        let (kernels, width) = (tiles.kernels(), self.outputs);
        y.resize(x.rows() * width, 0.0);
        self.products(x, tiles, |row, columns, block, pitch| {
            let target = &mut y[row * width + columns.start..];
            kernels.store_block(block, pitch, &self.bias[columns], target, width);
        });
    }

    /// Writes `W x + b` to rows of lines, one after another.
    pub(super) fn store_lines(&self, x: &Operand, y: &mut Vec<Line>, tiles: &mut Bf16Tiles) {
        let (kernels, width) = (tiles.kernels(), steps(self.outputs));
        y.resize(x.rows() * width, Line::ZERO);
        self.products(x, tiles, |row, columns, block, _| {
            let step = columns.start / STEP;
            let target = &mut y[row * width + step..];
            let bias = &self.bias_lines[step];
            kernels.block_to_lines(block, bias, Activation::Identity, target, width);
        });
    }

    /// Adds `W x + b` to rows of floats.
    pub(super) fn accumulate(&self, x: &Operand, y: &mut [f32], tiles: &mut Bf16Tiles) {
        let (kernels, width) = (tiles.kernels(), self.outputs);
        self.products(x, tiles, |row, columns, block, pitch| {
            let target = &mut y[row * width + columns.start..];
            kernels.add_block(block, pitch, &self.bias[columns], target, width);
        });
    }

    /// Writes `f(W x + b)` as the next product reads it.
    pub(super) fn activate(
        &self,
        x: &Operand,
        activation: Activation,
        y: &mut Operand,
        tiles: &mut Bf16Tiles,
    ) {
        let (kernels, width) = (tiles.kernels(), self.outputs);
        y.resize(x.rows(), width);
        self.products(x, tiles, |row, columns, block, pitch| match self.packed {
            Packed::F32 { .. } => {
                let bias = &self.bias[columns.clone()];
                kernels.activate(block, pitch, bias, activation);
                let target = &mut y.floats[row * width + columns.start..];
                kernels.store_block(block, pitch, &[0.0; 64][..bias.len()], target, width);
            }
            Packed::Bf16 { .. } => {
                let step = columns.start / STEP;
                for (part, group) in block.chunks_mut(GROUP * STEP).enumerate() {
                    let first = y.line(row + part * GROUP, step);
                    let lines = &mut y.lines[first..first + GROUP];
                    kernels.block_to_lines(group, &self.bias_lines[step], activation, lines, 1);
                }
            }
        });
    }

    /// Writes `f(W x + b)` times the rows of `gates` as the next product reads it.
    pub(super) fn activate_gated(
        &self,
        x: &Operand,
        activation: Activation,
        gates: &[f32],
        y: &mut Operand,
        tiles: &mut Bf16Tiles,
    ) {
        let (kernels, width) = (tiles.kernels(), self.outputs);
        y.resize(x.rows(), width);
        self.products(x, tiles, |row, columns, block, pitch| {
            let bias = &self.bias[columns.clone()];
            kernels.activate(block, pitch, bias, activation);
            let gates = &gates[row * width + columns.start..];
            kernels.gate((&mut *block, pitch), bias.len(), gates, width);
            match self.packed {
                Packed::F32 { .. } => {
                    let target = &mut y.floats[row * width + columns.start..];
                    kernels.store_block(block, pitch, &[0.0; 64][..bias.len()], target, width);
                }
                Packed::Bf16 { .. } => {
                    let step = columns.start / STEP;
                    for (part, group) in block.chunks(GROUP * STEP).enumerate() {
                        let first = y.line(row + part * GROUP, step);
                        let lines = &mut y.lines[first..first + GROUP];
                        let plain = Activation::Identity;
                        kernels.block_to_lines(group, &[0.0; STEP], plain, lines, 1);
                    }
                }
            }
        });
    }

    /// Gives the products of some rows with each panel to `sink(row, columns, block, pitch)`.
    ///
    /// Panels go round outside: one stays in the nearest cache while all rows pass it.
    fn products(
        &self,
        x: &Operand,
        tiles: &mut Bf16Tiles,
        mut sink: impl FnMut(usize, Range<usize>, &mut [f32], usize),
    ) {
        debug_assert_eq!(x.width(), self.inputs);
        let kernels = tiles.kernels();
        match &self.packed {
            Packed::Bf16 { panels } => {
                let size = SIDE * steps(self.inputs);
                // Weights come from far: each share of rows asks for its share of the next panel.
                let share = size.div_ceil(x.rows().div_ceil(SIDE));
                for (at, panel) in panels.chunks_exact(size).enumerate() {
                    let columns = at * SIDE..self.outputs.min((at + 1) * SIDE);
                    for start in (0..x.rows()).step_by(SIDE) {
                        let next = (at + 1) * size + start / SIDE * share;
                        if let Some(soon) = panels.get(next..panels.len().min(next + share)) {
                            kernels.prefetch_far(soon);
                        }
                        let rows = SIDE.min(x.rows() - start);
                        let products = tiles.multiply(x.pair(start), panel);
                        sink(start, columns.clone(), &mut products[..rows * SIDE], SIDE);
                    }
                }
            }
            Packed::F32 { panels, shape } => {
                let floats =
                    FloatRows { values: &x.floats, pitch: self.inputs, width: self.inputs };
                for (at, panel) in panels.chunks_exact(shape.lanes * self.inputs).enumerate() {
                    let columns = at * shape.lanes..self.outputs.min((at + 1) * shape.lanes);
                    floats.multiply(x.rows(), panel, *shape, kernels, |row, block| {
                        sink(row, columns.clone(), block, shape.lanes);
                    });
                }
            }
        }
    }
}

/// Rows of floats, `pitch` apart, of which a part is multiplied.
#[derive(Debug, Clone, Copy)]
pub(super) struct FloatRows<'a> {
    pub(super) values: &'a [f32],
    pub(super) pitch: usize,
    pub(super) width: usize,
}

impl FloatRows<'_> {
    /// One row's part.
    pub(super) fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.pitch..][..self.width]
    }

    /// Gives the products of some rows with a panel to `sink(row, block)`.
    pub(super) fn multiply(
        &self,
        rows: usize,
        panel: &[f32],
        shape: Shape,
        kernels: Kernels,
        mut sink: impl FnMut(usize, &mut [f32]),
    ) {
        // A key of any size is wanted, as it is.
        const FLOOR: [f32; 64] = [f32::NEG_INFINITY; 64];
        let mut keys = [0.0; MAX_TILE_KEYS];
        for start in (0..rows).step_by(shape.rows) {
            let tile = Tile {
                panel,
                rows: std::array::from_fn(|r| self.row((start + r).min(rows - 1))),
                scale: [1.0; MAX_TILE_ROWS],
                shift: [0.0; MAX_TILE_ROWS],
                floor: &FLOOR[..shape.lanes],
            };
            // Every key reaches the floor, so all of them are there, whatever the bits say.
            let _ = kernels.tile(shape, &tile, &mut keys);
            let count = shape.rows.min(rows - start);
            sink(start, &mut keys[..count * shape.lanes]);
        }
    }
}
