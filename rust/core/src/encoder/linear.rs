//! Linear maps: weights packed once, products in tiles, and what follows them on the tile.

use std::ops::Range;

use super::operand::Operand;
use super::packed::{Form, Packed};
use super::tensors::Tensors;
use crate::error::Result;
use crate::kernels::bf16::{GROUP, Line, SIDE, STEP, steps};
use crate::kernels::{Activation, Bf16Tiles, Products, block_codes};

/// Panels whose outputs make a block of codes.
const PANELS: usize = block_codes::BLOCK / SIDE;

/// `y = W x + b`.
///
/// The inputs are cut into chunks, so that what a chunk of rows and a panel needs stays in the nearest
/// cache.
#[derive(Debug)]
pub(super) struct Linear {
    inputs: usize,
    outputs: usize,
    /// Inputs of a chunk; the last may have fewer.
    chunk: usize,
    bias: Vec<f32>,
    /// The same, filled up with zeros.
    bias_lines: Vec<[f32; STEP]>,
    /// What inputs are multiplied with before they become codes; their weights are divided by it.
    factors: Vec<f32>,
    chunks: Vec<Packed>,
}

impl Linear {
    /// Reads `name.weight` of shape `(outputs, inputs)` and `name.bias`.
    pub(super) fn read(
        tensors: &Tensors,
        name: &str,
        shape: (usize, usize),
        form: &Form,
    ) -> Result<Self> {
        Self::read_joined(tensors, &[name.to_owned()], shape, form)
    }

    /// Reads several maps of the same inputs as one; `outputs` is that of each.
    pub(super) fn read_joined(
        tensors: &Tensors,
        names: &[String],
        (inputs, outputs): (usize, usize),
        form: &Form,
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
        let factors = form.balance(&mut weights, inputs);
        Ok(Self::pack(&weights, bias, factors, form))
    }

    /// Reads `name` with twice as many outputs: the map of the first half of them, then that of the second.
    pub(super) fn read_halves(
        tensors: &Tensors,
        name: &str,
        (inputs, outputs): (usize, usize),
        form: &Form,
    ) -> Result<[Self; 2]> {
        let mut weights = tensors.values(&format!("{name}.weight"), &[2 * outputs, inputs])?;
        // Of both together: they get the same inputs.
        let factors = form.balance(&mut weights, inputs);
        let key = format!("{name}.bias");
        let bias = if tensors.has(&key) {
            tensors.values(&key, &[2 * outputs])?
        } else {
            vec![0.0; 2 * outputs]
        };
        Ok([0, 1].map(|half| {
            let weights = &weights[half * outputs * inputs..][..outputs * inputs];
            let bias = bias[half * outputs..][..outputs].to_vec();
            Self::pack(weights, bias, factors.clone(), form)
        }))
    }

    /// Packs row-major weights, whose inputs are multiplied with the factors, if there are any.
    fn pack(weights: &[f32], bias: Vec<f32>, factors: Vec<f32>, form: &Form) -> Self {
        let outputs = bias.len();
        let inputs = weights.len() / outputs.max(1);
        let chunk = form.chunk(inputs);
        let chunks = (0..inputs)
            .step_by(chunk)
            .map(|start| Packed::new(weights, inputs, start..inputs.min(start + chunk), form))
            .collect();
        let bias_lines = bias
            .chunks(STEP)
            .map(|part| std::array::from_fn(|i| part.get(i).copied().unwrap_or_default()))
            .collect();
        Self { inputs, outputs, chunk, bias, bias_lines, factors, chunks }
    }

    /// Bytes of the packed weights.
    pub(super) fn bytes(&self) -> usize {
        self.chunks.iter().map(Packed::bytes).sum()
    }

    /// Multiplications and additions for one row.
    pub(super) fn operations(&self) -> usize {
        2 * self.inputs * self.outputs
    }

    /// All columns that it writes.
    pub(super) fn all(&self) -> Range<usize> {
        0..self.outputs
    }

    /// Columns that it writes.
    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// What [`Operand::fill`] is to multiply the inputs with.
    pub(super) fn factors(&self) -> &[f32] {
        &self.factors
    }

