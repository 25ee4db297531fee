//! `_core.topk`, `_core.row_norms`, and what the machine offers.

use embedsmith_core::kernels::{Isa, Kernels};
use embedsmith_core::threads;
use embedsmith_core::topk::{Exclude, Metric, PassKind, Search, row_norms as core_row_norms};
use numpy::ndarray::Array2;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{CorpusArray, contiguous, rows};
use crate::error::{ShapeError, to_py};
use crate::interrupt;
use crate::plane::PlaneArrays;

/// Multiply-adds, or hits, from which a job gets a thread of its own so that Ctrl-C is heard: what
/// portable code does in some 50 ms.
pub(crate) const LONG_WORK: usize = 1 << 26;
pub(crate) const LONG_ANSWER: usize = 1 << 18;

pub(crate) type Hits<'py> = (
    Bound<'py, PyArray2<f32>>,
    Bound<'py, PyArray2<i64>>,
    Bound<'py, PyArray2<f64>>,
    Bound<'py, PyDict>,
);

/// One list of corpus rows per query: where each begins and the last ends, and all rows.
pub(crate) type Lists<'py> = (PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i64>);

/// Where lists begin and end. What is no such place is refused by the core, which has no negative
/// ones.
pub(crate) fn offsets(argument: &str, offsets: &PyReadonlyArray1<'_, i64>) -> PyResult<Vec<usize>> {
    Ok(contiguous(argument, offsets)?.iter().map(|&offset| offset as usize).collect())
}

/// The rows that each query must not return, if there are any.
pub(crate) fn excluded(
    lists: Option<&Lists<'_>>,
    queries: usize,
    corpus: usize,
) -> PyResult<Option<Exclude>> {
    let Some((begins, rows)) = lists else { return Ok(None) };
    let begins = offsets("exclude", begins)?;
    let exclude = Exclude::new(&begins, contiguous("exclude", rows)?, queries, corpus);
    exclude.map(Some).map_err(|error| to_py(&error))
}

/// The metric of this name.
pub(crate) fn metric(name: &str) -> PyResult<Metric> {
    match name {
        "cosine" => Ok(Metric::Cosine),
        "dot" => Ok(Metric::Dot),
        "l2" => Ok(Metric::L2),
        other => Err(ShapeError::new_err(format!(
            "metric={other:?} is unknown; choose \"cosine\", \"dot\" or \"l2\"."
        ))),
    }
}

/// The kernels that the environment asks for.
pub(crate) fn kernels() -> PyResult<Kernels> {
    Kernels::from_environment().map_err(|error| to_py(&error))
}

/// The pass of this name.
pub(crate) fn pass(name: &str) -> PyResult<PassKind> {
    PassKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
        let names: Vec<_> = PassKind::ALL.iter().map(|kind| kind.name()).collect();
        let names = names.join(", ");
        ShapeError::new_err(format!("precision={name:?} is unknown; choose one of {names}."))
    })
}

/// What errors call the rows: the argument as the caller knows it.
pub(crate) fn named(argument: &str) -> &'static str {
    match argument {
        "embeddings" => "embeddings",
        _ => "corpus",
    }
}

/// Hands a search's arrays to numpy.
pub(crate) fn hand_over(
    py: Python<'_>,
    queries: usize,
    hits: embedsmith_core::topk::Hits,
) -> PyResult<Hits<'_>> {
    let stats = PyDict::new(py);
    let rows = PassKind::ALL.iter().zip(hits.stats.rows).filter(|(_, rows)| *rows > 0);
    stats.set_item("rows", rows.map(|(kind, rows)| (kind.name(), rows)).collect::<Vec<_>>())?;
    for (name, count) in [
        ("hits", hits.stats.hits),
        ("scored", hits.stats.scored),
        ("repeated", hits.stats.repeated),
        ("fallbacks", hits.stats.fallbacks),
    ] {
        stats.set_item(name, count)?;
    }
    let shape = (queries, hits.width);
    let shaped = |error: numpy::ndarray::ShapeError| ShapeError::new_err(error.to_string());
    Ok((
        Array2::from_shape_vec(shape, hits.scores).map_err(shaped)?.into_pyarray(py),
        Array2::from_shape_vec(shape, hits.rows).map_err(shaped)?.into_pyarray(py),
        Array2::from_shape_vec(shape, hits.exact).map_err(shaped)?.into_pyarray(py),
        stats,
    ))
}

