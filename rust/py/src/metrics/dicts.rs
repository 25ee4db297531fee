//! Runs that are dicts of dicts.
//!
//! Per query the scores are walked once, as values; the few relevant ids are looked up in the
//! run's own dict. Document ids of the run are touched only where a relevant document ties.

use std::cmp::Ordering;

use embedsmith_core::error::Error;
use embedsmith_core::metrics::places::{Place, places};
use embedsmith_core::metrics::ties::{TieOrder, Tied, Ties};
use embedsmith_core::metrics::{Hit, Measure, Rankings};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use super::ids::{Judgement, OwnId, Pace, as_dict, as_score, check_id, judgements, query_at};
use super::spec::{Spec, measures, ties};
use super::{Values, measured};
use crate::error::to_py;

/// How scores are read.
#[derive(Clone, Copy)]
struct Reading {
    ties: Ties,
    /// Round to f32 before comparing, as older `trec_eval`s do.
    f32_scores: bool,
}

impl Reading {
    /// The score, not NaN; `name` gives query and document for the message.
    fn number(
        self,
        value: &Bound<'_, PyAny>,
        name: impl FnOnce() -> PyResult<(String, String)>,
    ) -> PyResult<f64> {
        match as_score(value)? {
            Some(score) if self.f32_scores && !score.is_nan() => Ok(f64::from(score as f32)),
            Some(score) if !score.is_nan() => Ok(score),
            Some(_) => {
                let (query, doc) = name()?;
                Err(to_py(&Error::ScoreNan { query, doc }))
            }
            None => {
                let ((query, doc), found) = (name()?, value.repr()?.to_string());
                Err(to_py(&Error::ScoreType { query, doc, found }))
            }
        }
    }
}

/// Buffers that live as long as the walk.
#[derive(Default)]
struct Scratch {
    pace: Pace,
    scores: Vec<f64>,
    sorted: Vec<f64>,
    places: Vec<Place>,
    wanted: Vec<f64>,
    tied: Vec<f64>,
}

impl Scratch {
    /// Adds to `hits` the judged documents found in one list; returns how many relevant ones tie.
    fn find(
        &mut self,
        query: &Bound<'_, PyAny>,
        list: &Bound<'_, PyDict>,
        judged: &[Judgement<'_>],
        reading: Reading,
        hits: &mut Vec<Hit>,
    ) -> PyResult<usize> {
        self.scores.clear();
        for (i, value) in list.values().iter().enumerate() {
            self.pace.step(list.py())?;
            let name = || Ok((query.to_string(), list.keys().get_item(i)?.to_string()));
            self.scores.push(reading.number(&value, name)?);
        }
        let mut found = Vec::new();
        self.wanted.clear();
        for (doc, grade) in judged {
            self.pace.step(list.py())?;
            if let Some(value) = list.get_item(doc)? {
                let name = || Ok((query.to_string(), doc.to_string()));
                self.wanted.push(reading.number(&value, name)?);
                found.push((doc, value, *grade));
            }
        }
        places(&self.scores, &self.wanted, &mut self.sorted, &mut self.places);
        self.tied.clear();
        let mut n_tied = 0;
        for ((&(doc, _, grade), place), &score) in found.iter().zip(&self.places).zip(&self.wanted)
        {
            if place.equal > 1 {
                if reading.ties == Ties::Error {
                    let (query, doc) = (query.to_string(), doc.to_string());
                    return Err(to_py(&Error::TiedScore { query, doc, score }));
                }
                self.tied.push(score);
                n_tied += usize::from(grade > 0.0);
            }
        }
        let by_document = reading.ties.looks_at_documents();
        let ids = if by_document { self.sharing(list)? } else { Vec::new() };
        let group = ids
            .iter()
            .map(|(score, id)| Ok(Tied { score: *score, id: id.key()? }))
            .collect::<PyResult<Vec<_>>>()?;
        let order = TieOrder::new(reading.ties, group);
        for (((doc, value, grade), place), &score) in
            found.iter().zip(&self.places).zip(&self.wanted)
        {
            let before = match place.equal {
                // The score is not among those read before.
                0 => None,
                1 => Some(0),
                _ if by_document => order.before(score, OwnId::read("qrels", doc)?.key()?),
                _ => Some(0),
            };
            let Some(before) = before else {
                // An object whose `__float__` says something else each time is no score.
                let (query, doc) = (query.to_string(), doc.to_string());
                let found = value.repr()?.to_string();
                return Err(to_py(&Error::ScoreType { query, doc, found }));
            };
            let tied = if by_document { 1 } else { place.equal as u32 };
            hits.push(Hit { before: (place.larger + before) as u32, tied, grade: *grade });
        }
        reading.ties.settle(hits);
        Ok(n_tied)
    }

    /// The documents that hold one of the tied scores, in the order of the run.
    fn sharing<'py>(&mut self, list: &Bound<'py, PyDict>) -> PyResult<Vec<(f64, OwnId<'py>)>> {
        let mut group = Vec::new();
        if self.tied.is_empty() {
            return Ok(group);
        }
        let by_score = |a: &f64, b: &f64| a.partial_cmp(b).unwrap_or(Ordering::Equal);
        self.tied.sort_unstable_by(by_score);
        self.tied.dedup();
        // The values were read in the order of the keys.
        for (doc, score) in list.keys().iter().zip(&self.scores) {
            self.pace.step(list.py())?;
            if self.tied.binary_search_by(|tied| by_score(tied, score)).is_ok() {
                group.push((*score, OwnId::read("run", &doc)?));
            }
        }
        Ok(group)
    }
}

