//! Linear maps: weights packed once, products in tiles, and what follows them on the tile.

use super::Precision;
use super::operand::Operand;
use super::tensors::Tensors;
use crate::error::Result;
use crate::kernels::bf16::{Line, SIDE, panel_place, round, steps};
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
        Self { inputs, outputs, bias, packed }
    }

    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Bytes of the packed weights.
    pub(super) fn bytes(&self) -> usize {
        match &self.packed {
            Packed::F32 { panels, .. } => size_of_val(panels.as_slice()),
            Packed::Bf16 { panels } => size_of_val(panels.as_slice()),
        }
    }

    /// Writes `W x + b` to rows of `self.outputs()` columns.
    pub(super) fn store(&self, x: &Operand, y: &mut Vec<f32>, tiles: &mut Bf16Tiles) {
        let (kernels, width) = (tiles.kernels(), self.outputs);
        y.resize(x.rows() * width, 0.0);
        self.products(x, tiles, |row, column, values| {
            let bias = &self.bias[column..column + values.len()];
            kernels.activate(values, bias, Activation::Identity);
            y[row * width + column..][..values.len()].copy_from_slice(values);
        });
    }

    /// Adds `W x + b` to rows of `self.outputs()` columns.
    pub(super) fn accumulate(&self, x: &Operand, y: &mut [f32], tiles: &mut Bf16Tiles) {
        let (kernels, width) = (tiles.kernels(), self.outputs);
        self.products(x, tiles, |row, column, values| {
            let bias = &self.bias[column..column + values.len()];
            kernels.activate(values, bias, Activation::Identity);
            kernels.add(values, &mut y[row * width + column..][..values.len()]);
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
        let kernels = tiles.kernels();
        y.resize(x.rows(), self.outputs);
        self.products(x, tiles, |row, column, values| {
            kernels.activate(values, &self.bias[column..column + values.len()], activation);
            y.put(row, column, values, kernels);
        });
    }

    /// Gives each row's part of each panel to `sink(row, column, values)`.
    ///
    /// Panels go round outside: one stays in the nearest cache while all rows pass it.
    fn products(
        &self,
        x: &Operand,
        tiles: &mut Bf16Tiles,
        mut sink: impl FnMut(usize, usize, &mut [f32]),
    ) {
        debug_assert_eq!(x.width(), self.inputs);
        match &self.packed {
            Packed::Bf16 { panels } => {
                for (at, panel) in panels.chunks_exact(SIDE * steps(self.inputs)).enumerate() {
                    let columns = SIDE.min(self.outputs - at * SIDE);
                    for start in (0..x.rows()).step_by(SIDE) {
                        let products = tiles.multiply(x.pair(start), panel);
                        let rows = SIDE.min(x.rows() - start);
                        for (r, values) in products.chunks_exact_mut(SIDE).take(rows).enumerate() {
                            sink(start + r, at * SIDE, &mut values[..columns]);
                        }
                    }
                }
            }
            Packed::F32 { panels, shape } => {
                let floats =
                    FloatRows { values: &x.floats, pitch: self.inputs, width: self.inputs };
                for (at, panel) in panels.chunks_exact(shape.lanes * self.inputs).enumerate() {
                    let columns = shape.lanes.min(self.outputs - at * shape.lanes);
                    floats.multiply(x.rows(), panel, *shape, tiles.kernels(), |row, values| {
                        sink(row, at * shape.lanes, &mut values[..columns]);
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
    fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.pitch..][..self.width]
    }

    /// Gives each row's products with a panel to `sink(row, products)`.
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
            for (r, values) in keys.chunks_exact_mut(shape.lanes).take(count).enumerate() {
                sink(start + r, values);
            }
        }
    }
}
