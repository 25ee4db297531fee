//! `_core.topk_below` and `_core.pair_scores`: what mining asks of the search.

use embedsmith_core::threads;
use embedsmith_core::topk::{Search, pair_scores as core_pair_scores};
use numpy::ndarray::Array2;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;

use crate::arrays::{CorpusArray, contiguous, rows};
use crate::error::{ShapeError, to_py};
use crate::interrupt;
use crate::search::{LONG_ANSWER, LONG_WORK, Lists, excluded, kernels, metric, offsets};

/// Rows, canonical scores, and how many rows of each query lie above its ceiling.
type Below<'py> = (Bound<'py, PyArray2<i64>>, Bound<'py, PyArray2<f64>>, Bound<'py, PyArray1<i64>>);

/// The best `k` corpus rows per query that score at most its ceiling; `exclude` is (offsets, rows).
#[pyfunction]
#[pyo3(signature = (queries, corpus, k, metric, at_most, exclude=None, at_least=None, threads=None,
    half=None))]
#[allow(clippy::too_many_arguments, reason = "the typed Python face names them")]
fn topk_below<'py>(
    py: Python<'py>,
    queries: PyReadonlyArray2<'py, f32>,
    corpus: CorpusArray<'py>,
    k: usize,
    metric: &str,
    at_most: PyReadonlyArray1<'py, f64>,
    exclude: Option<Lists<'py>>,
    at_least: Option<PyReadonlyArray1<'py, f64>>,
    threads: Option<usize>,
    half: Option<&str>,
) -> PyResult<Below<'py>> {
    let queries = rows("queries", &queries)?;
    let corpus = corpus.view(half)?;
    let exclude = excluded(exclude.as_ref(), queries.len(), corpus.len())?;
    let search = Search {
        queries,
        corpus,
        norms: None,
        plane: None,
        k,
        metric: self::metric(metric)?,
        exclude: exclude.as_ref(),
        allowed: None,
        at_least: at_least.as_ref().map(|floor| contiguous("at_least", floor)).transpose()?,
        at_most: Some(contiguous("at_most", &at_most)?),
        kernels: kernels()?,
        threads: threads::resolve(threads).map_err(|error| to_py(&error))?,
        pass: None,
    };
    let answer = queries.len().saturating_mul(k.min(corpus.len()));
    let long = search.work() >= LONG_WORK || answer >= LONG_ANSWER;
    let hits = interrupt::run(py, long, None, |control| search.run(control))?;
    let shape = (queries.len(), hits.width);
    let shaped = |error: numpy::ndarray::ShapeError| ShapeError::new_err(error.to_string());
    Ok((
        Array2::from_shape_vec(shape, hits.rows).map_err(shaped)?.into_pyarray(py),
        Array2::from_shape_vec(shape, hits.exact).map_err(shaped)?.into_pyarray(py),
        hits.above.into_pyarray(py),
    ))
}

/// Canonical scores of each query with the corpus rows of its list; `pairs` is (offsets, rows).
#[pyfunction]
#[pyo3(signature = (queries, corpus, metric, pairs, threads=None, half=None))]
fn pair_scores<'py>(
    py: Python<'py>,
    queries: PyReadonlyArray2<'py, f32>,
    corpus: CorpusArray<'py>,
    metric: &str,
    pairs: Lists<'py>,
    threads: Option<usize>,
    half: Option<&str>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let queries = rows("queries", &queries)?;
    let (corpus, metric, kernels) = (corpus.view(half)?, self::metric(metric)?, kernels()?);
    let (offsets, listed) = (offsets("pairs", &pairs.0)?, contiguous("pairs", &pairs.1)?);
    let threads = threads::resolve(threads).map_err(|error| to_py(&error))?;
    let long = listed.len().saturating_mul(corpus.dim()) >= LONG_WORK / 4;
    let scores = interrupt::run(py, long, None, |control| {
        core_pair_scores(kernels, metric, queries, corpus, &offsets, listed, threads, control)
    })?;
    Ok(scores.into_pyarray(py))
}

/// Adds this file's functions to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(topk_below, module)?)?;
    module.add_function(wrap_pyfunction!(pair_scores, module)?)
}