/// Scores, rows and canonical scores of the best `k` corpus rows per query, and what it took;
/// `exclude` is (offsets, rows).
#[pyfunction]
#[pyo3(signature = (queries, corpus, k, metric, exclude=None, allowed=None, norms=None, threads=None,
    at_least=None, half=None, plane=None, progress=None, precision=None))]
#[allow(clippy::too_many_arguments, reason = "the typed Python face names them")]
fn topk<'py>(
    py: Python<'py>,
    queries: PyReadonlyArray2<'py, f32>,
    corpus: CorpusArray<'py>,
    k: usize,
    metric: &str,
    exclude: Option<Lists<'py>>,
    allowed: Option<PyReadonlyArray1<'py, bool>>,
    norms: Option<PyReadonlyArray1<'py, f64>>,
    threads: Option<usize>,
    at_least: Option<PyReadonlyArray1<'py, f64>>,
    half: Option<&str>,
    plane: Option<PlaneArrays<'py>>,
    progress: Option<Py<PyAny>>,
    precision: Option<&str>,
) -> PyResult<Hits<'py>> {
    let queries = rows("queries", &queries)?;
    let corpus = corpus.view(half)?;
    let exclude = excluded(exclude.as_ref(), queries.len(), corpus.len())?;
    let transform = plane.as_ref().map(PlaneArrays::transform).transpose()?;
    let plane = match (&plane, &transform) {
        (Some(plane), Some(transform)) => Some(plane.view(transform)?),
        _ => None,
    };
    let search = Search {
        queries,
        corpus,
        norms: norms.as_ref().map(|norms| contiguous("norms", norms)).transpose()?,
        plane,
        k,
        metric: self::metric(metric)?,
        exclude: exclude.as_ref(),
        allowed: allowed.as_ref().map(|allowed| contiguous("where", allowed)).transpose()?,
        at_least: at_least.as_ref().map(|floor| contiguous("at_least", floor)).transpose()?,
        at_most: None,
        kernels: kernels()?,
        threads: threads::resolve(threads).map_err(|error| to_py(&error))?,
        pass: precision.map(pass).transpose()?,
    };
    let count = queries.len();
    let answer = count.saturating_mul(k.min(corpus.len()));
    let long = search.work() >= LONG_WORK || answer >= LONG_ANSWER;
    let hits = interrupt::run(py, long, progress.as_ref(), |control| search.run(control))?;
    hand_over(py, count, hits)
}

/// Canonical Euclidean norm of every row; refuses NaN and infinity.
#[pyfunction]
#[pyo3(signature = (corpus, threads=None, half=None, argument="corpus"))]
fn row_norms<'py>(
    py: Python<'py>,
    corpus: CorpusArray<'py>,
    threads: Option<usize>,
    half: Option<&str>,
    argument: &str,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let corpus = corpus.view(half)?;
    let kernels = kernels()?;
    let threads = threads::resolve(threads).map_err(|error| to_py(&error))?;
    let long = corpus.len().saturating_mul(corpus.dim()) >= LONG_WORK / 4;
    let argument = named(argument);
    let norms = interrupt::run(py, long, None, |control| {
        core_row_norms(argument, kernels, corpus, threads, control)
    })?;
    Ok(norms.into_pyarray(py))
}

/// The instruction set in use: the fastest here, or the one that `EMBEDSMITH_ISA` forces.
#[pyfunction]
fn isa() -> PyResult<&'static str> {
    Ok(kernels()?.isa().name())
}

/// The instruction sets that this processor has, slowest first.
#[pyfunction]
fn available_isas() -> Vec<&'static str> {
    Isa::available().map(Isa::name).collect()
}

/// Operations per second of one thread by kind of product, in 1e9, on registers alone.
#[pyfunction]
fn peak_rates(py: Python<'_>) -> PyResult<std::collections::HashMap<&'static str, f64>> {
    let kernels = kernels()?;
    Ok(py.detach(|| kernels.peak_rates().into_iter().collect()))
}

/// The number of threads a call would use.
#[pyfunction]
#[pyo3(signature = (threads=None))]
fn thread_count(threads: Option<usize>) -> PyResult<usize> {
    embedsmith_core::threads::resolve(threads).map_err(|error| to_py(&error))
}

/// Adds this file's functions to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(topk, module)?)?;
    module.add_function(wrap_pyfunction!(row_norms, module)?)?;
    module.add_function(wrap_pyfunction!(isa, module)?)?;
    module.add_function(wrap_pyfunction!(available_isas, module)?)?;
    module.add_function(wrap_pyfunction!(peak_rates, module)?)?;
    module.add_function(wrap_pyfunction!(thread_count, module)?)
}
