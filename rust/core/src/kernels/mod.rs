//! Instruction sets: detected once, chosen, forced; and the kernels behind one safe face.
//!
//! A [`Kernels`] value exists only for an instruction set that this processor has, which is what
//! makes the calls into the `target_feature` functions sound. Two kinds of kernel:
//!
//! * **canonical** ones give the score that ranks: exact `f64` products of the `f32` inputs, summed
//!   in [`LANES`] lanes and one fixed tree. All instruction sets return the same bits.
//! * **tiles** give `f32` keys, fast, within a rounding bound that `topk::certificate` proves. Their
//!   bits differ between instruction sets; nothing that leaves the crate depends on them.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx_codes;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx_int8;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512_bf16;
#[cfg(target_arch = "x86_64")]
mod avx512_codes;
#[cfg(target_arch = "x86_64")]
mod avx512_vnni;
#[cfg(target_arch = "x86_64")]
mod avx_vnni;
pub mod bf16;
pub mod block_codes;
pub mod int8;
pub mod scalar;

use crate::error::{Error, Result};

/// Lanes of a canonical sum.
pub const LANES: usize = 16;

/// Most rows in a tile.
pub const MAX_TILE_ROWS: usize = 12;

/// Most keys in a tile: rows x lanes.
pub const MAX_TILE_KEYS: usize = 6 * 64;

/// Environment variable that forces an instruction set.
pub const ISA_VARIABLE: &str = "EMBEDSMITH_ISA";

/// An instruction set with kernels of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// Portable code, the specification of every other.
    Scalar,
    /// AVX2 with fused multiply-add and half precision.
    Avx2,
    /// The same, and sums of 8-bit products (AVX-VNNI).
    AvxVnni,
    /// AVX-512 Foundation.
    Avx512,
    /// The same, and sums of 8-bit products.
    Avx512Vnni,
    /// The same, and sums of bfloat16 products.
    Avx512Bf16,
    /// All of these, and AMX tiles of 8-bit integers and bfloat16.
    Amx,
}

impl Isa {
    const ALL: [Self; 7] = [
        Self::Scalar,
        Self::Avx2,
        Self::AvxVnni,
        Self::Avx512,
        Self::Avx512Vnni,
        Self::Avx512Bf16,
        Self::Amx,
    ];

    /// The name used in `EMBEDSMITH_ISA`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::AvxVnni => "avxvnni",
            Self::Avx512 => "avx512",
            Self::Avx512Vnni => "avx512vnni",
            Self::Avx512Bf16 => "avx512bf16",
            Self::Amx => "amx",
        }
    }

    fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("f16c")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f"),
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => Self::Avx2.is_available() && is_x86_feature_detected!("avxvnni"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => {
                Self::Avx512.is_available() && is_x86_feature_detected!("avx512vnni")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => {
                Self::Avx512Vnni.is_available() && is_x86_feature_detected!("avx512bf16")
            }
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Self::Amx => Self::Avx512Vnni.is_available() && amx::is_available(),
            #[allow(unreachable_patterns, reason = "which arms stand above depends on the target")]
            _ => false,
        }
    }

    /// True for AVX-512 Foundation and all that builds on it.
    #[cfg(target_arch = "x86_64")]
    fn is_avx512(self) -> bool {
        matches!(self, Self::Avx512 | Self::Avx512Vnni | Self::Avx512Bf16 | Self::Amx)
    }

    /// What this processor has, slowest first.
    #[must_use = "an iterator does nothing by itself"]
    pub fn available() -> impl DoubleEndedIterator<Item = Self> {
        Self::ALL.into_iter().filter(|isa| isa.is_available())
    }

    /// The instruction set of the given name, if this processor has it.
    ///
    /// # Errors
    /// [`Error::Isa`] otherwise; a forced instruction set is never replaced in silence.
    pub fn parse(name: &str) -> Result<Self> {
        Self::available().find(|isa| isa.name() == name.trim().to_ascii_lowercase()).ok_or_else(
            || Error::Isa {
                found: name.to_owned(),
                available: Self::available().map(Self::name).collect::<Vec<_>>().join(", "),
            },
        )
    }
}

/// How many lanes a panel of queries has, and how many rows meet it in one tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Queries side by side.
    pub lanes: usize,
    /// Corpus rows.
    pub rows: usize,
}

/// One tile's work: rows against a panel of queries.
#[derive(Debug)]
pub struct Tile<'a> {
    /// Queries, dimension-major: `panel[d * lanes + lane]`.
    pub panel: &'a [f32],
    /// One slice of `dim` values per row; places beyond the last row repeat one.
    pub rows: [&'a [f32]; MAX_TILE_ROWS],
    /// `key = dot * scale + shift`, per row.
    pub scale: [f32; MAX_TILE_ROWS],
    /// See `scale`.
    pub shift: [f32; MAX_TILE_ROWS],
    /// A key that is not below its lane's floor is a hit; so is a NaN.
    pub floor: &'a [f32],
}

/// The kernels of one instruction set that this processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernels {
    isa: Isa,
}

impl Kernels {
    /// The fastest that this processor has.
    #[must_use]
    pub fn best() -> Self {
        Self { isa: Isa::available().next_back().unwrap_or(Isa::Scalar) }
    }

    /// Those of `isa`, if this processor has it.
    #[must_use]
    pub fn with_isa(isa: Isa) -> Option<Self> {
        isa.is_available().then_some(Self { isa })
    }

