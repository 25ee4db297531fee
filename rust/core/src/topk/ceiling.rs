//! Scores that hits must not exceed, and how many rows do.
//!
//! A pass knows of a row only the interval that holds its truth. What lies wholly above a query's
//! ceiling is counted and forgotten, what lies wholly below is a candidate as any other, and what
//! holds the ceiling is scored in full, a few rows at a time.
//!
//! A query whose ceiling most of the corpus tops would be all hits, many of them to be scored because
//! a loose bound cannot tell on which side they are. It gives up early and is searched again by the
//! pass whose bound is next to nothing.

use super::candidates::Candidate;

/// Rows about which the ceiling is unclear, from which on they are scored.
const NEAR: usize = 32;

/// Rows above a ceiling that a query may always meet, and the share of the corpus.
const FEW_ABOVE: u64 = 4096;
const SHARE_ABOVE: u64 = 16;

/// Rows above a ceiling after which a query gives up its pass.
pub(super) fn most_above(rows: usize) -> u64 {
    FEW_ABOVE.max(rows as u64 / SHARE_ABOVE)
}

/// On which side of a ceiling a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Below,
    Unclear,
    Above,
}

/// What a query's hits must not exceed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ceiling {
    goodness: f64,
    low: f32,
    high: f32,
}

impl Ceiling {
    /// From a canonical goodness, and the same in units of the passes' keys: rounded down and up.
    pub(super) fn new(goodness: f64, low: f32, high: f32) -> Self {
        Self { goodness, low, high }
    }

    /// Where a row is, by the interval that holds its truth.
    pub(super) fn side(&self, lower: f32, upper: f32) -> Side {
        if self.goodness == f64::INFINITY || upper < self.low {
            Side::Below
        } else if lower > self.high {
            Side::Above
        } else {
            Side::Unclear
        }
    }

    /// Whether a row of this canonical goodness is above.
    pub(super) fn is_topped_by(&self, goodness: f64) -> bool {
        goodness > self.goodness
    }
}

/// What one query met above its ceiling.
#[derive(Debug, Default)]
pub(super) struct Above {
    /// Rows that are surely above.
    pub(super) count: u64,
    /// Rows about which that is unclear.
    pub(super) unclear: Vec<Candidate>,
    /// Whether the query is to be searched by another pass.
    pub(super) gave_up: bool,
}

impl Above {
    /// True once the unclear rows are worth scoring.
    pub(super) fn is_full(&self) -> bool {
        self.unclear.len() >= NEAR
    }

    /// True if there are so many, of the share `1 / step` of the corpus, that another pass is faster.
    pub(super) fn is_too_much(&self, most: u64, step: usize) -> bool {
        // Twice, since a sample may be unlucky.
        let most = if step > 1 { most.saturating_mul(2) } else { most };
        self.count.saturating_mul(step as u64) > most
    }

    /// Gives up: nothing that was found counts.
    pub(super) fn give_up(&mut self) {
        *self = Self { gave_up: true, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_interval_that_holds_the_ceiling_is_unclear() {
        let ceiling = Ceiling::new(0.5, 0.49, 0.51);
        assert_eq!(ceiling.side(0.1, 0.48), Side::Below);
        assert_eq!(ceiling.side(0.1, 0.49), Side::Unclear);
        assert_eq!(ceiling.side(0.51, 0.9), Side::Unclear);
        assert_eq!(ceiling.side(0.52, 0.9), Side::Above);
        assert_eq!(ceiling.side(f32::NEG_INFINITY, f32::INFINITY), Side::Unclear);
        assert!(!ceiling.is_topped_by(0.5) && ceiling.is_topped_by(0.5_f64.next_up()));
        let open = Ceiling::new(f64::INFINITY, f32::MAX, f32::INFINITY);
        assert_eq!(open.side(f32::NEG_INFINITY, f32::INFINITY), Side::Below);
    }

    #[test]
    fn a_sample_has_to_show_twice_as_many_before_a_query_gives_up() {
        let mut above = Above { count: 100, ..Above::default() };
        assert!(above.is_too_much(99, 1) && !above.is_too_much(100, 1));
        assert!(!above.is_too_much(500, 10) && above.is_too_much(499, 10));
        above.give_up();
        assert!(above.gave_up && above.count == 0);
        assert_eq!((most_above(1_000), most_above(1_600_000)), (4096, 100_000));
    }
}
