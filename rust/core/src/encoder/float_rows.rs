//! Rows of floats and their products.

use crate::kernels::{Kernels, MAX_TILE_KEYS, MAX_TILE_ROWS, Shape, Tile};

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
