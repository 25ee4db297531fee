//! Weights of a linear map in the order in which products read them.

use std::ops::Range;

use super::Precision;
use super::float_rows::FloatRows;
use super::operand::Operand;
use super::ranges::MAPS;
use crate::kernels::bf16::{Line, SIDE, panel_place, round, steps};
use crate::kernels::block_codes::{self, BLOCK, CodePanel, blocks};
use crate::kernels::{Bf16Tiles, Kernels, Shape, int8};

/// Enough waiting queries that [`Kernels::shape`] gives its widest tile.
const MANY: usize = 1 << 20;

/// How weights are to be packed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form<'a> {
    pub(super) precision: Precision,
    pub(super) kernels: Kernels,
    /// Inputs of a chunk; by precision if None.
    pub(super) chunk: Option<usize>,
    /// The largest size of each input that was seen; empty if none was looked at.
    pub(super) ranges: &'a [f32],
}

/// How all weights of a model are to be packed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan<'a> {
    pub(super) precision: Precision,
    pub(super) kernels: Kernels,
    /// What was seen of each layer's maps; empty if nothing was.
    pub(super) ranges: &'a [Vec<f32>],
}

impl<'a> Plan<'a> {
    /// For a map whose inputs nobody looked at.
    pub(super) fn form(&self) -> Form<'a> {
        Form { precision: self.precision, kernels: self.kernels, chunk: None, ranges: &[] }
    }

    /// For one of a layer's maps, see [`MAPS`].
    pub(super) fn looked_at(&self, layer: usize, map: usize) -> Form<'a> {
        let ranges = self.ranges.get(layer * MAPS + map).map_or(&[][..], Vec::as_slice);
        Form { ranges, ..self.form() }
    }
}

impl Form<'_> {
    /// Inputs of a chunk: rows and a panel of it fill the nearest cache.
    pub(super) fn chunk(&self, inputs: usize) -> usize {
        let usual = match self.precision {
            Precision::F32 => inputs,
            Precision::Bf16 => 384,
            Precision::Int8 => 768,
        };
        self.chunk.unwrap_or(usual).min(inputs).max(1)
    }

    /// Evens out the ranges of inputs and weights before both become codes: returns what each input is to
    /// be multiplied with, and divides its weights by it. The product stays the same. (Xiao et al.,
    /// "`SmoothQuant`", 2023.)
    pub(super) fn balance(&self, weights: &mut [f32], inputs: usize) -> Vec<f32> {
        /// How much of a range goes over to the weights: of .35 to .85, best or nearly so on two real models.
        const STRENGTH: f32 = 0.65;
        /// No input counts as smaller: it would be blown up without end.
        const LEAST: f32 = 1e-5;
        if self.precision != Precision::Int8 || self.ranges.is_empty() {
            return Vec::new();
        }
        let mut largest = vec![LEAST; inputs];
        for row in weights.chunks_exact(inputs) {
            for (largest, weight) in largest.iter_mut().zip(row) {
                *largest = largest.max(weight.abs());
            }
        }
        let divisors: Vec<f32> = self
            .ranges
            .iter()
            .zip(&largest)
            .map(|(range, weight)| range.max(LEAST).powf(STRENGTH) / weight.powf(1.0 - STRENGTH))
            .collect();
        for row in weights.chunks_exact_mut(inputs) {
            for (weight, divisor) in row.iter_mut().zip(&divisors) {
                *weight *= divisor;
            }
        }
        divisors.into_iter().map(|divisor| 1.0 / divisor).collect()
    }
}

/// The weights of a chunk of inputs.
#[derive(Debug)]
pub(super) enum Packed {
    /// Panels of `shape.lanes` outputs, input-major.
    F32 { panels: Vec<f32>, shape: Shape, outputs: usize, inputs: usize },
    /// Panels of 32 outputs.
    Bf16 { panels: Vec<Line>, steps: usize },
    /// Panels of 32 outputs, with a scale for each output and block of inputs.
    Int8 {
        panels: Vec<int8::Line>,
        scales: Vec<[f32; SIDE]>,
        starts: Vec<[i32; SIDE]>,
        blocks: usize,
    },
}

