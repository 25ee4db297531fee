//! Tiles of bfloat16 products: 32 rows against a panel of 32 queries.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::amx;
use super::bf16::{GROUP, Line, SIDE, STEP};
use super::block_codes::Sums;
#[cfg(target_arch = "x86_64")]
use super::{Isa, avx512, avx512_bf16};
use super::{Kernels, scalar};

/// The products of one tile, row-major, where tiles are stored fastest.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Products(pub(super) [f32; SIDE * SIDE]);

impl Products {
    /// All zeros.
    #[must_use]
    pub const fn new() -> Self {
        Self([0.0; SIDE * SIDE])
    }

    /// 32 rows of 32.
    pub fn rows(&mut self) -> &mut [f32] {
        &mut self.0
    }

    /// The values of several, as one slice.
    pub fn flat(several: &mut [Self]) -> &mut [f32] {
        let count = several.len() * SIDE * SIDE;
        // SAFETY: each is that many floats without padding, its size being a multiple of its alignment.
        unsafe { std::slice::from_raw_parts_mut(several.as_mut_ptr().cast(), count) }
    }
}

impl Default for Products {
    fn default() -> Self {
        Self::new()
    }
}

/// 32 rows of a product's left side, wherever their lines lie.
#[derive(Debug, Clone, Copy)]
pub struct Bf16Rows<'a> {
    pub(super) lines: &'a [Line],
    /// Lines from one row of a group of 16 to the next.
    pub(super) row: usize,
    /// Lines from the first group to the second.
    pub(super) group: usize,
    /// Lines from one step to the next.
    pub(super) step: usize,
}

impl<'a> Bf16Rows<'a> {
    /// Two groups, whose steps of 16 lines lie together; `group` lines from one to the other.
    #[must_use]
    pub fn grouped(lines: &'a [Line], group: usize) -> Self {
        Self { lines, row: 1, group, step: GROUP }
    }

    /// Rows whose steps lie together, `pitch` lines from row to row.
    #[must_use]
    pub fn strided(lines: &'a [Line], pitch: usize) -> Self {
        Self { lines, row: pitch, group: GROUP * pitch, step: 1 }
    }

    /// Where a row's step lies.
    pub(super) fn place(&self, row: usize, step: usize) -> usize {
        row / GROUP * self.group + row % GROUP * self.row + step * self.step
    }
}

/// One tile's work.
#[derive(Debug)]
pub struct Bf16Tile<'a> {
    /// Two groups of rows, one after the other.
    pub rows: &'a [Line],
    /// A panel of queries.
    pub panel: &'a [Line],
    /// `key = product * scale + shift`, per row; as many as there are rows, at most 32.
    pub scale: &'a [f32],
    /// See `scale`.
    pub shift: &'a [f32],
    /// A key that is not below its lane's floor is a hit; so is a NaN.
    pub floor: &'a [f32; SIDE],
}

/// A thread's licence to compute tiles: AMX is set up when it is made and released when it goes.
#[derive(Debug)]
pub struct Bf16Tiles {
    pub(super) kernels: Kernels,
    products: Products,
    /// What AMX sums of codes, two blocks in turn.
    pub(super) sums: [Sums; 2],
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    _tiles: Option<amx::Tiles>,
}

impl Bf16Tiles {
    /// Sets this thread up.
    #[must_use]
    pub fn new(kernels: Kernels) -> Self {
        Self {
            kernels,
            products: Products::new(),
            sums: [Sums::ZERO; 2],
            // SAFETY: a `Kernels` of this kind exists only where `amx::is_available` got the
            // system's permission.
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            _tiles: (kernels.isa() == Isa::Amx).then(|| unsafe { amx::Tiles::set_up() }),
        }
    }

    /// Computes a tile; returns per row the lanes that hit, as bits.
    ///
    /// # Panics
    /// If a slice is not of the size that the other ones imply.
    #[must_use]
    pub fn run(&mut self, tile: &Bf16Tile) -> [u32; SIDE] {
        assert!(tile.scale.len() <= SIDE && tile.scale.len() == tile.shift.len(), "rows");
        let _ = self.multiply(tile.rows, tile.panel);
        match self.kernels.isa() {
            // SAFETY: a `Kernels` of these kinds exists only where AVX-512F was seen.
            #[cfg(target_arch = "x86_64")]
            Isa::Amx | Isa::Avx512Bf16 => unsafe { avx512::sift(tile, &self.products) },
            _ => scalar::sift(tile, &self.products),
        }
    }

