//! Codes of 8 bits with a scale for each row and block of 128 columns: the factors of int8 products.
//!
//! A *step* is 64 columns. Rows lie in groups of 16 as bfloat16's do, a line a step; panels have 32
//! outputs, per step two halves of 16 lines, line `q` of which holds columns `4 q` to `4 q + 3` of every
//! output in turn. Sums of a block are whole numbers, exact; blocks are added in `f32`, in order, so that
//! every instruction set returns the same bits.

#![allow(clippy::inline_always, reason = "a body is compiled for vectors only inside its caller")]

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::amx_codes;
#[cfg(target_arch = "x86_64")]
use super::avx512_codes;
use super::bf16::{GROUP, SIDE};
use super::by_isa::by_isa;
use super::int8::{LINE, Line, QUAD};
use super::vector_math::{larger, tree_max};
use super::{Bf16Tiles, Isa, Kernels, LANES};

/// Columns that share a scale.
pub const BLOCK: usize = 128;

/// Steps in a block.
pub const STEPS: usize = BLOCK / LINE;

/// Blocks that `columns` columns fill.
#[must_use]
pub fn blocks(columns: usize) -> usize {
    columns.div_ceil(BLOCK).max(1)
}

/// Line and place of column `column` of output `lane` in a panel.
#[must_use]
pub fn panel_place(column: usize, lane: usize) -> (usize, usize) {
    let (step, quad) = (column / LINE, column % LINE / QUAD);
    ((step * 2 + lane / GROUP) * GROUP + quad, lane % GROUP * QUAD + column % QUAD)
}

/// 32 rows of codes.
#[derive(Debug, Clone, Copy)]
pub struct CodeRows<'a> {
    /// From the first line of the first group on.
    pub lines: &'a [Line],
    /// Lines from the first group to the second.
    pub group: usize,
    /// Per block, what a code of 1 stands for in each row.
    pub scales: &'a [[f32; SIDE]],
}

/// A panel of 32 outputs.
#[derive(Debug, Clone, Copy)]
pub struct CodePanel<'a> {
    /// Whole blocks.
    pub lines: &'a [Line],
    /// Per block, what a code of 1 stands for in each output.
    pub scales: &'a [[f32; SIDE]],
    /// Per block, where each sum starts: what the rows' shift by [`Kernels::code_shift`] adds, less.
    pub starts: &'a [[i32; SIDE]],
}

/// The sums of a block, row-major.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Sums(pub(super) [i32; SIDE * SIDE]);

impl Sums {
    pub(super) const ZERO: Self = Self([0; SIDE * SIDE]);
}

/// Codes of a block or less, whose last line may be cut; returns what a code of 1 stands for.
#[inline(always)]
fn encode_block(values: &[f32; BLOCK], shift: u8, lines: [&mut Line; STEPS]) -> f32 {
    /// Adding it leaves the nearest whole number, ties to even, in the low bits.
    const ROUNDER: f32 = 12_582_912.0;
    /// Below, the reciprocal would overflow.
    const SMALLEST: f32 = 1e-30;
    let mut most = [0.0_f32; LANES];
    for chunk in values.as_chunks::<LANES>().0 {
        for lane in 0..LANES {
            most[lane] = larger(most[lane], chunk[lane].abs());
        }
    }
    let largest = tree_max(most);
    let inverse = if largest > SMALLEST { 127.0 / largest } else { 0.0 };
    for (line, values) in lines.into_iter().zip(values.as_chunks::<LINE>().0) {
        for (code, value) in line.0.iter_mut().zip(values) {
            *code = ((value * inverse + ROUNDER).to_bits() as u8 ^ shift) as i8;
        }
    }
    largest / 127.0
}

#[inline(always)]
fn encode_row_body(
    row: &[f32],
    factors: &[f32],
    shift: u8,
    lines: &mut [Line],
    scales: &mut [[f32; SIDE]],
    place: usize,
) {
    let (whole, rest) = row.as_chunks::<BLOCK>();
    let (whole_factors, last_factors) = factors.as_chunks::<BLOCK>();
    let mut targets = scales.iter_mut().zip(lines.chunks_mut(GROUP * STEPS));
    for (at, values) in whole.iter().enumerate() {
        let Some((scale, lines)) = targets.next() else { return };
        let (left, right) = lines.split_at_mut(GROUP);
        let both = [&mut left[0], &mut right[0]];
        scale[place] = if let Some(factors) = whole_factors.get(at) {
            let mut scaled = [0.0_f32; BLOCK];
            for i in 0..BLOCK {
                scaled[i] = values[i] * factors[i];
            }
            encode_block(&scaled, shift, both)
        } else {
            encode_block(values, shift, both)
        };
    }
    if let (false, Some((scale, lines))) = (rest.is_empty(), targets.next()) {
        let mut values = [0.0_f32; BLOCK];
        for (i, value) in rest.iter().enumerate() {
            values[i] = value * last_factors.get(i).unwrap_or(&1.0);
        }
        let (left, right) = lines.split_at_mut(GROUP);
        scale[place] = encode_block(&values, shift, [&mut left[0], &mut right[0]]);
    }
}

