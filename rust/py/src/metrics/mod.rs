//! Measures of runs held by Python objects: ids are looked up, never copied wholesale.

mod arrays;
mod dicts;

use embedsmith_core::error::Error;
use embedsmith_core::metrics::ties::Ties;
use embedsmith_core::metrics::{Kind, Measure, Rankings};
use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyInt, PyList, PyString};

use crate::error::to_py;

/// Queries between two looks at signals while Python objects are walked.
const QUERIES_PER_LOOK: usize = 1024;

/// (kind, cutoff, lowest relevant grade), as the Python layer's `Measure` writes it.
type Spec = (String, Option<usize>, i64);

/// (values: a row per measure, queries without relevant documents, hits, hits that tie).
type Measured<'py> = (Bound<'py, PyArray2<f64>>, usize, usize, usize);

/// The measured quantities of a walk over a run.
struct Walk {
    rankings: Rankings,
    n_tied: usize,
}

fn measures(specs: &[Spec]) -> PyResult<Vec<Measure>> {
    let kind = |name: &str| match name {
        "nDCG" => Ok(Kind::Ndcg),
        "AP" => Ok(Kind::AveragePrecision),
        "RR" => Ok(Kind::ReciprocalRank),
        "R" => Ok(Kind::Recall),
        "P" => Ok(Kind::Precision),
        "Success" => Ok(Kind::Success),
        _ => Err(PyValueError::new_err(format!("unknown kind of measure {name:?}"))),
    };
    specs
        .iter()
        .map(|(name, cutoff, level)| {
            Ok(Measure { kind: kind(name)?, cutoff: *cutoff, relevant_from: *level })
        })
        .collect()
}

fn ties(name: &str) -> PyResult<Ties> {
    match name {
        "docid_desc" => Ok(Ties::DocidDescending),
        "docid_asc" => Ok(Ties::DocidAscending),
        "input" => Ok(Ties::Input),
        "error" => Ok(Ties::Error),
        _ => Err(PyValueError::new_err(format!("unknown rule for ties {name:?}"))),
    }
}

/// `value` itself where it is a dict, else a dict of the mapping.
fn as_dict<'py>(
    argument: &'static str,
    query: &Bound<'py, PyString>,
    value: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyDict>> {
    match value.cast_into::<PyDict>() {
        Ok(dict) => Ok(dict),
        Err(error) => {
            let value = error.into_inner();
            let copied = value.py().get_type::<PyDict>().call1((&value,));
            let Ok(copied) = copied else {
                let (query, found) = (query.to_string(), value.repr()?.to_string());
                return Err(to_py(&Error::NotMapping { argument, query, found }));
            };
            Ok(copied.cast_into::<PyDict>()?)
        }
    }
}

fn as_id<'py>(argument: &'static str, id: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
    id.cast_into::<PyString>().map_err(|error| {
        let found = error.into_inner().repr().map_or_else(|_| "?".into(), |text| text.to_string());
        to_py(&Error::IdType { argument, found })
    })
}

/// A grade: an int, a bool, or a float that is a whole number.
fn as_grade(value: &Bound<'_, PyAny>) -> Option<i64> {
    if value.is_instance_of::<PyInt>() {
        return value.extract().ok();
    }
    if value.is_instance_of::<PyString>() {
        return None;
    }
    let number: f64 = value.extract().ok()?;
    // Whole numbers up to 2^53 are exact in f64.
    (number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0).then_some(number as i64)
}

/// The documents of positive grade, with their grades: no other ones change any measure.
fn relevant<'py>(
    qrels: &Bound<'py, PyDict>,
    query: &Bound<'py, PyString>,
    out: &mut Vec<(Bound<'py, PyString>, i64)>,
) -> PyResult<()> {
    out.clear();
    let Some(judged) = qrels.get_item(query)? else { return Ok(()) };
    for (doc, grade) in as_dict("qrels", query, judged)?.iter() {
        let Some(number) = as_grade(&grade) else {
            let (doc, found) = (doc.repr()?.to_string(), grade.repr()?.to_string());
            return Err(to_py(&Error::GradeType { query: query.to_string(), doc, found }));
        };
        if number > 0 {
            out.push((as_id("qrels", doc)?, number));
        }
    }
    Ok(())
}

/// A score as f64; strings are refused although `float` would read them.
fn as_score(value: &Bound<'_, PyAny>) -> Option<f64> {
    if let Ok(float) = value.cast_exact::<PyFloat>() {
        return Some(float.value());
    }
    if value.is_instance_of::<PyString>() { None } else { value.extract().ok() }
}

impl Walk {
    fn new() -> Self {
        Self { rankings: Rankings::default(), n_tied: 0 }
    }

    fn measured<'py>(
        self,
        py: Python<'py>,
        measures: &[Measure],
        threads: Option<usize>,
    ) -> PyResult<Measured<'py>> {
        let rankings = &self.rankings;
        let values =
            py.detach(|| rankings.measure(measures, threads)).map_err(|error| to_py(&error))?;
        let shape = [measures.len(), rankings.len()];
        let values = PyArray1::from_vec(py, values).reshape(shape)?;
        Ok((values, rankings.n_without_relevant(), rankings.n_hits(), self.n_tied))
    }
}

/// Query `i` of a list of ids; looks at signals now and then.
fn query_at<'py>(ids: &Bound<'py, PyList>, i: usize) -> PyResult<Bound<'py, PyString>> {
    if i.is_multiple_of(QUERIES_PER_LOOK) {
        ids.py().check_signals()?;
    }
    as_id("qrels", ids.get_item(i)?)
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(dicts::measure_dicts, module)?)?;
    module.add_function(wrap_pyfunction!(arrays::measure_arrays, module)?)
}
