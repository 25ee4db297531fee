//! Runs that are arrays of scores and rows: no dict is built, only judged ids become rows.

use embedsmith_core::error::Error;
use embedsmith_core::metrics::Hit;
use embedsmith_core::metrics::lists::{Fault, FaultKind, Found, Lists, Wanted};
use embedsmith_core::metrics::ties::{TieOrder, Tied, Ties};
use numpy::{PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use super::{Measured, Pace, Spec, Walk, as_id, measures, query_at, relevant, ties};
use crate::error::to_py;

/// Scores as they come.
#[derive(FromPyObject)]
pub(super) enum Scores<'py> {
    Single(PyReadonlyArray2<'py, f32>),
    Double(PyReadonlyArray2<'py, f64>),
}

/// The judged queries that have a list, with the rows of their relevant documents.
#[derive(Default)]
struct Judged {
    /// Per evaluated query: its list and where its rows end.
    queries: Vec<(Option<usize>, usize)>,
    rows: Vec<i64>,
    grades: Vec<i64>,
    /// All positive grades, of documents outside the corpus too, and where each query's end.
    all_grades: Vec<i64>,
    all_ends: Vec<usize>,
}

impl Judged {
    fn collect(
        query_ids: &Bound<'_, PyList>,
        qrels: &Bound<'_, PyDict>,
        list_of: &Bound<'_, PyDict>,
        row_of: &Bound<'_, PyDict>,
        pace: &mut Pace,
    ) -> PyResult<Self> {
        let (mut all, mut judged) = (Self::default(), Vec::new());
        for i in 0..query_ids.len() {
            let query = query_at(query_ids, i, pace)?;
            relevant(qrels, &query, &mut judged, pace)?;
            let list = list_of.get_item(&query)?.map(|list| list.extract()).transpose()?;
            for (doc, grade) in &judged {
                pace.step(query.py())?;
                all.all_grades.push(*grade);
                if let Some(row) = row_of.get_item(doc)?.filter(|_| list.is_some()) {
                    all.rows.push(row.extract()?);
                    all.grades.push(*grade);
                }
            }
            all.queries.push((list, all.rows.len()));
            all.all_ends.push(all.all_grades.len());
        }
        Ok(all)
    }

    /// What to look for; an index into it is not an index into the evaluated queries.
    fn wanted(&self) -> (Vec<Wanted<'_>>, Vec<usize>) {
        let (mut wanted, mut starts, mut start) = (Vec::new(), Vec::new(), 0);
        for &(list, end) in &self.queries {
            if let Some(list) = list {
                wanted.push(Wanted { list, rows: &self.rows[start..end] });
                starts.push(start);
            }
            start = end;
        }
        (wanted, starts)
    }
}

fn id_at<'py>(ids: &Bound<'py, PyList>, i: usize) -> PyResult<Bound<'py, PyString>> {
    as_id("doc_ids", ids.get_item(i)?)
}

/// The id of the query that was searched as `list`; only for messages.
fn query_of(list_of: &Bound<'_, PyDict>, list: usize) -> PyResult<String> {
    for (id, number) in list_of.iter() {
        if number.extract::<usize>()? == list {
            return Ok(id.to_string());
        }
    }
    Ok(format!("number {list}"))
}

fn named(
    fault: Fault,
    list_of: &Bound<'_, PyDict>,
    doc_ids: &Bound<'_, PyList>,
) -> PyResult<PyErr> {
    let Fault { list, position, row, kind } = fault;
    let query = query_of(list_of, list)?;
    let doc = || -> PyResult<String> { Ok(id_at(doc_ids, row as usize)?.to_string()) };
    Ok(to_py(&match kind {
        FaultKind::Nan => {
            let known = usize::try_from(row).is_ok_and(|row| row < doc_ids.len());
            let doc = if known { doc()? } else { format!("row {row}") };
            Error::ScoreNan { query, doc }
        }
        FaultKind::Rising => Error::ListRises { query, position },
        FaultKind::OutOfRange => Error::ListRow { query, position, row, n_docs: doc_ids.len() },
        FaultKind::Repeated => Error::ListRepeats { query, doc: doc()?, row },
        FaultKind::Hole => Error::ListHole { query, position, row },
    }))
}

/// One run of arrays, of either width.
struct Search<'a, 'py> {
    rows: &'a [i64],
    depth: usize,
    doc_ids: &'a Bound<'py, PyList>,
    list_of: &'a Bound<'py, PyDict>,
    rule: Ties,
    threads: Option<usize>,
}