by_isa! {
    fn encode_row(
        kernels,
        row: &[f32],
        factors: &[f32],
        shift: u8,
        lines: &mut [Line],
        scales: &mut [[f32; SIDE]],
        place: usize,
    ) = encode_row_body;
}

impl Kernels {
    /// True where products of codes are faster than those of floats.
    #[must_use]
    pub fn has_fast_codes(self) -> bool {
        matches!(self.isa(), Isa::Avx512Vnni | Isa::Avx512Bf16 | Isa::Amx)
    }

    /// What rows' codes are shifted by: some instructions want them unsigned, as two's complement with the
    /// highest bit turned.
    #[must_use]
    pub fn code_shift(self) -> u8 {
        match self.isa() {
            Isa::Avx512Vnni | Isa::Avx512Bf16 => 0x80,
            _ => 0,
        }
    }

    /// Codes a row, each column times its factor if there are any: line `s * 16` for step `s`, and
    /// `scales[block][place]`.
    ///
    /// # Panics
    /// If there are factors and not one a column, or too few lines or scales.
    pub fn row_to_codes(
        self,
        row: &[f32],
        factors: &[f32],
        lines: &mut [Line],
        scales: &mut [[f32; SIDE]],
        place: usize,
    ) {
        assert!(factors.is_empty() || factors.len() == row.len());
        let count = blocks(row.len());
        assert!(lines.len() > (count * STEPS - 1) * GROUP && scales.len() >= count && place < SIDE);
        encode_row(self, row, factors, self.code_shift(), lines, &mut scales[..count], place);
    }
}

impl Bf16Tiles {
    /// Writes the products of 32 rows of codes with a panel to `target`, `pitch` floats from row to row;
    /// with `add`, adds them to what is there.
    ///
    /// # Panics
    /// If a slice ends before the last row or block.
    pub fn multiply_codes(
        &mut self,
        rows: &CodeRows,
        panel: &CodePanel,
        (target, pitch): (&mut [f32], usize),
        add: bool,
    ) {
        let steps = panel.lines.len() / (2 * GROUP);
        assert!(steps > 0 && steps * 2 * GROUP == panel.lines.len(), "whole steps");
        assert!(steps.is_multiple_of(STEPS), "whole blocks");
        assert!(rows.group + steps * GROUP <= rows.lines.len(), "two groups of the panel's steps");
        let count = steps / STEPS;
        assert!([panel.scales.len(), panel.starts.len()].iter().all(|&n| n == count));
        assert!(rows.scales.len() >= count, "scales of all blocks");
        assert!(pitch >= SIDE && target.len() >= (SIDE - 1) * pitch + SIDE, "room for 32 rows");
        match self.kernels.isa() {
            // SAFETY: this value set the thread up, and the asserts above are what it asks for.
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Isa::Amx => unsafe {
                amx_codes::multiply(rows, panel, target.as_mut_ptr(), pitch, add, &mut self.sums);
            },
            // SAFETY: a `Kernels` of these kinds exists only where AVX-512 VNNI was seen; the
            // asserts above are what it asks for.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni | Isa::Avx512Bf16 => unsafe {
                avx512_codes::multiply(rows, panel, target.as_mut_ptr(), pitch, add);
            },
            _ => multiply(rows, panel, (target, pitch), add),
        }
    }
}

