//! The paired randomisation test: is a mean difference more than chance pairing gives?
//!
//! Under the null hypothesis the two runs are exchangeable within each query, so the sign of each
//! difference is a coin. Fisher, "The Design of Experiments", 1935; recommended for retrieval by
//! Smucker, Allan and Carterette, CIKM 2007. Two-sided. All arrangements of signs are counted where
//! that is quick ([`arrangements`]); else a sample is, and its p counts the observed arrangement:
//! (1 + as extreme) / (1 + drawn), never 0 (Phipson and Smyth, Statistical Applications in Genetics
//! and Molecular Biology 9(1), 2010).
//!
//! A sampled sum is read from tables: eight differences have 256 signed sums, and a byte of random
//! bits says which, so that 64 differences cost one hash, eight loads and eight additions.

use rayon::prelude::*;

use super::arrangements::share_beyond;
use super::binomial::sign_test;
use super::counter::{Purpose, Stream};
use crate::error::{Error, Result};
use crate::threads::{self, Control};

/// Sign flips between two looks at [`Control`].
const FLIPS_PER_BLOCK: usize = 1 << 27;
/// Up to this many sign flips, waking other threads costs more than it saves.
const FLIPS_OF_ONE_THREAD: usize = 1 << 20;
/// Arrangements summed beside each other: their sums and the tables stay in the first-level cache.
const TILE: usize = 1024;
/// Differences that one table sums, and its entries.
const GROUP: usize = 8;
const ENTRIES: usize = 1 << GROUP;
/// Sums that are closer to each other than this share of the sum of all sizes count as equal: equal
/// sums round differently in another order, and differences carry the rounding of their subtraction.
pub const TIE_TOLERANCE: f64 = 1e-12;

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
    /// Arrangements to draw, at least 1, where not all can be counted.
    pub n_permutations: usize,
    /// Seed.
    pub seed: u64,
    /// Threads; the result does not depend on them.
    pub threads: Option<usize>,
}

/// The 256 signed sums of each eight of 64 differences; a set bit is a flipped sign.
type Tables = [[f64; ENTRIES]; GROUP];

fn fill(tables: &mut Tables, differences: &[f64]) {
    for (group, table) in tables.iter_mut().enumerate() {
        table[0] = 0.0;
        for bit in 0..GROUP {
            let x = differences.get(group * GROUP + bit).copied().unwrap_or(0.0);
            let (kept, flipped) = table[..2 << bit].split_at_mut(1 << bit);
            for (kept, flipped) in kept.iter_mut().zip(flipped) {
                *flipped = *kept - x;
                *kept += x;
            }
        }
    }
}

/// The sums of `differences` under the arrangements of `streams`.
fn flipped_sums(differences: &[f64], streams: &[Stream], tables: &mut Tables, sums: &mut [f64]) {
    sums.fill(0.0);
    for (word, chunk) in differences.chunks(64).enumerate() {
        fill(tables, chunk);
        for (sum, stream) in sums.iter_mut().zip(streams) {
            let bytes = stream.at(word as u64).to_le_bytes();
            let read = |i: usize| tables[i][usize::from(bytes[i])];
            *sum += ((read(0) + read(1)) + (read(2) + read(3)))
                + ((read(4) + read(5)) + (read(6) + read(7)));
        }
    }
}

