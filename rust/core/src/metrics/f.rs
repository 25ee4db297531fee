//! F-measure.
//!
//! The harmonic mean of precision and recall, recall weighing beta times as much:
//! (1 + beta^2) * P * R / (beta^2 * P + R), 0 where nothing relevant is found.
//! van Rijsbergen, "Information Retrieval", 2nd edition, 1979, chapter 7; `set_F` of `trec_eval`,
//! whose parameter is beta^2.

pub(super) fn value(found: f64, k: usize, relevant: usize, beta: f64) -> f64 {
    if found == 0.0 {
        return 0.0;
    }
    let (precision, recall) = (found / k as f64, found / relevant as f64);
    let weight = beta * beta;
    (weight + 1.0) * precision * recall / (weight * precision + recall)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_of_a_hand_computed_list() {
        // P = 2/5, R = 2/4: F1 = 2 * 0.2 / 0.9; F2 = 5 * 0.2 / (4 * 0.4 + 0.5).
        assert!((value(2.0, 5, 4, 1.0) - 0.4 / 0.9).abs() < 1e-15);
        assert!((value(2.0, 5, 4, 2.0) - 1.0 / 2.1).abs() < 1e-15);
        assert_eq!(value(0.0, 5, 0, 1.0), 0.0);
    }
}
