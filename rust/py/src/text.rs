//! `_core.near_duplicates`: pairs of texts that share most of their shingles.

use embedsmith_core::text::{Banding, NearDuplicates, Shingles};
use embedsmith_core::threads;
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;

use crate::error::to_py;
use crate::interrupt;

/// Beyond so many texts a job is long enough to look for Ctrl-C.
const LONG_TEXTS: usize = 2_000;

type Pairs<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<f64>>);

/// First places, second places and Jaccard similarities of near-duplicates, the most similar first;
/// without `max_pairs` only the links that join them into groups.
#[pyfunction]
#[pyo3(signature = (texts, threshold, size, words, recall, seed, max_pairs=None, border=None,
    threads=None, progress=None))]
#[allow(clippy::too_many_arguments, reason = "the typed Python face names them")]
fn near_duplicates(
    py: Python<'_>,
    texts: Vec<PyBackedStr>,
    threshold: f64,
    size: usize,
    words: bool,
    recall: f64,
    seed: u64,
    max_pairs: Option<u64>,
    border: Option<usize>,
    threads: Option<usize>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Pairs<'_>> {
    let job = NearDuplicates {
        texts: &texts[..],
        border,
        threshold,
        shingles: if words { Shingles::Words(size) } else { Shingles::Characters(size) },
        recall,
        seed,
        threads: threads::resolve(threads).map_err(|error| to_py(&error))?,
    };
    let long = texts.len() >= LONG_TEXTS;
    let pairs = interrupt::run(py, long, progress.as_ref(), |control| match max_pairs {
        Some(most) => job.pairs(most, control),
        None => job.links(control),
    })?;
    Ok((
        pairs.first.into_pyarray(py),
        pairs.second.into_pyarray(py),
        pairs.similarity.into_pyarray(py),
    ))
}

/// Bands, and hashes of each, that find a pair at `threshold` with probability `recall`.
#[pyfunction]
fn minhash_bands(threshold: f64, recall: f64) -> (usize, usize) {
    let banding = Banding::new(threshold, recall);
    (banding.bands, banding.rows)
}

/// Adds this file's functions to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(near_duplicates, module)?)?;
    module.add_function(wrap_pyfunction!(minhash_bands, module)?)
}
