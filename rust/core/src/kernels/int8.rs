//! Codes of 8 bits: how rows and queries are laid out, and how a row becomes codes.
//!
//! Rows of codes lie one after the other, each padded with zeros to whole lines of 64, so that every
//! instruction set reads the same plane, in memory or mapped from a file. A panel of queries is made
//! of groups of 16: line `j` of a group holds dimensions `4 j` to `4 j + 3` of each query in turn.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::amx_int8;
use super::scalar::is_hit;
use super::{Isa, Kernels};
#[cfg(target_arch = "x86_64")]
use super::{avx_vnni, avx2, avx512, avx512_vnni};

/// Codes in a line.
pub const LINE: usize = 64;

/// Queries in a group.
pub const GROUP: usize = 16;

/// Dimensions that one instruction sums.
pub const QUAD: usize = 4;

/// Most queries in a panel.
pub const MAX_LANES: usize = 64;

/// Widest rows whose integer sums cannot overflow: `255 * 127 * 65,536 < 2^31`.
pub const MAX_DIM: usize = 1 << 16;

/// Adding and subtracting it rounds to a whole number, ties to even.
const ROUNDER: f32 = (3 << 22) as f32;

/// Below and above, a scale would leave the normal numbers.
const SMALLEST: f32 = 1.0 / (1_u64 << 50) as f32 / (1_u64 << 50) as f32;
const LARGEST: f32 = (1_u64 << 50) as f32 * (1_u64 << 50) as f32;

/// One line of a panel. Tiles are slow on lines that straddle two of the cache's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Line(pub [i8; LINE]);

impl Line {
    /// All zeros.
    pub const ZERO: Self = Self([0; LINE]);
}

/// Bytes from one row of codes to the next.
#[must_use]
pub fn stride(dim: usize) -> usize {
    dim.div_ceil(LINE).max(1) * LINE
}

/// Lines in a group of queries.
#[must_use]
pub fn group_lines(dim: usize) -> usize {
    stride(dim) / QUAD
}

/// Line, within its group, and place of dimension `d` of query `lane`.
#[must_use]
pub fn panel_place(d: usize, lane: usize) -> (usize, usize) {
    (d / QUAD, lane % GROUP * QUAD + d % QUAD)
}

/// What a vector's codes leave to know: the vector is `scale` times the codes, and a rest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coded {
    /// What a code of 1 stands for.
    pub scale: f32,
    /// Sum of the codes.
    pub sum: i32,
    /// Sum of the codes' squares.
    pub squares: i32,
    /// Squared norm of the rest, to a relative 1e-2 and an absolute `2^-46` of the vector's own;
    /// infinite where the vector is too large to be coded.
    pub lost: f32,
}

/// Codes a padded vector. Every instruction set compiles this very function, so that they all write
/// the same plane.
#[allow(
    clippy::inline_always,
    reason = "only inlined is it compiled for its caller's instructions"
)]
#[inline(always)]
pub(super) fn encode(values: &[f32], codes: &mut [i8]) -> Coded {
    const LANES: usize = 16;
    let (chunks, targets) = (values.as_chunks::<LANES>().0, codes.as_chunks_mut::<LANES>().0);
    let mut most = [0.0_f32; LANES];
    for chunk in chunks {
        for (most, value) in most.iter_mut().zip(chunk) {
            *most = if value.abs() > *most { value.abs() } else { *most };
        }
    }
    let largest = most.iter().fold(0.0, |a: f32, &b| a.max(b));
    let fits = largest > SMALLEST && largest < LARGEST;
    let (scale, inverse) = if fits { (largest / 127.0, 127.0 / largest) } else { (0.0, 0.0) };
    let (mut lost, mut sums, mut squares) = ([0.0_f32; LANES], [0; LANES], [0; LANES]);
    for (chunk, target) in chunks.iter().zip(targets) {
        for i in 0..LANES {
            // The rounded number's low byte is the code itself; what is no number has one too.
            let code = i32::from((chunk[i] * inverse + ROUNDER).to_bits() as i8);
            let rest = chunk[i] - scale * code as f32;
            lost[i] += rest * rest;
            sums[i] += code;
            squares[i] += code * code;
            target[i] = code as i8;
        }
    }
    let lost = if largest < LARGEST { lost.iter().sum() } else { f32::INFINITY };
    Coded { scale, sum: sums.iter().sum(), squares: squares.iter().sum(), lost }
}

