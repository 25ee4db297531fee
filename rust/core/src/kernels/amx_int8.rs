//! AMX on codes of 8 bits: 32 rows against 16, 32 or 64 queries at a time.
//!
//! The tile unit multiplies while the vector units look at the sums of the tile before: two buffers
//! take turns, and the processor overlaps them by itself. Rows that come from memory need no asking
//! ahead: one core's share of the memory is the limit either way.

use std::arch::asm;
use std::arch::x86_64::_mm512_load_si512;

use super::amx::Tiles;
use super::avx512_vnni::{Facts, Lanes};
use super::int8::{GROUP, Hit, Int8Panel, Int8Rows, LINE, Line, QUAD};

/// Rows in a tile's turn.
const ROWS: usize = 2 * GROUP;

/// The sums of 32 rows and up to 32 queries; a row's 32 sums lie together.
#[repr(C, align(64))]
struct Sums([i32; ROWS * 2 * GROUP]);

/// A tile whose sums wait to be looked at.
#[derive(Clone, Copy)]
struct Waiting<'a, 'b> {
    rows: &'a Int8Rows<'b>,
    /// Its first row in `rows`, and that one's place in the block.
    start: usize,
    place: usize,
    /// Number of its groups among the panel's.
    part: usize,
}

/// All rows against a panel, `G` groups of it at a time: 1 or 2.
///
/// # Safety
/// AMX is available; each of `blocks` holds slices that fit each other; `panel.lines` is a multiple of
/// `G` groups of the rows' width.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn scan<const G: usize, const BOTH: bool>(
    panel: &Int8Panel,
    blocks: &[Int8Rows],
    pitch: usize,
    hits: &mut Vec<Hit>,
) {
    let parts = panel.lines.chunks_exact(G * pitch / QUAD);
    let held: [Lanes<G, BOTH>; 2] =
        std::array::from_fn(|part| Lanes::of(panel, part % parts.len() * G));
    let mut sums = [const { Sums([0; ROWS * 2 * GROUP]) }; 2];
    // A last, partial tile is padded with zero rows.
    let mut padded: Vec<Line> = Vec::new();
    // SAFETY: the caller promises AMX.
    let _tiles = unsafe { Tiles::set_up() };
    let mut waiting: Option<Waiting> = None;
    let (mut place, mut now) = (0, 0);
    for rows in blocks {
        let count = rows.scale.len();
        for start in (0..count).step_by(ROWS) {
            let codes = &rows.codes[start * pitch..rows.codes.len().min((start + ROWS) * pitch)];
            let codes = if codes.len() == ROWS * pitch {
                codes.as_ptr()
            } else {
                padded.clear();
                padded.extend(codes.as_chunks().0.iter().map(|codes| Line(*codes)));
                padded.resize(ROWS * pitch / LINE, Line::ZERO);
                padded.as_ptr().cast()
            };
            for (part, lines) in parts.clone().enumerate() {
                if G == 1 {
                    // SAFETY: the tile registers are set up; 32 rows of `pitch` codes and a group
                    // of as many lines as the caller promises.
                    unsafe { multiply_one(codes, pitch, lines.as_ptr(), &mut sums[now]) };
                } else {
                    // SAFETY: as above, with two groups.
                    unsafe { multiply_two(codes, pitch, lines.as_ptr(), &mut sums[now]) };
                }
                if let Some(tile) = waiting.replace(Waiting { rows, start, place, part }) {
                    sift(panel, &held[tile.part], tile, &sums[1 - now], hits);
                }
                now = 1 - now;
            }
        }
        place += count;
    }
    if let Some(tile) = waiting {
        sift(panel, &held[tile.part], tile, &sums[1 - now], hits);
    }
}

