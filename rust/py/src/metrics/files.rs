//! Runs and judgements that were read from files: no Python object is made of a document.

use embedsmith_core::formats::{Reading, rankings};
use embedsmith_core::metrics::Measure;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;

use super::spec::{Spec, measures, ties};
use super::{Values, measured};
use crate::error::to_py;
use crate::formats::{QrelsLists, RunLists};

/// Measures a run that was read from a file, for the judged `query_ids` in their order.
#[pyfunction]
#[pyo3(signature = (
    query_ids, qrels, run, measure_specs, *, ties_rule, f32_scores, ignore_self, threads
))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments of one Python function")]
pub(super) fn measure_lists<'py>(
    py: Python<'py>,
    query_ids: Vec<PyBackedStr>,
    qrels: &Bound<'py, QrelsLists>,
    run: &Bound<'py, RunLists>,
    measure_specs: Vec<Spec>,
    ties_rule: &str,
    f32_scores: bool,
    ignore_self: bool,
    threads: Option<usize>,
) -> PyResult<Values<'py>> {
    let measures = measures(&measure_specs)?;
    let irrelevant_too = measures.iter().any(Measure::needs_irrelevant);
    let reading = Reading { ties: ties(ties_rule)?, f32_scores, ignore_self, irrelevant_too };
    let (qrels, run) = (&qrels.get().0, &run.get().0);
    let (rankings, n_tied) = py
        .detach(|| rankings(&query_ids, qrels, run, reading, threads))
        .map_err(|error| to_py(&error))?;
    measured(py, &rankings, n_tied, &measures, threads)
}
