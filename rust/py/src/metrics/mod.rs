//! Measures of runs held by Python objects: ids are looked up, never copied wholesale.

mod arrays;
mod dicts;
mod files;
mod ids;
mod judged;
mod spec;

use embedsmith_core::metrics::{Measure, Rankings};
use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;

use crate::error::to_py;

/// (values: a row per measure, whether each query is without relevant documents, relevant
/// documents retrieved, and those of them that tie).
type Measured<'py> = (Bound<'py, PyArray2<f64>>, Vec<bool>, usize, usize);

fn measured<'py>(
    py: Python<'py>,
    rankings: &Rankings,
    n_tied: usize,
    measures: &[Measure],
    threads: Option<usize>,
) -> PyResult<Measured<'py>> {
    let values =
        py.detach(|| rankings.measure(measures, threads)).map_err(|error| to_py(&error))?;
    let shape = [measures.len(), rankings.len()];
    let values = PyArray1::from_vec(py, values).reshape(shape)?;
    Ok((values, rankings.without_relevant(), rankings.n_hits(), n_tied))
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
