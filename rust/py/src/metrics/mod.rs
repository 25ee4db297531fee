//! Measures of runs held by Python objects: ids are looked up, never copied wholesale.

mod arrays;
mod dicts;

use embedsmith_core::error::Error;
use embedsmith_core::metrics::ties::Ties;
use embedsmith_core::metrics::{Kind, Measure, Rankings};
use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyInt, PyList, PyString};

use crate::error::to_py;

/// Python objects walked between two looks at signals: a few milliseconds of work.
const STEPS_PER_LOOK: usize = 1 << 16;

/// (kind, cutoff, lowest relevant grade), as the Python layer's `Measure` writes it.
type Spec = (String, Option<usize>, i64);

/// (values: a row per measure, queries without relevant documents, hits, hits that tie).
type Measured<'py> = (Bound<'py, PyArray2<f64>>, usize, usize, usize);

/// The measured quantities of a walk over a run.
struct Walk {
    rankings: Rankings,
    n_tied: usize,
}

/// Counts work on Python objects, so that a few long lists answer Ctrl-C as many short ones do.
#[derive(Default)]
struct Pace {
    steps: usize,
}

impl Pace {
    fn step(&mut self, py: Python<'_>) -> PyResult<()> {
        self.steps += 1;
        if self.steps.is_multiple_of(STEPS_PER_LOOK) { py.check_signals() } else { Ok(()) }
    }
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
            let Some(copied) = unless_refused(value.py(), copied)? else {
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
fn as_grade(value: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
    if value.is_instance_of::<PyInt>() {
        return unless_refused(value.py(), value.extract());
    }
    // Whole numbers up to 2^53 are exact in f64.
    let whole = |number: &f64| number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0;
    Ok(as_score(value)?.filter(whole).map(|number| number as i64))
}

/// The documents of positive grade, with their grades: no other ones change any measure.
fn relevant<'py>(
    qrels: &Bound<'py, PyDict>,
    query: &Bound<'py, PyString>,
    out: &mut Vec<(Bound<'py, PyString>, i64)>,
    pace: &mut Pace,
) -> PyResult<()> {
    out.clear();
    let Some(judged) = qrels.get_item(query)? else { return Ok(()) };
    for (doc, grade) in as_dict("qrels", query, judged)?.iter() {
        pace.step(grade.py())?;
        let Some(number) = as_grade(&grade)? else {
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
fn as_score(value: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    if let Ok(float) = value.cast_exact::<PyFloat>() {
        return Ok(Some(float.value()));
    }
    if value.is_instance_of::<PyString>() {
        return Ok(None);
    }
    unless_refused(value.py(), value.extract())
}

/// What an object converts to, `None` if it refuses; Ctrl-C and exits are no refusal.
fn unless_refused<T>(py: Python<'_>, converted: PyResult<T>) -> PyResult<Option<T>> {
    match converted {
        Err(error) if error.is_instance_of::<PyException>(py) => Ok(None),
        other => other.map(Some),
    }
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

/// Query `i` of a list of ids.
fn query_at<'py>(
    ids: &Bound<'py, PyList>,
    i: usize,
    pace: &mut Pace,
) -> PyResult<Bound<'py, PyString>> {
    pace.step(ids.py())?;
    as_id("qrels", ids.get_item(i)?)
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(dicts::measure_dicts, module)?)?;
    module.add_function(wrap_pyfunction!(arrays::measure_arrays, module)?)
}
