//! Wilcoxon's signed-rank test: do differences lean to one side, by their ranks?
//!
//! Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1(6), 1945. Pratt,
//! "Remarks on zeros and ties in the Wilcoxon signed rank procedures", Journal of the American
//! Statistical Association 54(287), 1959.

use super::normal;

/// Up to this many nonzero differences the p-value is exact.
pub const MOST_EXACT: usize = 50;
/// Differences that are closer in size than this share of the largest one have one rank.
const TIE_TOLERANCE: f64 = 1e-12;

/// What becomes of queries without a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zeros {
    /// They are left out before ranking (Wilcoxon).
    Wilcox,
    /// They are ranked, and then their ranks are left out (Pratt).
    Pratt,
}

/// The outcome of a test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Test {
    /// Sum of the ranks of the positive differences.
    pub positive: f64,
    /// Sum of the ranks of the negative differences.
    pub negative: f64,
    /// Two-sided p-value, above 0.
    pub p: f64,
    /// Whether p was counted over all signs rather than approximated.
    pub exact: bool,
}

impl Test {
    /// The matched-pairs rank-biserial correlation, from -1 to 1; 0 without any difference.
    ///
    /// Kerby, "The simple difference formula", Comprehensive Psychology 3, 2014.
    #[must_use]
    pub fn rank_biserial(&self) -> f64 {
        let total = self.positive + self.negative;
        if total == 0.0 { 0.0 } else { (self.positive - self.negative) / total }
    }
}

/// Twice the rank of each nonzero difference, and whether it is positive; equal sizes share the
/// mean of their ranks, which is why the ranks are doubled: they stay whole.
fn doubled_ranks(differences: &[f64], zeros: Zeros) -> Vec<(usize, bool)> {
    let mut sizes: Vec<(f64, bool)> =
        differences.iter().filter(|&&x| x != 0.0).map(|&x| (x.abs(), x > 0.0)).collect();
    sizes.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let before = match zeros {
        Zeros::Wilcox => 0,
        Zeros::Pratt => differences.len() - sizes.len(),
    };
    let slack = TIE_TOLERANCE * sizes.last().map_or(0.0, |x| x.0);
    let mut ranks = Vec::with_capacity(sizes.len());
    while ranks.len() < sizes.len() {
        let first = ranks.len();
        let tied = sizes[first..].partition_point(|x| x.0 <= sizes[first].0 + slack);
        // The mean of the ranks first + 1 to first + tied, doubled.
        let rank = 2 * (before + first) + tied + 1;
        ranks.extend(sizes[first..first + tied].iter().map(|&(_, positive)| (rank, positive)));
    }
    ranks
}

/// The share of all signs whose positive ranks sum to `at_most` or less.
fn share_below(ranks: &[(usize, bool)], at_most: usize) -> f64 {
    let total: usize = ranks.iter().map(|x| x.0).sum();
    let mut shares = vec![0.0; total + 1];
    shares[0] = 1.0;
    let mut reach = 0;
    for &(rank, _) in ranks {
        reach += rank;
        for sum in (0..=reach).rev() {
            let added = if sum >= rank { shares[sum - rank] } else { 0.0 };
            shares[sum] = 0.5 * (shares[sum] + added);
        }
    }
    shares[..=at_most].iter().sum()
}

/// Tests whether differences are symmetric about 0. Without any difference p is 1.
///
/// With up to [`MOST_EXACT`] nonzero differences p is exact given the ranks, tied or not; beyond, the
/// normal approximation with its variance corrected for ties, without continuity correction.
#[must_use]
pub fn test(differences: &[f64], zeros: Zeros) -> Test {
    let ranks = doubled_ranks(differences, zeros);
    let total: usize = ranks.iter().map(|x| x.0).sum();
    let positive: usize = ranks.iter().filter(|x| x.1).map(|x| x.0).sum();
    let smaller = positive.min(total - positive);
    let exact = ranks.len() <= MOST_EXACT;
    let p = if 2 * smaller == total {
        1.0
    } else if exact {
        2.0 * share_below(&ranks, smaller)
    } else {
        // In doubled ranks the mean is half their sum, the variance a quarter of their squares.
        let squares: f64 = ranks.iter().map(|x| (x.0 as f64).powi(2)).sum();
        let distance = 0.5 * total as f64 - smaller as f64;
        2.0 * normal::upper(distance / (0.5 * squares.sqrt()))
    };
    Test {
        positive: 0.5 * positive as f64,
        negative: 0.5 * (total - positive) as f64,
        p: p.clamp(f64::MIN_POSITIVE, 1.0),
        exact,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_small_enough_for_the_printed_tables() {
        // Ranks 1 to 5, one negative of rank 2: sums up to 2 come of {}, {1}, {2}: 2 * 3 / 32.
        let found = test(&[1.0, -2.0, 3.0, 4.0, 5.0], Zeros::Wilcox);
        assert_eq!((found.positive, found.negative, found.p), (13.0, 2.0, 6.0 / 32.0));
        assert!(found.exact);
        assert!((found.rank_biserial() - 11.0 / 15.0).abs() < 1e-15);
    }

    #[test]
    fn tied_sizes_share_their_ranks_also_when_rounding_parts_them() {
        // Ranks 2, 2, 2 of three sizes of 0.1, and 4: the negative sum of 2 or less comes of
        // {} and each of the three: 2 * 4 / 16.
        let differences = [0.3 - 0.2, 0.1, -(0.4 - 0.3), 0.7];
        assert!(differences[0] != differences[1]);
        let found = test(&differences, Zeros::Wilcox);
        assert_eq!((found.negative, found.p), (2.0, 0.5));
    }

    #[test]
    fn zeros_are_left_out_before_or_after_ranking() {
        let differences = [0.0, 0.0, 1.0, -2.0, 3.0];
        let wilcox = test(&differences, Zeros::Wilcox);
        assert_eq!((wilcox.positive, wilcox.negative), (4.0, 2.0));
        let pratt = test(&differences, Zeros::Pratt);
        // Ranks 3, 4, 5.
        assert_eq!((pratt.positive, pratt.negative), (8.0, 4.0));
    }

    #[test]
    fn no_difference_is_no_evidence() {
        for zeros in [Zeros::Wilcox, Zeros::Pratt] {
            for differences in [&[][..], &[0.0; 4]] {
                let found = test(differences, zeros);
                assert_eq!((found.p, found.exact, found.rank_biserial()), (1.0, true, 0.0));
            }
        }
    }

    #[test]
    fn the_approximation_continues_the_exact_values() {
        let differences = |n: u32| -> Vec<f64> {
            (1..=n).map(|i| if i % 4 == 0 { -1.0 } else { 1.0 } * f64::from(i)).collect()
        };
        let (exact, normal) =
            (test(&differences(50), Zeros::Wilcox), test(&differences(51), Zeros::Wilcox));
        assert!(exact.exact && !normal.exact);
        let ratio = normal.p / exact.p;
        assert!((0.5..1.5).contains(&ratio), "{exact:?} {normal:?}");
    }
}