/// Appends the hits of a tile.
#[inline]
#[target_feature(enable = "avx512f")]
fn sift<const G: usize, const BOTH: bool>(
    panel: &Int8Panel,
    held: &Lanes<G, BOTH>,
    tile: Waiting,
    sums: &Sums,
    hits: &mut Vec<Hit>,
) {
    let Waiting { rows, start, place, .. } = tile;
    let end = rows.scale.len().min(start + ROWS);
    let facts = rows.scale[start..end]
        .iter()
        .zip(&rows.shift[start..end])
        .zip(rows.lost[start..end].iter().zip(&rows.size[start..end]))
        // Without floors, something of the same length.
        .zip(if BOTH { &rows.floor[start..end] } else { &rows.scale[start..end] });
    for (r, (((&scale, &shift), (&lost, &size)), &floor)) in facts.enumerate() {
        let products = std::array::from_fn(|group| {
            let part: &[i32; GROUP] = &sums.0.as_chunks().0[r * 2 + group];
            // SAFETY: `part` is 16 of the sums, on a multiple of 64 bytes.
            unsafe { _mm512_load_si512(part.as_ptr().cast()) }
        });
        let facts = Facts { scale, shift, off: lost + panel.ratio * size, floor };
        held.collect(products, facts, place + start + r, hits);
    }
}

/// 32 rows against two groups: four tiles of sums, each loaded tile is used twice.
///
/// # Safety
/// The tile registers are set up; `codes` is 32 rows of `pitch` bytes, `lines` two groups of
/// `pitch / 4` lines.
unsafe fn multiply_two(codes: *const i8, pitch: usize, lines: *const Line, sums: &mut Sums) {
    let sums = sums.0.as_mut_ptr();
    // SAFETY: a step reads 64 bytes of each of the 32 rows and 16 lines of each group; the caller
    // promises `pitch / 64` of them. The stores fill the quarters of 32 x 32 sums, whose rows are
    // 128 bytes apart.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "2:",
            "tileloadd tmm4, [{upper} + {pitch}]",
            "tileloadd tmm6, [{left} + {line}]",
            "tileloadd tmm7, [{right} + {line}]",
            "tdpbssd tmm0, tmm4, tmm6",
            "tdpbssd tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{lower} + {pitch}]",
            "tdpbssd tmm2, tmm5, tmm6",
            "tdpbssd tmm3, tmm5, tmm7",
            "add {upper}, 64",
            "add {lower}, 64",
            "add {left}, 1024",
            "add {right}, 1024",
            "dec {steps}",
            "jnz 2b",
            "tilestored [{sums} + {wide}], tmm0",
            "tilestored [{sums} + {wide} + 64], tmm1",
            "tilestored [{half} + {wide}], tmm2",
            "tilestored [{half} + {wide} + 64], tmm3",
            upper = inout(reg) codes => _,
            lower = inout(reg) codes.add(GROUP * pitch) => _,
            left = inout(reg) lines => _,
            right = inout(reg) lines.add(pitch / QUAD) => _,
            steps = inout(reg) pitch / LINE => _,
            pitch = in(reg) pitch,
            line = in(reg) LINE,
            wide = in(reg) 2 * LINE,
            sums = in(reg) sums,
            half = in(reg) sums.add(GROUP * 2 * GROUP),
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack)
        );
    }
}

/// 32 rows against one group: two tiles of sums.
///
/// # Safety
/// As [`multiply_two`], with one group.
unsafe fn multiply_one(codes: *const i8, pitch: usize, lines: *const Line, sums: &mut Sums) {
    let sums = sums.0.as_mut_ptr();
    // SAFETY: as in `multiply_two`; the stores fill the left half of the sums.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm2",
            "2:",
            "tileloadd tmm6, [{left} + {line}]",
            "tileloadd tmm4, [{upper} + {pitch}]",
            "tdpbssd tmm0, tmm4, tmm6",
            "tileloadd tmm5, [{lower} + {pitch}]",
            "tdpbssd tmm2, tmm5, tmm6",
            "add {upper}, 64",
            "add {lower}, 64",
            "add {left}, 1024",
            "dec {steps}",
            "jnz 2b",
            "tilestored [{sums} + {wide}], tmm0",
            "tilestored [{half} + {wide}], tmm2",
            upper = inout(reg) codes => _,
            lower = inout(reg) codes.add(GROUP * pitch) => _,
            left = inout(reg) lines => _,
            steps = inout(reg) pitch / LINE => _,
            pitch = in(reg) pitch,
            line = in(reg) LINE,
            wide = in(reg) 2 * LINE,
            sums = in(reg) sums,
            half = in(reg) sums.add(GROUP * 2 * GROUP),
            out("tmm0") _, out("tmm2") _, out("tmm4") _, out("tmm5") _, out("tmm6") _,
            options(nostack)
        );
    }
}
