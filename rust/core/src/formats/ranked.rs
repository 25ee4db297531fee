//! Ranks of judged documents in runs that were read from files.

use std::cmp::Ordering;

use rayon::prelude::*;

use super::lists::{Entry, List, Lists};
use crate::error::{Error, Result};
use crate::metrics::places::{Place, places};
use crate::metrics::ties::{Id, TieOrder, Tied, Ties};
use crate::metrics::{Hit, Rankings};
use crate::threads;

/// Queries per task.
const CHUNK: usize = 64;
/// Up to this many documents to look up, going through the list beats ordering it.
const SCAN_UP_TO: usize = 16;

/// How a run is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Which of two documents with equal scores comes first.
    pub ties: Ties,
    /// Round to f32 before comparing, as older `trec_eval`s do.
    pub f32_scores: bool,
    /// Take a document out of the list whose id is the query's.
    pub ignore_self: bool,
    /// Look for the judged documents too that are not relevant.
    pub irrelevant_too: bool,
}

/// What one query has found.
#[derive(Default)]
struct Query {
    hits: Vec<Hit>,
    grades: Vec<f64>,
    retrieved: usize,
    n_tied: usize,
}

/// Buffers of a thread.
#[derive(Default)]
struct Scratch {
    scores: Vec<f64>,
    sorted: Vec<f64>,
    wanted: Vec<f64>,
    tied: Vec<f64>,
    places: Vec<Place>,
    found: Vec<Option<usize>>,
}

/// The ranks of the judged documents of `queries` (ids, in the order wanted), and how many relevant
/// ones of those found tie with another document.
///
/// # Errors
/// [`Error::TiedScore`] where ties are refused; as [`threads::resolve`] and [`threads::pool`].
pub fn rankings<S: AsRef<str> + Sync>(
    queries: &[S],
    qrels: &Lists<i64>,
    run: &Lists<f64>,
    reading: Reading,
    threads: Option<usize>,
) -> Result<(Rankings, usize)> {
    let pool = threads::pool(threads::resolve(threads)?)?;
    let found: Result<Vec<Vec<Query>>> = pool.install(|| {
        queries
            .par_chunks(CHUNK)
            .map(|chunk| {
                let mut scratch = Scratch::default();
                chunk
                    .iter()
                    .map(|query| {
                        let query = query.as_ref();
                        let judged = qrels.place(query).map(|place| qrels.list(place));
                        let list = run.place(query).map(|place| run.list(place));
                        scratch.find(query, judged, list, reading)
                    })
                    .collect()
            })
            .collect()
    });
    let mut rankings = Rankings::default();
    let mut n_tied = 0;
    for mut query in found?.into_iter().flatten() {
        n_tied += query.n_tied;
        rankings.push(&mut query.hits, &mut query.grades, query.retrieved);
    }
    Ok((rankings, n_tied))
}

impl Scratch {
    fn find(
        &mut self,
        query: &str,
        judged: Option<List<'_, i64>>,
        list: Option<List<'_, f64>>,
        reading: Reading,
    ) -> Result<Query> {
        let mut out = Query::default();
        let kept = |grade: i64| grade > 0 || reading.irrelevant_too;
        let judged: Vec<_> =
            judged.iter().flat_map(|list| list.entries()).filter(|e| kept(e.2)).collect();
        out.grades.extend(judged.iter().map(|&(.., grade)| grade as f64));
        let Some(list) = list else { return Ok(out) };
        let round = |score: f64| if reading.f32_scores { f64::from(score as f32) } else { score };
        let mut entries: Vec<_> = list.entries().collect();
        if reading.ignore_self {
            entries.retain(|&(_, id, _)| id != query);
        }
        out.retrieved = entries.len();
        self.scores.clear();
        self.scores.extend(entries.iter().map(|&(.., score)| round(score)));
        let docs: Vec<_> = judged.iter().map(|&(hash, id, _)| (hash, id)).collect();
        find(&entries, &docs, &mut self.found);
        let found = || judged.iter().zip(&self.found).filter_map(|(doc, at)| Some((doc, (*at)?)));
        self.wanted.clear();
        self.wanted.extend(found().map(|(_, at)| self.scores[at]));
        places(&self.scores, &self.wanted, &mut self.sorted, &mut self.places);
        self.tied.clear();
        for ((&(_, id, grade), _), (place, &score)) in
            found().zip(self.places.iter().zip(&self.wanted))
        {
            if place.equal > 1 {
                if reading.ties == Ties::Error {
                    let (query, doc) = (query.to_owned(), id.to_owned());
                    return Err(Error::TiedScore { query, doc, score });
                }
                self.tied.push(score);
                out.n_tied += usize::from(grade > 0);
            }
        }
        let by_document = reading.ties.looks_at_documents();
        let group = if by_document { self.sharing(&entries) } else { Vec::new() };
        let order = TieOrder::new(reading.ties, group);
        let placed = found().zip(self.places.iter().zip(&self.wanted));
        out.hits.extend(placed.map(|((&(_, id, grade), _), (place, &score))| {
            // Documents without a rival are not in the order.
            let before = order.before(score, Id::Text(id.as_bytes())).unwrap_or(0);
            let tied = if by_document { 1 } else { place.equal as u32 };
            Hit { before: (place.larger + before) as u32, tied, grade: grade as f64 }
        }));
        reading.ties.settle(&mut out.hits);
        Ok(out)
    }