/// `values * factor - centre`, padded with zeros.
#[allow(clippy::inline_always, reason = "see `encode`")]
#[inline(always)]
pub(super) fn centre(values: &[f32], factor: f32, centre: &[f32], target: &mut [f32]) {
    let dim = values.len();
    for ((target, value), centre) in target[..dim].iter_mut().zip(values).zip(&centre[..dim]) {
        *target = value * factor - centre;
    }
    target[dim..].fill(0.0);
}

/// Some rows of a plane.
#[derive(Debug, Clone, Copy)]
pub struct Int8Rows<'a> {
    /// Codes, a stride a row.
    pub codes: &'a [i8],
    /// What a code of 1 stands for, per row.
    pub scale: &'a [f32],
    /// `key = product * scale * query scale + shift`, per row.
    pub shift: &'a [f32],
    /// Bound on the norm of what coding took from the row.
    pub lost: &'a [f32],
    /// Bound on the norm of what the codes stand for.
    pub size: &'a [f32],
    /// Sum of the row's codes.
    pub sums: &'a [i32],
    /// What a pair's truth must reach to matter to the row; empty where only lanes are asked, see
    /// [`Int8Panel::lead`].
    pub floor: &'a [f32],
}

/// Queries that meet rows together.
#[derive(Debug, Clone, Copy)]
pub struct Int8Panel<'a> {
    /// Groups of 16 queries: as many lines as [`group_lines`] each.
    pub lines: &'a [Line],
    /// What a code of 1 stands for, per lane.
    pub scale: &'a [f32; MAX_LANES],
    /// The key may be off by this times the row's `lost + ratio * size`, per lane.
    pub share: &'a [f32; MAX_LANES],
    /// See `share`.
    pub ratio: f32,
    /// A pair whose upper bound is not below its lane's floor is a hit; so is a NaN. Floors are none.
    pub floor: &'a [f32; MAX_LANES],
    /// Where pairs matter to their rows as well: by how much the truth is above the key, per lane. A
    /// pair is then a hit too if its upper bound is not below the row's floor less its lane's lead.
    pub lead: Option<&'a [f32; MAX_LANES]>,
}

/// A pair that may count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// What the pass says of the pair.
    pub key: f32,
    /// The row's place in the block times [`MAX_LANES`], plus the lane.
    place: u32,
}

impl Hit {
    /// A hit of a lane in the `row`-th row of a block.
    #[must_use]
    pub fn new(row: usize, lane: usize, key: f32) -> Self {
        Self { key, place: (row * MAX_LANES + lane) as u32 }
    }

    /// The row's place in the block.
    #[must_use]
    pub fn row(self) -> usize {
        self.place as usize / MAX_LANES
    }

    /// The query's lane in its panel.
    #[must_use]
    pub fn lane(self) -> usize {
        self.place as usize % MAX_LANES
    }
}

impl Kernels {
    /// True where products of codes are faster than products of floats.
    #[must_use]
    pub fn has_int8(self) -> bool {
        matches!(self.isa(), Isa::AvxVnni | Isa::Avx512Vnni | Isa::Avx512Bf16 | Isa::Amx)
    }

    /// What is added to a query's code before it is packed: some instructions want them unsigned,
    /// as two's complement with the highest bit turned.
    #[must_use]
    pub fn int8_query_flip(self) -> u8 {
        match self.isa() {
            Isa::AvxVnni | Isa::Avx512Vnni | Isa::Avx512Bf16 => 0x80,
            _ => 0,
        }
    }

    /// Lanes of the panel for `queries` queries that still wait for one.
    #[must_use]
    pub fn int8_lanes(self, queries: usize) -> usize {
        match (self.isa(), queries) {
            (_, 0..=16) | (Isa::Scalar | Isa::Avx2 | Isa::AvxVnni, _) => 16,
            (_, 17..=32) => 32,
            _ => 64,
        }
    }

