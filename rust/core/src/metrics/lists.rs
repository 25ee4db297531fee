//! Ranks in sorted lists of row numbers, as a search returns them.

use rayon::prelude::*;

use super::query::Hit;
use super::rankings::settled;
use super::seen::Seen;
use super::ties::{Ties, place_by_row};
use super::{Measure, lists_fault};
use crate::error::Result;
use crate::threads;

pub use super::lists_fault::{Fault, FaultKind};
pub use super::parts::{Found, Measured, Open, Part};

/// Queries per task: large enough to hide the cost of a task, small enough to balance.
const CHUNK: usize = 256;

/// Sorted result lists of equal depth, borrowed: a list ends where a row is -1.
#[derive(Clone, Copy, Debug)]
pub struct Lists<'a, S> {
    /// Scores, `depth` per list, falling.
    pub scores: &'a [S],
    /// Document rows, `depth` per list.
    pub rows: &'a [i64],
    /// Places per list.
    pub depth: usize,
    /// Rows are below this.
    pub n_docs: i64,
    /// A row per list to take out of it first, if any is to be.
    pub own_rows: Option<&'a [i64]>,
}

/// The judged documents of the evaluated queries, side by side.
#[derive(Clone, Copy, Debug)]
pub struct JudgedRows<'a> {
    /// Which list each query has, if any.
    pub lists: &'a [Option<u32>],
    /// Where each query's documents end in the next two.
    pub ends: &'a [usize],
    /// Their rows; a negative one is in no list.
    pub rows: &'a [i64],
    /// Their grades.
    pub grades: &'a [f64],
}

impl<'a> JudgedRows<'a> {
    fn of(&self, query: usize) -> (&'a [i64], &'a [f64]) {
        let start = if query == 0 { 0 } else { self.ends[query - 1] };
        let span = start..self.ends[query];
        (&self.rows[span.clone()], &self.grades[span])
    }
}

/// How hits of one score get their ranks.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The rule.
    pub ties: Ties,
    /// Whether a document's id is its row; else rules about ids leave hits open.
    pub rows_are_ids: bool,
}

/// Buffers of one thread.
#[derive(Default)]
struct Scratch {
    seen: Seen,
    hits: Vec<Hit>,
    grades: Vec<f64>,
    open: Vec<Open>,
    group: Vec<i64>,
}

