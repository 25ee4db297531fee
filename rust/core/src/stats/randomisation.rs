//! The paired randomisation test: is a mean difference more than chance pairing gives?
//!
//! Under the null hypothesis the two runs are exchangeable within each query, so the sign of each
//! difference is a coin. Fisher, "The Design of Experiments", 1935; recommended for retrieval by
//! Smucker, Allan and Carterette, CIKM 2007. Two-sided. A Monte-Carlo p counts the observed
//! arrangement: (1 + as extreme) / (1 + drawn), never 0 (Phipson and Smyth, Statistical
//! Applications in Genetics and Molecular Biology 9(1), 2010).

use rayon::prelude::*;

use super::counter::{Purpose, Stream};
use crate::error::{Error, Result};
use crate::threads::{self, Control};

/// Sign flips between two looks at [`Control`].
const FLIPS_PER_BLOCK: usize = 1 << 25;
/// Up to this many sign flips, waking other threads costs more than it saves.
const FLIPS_OF_ONE_THREAD: usize = 1 << 16;

/// The outcome of a test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Test {
    /// Two-sided p-value, above 0.
    pub p: f64,
    /// Whether every arrangement of signs was counted rather than a sample.
    pub exact: bool,
}

/// What to draw.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Arrangements to draw, at least 1; all are counted where there are no more than this.
    pub n_permutations: usize,
    /// Seed.
    pub seed: u64,
    /// Threads; the result does not depend on them.
    pub threads: Option<usize>,
}

/// `differences` with their signs flipped where `bits(i)`, the `i`-th word of 64, says so; summed.
fn flipped_sum(differences: &[f64], bits: impl Fn(u64) -> u64) -> f64 {
    let mut total = 0.0;
    for (word, chunk) in differences.chunks(64).enumerate() {
        let word = bits(word as u64);
        // Eight sums, so that the additions of one group of eight do not wait for each other.
        let mut lanes = [0.0; 8];
        for (group, eight) in chunk.chunks(8).enumerate() {
            let byte = word >> (group * 8);
            for (lane, (sum, x)) in lanes.iter_mut().zip(eight).enumerate() {
                *sum += f64::from_bits(x.to_bits() ^ (((byte >> lane) & 1) << 63));
            }
        }
        total += ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3]))
            + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
    }
    total
}

/// How many of the arrangements 0 to `total` are `extreme`; each flips `n` signs.
fn count(
    total: usize,
    n: usize,
    extreme: impl Fn(usize) -> bool + Sync,
    threads: usize,
    control: &Control,
) -> Result<usize> {
    let serial = threads == 1 || total.saturating_mul(n) <= FLIPS_OF_ONE_THREAD;
    let pool = if serial { None } else { Some(threads::pool(threads)?) };
    let per_block = (FLIPS_PER_BLOCK / n).max(1);
    let mut count = 0;
    for first in (0..total).step_by(per_block) {
        if control.is_stopped() {
            return Err(Error::Stopped);
        }
        let block = first..first.saturating_add(per_block).min(total);
        count += match &pool {
            None => block.filter(|&i| extreme(i)).count(),
            Some(pool) => pool
                .install(|| block.into_par_iter().with_min_len(16).filter(|&i| extreme(i)).count()),
        };
    }
    Ok(count)
}

