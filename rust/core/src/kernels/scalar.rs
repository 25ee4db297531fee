//! The specification: every other instruction set is compared with this file.
//!
//! The canonical functions read like the formula. The tile is what portable targets run; it is
//! written so that the compiler's own vectoriser finds its lanes.

use super::bf16::{GROUP, Line, SIDE, STEP, panel_place, round, widen};
use super::bf16_tiles::{Bf16Rows, Bf16Tile, Products};
use super::{LANES, MAX_TILE_KEYS, MAX_TILE_ROWS, Tile};

/// Adds the lanes of a canonical sum in its fixed order: halves onto halves.
#[must_use]
pub fn tree(mut lanes: [f64; LANES]) -> f64 {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// Canonical inner product: lane `i % 16` gathers the products `i`, then [`tree`].
///
/// A product of two `f32` is exact in `f64`, so fusing it with the addition changes nothing.
#[must_use]
pub fn dot(q: &[f32], x: &[f32]) -> f64 {
    let mut lanes = [0.0; LANES];
    for (i, (&a, &b)) in q.iter().zip(x).enumerate() {
        lanes[i % LANES] += f64::from(a) * f64::from(b);
    }
    tree(lanes)
}

/// Canonical squared distance: as [`dot`], over `(a - b) * (a - b)`.
///
/// The square is not exact, so it is rounded before it is added; no instruction set fuses the two.
#[must_use]
pub fn squared_distance(q: &[f32], x: &[f32]) -> f64 {
    let mut lanes = [0.0; LANES];
    for (i, (&a, &b)) in q.iter().zip(x).enumerate() {
        let difference = f64::from(a) - f64::from(b);
        lanes[i % LANES] += difference * difference;
    }
    tree(lanes)
}

/// `R` rows against a panel of `L` queries.
pub(super) fn tile<const R: usize, const L: usize>(
    tile: &Tile,
    keys: &mut [f32; MAX_TILE_KEYS],
) -> [u64; MAX_TILE_ROWS] {
    let mut sums = [[0.0_f32; L]; R];
    for (d, lanes) in tile.panel.chunks_exact(L).enumerate() {
        for (sum, row) in sums.iter_mut().zip(&tile.rows) {
            let value = row[d];
            for (lane, &query) in sum.iter_mut().zip(lanes) {
                *lane += query * value;
            }
        }
    }
    let mut hits = [0; MAX_TILE_ROWS];
    for (r, sum) in sums.iter().enumerate() {
        for (lane, &dot) in sum.iter().enumerate() {
            let key = dot * tile.scale[r] + tile.shift[r];
            keys[r * L + lane] = key;
            hits[r] |= u64::from(is_hit(key, tile.floor[lane])) << lane;
        }
    }
    hits
}

/// All products of two groups of rows and a panel.
pub(super) fn multiply_bf16(rows: &[Line], panel: &[Line], products: &mut Products) {
    let rows = Bf16Rows::grouped(rows, panel.len() / 2);
    multiply_bf16_into(&rows, panel, (&mut products.0, SIDE), false);
}

/// See [`super::Bf16Tiles::multiply_into`].
pub(super) fn multiply_bf16_into(
    rows: &Bf16Rows,
    panel: &[Line],
    (target, pitch): (&mut [f32], usize),
    add: bool,
) {
    let steps = panel.len() / (2 * GROUP);
    for row in 0..SIDE {
        for lane in 0..SIDE {
            let target = &mut target[row * pitch + lane];
            let mut sum = if add { *target } else { 0.0 };
            for d in 0..steps * STEP {
                let (panel_line, place) = panel_place(d, lane);
                let line = &rows.lines[rows.place(row, d / STEP)];
                sum += widen(line.0[d % STEP]) * widen(panel[panel_line].0[place]);
            }
            *target = sum;
        }
    }
}

/// Per row the lanes whose key is not below their floor.
pub(super) fn sift(tile: &Bf16Tile, products: &Products) -> [u32; SIDE] {
    let mut hits = [0; SIDE];
    for (row, (scale, shift)) in tile.scale.iter().zip(tile.shift).enumerate() {
        for (lane, &floor) in tile.floor.iter().enumerate() {
            let key = products.0[row * SIDE + lane] * scale + shift;
            hits[row] |= u32::from(is_hit(key, floor)) << lane;
        }
    }
    hits
}

/// See [`super::Kernels::encode_bf16`].
pub(super) fn encode_bf16(x: &[f32], factor: f32, lines: &mut [Line], stride: usize) -> f64 {
    let mut lost = 0.0;
    for (step, values) in x.chunks(STEP).enumerate() {
        let line = &mut lines[step * stride];
        *line = Line::ZERO;
        for (code, &value) in line.0.iter_mut().zip(values) {
            let value = value * factor;
            *code = round(value);
            lost += (f64::from(value) - f64::from(widen(*code))).powi(2);
        }
    }
    if x.is_empty() {
        lines[0] = Line::ZERO;
    }
    lost
}

/// See [`super::Kernels::widen_f16`].
pub(super) fn widen_f16(bits: &[u16], target: &mut [f32]) {
    for (target, &bits) in target.iter_mut().zip(bits) {
        let (sign, exponent) = (u32::from(bits >> 15) << 31, u32::from(bits >> 10 & 31));
        let fraction = u32::from(bits & 0x3FF);
        *target = match exponent {
            // Subnormal: so many of the smallest unit, 2^-24.
            0 => {
                let value = fraction as f32 / (1 << 24) as f32;
                f32::from_bits(value.to_bits() | sign)
            }
            31 => f32::from_bits(sign | 0xFF << 23 | fraction << 13),
            // The exponents' biases are 15 and 127.
            _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
        };
    }
}

/// True unless `key` is below `floor`; a NaN on either side is a hit.
pub(super) fn is_hit(key: f32, floor: f32) -> bool {
    !matches!(key.partial_cmp(&floor), Some(std::cmp::Ordering::Less))
}
