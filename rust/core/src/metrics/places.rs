//! Ranks in an unsorted list: the number of larger scores.

/// Up to this many wanted scores, counting beats sorting the list.
const COUNT_UP_TO: usize = 16;

/// Where one score stands in a list that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Scores that are larger.
    pub larger: usize,
    /// Scores that are equal, itself included.
    pub equal: usize,
}

/// Finds the place of each `wanted` score among `scores`; neither may hold NaN.
///
/// `sorted` is scratch space, used only where many are wanted.
pub fn places(scores: &[f64], wanted: &[f64], sorted: &mut Vec<f64>, out: &mut Vec<Place>) {
    out.clear();
    if wanted.len() <= COUNT_UP_TO {
        out.extend(wanted.iter().map(|&score| Place {
            larger: scores.iter().filter(|&&other| other > score).count(),
            equal: scores.iter().filter(|&&other| other == score).count(),
        }));
        return;
    }
    sorted.clear();
    sorted.extend_from_slice(scores);
    // Without NaN this order is total, and 0.0 equals -0.0 as it does when counting.
    sorted.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    out.extend(wanted.iter().map(|&score| {
        let below = sorted.partition_point(|&other| other < score);
        let up_to = sorted.partition_point(|&other| other <= score);
        Place { larger: sorted.len() - up_to, equal: up_to - below }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_and_sorting_agree_on_ties_zeros_and_infinities() {
        let scores: Vec<f64> = (0..200)
            .map(|i| match i % 7 {
                0 => f64::NEG_INFINITY,
                1 => -0.0,
                2 => 0.0,
                3 => f64::INFINITY,
                rest => f64::from(rest * (i % 5)),
            })
            .collect();
        let (mut sorted, mut few, mut many) = (Vec::new(), Vec::new(), Vec::new());
        places(&scores, &scores, &mut sorted, &mut many);
        for (&score, expected) in scores.iter().zip(&many) {
            places(&scores, &[score], &mut sorted, &mut few);
            assert_eq!(&few[0], expected);
            assert!(expected.equal >= 1);
        }
    }
}
