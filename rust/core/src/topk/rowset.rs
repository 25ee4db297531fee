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
}
