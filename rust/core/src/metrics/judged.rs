//! Judged and unjudged documents at the top.
//!
//! Judged@k: the share of the first k documents retrieved, or of all where fewer were, that has
//! a judgement, relevant or not. Hole@k: the documents without one among the first k, divided by
//! k. Buckley, Dimmick, Soboroff and Voorhees, "Bias and the limits of pooling", SIGIR 2006, on
//! why to look at them; Hole@k as Thakur et al., "BEIR", NeurIPS 2021, divide it.

pub(super) fn judged(judged: f64, cutoff: Option<usize>, retrieved: usize) -> f64 {
    let depth = cutoff.unwrap_or(retrieved).min(retrieved);
    if depth == 0 { 0.0 } else { judged / depth as f64 }
}

pub(super) fn hole(judged: f64, cutoff: Option<usize>, retrieved: usize) -> f64 {
    let depth = cutoff.unwrap_or(retrieved);
    if depth == 0 { 0.0 } else { (depth.min(retrieved) as f64 - judged) / depth as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_lists_have_fewer_places_to_judge_but_no_holes_beyond() {
        // Three judged among the first ten of four retrieved, and of a hundred.
        assert_eq!((judged(3.0, Some(10), 4), judged(3.0, Some(10), 100)), (0.75, 0.3));
        assert_eq!((hole(3.0, Some(10), 4), hole(3.0, Some(10), 100)), (0.1, 0.7));
        assert_eq!((judged(0.0, None, 0), hole(0.0, None, 0)), (0.0, 0.0));
    }
}
