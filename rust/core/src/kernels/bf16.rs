//! bfloat16 codes in the order in which tiles read them.
//!
//! A *step* is 32 dimensions. A row's step is one [`Line`]; 16 rows' lines of one step lie together,
//! and a group of 16 rows is its steps one after another. A query panel has 32 queries: per step two
//! halves of 16 queries, each 16 lines, line `p` holding dimensions `2 p` and `2 p + 1` of every
//! query in turn. Dimensions beyond the last are zero.

/// Dimensions in a step.
pub const STEP: usize = 32;

/// Rows in a group.
pub const GROUP: usize = 16;

/// Queries in a panel, and rows in a tile.
pub const SIDE: usize = 32;

/// One cache line of codes. Tiles are slow on lines that straddle two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Line(pub [u16; STEP]);

impl Line {
    /// All zeros.
    pub const ZERO: Self = Self([0; STEP]);
}

/// Steps that `dim` dimensions fill.
#[must_use]
pub fn steps(dim: usize) -> usize {
    dim.div_ceil(STEP).max(1)
}

/// The nearest bfloat16, ties to even. NaN becomes some NaN or infinity; no caller keeps it.
#[must_use]
pub fn round(value: f32) -> u16 {
    let bits = value.to_bits();
    (bits.wrapping_add(0x7FFF + (bits >> 16 & 1)) >> 16) as u16
}

/// The `f32` that a code stands for.
#[must_use]
pub fn widen(code: u16) -> f32 {
    f32::from_bits(u32::from(code) << 16)
}

/// Line and place of dimension `d` of query `lane` in a panel.
#[must_use]
pub fn panel_place(d: usize, lane: usize) -> (usize, usize) {
    let (step, pair) = (d / STEP, d % STEP / 2);
    ((step * 2 + lane / GROUP) * GROUP + pair, lane % GROUP * 2 + d % 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_goes_to_the_nearest_and_ties_to_even() {
        // 8 bits of significand: between 1 and 2 codes are 2^-7 apart.
        let unit = 2.0_f32.powi(-7);
        for (value, rounded) in [
            (1.0, 1.0),
            (1.0 + unit / 2.0, 1.0),
            (1.0 + unit * 1.5, 1.0 + unit * 2.0),
            (1.0 + unit * 0.51, 1.0 + unit),
            (-1.0 - unit * 0.51, -1.0 - unit),
            (0.0, 0.0),
        ] {
            assert_eq!(widen(round(value)), rounded, "{value}");
        }
        assert_eq!(round(f32::MAX), round(f32::INFINITY));
    }

    #[test]
    fn a_panel_gives_every_dimension_and_query_a_place_of_its_own() {
        let dims = 2 * STEP;
        let mut seen = vec![[false; STEP]; dims * SIDE / STEP];
        for d in 0..dims {
            for lane in 0..SIDE {
                let (line, place) = panel_place(d, lane);
                assert!(!std::mem::replace(&mut seen[line][place], true));
            }
        }
        assert!(seen.iter().flatten().all(|&place| place));
    }
}
