//! Which pass is the fastest here: a model of where the time goes.
//!
//! Per pair of query and row: the multiplications, at the rate of the instruction set; the row's
//! reading and coding, shared by all queries; and what a looser bound costs, in hits that are looked
//! at and rows that are scored in full. The numbers are rounded measurements; a wrong one costs time
//! and never an answer.

use super::candidates::expected_rank;
use super::ladder::PassKind;
use crate::kernels::{Isa, Kernels};

/// Nanoseconds to look at a hit, and to score a row in full.
const HIT: f64 = 15.0;
const RESCORED: f64 = 80.0;

/// Nanoseconds to read a value of a row from memory, per byte.
const READ: f64 = 0.07;

/// Nanoseconds of one multiplication and addition.
fn multiply(kernels: Kernels, kind: PassKind) -> f64 {
    match (kernels.isa(), kind) {
        (Isa::Amx, PassKind::Int8) => 0.000_5,
        (Isa::Amx, PassKind::Bf16) => 0.001,
        (Isa::Avx512Vnni | Isa::Avx512Bf16, PassKind::Int8) => 0.002_3,
        (Isa::Avx512Bf16, PassKind::Bf16) | (Isa::AvxVnni, PassKind::Int8) => 0.005,
        (Isa::Avx512 | Isa::Avx512Vnni | Isa::Avx512Bf16 | Isa::Amx, PassKind::F32) => 0.009,
        (Isa::Avx2 | Isa::AvxVnni, PassKind::F32) => 0.018,
        (Isa::Scalar, PassKind::F32) => 0.15,
        // Emulated: never worth it.
        (_, PassKind::Int8 | PassKind::Bf16) => 1.0,
    }
}

/// By how much the pass's bound multiplies the rows that have to be looked at.
fn looseness(kind: PassKind) -> f64 {
    match kind {
        PassKind::Int8 => 3.0,
        PassKind::Bf16 => 1.15,
        PassKind::F32 => 1.0,
    }
}

/// What the model knows of a search.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) queries: usize,
    pub(super) rows: usize,
    pub(super) dim: usize,
    pub(super) k: usize,
    pub(super) value_bytes: usize,
    /// True if the codes are there already.
    pub(super) stored: bool,
}

/// Nanoseconds to read and code one value of a row.
fn coding(kind: PassKind, shape: Shape) -> f64 {
    match kind {
        PassKind::Int8 if shape.stored => READ,
        PassKind::Int8 | PassKind::Bf16 => READ * shape.value_bytes as f64 + 0.12,
        PassKind::F32 => READ * shape.value_bytes as f64,
    }
}

/// Nanoseconds per query.
fn estimate(kernels: Kernels, kind: PassKind, shape: Shape) -> f64 {
    let values = shape.rows as f64 * shape.dim as f64;
    // No instruction set computes fewer than 16 queries at a time, but for a single one's floats.
    let lanes = match kind {
        PassKind::F32 if shape.queries < 4 => 1.0,
        _ => (shape.queries.div_ceil(16) * 16) as f64 / shape.queries as f64,
    };
    let kept = shape.k as f64 * looseness(kind);
    let rank = expected_rank(shape.k, shape.rows, shape.rows) as f64 + 30.0;
    let hits = rank * looseness(kind);
    values * (multiply(kernels, kind) * lanes + coding(kind, shape) / shape.queries as f64)
        + hits * HIT
        + kept * RESCORED
}

/// The fastest pass for a search.
pub(super) fn cheapest(kernels: Kernels, shape: Shape) -> PassKind {
    let costs = PassKind::ALL.map(|kind| (estimate(kernels, kind, shape), kind));
    let best = costs.into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or(PassKind::F32, |(_, kind)| kind)
}

/// Of how many rows one is in the sample by which thresholds are judged: a larger sample judges
/// better, and its rows are met twice.
pub(super) fn sample_step(kernels: Kernels, kind: PassKind, shape: Shape) -> usize {
    // Primes, since many corpora repeat themselves in even steps.
    const STEPS: [usize; 6] = [5, 7, 11, 17, 31, 61];
    let again = shape.rows as f64 * shape.dim as f64 * multiply(kernels, kind);
    let cost = |step: usize| {
        let rank = expected_rank(shape.k, shape.rows / step, shape.rows) * step;
        again / step as f64 + rank as f64 * looseness(kind) * HIT
    };
    let best = STEPS.into_iter().min_by(|&a, &b| cost(a).total_cmp(&cost(b)));
    best.unwrap_or(STEPS[0])
}

/// Share of pairs that may be hits before `next` is faster than `kind`; `perfect` is the share that
/// a pass without errors would report.
pub(super) fn bearable_hits(
    kernels: Kernels,
    kind: PassKind,
    next: PassKind,
    shape: Shape,
    perfect: f64,
) -> f64 {
    let dearer = multiply(kernels, next) - multiply(kernels, kind)
        + (coding(next, shape) - coding(kind, shape)) / shape.queries as f64;
    // Four times what is usual: thresholds lag behind, and a sample may be unlucky. Few hits are
    // scored in the end.
    4.0 * looseness(kind) * perfect + dearer.max(0.0) * shape.dim as f64 / (HIT + RESCORED / 4.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(isa: Isa, queries: usize, k: usize, stored: bool) -> Option<PassKind> {
        let shape = Shape { queries, rows: 1_000_000, dim: 384, k, value_bytes: 4, stored };
        Kernels::with_isa(isa).map(|kernels| cheapest(kernels, shape))
    }

    #[test]
    fn stored_codes_win_wherever_they_can_be_multiplied() {
        for isa in [Isa::AvxVnni, Isa::Avx512Vnni, Isa::Amx] {
            for queries in [1, 30, 1_000] {
                let found = choice(isa, queries, 10, true);
                assert!(found.is_none_or(|kind| kind == PassKind::Int8), "{isa:?} {queries}");
            }
        }
    }

    #[test]
    fn samples_thin_out_as_the_corpus_grows_and_thicken_with_k() {
        let step = |rows, k| {
            let shape = Shape { queries: 1_000, rows, dim: 384, k, value_bytes: 4, stored: true };
            sample_step(Kernels::best(), PassKind::F32, shape)
        };
        assert!(step(10_000, 10) <= step(100_000, 10) && step(100_000, 10) <= step(10_000_000, 10));
        assert!(step(100_000, 1_000) <= step(100_000, 10));
    }

    #[test]
    fn a_single_query_is_not_worth_coding_the_corpus() {
        for isa in Isa::available() {
            assert_eq!(choice(isa, 1, 10, false), Some(PassKind::F32), "{isa:?}");
        }
        for isa in [Isa::Scalar, Isa::Avx2, Isa::Avx512] {
            assert!(choice(isa, 1_000, 10, false).is_none_or(|kind| kind == PassKind::F32));
        }
    }
}
