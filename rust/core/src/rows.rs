//! Borrowed row-major matrices: the only place where `n * dim == len` is checked.

use crate::error::{Error, Result};

/// A borrowed row-major matrix of `len()` rows and `dim()` columns.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    data: &'a [f32],
    len: usize,
    dim: usize,
}

impl<'a> Rows<'a> {
    /// Views `data` as `len` rows of `dim` values; `argument` names it in the error.
    ///
    /// # Errors
    /// [`Error::Layout`] if `data.len() != len * dim`.
    pub fn new(argument: &'static str, data: &'a [f32], len: usize, dim: usize) -> Result<Self> {
        if len.checked_mul(dim) == Some(data.len()) {
            Ok(Self { data, len, dim })
        } else {
            Err(Error::Layout { argument, len: data.len(), rows: len, dim })
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True without rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of columns.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Row `i`.
    ///
    /// # Panics
    /// If `i >= len()`.
    #[must_use]
    pub fn row(&self, i: usize) -> &'a [f32] {
        assert!(i < self.len, "row {i} of {}", self.len);
        &self.data[i * self.dim..(i + 1) * self.dim]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_is_not_rows_times_dim_is_refused() {
        assert!(Rows::new("corpus", &[0.0; 6], 2, 3).is_ok());
        let error = Rows::new("corpus", &[0.0; 7], 2, 3).unwrap_err();
        assert_eq!(error.to_string(), "corpus holds 7 values, which is not 2 rows of 3.");
        assert!(Rows::new("corpus", &[], usize::MAX, 2).is_err());
    }

    #[test]
    fn zero_columns_are_rows_all_the_same() {
        let rows = Rows::new("corpus", &[], 3, 0).unwrap();
        assert_eq!((rows.len(), rows.row(2).len()), (3, 0));
    }
}
