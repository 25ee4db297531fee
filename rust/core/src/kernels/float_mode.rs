//! The floating-point mode that all of this is proved for.

use std::marker::PhantomData;

/// Round to nearest, subnormals kept, exceptions masked: what Rust and IEEE 754 take for granted.
#[cfg(target_arch = "x86_64")]
const STANDARD: u32 = 0x1F80;

/// Holds a thread to the standard mode, and restores what it found.
///
/// Other libraries switch a thread to flushing subnormals for speed (`torch.set_flush_denormal`, code
/// built with `-ffast-math`). Canonical scores would then depend on who was called before.
#[derive(Debug)]
pub struct FloatMode {
    #[cfg(target_arch = "x86_64")]
    found: u32,
    // The mode belongs to the thread.
    _thread: PhantomData<*const ()>,
}

impl FloatMode {
    /// Sets the standard mode for as long as the value lives.
    #[must_use]
    pub fn standard() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let found = read();
            if found != STANDARD {
                write(STANDARD);
            }
            Self { found, _thread: PhantomData }
        }
        #[cfg(not(target_arch = "x86_64"))]
        Self { _thread: PhantomData }
    }
}

impl Drop for FloatMode {
    fn drop(&mut self) {
        #[cfg(target_arch = "x86_64")]
        if self.found != STANDARD {
            write(self.found);
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn read() -> u32 {
    let mut mode = 0_u32;
    // SAFETY: stores the control register, which every x86-64 processor has, into a local.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut mode, options(nostack)) };
    mode
}

#[cfg(target_arch = "x86_64")]
fn write(mode: u32) {
    // SAFETY: `mode` is either the default, which the compiler assumes anyway, or what the
    // register held before, so no reserved bit is set.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const mode, options(nostack, readonly)) };
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn subnormals_are_kept_inside_and_the_callers_mode_comes_back() {
        const FLUSH: u32 = STANDARD | 0x8040;
        let before = read();
        write(FLUSH);
        {
            let _mode = FloatMode::standard();
            let tiny = std::hint::black_box(f32::MIN_POSITIVE) * std::hint::black_box(0.5);
            assert!(tiny > 0.0);
        }
        let after = read();
        write(before);
        // Sticky exception flags may differ.
        assert_eq!(after & !0x3F, FLUSH);
    }
}
