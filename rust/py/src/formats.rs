//! Readers and writers of the field's files.

use std::path::{Path, PathBuf};

use embedsmith_core::error::{Error, Result};
use embedsmith_core::formats::{
    self, Groups, Holds, Lists, QrelsFormat, Table, TableFormat, Texts,
};
use numpy::{Element, IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::{PyUnicodeEncodeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::PyTuple;

use crate::error::to_py;

/// ids of the queries, ids of the documents, offsets, rows, values
type Columns<'py, V> = (
    Bound<'py, PyTuple>,
    Bound<'py, PyTuple>,
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<V>>,
);
type TwoTuples<'py> = (Bound<'py, PyTuple>, Bound<'py, PyTuple>);
type PairColumns<'py> = (
    Bound<'py, PyTuple>,
    Bound<'py, PyTuple>,
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<i64>>,
);

/// Runs `job` without the GIL; it asks now and then whether Ctrl-C was pressed.
fn detached<T: Send>(
    py: Python<'_>,
    job: impl FnOnce(formats::KeepGoing<'_>) -> Result<T> + Send,
) -> PyResult<T> {
    py.detach(|| {
        let mut interrupt = None;
        #[allow(
            clippy::redundant_closure_for_method_calls,
            reason = "the method alone is not general enough"
        )]
        let done = job(&mut || match Python::attach(|py| py.check_signals()) {
            Ok(()) => true,
            Err(error) => {
                interrupt = Some(error);
                false
            }
        });
        done.map_err(|error: Error| interrupt.unwrap_or_else(|| to_py(&error)))
    })
}

/// The ids of a tuple, borrowed from Python; one that is not text in UTF-8 is an error of the data.
fn borrow_ids(path: &Path, ids: &Bound<'_, PyTuple>) -> PyResult<Vec<PyBackedStr>> {
    ids.iter()
        .map(|id| {
            id.extract().map_err(|error: PyErr| {
                if !error.is_instance_of::<PyUnicodeEncodeError>(id.py()) {
                    return error;
                }
                to_py(&Error::Content {
                    path: path.display().to_string(),
                    found: format!("was not written: the id {id:?} holds half a surrogate pair"),
                    fix: "Rename the id.".into(),
                })
            })
        })
        .collect()
}

fn columns<V: Element>(py: Python<'_>, groups: Groups<V>) -> PyResult<Columns<'_, V>> {
    Ok((
        PyTuple::new(py, groups.query_ids)?,
        PyTuple::new(py, groups.doc_ids)?,
        groups.offsets.into_pyarray(py),
        groups.rows.into_pyarray(py),
        groups.values.into_pyarray(py),
    ))
}

fn two_tuples(py: Python<'_>, texts: Texts) -> PyResult<TwoTuples<'_>> {
    Ok((PyTuple::new(py, texts.ids)?, PyTuple::new(py, texts.texts)?))
}

/// Judgements as a file had them; [`columns`](Self::columns) numbers their documents.
#[pyclass(frozen, module = "embedsmith._core")]
pub(crate) struct QrelsLists(pub(crate) Lists<i64>);

/// Results as a file had them.
#[pyclass(frozen, module = "embedsmith._core")]
pub(crate) struct RunLists(pub(crate) Lists<f64>);

#[pymethods]
impl QrelsLists {
    /// Ids of the queries, in the order in which they were first seen.
    #[getter]
    fn query_ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.query_ids())
    }

    /// Number of judgements.
    #[getter]
    fn n_pairs(&self) -> usize {
        self.0.n_pairs()
    }

    /// Query ids, document ids, offsets, rows, grades.
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Columns<'py, i64>> {
        columns(py, py.detach(|| self.0.to_groups()))
    }
}

#[pymethods]
impl RunLists {
    /// Ids of the queries, in the order in which they were first seen.
    #[getter]
    fn query_ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.query_ids())
    }

    /// Number of results.
    #[getter]
    fn n_pairs(&self) -> usize {
        self.0.n_pairs()
    }

    /// The name that the file gives the run in its last line, and whether all lines agree.
    #[getter]
    fn tag(&self) -> (Option<&str>, bool) {
        (self.0.tag(), self.0.one_tag())
    }

    /// Query ids, document ids, offsets, rows, scores.
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Columns<'py, f64>> {
        columns(py, py.detach(|| self.0.to_groups()))
    }
}

/// Reads judgements.
#[pyfunction]
#[pyo3(signature = (path, threads = None))]
fn read_qrels(py: Python<'_>, path: PathBuf, threads: Option<usize>) -> PyResult<QrelsLists> {
    detached(py, |go| formats::read_qrels(&path, threads, go)).map(QrelsLists)
}

