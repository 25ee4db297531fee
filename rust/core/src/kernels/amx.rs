//! AMX: tiles of 16 x 16 sums, fed with 64 bytes a row at a time.
//!
//! The compiler's intrinsics are not stable, so the few instructions are written out. Linux lends
//! the tile registers on request only.

use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count};
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::OnceLock;

use super::bf16::{GROUP, Line, SIDE};
use super::bf16_tiles::{Bf16Rows, Products};

/// What `ldtilecfg` reads: eight tiles of 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Shapes {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

static SHAPES: Shapes = {
    let (mut row_bytes, mut rows) = ([0; 16], [0; 16]);
    let mut tile = 0;
    while tile < 8 {
        row_bytes[tile] = 64;
        rows[tile] = GROUP as u8;
        tile += 1;
    }
    Shapes { palette: 1, start_row: 0, reserved: [0; 14], row_bytes, rows }
};

/// True if the processor has AMX tiles of bfloat16 and of 8-bit integers, and the system lends them to this process.
pub(super) fn is_available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| {
        const OS_SAVES_STATE: u32 = 1 << 27;
        const AMX_BF16: u32 = 1 << 22;
        const AMX_TILE: u32 = 1 << 24;
        const AMX_INT8: u32 = 1 << 25;
        const ALL: u32 = AMX_BF16 | AMX_TILE | AMX_INT8;
        if __cpuid(0).eax < 7 || __cpuid(1).ecx & OS_SAVES_STATE == 0 {
            return false;
        }
        let features = __cpuid_count(7, 0).edx;
        features & ALL == ALL && state_is_saved() && is_granted()
    })
}

/// True if the system saves tile registers when it switches threads.
fn state_is_saved() -> bool {
    const TILE_STATE: u32 = 0b11 << 17;
    let saved: u32;
    // SAFETY: the caller saw OSXSAVE, so `xgetbv` exists; it reads one register.
    unsafe { asm!("xgetbv", in("ecx") 0, out("eax") saved, out("edx") _, options(nomem, nostack)) };
    saved & TILE_STATE == TILE_STATE
}

/// Asks Linux for the tile registers, for this process and for good.
fn is_granted() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const ARCH_REQ_XCOMP_PERM: i64 = 0x1023;
    const TILE_DATA: i64 = 18;
    let outcome: i64;
    // SAFETY: a system call that changes nothing but which registers may be used; the kernel
    // keeps to the clobbers named.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => outcome,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") TILE_DATA,
            out("rcx") _,
            out("r11") _,
            options(nostack)
        );
    }
    outcome == 0
}

thread_local! {
    /// How many [`Tiles`] this thread has: only the last one to go may release the registers.
    static OPEN: Cell<usize> = const { Cell::new(0) };
}

/// This thread's tile registers: shaped when the first one is made, released when the last one goes,
/// so that switching threads costs nothing more.
#[derive(Debug)]
pub(super) struct Tiles {
    // The registers belong to the thread that shaped them.
    _thread: PhantomData<*const ()>,
}

impl Tiles {
    /// Shapes the registers.
    ///
    /// # Safety
    /// [`is_available`] returned true.
    pub(super) unsafe fn set_up() -> Self {
        if OPEN.with(|open| open.replace(open.get() + 1)) == 0 {
            // SAFETY: the caller promises AMX; `SHAPES` is 64 readable bytes.
            unsafe {
                asm!("ldtilecfg [{}]", in(reg) &raw const SHAPES, options(nostack, readonly));
            };
        }
        Self { _thread: PhantomData }
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        OPEN.with(|open| {
            open.set(open.get() - 1);
            if open.get() == 0 {
                // SAFETY: whoever made the value promised AMX.
                unsafe { asm!("tilerelease", options(nomem, nostack)) };
            }
        });
    }
}

/// All products of 32 rows and 32 queries.
///
/// # Safety
/// This thread has [`Tiles`]; `panel` is whole steps of 32 lines, at least one, and `rows` is as
/// long.
pub(super) unsafe fn multiply(rows: &[Line], panel: &[Line], products: &mut Products) {
    let rows = Bf16Rows::grouped(rows, panel.len() / 2);
    // SAFETY: as the caller promises; `products` is 32 rows of 32.
    unsafe { multiply_into(&rows, panel, products.0.as_mut_ptr(), SIDE, false) };
}

