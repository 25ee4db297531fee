//! Rows whose parts have a factor each.

#![allow(clippy::inline_always, reason = "a body is compiled for vectors only inside its caller")]

use super::Kernels;
use super::by_isa::by_isa;

#[inline(always)]
fn scale_body(row: &mut [f32], factors: &[f32]) {
    for (part, factor) in row.chunks_exact_mut(row.len() / factors.len()).zip(factors) {
        for value in part {
            *value *= factor;
        }
    }
}

by_isa! {
    fn scale(kernels, row: &mut [f32], factors: &[f32]) = scale_body;
}

impl Kernels {
    /// Multiplies each part of a row by its factor; parts are of one length.
    ///
    /// # Panics
    /// If there is no factor.
    pub fn scale_segments(self, row: &mut [f32], factors: &[f32]) {
        assert!(!factors.is_empty() && row.len() >= factors.len());
        scale(self, row, factors);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Isa;

    #[test]
    fn each_part_has_its_factor() {
        for kernels in Isa::available().filter_map(Kernels::with_isa) {
            let mut row: Vec<f32> = (0..96).map(|i| i as f32).collect();
            kernels.scale_segments(&mut row, &[2.0, 0.5, -1.0]);
            assert_eq!((row[31], row[32], row[64], row[95]), (62.0, 16.0, -64.0, -95.0));
        }
    }
}
