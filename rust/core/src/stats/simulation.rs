//! How often a test would find a difference, by drawing samples from the differences measured.

use rayon::prelude::*;

use super::counter::{Purpose, Stream};
use super::student;
use crate::error::{Error, Result};
use crate::threads::{self, Control};

/// Draws between two looks at [`Control`].
const DRAWS_PER_BLOCK: usize = 1 << 24;
/// Samples that one task draws.
const TASK: usize = 64;

/// What to draw.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Level of the two-sided test.
    pub alpha: f64,
    /// Queries of the largest sample, at least 2.
    pub most_queries: usize,
    /// Samples, at least 1.
    pub n_simulations: usize,
    /// Seed.
    pub seed: u64,
    /// Threads; the result does not depend on them.
    pub threads: Option<usize>,
}

/// Draws places with given weights in constant time.
///
/// Walker, "An efficient method for generating discrete random variables with general
/// distributions", ACM Transactions on Mathematical Software 3(3), 1977.
struct Urn {
    /// Chance, of 2^32, to stay at a place, and where to go else.
    slots: Vec<(u64, u32)>,
}

impl Urn {
    fn new(weights: &[f64]) -> Self {
        let (n, total) = (weights.len(), weights.iter().sum::<f64>());
        let mut shares: Vec<f64> = weights.iter().map(|w| w / total * n as f64).collect();
        let mut slots: Vec<(u64, u32)> = (0..n).map(|i| (1 << 32, i as u32)).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..n).partition(|&i| shares[i] < 1.0);
        while let (Some(&poor), Some(&rich)) = (small.last(), large.last()) {
            small.pop();
            slots[poor] = ((shares[poor] * 2f64.powi(32)) as u64, rich as u32);
            shares[rich] -= 1.0 - shares[poor];
            if shares[rich] < 1.0 {
                large.pop();
                small.push(rich);
            }
        }
        Self { slots }
    }

    fn draw(&self, bits: u64) -> usize {
        let place = (((bits >> 32) * self.slots.len() as u64) >> 32) as usize;
        let (stay, other) = self.slots[place];
        if bits & 0xFFFF_FFFF < stay { place } else { other as usize }
    }
}

/// Weights of `differences` under which their mean is `target`: those that change the measured
/// distribution least (exponential tilting), so that queries without a difference stay queries
/// without a difference. `None` unless some differences lie on either side of the target.
#[must_use]
pub fn tilted(differences: &[f64], target: f64) -> Option<Vec<f64>> {
    let ends = |(low, high): (f64, f64), &x: &f64| (low.min(x), high.max(x));
    let (low, high) = differences.iter().fold((f64::INFINITY, f64::NEG_INFINITY), ends);
    // Written so that NaN is refused as well.
    if !(low < target && target < high) {
        return None;
    }
    let scale = high - low;
    let weigh = |tilt: f64| -> (Vec<f64>, f64) {
        let best = if tilt > 0.0 { high } else { low };
        let weights: Vec<f64> =
            differences.iter().map(|x| (tilt * (x - best) / scale).exp()).collect();
        let sum: f64 = weights.iter().zip(differences).map(|(w, x)| w * (x - target)).sum();
        (weights, sum)
    };
    let (mut left, mut right) = (-1.0, 1.0);
    while weigh(left).1 > 0.0 && left > -1e6 {
        left *= 2.0;
    }
    while weigh(right).1 < 0.0 && right < 1e6 {
        right *= 2.0;
    }
    for _ in 0..100 {
        let middle = 0.5 * (left + right);
        if weigh(middle).1 < 0.0 { left = middle } else { right = middle }
    }
    Some(weigh(0.5 * (left + right)).0)
}

