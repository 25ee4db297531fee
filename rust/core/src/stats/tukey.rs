//! Tukey's honestly significant difference: all pairs of systems at once.
//!
//! A pair's p-value is the chance that the *largest* difference between any two systems is as large
//! as that pair's, if no system differs from another; so it answers for all pairs and needs no
//! further correction. Carterette, "Multiple testing in statistical analysis of systems-based
//! information retrieval experiments", ACM Transactions on Information Systems 30(1), 2012.

use rayon::prelude::*;

use super::counter::{Purpose, Stream};
use super::randomisation::{Plan, TIE_TOLERANCE};
use super::{mean, studentised_range};
use crate::error::{Error, Result};
use crate::threads::{self, Control};

/// Values moved between two looks at [`Control`].
const MOVES_PER_BLOCK: usize = 1 << 24;
/// Up to this many values to move, waking other threads costs more than it saves.
const MOVES_OF_ONE_THREAD: usize = 1 << 16;
/// Systems whose order one hash decides: 20! < 2^64.
const OF_ONE_HASH: usize = 12;

/// What is exchanged under the hypothesis that no system differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Design {
    /// The systems' values of one query: queries are blocks, and how hard each is cancels.
    Blocked,
    /// All values: as if each system had answered queries of its own.
    Unblocked,
}

/// The pairs (0, 1), (0, 2) ... (1, 2) ... of `m` systems.
fn pairs(m: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..m).flat_map(move |a| (a + 1..m).map(move |b| (a, b)))
}

fn range(values: &[f64]) -> f64 {
    let ends = values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)));
    ends.1 - ends.0
}

/// Puts `values` in a random order, told by the stream from `*drawn` on.
fn shuffle(values: &mut [f64], stream: Stream, drawn: &mut u64) {
    let mut bits = 0;
    let mut left = 0;
    for i in (1..values.len()).rev() {
        if left == 0 {
            bits = stream.at(*drawn);
            *drawn += 1;
            // Above that many values a hash serves one place only.
            left = if i < OF_ONE_HASH { i } else { 1 };
        }
        // The high word of the product is a number below i + 1, the low word what is left of the
        // chance: mixed radix, biased by less than 13! / 2^64.
        let scaled = u128::from(bits) * (i as u128 + 1);
        values.swap(i, (scaled >> 64) as usize);
        bits = scaled as u64;
        left -= 1;
    }
}

/// The range of the systems' sums after one exchange of values; `rows` are queries.
fn exchanged_range(
    rows: &[f64],
    m: usize,
    design: Design,
    stream: Stream,
    room: &mut Vec<f64>,
) -> f64 {
    let mut sums = vec![0.0; m];
    let mut drawn = 0;
    room.clear();
    match design {
        Design::Blocked => {
            for row in rows.chunks_exact(m) {
                room.clear();
                room.extend_from_slice(row);
                shuffle(room, stream, &mut drawn);
                sums.iter_mut().zip(room.iter()).for_each(|(sum, x)| *sum += x);
            }
        }
        Design::Unblocked => {
            room.extend_from_slice(rows);
            shuffle(room, stream, &mut drawn);
            for row in room.chunks_exact(m) {
                sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
            }
        }
    }
    range(&sums)
}

