//! Rank-biased precision, and its residual.
//!
//! (1 - p) times the sum of p^(rank - 1) over the relevant documents found: the precision that
//! a reader sees who goes on to the next document with probability p. The residual is what could
//! still be added: the same sum over all ranks whose document is unjudged, or beyond the list.
//! Moffat and Zobel, "Rank-biased precision for measurement of retrieval effectiveness", ACM TOIS
//! 27(1), 2008.

use super::query::Hit;

/// The share of a reader's attention that the counted documents get, on average over ties.
fn attention(top: &[Hit], p: f64, cutoff: Option<usize>, counts: impl Fn(&Hit) -> bool) -> f64 {
    top.iter().filter(|&hit| counts(hit)).fold(0.0, |sum, hit| {
        let start = p.powf(f64::from(hit.before));
        let places = hit.places_within(cutoff);
        sum + match (hit.tied, places) {
            (1, _) => (1.0 - p) * start,
            _ => start * (1.0 - p.powf(f64::from(places))) / f64::from(hit.tied),
        }
    })
}

pub(super) fn value(top: &[Hit], p: f64, level: f64, cutoff: Option<usize>) -> f64 {
    attention(top, p, cutoff, |hit| hit.grade >= level)
}

/// All attention adds up to 1, so what judged documents do not get is unknown.
pub(super) fn residual(top: &[Hit], p: f64, cutoff: Option<usize>) -> f64 {
    (1.0 - attention(top, p, cutoff, |_| true)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rbp_of_a_hand_computed_list() {
        // Relevant at 1 and 3, irrelevant at 2, nothing judged below: p = 0.8.
        let top = [Hit::at(1, 1.0), Hit::at(2, 0.0), Hit::at(3, 1.0)];
        assert!((value(&top, 0.8, 1.0, None) - 0.2 * (1.0 + 0.64)).abs() < 1e-15);
        // Unknown from rank 4 on: 0.8^3.
        assert!((residual(&top, 0.8, None) - 0.512).abs() < 1e-15);
        // One relevant on rank 2 or 3, cut at 2.
        let tied = [Hit { before: 1, tied: 2, grade: 1.0 }];
        assert!((value(&tied, 0.5, 1.0, Some(2)) - 0.5 * 0.5 * 0.5).abs() < 1e-15);
        assert!((value(&tied, 0.5, 1.0, None) - 0.25 * (0.5 + 0.25)).abs() < 1e-15);
    }
}
