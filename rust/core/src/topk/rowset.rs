//! The rows of a corpus that a search looks at.

use std::ops::Range;

/// Ascending row numbers.
#[derive(Debug, Clone, Copy)]
pub(super) enum RowSet<'a> {
    /// All of a stretch.
    Stretch {
        /// The first one's number.
        first: u32,
        /// How many.
        len: usize,
    },
    /// These.
    Listed(&'a [u32]),
}

impl RowSet<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Stretch { len, .. } => *len,
            Self::Listed(rows) => rows.len(),
        }
    }

    /// The number at a place.
    pub(super) fn at(&self, place: usize) -> u32 {
        match self {
            Self::Stretch { first, .. } => first + place as u32,
            Self::Listed(rows) => rows[place],
        }
    }

    /// Appends the numbers at these places.
    pub(super) fn append(&self, places: Range<usize>, into: &mut Vec<u32>) {
        match self {
            Self::Stretch { first, .. } => {
                into.extend(first + places.start as u32..first + places.end as u32);
            }
            Self::Listed(rows) => into.extend_from_slice(&rows[places]),
        }
    }

    /// The numbers that are multiples of `step`.
    pub(super) fn multiples_of(&self, step: usize) -> Vec<u32> {
        match self {
            Self::Stretch { first, len } => {
                let (first, end) = (*first as usize, *first as usize + len);
                (first.next_multiple_of(step)..end).step_by(step).map(|row| row as u32).collect()
            }
            Self::Listed(rows) => {
                rows.iter().copied().filter(|row| (*row as usize).is_multiple_of(step)).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiples_are_found_in_stretches_and_lists() {
        let stretch = RowSet::Stretch { first: 5, len: 30 };
        assert_eq!(stretch.multiples_of(17), [17, 34]);
        assert_eq!(stretch.multiples_of(1).len(), 30);
        assert_eq!(RowSet::Listed(&[0, 4, 17, 33, 51]).multiples_of(17), [0, 17, 51]);
        assert!(RowSet::Stretch { first: 18, len: 3 }.multiples_of(17).is_empty());
    }
}
