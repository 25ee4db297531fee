//! Expected reciprocal rank, and the same over the best possible.
//!
//! A reader goes down the list and stops at a document of grade g with probability
//! (2^g - 1) / 2^gmax; ERR is the expected value of one over the rank where she stops. gmax is the
//! largest grade there is. NERR divides by the ERR of the best order of all judged documents.
//! Chapelle, Metzler, Zhang and Grinspan, "Expected reciprocal rank for graded relevance", CIKM
//! 2009.

use super::query::{Hit, groups};

/// The probability to stop at a document.
fn stops(grade: f64, largest: f64) -> f64 {
    if grade <= 0.0 {
        return 0.0;
    }
    // Scaled before it is subtracted, so that no large grade overflows.
    (grade - largest).exp2() - (-largest).exp2()
}

pub(super) fn value(top: &[Hit], largest: f64) -> f64 {
    let (mut sum, mut reads_on) = (0.0, 1.0);
    for hit in top {
        let stop = stops(hit.grade, largest);
        sum += reads_on * stop / hit.rank();
        reads_on *= 1.0 - stop;
    }
    sum
}

/// In a tie the chance to read past j documents is the mean, over all sets of j of them, of the
/// product of their chances: an elementary symmetric polynomial divided by its number of terms.
pub(super) fn expected(top: &[Hit], largest: f64, cutoff: Option<usize>) -> f64 {
    let (mut sum, mut reads_on) = (0.0, 1.0);
    for group in groups(top) {
        let (first, n) = (group[0], group[0].tied as usize);
        let past = mean_products(group.iter().map(|hit| 1.0 - stops(hit.grade, largest)));
        // Of j documents of the tie, i are judged with the probability of drawing them so.
        let judged = past.len() - 1;
        let places = first.places_within(cutoff) as usize;
        let mut drawn = vec![0.0; judged + 1];
        drawn[0] = 1.0;
        let mut before = 1.0;
        for j in 0..places {
            for i in (0..=judged.min(j + 1)).rev() {
                // Document j + 1 is one of the judged ones left, or one of the others.
                let left = (n - j) as f64;
                let other = (n - judged).saturating_sub(j - i.min(j)) as f64;
                let stays = if i <= j { drawn[i] * other / left } else { 0.0 };
                let comes =
                    if i > 0 { drawn[i - 1] * (judged - (i - 1)) as f64 / left } else { 0.0 };
                drawn[i] = stays + comes;
            }
            let after: f64 = drawn.iter().zip(&past).map(|(p, q)| p * q).sum();
            sum += reads_on * (before - after) / f64::from(first.before + j as u32 + 1);
            before = after;
        }
        reads_on *= past[judged];
    }
    sum
}

/// For each size, the mean over all sets of that size of the product of their members.
fn mean_products(chances: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut means = vec![1.0];
    for (n, chance) in (1..).zip(chances) {
        means.push(0.0);
        for size in (1..=n).rev() {
            let (with, all) = (size as f64, n as f64);
            let without = if size < n { means[size] * (all - with) / all } else { 0.0 };
            means[size] = without + means[size - 1] * chance * with / all;
        }
    }
    means
}

/// The value of the best order of all judged documents.
pub(super) fn ideal(grades: &[f64], largest: f64, cutoff: Option<usize>) -> f64 {
    let depth = cutoff.unwrap_or(usize::MAX).min(grades.len());
    let (mut sum, mut reads_on) = (0.0, 1.0);
    for (i, &grade) in grades[..depth].iter().enumerate() {
        let stop = stops(grade, largest);
        sum += reads_on * stop / (i + 1) as f64;
        reads_on *= 1.0 - stop;
    }
    sum
}

/// `value / ideal`, 0 where there is nothing to find.
pub(super) fn normalised(value: f64, ideal: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value / ideal }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn err_of_a_hand_computed_list() {
        // gmax = 2: grade 1 stops with 1/4, grade 2 with 3/4.
        let top = [Hit::at(1, 1.0), Hit::at(3, 2.0)];
        assert!((value(&top, 2.0) - (0.25 + 0.75 * 0.75 / 3.0)).abs() < 1e-15);
        assert!((ideal(&[2.0, 1.0, 0.0], 2.0, None) - (0.75 + 0.25 * 0.25 / 2.0)).abs() < 1e-15);
        assert_eq!(ideal(&[2.0, 1.0], 2.0, Some(1)), 0.75);
        assert_eq!(normalised(0.0, 0.0), 0.0);
        // A grade of a million is no overflow.
        assert_eq!(value(&[Hit::at(2, 1e6)], 1e6), 0.5);
    }

    #[test]
    fn a_tie_of_two_grades_and_an_unjudged_document() {
        // The mean over the six orders of stops a = 1/4, b = 3/4 and an unjudged 0.
        let (a, b) = (0.25, 0.75);
        let orders = [[a, b, 0.0], [a, 0.0, b], [b, a, 0.0], [b, 0.0, a], [0.0, a, b], [0.0, b, a]];
        let of = |stops: [f64; 3]| {
            stops[0]
                + (1.0 - stops[0]) * stops[1] / 2.0
                + (1.0 - stops[0]) * (1.0 - stops[1]) * stops[2] / 3.0
        };
        let mean = orders.map(of).iter().sum::<f64>() / 6.0;
        let top = [1.0, 2.0].map(|grade| Hit { before: 0, tied: 3, grade });
        assert!((expected(&top, 2.0, None) - mean).abs() < 1e-15);
    }
}
