//! Faults of a file: readers stop at the first, checks go on and keep them.

use crate::error::{Error, Result};

/// What to do with a fault of one line.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Stop with this one; 0 and 1 stop with the first.
    most: usize,
    /// Those passed over so far.
    pub(super) found: Vec<Error>,
}

impl Faults {
    /// Stops with the first.
    pub(super) fn none() -> Self {
        Self::default()
    }

    /// Keeps up to `most`, the last of which is returned as an error.
    pub(super) fn up_to(most: usize) -> Self {
        Self { most, found: Vec::new() }
    }

    /// The value, `None` where the line is passed over.
    pub(super) fn pass<T>(&mut self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error @ Error::Parse { .. }) if self.found.len() + 1 < self.most => {
                self.found.push(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