/// The p-value of each pair of systems by randomisation, (1 + as extreme) / (1 + drawn).
///
/// `columns` are the systems' values of the same queries: two or more, of one length, at least 1.
/// With two systems and [`Design::Blocked`] this is the paired randomisation test, sampled.
///
/// # Errors
/// [`Error::Stopped`] if `control` says so; else as [`threads::resolve`] and [`threads::pool`].
///
/// # Panics
/// If the columns are fewer than two, empty or of different lengths.
pub fn randomised(
    columns: &[&[f64]],
    design: Design,
    plan: Plan,
    control: &Control,
) -> Result<Vec<f64>> {
    let (m, n) = (columns.len(), columns[0].len());
    assert!(m > 1 && n > 0 && columns.iter().all(|x| x.len() == n), "columns of one length");
    // About the query's mean, or the mean of all: what both have in common would only round.
    let centre = |i: usize| columns.iter().map(|x| x[i]).sum::<f64>() / m as f64;
    let common = (0..n).map(centre).sum::<f64>() / n as f64;
    let mut rows = Vec::with_capacity(n * m);
    for i in 0..n {
        let middle = if design == Design::Blocked { centre(i) } else { common };
        rows.extend(columns.iter().map(|x| x[i] - middle));
    }
    let threads = threads::resolve(plan.threads)?;
    let total = plan.n_permutations;
    let serial = threads == 1 || total.saturating_mul(rows.len()) <= MOVES_OF_ONE_THREAD;
    let pool = if serial { None } else { Some(threads::pool(threads)?) };
    let exchanged = |room: &mut Vec<f64>, i: usize| {
        exchanged_range(&rows, m, design, Stream::new(plan.seed, Purpose::Exchange, i as u64), room)
    };
    let per_block = (MOVES_PER_BLOCK / rows.len()).max(1);
    let mut ranges = Vec::new();
    for start in (0..total).step_by(per_block) {
        if control.is_stopped() {
            return Err(Error::Stopped);
        }
        let block = start..total.min(start.saturating_add(per_block));
        match &pool {
            None => {
                let mut room = Vec::new();
                ranges.extend(block.map(|i| exchanged(&mut room, i)));
            }
            Some(pool) => pool.install(|| {
                ranges.par_extend(block.into_par_iter().map_init(Vec::new, &exchanged));
            }),
        }
    }
    ranges.sort_unstable_by(f64::total_cmp);
    let sums: Vec<f64> =
        columns.iter().enumerate().map(|(j, _)| rows.iter().skip(j).step_by(m).sum()).collect();
    let slack = TIE_TOLERANCE.max(4.0 * n as f64 * f64::EPSILON)
        * rows.iter().map(|x| x.abs()).sum::<f64>();
    let p = |(a, b): (usize, usize)| {
        let least = (sums[a] - sums[b]).abs() - slack;
        let beyond = total - ranges.partition_point(|&x| x < least);
        (beyond + 1) as f64 / (total + 1) as f64
    };
    Ok(pairs(m).map(p).collect())
}

/// The p-value of each pair of systems by the analysis of variance; `None` where the values do not
/// vary about the systems' (and, blocked, the queries') means.
///
/// The studentised range distribution with (n - 1)(m - 1) degrees of freedom, or m (n - 1)
/// unblocked. Tukey, "The problem of multiple comparisons", 1953. p is absolute to about 1e-12, and
/// no smaller is told.
///
/// # Panics
/// If the columns are fewer than two, shorter than two or of different lengths.
#[must_use]
pub fn of_variance(columns: &[&[f64]], design: Design) -> Option<Vec<f64>> {
    let (m, n) = (columns.len(), columns[0].len());
    assert!(m > 1 && n > 1 && columns.iter().all(|x| x.len() == n), "columns of one length");
    let means: Vec<f64> = columns.iter().map(|x| mean(x)).collect();
    let all = mean(&means);
    let (mut squares, mut size) = (0.0, 0.0f64);
    for i in 0..n {
        let row = columns.iter().map(|x| x[i]).sum::<f64>() / m as f64;
        let block = if design == Design::Blocked { row - all } else { 0.0 };
        for (values, mean) in columns.iter().zip(&means) {
            squares += (values[i] - mean - block).powi(2);
            size = size.max(values[i].abs());
        }
    }
    let df = match design {
        Design::Blocked => (n - 1) * (m - 1),
        Design::Unblocked => m * (n - 1),
    } as f64;
    let error = (squares / df / n as f64).sqrt();
    if error <= TIE_TOLERANCE * size {
        return None;
    }
    let p = |(a, b): (usize, usize)| {
        studentised_range::upper((means[a] - means[b]).abs() / error, m, df).clamp(1e-12, 1.0)
    };
    Some(pairs(m).map(p).collect())
}

#[cfg(test)]
mod tests {
    use super::super::randomisation;
    use super::*;

    const PLAN: Plan = Plan { n_permutations: 20_000, seed: 2, threads: Some(2) };

    fn p(columns: &[&[f64]], design: Design, plan: Plan) -> Vec<f64> {
        randomised(columns, design, plan, &Control::default()).expect("threads start")
    }

