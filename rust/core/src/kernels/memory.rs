//! Reading rows: asking for them early, and widening halves.

use super::{Isa, Kernels, scalar};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

impl Kernels {
    /// Asks the memory for a row that will be read soon.
    pub fn prefetch<T>(self, row: &[T]) {
        #[cfg(target_arch = "x86_64")]
        for line in row.chunks((64 / size_of::<T>().max(1)).max(1)) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: a prefetch reads nothing that the program can see; `line` is in bounds.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = row;
    }

    /// Asks the memory for what will be read after the next thing: to the second cache, not the first.
    pub fn prefetch_far<T>(self, values: &[T]) {
        #[cfg(target_arch = "x86_64")]
        for line in values.chunks((64 / size_of::<T>().max(1)).max(1)) {
            use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
            // SAFETY: a prefetch reads nothing that the program can see; `line` is in bounds.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = values;
    }

    /// Widens IEEE half precision, given as bits.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn widen_f16(self, bits: &[u16], target: &mut [f32]) {
        assert_eq!(bits.len(), target.len());
        match self.isa() {
            Isa::Scalar => scalar::widen_f16(bits, target),
            // SAFETY: a `Kernels` of this kind exists only where `is_available` saw F16C.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 | Isa::AvxVnni => unsafe { avx2::widen_f16(bits, target) },
            // SAFETY: a `Kernels` of this kind exists only where AVX-512F was seen.
            #[cfg(target_arch = "x86_64")]
            _ => unsafe { avx512::widen_f16(bits, target) },
            #[cfg(not(target_arch = "x86_64"))]
            _ => unreachable!("no constructor makes these here"),
        }
    }

    /// Widens bfloat16, given as bits.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn widen_bf16(self, bits: &[u16], target: &mut [f32]) {
        assert_eq!(bits.len(), target.len());
        for (target, &bits) in target.iter_mut().zip(bits) {
            *target = super::bf16::widen(bits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_widens_to_the_same_number_on_every_isa() {
        let bits: Vec<u16> = (0..=u16::MAX).collect();
        let mut expected = vec![0.0; bits.len()];
        scalar::widen_f16(&bits, &mut expected);
        // One, the largest, the smallest subnormal, minus two, infinity.
        for (bits, value) in [
            (0x3C00, 1.0),
            (0x7BFF, 65_504.0),
            (0x0001, 2.0_f32.powi(-24)),
            (0xC000, -2.0),
            (0x7C00, f32::INFINITY),
            (0x8000, -0.0),
        ] {
            assert_eq!(expected[bits], value);
        }
        for kernels in Isa::available().filter_map(Kernels::with_isa) {
            // Lengths around each vector's width, too.
            for n in [0, 1, 7, 8, 9, 15, 16, 17, 33, bits.len()] {
                let mut found = vec![0.0; n];
                kernels.widen_f16(&bits[bits.len() - n..], &mut found);
                for (a, b) in found.iter().zip(&expected[bits.len() - n..]) {
                    assert!(a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan());
                }
            }
        }
    }
}
