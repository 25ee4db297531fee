//! Confidence intervals of a mean over queries, by the bootstrap.
//!
//! Bias-corrected and accelerated (`BCa`): Efron, "Better bootstrap confidence intervals",
//! Journal of the American Statistical Association 82(397), 1987. The acceleration is the
//! jackknife's, which for a mean is the sum of cubed deviations over 6 times the power 3/2 of
//! the sum of squared ones.

use rayon::prelude::*;

use super::counter::{Purpose, Stream};
use super::{mean, normal};
use crate::error::{Error, Result};
use crate::threads::{self, Control};

/// Draws between two looks at [`Control`], per call: a few tens of milliseconds.
const DRAWS_PER_BLOCK: usize = 1 << 24;
/// Up to this many draws, waking other threads costs more than it saves.
const DRAWS_OF_ONE_THREAD: usize = 1 << 16;
/// Most means that one call keeps, columns times resamples: 1 GiB.
pub const MOST_MEANS: usize = 1 << 27;
/// Indices drawn at once: they stay in the first-level cache.
const CHUNK: usize = 1024;

/// How an interval was computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Bias-corrected and accelerated.
    Bca,
    /// Plain percentiles: the correction or the acceleration is not defined for these values.
    Percentile,
    /// All values are equal, so every resample is too: both ends are that value.
    Constant,
}

/// A confidence interval of a mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// How it was computed.
    pub method: Method,
}

/// What to draw.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Probability to be covered, in (0, 1).
    pub confidence: f64,
    /// Whether to take plain percentiles, without correcting for bias and skew.
    pub percentile: bool,
    /// Resamples, at least 1.
    pub n_resamples: usize,
    /// Seed; equal seeds draw equal resamples for every set of values of one length.
    pub seed: u64,
    /// Threads; the result does not depend on them.
    pub threads: Option<usize>,
}

/// Adds up `values` at random places, in a fixed order of additions.
fn resampled_sums(columns: &[&[f64]], stream: Stream, indices: &mut [u32], sums: &mut [f64]) {
    let n = columns[0].len();
    sums.fill(0.0);
    for start in (0..n).step_by(CHUNK) {
        let chunk = &mut indices[..CHUNK.min(n - start)];
        stream.below(n as u32, start as u64, chunk);
        for (sum, values) in sums.iter_mut().zip(columns) {
            // Four sums hide the latency of the addition.
            let mut lanes = [0.0; 4];
            let mut quads = chunk.chunks_exact(4);
            for quad in &mut quads {
                for (lane, &i) in lanes.iter_mut().zip(quad) {
                    *lane += values[i as usize];
                }
            }
            let rest: f64 = quads.remainder().iter().map(|&i| values[i as usize]).sum();
            *sum += (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]) + rest;
        }
    }
}

/// The value at probability `p` of sorted values, interpolated linearly between neighbours.
fn percentile(sorted: &[f64], p: f64) -> f64 {
    let place = p.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let below = place.floor();
    let low = sorted[below as usize];
    let high = sorted[(below as usize + 1).min(sorted.len() - 1)];
    low + (place - below) * (high - low)
}

/// The share of resamples below the estimate; half of the equal ones count. Resampled sums carry
/// rounding noise, so "equal" allows for the rounding of a sum of `n` terms.
fn share_below(sorted: &[f64], estimate: f64, slack: f64) -> f64 {
    let below = sorted.partition_point(|&x| x < estimate - slack);
    let up_to = sorted.partition_point(|&x| x <= estimate + slack);
    (below + up_to) as f64 / (2 * sorted.len()) as f64
}

fn interval(values: &[f64], means: &mut [f64], plan: Plan) -> Interval {
    if values.iter().all(|&x| x == values[0]) {
        return Interval { low: values[0], high: values[0], method: Method::Constant };
    }
    means.sort_unstable_by(f64::total_cmp);
    let n = values.len() as f64;
    let estimate = mean(values);
    let mass = values.iter().map(|x| x.abs()).sum::<f64>() / n;
    let bias = normal::quantile(share_below(means, estimate, 2.0 * n * f64::EPSILON * mass));
    let (squares, cubes) = values.iter().fold((0.0, 0.0), |(squares, cubes), x| {
        let deviation = x - estimate;
        (squares + deviation * deviation, cubes + deviation * deviation * deviation)
    });
    let acceleration = cubes / (6.0 * squares.powf(1.5));
    let tail = (1.0 - plan.confidence) / 2.0;
    let level = |p: f64| {
        let shifted = bias + normal::quantile(p);
        let stretch = 1.0 - acceleration * shifted;
        // Past a stretch of 0 the transformation folds back and orders nothing.
        (stretch > 0.0).then(|| normal::cdf(bias + shifted / stretch))
    };
    let ends = if !plan.percentile && bias.is_finite() && acceleration.is_finite() {
        level(tail).zip(level(1.0 - tail))
    } else {
        None
    };
    let (method, (low, high)) =
        ends.map_or((Method::Percentile, (tail, 1.0 - tail)), |ends| (Method::Bca, ends));
    Interval { low: percentile(means, low), high: percentile(means, high), method }
}