    /// The kernels that compute the tiles.
    #[must_use]
    pub fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// All inner products of two groups of rows with a panel, row-major.
    ///
    /// # Panics
    /// If the slices are not of one length, in whole steps.
    pub fn multiply(&mut self, rows: &[Line], panel: &[Line]) -> &mut [f32; SIDE * SIDE] {
        let lines = panel.len();
        assert!(lines > 0 && lines.is_multiple_of(2 * GROUP), "whole steps");
        assert_eq!(rows.len(), lines, "two groups of the panel's steps");
        match self.kernels.isa() {
            // SAFETY: `new` set this thread up, and the asserts above are what it asks for.
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Isa::Amx => unsafe { amx::multiply(rows, panel, &mut self.products) },
            // SAFETY: a `Kernels` of this kind exists only where AVX-512 BF16 was seen; the
            // asserts above are what it asks for.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Bf16 => unsafe { avx512_bf16::multiply(rows, panel, &mut self.products) },
            _ => scalar::multiply_bf16(rows, panel, &mut self.products),
        }
        &mut self.products.0
    }

    /// Writes all inner products of 32 rows with a panel to `target`, `pitch` floats from row to row; with
    /// `add`, adds them to what is there.
    ///
    /// # Panics
    /// If a slice ends before the last row or step.
    pub fn multiply_into(
        &mut self,
        rows: &Bf16Rows,
        panel: &[Line],
        (target, pitch): (&mut [f32], usize),
        add: bool,
    ) {
        let lines = panel.len();
        assert!(lines > 0 && lines.is_multiple_of(2 * GROUP), "whole steps");
        assert!(rows.place(SIDE - 1, lines / SIDE - 1) < rows.lines.len(), "32 rows");
        assert!(pitch >= SIDE && target.len() >= (SIDE - 1) * pitch + SIDE, "room for 32 rows");
        match self.kernels.isa() {
            // SAFETY: `new` set this thread up, and the asserts above are what it asks for.
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Isa::Amx => unsafe {
                amx::multiply_into(rows, panel, target.as_mut_ptr(), pitch, add);
            },
            // SAFETY: a `Kernels` of this kind exists only where AVX-512 BF16 was seen; the
            // asserts above are what it asks for.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Bf16 => unsafe {
                avx512_bf16::multiply_into(rows, panel, target.as_mut_ptr(), pitch, add);
            },
            _ => scalar::multiply_bf16_into(rows, panel, (target, pitch), add),
        }
    }

    /// The key behind a hit of the last [`Bf16Tiles::run`].
    #[must_use]
    pub fn key(&self, tile: &Bf16Tile, row: usize, lane: usize) -> f32 {
        self.products.0[row * SIDE + lane] * tile.scale[row] + tile.shift[row]
    }
}

impl Kernels {
    /// True where products of bfloat16 are faster than those of floats.
    #[must_use]
    pub fn has_fast_bf16(self) -> bool {
        matches!(self.isa(), Isa::Avx512Bf16 | Isa::Amx)
    }

    /// Encodes `x * factor` as bfloat16, a line per step, `stride` lines apart; returns the squared
    /// norm of what rounding took away, with a relative error of at most 1e-2 and an absolute one of
    /// `dim * 2^-126`.
    ///
    /// # Panics
    /// If `lines` ends before the last step.
    #[must_use]
    pub fn encode_bf16(self, x: &[f32], factor: f32, lines: &mut [Line], stride: usize) -> f64 {
        assert!((x.len().div_ceil(STEP).max(1) - 1) * stride < lines.len(), "a line per step");
        match self.isa() {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a `Kernels` of this kind exists only where AVX-512F was seen.
            Isa::Avx512 | Isa::Avx512Vnni | Isa::Avx512Bf16 | Isa::Amx => unsafe {
                avx512::encode_bf16(x, factor, lines, stride)
            },
            _ => scalar::encode_bf16(x, factor, lines, stride),
        }
    }
}
