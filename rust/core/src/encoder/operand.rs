//! Rows in the form in which a product reads them.

use super::Precision;
use crate::kernels::bf16::{GROUP, Line, SIDE, STEP, steps};
use crate::kernels::block_codes::{self, CodeRows, blocks};
use crate::kernels::{Bf16Rows, Kernels, int8};

/// The left side of a product: rows of one width, kept from block to block to reuse the memory.
///
/// Rows are written in any order. What lies beyond the last is left over from other blocks: it yields
/// rows of products that nobody reads.
#[derive(Debug)]
pub(super) struct Operand {
    precision: Precision,
    width: usize,
    rows: usize,
    /// Row-major, for products of floats.
    pub(super) floats: Vec<f32>,
    /// Groups of 16 rows, for products of bfloat16; an even number of groups.
    pub(super) lines: Vec<Line>,
    /// The same of codes, for products of those.
    codes: Vec<int8::Line>,
    /// What a code of 1 stands for: per 32 rows, its blocks.
    scales: Vec<[f32; SIDE]>,
}

impl Operand {
    pub(super) fn new(precision: Precision) -> Self {
        Self {
            precision,
            width: 0,
            rows: 0,
            floats: Vec::new(),
            lines: Vec::new(),
            codes: Vec::new(),
            scales: Vec::new(),
        }
    }

    /// Makes room for so many rows.
    pub(super) fn resize(&mut self, rows: usize, width: usize) {
        (self.rows, self.width) = (rows, width);
        let padded = rows.next_multiple_of(SIDE);
        match self.precision {
            Precision::F32 => self.floats.resize(rows * width, 0.0),
            Precision::Bf16 => self.lines.resize(padded * steps(width), Line::ZERO),
            Precision::Int8 => {
                let count = blocks(width);
                self.codes.resize(padded * count * block_codes::STEPS, int8::Line::ZERO);
                self.scales.resize(padded / SIDE * count, [0.0; SIDE]);
            }
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Takes rows as they are, or each column times its factor.
    pub(super) fn fill(&mut self, rows: &[f32], width: usize, factors: &[f32], kernels: Kernels) {
        self.resize(rows.len() / width, width);
        for (at, row) in rows.chunks_exact(width).enumerate() {
            self.set(at, row, factors, kernels);
        }
    }

    /// Takes one row.
    pub(super) fn set(&mut self, at: usize, row: &[f32], factors: &[f32], kernels: Kernels) {
        debug_assert!(factors.is_empty() || self.precision == Precision::Int8);
        match self.precision {
            Precision::F32 => self.floats[at * self.width..][..self.width].copy_from_slice(row),
            Precision::Bf16 => {
                let first = self.line(at, 0);
                kernels.row_to_lines(row, &mut self.lines[first..], GROUP);
            }
            Precision::Int8 => {
                let count = blocks(self.width);
                let first = (at / GROUP * count * block_codes::STEPS) * GROUP + at % GROUP;
                let scales = &mut self.scales[at / SIDE * count..][..count];
                let lines = &mut self.codes[first..];
                kernels.row_to_codes(row, factors, lines, scales, at % SIDE);
            }
        }
    }

    /// Takes some columns of one row: whole blocks, or the last.
    pub(super) fn set_columns(
        &mut self,
        at: usize,
        first: usize,
        values: &[f32],
        kernels: Kernels,
    ) {
        debug_assert!(
            self.precision == Precision::Int8 && first.is_multiple_of(block_codes::BLOCK)
        );
        let (count, block) = (blocks(self.width), first / block_codes::BLOCK);
        let step = at / GROUP * count * block_codes::STEPS + block * block_codes::STEPS;
        let scales = &mut self.scales[at / SIDE * count..][block..count];
        let lines = &mut self.codes[step * GROUP + at % GROUP..];
        kernels.row_to_codes(values, &[], lines, scales, at % SIDE);
    }

    /// Where the line of a row's 32 columns lies; the next 32 columns are 16 lines on.
    pub(super) fn line(&self, row: usize, step: usize) -> usize {
        (row / GROUP * steps(self.width) + step) * GROUP + row % GROUP
    }

    /// 32 rows from `row` on, a multiple of 32, as lines from a column on.
    pub(super) fn bf16(&self, row: usize, column: usize) -> Bf16Rows<'_> {
        let lines = &self.lines[self.line(row, column / STEP)..];
        Bf16Rows::grouped(lines, steps(self.width) * GROUP)
    }

    /// The same as codes.
    pub(super) fn codes(&self, row: usize, column: usize) -> CodeRows<'_> {
        let (count, block) = (blocks(self.width), column / block_codes::BLOCK);
        let group = count * block_codes::STEPS * GROUP;
        let first = row / GROUP * group + block * block_codes::STEPS * GROUP;
        CodeRows {
            lines: &self.codes[first..],
            group,
            scales: &self.scales[row / SIDE * count..][block..count],
        }
    }
}