/// The means of all resamples: a row per resample, a column per column.
fn resampled_means(columns: &[&[f64]], plan: Plan, control: &Control) -> Result<Vec<f64>> {
    let (n, width) = (columns[0].len(), columns.len());
    let mut means = vec![0.0; width * plan.n_resamples];
    let threads = threads::resolve(plan.threads)?;
    let serial = threads == 1 || means.len().saturating_mul(n) <= DRAWS_OF_ONE_THREAD;
    let pool = if serial { None } else { Some(threads::pool(threads)?) };
    let per_block = (DRAWS_PER_BLOCK / (n * width)).max(1);
    for (block, part) in means.chunks_mut(per_block * width).enumerate() {
        if control.is_stopped() {
            return Err(Error::Stopped);
        }
        let fill = |indices: &mut [u32; CHUNK], (i, sums): (usize, &mut [f64])| {
            let resample = block * per_block + i;
            let stream = Stream::new(plan.seed, Purpose::Resample, resample as u64);
            resampled_sums(columns, stream, indices, sums);
            for sum in sums {
                *sum /= n as f64;
            }
        };
        match &pool {
            None => {
                let mut indices = [0; CHUNK];
                part.chunks_mut(width).enumerate().for_each(|row| fill(&mut indices, row));
            }
            Some(pool) => pool.install(|| {
                part.par_chunks_mut(width).enumerate().for_each_init(|| [0; CHUNK], fill);
            }),
        }
    }
    Ok(means)
}

