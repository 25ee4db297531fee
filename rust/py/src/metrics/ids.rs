//! Ids, grades and scores as Python objects hold them.

use embedsmith_core::error::Error;
use embedsmith_core::metrics::ties::Id;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyFloat, PyInt, PyList, PyString};

use crate::error::to_py;

/// Python objects walked between two looks at signals: a few milliseconds of work.
const STEPS_PER_LOOK: usize = 1 << 16;

/// Counts work on Python objects, so that a few long lists answer Ctrl-C as many short ones do.
#[derive(Default)]
pub(super) struct Pace {
    steps: usize,
}

impl Pace {
    pub(super) fn step(&mut self, py: Python<'_>) -> PyResult<()> {
        self.steps += 1;
        if self.steps.is_multiple_of(STEPS_PER_LOOK) { py.check_signals() } else { Ok(()) }
    }
}

/// An id that can be compared.
pub(super) enum OwnId<'py> {
    Number(i64),
    Text(Bound<'py, PyString>),
    /// A string that UTF-8 does not have, such as one with a lone surrogate.
    Bytes(Bound<'py, PyBytes>),
}

impl<'py> OwnId<'py> {
    pub(super) fn read(argument: &'static str, id: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(text) = id.cast::<PyString>() {
            if text.to_str().is_ok() {
                return Ok(Self::Text(text.clone()));
            }
            let bytes = text.call_method1("encode", ("utf-8", "surrogatepass"))?;
            return Ok(Self::Bytes(bytes.cast_into::<PyBytes>()?));
        }
        // Also integers of numpy, by `__index__`.
        match unless_refused(id.py(), id.extract::<i64>())? {
            Some(number) => Ok(Self::Number(number)),
            None => Err(refused_id(argument, id)),
        }
    }

    pub(super) fn key(&self) -> PyResult<Id<'_>> {
        Ok(match self {
            Self::Number(number) => Id::Number(*number),
            Self::Text(text) => Id::Text(text.to_str()?.as_bytes()),
            Self::Bytes(bytes) => Id::Text(bytes.as_bytes()),
        })
    }
}

fn refused_id(argument: &'static str, id: &Bound<'_, PyAny>) -> PyErr {
    let found = id.repr().map_or_else(|_| "?".into(), |text| text.to_string());
    to_py(&Error::IdType { argument, found })
}

/// Refuses an id that is neither a string nor an integer.
pub(super) fn check_id(argument: &'static str, id: &Bound<'_, PyAny>) -> PyResult<()> {
    if id.is_instance_of::<PyString>() || id.is_instance_of::<PyInt>() {
        return Ok(());
    }
    OwnId::read(argument, id).map(|_| ())
}

/// `value` itself where it is a dict, else a dict of the mapping.
pub(super) fn as_dict<'py>(
    argument: &'static str,
    query: &Bound<'py, PyAny>,
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

/// Whether a number may be a grade: finite, and no larger than the whole numbers that f64 tells
/// apart.
pub(super) fn is_grade(number: f64) -> bool {
    number.abs() <= 9_007_199_254_740_992.0
}

fn as_grade(value: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    Ok(as_score(value)?.filter(|&number| is_grade(number)))
}

/// One judged document: its id and its grade.
pub(super) type Judgement<'py> = (Bound<'py, PyAny>, f64);

/// The judged documents of a query, with their grades; only those of positive grade, unless the
/// others change a measure too.
pub(super) fn judgements<'py>(
    qrels: &Bound<'py, PyDict>,
    query: &Bound<'py, PyAny>,
    irrelevant_too: bool,
    out: &mut Vec<Judgement<'py>>,
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
        if number > 0.0 || irrelevant_too {
            check_id("qrels", &doc)?;
            out.push((doc, number));
        }
    }
    Ok(())
}

/// A score as f64; strings are refused although `float` would read them.
pub(super) fn as_score(value: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    if let Ok(float) = value.cast_exact::<PyFloat>() {
        return Ok(Some(float.value()));
    }
    if value.is_instance_of::<PyString>() {
        return Ok(None);
    }
    unless_refused(value.py(), value.extract())
}

/// What an object converts to, `None` if it refuses; Ctrl-C and exits are no refusal.
pub(super) fn unless_refused<T>(py: Python<'_>, converted: PyResult<T>) -> PyResult<Option<T>> {
    match converted {
        Err(error) if error.is_instance_of::<PyException>(py) => Ok(None),
        other => other.map(Some),
    }
}

/// Query `i` of a list of ids.
pub(super) fn query_at<'py>(
    ids: &Bound<'py, PyList>,
    i: usize,
    pace: &mut Pace,
) -> PyResult<Bound<'py, PyAny>> {
    pace.step(ids.py())?;
    let id = ids.get_item(i)?;
    check_id("qrels", &id)?;
    Ok(id)
}