    /// What is added to the products.
    pub(super) fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// Columns of each chunk of inputs.
    pub(super) fn input_chunks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (inputs, chunk) = (self.inputs, self.chunk);
        (0..inputs).step_by(chunk).map(move |start| start..inputs.min(start + chunk))
    }

    /// Writes some columns of `W x + b`, all ranges side by side, to rows of floats. Columns are whole
    /// panels of any kind, or the last.
    pub(super) fn store(
        &self,
        x: &Operand,
        ranges: &[Range<usize>],
        y: &mut Vec<f32>,
        tiles: &mut Bf16Tiles,
    ) {
        let (kernels, width) = (tiles.kernels(), ranges.iter().map(Range::len).sum());
        y.resize(x.rows() * width, 0.0);
        let mut before = 0;
        for range in ranges {
            self.products(x, range.clone(), tiles, |row, columns, block, pitch| {
                let target = &mut y[row * width + before + columns.start - range.start..];
                kernels.store_block(block, pitch, &self.bias[columns], target, width);
            });
            before += range.len();
        }
    }

    /// The same to rows of lines, one after another, and room for 32 rows behind.
    pub(super) fn store_lines(
        &self,
        x: &Operand,
        ranges: &[Range<usize>],
        y: &mut Vec<Line>,
        tiles: &mut Bf16Tiles,
    ) {
        let (kernels, width) = (tiles.kernels(), steps(ranges.iter().map(Range::len).sum()));
        y.resize((x.rows() + SIDE) * width, Line::ZERO);
        let mut before = 0;
        for range in ranges {
            self.products(x, range.clone(), tiles, |row, columns, block, _| {
                let step = before + (columns.start - range.start) / STEP;
                let bias = &self.bias_lines[columns.start / STEP];
                let target = &mut y[row * width + step..];
                kernels.block_to_lines(block, bias, Activation::Identity, target, width);
            });
            before += steps(range.len());
        }
    }

    /// Adds `W x + b` to rows of floats.
    pub(super) fn accumulate(&self, x: &Operand, y: &mut [f32], tiles: &mut Bf16Tiles) {
        for row in y[..x.rows() * self.outputs].chunks_exact_mut(self.outputs) {
            tiles.kernels().add(&self.bias, row);
        }
        self.accumulate_products(x, y, tiles);
    }

    /// Adds `W x` to rows of floats.
    pub(super) fn accumulate_products(&self, x: &Operand, y: &mut [f32], tiles: &mut Bf16Tiles) {
        self.accumulate_columns(x, &self.all(), y, tiles);
    }

    /// Adds some columns of `W x` to rows of these columns.
    pub(super) fn accumulate_columns(
        &self,
        x: &Operand,
        columns: &Range<usize>,
        y: &mut [f32],
        tiles: &mut Bf16Tiles,
    ) {
        for at in 0..self.chunks.len() {
            self.accumulate_chunk((at, at * self.chunk, columns), x, y, tiles);
        }
    }

    /// Adds some columns of the products of one chunk of inputs, which `x` holds from column `first` on, to
    /// rows of these columns. Leaves the bias out. Columns are whole panels of any kind, or the last.
    pub(super) fn accumulate_chunk(
        &self,
        (at, first, wide): (usize, usize, &Range<usize>),
        x: &Operand,
        y: &mut [f32],
        tiles: &mut Bf16Tiles,
    ) {
        let (kernels, width, packed) = (tiles.kernels(), wide.len(), &self.chunks[at]);
        if let Packed::F32 { shape, .. } = packed {
            packed.floats(x, first, wide.clone(), kernels, |row, columns, block| {
                let target = &mut y[row * width + columns.start - wide.start..];
                let none = &[0.0; 64][..columns.len()];
                kernels.add_block(block, shape.lanes, none, target, width);
            });
            return;
        }
        let mut part = Products::new();
        for panel in wide.start / SIDE..wide.end.div_ceil(SIDE) {
            let column = panel * SIDE - wide.start;
            let columns = SIDE.min(width - column);
            for row in (0..x.rows()).step_by(SIDE) {
                packed.prefetch(panel + 1, row, x.rows(), kernels);
                let rows = SIDE.min(x.rows() - row);
                let target = &mut y[row * width + column..];
                if rows == SIDE && columns == SIDE {
                    packed.multiply_into(x, (row, first), panel, (target, width), true, tiles);
                    continue;
                }
                // A tile's part: sums start from what is there, as in whole tiles, for the same bits.
                let block = part.rows();
                for (block, row) in block.chunks_exact_mut(SIDE).zip(target.chunks(width)) {
                    block[..columns].copy_from_slice(&row[..columns]);
                }
                packed.multiply_into(x, (row, first), panel, (&mut *block, SIDE), true, tiles);
                for (block, row) in
                    block.chunks_exact(SIDE).zip(target.chunks_mut(width)).take(rows)
                {
                    row[..columns].copy_from_slice(&block[..columns]);
                }
            }
        }
    }

    /// Writes some columns of `f(W x + b)`, times the rows of `gates` if there are any, as the next product
    /// reads them. Columns are whole panels of any kind, or the last; a row of gates is as wide as the map.
    pub(super) fn activate(
        &self,
        x: &Operand,
        columns: Range<usize>,
        (activation, gates): (Activation, Option<&[f32]>),
        y: &mut Operand,
        tiles: &mut Bf16Tiles,
    ) {
        let (kernels, start) = (tiles.kernels(), columns.start);
        let (width, outputs) = (columns.len(), self.outputs);
        y.resize(x.rows(), width);
        let gate = |row: usize, columns: &Range<usize>, block: &mut [f32], pitch: usize| {
            if let Some(gates) = gates {
                let gates = &gates[row * outputs + columns.start..];
                kernels.gate((block, pitch), columns.len(), gates, outputs);
            }
        };
        match self.chunks[0] {
            Packed::F32 { .. } => self.products(x, columns, tiles, |row, columns, block, pitch| {
                kernels.activate(block, pitch, &self.bias[columns.clone()], activation);
                gate(row, &columns, block, pitch);
                let target = &mut y.floats[row * width + columns.start - start..];
                let none = &[0.0; 64][..columns.len()];
                kernels.store_block(block, pitch, none, target, width);
            }),
            Packed::Bf16 { .. } => {
                self.products(x, columns, tiles, |row, columns, block, pitch| {
                    let mut after = (&self.bias_lines[columns.start / STEP], activation);
                    if gates.is_some() {
                        let bias = &self.bias[columns.clone()];
                        kernels.activate_near(block, pitch, bias, activation);
                        gate(row, &columns, block, pitch);
                        after = (&[0.0; STEP], Activation::Identity);
                    }
                    for (part, group) in block.chunks(GROUP * STEP).enumerate() {
                        let first = y.line(row + part * GROUP, (columns.start - start) / STEP);
                        let lines = &mut y.lines[first..first + GROUP];
                        kernels.block_to_lines(group, after.0, after.1, lines, 1);
                    }
                });
            }
            Packed::Int8 { .. } => self.blocks(x, columns, tiles, |row, columns, block, pitch| {
                kernels.activate_near(block, pitch, &self.bias[columns.clone()], activation);
                gate(row, &columns, block, pitch);
                for (r, values) in block.chunks_exact(pitch).enumerate() {
                    let values = &values[..columns.len()];
                    y.set_columns(row + r, columns.start - start, values, kernels);
                }
            }),
        }
    }

    /// Gives the products of some rows with several panels, as many as make a block of codes, to
    /// `sink(row, columns, block, pitch)`.
    fn blocks(
        &self,
        x: &Operand,
        columns: Range<usize>,
        tiles: &mut Bf16Tiles,
        mut sink: impl FnMut(usize, Range<usize>, &mut [f32], usize),
    ) {
        const WIDE: usize = block_codes::BLOCK;
        let kernels = tiles.kernels();
        let mut parts = [const { Products::new() }; PANELS];
        let block = Products::flat(&mut parts);
        for first in columns.clone().step_by(WIDE) {
            let wide = first..columns.end.min(first + WIDE);
            for row in (0..x.rows()).step_by(SIDE) {
                for panel in first / SIDE..wide.end.div_ceil(SIDE) {
                    self.chunks[0].prefetch(panel + PANELS, row, x.rows(), kernels);
                    for (at, packed) in self.chunks.iter().enumerate() {
                        let target = (&mut block[panel % PANELS * SIDE..], WIDE);
                        let place = (row, at * self.chunk);
                        packed.multiply_into(x, place, panel, target, at > 0, tiles);
                    }
                }
                let rows = SIDE.min(x.rows() - row);
                sink(row, wide.clone(), &mut block[..rows * WIDE], WIDE);
            }
        }
    }

    /// Gives the products of some rows with each panel of some columns to `sink(row, columns, block,
    /// pitch)`.
    ///
    /// Panels go round outside: one stays in the nearest cache while all rows pass it.
    fn products(
        &self,
        x: &Operand,
        columns: Range<usize>,
        tiles: &mut Bf16Tiles,
        mut sink: impl FnMut(usize, Range<usize>, &mut [f32], usize),
    ) {
        debug_assert_eq!(x.width(), self.inputs);
        let kernels = tiles.kernels();
        if let Packed::F32 { shape, .. } = &self.chunks[0] {
            debug_assert_eq!(self.chunks.len(), 1, "floats are chunked where they are added only");
            self.chunks[0].floats(x, 0, columns, kernels, |row, columns, block| {
                sink(row, columns, block, shape.lanes);
            });
            return;
        }
        // Several chunks meet in a buffer of all rows, one chunk after another.
        let several = self.chunks.len() > 1;
        let tall = if several { x.rows().div_ceil(SIDE) } else { 1 };
        let mut sums: Vec<Products> = (0..tall).map(|_| Products::new()).collect();
        for panel in columns.start / SIDE..columns.end.div_ceil(SIDE) {
            let wide = panel * SIDE..columns.end.min((panel + 1) * SIDE);
            for (at, packed) in self.chunks.iter().enumerate() {
                for row in (0..x.rows()).step_by(SIDE) {
                    packed.prefetch(panel + 1, row, x.rows(), kernels);
                    let block = sums[if several { row / SIDE } else { 0 }].rows();
                    let target = (&mut *block, SIDE);
                    packed.multiply_into(x, (row, at * self.chunk), panel, target, at > 0, tiles);
                    if at + 1 == self.chunks.len() {
                        let rows = SIDE.min(x.rows() - row);
                        sink(row, wide.clone(), &mut block[..rows * SIDE], SIDE);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::Precision;
    use crate::kernels::{Isa, Kernels};

    fn values(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 37 + seed * 101) % 211) as f32 * 0.01 - 1.05).collect()
    }

    /// Rows, columns in and out: beyond a chunk of each precision, and no multiples of anything.
    const SHAPE: (usize, usize, usize) = (70, 1000, 150);

    #[test]
    fn every_way_out_of_a_chunked_map_is_its_formula() {
        let (rows, inputs, outputs) = SHAPE;
        let (x, weights, bias) =
            (values(rows * inputs, 1), values(outputs * inputs, 2), values(outputs, 3));
        let product = |row: usize, output: usize| -> f64 {
            let x = x[row * inputs..][..inputs].iter();
            let weights = &weights[output * inputs..][..inputs];
            x.zip(weights).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let truth: Vec<f64> = (0..rows * outputs)
            .map(|i| product(i / outputs, i % outputs) + f64::from(bias[i % outputs]))
            .collect();
        let same = |found: &[f32], offset: f64, bound: f64, what: &str| {
            for (at, (value, truth)) in found.iter().zip(&truth).enumerate() {
                let off = (f64::from(*value) - truth - offset).abs();
                assert!(off < bound, "{what}, {at}: {off}");
            }
        };
        for kernels in Isa::available().filter_map(Kernels::with_isa) {
            for (precision, bound) in
                [(Precision::F32, 1e-2), (Precision::Bf16, 1.5), (Precision::Int8, 2.5)]
            {
                let what = format!("{:?} {precision:?}", kernels.isa());
                let tiles = &mut Bf16Tiles::new(kernels);
                let form = Form { precision, kernels, chunk: None, ranges: &[] };
                let linear = Linear::pack(&weights, bias.clone(), Vec::new(), &form);
                let mut operand = Operand::new(precision);
                operand.fill(&x, inputs, &[], kernels);
                let mut found = Vec::new();
                linear.store(&operand, &[linear.all()], &mut found, tiles);
                same(&found, 0.0, bound, &what);
                let mut sums = vec![2.0; rows * outputs];
                linear.accumulate(&operand, &mut sums, tiles);
                same(&sums, 2.0, bound, &what);
                // The part of a tile has the bits of the whole.
                let mut some = Operand::new(precision);
                some.fill(&x[..33 * inputs], inputs, &[], kernels);
                let mut part = vec![2.0; 33 * outputs];
                linear.accumulate(&some, &mut part, tiles);
                assert_eq!(part, sums[..33 * outputs], "{what}");
                // By hand, as a layer does it, chunk after chunk.
                let cut = Form { chunk: Some(384), ..form };
                let linear = Linear::pack(&weights, bias.clone(), Vec::new(), &cut);
                let mut sums = vec![0.0; rows * outputs];
                for (at, columns) in linear.input_chunks().enumerate() {
                    let chunk: Vec<f32> = x
                        .chunks_exact(inputs)
                        .flat_map(|row| row[columns.clone()].iter().copied())
                        .collect();
                    let mut own = Operand::new(precision);
                    own.fill(&chunk, columns.len(), &[], kernels);
                    linear.accumulate_chunk((at, 0, &linear.all()), &own, &mut sums, tiles);
                }
                for (row, sums) in sums.chunks_exact(outputs).enumerate() {
                    for (output, sum) in sums.iter().enumerate() {
                        assert!((f64::from(*sum) - product(row, output)).abs() < bound, "{what}");
                    }
                }
            }
        }
    }
}
