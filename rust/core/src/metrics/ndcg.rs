//! Normalised discounted cumulative gain.
//!
//! DCG = the sum of grade / log2(rank + 1) over the ranks that count; nDCG = DCG / the DCG of the
//! best possible order of all judged documents, cut at the same rank. A grade below 0 gains 0.
//! Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20(4),
//! 2002; the form with log2(rank + 1) is `ndcg` and `ndcg_cut` of `trec_eval`.

use super::Hit;

fn discounted(grade: i64, rank: usize) -> f64 {
    grade as f64 / ((rank + 1) as f64).log2()
}

/// `grades` are all positive grades of the query, largest first.
pub(super) fn value(top: &[Hit], grades: &[i64], cutoff: Option<usize>) -> f64 {
    if top.is_empty() {
        return 0.0;
    }
    let gained: f64 = top.iter().map(|hit| discounted(hit.grade, hit.rank)).sum();
    let depth = cutoff.unwrap_or(usize::MAX).min(grades.len());
    let ideal: f64 =
        grades[..depth].iter().enumerate().map(|(i, &grade)| discounted(grade, i + 1)).sum();
    gained / ideal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ndcg_of_a_hand_computed_list() {
        // Grades 3 at rank 2 and 1 at rank 4; a document of grade 2 was not found.
        let top = [Hit { rank: 2, grade: 3 }, Hit { rank: 4, grade: 1 }];
        // DCG = 3/log2(3) + 1/log2(5); ideal = 3/log2(2) + 2/log2(3) + 1/log2(4) = 4.761859...
        let dcg = 3.0 / 3f64.log2() + 1.0 / 5f64.log2();
        let ideal = 3.0 + 2.0 / 3f64.log2() + 0.5;
        assert!((value(&top, &[3, 2, 1], None) - dcg / ideal).abs() < 1e-15);
        // Cut at 1 the ideal is 3 and nothing is found in the top; at 2 the ideal has two terms.
        assert_eq!(value(&[], &[3, 2, 1], Some(1)), 0.0);
        let cut = (3.0 / 3f64.log2()) / (3.0 + 2.0 / 3f64.log2());
        assert!((value(&top[..1], &[3, 2, 1], Some(2)) - cut).abs() < 1e-15);
    }
}