    /// The documents that hold one of the tied scores, in the order of the run.
    fn sharing<'a>(&self, entries: &[Entry<'a, f64>]) -> Vec<Tied<'a>> {
        if self.tied.is_empty() {
            return Vec::new();
        }
        let by_score = |a: &f64, b: &f64| a.partial_cmp(b).unwrap_or(Ordering::Equal);
        let mut tied = self.tied.clone();
        tied.sort_unstable_by(by_score);
        entries
            .iter()
            .zip(&self.scores)
            .filter(|(_, score)| tied.binary_search_by(|other| by_score(other, score)).is_ok())
            .map(|(&(_, id, _), &score)| Tied { score, id: Id::Text(id.as_bytes()) })
            .collect()
    }
}

/// The position of each of `docs` (hash and id) among the entries.
fn find(entries: &[Entry<'_, f64>], docs: &[(u32, &str)], out: &mut Vec<Option<usize>>) {
    out.clear();
    if docs.len() <= SCAN_UP_TO {
        let is = |hash: u32, id: &str| {
            entries.iter().position(|&(own, other, _)| own == hash && other == id)
        };
        out.extend(docs.iter().map(|&(hash, id)| is(hash, id)));
        return;
    }
    let mut order: Vec<(u32, usize)> = entries.iter().map(|entry| entry.0).zip(0..).collect();
    order.sort_unstable();
    out.extend(docs.iter().map(|&(hash, id)| {
        let start = order.partition_point(|&(own, _)| own < hash);
        let same = order[start..].iter().take_while(|(own, _)| *own == hash);
        same.map(|&(_, at)| at).find(|&at| entries[at].1 == id)
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{read_qrels, read_run};
    use crate::metrics::{Kind, Measure};

    /// Reads both texts as files and measures recall and reciprocal rank of `q` and `r`.
    fn measured(qrels: &str, run: &str, reading: Reading) -> Result<(Vec<f64>, usize)> {
        let folder = std::env::temp_dir().join(format!("embedsmith-ranked-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let place = |name: &str| folder.join(format!("{name}-{:?}", std::thread::current().id()));
        std::fs::write(place("qrels"), qrels).unwrap();
        std::fs::write(place("run"), run).unwrap();
        let mut go = || true;
        let qrels = read_qrels(&place("qrels"), None, &mut go)?;
        let run = read_run(&place("run"), None, &mut go)?;
        let (rankings, n_tied) = rankings(&["q", "r"], &qrels, &run, reading, Some(2))?;
        let measures = [Kind::Recall { capped: false }, Kind::ReciprocalRank].map(|kind| Measure {
            kind,
            cutoff: None,
            relevant_from: 1.0,
            judged_only: false,
        });
        Ok((rankings.measure(&measures, None)?, n_tied))
    }

    const READING: Reading = Reading {
        ties: Ties::DocidDescending,
        f32_scores: false,
        ignore_self: false,
        irrelevant_too: false,
    };
    const QRELS: &str = "q 0 a 1\nq 0 b 2\nq 0 z 1\nq 0 n 0\nr 0 a 1\n";
    const RUN: &str = "q Q0 c 1 3 t\nr Q0 r 1 2 t\nq Q0 b 2 2 t\nq Q0 d 3 2 t\nr Q0 a 2 1 t\n";

    #[test]
    fn parts_of_a_list_and_ties_are_ranked_as_the_rule_says() {
        // q: c, then d and b tie; b is one of three. r: r, a.
        let third = 1.0 / 3.0;
        let of = |reading| measured(QRELS, RUN, reading).unwrap();
        assert_eq!(of(READING), (vec![third, 1.0, third, 0.5], 1));
        let first = Reading { ties: Ties::Input, ..READING };
        assert_eq!(of(first), (vec![third, 1.0, 0.5, 0.5], 1));
        let best = Reading { ties: Ties::Best, ..READING };
        assert_eq!(of(best), (vec![third, 1.0, 0.5, 0.5], 1));
        let own = Reading { ignore_self: true, ..READING };
        assert_eq!(of(own), (vec![third, 1.0, third, 1.0], 1));
        let refused = measured(QRELS, RUN, Reading { ties: Ties::Error, ..READING });
        assert!(matches!(refused, Err(Error::TiedScore { .. })));
    }

    #[test]
    fn scores_that_differ_beyond_f32_tie_only_there() {
        let run = "q Q0 a 1 0.1000000001 t\nq Q0 zz 2 0.1 t\n";
        assert_eq!(measured(QRELS, run, READING).unwrap().0[2..], [1.0, 0.0]);
        let rounded = Reading { f32_scores: true, ..READING };
        assert_eq!(measured(QRELS, run, rounded).unwrap().0[2..], [0.5, 0.0]);
    }

    #[test]
    fn many_judged_documents_are_found_as_few_are() {
        use std::fmt::Write as _;

        let (mut qrels, mut run) = (String::new(), String::new());
        for i in 0..40 {
            writeln!(qrels, "q 0 d{i} 1").unwrap();
            writeln!(run, "q Q0 d{} {i} -{i} t", 2 * i).unwrap();
        }
        assert_eq!(measured(&qrels, &run, READING).unwrap().0[0], 0.5);
    }
}