impl<S: Copy + PartialOrd + Sync> Lists<'_, S> {
    /// Adds query `query` to what was found.
    fn find_one(
        &self,
        judged: JudgedRows<'_>,
        query: usize,
        rule: Rule,
        scratch: &mut Scratch,
        out: &mut Found,
    ) -> std::result::Result<(), Fault> {
        let (wanted, grades) = judged.of(query);
        scratch.grades.extend_from_slice(grades);
        let mut retrieved = 0;
        if let Some(list) = judged.lists[query] {
            let list = list as usize;
            let start = list * self.depth;
            let filled = lists_fault::check(self, list, &mut scratch.seen)?;
            let scores = &self.scores[start..start + filled];
            let own = self.own_rows.and_then(|own| scratch.seen.position(own[list]));
            let own = own.map_or(usize::MAX, |position| position as usize);
            retrieved = filled - usize::from(own < filled);
            for (&row, &grade) in wanted.iter().zip(grades) {
                let Some(position) = scratch.seen.position(row).map(|at| at as usize) else {
                    continue;
                };
                if position == own {
                    continue;
                }
                let score = scores[position];
                let ties_before = position > 0 && scores[position - 1] == score;
                let ties_after = position + 1 < filled && scores[position + 1] == score;
                let (mut first, mut last) = (position, position + 1);
                if ties_before || ties_after {
                    // Scores fall, so both ends of a tie are a binary search away.
                    first = scores.partition_point(|&other| other > score);
                    last = scores.partition_point(|&other| other >= score);
                }
                let mut tied = last - first - usize::from((first..last).contains(&own));
                let mut before = first - usize::from(own < first);
                out.n_tied += usize::from(tied > 1 && grade > 0.0);
                if tied > 1 {
                    match rule.ties {
                        Ties::Input => {
                            before = position - usize::from(own < position);
                            tied = 1;
                        }
                        Ties::DocidDescending | Ties::DocidAscending if rule.rows_are_ids => {
                            let group = &self.rows[start + first..start + last];
                            let own = self.own_rows.filter(|_| (first..last).contains(&own));
                            let own = own.map(|own| own[list]);
                            let many = wanted.len() > MANY;
                            before += place_by_row(
                                rule.ties,
                                group,
                                row,
                                own,
                                many.then_some(&mut scratch.group),
                            );
                            tied = 1;
                        }
                        Ties::Best | Ties::Worst | Ties::Expected => {}
                        Ties::DocidDescending | Ties::DocidAscending | Ties::Error => {
                            scratch.open.push(Open {
                                query: out.rankings.len(),
                                hit: scratch.hits.len(),
                                list,
                                position,
                                tie_start: first,
                                tie_end: last,
                            });
                        }
                    }
                }
                scratch.hits.push(Hit { before: before as u32, tied: tied as u32, grade });
            }
            scratch.group.clear();
        }
        rule.ties.settle(&mut scratch.hits);
        let base = out.rankings.n_stored();
        if !scratch.open.is_empty() {
            // The stable order in which `push` will store them.
            let mut order: Vec<usize> = (0..scratch.hits.len()).collect();
            order.sort_by_key(|&i| scratch.hits[i].before);
            let mut place = vec![0; order.len()];
            for (new, &old) in order.iter().enumerate() {
                place[old] = new;
            }
            scratch.open.sort_by_key(|open| (open.tie_start, place[open.hit]));
            let opened = scratch.open.drain(..);
            out.open.extend(opened.map(|open| Open { hit: base + place[open.hit], ..open }));
        }
        out.rankings.push(&mut scratch.hits, &mut scratch.grades, retrieved);
        Ok(())
    }

    /// Checks the lists of the evaluated queries, finds the judged rows in them, and measures them
    /// where that leaves no rank open.
    ///
    /// # Errors
    /// As [`Measure::settled`], [`threads::resolve`] and [`threads::pool`]. The inner result is the
    /// fault of the first faulty list, whatever the number of threads.
    pub fn measure(
        &self,
        judged: JudgedRows<'_>,
        rule: Rule,
        measures: &[Measure],
        threads: Option<usize>,
    ) -> Result<std::result::Result<Vec<Part>, Fault>> {
        let threads = threads::resolve(threads)?;
        let measures = settled(measures, judged.grades)?;
        let n = judged.lists.len();
        let measure_chunk = |scratch: &mut Scratch, chunk: usize| {
            let mut found = Found::default();
            for query in chunk * CHUNK..n.min((chunk + 1) * CHUNK) {
                self.find_one(judged, query, rule, scratch, &mut found)?;
            }
            Ok(if found.open.is_empty() {
                Part::Measured(found.measured(&measures))
            } else {
                Part::Open { found, measures: measures.clone() }
            })
        };
        let n_chunks = n.div_ceil(CHUNK);
        if threads == 1 || n_chunks < 2 {
            let mut scratch = Scratch::default();
            return Ok((0..n_chunks).map(|chunk| measure_chunk(&mut scratch, chunk)).collect());
        }
        let parts: Vec<std::result::Result<Part, Fault>> = threads::pool(threads)?.install(|| {
            (0..n_chunks).into_par_iter().map_init(Scratch::default, measure_chunk).collect()
        });
        Ok(parts.into_iter().collect())
    }
}