    /// Codes a vector that is padded to a whole [`stride`].
    ///
    /// # Panics
    /// If the lengths differ or are no whole stride.
    #[must_use]
    pub fn encode_int8(self, values: &[f32], codes: &mut [i8]) -> Coded {
        assert_eq!(values.len(), codes.len());
        assert!(values.len().is_multiple_of(LINE));
        match self.isa() {
            Isa::Scalar => encode(values, codes),
            // SAFETY: a `Kernels` of this kind exists only where AVX2 was seen.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 | Isa::AvxVnni => unsafe { avx2::encode_int8(values, codes) },
            // SAFETY: a `Kernels` of this kind exists only where AVX-512F was seen.
            #[cfg(target_arch = "x86_64")]
            _ => unsafe { avx512::encode_int8(values, codes) },
            #[cfg(not(target_arch = "x86_64"))]
            _ => unreachable!("no constructor makes these here"),
        }
    }

    /// Writes `values * factor - centre` to `target`, and zeros behind.
    ///
    /// # Panics
    /// If `centre` or `target` is shorter than `values`.
    pub fn centre(self, values: &[f32], factor: f32, centre: &[f32], target: &mut [f32]) {
        match self.isa() {
            Isa::Scalar => self::centre(values, factor, centre, target),
            // SAFETY: a `Kernels` of this kind exists only where AVX2 was seen.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 | Isa::AvxVnni => unsafe { avx2::centre(values, factor, centre, target) },
            // SAFETY: a `Kernels` of this kind exists only where AVX-512F was seen.
            #[cfg(target_arch = "x86_64")]
            _ => unsafe { avx512::centre(values, factor, centre, target) },
            #[cfg(not(target_arch = "x86_64"))]
            _ => unreachable!("no constructor makes these here"),
        }
    }

    /// Appends the hits of a panel and some rows, whose places count on from block to block.
    ///
    /// `pitch` is the [`stride`] of a row. `streaming` says that the rows come from memory and are met
    /// once: they are asked for early.
    ///
    /// # Panics
    /// If a slice is not of the size that the other ones imply.
    pub fn scan_int8(
        self,
        panel: &Int8Panel,
        blocks: &[Int8Rows],
        pitch: usize,
        streaming: bool,
        hits: &mut Vec<Hit>,
    ) {
        assert!(pitch.is_multiple_of(LINE) && pitch > 0, "whole lines");
        for rows in blocks {
            let count = rows.scale.len();
            assert_eq!(rows.codes.len(), count * pitch);
            assert!([rows.shift, rows.lost, rows.size].iter().all(|all| all.len() == count));
            assert_eq!(rows.sums.len(), count);
            assert_eq!(rows.floor.len(), if panel.lead.is_some() { count } else { 0 });
        }
        let groups = panel.lines.len() / (pitch / QUAD);
        assert!(groups > 0 && groups * (pitch / QUAD) == panel.lines.len(), "whole groups");
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        if self.isa() == Isa::Amx {
            // SAFETY: a `Kernels` of this kind exists only where AMX and AVX-512 were seen; the
            // asserts above are what the kernel asks of the slices.
            return unsafe {
                match (groups, panel.lead) {
                    (1, None) => amx_int8::scan::<1, false>(panel, blocks, pitch, hits),
                    (2 | 4, None) => amx_int8::scan::<2, false>(panel, blocks, pitch, hits),
                    (1, _) => amx_int8::scan::<1, true>(panel, blocks, pitch, hits),
                    (2 | 4, _) => amx_int8::scan::<2, true>(panel, blocks, pitch, hits),
                    _ => unreachable!("no panel has {groups} groups"),
                }
            };
        }
        let mut first = 0;
        for rows in blocks {
            let all = Block { rows, pitch, first, streaming };
            match self.isa() {
                // SAFETY: as above, AVX-VNNI.
                #[cfg(target_arch = "x86_64")]
                Isa::AvxVnni => unsafe { avx_vnni::scan(panel, &all, hits) },
                // SAFETY: as above, AVX-512 VNNI.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512Vnni | Isa::Avx512Bf16 => unsafe {
                    match (groups, panel.lead) {
                        (1, None) => avx512_vnni::scan::<12, 1, false>(panel, &all, hits),
                        (2, None) => avx512_vnni::scan::<12, 2, false>(panel, &all, hits),
                        (4, None) => avx512_vnni::scan::<6, 4, false>(panel, &all, hits),
                        (1, _) => avx512_vnni::scan::<12, 1, true>(panel, &all, hits),
                        (2, _) => avx512_vnni::scan::<12, 2, true>(panel, &all, hits),
                        (4, _) => avx512_vnni::scan::<6, 4, true>(panel, &all, hits),
                        _ => unreachable!("no panel has {groups} groups"),
                    }
                },
                _ => scalar_scan(panel, &all, self.int8_query_flip(), hits),
            }
            first += rows.scale.len();
        }
    }
}