    /// Three systems of 40 queries that are hard or easy for all of them.
    fn systems() -> [Vec<f64>; 3] {
        let hard = |i: i32| f64::from(i * 7 % 40) / 8.0;
        let noise = |i: i32, k: i32| f64::from((i * i * 3 + i * k * 5) % 11) / 11.0;
        [0, 1, 2].map(|k| (0..40).map(|i| hard(i) + noise(i, k + 1) + 0.2 * f64::from(k)).collect())
    }

    #[test]
    fn shuffles_reach_every_order_equally_often() {
        let mut counts = std::collections::HashMap::new();
        for i in 0..24_000 {
            let mut values = [0.0, 1.0, 2.0, 3.0];
            shuffle(&mut values, Stream::new(1, Purpose::Exchange, i), &mut 0);
            *counts.entry(values.map(|x| x as u8)).or_insert(0u32) += 1;
        }
        assert_eq!(counts.len(), 24);
        // Chi-squared with 23 degrees of freedom exceeds 49.7 once in a thousand.
        let chi: f64 = counts.values().map(|&c| (f64::from(c) - 1e3).powi(2) / 1e3).sum();
        assert!(chi < 49.7, "{chi}");
    }

    #[test]
    fn long_shuffles_keep_the_values_and_use_fresh_bits() {
        let mut values: Vec<f64> = (0..40).map(f64::from).collect();
        let mut drawn = 0;
        shuffle(&mut values, Stream::new(1, Purpose::Exchange, 0), &mut drawn);
        // 28 places of 12 and more, and one hash for the rest.
        assert_eq!(drawn, 29);
        assert!(values.windows(2).any(|pair| pair[0] > pair[1]));
        values.sort_unstable_by(f64::total_cmp);
        assert!(values.iter().enumerate().all(|(i, &x)| x == i as f64));
    }

    #[test]
    fn two_systems_have_the_p_of_the_randomisation_test() {
        let [a, b, _] = systems();
        let differences: Vec<f64> = a.iter().zip(&b).map(|(a, b)| b - a).collect();
        let plan = Plan { n_permutations: 100_000, ..PLAN };
        let paired = randomisation::test(&differences, plan, &Control::default()).expect("runs").p;
        let found = p(&[&a, &b], Design::Blocked, plan)[0];
        let error = (2.0 * paired * (1.0 - paired) / 1e5).sqrt();
        assert!(paired > 1e-4 && (found - paired).abs() < 4.0 * error, "{found} {paired}");
    }

    #[test]
    fn blocks_find_what_hard_and_easy_queries_hide() {
        let [a, b, c] = systems();
        let columns = [&a[..], &b, &c];
        let (blocked, unblocked) =
            (p(&columns, Design::Blocked, PLAN), p(&columns, Design::Unblocked, PLAN));
        assert!(blocked[1] < 0.01 && unblocked[1] > 0.1, "{blocked:?} {unblocked:?}");
        // The pair of the largest difference has the smallest p of all.
        assert!(blocked[1] <= blocked[0] && blocked[1] <= blocked[2]);
        let (blocked, unblocked) = (
            of_variance(&columns, Design::Blocked).expect("they vary"),
            of_variance(&columns, Design::Unblocked).expect("they vary"),
        );
        assert!(blocked[1] < 0.01 && unblocked[1] > 0.1, "{blocked:?} {unblocked:?}");
    }

    #[test]
    fn p_is_the_same_for_any_number_of_threads() {
        let [a, b, c] = systems();
        for design in [Design::Blocked, Design::Unblocked] {
            let once = p(&[&a, &b, &c], design, Plan { threads: Some(1), ..PLAN });
            assert_eq!(once, p(&[&a, &b, &c], design, Plan { threads: Some(3), ..PLAN }));
        }
    }

    #[test]
    fn systems_that_agree_everywhere_are_no_evidence() {
        let values = [0.3, 0.7, 0.1];
        assert_eq!(p(&[&values, &values, &values], Design::Blocked, PLAN), [1.0; 3]);
        assert_eq!(of_variance(&[&values, &values], Design::Blocked), None);
        assert_eq!(p(&[&[0.4], &[0.4]], Design::Unblocked, PLAN), [1.0]);
    }

    #[test]
    fn a_stopped_test_says_so() {
        let control = Control::default();
        control.stop();
        let found = randomised(&[&[0.0, 1.0], &[1.0, 0.0]], Design::Blocked, PLAN, &control);
        assert_eq!(found, Err(Error::Stopped));
    }
}
