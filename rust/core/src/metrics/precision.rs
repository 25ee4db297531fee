//! Precision.
//!
//! Relevant documents within the first k ranks, divided by k, also where fewer were retrieved.
//! Kent, Berry, Luehrs and Perry, "Machine literature searching VIII", American Documentation
//! 6(2), 1955; `P` of `trec_eval`. Without a cutoff, divided by the documents retrieved: `set_P`.

pub(super) fn value(found: f64, k: usize) -> f64 {
    if k == 0 { 0.0 } else { found / k as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_divides_by_the_cutoff() {
        assert_eq!(value(2.0, 5), 0.4);
        assert_eq!(value(0.0, 0), 0.0);
    }
}
