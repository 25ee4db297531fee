//! What this processor can do at most: the roofline that measurements are held against.

#[cfg(target_arch = "x86_64")]
use std::hint::black_box;
use std::time::{Duration, Instant};

#[cfg(target_arch = "x86_64")]
use super::Isa;
use super::Kernels;

/// How long each rate is measured.
const TIME: Duration = Duration::from_millis(30);

/// Rounds between two looks at the clock.
const ROUNDS: usize = 2_000;

/// Independent sums: enough to hide the latency of any of the instructions.
#[cfg(target_arch = "x86_64")]
const SUMS: usize = 12;

/// A kind of product, operations in a round, and the work of [`ROUNDS`] rounds.
type Work = (&'static str, usize, unsafe fn());

impl Kernels {
    /// Operations per second of one thread, in 1e9, by the kind of product: "f32", and "int8" and
    /// "bf16" where the instruction set has them. Registers only: no memory is read.
    #[must_use]
    pub fn peak_rates(self) -> Vec<(&'static str, f64)> {
        let rate = |&(kind, operations, work): &Work| {
            let mut best = 0.0_f64;
            let began = Instant::now();
            while began.elapsed() < TIME {
                let start = Instant::now();
                // SAFETY: `works` lists what needs instructions that this `Kernels` was made for.
                unsafe { work() };
                let seconds = start.elapsed().as_secs_f64();
                best = best.max((operations * ROUNDS) as f64 / seconds / 1e9);
            }
            (kind, best)
        };
        self.works().iter().map(rate).collect()
    }

    #[cfg(target_arch = "x86_64")]
    fn works(self) -> Vec<Work> {
        let f32_avx2: Work = ("f32", 16 * SUMS, fma_avx2);
        let f32_avx512: Work = ("f32", 32 * SUMS, fma_avx512);
        let int8_avx512: Work = ("int8", 128 * SUMS, vnni_avx512);
        match self.isa() {
            Isa::Scalar => vec![],
            Isa::Avx2 => vec![f32_avx2],
            Isa::AvxVnni => vec![f32_avx2, ("int8", 64 * SUMS, vnni_avx)],
            Isa::Avx512 => vec![f32_avx512],
            Isa::Avx512Vnni => vec![f32_avx512, int8_avx512],
            Isa::Avx512Bf16 => vec![f32_avx512, int8_avx512, ("bf16", 64 * SUMS, bf16_avx512)],
            // A round is four tiles of 16 x 16 sums of 64 bytes of products.
            #[cfg(target_os = "linux")]
            Isa::Amx => vec![
                f32_avx512,
                int8_avx512,
                ("amx_int8", 2 * 4 * 256 * 64, amx_int8),
                ("amx_bf16", 2 * 4 * 256 * 32, amx_bf16),
            ],
            #[cfg(not(target_os = "linux"))]
            Isa::Amx => vec![],
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn works(self) -> Vec<Work> {
        vec![]
    }
}

/// # Safety
/// AMX is available.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
unsafe fn amx_int8() {
    // SAFETY: as the caller promises.
    unsafe { super::amx::int8(ROUNDS) };
}

/// # Safety
/// AMX is available.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
unsafe fn amx_bf16() {
    // SAFETY: as the caller promises.
    unsafe { super::amx::bf16(ROUNDS) };
}

/// Makes a loop of one instruction on [`SUMS`] registers.
#[cfg(target_arch = "x86_64")]
macro_rules! busy {
    ($name:ident, $features:literal, $zero:expr, $operand:expr, $step:expr) => {
        #[target_feature(enable = $features)]
        fn $name() {
            use std::arch::x86_64::*;
            let mut sums = [$zero; SUMS];
            let (a, b) = (black_box($operand), black_box($operand));
            for _ in 0..ROUNDS {
                for sum in &mut sums {
                    *sum = $step(*sum, a, b);
                }
                // Keeps the loop from being folded, without touching memory.
                std::hint::black_box(());
            }
            black_box(sums);
        }
    };
}

#[cfg(target_arch = "x86_64")]
busy!(fma_avx2, "avx2,fma", _mm256_setzero_ps(), _mm256_set1_ps(0.5), |s, a, b| {
    _mm256_fmadd_ps(a, b, s)
});
#[cfg(target_arch = "x86_64")]
busy!(fma_avx512, "avx512f", _mm512_setzero_ps(), _mm512_set1_ps(0.5), |s, a, b| {
    _mm512_fmadd_ps(a, b, s)
});
#[cfg(target_arch = "x86_64")]
busy!(vnni_avx, "avx2,avxvnni", _mm256_setzero_si256(), _mm256_set1_epi8(1), |s, a, b| {
    _mm256_dpbusd_avx_epi32(s, a, b)
});
#[cfg(target_arch = "x86_64")]
busy!(
    vnni_avx512,
    "avx512f,avx512vnni",
    _mm512_setzero_si512(),
    _mm512_set1_epi32(1),
    |s, a, b| { _mm512_dpbusd_epi32(s, a, b) }
);

/// As the others; the operands are of a type of their own.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
fn bf16_avx512() {
    use std::arch::x86_64::{
        _mm512_cvtne2ps_pbh, _mm512_dpbf16_ps, _mm512_set1_ps, _mm512_setzero_ps,
    };
    let mut sums = [_mm512_setzero_ps(); SUMS];
    let half = black_box(_mm512_set1_ps(0.5));
    let (a, b) = (_mm512_cvtne2ps_pbh(half, half), _mm512_cvtne2ps_pbh(half, half));
    for _ in 0..ROUNDS {
        for sum in &mut sums {
            *sum = _mm512_dpbf16_ps(*sum, a, b);
        }
        black_box(());
    }
    black_box(sums);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_isa_has_rates() {
        for kernels in super::super::Isa::available().filter_map(Kernels::with_isa) {
            let rates = kernels.peak_rates();
            assert!(rates.iter().all(|(_, rate)| *rate > 0.1 && rate.is_finite()), "{rates:?}");
        }
    }
}
