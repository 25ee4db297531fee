//! Intervals of a mean that hold at every moment at once, however often one looks.

/// How the intervals are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// As the central limit theorem: for any values of finite variance, once enough were seen.
    ///
    /// Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and
    /// asymptotic confidence sequences", Annals of Statistics 52(6), 2024, theorem 2.2.
    Asymptotic {
        /// The number of values at which the interval is to be tightest.
        tightest_at: f64,
    },
    /// For values within bounds, at every number of values without approximation.
    ///
    /// Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", Journal
    /// of the Royal Statistical Society B 86(1), 2024, theorem 2 (empirical Bernstein).
    Bounded {
        /// Least value there can be.
        least: f64,
        /// Largest value there can be.
        most: f64,
    },
}

/// A sequence of intervals: after the i-th value, `low[i]` to `high[i]` about `centre[i]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequence {
    /// Mean of the values so far; of the weighted ones for [`Method::Bounded`].
    pub centre: Vec<f64>,
    /// Lower ends.
    pub low: Vec<f64>,
    /// Upper ends.
    pub high: Vec<f64>,
}

/// The intervals after each of `values`; before the `start`-th they say nothing.
///
/// With probability `confidence` the mean lies in all of them. Asymptotic ones say nothing either
/// while all values are equal: no spread can be told.
#[must_use]
pub fn confidence_sequence(
    values: &[f64],
    confidence: f64,
    start: usize,
    method: Method,
) -> Sequence {
    let mut found = match method {
        Method::Asymptotic { tightest_at } => asymptotic(values, 1.0 - confidence, tightest_at),
        Method::Bounded { least, most } => bounded(values, 1.0 - confidence, least, most),
    };
    let (floor, ceiling) = match method {
        Method::Asymptotic { .. } => (f64::NEG_INFINITY, f64::INFINITY),
        Method::Bounded { least, most } => (least, most),
    };
    let silent = start.saturating_sub(1).min(values.len());
    found.low[..silent].fill(floor);
    found.high[..silent].fill(ceiling);
    found
}

fn asymptotic(values: &[f64], alpha: f64, tightest_at: f64) -> Sequence {
    let mut found = Sequence::with_capacity(values.len());
    let spread = -2.0 * alpha.ln();
    let rho2 = (spread + (spread + 1.0).ln()) / tightest_at;
    let (mut mean, mut squares) = (0.0, 0.0);
    let mut size = 0.0f64;
    for (i, x) in values.iter().enumerate() {
        let t = (i + 1) as f64;
        let before = x - mean;
        mean += before / t;
        squares += before * (x - mean);
        size = size.max(x.abs());
        let deviation = (squares / t).sqrt();
        let scaled = t * rho2 + 1.0;
        let margin =
            deviation * (2.0 * scaled / (t * t * rho2) * (scaled.sqrt() / alpha).ln()).sqrt();
        // Rounding leaves a trace of spread where there is none.
        let margin = if deviation <= 1e-12 * size { f64::INFINITY } else { margin };
        found.push(mean, margin);
    }
    found
}

fn bounded(values: &[f64], alpha: f64, least: f64, most: f64) -> Sequence {
    let mut found = Sequence::with_capacity(values.len());
    let width = most - least;
    let evidence = (2.0 / alpha).ln();
    // Mean and variance so far, each begun with one imagined value in the middle.
    let (mut mean, mut variance, mut sum, mut squares) = (0.5, 0.25, 0.5, 0.25);
    let (mut weights, mut weighted, mut penalty) = (0.0, 0.0, 0.0);
    let (mut low, mut high) = (least, most);
    for (i, x) in values.iter().enumerate() {
        let x = (x - least) / width;
        let t = (i + 1) as f64;
        let bet: f64 = (2.0 * evidence / (variance * t * (1.0 + t).ln())).sqrt().min(0.5);
        weights += bet;
        weighted += bet * x;
        penalty += (x - mean).powi(2) * (-(-bet).ln_1p() - bet);
        sum += x;
        mean = sum / (t + 1.0);
        squares += (x - mean).powi(2);
        variance = squares / (t + 1.0);
        let (centre, margin) = (weighted / weights, (evidence + penalty) / weights);
        // What was ruled out once stays ruled out.
        low = low.max(least + width * (centre - margin));
        high = high.min(least + width * (centre + margin));
        found.centre.push(least + width * centre);
        found.low.push(low);
        found.high.push(high);
    }
    found
}

impl Sequence {
    fn with_capacity(n: usize) -> Self {
        let room = || Vec::with_capacity(n);
        Self { centre: room(), low: room(), high: room() }
    }

    fn push(&mut self, centre: f64, margin: f64) {
        self.centre.push(centre);
        self.low.push(centre - margin);
        self.high.push(centre + margin);
    }
}

#[cfg(test)]
mod tests {
    use super::super::counter::{Purpose, Stream};
    use super::*;

    const BOUNDED: Method = Method::Bounded { least: 0.0, most: 1.0 };
    const ASYMPTOTIC: Method = Method::Asymptotic { tightest_at: 200.0 };

