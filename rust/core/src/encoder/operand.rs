//! Rows in the form in which a product reads them.

use super::Precision;
use crate::kernels::Kernels;
use crate::kernels::bf16::{GROUP, Line, SIDE, steps};

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
}

impl Operand {
    pub(super) fn new(precision: Precision) -> Self {
        Self { precision, width: 0, rows: 0, floats: Vec::new(), lines: Vec::new() }
    }

    /// Makes room for so many rows.
    pub(super) fn resize(&mut self, rows: usize, width: usize) {
        (self.rows, self.width) = (rows, width);
        match self.precision {
            Precision::F32 => self.floats.resize(rows * width, 0.0),
            Precision::Bf16 => {
                self.lines.resize(rows.next_multiple_of(SIDE) * steps(width), Line::ZERO);
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
        match self.precision {
            Precision::F32 => self.floats.copy_from_slice(rows),
            Precision::Bf16 => {
                for (at, row) in rows.chunks_exact(width).enumerate() {
                    let first = self.line(at, 0);
                    kernels.row_to_lines(row, &mut self.lines[first..], GROUP);
                }
            }
        }
    }

    /// Where the line of a row's 32 columns lies; the next 32 columns are 16 lines on.
    pub(super) fn line(&self, row: usize, step: usize) -> usize {
        (row / GROUP * steps(self.width) + step) * GROUP + row % GROUP
    }

    /// The lines of 32 rows from `row` on, a multiple of 32.
    pub(super) fn pair(&self, row: usize) -> &[Line] {
        let size = SIDE * steps(self.width);
        &self.lines[row / SIDE * size..][..size]
    }
}
