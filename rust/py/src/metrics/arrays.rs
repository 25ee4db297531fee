//! Runs that are arrays of scores and rows: no dict is built, only judged ids become rows.

use embedsmith_core::error::Error;
use embedsmith_core::metrics::Measure;
use embedsmith_core::metrics::lists::{Fault, FaultKind, Found, Lists, Measured, Open, Part, Rule};
use embedsmith_core::metrics::ties::{TieOrder, Tied, Ties};
use numpy::{PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyList;

use super::ids::{OwnId, Pace};
use super::judged::JudgedArrays;
use super::spec::{Spec, measures, ties};
use super::{Values, values};
use crate::error::to_py;

/// Scores as they come.
#[derive(FromPyObject)]
pub(super) enum Scores<'py> {
    Single(PyReadonlyArray2<'py, f32>),
    Double(PyReadonlyArray2<'py, f64>),
}

/// One run of arrays, of either width.
struct Search<'a, 'py> {
    rows: &'a [i64],
    own_rows: Option<&'a [i64]>,
    depth: usize,
    n_docs: i64,
    /// Without them rows are ids.
    doc_ids: Option<&'a Bound<'py, PyList>>,
    query_ids: &'a Bound<'py, PyList>,
    judged: &'a JudgedArrays,
    rule: Ties,
    threads: Option<usize>,
}

impl<'py> Search<'_, 'py> {
    /// The id of the query that was searched as `list`; only for messages.
    fn query(&self, list: usize) -> PyResult<String> {
        let Some(query) = self.judged.query_of(list) else { return Ok(format!("number {list}")) };
        Ok(self.query_ids.get_item(query)?.to_string())
    }

    fn doc(&self, row: i64) -> PyResult<Bound<'py, PyAny>> {
        match self.doc_ids {
            Some(ids) => ids.get_item(row as usize),
            None => Ok(row.into_pyobject(self.query_ids.py())?.into_any()),
        }
    }

    fn named(&self, fault: Fault) -> PyResult<PyErr> {
        let Fault { list, position, row, kind } = fault;
        let query = self.query(list)?;
        Ok(to_py(&match kind {
            FaultKind::Nan => {
                let known = (0..self.n_docs).contains(&row);
                let doc = if known { self.doc(row)?.to_string() } else { format!("row {row}") };
                Error::ScoreNan { query, doc }
            }
            FaultKind::Rising => Error::ListRises { query, position },
            FaultKind::OutOfRange => {
                Error::ListRow { query, position, row, n_docs: self.n_docs as usize }
            }
            FaultKind::Repeated => {
                Error::ListRepeats { query, doc: self.doc(row)?.to_string(), row }
            }
            FaultKind::Hole => Error::ListHole { query, position, row },
        }))
    }

    fn measure<S>(
        &self,
        py: Python<'py>,
        scores: &[S],
        measures: &[Measure],
        pace: &mut Pace,
    ) -> PyResult<Measured>
    where
        S: Copy + PartialOrd + Sync + Into<f64>,
    {
        let lists = Lists {
            scores,
            rows: self.rows,
            depth: self.depth,
            n_docs: self.n_docs,
            own_rows: self.own_rows,
        };
        let rule = Rule { ties: self.rule, rows_are_ids: self.doc_ids.is_none() };
        let (judged, threads) = (self.judged.rows(), self.threads);
        let parts = py
            .detach(|| lists.measure(judged, rule, measures, threads))
            .map_err(|error| to_py(&error))?
            .or_else(|fault| Err(self.named(fault)?))?;
        let parts = parts
            .into_iter()
            .map(|part| match part {
                Part::Measured(measured) => Ok(measured),
                Part::Open { found, measures } => self.settled(found, scores, &measures, pace),
            })
            .collect::<PyResult<Vec<_>>>()?;
        Ok(py.detach(|| Measured::joined(&parts, measures.len())))
    }

    /// The values of queries whose ties were left open: only their documents' ids are read.
    fn settled<S>(
        &self,
        mut found: Found,
        scores: &[S],
        measures: &[Measure],
        pace: &mut Pace,
    ) -> PyResult<Measured>
    where
        S: Copy + Into<f64>,
    {
        let open = std::mem::take(&mut found.open);
        for query in open.chunk_by(|a, b| a.query == b.query) {
            let mut ranks = Vec::with_capacity(query.len());
            for tie in query.chunk_by(|a, b| a.tie_start == b.tie_start) {
                let score = scores[tie[0].list * self.depth + tie[0].position].into();
                self.order(tie, score, &mut ranks, pace)?;
            }
            found.rankings.place(query[0].query, ranks.into_iter());
        }
        Ok(found.measured(measures))
    }

    /// Adds the ranks that the rule gives hits of equal score, as the number of documents before.
    fn order(
        &self,
        tie: &[Open],
        score: f64,
        ranks: &mut Vec<(usize, u32)>,
        pace: &mut Pace,
    ) -> PyResult<()> {
        let Open { list, position, tie_start, tie_end, .. } = tie[0];
        let start = list * self.depth;
        if self.rule == Ties::Error {
            let query = self.query(list)?;
            let doc = self.doc(self.rows[start + position])?.to_string();
            return Err(to_py(&Error::TiedScore { query, doc, score }));
        }
        let own = self.own_rows.map(|own| own[list]);
        let ids = self.rows[start + tie_start..start + tie_end]
            .iter()
            .map(|&row| {
                pace.step(self.query_ids.py())?;
                OwnId::read("doc_ids", &self.doc(row)?)
            })
            .collect::<PyResult<Vec<_>>>()?;
        let mut group = Vec::with_capacity(ids.len());
        for (place, id) in ids.iter().enumerate() {
            if Some(self.rows[start + tie_start + place]) != own {
                group.push(Tied { score, id: id.key()? });
            }
        }
        // What stands before the whole tie, a row of the query's own not counted.
        let skipped = own.is_some_and(|own| self.rows[start..start + tie_start].contains(&own));
        let before = tie_start - usize::from(skipped);
        let order = TieOrder::new(self.rule, group);
        for hit in tie {
            let id = ids[hit.position - tie_start].key()?;
            let place = order.before(score, id).expect("the document is one of those ordered");
            ranks.push((hit.hit, (before + place) as u32));
        }
        Ok(())
    }
}

