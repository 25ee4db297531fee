//! What can be wrong with a result list.

use std::cmp::Ordering;

use super::lists::Lists;
use super::seen::Seen;

/// What is wrong with a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A score is NaN.
    Nan,
    /// A score is larger than the one before it.
    Rising,
    /// A row is not below the number of documents, or below -1.
    OutOfRange,
    /// A row occurs twice.
    Repeated,
    /// A row follows a -1.
    Hole,
}

/// A list that cannot be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which list.
    pub list: usize,
    /// The place in it.
    pub position: usize,
    /// The row there.
    pub row: i64,
    /// What is wrong.
    pub kind: FaultKind,
}

/// Checks list `list` and returns how many places are filled; `seen` then knows their positions.
pub(super) fn check<S: Copy + PartialOrd>(
    lists: &Lists<'_, S>,
    list: usize,
    seen: &mut Seen,
) -> Result<usize, Fault> {
    let span = list * lists.depth..(list + 1) * lists.depth;
    let (scores, rows) = (&lists.scores[span.clone()], &lists.rows[span]);
    let fault = |position: usize, kind| Fault { list, position, row: rows[position], kind };
    let full = rows.last().is_none_or(|&row| row != -1);
    let filled = if full { rows.len() } else { rows.partition_point(|&row| row != -1) };
    let unfilled = rows[..filled].iter().position(|&row| row == -1);
    let filled = unfilled.unwrap_or(filled);
    if let Some(more) = rows[filled..].iter().position(|&row| row != -1) {
        return Err(fault(filled + more, FaultKind::Hole));
    }
    let scores = &scores[..filled];
    // Without a branch inside, both loops are a few vector instructions; which place it is
    // matters only once something is wrong. A NaN is not in order with itself.
    let rises = |pair: &&[S]| {
        !matches!(pair[0].partial_cmp(&pair[1]), Some(Ordering::Greater | Ordering::Equal))
    };
    let in_order = scores.windows(2).filter(rises).count() == 0;
    if !in_order || scores.first().is_some_and(|first| first.partial_cmp(first).is_none()) {
        for (i, &score) in scores.iter().enumerate() {
            if score.partial_cmp(&score).is_none() {
                return Err(fault(i, FaultKind::Nan));
            }
            if i > 0 && score > scores[i - 1] {
                return Err(fault(i, FaultKind::Rising));
            }
        }
    }
    let known = |row: i64| (row as u64) < lists.n_docs as u64;
    if rows[..filled].iter().filter(|&&row| !known(row)).count() > 0 {
        let position = rows.iter().position(|&row| !known(row)).unwrap_or_default();
        return Err(fault(position, FaultKind::OutOfRange));
    }
    match seen.fill(&rows[..filled]) {
        Some(position) => Err(fault(position, FaultKind::Repeated)),
        None => Ok(filled),
    }
}