/// The same for rows wherever they lie, written, or added, to 32 rows of `target`, four tiles of sums at a
/// time.
///
/// Each step loads four tiles of codes and multiplies each with two, which keeps the loads below
/// the multiplications' time. Asking for the next rows' lines in the loop made it slower.
///
/// # Safety
/// This thread has [`Tiles`]; `panel` is whole steps of 32 lines, at least one; `rows` has as many steps
/// of 32 rows; `target` has 32 rows of 32 floats, `pitch` apart.
pub(super) unsafe fn multiply_into(
    rows: &Bf16Rows,
    panel: &[Line],
    target: *mut f32,
    pitch: usize,
    add: bool,
) {
    let size = size_of::<Line>();
    let first = rows.lines.as_ptr();
    let pitch = pitch * size_of::<f32>();
    // SAFETY: a step reads a line of each of 32 rows and 32 lines of the panel; the caller promises them, and
    // 32 rows of sums.
    unsafe {
        asm!(
            "test {add:l}, {add:l}",
            "jz 3f",
            "tileloadd tmm0, [{sums} + {pitch}]",
            "tileloadd tmm1, [{sums} + {pitch} + 64]",
            "tileloadd tmm2, [{half} + {pitch}]",
            "tileloadd tmm3, [{half} + {pitch} + 64]",
            "jmp 2f",
            "3:",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "2:",
            "tileloadd tmm4, [{upper} + {row}]",
            "tileloadd tmm6, [{panel} + {line}]",
            "tileloadd tmm7, [{panel} + {line} + 1024]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{lower} + {row}]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {upper}, {step}",
            "add {lower}, {step}",
            "add {panel}, 2048",
            "dec {steps}",
            "jnz 2b",
            "tilestored [{sums} + {pitch}], tmm0",
            "tilestored [{sums} + {pitch} + 64], tmm1",
            "tilestored [{half} + {pitch}], tmm2",
            "tilestored [{half} + {pitch} + 64], tmm3",
            upper = inout(reg) first => _,
            lower = inout(reg) first.wrapping_add(rows.group) => _,
            panel = inout(reg) panel.as_ptr() => _,
            steps = inout(reg) panel.len() / (2 * GROUP) => _,
            row = in(reg) rows.row * size,
            step = in(reg) rows.step * size,
            line = in(reg) size,
            sums = in(reg) target,
            half = in(reg) target.byte_add(GROUP * pitch),
            pitch = in(reg) pitch,
            add = in(reg) u64::from(add),
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack)
        );
    }
}

/// Four chains of 8-bit products, `rounds` times, on registers alone.
///
/// # Safety
/// [`is_available`] returned true.
pub(super) unsafe fn int8(rounds: usize) {
    // SAFETY: the caller promises AMX.
    let _tiles = unsafe { Tiles::set_up() };
    // SAFETY: the registers are shaped, and zero when they are.
    unsafe {
        asm!(
            "2:",
            "tdpbssd tmm0, tmm4, tmm6",
            "tdpbssd tmm1, tmm4, tmm7",
            "tdpbssd tmm2, tmm5, tmm6",
            "tdpbssd tmm3, tmm5, tmm7",
            "dec {rounds}",
            "jnz 2b",
            rounds = inout(reg) rounds => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            options(nostack, nomem)
        );
    }
}

/// As [`int8`], of bfloat16.
///
/// # Safety
/// [`is_available`] returned true.
pub(super) unsafe fn bf16(rounds: usize) {
    // SAFETY: the caller promises AMX.
    let _tiles = unsafe { Tiles::set_up() };
    // SAFETY: the registers are shaped, and zero when they are.
    unsafe {
        asm!(
            "2:",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "dec {rounds}",
            "jnz 2b",
            rounds = inout(reg) rounds => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            options(nostack, nomem)
        );
    }
}