impl Search<'_, '_> {
    fn walk<S>(
        &self,
        py: Python<'_>,
        scores: &[S],
        judged: &Judged,
        pace: &mut Pace,
    ) -> PyResult<Walk>
    where
        S: Copy + PartialOrd + Sync + Into<f64>,
    {
        let (rows, depth, n_docs) = (self.rows, self.depth, self.doc_ids.len());
        let lists = Lists { scores, rows, depth, n_docs };
        let (wanted, starts) = judged.wanted();
        let threads = self.threads;
        let found = py
            .detach(|| lists.find(&wanted, threads))
            .map_err(|error| to_py(&error))?
            .or_else(|fault| Err(named(fault, self.list_of, self.doc_ids)?))?;

        let mut walk = Walk::new();
        let mut rest = found.as_slice();
        let (mut hits, mut index) = (Vec::new(), 0);
        for (i, &(list, _)) in judged.queries.iter().enumerate() {
            if let Some(list) = list {
                let n = rest.iter().take_while(|hit| hit.query == index).count();
                let (own, others) = rest.split_at(n);
                rest = others;
                // By their place, so those of one tie stand side by side.
                for tie in own.chunk_by(|a, b| a.tie_start == b.tie_start) {
                    if tie[0].tie_end - tie[0].tie_start > 1 {
                        walk.n_tied += tie.len();
                    }
                    let places = self.places(scores, list, tie, pace)?;
                    hits.extend(tie.iter().zip(places).map(|(hit, place)| Hit {
                        rank: place + 1,
                        grade: judged.grades[starts[index] + hit.item],
                    }));
                }
                index += 1;
            }
            let start = if i == 0 { 0 } else { judged.all_ends[i - 1] };
            let mut grades = judged.all_grades[start..judged.all_ends[i]].to_vec();
            walk.rankings.push(&mut hits, &mut grades);
        }
        Ok(walk)
    }

    /// The places, from 0, that the rule gives hits of equal score.
    fn places<S>(
        &self,
        scores: &[S],
        list: usize,
        tie: &[Found],
        pace: &mut Pace,
    ) -> PyResult<Vec<usize>>
    where
        S: Copy + Into<f64>,
    {
        let Found { position, tie_start, tie_end, .. } = tie[0];
        if self.rule == Ties::Input || tie_end - tie_start == 1 {
            return Ok(tie.iter().map(|hit| hit.position).collect());
        }
        let start = list * self.depth;
        let score: f64 = scores[start + position].into();
        if self.rule == Ties::Error {
            let query = query_of(self.list_of, list)?;
            let doc = id_at(self.doc_ids, self.rows[start + position] as usize)?.to_string();
            return Err(to_py(&Error::TiedScore { query, doc, score }));
        }
        let ids = self.rows[start + tie_start..start + tie_end]
            .iter()
            .map(|&row| {
                pace.step(self.doc_ids.py())?;
                id_at(self.doc_ids, row as usize)
            })
            .collect::<PyResult<Vec<_>>>()?;
        let group = ids
            .iter()
            .map(|id| Ok(Tied { score, id: id.to_str()? }))
            .collect::<PyResult<Vec<_>>>()?;
        let own: Vec<&str> = tie.iter().map(|hit| group[hit.position - tie_start].id).collect();
        let order = TieOrder::new(self.rule, group);
        let place = |id| order.before(score, id).expect("the document is one of those ordered");
        Ok(own.into_iter().map(|id| tie_start + place(id)).collect())
    }
}

/// Measures a run that is two arrays, for the judged `query_ids` in their order.
///
/// `list_of` maps the id of each query that was searched to its list, `row_of` each document id
/// to its row.
#[pyfunction]
#[pyo3(signature = (
    query_ids, qrels, scores, rows, list_of, row_of, doc_ids, measure_specs, *, ties_rule, threads
))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments of one Python function")]
pub(super) fn measure_arrays<'py>(
    py: Python<'py>,
    query_ids: &Bound<'py, PyList>,
    qrels: &Bound<'py, PyDict>,
    scores: Scores<'py>,
    rows: PyReadonlyArray2<'py, i64>,
    list_of: &Bound<'py, PyDict>,
    row_of: &Bound<'py, PyDict>,
    doc_ids: &Bound<'py, PyList>,
    measure_specs: Vec<Spec>,
    ties_rule: &str,
    threads: Option<usize>,
) -> PyResult<Measured<'py>> {
    let measures = measures(&measure_specs)?;
    let rule = ties(ties_rule)?;
    let mut pace = Pace::default();
    let judged = Judged::collect(query_ids, qrels, list_of, row_of, &mut pace)?;
    let depth = rows.shape()[1];
    let search = Search { rows: rows.as_slice()?, depth, doc_ids, list_of, rule, threads };
    let walk = match &scores {
        Scores::Single(scores) => search.walk(py, scores.as_slice()?, &judged, &mut pace)?,
        Scores::Double(scores) => search.walk(py, scores.as_slice()?, &judged, &mut pace)?,
    };
    walk.measured(py, &measures, threads)
}
