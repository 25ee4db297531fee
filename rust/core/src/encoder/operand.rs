//! Rows in the form in which a product reads them.

use super::Precision;
use crate::kernels::Kernels;
use crate::kernels::bf16::{GROUP, Line, SIDE, STEP, steps};

/// The left side of a product: rows of one width, kept from block to block to reuse the memory.
#[derive(Debug)]
pub(super) struct Operand {
    precision: Precision,
    width: usize,
    rows: usize,
    /// Row-major, for products of floats.
    pub(super) floats: Vec<f32>,
    /// Groups of 16 rows, for products of bfloat16; an even number of groups.
    pub(super) lines: Vec<Line>,
}

impl Operand {
    pub(super) fn new(precision: Precision) -> Self {
        Self { precision, width: 0, rows: 0, floats: Vec::new(), lines: Vec::new() }
    }

    /// Makes room for so many rows, all of them zero where a product reads beyond the last.
    pub(super) fn resize(&mut self, rows: usize, width: usize) {
        (self.rows, self.width) = (rows, width);
        match self.precision {
            Precision::F32 => self.floats.resize(rows * width, 0.0),
            Precision::Bf16 => {
                let groups = rows.next_multiple_of(SIDE) / GROUP;
                self.lines.clear();
                self.lines.resize(groups * GROUP * steps(width), Line::ZERO);
            }
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Takes rows as they are.
    pub(super) fn fill(&mut self, rows: &[f32], width: usize, kernels: Kernels) {
        self.resize(rows.len() / width, width);
        for (at, row) in rows.chunks_exact(width).enumerate() {
            self.put(at, 0, row, kernels);
        }
    }

    /// Writes a part of a row; parts start at multiples of 32 columns.
    pub(super) fn put(&mut self, row: usize, column: usize, values: &[f32], kernels: Kernels) {
        match self.precision {
            Precision::F32 => {
                let start = row * self.width + column;
                self.floats[start..start + values.len()].copy_from_slice(values);
            }
            Precision::Bf16 => {
                let depth = steps(self.width);
                let first = (row / GROUP * depth + column / STEP) * GROUP + row % GROUP;
                let (whole, rest) = values.as_chunks::<STEP>();
                for (step, part) in whole.iter().enumerate() {
                    kernels.encode_line(part, &mut self.lines[first + step * GROUP]);
                }
                if !rest.is_empty() {
                    let mut part = [0.0; STEP];
                    part[..rest.len()].copy_from_slice(rest);
                    kernels.encode_line(&part, &mut self.lines[first + whole.len() * GROUP]);
                }
            }
        }
    }

    /// The lines of 32 rows from `row` on, a multiple of 32.
    pub(super) fn pair(&self, row: usize) -> &[Line] {
        let size = SIDE * steps(self.width);
        let first = row / SIDE * size;
        &self.lines[first..first + size]
    }
}