/// The specification, for codes that are not shifted.
fn multiply(rows: &CodeRows, panel: &CodePanel, (target, pitch): (&mut [f32], usize), add: bool) {
    for row in 0..SIDE {
        let own = &rows.lines[row / GROUP * rows.group + row % GROUP..];
        for lane in 0..SIDE {
            let target = &mut target[row * pitch + lane];
            let mut value = if add { *target } else { 0.0 };
            for (block, scales) in panel.scales.iter().enumerate() {
                let mut sum = panel.starts[block][lane];
                for column in block * BLOCK..(block + 1) * BLOCK {
                    let (line, place) = panel_place(column, lane);
                    let code = own[column / LINE * GROUP].0[column % LINE];
                    sum += i32::from(code) * i32::from(panel.lines[line].0[place]);
                }
                value = (sum as f32 * scales[lane]).mul_add(rows.scales[block][row], value);
            }
            *target = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 37 + seed * 11) % 101) as f32 * 0.3 - 15.0).collect()
    }

    fn each() -> impl Iterator<Item = Kernels> {
        Isa::available().filter_map(Kernels::with_isa)
    }

    /// 32 rows as codes.
    fn coded(
        kernels: Kernels,
        rows: &[Vec<f32>],
        factors: &[f32],
    ) -> (Vec<Line>, Vec<[f32; SIDE]>) {
        let count = blocks(rows[0].len());
        let group = count * STEPS * GROUP;
        let (mut lines, mut scales) = (vec![Line::ZERO; 2 * group], vec![[0.0; SIDE]; count]);
        for (at, row) in rows.iter().enumerate() {
            let first = at / GROUP * group + at % GROUP;
            kernels.row_to_codes(row, factors, &mut lines[first..], &mut scales, at);
        }
        (lines, scales)
    }

    #[test]
    fn every_isa_returns_the_bits_of_the_specification() {
        for columns in [1, 63, 64, 65, 127, 128, 129, 384] {
            let rows: Vec<_> = (0..SIDE).map(|row| values(columns, row)).collect();
            let factors: Vec<f32> = (0..columns).map(|i| 0.5 + (i % 5) as f32).collect();
            let count = blocks(columns);
            let mut lines = vec![Line::ZERO; count * STEPS * 2 * GROUP];
            let (mut scales, mut sums) = (vec![[0.0; SIDE]; count], vec![[0; SIDE]; count]);
            for lane in 0..SIDE {
                for column in 0..columns {
                    let (line, place) = panel_place(column, lane);
                    let code = ((column * 13 + lane * 7) % 255) as i32 - 127;
                    lines[line].0[place] = code as i8;
                    sums[column / BLOCK][lane] += code;
                }
                for (block, scale) in scales.iter_mut().enumerate() {
                    scale[lane] = 0.01 + block as f32 * 0.003 + lane as f32 * 1e-4;
                }
            }
            let mut first: Option<Vec<f32>> = None;
            for kernels in each() {
                let mut tiles = Bf16Tiles::new(kernels);
                let (codes, row_scales) = coded(kernels, &rows, &factors);
                let shift = i32::from(kernels.code_shift());
                let starts: Vec<[i32; SIDE]> =
                    sums.iter().map(|of| of.map(|sum| -shift * sum)).collect();
                let group = codes.len() / 2;
                let rows = CodeRows { lines: &codes, group, scales: &row_scales };
                let panel = CodePanel { lines: &lines, scales: &scales, starts: &starts };
                let pitch = SIDE + 3;
                let mut found = vec![7.0; SIDE * pitch];
                tiles.multiply_codes(&rows, &panel, (&mut found, pitch), false);
                assert!(found.chunks(pitch).all(|row| row[SIDE..] == [7.0; 3]));
                tiles.multiply_codes(&rows, &panel, (&mut found, pitch), true);
                let isa = kernels.isa();
                assert_eq!(&found, first.get_or_insert(found.clone()), "{isa:?} {columns}");
            }
            // Against what the codes stand for.
            let found = first.unwrap();
            for row in 0..SIDE {
                for lane in 0..SIDE {
                    let (mut truth, mut size) = (0.0, 0.0);
                    for column in 0..columns {
                        let (line, place) = panel_place(column, lane);
                        let weight = f64::from(lines[line].0[place])
                            * f64::from(scales[column / BLOCK][lane]);
                        let value = f64::from(rows[row][column]) * f64::from(factors[column]);
                        truth += 2.0 * weight * value;
                        size += 2.0 * weight.abs() * 15.0 * 4.5 / 127.0;
                    }
                    let off = (f64::from(found[row * (SIDE + 3) + lane]) - truth).abs();
                    assert!(off <= size * 0.51, "{columns} {row} {lane}: {off} of {size}");
                }
            }
        }
    }

    #[test]
    fn codes_are_the_nearest_and_zero_has_a_scale() {
        for kernels in each() {
            let shift = kernels.code_shift();
            let mut lines = vec![Line([9; LINE]); 3 * GROUP + 1];
            let mut scales = [[5.0; SIDE]; 2];
            let mut row = vec![0.0; 130];
            (row[0], row[1], row[2], row[129]) = (1.27, -1.27, 0.334, 1e-35);
            kernels.row_to_codes(&row, &[], &mut lines, &mut scales, 3);
            let plain = |line: usize, at: usize| (lines[line].0[at] as u8 ^ shift) as i8;
            assert_eq!([plain(0, 0), plain(0, 1), plain(0, 2), plain(0, 3)], [127, -127, 33, 0]);
            assert_eq!((plain(2 * GROUP, 1), plain(3 * GROUP, 0)), (0, 0));
            assert!((scales[0][3] - 0.01).abs() < 1e-8 && scales[1][3] < 1e-36);
            assert_eq!((scales[0][2], lines[1].0[0]), (5.0, 9));
        }
    }
}
