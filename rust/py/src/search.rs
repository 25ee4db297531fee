//! `_core.topk`, `_core.row_norms`, `_core.isa`.

use embedsmith_core::kernels::{Isa, Kernels};
use embedsmith_core::threads;
use embedsmith_core::topk::{Exclude, Metric, Search, row_norms as core_row_norms};
use numpy::ndarray::Array2;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;

use crate::arrays::rows;
use crate::error::{ShapeError, to_py};
use crate::interrupt;

/// Multiply-adds, or hits, from which a job gets a thread of its own so that Ctrl-C is heard: what
/// portable code does in some 50 ms.
const LONG_WORK: usize = 1 << 26;
const LONG_ANSWER: usize = 1 << 18;

type Hits<'py> = (Bound<'py, PyArray2<f32>>, Bound<'py, PyArray2<i64>>, Bound<'py, PyArray2<f64>>);

fn metric(name: &str) -> PyResult<Metric> {
    match name {
        "cosine" => Ok(Metric::Cosine),
        "dot" => Ok(Metric::Dot),
        "l2" => Ok(Metric::L2),
        other => Err(ShapeError::new_err(format!(
            "metric={other:?} is unknown; choose \"cosine\", \"dot\" or \"l2\"."
        ))),
    }
}

fn contiguous<'a, T: numpy::Element>(
    argument: &str,
    array: &'a PyReadonlyArray1<'_, T>,
) -> PyResult<&'a [T]> {
    array.as_slice().map_err(|_| {
        ShapeError::new_err(format!(
            "{argument} is not contiguous; pass numpy.ascontiguousarray({argument})."
        ))
    })
}

/// Scores, rows and canonical scores of the best `k` corpus rows per query; `exclude` is (offsets,
/// rows).
#[pyfunction]
#[pyo3(signature = (queries, corpus, k, metric, exclude=None, allowed=None, norms=None, threads=None, at_least=None))]
#[allow(clippy::too_many_arguments, reason = "the typed Python face names them")]
fn topk<'py>(
    py: Python<'py>,
    queries: PyReadonlyArray2<'py, f32>,
    corpus: PyReadonlyArray2<'py, f32>,
    k: usize,
    metric: &str,
    exclude: Option<(PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i64>)>,
    allowed: Option<PyReadonlyArray1<'py, bool>>,
    norms: Option<PyReadonlyArray1<'py, f64>>,
    threads: Option<usize>,
    at_least: Option<PyReadonlyArray1<'py, f64>>,
) -> PyResult<Hits<'py>> {
    let queries = rows("queries", &queries)?;
    let corpus = rows("corpus", &corpus)?;
    let exclude = match &exclude {
        Some((offsets, excluded)) => {
            let offsets: Vec<usize> =
                contiguous("exclude", offsets)?.iter().map(|&offset| offset as usize).collect();
            let excluded = contiguous("exclude", excluded)?;
            Some(
                Exclude::new(&offsets, excluded, queries.len(), corpus.len())
                    .map_err(|error| to_py(&error))?,
            )
        }
        None => None,
    };
    let search = Search {
        queries,
        corpus,
        norms: norms.as_ref().map(|norms| contiguous("norms", norms)).transpose()?,
        k,
        metric: self::metric(metric)?,
        exclude: exclude.as_ref(),
        allowed: allowed.as_ref().map(|allowed| contiguous("where", allowed)).transpose()?,
        at_least: at_least.as_ref().map(|floor| contiguous("at_least", floor)).transpose()?,
        kernels: Kernels::from_environment().map_err(|error| to_py(&error))?,
        threads: threads::resolve(threads).map_err(|error| to_py(&error))?,
        pass: None,
    };
    let count = queries.len();
    let answer = count.saturating_mul(k.min(corpus.len()));
    let long = search.work() >= LONG_WORK || answer >= LONG_ANSWER;
    let hits = interrupt::run(py, long, |control| search.run(control))?;
    let shape = (count, hits.width);
    let shaped = |error: numpy::ndarray::ShapeError| ShapeError::new_err(error.to_string());
    Ok((
        Array2::from_shape_vec(shape, hits.scores).map_err(shaped)?.into_pyarray(py),
        Array2::from_shape_vec(shape, hits.rows).map_err(shaped)?.into_pyarray(py),
        Array2::from_shape_vec(shape, hits.exact).map_err(shaped)?.into_pyarray(py),
    ))
}

/// Canonical Euclidean norm of every row; refuses NaN and infinity.
#[pyfunction]
#[pyo3(signature = (corpus, threads=None))]
fn row_norms<'py>(
    py: Python<'py>,
    corpus: PyReadonlyArray2<'py, f32>,
    threads: Option<usize>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let corpus = rows("corpus", &corpus)?;
    let kernels = Kernels::from_environment().map_err(|error| to_py(&error))?;
    let threads = threads::resolve(threads).map_err(|error| to_py(&error))?;
    let long = corpus.len().saturating_mul(corpus.dim()) >= LONG_WORK / 4;
    let norms =
        interrupt::run(py, long, |control| core_row_norms(kernels, corpus, threads, control))?;
    Ok(norms.into_pyarray(py))
}

/// The instruction set in use: the fastest here, or the one that `EMBEDSMITH_ISA` forces.
#[pyfunction]
fn isa() -> PyResult<&'static str> {
    Ok(Kernels::from_environment().map_err(|error| to_py(&error))?.isa().name())
}

/// The instruction sets that this processor has, slowest first.
#[pyfunction]
fn available_isas() -> Vec<&'static str> {
    Isa::available().map(Isa::name).collect()
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
    module.add_function(wrap_pyfunction!(thread_count, module)?)
}
