//! bfloat16 rows turned into panels: what a product reads on its right side.

#![allow(clippy::inline_always, reason = "a body is compiled for vectors only inside its caller")]

use super::Kernels;
use super::bf16::{GROUP, Line};
use super::by_isa::by_isa;

/// A line as pairs of codes.
type Pairs = [u32; GROUP];

#[inline(always)]
fn pairs(line: &Line) -> Pairs {
    // SAFETY: both are 64 bytes of plain integers, and a line's alignment is the larger.
    unsafe { std::ptr::from_ref(line).cast::<Pairs>().read() }
}

/// The lower, or the upper, halves of two vectors in turn.
#[inline(always)]
fn zip<const UPPER: bool>(a: &Pairs, b: &Pairs) -> Pairs {
    let first = if UPPER { GROUP / 2 } else { 0 };
    let mut zipped = [0; GROUP];
    for i in 0..GROUP / 2 {
        zipped[2 * i] = a[first + i];
        zipped[2 * i + 1] = b[first + i];
    }
    zipped
}

/// Transposes 16 x 16 pairs: zipping the first eight rows with the last eight, four times over, moves
/// each bit of the row's number to the column's.
#[inline(always)]
fn transpose_body(rows: [&Line; GROUP], target: &mut [Line; GROUP]) {
    // Loops, since `array::from_fn` would be compiled for no vectors at all.
    let mut now = [[0; GROUP]; GROUP];
    for (row, line) in now.iter_mut().zip(rows) {
        *row = pairs(line);
    }
    for _ in 0..4 {
        let before = now;
        for row in 0..GROUP / 2 {
            now[2 * row] = zip::<false>(&before[row], &before[row + GROUP / 2]);
            now[2 * row + 1] = zip::<true>(&before[row], &before[row + GROUP / 2]);
        }
    }
    for (line, pairs) in target.iter_mut().zip(&now) {
        // SAFETY: as in `pairs`.
        unsafe { std::ptr::from_mut(line).cast::<Pairs>().write(*pairs) };
    }
}

by_isa! {
    fn transpose(kernels, rows: [&Line; GROUP], target: &mut [Line; GROUP]) = transpose_body;
}

#[inline(always)]
fn weave_body(even: &Line, odd: &Line, left: &mut Line, right: &mut Line) {
    for i in 0..GROUP {
        left.0[2 * i] = even.0[i];
        left.0[2 * i + 1] = odd.0[i];
        right.0[2 * i] = even.0[GROUP + i];
        right.0[2 * i + 1] = odd.0[GROUP + i];
    }
}

by_isa! {
    fn weave(kernels, even: &Line, odd: &Line, left: &mut Line, right: &mut Line) = weave_body;
}

impl Kernels {
    /// Pairs of codes of 16 rows, column by column: line `p` gets pair `p` of every row in turn.
    pub fn transpose_pairs(self, rows: [&Line; GROUP], target: &mut [Line; GROUP]) {
        transpose(self, rows, target);
    }

    /// Codes of two rows in turn: the first 16 of each to `left`, the others to `right`.
    pub fn weave(self, even: &Line, odd: &Line, left: &mut Line, right: &mut Line) {
        weave(self, even, odd, left, right);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Isa;
    use crate::kernels::bf16::STEP;

    #[test]
    fn pairs_are_transposed_and_rows_woven() {
        let rows: [Line; GROUP] =
            std::array::from_fn(|row| Line(std::array::from_fn(|i| (row * STEP + i) as u16)));
        for kernels in Isa::available().filter_map(Kernels::with_isa) {
            let mut target = [Line::ZERO; GROUP];
            kernels.transpose_pairs(rows.each_ref(), &mut target);
            for (pair, line) in target.iter().enumerate() {
                for (found, row) in line.0.as_chunks::<2>().0.iter().zip(&rows) {
                    assert_eq!(found, &row.0[pair * 2..][..2]);
                }
            }
            let (mut left, mut right) = (Line::ZERO, Line::ZERO);
            kernels.weave(&rows[0], &rows[1], &mut left, &mut right);
            assert_eq!(left.0[..4], [0, 32, 1, 33]);
            assert_eq!(right.0[28..], [30, 62, 31, 63]);
        }
    }
}