/// From so many judged documents on, a tie is ordered once instead of counted for each.
const MANY: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Kind;

    const SCORES: [f32; 8] = [3.0, 2.0, 2.0, 1.0, 5.0, 4.0, f32::NEG_INFINITY, f32::NEG_INFINITY];
    const ROWS: [i64; 8] = [1, 0, 66, 2, 69, 2, -1, -1];

    fn lists<'a>(scores: &'a [f32], rows: &'a [i64]) -> Lists<'a, f32> {
        Lists { scores, rows, depth: 4, n_docs: 70, own_rows: None }
    }

    const JUDGED: JudgedRows<'_> = JudgedRows {
        lists: &[Some(0), None, Some(1)],
        ends: &[2, 3, 5],
        rows: &[66, 9, 1, 2, -1],
        grades: &[1.0, 2.0, 1.0, 3.0, 1.0],
    };

    /// What is found of all queries at once.
    fn find<S: Copy + PartialOrd + Sync>(
        lists: &Lists<'_, S>,
        judged: JudgedRows<'_>,
        rule: Rule,
    ) -> std::result::Result<Found, Fault> {
        let (mut scratch, mut found) = (Scratch::default(), Found::default());
        for query in 0..judged.lists.len() {
            lists.find_one(judged, query, rule, &mut scratch, &mut found)?;
        }
        Ok(found)
    }

    fn found(ties: Ties, rows_are_ids: bool) -> Found {
        find(&lists(&SCORES, &ROWS), JUDGED, Rule { ties, rows_are_ids }).expect("sound lists")
    }

    #[test]
    fn rows_are_found_at_the_place_that_the_rule_gives() {
        let hits = |ties, ids| {
            let found = found(ties, ids);
            assert_eq!((found.rankings.len(), found.n_tied), (3, 1));
            assert_eq!(found.rankings.query(2).hits, [Hit::at(2, 3.0)]);
            assert_eq!([0, 1, 2].map(|i| found.rankings.query(i).retrieved), [4, 0, 2]);
            assert_eq!(found.rankings.query(2).grades, [3.0, 1.0]);
            (found.rankings.query(0).hits[0], found.open)
        };
        // Rows 0 and 66 tie on ranks 2 and 3.
        assert_eq!(hits(Ties::Input, false), (Hit::at(3, 1.0), vec![]));
        assert_eq!(hits(Ties::DocidDescending, true), (Hit::at(2, 1.0), vec![]));
        assert_eq!(hits(Ties::DocidAscending, true), (Hit::at(3, 1.0), vec![]));
        assert_eq!(hits(Ties::Best, false), (Hit::at(2, 1.0), vec![]));
        assert_eq!(hits(Ties::Worst, true), (Hit::at(3, 1.0), vec![]));
        let tied = Hit { before: 1, tied: 2, grade: 1.0 };
        assert_eq!(hits(Ties::Expected, true), (tied, vec![]));
        let open = Open { query: 0, hit: 0, list: 0, position: 2, tie_start: 1, tie_end: 3 };
        assert_eq!(hits(Ties::DocidDescending, false), (tied, vec![open]));
        assert_eq!(hits(Ties::Error, true), (tied, vec![open]));
    }

    #[test]
    fn a_row_of_its_own_is_taken_out_of_a_list() {
        let rule = |ties| Rule { ties, rows_are_ids: true };
        let without = |own: [i64; 2], ties| {
            let lists = Lists { own_rows: Some(&own), ..lists(&SCORES, &ROWS) };
            let found = find(&lists, JUDGED, rule(ties)).expect("sound");
            let query = found.rankings.query(0);
            (query.hits.to_vec(), query.retrieved, found.n_tied)
        };
        // Without row 1 all move up; without row 0 nothing ties with row 66.
        assert_eq!(without([1, 5], Ties::Input), (vec![Hit::at(2, 1.0)], 3, 1));
        assert_eq!(without([0, 5], Ties::DocidAscending), (vec![Hit::at(2, 1.0)], 3, 0));
        assert_eq!(without([66, 5], Ties::Input), (vec![], 3, 0));
        assert_eq!(without([-1, -1], Ties::Input), (vec![Hit::at(3, 1.0)], 4, 1));
    }

    #[test]
    fn many_wanted_rows_of_many_lists_are_placed_as_few_are() {
        // 600 lists, so that chunks and threads matter; scores in threes.
        let (depth, n_lists) = (60usize, 600usize);
        let scores: Vec<f64> = (0..n_lists * depth).map(|i| -((i % depth / 3) as f64)).collect();
        let rows: Vec<i64> = (0..n_lists * depth).map(|i| (i * 7 % depth) as i64).collect();
        let lists = Lists { scores: &scores, rows: &rows, depth, n_docs: 90, own_rows: None };
        let ranks = |per_query: usize, ties, threads| {
            // The same 40 rows for each list, in parts; those from 60 on are in no list.
            let parts = 40 / per_query;
            let own: Vec<Option<u32>> =
                (0..n_lists).flat_map(|list| vec![Some(list as u32); parts]).collect();
            let ends: Vec<usize> = (1..=own.len()).map(|i| i * per_query).collect();
            let wanted: Vec<i64> = (0..n_lists).flat_map(|_| (30..70).rev()).collect();
            let grades = vec![1.0; wanted.len()];
            let judged = JudgedRows { lists: &own, ends: &ends, rows: &wanted, grades: &grades };
            let rule = Rule { ties, rows_are_ids: true };
            // The sum of the ranks, as far as a sum of powers tells.
            let measures = [Measure {
                kind: Kind::RankBiasedPrecision { p: 0.9 },
                cutoff: None,
                relevant_from: 1.0,
                judged_only: false,
            }];
            let parts_found =
                lists.measure(judged, rule, &measures, Some(threads)).expect("threads").expect("");
            let measured: Vec<Measured> = parts_found
                .into_iter()
                .map(|part| match part {
                    Part::Measured(measured) => measured,
                    Part::Open { .. } => unreachable!("rows are ids"),
                })
                .collect();
            let all = Measured::joined(&measured, 1);
            assert_eq!((all.n_hits, all.values.len()), (n_lists * 30, own.len()));
            all.values.chunks(parts).map(|parts| parts.iter().sum::<f64>()).collect::<Vec<f64>>()
        };
        for ties in [Ties::DocidDescending, Ties::DocidAscending, Ties::Input] {
            let many = ranks(40, ties, 1);
            assert_eq!(many, ranks(40, ties, 3));
            let few = ranks(8, ties, 2);
            assert!(many.iter().zip(few).all(|(a, b)| (a - b).abs() < 1e-12));
        }
        let total = |ties| ranks(40, ties, 2).iter().sum::<f64>();
        assert!(total(Ties::DocidDescending) > total(Ties::DocidAscending));
    }

    #[test]
    fn faulty_lists_are_named_the_first_one_first() {
        let find = |scores: &[f32], rows: &[i64]| {
            let rule = Rule { ties: Ties::Input, rows_are_ids: true };
            let measured = lists(scores, rows).measure(JUDGED, rule, &[], Some(2));
            measured.expect("threads").expect_err("a fault")
        };
        let fault = |rows: [i64; 8]| find(&SCORES, &rows);
        let at = |list, position, row, kind| Fault { list, position, row, kind };
        assert_eq!(fault([1, 0, 66, 1, 0, 1, -1, -1]), at(0, 3, 1, FaultKind::Repeated));
        assert_eq!(fault([1, 0, 66, 70, 0, 1, -1, -1]), at(0, 3, 70, FaultKind::OutOfRange));
        assert_eq!(fault([1, 0, 66, -2, 0, 1, -1, -1]), at(0, 3, -2, FaultKind::OutOfRange));
        assert_eq!(fault([1, 0, 66, 2, 0, -1, 3, -1]), at(1, 2, 3, FaultKind::Hole));
        let mut scores = SCORES;
        scores[5] = 6.0;
        let rows = [1, 0, 66, 2, 0, 1, -1, -1];
        assert_eq!(find(&scores, &rows), at(1, 1, 1, FaultKind::Rising));
        scores[1] = f32::NAN;
        assert_eq!(find(&scores, &rows), at(0, 1, 0, FaultKind::Nan));
    }
}