impl Packed {
    /// Packs some columns of row-major weights.
    pub(super) fn new(weights: &[f32], pitch: usize, columns: Range<usize>, form: &Form) -> Self {
        let outputs = weights.len() / pitch;
        let inputs = columns.len();
        let rows = weights.chunks_exact(pitch).map(|row| &row[columns.clone()]).enumerate();
        match form.precision {
            Precision::F32 => {
                let shape = form.kernels.shape(MANY);
                let mut panels = vec![0.0; outputs.div_ceil(shape.lanes) * shape.lanes * inputs];
                for (output, row) in rows {
                    let panel = output / shape.lanes * shape.lanes * inputs;
                    for (input, weight) in row.iter().enumerate() {
                        panels[panel + input * shape.lanes + output % shape.lanes] = *weight;
                    }
                }
                Self::F32 { panels, shape, outputs, inputs }
            }
            Precision::Bf16 => {
                let steps = steps(inputs);
                let mut panels = vec![Line::ZERO; outputs.div_ceil(SIDE) * SIDE * steps];
                for (output, row) in rows {
                    let panel = &mut panels[output / SIDE * SIDE * steps..][..SIDE * steps];
                    for (input, weight) in row.iter().enumerate() {
                        let (line, place) = panel_place(input, output % SIDE);
                        panel[line].0[place] = round(*weight);
                    }
                }
                Self::Bf16 { panels, steps }
            }
            Precision::Int8 => {
                let blocks = blocks(inputs);
                let count = outputs.div_ceil(SIDE) * blocks;
                let depth = blocks * block_codes::STEPS * SIDE;
                let mut panels = vec![int8::Line::ZERO; outputs.div_ceil(SIDE) * depth];
                let (mut scales, mut starts) = (vec![[0.0; SIDE]; count], vec![[0; SIDE]; count]);
                let shift = i32::from(form.kernels.code_shift());
                for (output, row) in rows {
                    let panel = &mut panels[output / SIDE * depth..][..depth];
                    let (first, lane) = (output / SIDE * blocks, output % SIDE);
                    for (block, values) in row.chunks(BLOCK).enumerate() {
                        let largest = values.iter().fold(0.0_f32, |most, w| most.max(w.abs()));
                        let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
                        scales[first + block][lane] = largest / 127.0;
                        let mut sum = 0;
                        for (i, weight) in values.iter().enumerate() {
                            let (line, place) = block_codes::panel_place(block * BLOCK + i, lane);
                            let code = (weight * inverse).round_ties_even() as i8;
                            panel[line].0[place] = code;
                            sum += i32::from(code);
                        }
                        starts[first + block][lane] = -shift * sum;
                    }
                }
                Self::Int8 { panels, scales, starts, blocks }
            }
        }
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::F32 { panels, .. } => size_of_val(panels.as_slice()),
            Self::Bf16 { panels, .. } => size_of_val(panels.as_slice()),
            Self::Int8 { panels, scales, starts, .. } => {
                size_of_val(panels.as_slice())
                    + size_of_val(scales.as_slice())
                    + size_of_val(starts.as_slice())
            }
        }
    }

    /// Asks for the part of a panel that falls to `row`, so that all rows together ask for all of it:
    /// weights come from far.
    pub(super) fn prefetch(&self, panel: usize, row: usize, rows: usize, kernels: Kernels) {
        fn part<T>(panels: &[T], size: usize, panel: usize, row: usize, rows: usize) -> &[T] {
            let share = size.div_ceil(rows.div_ceil(SIDE));
            let start = panel * size + row / SIDE * share;
            panels.get(start..panels.len().min(start + share)).unwrap_or_default()
        }
        match self {
            Self::F32 { .. } => {}
            Self::Bf16 { panels, steps } => {
                kernels.prefetch_far(part(panels, SIDE * steps, panel, row, rows));
            }
            Self::Int8 { panels, blocks, .. } => {
                let size = blocks * block_codes::STEPS * SIDE;
                kernels.prefetch_far(part(panels, size, panel, row, rows));
            }
        }
    }

    /// Writes, or adds, all products of 32 rows, from column `first` of `x` on, with a panel of 32 outputs to
    /// 32 rows of `target`.
    pub(super) fn multiply_into(
        &self,
        x: &Operand,
        (row, first): (usize, usize),
        panel: usize,
        target: (&mut [f32], usize),
        add: bool,
        tiles: &mut Bf16Tiles,
    ) {
        match self {
            Self::F32 { .. } => unreachable!("floats have tiles of their own"),
            Self::Bf16 { panels, steps } => {
                let panel = &panels[panel * SIDE * steps..][..SIDE * steps];
                tiles.multiply_into(&x.bf16(row, first), panel, target, add);
            }
            Self::Int8 { panels, scales, starts, blocks } => {
                let depth = blocks * block_codes::STEPS * SIDE;
                let own = panel * blocks..(panel + 1) * blocks;
                let panel = CodePanel {
                    lines: &panels[panel * depth..][..depth],
                    scales: &scales[own.clone()],
                    starts: &starts[own],
                };
                tiles.multiply_codes(&x.codes(row, first), &panel, target, add);
            }
        }
    }

    /// Gives the products of floats with each panel of some columns to `sink(row, columns, block)`.
    pub(super) fn floats(
        &self,
        x: &Operand,
        first: usize,
        columns: Range<usize>,
        kernels: Kernels,
        mut sink: impl FnMut(usize, Range<usize>, &mut [f32]),
    ) {
        let Self::F32 { panels, shape, outputs, inputs } = self else {
            unreachable!("only floats are asked")
        };
        let floats = FloatRows { values: &x.floats[first..], pitch: x.width(), width: *inputs };
        let lanes = shape.lanes;
        for at in columns.start / lanes..columns.end.div_ceil(lanes) {
            let panel = &panels[at * lanes * inputs..][..lanes * inputs];
            let wide = at * lanes..columns.end.min(*outputs).min((at + 1) * lanes);
            floats.multiply(x.rows(), panel, *shape, kernels, |row, block| {
                sink(row, wide.clone(), block);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_weights_and_inputs_have_the_same_product() {
        let kernels = Kernels::best();
        let ranges = [8.0, 0.5, 0.0];
        let form = |precision| Form { precision, kernels, chunk: None, ranges: &ranges };
        let before = [0.5, -2.0, 1.0, 0.25, 1.0, -3.0];
        let mut weights = before.to_vec();
        let factors = form(Precision::Int8).balance(&mut weights, 3);
        for (after, before) in weights.chunks_exact(3).zip(before.chunks_exact(3)) {
            for i in 0..3 {
                assert!((after[i] * factors[i] / before[i] - 1.0).abs() < 1e-6);
            }
        }
        // What is large becomes smaller, at the expense of its weights.
        assert!(factors[0] < 1.0 && factors[1] > 1.0 && factors[2].is_finite());
        assert!(form(Precision::Bf16).balance(&mut weights, 3).is_empty());
        let none = Form { ranges: &[], ..form(Precision::Int8) };
        assert!(none.balance(&mut weights, 3).is_empty());
    }
}
