//! The exact distribution of a sum whose terms flip their signs.
//!
//! Equal sums are kept once, so the list grows with the number of *distinct* sums: n + 1 of them
//! where all differences have one size, as for a measure that is 0 or 1, and 2^n where no two sums
//! agree. The terms are dealt to two halves and the halves' lists are matched from both ends
//! (Horowitz and Sahni, "Computing partitions with applications to the knapsack problem", Journal
//! of the ACM 21(2), 1974), which squares what can be counted.

/// Most distinct sums that one half may have; two arrays of 2 MiB each.
const MOST_SUMS: usize = 1 << 18;
/// Most sums that one half may write: some milliseconds.
const MOST_WORK: usize = 1 << 21;
/// Lists below this size are not worth judging by their growth.
const SMALL: usize = 1 << 12;

/// Distinct sums of some signed terms, ascending, and the share of arrangements that gives each.
struct Sums {
    values: Vec<f64>,
    shares: Vec<f64>,
}

impl Sums {
    /// The sums with one term more. Those that differ by no more than `slack` are one.
    fn with(&self, term: f64, slack: f64) -> Self {
        let n = self.values.len();
        let (mut values, mut shares) = (Vec::with_capacity(2 * n), Vec::with_capacity(2 * n));
        let (mut minus, mut plus) = (0, 0);
        while minus < n || plus < n {
            let low = self.values.get(minus).map_or(f64::INFINITY, |x| x - term);
            let high = self.values.get(plus).map_or(f64::INFINITY, |x| x + term);
            let (value, share) = if low <= high {
                minus += 1;
                (low, 0.5 * self.shares[minus - 1])
            } else {
                plus += 1;
                (high, 0.5 * self.shares[plus - 1])
            };
            match (values.last(), shares.last_mut()) {
                (Some(last), Some(total)) if value - last <= slack => *total += share,
                _ => {
                    values.push(value);
                    shares.push(share);
                }
            }
        }
        Self { values, shares }
    }

    /// The sums of all `terms`, which are positive and ascending; `None` where there are too many.
    fn of(terms: &[f64], slack: f64) -> Option<Self> {
        let mut sums = Self { values: vec![0.0], shares: vec![1.0] };
        let mut work = 0;
        for (i, &term) in terms.iter().enumerate() {
            let before = sums.values.len();
            sums = sums.with(term, slack);
            let after = sums.values.len();
            work += after;
            if after > SMALL && hopeless(before, after, i + 1, terms.len()) {
                return None;
            }
            if after > MOST_SUMS || work > MOST_WORK {
                return None;
            }
        }
        Some(sums)
    }
}

/// Whether lists that grew so over the first `done` of `n` terms will exceed the limits: sums that
/// still double go on to, and others grow at least in proportion, for the terms ascend.
fn hopeless(before: usize, after: usize, done: usize, n: usize) -> bool {
    let doubles = after as f64 > 1.9 * before as f64;
    let per_term = after as f64 / done as f64;
    let work = 0.5 * per_term * (n * n) as f64;
    (doubles && after > MOST_SUMS >> (n - done).min(18))
        || (!doubles && (per_term * n as f64 > MOST_SUMS as f64 || work > MOST_WORK as f64))
}

/// The share of all sign arrangements of `terms` whose sum is at least `least` in size, or `None`
/// where counting them takes too long. The terms are positive and finite.
///
/// Sums that differ by less than a tenth of 1e-12 of the sum of all terms are taken for equal.
pub(super) fn share_beyond(terms: &[f64], least: f64) -> Option<f64> {
    if least <= 0.0 {
        return Some(1.0);
    }
    let mut sorted = terms.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let slack = 1e-13 * sorted.iter().sum::<f64>();
    // Equal terms are dealt to both halves in turn: each gets short.
    let even: Vec<f64> = sorted.iter().copied().step_by(2).collect();
    let odd: Vec<f64> = sorted.iter().copied().skip(1).step_by(2).collect();
    let (even, odd) = (Sums::of(&even, slack)?, Sums::of(&odd, slack)?);
    // While one half's sums ascend, the least partner from the other half descends.
    let (mut partner, mut tail, mut share) = (odd.values.len(), 0.0, 0.0);
    for (value, own) in even.values.iter().zip(&even.shares) {
        while partner > 0 && value + odd.values[partner - 1] >= least {
            partner -= 1;
            tail += odd.shares[partner];
        }
        share += own * tail;
    }
    // The distribution is symmetric. Past a thousand terms a single arrangement's share underflows.
    Some((2.0 * share).clamp(f64::MIN_POSITIVE, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts one arrangement after the other.
    fn counted(terms: &[f64], least: f64) -> f64 {
        let all = 1u32 << terms.len();
        let extreme = (0..all).filter(|bits| {
            let signed = terms.iter().enumerate();
            let sum: f64 = signed.map(|(i, x)| if bits >> i & 1 == 1 { -x } else { *x }).sum();
            sum.abs() >= least
        });
        extreme.count() as f64 / f64::from(all)
    }

    #[test]
    fn shares_are_those_of_a_count() {
        // Irregular terms: no two sums agree, and none comes near the limits asked for.
        let terms: Vec<f64> = (1..=13).map(|i| f64::from(i).sqrt()).collect();
        for least in [0.5, 3.0, 10.0, 20.0, 30.0, 100.0] {
            let found = share_beyond(&terms, least).expect("8,192 arrangements");
            let expected = counted(&terms, least).max(f64::MIN_POSITIVE);
            assert!((found - expected).abs() < 1e-15, "{least}: {found} {expected}");
        }
    }

    #[test]
    fn equal_terms_follow_the_binomial_distribution_however_many() {
        // |wins - losses| >= 60 of 400: 170 losses or fewer, or as many wins; R's
        // binom.test(170, 400) and scipy's binomtest agree on the value.
        let found = share_beyond(&[0.1; 400], 6.0 - 1e-9).expect("401 sums");
        assert!((found - 0.003_129_016_126_814_517).abs() < 1e-15, "{found}");
        // Underflow of the single shares is no p of 0.
        assert_eq!(share_beyond(&vec![1.0; 3_000], 3_000.0), Some(f64::MIN_POSITIVE));
    }

    #[test]
    fn sums_that_agree_but_for_rounding_are_one() {
        let sums = Sums::of(&[0.1, 0.2, 0.3], 1e-14).expect("few");
        // 0, +-0.2, +-0.4, +-0.6: 0 comes of two arrangements, as f64 also 0.3 - 0.30000000000000004.
        assert_eq!(sums.values.len(), 7);
        assert_eq!(sums.shares, [0.125, 0.125, 0.125, 0.25, 0.125, 0.125, 0.125]);
    }

    #[test]
    fn what_takes_too_long_is_left_to_sampling_at_once() {
        let terms: Vec<f64> = (1..=1000).map(|i| f64::from(i).sqrt()).collect();
        let start = std::time::Instant::now();
        assert_eq!(share_beyond(&terms, 100.0), None);
        // Milliseconds, and generous for a debug build on a busy machine.
        assert!(start.elapsed().as_millis() < 500, "{:?}", start.elapsed());
        // 36 irregular terms are the most that are counted: 2^18 sums in each half.
        assert!(share_beyond(&terms[..36], 100.0).is_some());
        assert_eq!(share_beyond(&terms[..37], 100.0), None);
    }
}
