//! Which keys a query sees.

use std::ops::Range;

/// How far tokens see to each side: a number of tokens, or all.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Window(pub(super) Option<usize>);

impl Window {
    /// The keys that at least one of some queries of a text sees.
    pub(super) fn keys(self, queries: Range<usize>, tokens: usize) -> Range<usize> {
        match self.0 {
            None => 0..tokens,
            Some(reach) => queries.start.saturating_sub(reach)..tokens.min(queries.end + reach),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_reaches_as_far_to_both_sides_and_not_out_of_the_text() {
        assert_eq!(Window(None).keys(5..6, 9), 0..9);
        assert_eq!(Window(Some(2)).keys(5..6, 9), 3..8);
        assert_eq!(Window(Some(2)).keys(1..4, 9), 0..6);
        assert_eq!(Window(Some(2)).keys(8..9, 9), 6..9);
    }
}
