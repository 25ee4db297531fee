//! Values that gates let through.

#![allow(clippy::inline_always, reason = "a body is compiled for vectors only inside its caller")]

use super::Kernels;
use super::by_isa::by_isa;

#[inline(always)]
fn gate_body(block: &mut [f32], pitch: usize, columns: usize, gates: &[f32], gate_pitch: usize) {
    for (row, gates) in block.chunks_exact_mut(pitch).zip(gates.chunks(gate_pitch)) {
        for (value, gate) in row[..columns].iter_mut().zip(gates) {
            *value *= gate;
        }
    }
}

by_isa! {
    fn gate(kernels, block: &mut [f32], pitch: usize, columns: usize, gates: &[f32], gate_pitch: usize)
        = gate_body;
}

impl Kernels {
    /// Multiplies the first columns of each row of a block by a row of another pitch.
    ///
    /// # Panics
    /// If a row of either has fewer columns.
    pub fn gate(
        self,
        (block, pitch): (&mut [f32], usize),
        columns: usize,
        gates: &[f32],
        gate_pitch: usize,
    ) {
        assert!(columns <= pitch.min(gate_pitch));
        gate(self, block, pitch, columns, gates, gate_pitch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Isa;

    #[test]
    fn every_isa_multiplies_the_first_columns_of_each_row() {
        let block: Vec<f32> = (0..3 * 32).map(|i| i as f32).collect();
        let gates: Vec<f32> = (0..3 * 50).map(|i| i as f32 * 0.5).collect();
        for kernels in Isa::available().filter_map(Kernels::with_isa) {
            let mut found = block.clone();
            kernels.gate((&mut found, 32), 21, &gates, 50);
            for (at, value) in found.iter().enumerate() {
                let (row, column) = (at / 32, at % 32);
                let gate = if column < 21 { gates[row * 50 + column] } else { 1.0 };
                assert_eq!(*value, block[at] * gate);
            }
        }
    }
}