/// The share of samples of 2, 3 ... `most_queries` queries in which Student's paired test at
/// `alpha` finds a mean difference of the sign of `direction`; entry i is of i + 2 queries.
///
/// Samples of all sizes share their first queries.
///
/// # Errors
/// [`Error::Stopped`] if `control` says so; else as [`threads::resolve`] and [`threads::pool`].
///
/// # Panics
/// If `weights` are not one per difference, or `most_queries` is less than 2.
pub fn detection_shares(
    differences: &[f64],
    weights: &[f64],
    direction: f64,
    plan: Plan,
    control: &Control,
) -> Result<Vec<f64>> {
    assert!(weights.len() == differences.len() && plan.most_queries > 1, "weights and queries");
    let urn = Urn::new(weights);
    let towards: Vec<f64> = differences.iter().map(|x| x * direction.signum()).collect();
    let critical: Vec<f64> = (2..=plan.most_queries)
        .map(|n| student::exceeded(0.5 * plan.alpha, (n - 1) as f64).powi(2))
        .collect();
    let tasks = |range: std::ops::Range<usize>| {
        let mut found = vec![0u32; plan.most_queries - 1];
        for i in range {
            let stream = Stream::new(plan.seed, Purpose::Simulate, i as u64);
            let (mut sum, mut squares) = (0.0, 0.0);
            for n in 1..=plan.most_queries {
                let x = towards[urn.draw(stream.at(n as u64))];
                sum += x;
                squares += x * x;
                if n > 1 && sum > 0.0 {
                    // t^2 = (n - 1) sum^2 / (n squares - sum^2); without spread t is infinite.
                    let n_f = n as f64;
                    let spread = (n_f * squares - sum * sum).max(0.0);
                    let beyond = (n_f - 1.0) * sum * sum >= critical[n - 2] * spread;
                    found[n - 2] += u32::from(beyond && spread > 1e-12 * n_f * squares);
                }
            }
        }
        found
    };
    let add = |mut a: Vec<u32>, b: Vec<u32>| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        a
    };
    let threads = threads::resolve(plan.threads)?;
    let pool = if threads == 1 { None } else { Some(threads::pool(threads)?) };
    let mut counts = vec![0; plan.most_queries - 1];
    let per_block = (DRAWS_PER_BLOCK / plan.most_queries / TASK).max(1) * TASK;
    for start in (0..plan.n_simulations).step_by(per_block) {
        if control.is_stopped() {
            return Err(Error::Stopped);
        }
        let end = plan.n_simulations.min(start + per_block);
        let found = match &pool {
            None => tasks(start..end),
            Some(pool) => pool.install(|| {
                let n = (end - start).div_ceil(TASK);
                let task = |i: usize| tasks(start + i * TASK..end.min(start + (i + 1) * TASK));
                let none = || vec![0; plan.most_queries - 1];
                (0..n).into_par_iter().map(task).reduce(none, add)
            }),
        };
        counts = add(counts, found);
    }
    Ok(counts.into_iter().map(|count| f64::from(count) / plan.n_simulations as f64).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan =
        Plan { alpha: 0.05, most_queries: 300, n_simulations: 4_000, seed: 1, threads: Some(2) };

    #[test]
    fn urns_give_places_their_share() {
        let urn = Urn::new(&[0.5, 0.0, 2.0, 1.5]);
        let stream = Stream::new(0, Purpose::Simulate, 0);
        let mut counts = [0u32; 4];
        for i in 0..80_000 {
            counts[urn.draw(stream.at(i))] += 1;
        }
        // Shares of 1/8, 0, 1/2, 3/8; four standard errors are about 560.
        assert_eq!(counts[1], 0);
        for (count, expected) in counts.iter().zip([10_000, 0, 40_000, 30_000]) {
            assert!(count.abs_diff(expected) < 560, "{counts:?}");
        }
    }

    #[test]
    fn tilting_moves_the_mean_and_keeps_who_ties_alike() {
        let differences = [-1.0, 0.0, 0.0, 0.0, 1.0, 1.0];
        let weights = tilted(&differences, 0.1).expect("within reach");
        let total: f64 = weights.iter().sum();
        let mean = weights.iter().zip(&differences).map(|(w, x)| w * x).sum::<f64>() / total;
        assert!((mean - 0.1).abs() < 1e-12, "{mean}");
        assert!(weights[1] == weights[2] && weights[4] == weights[5]);
        // Nothing to change: 1/6 is the mean already.
        let same = tilted(&differences, 1.0 / 6.0).expect("within reach");
        assert!(same.iter().all(|w| (w / same[0] - 1.0).abs() < 1e-9), "{same:?}");
        for out_of_reach in [1.0, -1.0, 2.0, f64::NAN] {
            assert_eq!(tilted(&differences, out_of_reach), None);
        }
        assert_eq!(tilted(&[0.2; 5], 0.2), None);
    }

    fn shares(differences: &[f64], weights: &[f64], plan: Plan) -> Vec<f64> {
        detection_shares(differences, weights, 1.0, plan, &Control::default()).expect("runs")
    }

    #[test]
    fn normal_differences_are_found_as_often_as_the_noncentral_t_says() {
        // 999 quantiles of a normal distribution, mean 0.2 deviations.
        let differences: Vec<f64> = (1..1000)
            .map(|i| 0.2 + super::super::normal::quantile(f64::from(i) / 1000.0))
            .collect();
        let found = shares(&differences, &[1.0; 999], PLAN);
        for n in [20usize, 100, 199, 300] {
            let df = (n - 1) as f64;
            let critical = student::exceeded(0.025, df);
            let theory = 1.0 - student::shifted_below(critical, df, 0.2 * (n as f64).sqrt());
            // Four standard errors of 4,000 samples are 0.032.
            assert!((found[n - 2] - theory).abs() < 0.032, "{n} {} {theory}", found[n - 2]);
        }
    }

    #[test]
    fn shares_are_the_same_for_any_number_of_threads() {
        let differences = [-0.5, 0.0, 0.0, 0.25, 1.0];
        let weights = [1.0, 2.0, 1.0, 1.0, 0.5];
        let once = shares(&differences, &weights, Plan { threads: Some(1), ..PLAN });
        assert_eq!(once, shares(&differences, &weights, Plan { threads: Some(3), ..PLAN }));
        assert_ne!(once, shares(&differences, &weights, Plan { seed: 2, ..PLAN }));
    }

    #[test]
    fn a_stopped_simulation_says_so() {
        let control = Control::default();
        control.stop();
        let found = detection_shares(&[-1.0, 1.0], &[1.0, 2.0], 1.0, PLAN, &control);
        assert_eq!(found, Err(Error::Stopped));
    }
}
