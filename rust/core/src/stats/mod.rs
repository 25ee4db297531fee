//! Statistics over queries: intervals, paired tests, corrections, and what sample would decide.
//!
//! Everything random is a pure function of (seed, resample, position), so that results are the
//! same for any number of threads ([`counter`]).

mod arrangements;
mod beta;
pub mod binomial;
pub mod bootstrap;
pub mod correction;
mod counter;
mod normal;
pub mod paired;
pub mod power;
pub mod randomisation;
pub mod sequence;
pub mod simulation;
mod student;
mod studentised_range;
pub mod tukey;
pub mod wilcoxon;

/// The mean, summed in order: the same bits whatever computed the values. NaN for no values.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_summed_in_order() {
        assert_eq!(mean(&[1.0, 2.0, 6.0]), 3.0);
        // 1e16 + 1 rounds to 1e16, so this order loses the ones and another would not.
        assert_eq!(mean(&[1e16, 1.0, 1.0, -1e16]), 0.0);
    }
}
