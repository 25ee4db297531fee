//! AMX on codes of 8 bits with scales.
//!
//! The tile unit sums one block while the vector units scale the sums of the block before: two buffers take
//! turns, and the processor overlaps them by itself.

use std::arch::asm;

use super::avx512_codes::collect_block;
use super::bf16::{GROUP, SIDE};
use super::block_codes::{CodePanel, CodeRows, STEPS, Sums};
use super::int8::{LINE, Line};

/// All products of 32 rows of codes and a panel, written, or added, to 32 rows of `target`.
///
/// # Safety
/// This thread has [`super::amx::Tiles`]; the slices fit each other, see
/// [`super::Bf16Tiles::multiply_codes`]; `target` has 32 rows of 32 floats, `pitch` apart.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn multiply(
    rows: &CodeRows,
    panel: &CodePanel,
    target: *mut f32,
    pitch: usize,
    add: bool,
    sums: &mut [Sums; 2],
) {
    let count = panel.scales.len();
    for block in 0..=count {
        if block < count {
            let line = block * STEPS * GROUP;
            let upper = rows.lines[line..].as_ptr();
            let lower = rows.lines[rows.group + line..].as_ptr();
            let weights = panel.lines[2 * line..].as_ptr();
            // SAFETY: the tile registers are set up; the caller promises the block's lines.
            unsafe { multiply_block(upper, lower, weights, &mut sums[block % 2]) };
        }
        if block > 0 {
            let done = block - 1;
            let (scales, row_scales) = (&panel.scales[done], &rows.scales[done]);
            // SAFETY: the caller promises 32 rows of 32 floats.
            unsafe {
                let target = (target, pitch);
                collect_block(&sums[done % 2], scales, row_scales, target, add || done > 0);
            }
        }
    }
}

/// Sums of one block of 32 rows and 32 outputs: four tiles, each loaded tile is used twice.
///
/// # Safety
/// The tile registers are set up; `upper` and `lower` are a block's lines of a group, `weights` those of a
/// panel.
unsafe fn multiply_block(
    upper: *const Line,
    lower: *const Line,
    weights: *const Line,
    sums: &mut Sums,
) {
    let sums = sums.0.as_mut_ptr();
    // SAFETY: a step reads 16 lines of each group and 32 of the panel; the caller promises them. The stores
    // fill the quarters of 32 x 32 sums, whose rows are 128 bytes apart.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "2:",
            "tileloadd tmm4, [{upper} + {line}]",
            "tileloadd tmm6, [{weights} + {line}]",
            "tileloadd tmm7, [{weights} + {line} + 1024]",
            "tdpbssd tmm0, tmm4, tmm6",
            "tdpbssd tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{lower} + {line}]",
            "tdpbssd tmm2, tmm5, tmm6",
            "tdpbssd tmm3, tmm5, tmm7",
            "add {upper}, 1024",
            "add {lower}, 1024",
            "add {weights}, 2048",
            "dec {steps}",
            "jnz 2b",
            "tilestored [{sums} + {wide}], tmm0",
            "tilestored [{sums} + {wide} + 64], tmm1",
            "tilestored [{half} + {wide}], tmm2",
            "tilestored [{half} + {wide} + 64], tmm3",
            upper = inout(reg) upper => _,
            lower = inout(reg) lower => _,
            weights = inout(reg) weights => _,
            steps = inout(reg) STEPS => _,
            line = in(reg) LINE,
            wide = in(reg) 2 * LINE,
            sums = in(reg) sums,
            half = in(reg) sums.add(GROUP * SIDE),
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack)
        );
    }
}
