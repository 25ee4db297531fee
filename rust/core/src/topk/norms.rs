//! Canonical norms of all rows.

use rayon::prelude::*;

use super::metric::norm;
use crate::error::{Error, Result, filled};
use crate::kernels::{FloatMode, Kernels};
use crate::rows::Corpus;
use crate::threads::{Control, pool};

/// Canonical norms of all rows, in parallel.
///
/// # Errors
/// [`Error::NonFinite`] if a row holds NaN or infinity; it names `argument`.
pub fn row_norms(
    argument: &'static str,
    kernels: Kernels,
    rows: Corpus,
    threads: usize,
    control: &Control,
) -> Result<Vec<f64>> {
    const ROWS: usize = 1024;
    let _mode = FloatMode::standard();
    let mut norms = filled("norms", 0.0, Some(rows.len()))?;
    let fill = |(chunk, norms): (usize, &mut [f64])| {
        if control.is_stopped() {
            return Err(Error::Stopped);
        }
        let mut scratch = Vec::new();
        for (i, out) in norms.iter_mut().enumerate() {
            *out = norm(kernels, rows.read(kernels, chunk * ROWS + i, &mut scratch));
        }
        Ok(())
    };
    if threads == 1 {
        norms.chunks_mut(ROWS).enumerate().try_for_each(fill)?;
    } else {
        pool(threads)?.install(|| norms.par_chunks_mut(ROWS).enumerate().try_for_each(fill))?;
    }
    match norms.iter().position(|norm| !norm.is_finite()) {
        Some(row) => Err(Error::NonFinite { argument, row }),
        None => Ok(norms),
    }
}
