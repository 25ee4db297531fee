//! Inferred average precision.
//!
//! Estimates average precision where only a sample of the pool was judged. A document in the pool
//! but outside the sample has a grade below 0; one without a judgement is outside the pool. At
//! a relevant document of rank k the precision is estimated as
//! 1/k + (pooled before / k) * (relevant before + e) / (judged before + 2e), e = 0.00001.
//! Yilmaz and Aslam, "Estimating average precision with incomplete and imperfect judgments",
//! CIKM 2006; `infAP` of `trec_eval`.

use super::query::Query;

const EPSILON: f64 = 0.000_01;

pub(super) fn value(query: Query<'_>, level: f64) -> f64 {
    let (mut relevant, mut irrelevant, mut unjudged, mut sum) = (0.0, 0.0, 0.0, 0.0);
    for hit in query.hits {
        if hit.grade < 0.0 {
            unjudged += 1.0;
        } else if hit.grade < level {
            irrelevant += 1.0;
        } else {
            let before = f64::from(hit.before);
            sum += if hit.before == 0 {
                1.0
            } else {
                1.0 / (before + 1.0)
                    + before / (before + 1.0)
                        * ((relevant + irrelevant + unjudged) / before)
                        * ((relevant + EPSILON) / (relevant + irrelevant + 2.0 * EPSILON))
            };
            relevant += 1.0;
        }
    }
    let all = query.relevant(level);
    if all == 0 { 0.0 } else { sum / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Hit;

    #[test]
    fn infap_of_a_hand_computed_list() {
        // Relevant at 1 and 4; before the second one relevant and one irrelevant are judged, and
        // one more is pooled: 1 + 1/4 + 3/4 * (3/3) * 1.00001/2.00002 = 1.625, over 2 relevant.
        let hits = [Hit::at(1, 1.0), Hit::at(2, 0.0), Hit::at(3, -1.0), Hit::at(4, 1.0)];
        let query = Query { hits: &hits, grades: &[1.0, 1.0, 0.0, -1.0], retrieved: 4 };
        assert!((value(query, 1.0) - 1.625 / 2.0).abs() < 1e-9);
    }
}