/// Reads results.
#[pyfunction]
#[pyo3(signature = (path, threads = None))]
fn read_run(py: Python<'_>, path: PathBuf, threads: Option<usize>) -> PyResult<RunLists> {
    detached(py, |go| formats::read_run(&path, threads, go)).map(RunLists)
}

/// Reads BEIR documents: ids and texts to embed.
#[pyfunction]
fn read_corpus(py: Python<'_>, path: PathBuf) -> PyResult<TwoTuples<'_>> {
    two_tuples(py, detached(py, |go| formats::read_corpus(&path, go))?)
}

/// Documents of a file one after the other; to be used by the thread that opened it.
// What unpacks a file is bound to its thread.
#[pyclass(unsendable, module = "embedsmith._core")]
struct DocumentStream(formats::DocumentStream);

#[pymethods]
impl DocumentStream {
    /// Opens JSON lines whose fields have these names, or plain lines if there are none.
    #[new]
    #[pyo3(signature = (path, fields = None))]
    fn new(path: PathBuf, fields: Option<(String, String, String)>) -> PyResult<Self> {
        let fields = fields.map(|(id, text, title)| formats::TextFields { id, text, title });
        let stream = formats::DocumentStream::open(&path, fields);
        stream.map(Self).map_err(|error| to_py(&error))
    }

    /// Lines, ids and texts of the next documents; none at the end.
    #[pyo3(name = "next")]
    fn take(
        &mut self,
        most: usize,
        text_bytes: usize,
    ) -> PyResult<(Vec<u64>, Vec<String>, Vec<String>)> {
        let seen = self.0.next(most, text_bytes).map_err(|error| to_py(&error))?;
        let mut columns = (Vec::new(), Vec::new(), Vec::new());
        for document in seen {
            columns.0.push(document.line);
            columns.1.push(document.id);
            columns.2.push(document.text);
        }
        Ok(columns)
    }
}

/// Reads BEIR queries: ids and texts.
#[pyfunction]
fn read_queries(py: Python<'_>, path: PathBuf) -> PyResult<TwoTuples<'_>> {
    two_tuples(py, detached(py, |go| formats::read_queries(&path, go))?)
}

/// Reads pairs: query texts, document texts, offsets and rows of the positives.
#[pyfunction]
fn read_pairs(py: Python<'_>, path: PathBuf) -> PyResult<PairColumns<'_>> {
    let pairs = detached(py, |go| formats::read_pairs(&path, go))?;
    Ok((
        PyTuple::new(py, pairs.queries)?,
        PyTuple::new(py, pairs.documents)?,
        pairs.offsets.into_pyarray(py),
        pairs.rows.into_pyarray(py),
    ))
}

/// Writes a TREC run at once or not at all.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "the columns of one table, passed apart")]
fn write_run(
    py: Python<'_>,
    path: PathBuf,
    tag: &str,
    query_ids: &Bound<'_, PyTuple>,
    doc_ids: &Bound<'_, PyTuple>,
    offsets: PyReadonlyArray1<'_, i64>,
    rows: PyReadonlyArray1<'_, i64>,
    scores: PyReadonlyArray1<'_, f64>,
) -> PyResult<()> {
    let (query_ids, doc_ids) = (borrow_ids(&path, query_ids)?, borrow_ids(&path, doc_ids)?);
    let table = Table {
        query_ids: &query_ids,
        doc_ids: &doc_ids,
        offsets: offsets.as_slice()?,
        rows: rows.as_slice()?,
        values: scores.as_slice()?,
    };
    detached(py, |go| formats::write_run(&path, tag, &table, go))
}

/// Writes judgements at once or not at all.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "the columns of one table, passed apart")]
fn write_qrels(
    py: Python<'_>,
    path: PathBuf,
    beir: bool,
    query_ids: &Bound<'_, PyTuple>,
    doc_ids: &Bound<'_, PyTuple>,
    offsets: PyReadonlyArray1<'_, i64>,
    rows: PyReadonlyArray1<'_, i64>,
    grades: PyReadonlyArray1<'_, i64>,
) -> PyResult<()> {
    let (query_ids, doc_ids) = (borrow_ids(&path, query_ids)?, borrow_ids(&path, doc_ids)?);
    let table = Table {
        query_ids: &query_ids,
        doc_ids: &doc_ids,
        offsets: offsets.as_slice()?,
        rows: rows.as_slice()?,
        values: grades.as_slice()?,
    };
    let format = if beir { QrelsFormat::Beir } else { QrelsFormat::Trec };
    detached(py, |go| formats::write_qrels(&path, format, &table, go))
}

/// holds, format, packing, queries, entries, faults
type CheckedFile = (&'static str, &'static str, Option<&'static str>, usize, usize, Vec<Fault>);
/// line, column, found, expected, fix, the whole message
type Fault = (u64, u64, String, String, String, String);

const HOLDS: [(&str, Holds); 5] = [
    ("run", Holds::Run),
    ("qrels", Holds::Qrels),
    ("corpus", Holds::Corpus),
    ("queries", Holds::Queries),
    ("pairs", Holds::Pairs),
];

/// Looks for up to `most` faults of a text file.
#[pyfunction]
fn check_file(
    py: Python<'_>,
    path: PathBuf,
    holds: Option<&str>,
    most: usize,
) -> PyResult<CheckedFile> {
    let holds = match holds {
        None => None,
        Some(name) => match HOLDS.iter().find(|(known, _)| *known == name) {
            Some((_, holds)) => Some(*holds),
            None => return Err(PyValueError::new_err(format!("unknown kind of file {name:?}"))),
        },
    };
    let found = detached(py, |go| formats::check(&path, holds, most, go))?;
    let packing =
        if path.is_file() { formats::packing(&path).map_err(|error| to_py(&error))? } else { None };
    let faults = found.faults.into_iter().filter_map(|fault| {
        let message = fault.to_string();
        let Error::Parse { line, column, found, expected, fix, .. } = fault else { return None };
        Some((line, column, found, expected, fix, message))
    });
    let holds = HOLDS.iter().find(|(_, holds)| *holds == found.holds).map_or("", |(name, _)| name);
    Ok((holds, found.format, packing, found.n_queries, found.n_entries, faults.collect()))
}

fn named_format(name: &str) -> PyResult<TableFormat> {
    match name {
        "json" => Ok(TableFormat::Json),
        "jsonl" => Ok(TableFormat::JsonLines),
        "csv" => Ok(TableFormat::Csv),
        "tsv" => Ok(TableFormat::Tsv),
        _ => Err(PyValueError::new_err(format!("unknown format {name:?}"))),
    }
}

/// Writes results with named fields at once or not at all.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "the columns of one table, passed apart")]
fn write_run_table(
    py: Python<'_>,
    path: PathBuf,
    table_format: &str,
    query_ids: &Bound<'_, PyTuple>,
    doc_ids: &Bound<'_, PyTuple>,
    offsets: PyReadonlyArray1<'_, i64>,
    rows: PyReadonlyArray1<'_, i64>,
    scores: PyReadonlyArray1<'_, f64>,
) -> PyResult<()> {
    let format = named_format(table_format)?;
    let (query_ids, doc_ids) = (borrow_ids(&path, query_ids)?, borrow_ids(&path, doc_ids)?);
    let table = Table {
        query_ids: &query_ids,
        doc_ids: &doc_ids,
        offsets: offsets.as_slice()?,
        rows: rows.as_slice()?,
        values: scores.as_slice()?,
    };
    let names = ["query_id", "doc_id", "score"];
    detached(py, |go| formats::write_table(&path, format, names, &table, go))
}

/// Writes judgements with named fields at once or not at all.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "the columns of one table, passed apart")]
fn write_qrels_table(
    py: Python<'_>,
    path: PathBuf,
    table_format: &str,
    query_ids: &Bound<'_, PyTuple>,
    doc_ids: &Bound<'_, PyTuple>,
    offsets: PyReadonlyArray1<'_, i64>,
    rows: PyReadonlyArray1<'_, i64>,
    grades: PyReadonlyArray1<'_, i64>,
) -> PyResult<()> {
    let format = named_format(table_format)?;
    let (query_ids, doc_ids) = (borrow_ids(&path, query_ids)?, borrow_ids(&path, doc_ids)?);
    let table = Table {
        query_ids: &query_ids,
        doc_ids: &doc_ids,
        offsets: offsets.as_slice()?,
        rows: rows.as_slice()?,
        values: grades.as_slice()?,
    };
    let names = ["query_id", "doc_id", "relevance"];
    detached(py, |go| formats::write_table(&path, format, names, &table, go))
}

/// Adds this file's functions to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<DocumentStream>()?;
    module.add_class::<QrelsLists>()?;
    module.add_class::<RunLists>()?;
    module.add_function(wrap_pyfunction!(read_qrels, module)?)?;
    module.add_function(wrap_pyfunction!(read_run, module)?)?;
    module.add_function(wrap_pyfunction!(read_corpus, module)?)?;
    module.add_function(wrap_pyfunction!(read_queries, module)?)?;
    module.add_function(wrap_pyfunction!(read_pairs, module)?)?;
    module.add_function(wrap_pyfunction!(write_run, module)?)?;
    module.add_function(wrap_pyfunction!(write_qrels, module)?)?;
    module.add_function(wrap_pyfunction!(check_file, module)?)?;
    module.add_function(wrap_pyfunction!(write_run_table, module)?)?;
    module.add_function(wrap_pyfunction!(write_qrels_table, module)?)?;
    Ok(())
}