/// The interval of each column's mean; the columns are of one length, at least 1, and every
/// resample draws the same queries of all of them.
///
/// # Errors
/// [`Error::Stopped`] if `control` says so; else as [`threads::resolve`] and [`threads::pool`].
///
/// # Panics
/// If a column is empty or of another length than the first, if there are no resamples, or if
/// columns times resamples exceed [`MOST_MEANS`].
pub fn intervals(columns: &[&[f64]], plan: Plan, control: &Control) -> Result<Vec<Interval>> {
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let n = columns[0].len();
    assert!(n > 0 && columns.iter().all(|values| values.len() == n), "columns of one length");
    let n_means = columns.len().checked_mul(plan.n_resamples);
    assert!(n_means.is_some_and(|n| (1..=MOST_MEANS).contains(&n)), "resamples within bounds");
    let means = resampled_means(columns, plan, control)?;
    let mut column = vec![0.0; plan.n_resamples];
    Ok(columns
        .iter()
        .enumerate()
        .map(|(i, values)| {
            for (target, row) in column.iter_mut().zip(means.chunks_exact(columns.len())) {
                *target = row[i];
            }
            interval(values, &mut column, plan)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan {
        confidence: 0.95,
        percentile: false,
        n_resamples: 4_000,
        seed: 11,
        threads: Some(2),
    };

    fn one(values: &[f64], plan: Plan) -> Interval {
        intervals(&[values], plan, &Control::default()).expect("threads start")[0]
    }

    #[test]
    fn intervals_are_the_same_for_any_number_of_threads() {
        let values: Vec<f64> = (0..1500).map(|i| f64::from(i * i % 97) / 97.0).collect();
        let once = one(&values, Plan { threads: Some(1), ..PLAN });
        assert_eq!(once, one(&values, Plan { threads: Some(3), ..PLAN }));
        assert_ne!(once, one(&values, Plan { seed: 12, ..PLAN }));
    }

    #[test]
    fn a_column_does_not_depend_on_its_neighbours() {
        let a: Vec<f64> = (0..200).map(|i| f64::from(i % 7)).collect();
        let b: Vec<f64> = (0..200).map(|i| f64::from(i % 11)).collect();
        let both = intervals(&[&a, &b], PLAN, &Control::default()).expect("threads start");
        assert_eq!(both, [one(&a, PLAN), one(&b, PLAN)]);
    }

    #[test]
    fn equal_values_and_single_queries_have_no_width() {
        let constant = Interval { low: 0.3, high: 0.3, method: Method::Constant };
        assert_eq!(one(&[0.3; 50], PLAN), constant);
        assert_eq!(one(&[0.3], PLAN), constant);
    }

    #[test]
    fn two_queries_span_their_values() {
        // A quarter of the resamples is (0, 0) and a quarter (1, 1): both ends are reached.
        let two = one(&[0.0, 1.0], PLAN);
        assert_eq!((two.low, two.high), (0.0, 1.0));
    }

    #[test]
    fn a_symmetric_sample_gets_the_interval_of_the_normal_theory() {
        let values: Vec<f64> = (0..401).map(|i| f64::from(i) / 400.0).collect();
        let found = one(&values, Plan { n_resamples: 20_000, ..PLAN });
        // Standard deviation of the mean 0.289 / sqrt(401) = 0.01445; the percentile's own
        // Monte-Carlo error at 20,000 resamples is about 0.02 of that.
        let half = 1.96 * (1.0 / 12.0_f64).sqrt() / 401f64.sqrt();
        assert_eq!(found.method, Method::Bca);
        assert!((found.low - (0.5 - half)).abs() < 0.08 * half, "{found:?}");
        assert!((found.high - (0.5 + half)).abs() < 0.08 * half, "{found:?}");
    }

    #[test]
    fn skew_moves_both_ends_towards_the_long_tail() {
        let values: Vec<f64> = (0..60).map(|i| if i % 20 == 0 { 1.0 } else { 0.0 }).collect();
        let found = one(&values, PLAN);
        let estimate = 0.05;
        assert!(found.high - estimate > estimate - found.low, "{found:?}");
        assert_eq!(found.method, Method::Bca);
    }

    #[test]
    fn an_estimate_outside_all_resamples_falls_back_to_percentiles() {
        // One resample cannot straddle the mean of these values unless it hits it.
        let found = one(&[0.0, 0.0, 1.0], Plan { n_resamples: 1, ..PLAN });
        assert!(matches!(found.method, Method::Percentile | Method::Bca));
        let mut means = [0.7, 0.8];
        let outside = interval(&[0.0, 1.0], &mut means, PLAN);
        assert_eq!(outside.method, Method::Percentile);
        assert!((outside.low - 0.7025).abs() < 1e-12 && (outside.high - 0.7975).abs() < 1e-12);
    }

    #[test]
    fn bca_levels_of_a_hand_computed_case() {
        // 101 evenly spaced means, 60 of them below the estimate 0.6 and one equal to it:
        // bias = quantile(60.5 / 101). The values have zero third moment, so no acceleration:
        // the ends are the levels cdf(2 * bias -+ 1.96).
        let mut means: Vec<f64> = (0..101).map(|i| f64::from(i) / 100.0).collect();
        let found = interval(&[0.2, 1.0], &mut means, PLAN);
        let bias = normal::quantile(60.5 / 101.0);
        let z = normal::quantile(0.975);
        assert!((found.low - normal::cdf(2.0 * bias - z)).abs() < 1e-12, "{found:?}");
        assert!((found.high - normal::cdf(2.0 * bias + z)).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn plain_percentiles_are_those_of_the_resampled_means() {
        let mut means: Vec<f64> = (0..101).map(|i| f64::from(i) / 100.0).collect();
        let found = interval(&[0.2, 1.0], &mut means, Plan { percentile: true, ..PLAN });
        assert_eq!(found.method, Method::Percentile);
        assert!((found.low - 0.025).abs() < 1e-12 && (found.high - 0.975).abs() < 1e-12);
    }

    #[test]
    fn no_two_resamples_draw_the_same_queries_also_across_blocks() {
        let values: Vec<f64> = (0..6000).map(|i| f64::from(i).sqrt()).collect();
        // 24 million draws: more than one block.
        assert!(values.len() * PLAN.n_resamples > DRAWS_PER_BLOCK);
        let mut means = resampled_means(&[&values], PLAN, &Control::default()).expect("runs");
        means.sort_unstable_by(f64::total_cmp);
        means.dedup();
        assert_eq!(means.len(), PLAN.n_resamples);
    }

    #[test]
    fn a_stopped_job_says_so() {
        let control = Control::default();
        control.stop();
        assert_eq!(intervals(&[&[0.0, 1.0]], PLAN, &control), Err(Error::Stopped));
    }
}