/// Measures a run that is two arrays, for the queries of `judged`, whose ids are `query_ids`.
///
/// `doc_ids` has the id of each row; without it rows are ids below `n_docs`. `own_rows` has a row
/// per list to take out of it first.
#[pyfunction]
#[pyo3(signature = (
    judged, query_ids, scores, rows, doc_ids, n_docs, measure_specs, *,
    own_rows, ties_rule, threads
))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments of one Python function")]
pub(super) fn measure_arrays<'py>(
    py: Python<'py>,
    judged: &Bound<'py, JudgedArrays>,
    query_ids: &Bound<'py, PyList>,
    scores: Scores<'py>,
    rows: PyReadonlyArray2<'py, i64>,
    doc_ids: Option<&Bound<'py, PyList>>,
    n_docs: i64,
    measure_specs: Vec<Spec>,
    own_rows: Option<PyReadonlyArray1<'py, i64>>,
    ties_rule: &str,
    threads: Option<usize>,
) -> PyResult<Values<'py>> {
    let measures = measures(&measure_specs)?;
    let judged = judged.get();
    let (n_lists, depth) = (rows.shape()[0], rows.shape()[1]);
    let beyond = judged.lists().iter().flatten().any(|&list| list as usize >= n_lists);
    let own_rows = own_rows.as_ref().map(|own| own.as_slice()).transpose()?;
    if beyond || own_rows.is_some_and(|own| own.len() != n_lists) {
        let found = own_rows.map_or(judged.lists().len(), <[i64]>::len);
        let error = Error::PerQuery { argument: "qrels", found, expected: n_lists };
        return Err(to_py(&error));
    }
    let search = Search {
        rows: rows.as_slice()?,
        own_rows,
        depth,
        n_docs,
        doc_ids,
        query_ids,
        judged,
        rule: ties(ties_rule)?,
        threads,
    };
    let mut pace = Pace::default();
    let all = match &scores {
        Scores::Single(scores) => search.measure(py, scores.as_slice()?, &measures, &mut pace)?,
        Scores::Double(scores) => search.measure(py, scores.as_slice()?, &measures, &mut pace)?,
    };
    values(py, all, measures.len())
}
