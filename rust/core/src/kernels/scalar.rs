//! The specification: every other instruction set is compared with this file.
//!
//! The canonical functions read like the formula. The tile is what portable targets run; it is
//! written so that the compiler's own vectoriser finds its lanes.

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

/// True unless `key` is below `floor`; a NaN on either side is a hit.
pub(super) fn is_hit(key: f32, floor: f32) -> bool {
    !matches!(key.partial_cmp(&floor), Some(std::cmp::Ordering::Less))
}
