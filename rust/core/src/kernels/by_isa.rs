//! One body, compiled once for each width of vectors.

/// Writes a function that runs the body compiled for the processor's vectors.
///
/// The body is plain code over arrays of [`super::LANES`] values: multiplications, additions, and
/// fused ones where it says `mul_add`. All of these round once by IEEE 754, so the wide versions
/// return the bits of the portable one, which is their specification.
macro_rules! by_isa {
    ($(#[$doc:meta])* $visibility:vis fn $name:ident(
        $kernels:ident $(, $argument:ident: $kind:ty)* $(,)?
    ) $(-> $answer:ty)? = $body:path;) => {
        $(#[$doc])*
        #[inline]
        $visibility fn $name($kernels: $crate::kernels::Kernels $(, $argument: $kind)*) $(-> $answer)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($argument: $kind),*) $(-> $answer)? {
                $body($($argument),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f")]
            fn avx512($($argument: $kind),*) $(-> $answer)? {
                $body($($argument),*)
            }
            match $kernels.isa() {
                $crate::kernels::Isa::Scalar => $body($($argument),*),
                // SAFETY: a `Kernels` of this kind exists only where AVX2 and FMA were seen.
                #[cfg(target_arch = "x86_64")]
                $crate::kernels::Isa::Avx2 | $crate::kernels::Isa::AvxVnni => unsafe {
                    avx2($($argument),*)
                },
                // SAFETY: a `Kernels` of this kind exists only where AVX-512F was seen.
                #[cfg(target_arch = "x86_64")]
                _ => unsafe { avx512($($argument),*) },
                #[cfg(not(target_arch = "x86_64"))]
                _ => unreachable!("no constructor makes these here"),
            }
        }
    };
}

pub(crate) use by_isa;