/// How many of the sampled arrangements have a sum of at least `least` in size.
fn count(differences: &[f64], least: f64, plan: Plan, control: &Control) -> Result<usize> {
    let (n, total) = (differences.len(), plan.n_permutations);
    let threads = threads::resolve(plan.threads)?;
    let serial = threads == 1 || total.saturating_mul(n) <= FLIPS_OF_ONE_THREAD;
    let pool = if serial { None } else { Some(threads::pool(threads)?) };
    let beyond = |first: usize, end: usize| {
        let stream = |i| Stream::new(plan.seed, Purpose::Flip, i as u64);
        let streams: Vec<Stream> = (first..end).map(stream).collect();
        let (mut tables, mut sums) = ([[0.0; ENTRIES]; GROUP], [0.0; TILE]);
        let sums = &mut sums[..streams.len()];
        flipped_sums(differences, &streams, &mut tables, sums);
        sums.iter().filter(|sum| sum.abs() >= least).count()
    };
    let per_block = (FLIPS_PER_BLOCK / n / TILE).max(1) * TILE;
    let mut count = 0;
    for start in (0..total).step_by(per_block) {
        if control.is_stopped() {
            return Err(Error::Stopped);
        }
        let end = total.min(start.saturating_add(per_block));
        let tiles = (end - start).div_ceil(TILE);
        let tile = |i: usize| beyond(start + i * TILE, end.min(start + (i + 1) * TILE));
        count += match &pool {
            None => (0..tiles).map(tile).sum::<usize>(),
            Some(pool) => pool.install(|| (0..tiles).into_par_iter().map(tile).sum()),
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
    if control.is_stopped() {
        return Err(Error::Stopped);
    }
    let sizes: Vec<f64> = differences.iter().map(|x| x.abs()).collect();
    let (smallest, largest) =
        sizes.iter().fold((f64::INFINITY, 0.0f64), |(low, high), &x| (low.min(x), high.max(x)));
    if largest - smallest <= TIE_TOLERANCE * largest {
        // A measure that is 0 or 1: the sum is that of the signs, however many there are.
        let wins = differences.iter().filter(|&&x| x > 0.0).count();
        return Ok(Test { p: sign_test(wins, n - wins), exact: true });
    }
    let tolerance = TIE_TOLERANCE.max(4.0 * n as f64 * f64::EPSILON);
    let least = differences.iter().sum::<f64>().abs() - tolerance * sizes.iter().sum::<f64>();
    if let Some(p) = share_beyond(&sizes, least) {
        return Ok(Test { p, exact: true });
    }
    let count = count(&differences, least, plan, control)?;
    Ok(Test { p: (count + 1) as f64 / (plan.n_permutations + 1) as f64, exact: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan { n_permutations: 10_000, seed: 5, threads: Some(2) };

    fn p(differences: &[f64], plan: Plan) -> Test {
        test(differences, plan, &Control::default()).expect("threads start")
    }

    /// Too many and too irregular to be counted.
    fn irregular(n: u32) -> Vec<f64> {
        (1..=n).map(|i| f64::from(i).sqrt() * if i % 7 < 3 { -1.0 } else { 0.9 }).collect()
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
    fn differences_of_one_size_are_counted_however_many() {
        let mut differences = vec![0.5; 40_400];
        differences[..20_000].fill(-0.5);
        let found = p(&differences, PLAN);
        // 400 more wins than losses of 40,400: z = (400 - 1) / 201 = 1.985 with continuity.
        assert!(found.exact && (found.p - 0.047_14).abs() < 2e-4, "{found:?}");
        // 100 losses of 250, by either way.
        let sums = share_beyond(&[0.5; 250], 25.0 - 1e-9).expect("251 sums");
        assert!((p(&differences[19_900..20_150], PLAN).p / sums - 1.0).abs() < 1e-12);
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
    fn sampled_sums_are_those_of_the_bits() {
        // 64, one more, and a last word that no group of eight fills.
        for n in [1, 7, 8, 9, 64, 65, 130] {
            let differences = irregular(n);
            let streams: Vec<Stream> = (0..50).map(|i| Stream::new(3, Purpose::Flip, i)).collect();
            let mut sums = [0.0; 50];
            flipped_sums(&differences, &streams, &mut [[0.0; ENTRIES]; GROUP], &mut sums);
            for (sum, stream) in sums.iter().zip(&streams) {
                let signed = differences.iter().enumerate().map(|(i, x)| {
                    if stream.at(i as u64 / 64) >> (i % 64) & 1 == 1 { -x } else { *x }
                });
                assert!((sum - signed.sum::<f64>()).abs() < 1e-10, "{n}");
            }
        }
    }

    #[test]
    fn sampled_p_values_agree_with_the_exact_ones() {
        // 36 differences are counted; drawing from the same ones needs a way around that.
        let differences = irregular(36);
        let exact = p(&differences, PLAN);
        assert!(exact.exact);
        let least = differences.iter().sum::<f64>().abs() - 1e-9;
        let plan = Plan { n_permutations: 100_000, ..PLAN };
        let drawn = count(&differences, least, plan, &Control::default()).expect("runs");
        // Four standard errors of a sampled share.
        let error = (exact.p * (1.0 - exact.p) / 1e5).sqrt();
        assert!((exact.p - drawn as f64 / 1e5).abs() < 4.0 * error, "{exact:?} {drawn}");
    }

    #[test]
    fn p_is_the_same_for_any_number_of_threads_and_never_zero() {
        let differences = irregular(1000);
        let once = p(&differences, Plan { threads: Some(1), ..PLAN });
        assert!(!once.exact && once.p > 0.001 && once.p < 1.0, "{once:?}");
        assert_eq!(once, p(&differences, Plan { threads: Some(3), ..PLAN }));
        assert_ne!(once, p(&differences, Plan { seed: 6, ..PLAN }));
        let one_sided: Vec<f64> = differences.iter().map(|x| x.abs()).collect();
        assert_eq!(p(&one_sided, PLAN), Test { p: 1.0 / 10_001.0, exact: false });
    }

    #[test]
    fn queries_without_a_difference_change_nothing() {
        let differences = irregular(400);
        let mut padded = vec![0.0; 123];
        padded.extend(&differences);
        assert_eq!(p(&differences, PLAN), p(&padded, PLAN));
    }

    #[test]
    fn a_stopped_test_says_so_whether_it_counts_or_draws() {
        let control = Control::default();
        control.stop();
        for n in [20, 200] {
            assert_eq!(test(&irregular(n), PLAN, &control), Err(Error::Stopped));
        }
    }

    #[test]
    fn a_sample_that_is_under_way_can_be_stopped() {
        // 2^50 arrangements would take years: the test ends only because the count looks.
        let control = Control::default();
        std::thread::scope(|scope| {
            const PLAN_OF_AGES: Plan = Plan { n_permutations: 1 << 50, ..PLAN };
            let running = scope.spawn(|| test(&irregular(100), PLAN_OF_AGES, &control));
            std::thread::sleep(std::time::Duration::from_millis(20));
            control.stop();
            assert_eq!(running.join().expect("no panic"), Err(Error::Stopped));
        });
    }
}
