//! Measures of runs held by Python objects: ids are looked up, never copied wholesale.

mod arrays;
mod dicts;
mod files;
mod ids;
mod judged;
mod spec;

use embedsmith_core::metrics::lists::Measured;
use embedsmith_core::metrics::{Measure, Rankings};
use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;

use crate::error::to_py;

/// (values: a row per measure, whether each query is without relevant documents, relevant
/// documents retrieved, and those of them that tie).
type Values<'py> = (Bound<'py, PyArray2<f64>>, Bound<'py, PyArray1<bool>>, usize, usize);

fn values(py: Python<'_>, all: Measured, n_measures: usize) -> PyResult<Values<'_>> {
    let shape = [n_measures, all.without_relevant.len()];
    let values = PyArray1::from_vec(py, all.values).reshape(shape)?;
    Ok((values, PyArray1::from_vec(py, all.without_relevant), all.n_hits, all.n_tied))
}

fn measured<'py>(
    py: Python<'py>,
    rankings: &Rankings,
    n_tied: usize,
    measures: &[Measure],
    threads: Option<usize>,
) -> PyResult<Values<'py>> {
    let found = py.detach(|| rankings.measure(measures, threads)).map_err(|error| to_py(&error))?;
    let all = Measured {
        values: found,
        without_relevant: rankings.without_relevant(),
        n_hits: rankings.n_hits(),
        n_tied,
    };
    values(py, all, measures.len())
}

/// Whether the judged documents that are not relevant must be known for any of the measures.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "extracted from Python objects")]
fn needs_irrelevant(measure_specs: Vec<spec::Spec>) -> PyResult<bool> {
    Ok(spec::measures(&measure_specs)?.iter().any(Measure::needs_irrelevant))
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(needs_irrelevant, module)?)?;
    module.add_class::<judged::JudgedArrays>()?;
    module.add_function(wrap_pyfunction!(dicts::measure_dicts, module)?)?;
    module.add_function(wrap_pyfunction!(files::measure_lists, module)?)?;
    module.add_function(wrap_pyfunction!(arrays::measure_arrays, module)?)
}
