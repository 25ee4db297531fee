//! Binary preference.
//!
//! The mean, over the R relevant documents of the query, of the share of the first R judged
//! irrelevant ones (grades from 0) that do not stand before it; 0 for those not found.
//! Documents without a judgement, or with a grade below 0, do not count at all.
//! Buckley and Voorhees, "Retrieval evaluation with incomplete information", SIGIR 2004, in the
//! form of `bpref` of `trec_eval`: 1 - min(n, R) / min(N, R) with n irrelevant documents before,
//! and N in all.

use super::query::{Query, groups};

pub(super) fn value(query: Query<'_>, level: f64) -> f64 {
    let relevant = query.relevant(level);
    let irrelevant = query.relevant(0.0) - relevant;
    let (mut before, mut sum) = (0, 0.0);
    for hit in query.hits {
        if hit.grade >= level {
            sum += kept(before, irrelevant, relevant);
        } else if hit.grade >= 0.0 {
            before += 1;
        }
    }
    if relevant == 0 { 0.0 } else { sum / relevant as f64 }
}

fn kept(before: usize, irrelevant: usize, relevant: usize) -> f64 {
    if before == 0 {
        return 1.0;
    }
    1.0 - before.min(relevant) as f64 / irrelevant.min(relevant) as f64
}

/// Behind how many of a tie's s irrelevant documents a relevant one stands is uniform on 0..=s.
pub(super) fn expected(query: Query<'_>, level: f64) -> f64 {
    let relevant = query.relevant(level);
    let irrelevant = query.relevant(0.0) - relevant;
    let (mut before, mut sum) = (0, 0.0);
    for group in groups(query.hits) {
        let found = group.iter().filter(|hit| hit.grade >= level).count();
        let others = group.iter().filter(|hit| (0.0..level).contains(&hit.grade)).count();
        if found > 0 {
            let all = (0..=others).fold(0.0, |sum, i| sum + kept(before + i, irrelevant, relevant));
            sum += found as f64 * all / (others + 1) as f64;
        }
        before += others;
    }
    if relevant == 0 { 0.0 } else { sum / relevant as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Hit;

    #[test]
    fn bpref_of_a_hand_computed_list() {
        // Relevant at 2 and 5 behind 1 and 2 irrelevant ones; a third relevant is not found.
        // R = 3, N = 2: (1 - 1/2 + 1 - 2/2) / 3 = 1/6. The grade of -1 counts nowhere.
        let hits =
            [Hit::at(1, 0.0), Hit::at(2, 1.0), Hit::at(3, -1.0), Hit::at(4, 0.0), Hit::at(5, 2.0)];
        let query = Query { hits: &hits, grades: &[2.0, 1.0, 1.0, 0.0, 0.0, -1.0], retrieved: 9 };
        assert!((value(query, 1.0) - 1.0 / 6.0).abs() < 1e-15);
        let tied = hits.map(|hit| Hit { before: 0, tied: 5, ..hit });
        // Each of the two found ones stands behind 0, 1 or 2: (1 + 1/2 + 0) / 3.
        let query = Query { hits: &tied, ..query };
        assert!((expected(query, 1.0) - 2.0 * 0.5 / 3.0).abs() < 1e-15);
    }
}