/// Rows with what a kernel must know of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a, 'b> {
    pub(super) rows: &'a Int8Rows<'b>,
    /// Bytes from row to row.
    pub(super) pitch: usize,
    /// Place of the first row.
    pub(super) first: usize,
    pub(super) streaming: bool,
}

/// The specification of all scans.
fn scalar_scan(panel: &Int8Panel, block: &Block, flip: u8, hits: &mut Vec<Hit>) {
    let Block { rows, pitch, first, .. } = *block;
    let quads = pitch / QUAD;
    for (r, codes) in rows.codes.chunks_exact(pitch).enumerate() {
        for (group, lines) in panel.lines.chunks_exact(quads).enumerate() {
            let mut sums = [0_i32; GROUP];
            for (line, codes) in lines.iter().zip(codes.as_chunks::<QUAD>().0) {
                for (sum, queries) in sums.iter_mut().zip(line.0.as_chunks::<QUAD>().0) {
                    for (&query, &code) in queries.iter().zip(codes) {
                        *sum += i32::from((query as u8 ^ flip) as i8) * i32::from(code);
                    }
                }
            }
            for (i, &sum) in sums.iter().enumerate() {
                let lane = group * GROUP + i;
                let key = sum as f32 * panel.scale[lane] * rows.scale[r] + rows.shift[r];
                let key = key + panel.share[lane] * (rows.lost[r] + panel.ratio * rows.size[r]);
                let matters_to_row =
                    panel.lead.is_some_and(|lead| is_hit(key, rows.floor[r] - lead[lane]));
                if is_hit(key, panel.floor[lane]) || matters_to_row {
                    hits.push(Hit::new(first + r, lane, key));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_rest_make_the_vector() {
        let mut values = vec![0.0_f32; 128];
        for (i, value) in values.iter_mut().take(100).enumerate() {
            *value = ((i * 37 % 101) as f32 - 50.0) / 7.0;
        }
        let mut codes = vec![1_i8; 128];
        let coded = encode(&values, &mut codes);
        let largest = values.iter().fold(0.0, |a: f32, b| a.max(b.abs()));
        assert_eq!(coded.scale, largest / 127.0);
        assert_eq!(coded.sum, codes.iter().map(|&c| i32::from(c)).sum::<i32>());
        assert_eq!(coded.squares, codes.iter().map(|&c| i32::from(c).pow(2)).sum::<i32>());
        let rest: f64 = values
            .iter()
            .zip(&codes)
            .map(|(&v, &c)| (f64::from(v) - f64::from(coded.scale) * f64::from(c)).powi(2))
            .sum();
        assert!((f64::from(coded.lost) - rest).abs() < 1e-2 * rest);
        // Each value is within half a step of what its code stands for.
        assert!(rest.sqrt() <= f64::from(coded.scale) / 2.0 * 10.0 * 1.001);
    }

    #[test]
    fn what_no_scale_fits_keeps_its_norm_as_the_rest() {
        let mut codes = vec![1_i8; 64];
        let tiny = encode(&[1e-38; 64], &mut codes);
        assert_eq!((tiny.scale, tiny.sum), (0.0, 0));
        assert!(codes.iter().all(|&code| code == 0));
        let zero = encode(&[0.0; 64], &mut codes);
        assert_eq!((zero.scale, zero.lost), (0.0, 0.0));
        for huge in [1e31, f32::INFINITY, f32::MAX] {
            let mut values = [0.5; 64];
            values[17] = huge;
            assert_eq!(encode(&values, &mut codes).lost, f32::INFINITY);
        }
    }

    #[test]
    fn a_hit_knows_its_row_and_lane() {
        let hit = Hit::new(4_321, 63, 0.5);
        assert_eq!((hit.row(), hit.lane(), hit.key), (4_321, 63, 0.5));
    }
}