/// The list without the query itself, where it holds it.
fn without_self<'py>(
    query: &Bound<'py, PyAny>,
    list: Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyDict>> {
    if !list.contains(query)? {
        return Ok(list);
    }
    let others = list.copy()?;
    others.del_item(query)?;
    Ok(others)
}

/// Measures a run that is a dict of dicts, for the judged `query_ids` in their order.
#[pyfunction]
#[pyo3(signature = (
    query_ids, qrels, run, measure_specs, *, ties_rule, f32_scores, ignore_self, threads
))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments of one Python function")]
pub(super) fn measure_dicts<'py>(
    py: Python<'py>,
    query_ids: &Bound<'py, PyList>,
    qrels: &Bound<'py, PyDict>,
    run: &Bound<'py, PyDict>,
    measure_specs: Vec<Spec>,
    ties_rule: &str,
    f32_scores: bool,
    ignore_self: bool,
    threads: Option<usize>,
) -> PyResult<Values<'py>> {
    let measures = measures(&measure_specs)?;
    let irrelevant_too = measures.iter().any(Measure::needs_irrelevant);
    let reading = Reading { ties: ties(ties_rule)?, f32_scores };
    let (mut rankings, mut scratch) = (Rankings::default(), Scratch::default());
    let (mut judged, mut hits, mut n_tied) = (Vec::new(), Vec::new(), 0);
    for i in 0..query_ids.len() {
        let query = query_at(query_ids, i, &mut scratch.pace)?;
        judgements(qrels, &query, irrelevant_too, &mut judged, &mut scratch.pace)?;
        let mut retrieved = 0;
        if let Some(list) = run.get_item(&query)? {
            let mut list = as_dict("run", &query, list)?;
            if ignore_self {
                list = without_self(&query, list)?;
            }
            // One look suffices to see ids of another type, which no judged id would ever match.
            if let (Some((first, _)), Some((other, _))) = (list.iter().next(), judged.first()) {
                same_type(&first, other)?;
            }
            retrieved = list.len();
            n_tied += scratch.find(&query, &list, &judged, reading, &mut hits)?;
        }
        let mut grades = judged.iter().map(|(_, grade)| *grade).collect();
        rankings.push(&mut hits, &mut grades, retrieved);
    }
    measured(py, &rankings, n_tied, &measures, threads)
}

/// Refuses ids that are no ids, and strings where the judgements have integers.
fn same_type(run: &Bound<'_, PyAny>, qrels: &Bound<'_, PyAny>) -> PyResult<()> {
    check_id("run", run)?;
    if run.is_instance_of::<PyString>() == qrels.is_instance_of::<PyString>() {
        return Ok(());
    }
    let (run, qrels) = (run.repr()?.to_string(), qrels.repr()?.to_string());
    Err(to_py(&Error::IdsDiffer { run, qrels }))
}
