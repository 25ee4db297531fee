//! Runs that are dicts of dicts.
//!
//! Per query the scores are walked once, as values; the few relevant ids are looked up in the
//! run's own dict. Document ids of the run are touched only where a relevant document ties.

use std::cmp::Ordering;

use embedsmith_core::error::Error;
use embedsmith_core::metrics::Hit;
use embedsmith_core::metrics::places::{Place, places};
use embedsmith_core::metrics::ties::{TieOrder, Tied, Ties};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use super::{
    Measured, Pace, Spec, Walk, as_dict, as_id, as_score, measures, query_at, relevant, ties,
};
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
    /// Adds to `hits` the relevant documents found in one list; returns how many of them tie.
    fn find(
        &mut self,
        query: &Bound<'_, PyString>,
        list: &Bound<'_, PyDict>,
        judged: &[(Bound<'_, PyString>, i64)],
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
        for ((&(doc, ..), place), &score) in found.iter().zip(&self.places).zip(&self.wanted) {
            if place.equal > 1 {
                if reading.ties == Ties::Error {
                    let (query, doc) = (query.to_string(), doc.to_string());
                    return Err(to_py(&Error::TiedScore { query, doc, score }));
                }
                self.tied.push(score);
            }
        }
        let n_tied = self.tied.len();
        let group = self.sharing(list)?;
        let group = group
            .iter()
            .map(|(score, id)| Ok(Tied { score: *score, id: id.to_str()? }))
            .collect::<PyResult<Vec<_>>>()?;
        let order = TieOrder::new(reading.ties, group);
        for (((doc, value, grade), place), &score) in
            found.iter().zip(&self.places).zip(&self.wanted)
        {
            let before = match place.equal {
                // The score is not among those read before.
                0 => None,
                1 => Some(0),
                _ => order.before(score, doc.to_str()?),
            };
            let Some(before) = before else {
                // An object whose `__float__` says something else each time is no score.
                let (query, doc) = (query.to_string(), doc.to_string());
                let found = value.repr()?.to_string();
                return Err(to_py(&Error::ScoreType { query, doc, found }));
            };
            hits.push(Hit { rank: place.larger + before + 1, grade: *grade });
        }
        Ok(n_tied)
    }

    /// The documents that hold one of the tied scores, in the order of the run.
    fn sharing<'py>(
        &mut self,
        list: &Bound<'py, PyDict>,
    ) -> PyResult<Vec<(f64, Bound<'py, PyString>)>> {
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
                group.push((*score, as_id("run", doc)?));
            }
        }
        Ok(group)
    }
}

/// Measures a run that is a dict of dicts, for the judged `query_ids` in their order.
#[pyfunction]
#[pyo3(signature = (query_ids, qrels, run, measure_specs, *, ties_rule, f32_scores, threads))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments of one Python function")]
pub(super) fn measure_dicts<'py>(
    py: Python<'py>,
    query_ids: &Bound<'py, PyList>,
    qrels: &Bound<'py, PyDict>,
    run: &Bound<'py, PyDict>,
    measure_specs: Vec<Spec>,
    ties_rule: &str,
    f32_scores: bool,
    threads: Option<usize>,
) -> PyResult<Measured<'py>> {
    let measures = measures(&measure_specs)?;
    let reading = Reading { ties: ties(ties_rule)?, f32_scores };
    let (mut walk, mut scratch) = (Walk::new(), Scratch::default());
    let (mut judged, mut hits) = (Vec::new(), Vec::new());
    for i in 0..query_ids.len() {
        let query = query_at(query_ids, i, &mut scratch.pace)?;
        relevant(qrels, &query, &mut judged, &mut scratch.pace)?;
        if let Some(list) = run.get_item(&query)? {
            let list = as_dict("run", &query, list)?;
            // One look suffices to see ids of another type, which no judged id would ever match.
            if let Some((first, _)) = list.iter().next() {
                as_id("run", first)?;
            }
            walk.n_tied += scratch.find(&query, &list, &judged, reading, &mut hits)?;
        }
        let mut grades = judged.iter().map(|(_, grade)| *grade).collect();
        walk.rankings.push(&mut hits, &mut grades);
    }
    walk.measured(py, &measures, threads)
}