    /// Ones with probability 0.9, else 0: skewed, as a measure near its ceiling.
    fn answers(n: u64, seed: u64) -> Vec<f64> {
        let stream = Stream::new(seed, Purpose::Simulate, 0);
        let one = (0.9 * 2f64.powi(64)) as u64;
        (0..n).map(|i| f64::from(u8::from(stream.at(i) < one))).collect()
    }

    /// Differences of two such runs: mostly 0, 1 for a tenth, -1 for a twentieth; mean 1/20.
    fn differences(n: u64, seed: u64) -> Vec<f64> {
        let stream = Stream::new(seed, Purpose::Simulate, 1);
        let twentieth = u64::MAX / 20;
        let difference = |bits: u64| match bits / twentieth {
            0 => -1.0,
            1 | 2 => 1.0,
            _ => 0.0,
        };
        (0..n).map(|i| difference(stream.at(i))).collect()
    }

    /// How many of 1,000 runs have an interval that lacks `mean` at any of 3,000 looks.
    fn misses(draw: fn(u64, u64) -> Vec<f64>, method: Method, start: usize, mean: f64) -> usize {
        let missed = |seed: u64| {
            let found = confidence_sequence(&draw(3000, seed), 0.95, start, method);
            found.low.iter().zip(&found.high).any(|(&low, &high)| mean < low || high < mean)
        };
        (0..1000).filter(|&seed| missed(seed)).count()
    }

    #[test]
    fn daily_looks_are_covered() {
        // A promise of at most 50; looks by a fixed-time 95 % interval would miss in about half
        // of the runs. Three standard errors of 1,000 throws of a coin of 0.05 are 21.
        let paired = misses(differences, ASYMPTOTIC, 100, 0.05);
        assert!((5..=71).contains(&paired), "{paired}");
        let skewed = misses(answers, ASYMPTOTIC, 200, 0.9);
        assert!((5..=71).contains(&skewed), "{skewed}");
        // Without approximation, from the first value on.
        let bounded = misses(answers, BOUNDED, 1, 0.9);
        assert!(bounded <= 50, "{bounded}");
        // And what is false is excluded.
        assert_eq!(misses(answers, ASYMPTOTIC, 200, 0.8), 1000);
        assert_eq!(misses(answers, BOUNDED, 1, 0.8), 1000);
    }

    #[test]
    fn the_asymptotic_margin_is_the_papers() {
        // Values -1 and 1 in turn: after 100 of them mean 0 and deviation 1.
        let values: Vec<f64> = (0..100).map(|i| if i % 2 == 0 { -1.0 } else { 1.0 }).collect();
        let found =
            confidence_sequence(&values, 0.95, 1, Method::Asymptotic { tightest_at: 100.0 });
        // rho^2 = (5.9915 + ln 6.9915) / 100 = 0.079362; t rho^2 + 1 = 8.9362;
        // sqrt(2 * 8.9362 / 793.62 * ln(2.98935 / 0.05)) = sqrt(0.0225202 * 4.09078) = 0.30352.
        assert!((found.high[99] - 0.303_52).abs() < 2e-5, "{}", found.high[99]);
        assert_eq!(found.low[99], -found.high[99]);
        // No other choice of the moment is tighter there by more than the approximation of rho.
        for tightest_at in [20.0, 50.0, 90.0, 110.0, 200.0, 1000.0] {
            let other = confidence_sequence(&values, 0.95, 1, Method::Asymptotic { tightest_at });
            assert!(other.high[99] > found.high[99] - 1e-4, "{tightest_at}");
        }
    }

    #[test]
    fn nothing_is_claimed_before_the_start_and_without_spread() {
        let found = confidence_sequence(&[0.3; 40], 0.95, 1, ASYMPTOTIC);
        assert!(found.low.iter().all(|x| x.is_infinite()) && found.high[39].is_infinite());
        let found = confidence_sequence(&answers(40, 3), 0.95, 30, ASYMPTOTIC);
        assert!(found.high[28].is_infinite() && found.high[29].is_finite());
        let found = confidence_sequence(&answers(40, 3), 0.95, 30, BOUNDED);
        assert_eq!((found.low[28], found.high[28]), (0.0, 1.0));
        assert!(found.low[29] > 0.0);
        let none = confidence_sequence(&[], 0.95, 5, BOUNDED);
        assert!(none.low.is_empty());
    }

    #[test]
    fn bounded_intervals_scale_with_their_bounds() {
        let values = answers(500, 9);
        let shifted: Vec<f64> = values.iter().map(|x| 4.0 * x - 2.0).collect();
        let (unit, wide) = (
            confidence_sequence(&values, 0.9, 1, BOUNDED),
            confidence_sequence(&shifted, 0.9, 1, Method::Bounded { least: -2.0, most: 2.0 }),
        );
        assert!((4.0 * unit.low[499] - 2.0 - wide.low[499]).abs() < 1e-12);
        assert!(unit.high[499] <= 1.0 && unit.low.windows(2).all(|pair| pair[0] <= pair[1]));
    }
}
