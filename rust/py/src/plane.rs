//! `_core.fit_transform` and `_core.build_plane`: a corpus's codes, in arrays that Python keeps.

use embedsmith_core::kernels::int8::stride;
use embedsmith_core::threads;
use embedsmith_core::topk::{FACTS, Plane, PlaneMut, Transform, build};
use numpy::{
    IntoPyArray, PyArray1, PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArray1, PyReadwriteArray2,
};
use pyo3::prelude::*;

use crate::arrays::{CorpusArray, contiguous, flat, flat_mut};
use crate::error::to_py;
use crate::interrupt;
use crate::search::{kernels, metric, named};

/// The arrays of a plane: codes (rows, stride), facts ([`FACTS`], rows), sums (rows,), centre (dim,),
/// and whether vectors were rotated.
#[derive(FromPyObject)]
pub(crate) struct PlaneArrays<'py>(
    PyReadonlyArray2<'py, i8>,
    PyReadonlyArray2<'py, f32>,
    PyReadonlyArray1<'py, i32>,
    PyReadonlyArray1<'py, f32>,
    bool,
);

impl PlaneArrays<'_> {
    /// How the plane's rows were moved.
    pub(crate) fn transform(&self) -> PyResult<Transform> {
        Ok(Transform::new(contiguous("centre", &self.3)?, self.4))
    }

    /// Views the plane.
    pub(crate) fn view<'a>(&'a self, transform: &'a Transform) -> PyResult<Plane<'a>> {
        let (codes, facts) = (flat("codes", &self.0)?, flat("facts", &self.1)?);
        let sums = contiguous("sums", &self.2)?;
        Plane::new(sums.len(), codes, facts, sums, transform).map_err(|error| to_py(&error))
    }
}

/// Centre of the corpus and whether to rotate, judged by a sample.
#[pyfunction]
#[pyo3(signature = (corpus, metric, half=None))]
fn fit_transform<'py>(
    py: Python<'py>,
    corpus: CorpusArray<'py>,
    metric: &str,
    half: Option<&str>,
) -> PyResult<(Bound<'py, PyArray1<f32>>, bool)> {
    let (corpus, metric, kernels) = (corpus.view(half)?, self::metric(metric)?, kernels()?);
    let rows = corpus.len();
    let fitted =
        py.detach(|| Transform::fitted(kernels, metric, corpus, rows, |place| place as u32));
    Ok((fitted.centre().to_vec().into_pyarray(py), fitted.is_rotated()))
}

/// Codes the corpus into the arrays given, and measures its norms.
#[pyfunction]
#[pyo3(signature = (corpus, metric, centre, rotated, codes, facts, sums, norms, threads=None,
    half=None, progress=None, argument="corpus"))]
#[allow(clippy::too_many_arguments, reason = "the typed Python face names them")]
fn build_plane(
    py: Python<'_>,
    corpus: CorpusArray<'_>,
    metric: &str,
    centre: PyReadonlyArray1<'_, f32>,
    rotated: bool,
    mut codes: PyReadwriteArray2<'_, i8>,
    mut facts: PyReadwriteArray2<'_, f32>,
    mut sums: PyReadwriteArray1<'_, i32>,
    mut norms: PyReadwriteArray1<'_, f64>,
    threads: Option<usize>,
    half: Option<&str>,
    progress: Option<Py<PyAny>>,
    argument: &str,
) -> PyResult<()> {
    let (corpus, metric, kernels) = (corpus.view(half)?, self::metric(metric)?, kernels()?);
    let transform = Transform::new(contiguous("centre", &centre)?, rotated);
    let threads = threads::resolve(threads).map_err(|error| to_py(&error))?;
    let out = PlaneMut {
        codes: flat_mut("codes", &mut codes)?,
        facts: flat_mut("facts", &mut facts)?,
        sums: flat_mut("sums", &mut sums)?,
        norms: flat_mut("norms", &mut norms)?,
    };
    let long = corpus.len().saturating_mul(corpus.dim()) >= 1 << 24;
    let argument = named(argument);
    interrupt::run(py, long, progress.as_ref(), |control| {
        build(argument, kernels, metric, corpus, &transform, out, threads, control)
    })
}

/// Adds this file's functions to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("PLANE_FACTS", FACTS)?;
    module.add_function(wrap_pyfunction!(code_stride, module)?)?;
    module.add_function(wrap_pyfunction!(fit_transform, module)?)?;
    module.add_function(wrap_pyfunction!(build_plane, module)?)
}

/// Bytes from one row of codes to the next.
#[pyfunction]
fn code_stride(dim: usize) -> usize {
    stride(dim)
}
