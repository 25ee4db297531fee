//! `_core.pairs_above` and `_core.topk_self`: a corpus compared with itself.

use embedsmith_core::kernels::Kernels;
use embedsmith_core::threads;
use embedsmith_core::topk::{Metric, PassKind, SelfJoin, Transform};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::arrays::{CorpusArray, contiguous};
use crate::error::to_py;
use crate::interrupt;
use crate::plane::PlaneArrays;
use crate::search::{Hits, LONG_ANSWER, LONG_WORK, hand_over, kernels, metric, named, pass};

type Pairs<'py> = (
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<f32>>,
    Bound<'py, PyArray1<f64>>,
);

/// The arguments that both functions share, checked but not yet borrowed.
struct Request<'py> {
    corpus: CorpusArray<'py>,
    half: Option<String>,
    norms: Option<PyReadonlyArray1<'py, f64>>,
    plane: Option<PlaneArrays<'py>>,
    transform: Option<Transform>,
    metric: Metric,
    kernels: Kernels,
    threads: usize,
    pass: Option<PassKind>,
    argument: &'static str,
}

impl<'py> Request<'py> {
    #[allow(clippy::too_many_arguments, reason = "what the typed Python face hands over")]
    fn new(
        corpus: CorpusArray<'py>,
        metric: &str,
        norms: Option<PyReadonlyArray1<'py, f64>>,
        plane: Option<PlaneArrays<'py>>,
        threads: Option<usize>,
        half: Option<String>,
        precision: Option<&str>,
        argument: &str,
    ) -> PyResult<Self> {
        let transform = plane.as_ref().map(PlaneArrays::transform).transpose()?;
        Ok(Self {
            corpus,
            half,
            norms,
            plane,
            transform,
            metric: self::metric(metric)?,
            kernels: kernels()?,
            threads: threads::resolve(threads).map_err(|error| to_py(&error))?,
            pass: precision.map(pass).transpose()?,
            argument: named(argument),
        })
    }

    fn join(&self) -> PyResult<SelfJoin<'_>> {
        let plane = match (&self.plane, &self.transform) {
            (Some(plane), Some(transform)) => Some(plane.view(transform)?),
            _ => None,
        };
        Ok(SelfJoin {
            argument: self.argument,
            corpus: self.corpus.view(self.half.as_deref())?,
            norms: self.norms.as_ref().map(|norms| contiguous("norms", norms)).transpose()?,
            plane,
            metric: self.metric,
            kernels: self.kernels,
            threads: self.threads,
            pass: self.pass,
        })
    }
}

/// First rows, second rows, scores and canonical scores of all pairs that reach `threshold`.
#[pyfunction]
#[pyo3(signature = (corpus, threshold, max_pairs, metric, norms=None, plane=None, threads=None,
    half=None, progress=None, precision=None, argument="corpus"))]
#[allow(clippy::too_many_arguments, reason = "the typed Python face names them")]
fn pairs_above<'py>(
    py: Python<'py>,
    corpus: CorpusArray<'py>,
    threshold: f64,
    max_pairs: u64,
    metric: &str,
    norms: Option<PyReadonlyArray1<'py, f64>>,
    plane: Option<PlaneArrays<'py>>,
    threads: Option<usize>,
    half: Option<String>,
    progress: Option<Py<PyAny>>,
    precision: Option<&str>,
    argument: &str,
) -> PyResult<Pairs<'py>> {
    let request = Request::new(corpus, metric, norms, plane, threads, half, precision, argument)?;
    let join = request.join()?;
    let long = join.work() >= LONG_WORK;
    let pairs = interrupt::run(py, long, progress.as_ref(), |control| {
        join.pairs_above(threshold, max_pairs, control)
    })?;
    Ok((
        pairs.first.into_pyarray(py),
        pairs.second.into_pyarray(py),
        pairs.scores.into_pyarray(py),
        pairs.exact.into_pyarray(py),
    ))
}

/// Scores, rows and canonical scores of the best `k` other rows of every row, and what it took.
#[pyfunction]
#[pyo3(signature = (corpus, k, metric, norms=None, plane=None, threads=None, half=None,
    progress=None, precision=None, argument="corpus"))]
#[allow(clippy::too_many_arguments, reason = "the typed Python face names them")]
fn topk_self<'py>(
    py: Python<'py>,
    corpus: CorpusArray<'py>,
    k: usize,
    metric: &str,
    norms: Option<PyReadonlyArray1<'py, f64>>,
    plane: Option<PlaneArrays<'py>>,
    threads: Option<usize>,
    half: Option<String>,
    progress: Option<Py<PyAny>>,
    precision: Option<&str>,
    argument: &str,
) -> PyResult<Hits<'py>> {
    let request = Request::new(corpus, metric, norms, plane, threads, half, precision, argument)?;
    let join = request.join()?;
    let rows = join.corpus.len();
    let long = join.work() >= LONG_WORK || rows.saturating_mul(k.min(rows)) >= LONG_ANSWER;
    let hits = interrupt::run(py, long, progress.as_ref(), |control| join.topk(k, control))?;
    hand_over(py, rows, hits)
}

/// Adds this file's functions to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(pairs_above, module)?)?;
    module.add_function(wrap_pyfunction!(topk_self, module)?)
}
