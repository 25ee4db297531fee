//! A corpus's codes, kept for many searches.

use rayon::prelude::*;

use super::coding::{Coder, RowFacts};
use super::metric::{Metric, norm};
use super::transform::Transform;
use crate::error::{Error, Result};
use crate::kernels::int8::{Int8Rows, stride};
use crate::kernels::{FloatMode, Kernels};
use crate::rows::Corpus;
use crate::threads::{Control, pool};

/// Numbers kept of each row: scale, shift, lost, size, slack.
pub const FACTS: usize = 5;

/// Rows that one thread codes at a time.
const ROWS: usize = 256;

/// The codes of a corpus, one row a [`stride`], and what the certificate knows of each row.
///
/// Its bits do not depend on the instruction set that wrote it, and a wrong one can at worst make a
/// search miss rows: it is checked when it comes from a file.
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a> {
    codes: &'a [i8],
    facts: [&'a [f32]; FACTS],
    sums: &'a [i32],
    transform: &'a Transform,
    pitch: usize,
}

impl<'a> Plane<'a> {
    /// Views the arrays of a plane of `rows` rows; `facts` is [`FACTS`] arrays one after the
    /// other, each with room for as many rows or more.
    ///
    /// # Errors
    /// [`Error::Layout`] if an array has not the length that the others imply.
    pub fn new(
        rows: usize,
        codes: &'a [i8],
        facts: &'a [f32],
        sums: &'a [i32],
        transform: &'a Transform,
    ) -> Result<Self> {
        let pitch = stride(transform.centre().len());
        for (argument, len, per_row) in [("codes", codes.len(), pitch), ("sums", sums.len(), 1)] {
            if rows.checked_mul(per_row) != Some(len) {
                return Err(Error::Layout { argument, len, rows, dim: per_row });
            }
        }
        let apart = facts.len() / FACTS;
        if apart < rows || apart * FACTS != facts.len() {
            return Err(Error::Layout { argument: "facts", len: facts.len(), rows, dim: FACTS });
        }
        let facts = std::array::from_fn(|i| &facts[i * apart..i * apart + rows]);
        Ok(Self { codes, facts, sums, transform, pitch })
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sums.len()
    }

    /// True without rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sums.is_empty()
    }

    /// How its rows were moved.
    #[must_use]
    pub fn transform(&self) -> &'a Transform {
        self.transform
    }

    /// Some rows in a piece, for the kernels.
    pub(super) fn rows(&self, first: usize, count: usize) -> Int8Rows<'a> {
        let place = first..first + count;
        let [scale, shift, lost, size, _] = self.facts;
        Int8Rows {
            codes: &self.codes[first * self.pitch..(first + count) * self.pitch],
            scale: &scale[place.clone()],
            shift: &shift[place.clone()],
            lost: &lost[place.clone()],
            size: &size[place.clone()],
            sums: &self.sums[place],
            floor: &[],
        }
    }

    /// What is known of one row.
    pub(super) fn facts(&self, row: usize) -> RowFacts {
        let [scale, shift, lost, size, slack] = self.facts.map(|fact| fact[row]);
        RowFacts { scale, shift, lost, size, slack, sum: self.sums[row] }
    }

    /// Says that a row will be read soon.
    pub(super) fn announce(&self, kernels: Kernels, row: usize) {
        kernels.prefetch(self.codes(row));
        for fact in self.facts {
            kernels.prefetch(&fact[row..=row]);
        }
    }

    /// One row's codes.
    pub(super) fn codes(&self, row: usize) -> &'a [i8] {
        &self.codes[row * self.pitch..(row + 1) * self.pitch]
    }
}

/// Where a plane is written.
#[derive(Debug)]
pub struct PlaneMut<'a> {
    /// A [`stride`] a row.
    pub codes: &'a mut [i8],
    /// [`FACTS`] arrays one after the other.
    pub facts: &'a mut [f32],
    /// One a row.
    pub sums: &'a mut [i32],
    /// Canonical norms, one a row.
    pub norms: &'a mut [f64],
}

/// Codes a corpus and measures its norms, in one pass over it; errors call it `argument`.
///
/// # Errors
/// [`Error::NonFinite`] if a row holds NaN or infinity; [`Error::Layout`] if an array does not fit;
/// [`Error::Stopped`] if asked to stop.
#[allow(clippy::too_many_arguments, reason = "a corpus, how to code it, and where to")]
pub fn build(
    argument: &'static str,
    kernels: Kernels,
    metric: Metric,
    corpus: Corpus,
    transform: &Transform,
    out: PlaneMut,
    threads: usize,
    control: &Control,
) -> Result<()> {
    let _mode = FloatMode::standard();
    let (rows, pitch) = (corpus.len(), stride(corpus.dim()));
    let PlaneMut { codes, facts, sums, norms } = out;
    for (argument, len, per_row) in [
        ("codes", codes.len(), pitch),
        ("facts", facts.len(), FACTS),
        ("sums", sums.len(), 1),
        ("norms", norms.len(), 1),
        ("centre", rows.saturating_mul(transform.centre().len()), corpus.dim()),
    ] {
        if rows.checked_mul(per_row) != Some(len) {
            return Err(Error::Layout { argument, len, rows, dim: per_row });
        }
    }
    let coder = Coder { kernels, metric, transform };
    control.expect(rows as u64);
    let mut parts = facts.chunks_mut(rows.max(1));
    let mut next = || parts.next().unwrap_or_default();
    let (scale, shift, lost, size, slack) = (next(), next(), next(), next(), next());
    let work = |chunk: usize,
                (codes, sums, norms): (&mut [i8], &mut [i32], &mut [f64]),
                facts: [&mut [f32]; FACTS],
                moved: &mut Vec<f32>,
                scratch: &mut Vec<f32>| {
        if control.is_stopped() {
            return Err(Error::Stopped);
        }
        moved.resize(pitch, 0.0);
        let [scale, shift, lost, size, slack] = facts;
        for i in 0..sums.len() {
            let row = chunk * ROWS + i;
            let values = corpus.read(kernels, row, scratch);
            norms[i] = norm(kernels, values);
            if !norms[i].is_finite() {
                return Err(Error::NonFinite { argument, row });
            }
            let codes = &mut codes[i * pitch..(i + 1) * pitch];
            let known = coder.row(values, norms[i], moved, codes);
            (scale[i], shift[i], lost[i]) = (known.scale, known.shift, known.lost);
            (size[i], slack[i], sums[i]) = (known.size, known.slack, known.sum);
        }
        control.advance(sums.len() as u64);
        Ok(())
    };
    pool(threads)?
        .install(|| {
            let arrays = codes
                .par_chunks_mut(ROWS * pitch)
                .zip(sums.par_chunks_mut(ROWS))
                .zip(norms.par_chunks_mut(ROWS));
            let facts = scale
                .par_chunks_mut(ROWS)
                .zip(shift.par_chunks_mut(ROWS))
                .zip(lost.par_chunks_mut(ROWS))
                .zip(size.par_chunks_mut(ROWS).zip(slack.par_chunks_mut(ROWS)));
            arrays
                .zip(facts)
                .enumerate()
                .map_init(
                    || (Vec::new(), Vec::new()),
                    |(moved, scratch), (chunk, (((codes, sums), norms), (((a, b), c), (d, e))))| {
                        work(chunk, (codes, sums, norms), [a, b, c, d, e], moved, scratch)
                    },
                )
                .collect::<Vec<Result<()>>>()
        })
        .into_iter()
        // In order, so that the first bad row is named.
        .collect()
}
