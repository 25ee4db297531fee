//! Runs that are dicts of dicts.
//!
//! Per query the scores are walked once, as values; the few relevant ids are looked up in the
//! run's own dict. Document ids of the run are touched only where a relevant document ties.

use embedsmith_core::error::Error;
use embedsmith_core::metrics::Hit;
use embedsmith_core::metrics::places::{Place, places};
use embedsmith_core::metrics::ties::{Tied, Ties, before};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use super::{Measured, Spec, Walk, as_dict, as_id, as_score, measures, query_at, relevant, ties};
use crate::error::to_py;

/// How scores are read.
#[derive(Clone, Copy)]
struct Reading {
    ties: Ties,
    /// Round to f32 before comparing, as older `trec_eval`s do.
    f32_scores: bool,
}

impl Reading {
    fn score(self, value: &Bound<'_, PyAny>) -> Option<f64> {
        let score = as_score(value)?;
        Some(if self.f32_scores { f64::from(score as f32) } else { score })
    }
}

/// The documents that hold one of `scores`, in the order of the run.
fn sharing<'py>(
    list: &Bound<'py, PyDict>,
    scores: &[f64],
    reading: Reading,
) -> PyResult<Vec<(f64, Bound<'py, PyString>)>> {
    let mut group = Vec::new();
    for (doc, value) in list.iter() {
        // Every value was read before, so none is missing here.
        if let Some(score) = reading.score(&value).filter(|score| scores.contains(score)) {
            group.push((score, as_id("run", doc)?));
        }
    }
    Ok(group)
}

fn bad_score(
    query: &Bound<'_, PyString>,
    list: &Bound<'_, PyDict>,
    reading: Reading,
) -> PyResult<PyErr> {
    let query = query.to_string();
    for (doc, value) in list.iter() {
        match reading.score(&value) {
            Some(score) if score.is_nan() => {
                return Ok(to_py(&Error::ScoreNan { query, doc: doc.to_string() }));
            }
            Some(_) => {}
            None => {
                let (doc, found) = (doc.to_string(), value.repr()?.to_string());
                return Ok(to_py(&Error::ScoreType { query, doc, found }));
            }
        }
    }
    unreachable!("called for a list that holds a bad score")
}

/// Buffers that live as long as the walk.
#[derive(Default)]
struct Scratch {
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
        for value in list.values().iter() {
            match reading.score(&value) {
                Some(score) if !score.is_nan() => self.scores.push(score),
                _ => return Err(bad_score(query, list, reading)?),
            }
        }
        let mut found = Vec::new();
        self.wanted.clear();
        for (doc, grade) in judged {
            if let Some(score) = list.get_item(doc)?.and_then(|value| reading.score(&value)) {
                self.wanted.push(score);
                found.push((doc, *grade));
            }
        }
        places(&self.scores, &self.wanted, &mut self.sorted, &mut self.places);
        self.tied.clear();
        let shared = self.places.iter().zip(&self.wanted).filter(|(place, _)| place.equal > 1);
        self.tied.extend(shared.map(|(_, &score)| score));
        let group =
            if self.tied.is_empty() { Vec::new() } else { sharing(list, &self.tied, reading)? };
        let group = group
            .iter()
            .map(|(score, id)| Ok(Tied { score: *score, id: id.to_str()? }))
            .collect::<PyResult<Vec<_>>>()?;
        for ((&(doc, grade), place), &score) in found.iter().zip(&self.places).zip(&self.wanted) {
            let mut rank = place.larger + 1;
            if place.equal > 1 {
                if reading.ties == Ties::Error {
                    let (query, doc) = (query.to_string(), doc.to_string());
                    return Err(to_py(&Error::TiedScore { query, doc, score }));
                }
                rank += before(reading.ties, &group, score, doc.to_str()?);
            }
            hits.push(Hit { rank, grade });
        }
        Ok(self.tied.len())
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
        let query = query_at(query_ids, i)?;
        relevant(qrels, &query, &mut judged)?;
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