/// Tests whether `differences` have mean 0. Without any difference p is 1.
///
/// # Errors
/// [`Error::Stopped`] if `control` says so; else as [`threads::resolve`] and [`threads::pool`].
pub fn test(differences: &[f64], plan: Plan, control: &Control) -> Result<Test> {
    // Zeros have no sign to flip.
    let differences: Vec<f64> = differences.iter().copied().filter(|&x| x != 0.0).collect();
    let n = differences.len();
    if n == 0 {
        return Ok(Test { p: 1.0, exact: true });
    }
    let observed = flipped_sum(&differences, |_| 0).abs();
    let mass: f64 = differences.iter().map(|x| x.abs()).sum();
    // Equal sums may round differently: both are off by at most n * eps * mass, and so may each
    // difference be that was itself a rounded subtraction.
    let as_extreme = observed - 4.0 * n as f64 * f64::EPSILON * mass;
    let is_extreme = |sum: f64| sum.abs() >= as_extreme;
    let threads = threads::resolve(plan.threads)?;
    let arrangements = u32::try_from(n).ok().and_then(|n| 1usize.checked_shl(n));
    if let Some(all) = arrangements.filter(|&all| all <= plan.n_permutations) {
        let extreme = |i| is_extreme(flipped_sum(&differences, |_| i as u64));
        let count = count(all, n, extreme, threads, control)?;
        return Ok(Test { p: count as f64 / all as f64, exact: true });
    }
    let extreme = |i| {
        let stream = Stream::new(plan.seed, Purpose::Flip, i as u64);
        is_extreme(flipped_sum(&differences, |word| stream.at(word)))
    };
    let count = count(plan.n_permutations, n, extreme, threads, control)?;
    Ok(Test { p: (count + 1) as f64 / (plan.n_permutations + 1) as f64, exact: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan { n_permutations: 10_000, seed: 5, threads: Some(2) };

    fn p(differences: &[f64], plan: Plan) -> Test {
        test(differences, plan, &Control::default()).expect("threads start")
    }

    #[test]
    fn small_samples_are_counted_exactly() {
        // 3 differences, 8 arrangements: |sum| >= 6 for +++ and --- only: 2/8.
        assert_eq!(p(&[1.0, 2.0, 3.0], PLAN), Test { p: 0.25, exact: true });
        // |1 + 2 - 3| = 0: every arrangement is as extreme.
        assert_eq!(p(&[1.0, 2.0, -3.0], PLAN), Test { p: 1.0, exact: true });
        // Constant differences of 5 queries: 2/32, whatever the constant.
        assert_eq!(p(&[0.1; 5], PLAN), Test { p: 0.0625, exact: true });
        assert_eq!(p(&[0.7], PLAN), Test { p: 1.0, exact: true });
    }

    #[test]
    fn no_differences_give_no_evidence() {
        assert_eq!(p(&[0.0; 40], PLAN), Test { p: 1.0, exact: true });
        assert_eq!(p(&[], PLAN), Test { p: 1.0, exact: true });
    }

    #[test]
    fn sums_that_are_equal_but_for_rounding_count_as_extreme() {
        // |sum| is 0.2 as observed, 0.4 twice, 0 twice and 0.2 otherwise: 6 of 8. As f64 the
        // observed 0.1 + 0.2 - 0.1 is 0.20000000000000004, and some of the others are 0.2.
        assert_eq!(p(&[0.1, 0.2, -0.1], PLAN), Test { p: 0.75, exact: true });
    }

    #[test]
    fn large_samples_agree_with_the_exact_count() {
        // 12 differences: 4,096 arrangements, counted; then sampled with a limit below that.
        let differences: Vec<f64> = (0..12).map(|i| f64::from(i * 5 % 12) - 3.5).collect();
        let exact = p(&differences, PLAN);
        let sampled = p(&differences, Plan { n_permutations: 4_000, ..PLAN });
        assert!(exact.exact && !sampled.exact);
        // Four standard errors of a sampled share.
        let error = (exact.p * (1.0 - exact.p) / 4_000.0).sqrt();
        assert!((exact.p - sampled.p).abs() < 4.0 * error, "{exact:?} {sampled:?}");
    }

    #[test]
    fn p_is_the_same_for_any_number_of_threads_and_never_zero() {
        let differences: Vec<f64> = (0..1000).map(|i| f64::from(i % 13) - 5.7).collect();
        let once = p(&differences, Plan { threads: Some(1), ..PLAN });
        assert_eq!(once, p(&differences, Plan { threads: Some(3), ..PLAN }));
        assert_eq!(p(&[1.0; 500], PLAN).p, 1.0 / 10_001.0);
    }

    #[test]
    fn a_stopped_test_says_so_whether_it_counts_or_draws() {
        let control = Control::default();
        control.stop();
        for n_permutations in [1 << 20, 1 << 19] {
            let plan = Plan { n_permutations, ..PLAN };
            assert_eq!(test(&[1.0; 20], plan, &control), Err(Error::Stopped));
        }
    }

    #[test]
    fn an_exact_count_that_is_under_way_can_be_stopped() {
        // 2^40 arrangements would take an hour: the test ends only because the count looks.
        let control = Control::default();
        std::thread::scope(|scope| {
            const PLAN_OF_AGES: Plan = Plan { n_permutations: 1 << 40, ..PLAN };
            let running = scope.spawn(|| test(&[1.0; 40], PLAN_OF_AGES, &control));
            std::thread::sleep(std::time::Duration::from_millis(20));
            control.stop();
            assert_eq!(running.join().expect("no panic"), Err(Error::Stopped));
        });
    }
}
