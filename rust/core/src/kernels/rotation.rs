//! Turns of pairs of columns.

#![allow(clippy::inline_always, reason = "a body is compiled for vectors only inside its caller")]

use super::Kernels;
use super::by_isa::by_isa;

#[inline(always)]
fn rotate_body(row: &mut [f32], turns: &[f32]) {
    let (cosines, sines) = turns.split_at(turns.len() / 2);
    for head in row.chunks_exact_mut(turns.len()) {
        let (left, right) = head.split_at_mut(cosines.len());
        for (((left, right), cosine), sine) in left.iter_mut().zip(right).zip(cosines).zip(sines) {
            let (x, y) = (*left, *right);
            *left = x.mul_add(*cosine, -(y * sine));
            *right = y.mul_add(*cosine, x * sine);
        }
    }
}

by_isa! {
    fn rotate(kernels, row: &mut [f32], turns: &[f32]) = rotate_body;
}

impl Kernels {
    /// Turns pairs of columns of each head of a row, as wide as `turns`: column `i` and the one half a
    /// head on by the angle whose cosine is `turns[i]` and whose sine lies half of `turns` on.
    ///
    /// # Panics
    /// If the row is no whole number of heads, or a head has an odd width.
    pub fn rotate(self, row: &mut [f32], turns: &[f32]) {
        assert!(turns.len().is_multiple_of(2) && row.len().is_multiple_of(turns.len()));
        rotate(self, row, turns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Isa;

    #[test]
    fn every_isa_turns_each_head_with_the_same_bits() {
        for width in [2, 32, 34, 64, 128] {
            let angles: Vec<f64> = (0..width / 2).map(|i| i as f64 * 0.7 + 0.1).collect();
            let turns: Vec<f32> = angles
                .iter()
                .map(|angle| angle.cos() as f32)
                .chain(angles.iter().map(|angle| angle.sin() as f32))
                .collect();
            let row: Vec<f32> =
                (0..3 * width).map(|i| ((i * 31) % 17) as f32 * 0.2 - 1.5).collect();
            let mut first: Option<Vec<f32>> = None;
            for kernels in Isa::available().filter_map(Kernels::with_isa) {
                let mut found = row.clone();
                kernels.rotate(&mut found, &turns);
                for (at, value) in found.iter().enumerate() {
                    let (head, column) = (at / width * width, at % width);
                    let (pair, right) = (column % (width / 2), column >= width / 2);
                    let (x, y) =
                        (f64::from(row[head + pair]), f64::from(row[head + pair + width / 2]));
                    let (cosine, sine) = (angles[pair].cos(), angles[pair].sin());
                    let truth = if right { y * cosine + x * sine } else { x * cosine - y * sine };
                    assert!((f64::from(*value) - truth).abs() < 1e-6, "{width} {at}");
                }
                assert_eq!(&found, first.get_or_insert(found.clone()));
            }
        }
    }
}