    /// The fastest, or the one that `EMBEDSMITH_ISA` forces.
    ///
    /// # Errors
    /// [`Error::Isa`] if the variable names none that this processor has.
    pub fn from_environment() -> Result<Self> {
        match std::env::var(ISA_VARIABLE) {
            Ok(name) if !name.trim().is_empty() => Ok(Self { isa: Isa::parse(&name)? }),
            _ => Ok(Self::best()),
        }
    }

    /// Which instruction set this is.
    #[must_use]
    pub fn isa(self) -> Isa {
        self.isa
    }

    /// The tile for `queries` queries that still wait for a panel.
    ///
    /// Wide tiles reuse each broadcast row value more often. Few queries are bound by memory:
    /// there a single lane reads rows as vectors and wastes nothing.
    #[must_use]
    pub fn shape(self, queries: usize) -> Shape {
        let (lanes, rows) = match (self.isa, queries) {
            (_, 0..=3) => (1, 4),
            (Isa::Scalar, _) => (16, 4),
            (Isa::Avx2 | Isa::AvxVnni, _) => (16, 6),
            (_, 4..=16) => (16, 12),
            (_, 17..=32) => (32, 12),
            _ => (64, 6),
        };
        Shape { lanes, rows }
    }

    /// Canonical inner product of two slices of one length.
    #[must_use]
    pub fn dot(self, q: &[f32], x: &[f32]) -> f64 {
        debug_assert_eq!(q.len(), x.len());
        match self.isa {
            Isa::Scalar => scalar::dot(q, x),
            // SAFETY: a `Kernels` of this kind exists only where `is_available` saw AVX2 and FMA.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 | Isa::AvxVnni => unsafe { avx2::dot(q, x) },
            // SAFETY: a `Kernels` of this kind exists only where `is_available` saw AVX-512F.
            #[cfg(target_arch = "x86_64")]
            _ => unsafe { avx512::dot(q, x) },
            #[cfg(not(target_arch = "x86_64"))]
            _ => unreachable!("no constructor makes these here"),
        }
    }

    /// Canonical squared distance of two slices of one length.
    #[must_use]
    pub fn squared_distance(self, q: &[f32], x: &[f32]) -> f64 {
        debug_assert_eq!(q.len(), x.len());
        match self.isa {
            Isa::Scalar => scalar::squared_distance(q, x),
            // SAFETY: a `Kernels` of this kind exists only where `is_available` saw AVX2 and FMA.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 | Isa::AvxVnni => unsafe { avx2::squared_distance(q, x) },
            // SAFETY: a `Kernels` of this kind exists only where `is_available` saw AVX-512F.
            #[cfg(target_arch = "x86_64")]
            _ => unsafe { avx512::squared_distance(q, x) },
            #[cfg(not(target_arch = "x86_64"))]
            _ => unreachable!("no constructor makes these here"),
        }
    }

    /// Computes one tile of the given shape.
    ///
    /// Returns per row the lanes that hit, as bits. Where any bit is set, `keys[row * lanes + lane]`
    /// holds the tile's keys; else it may hold anything.
    ///
    /// # Panics
    /// If `shape` is none of [`Kernels::shape`]'s, or a slice is shorter than the shape needs.
    #[must_use]
    pub fn tile(
        self,
        shape: Shape,
        tile: &Tile,
        keys: &mut [f32; MAX_TILE_KEYS],
    ) -> [u64; MAX_TILE_ROWS] {
        let dim = tile.rows[0].len();
        assert!(tile.rows[..shape.rows].iter().all(|row| row.len() == dim), "rows of one width");
        assert_eq!(tile.panel.len(), shape.lanes * dim, "a whole panel");
        assert_eq!(tile.floor.len(), shape.lanes, "one floor a lane");
        match (self.isa, shape.lanes, shape.rows) {
            (Isa::Scalar, 1, 4) => scalar::tile::<4, 1>(tile, keys),
            (Isa::Scalar, 16, 4) => scalar::tile::<4, 16>(tile, keys),
            // SAFETY: as in `dot`; the asserts above are what the kernels ask of the slices.
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx2 | Isa::AvxVnni, 1, 4) => unsafe { avx2::tile_one::<4>(tile, keys) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx2 | Isa::AvxVnni, 16, 6) => unsafe { avx2::tile::<6, 2>(tile, keys) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (isa, 1, 4) if isa.is_avx512() => unsafe { avx512::tile_one::<4>(tile, keys) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (isa, 16, 12) if isa.is_avx512() => unsafe { avx512::tile::<12, 1>(tile, keys) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (isa, 32, 12) if isa.is_avx512() => unsafe { avx512::tile::<12, 2>(tile, keys) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (isa, 64, 6) if isa.is_avx512() => unsafe { avx512::tile::<6, 4>(tile, keys) },
            _ => unreachable!("{:?} has no tile of {shape:?}", self.isa),
        }
    }
}

mod activation;
mod bf16_tiles;
mod by_isa;
mod float_mode;
mod gate;
mod layer_norm;
mod mapped;
mod memory;
mod panels;
mod peak;
mod rotation;
mod segments;
mod softmax;
mod vector_math;

pub use activation::Activation;
pub use bf16_tiles::{Bf16Rows, Bf16Tile, Bf16Tiles, Products};
pub use float_mode::FloatMode;
pub use mapped::Mapped;

#[cfg(test)]
mod tests;
