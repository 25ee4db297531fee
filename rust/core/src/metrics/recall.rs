//! Recall.
//!
//! Relevant documents found within the cutoff k, divided by all relevant documents of the query,
//! or on request by the smaller of their number and k ("capped", as BEIR has it for sets with more
//! relevant documents than k). Kent, Berry, Luehrs and Perry, "Machine literature searching VIII",
//! American Documentation 6(2), 1955; `recall` and `set_recall` of `trec_eval`.

pub(super) fn value(found: f64, denominator: usize) -> f64 {
    if denominator == 0 { 0.0 } else { found / denominator as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recall_divides_by_the_relevant_documents() {
        assert_eq!(value(2.0, 4), 0.5);
        assert_eq!(value(0.0, 0), 0.0);
    }
}
