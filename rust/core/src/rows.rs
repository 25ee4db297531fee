//! Borrowed row-major matrices: the only place where `n * dim == len` is checked.

use crate::error::{Error, Result};
use crate::kernels::Kernels;

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

/// What a corpus is made of. Halves widen to `f32` exactly.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    /// Single precision.
    F32(&'a [f32]),
    /// The bits of IEEE half precision.
    F16(&'a [u16]),
    /// The bits of bfloat16.
    Bf16(&'a [u16]),
}

impl Values<'_> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F16(values) | Self::Bf16(values) => values.len(),
        }
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A borrowed row-major matrix that may be of half precision; it is widened row by row.
#[derive(Debug, Clone, Copy)]
pub struct Corpus<'a> {
    values: Values<'a>,
    len: usize,
    dim: usize,
}

impl<'a> From<Rows<'a>> for Corpus<'a> {
    fn from(rows: Rows<'a>) -> Self {
        Self { values: Values::F32(rows.data), len: rows.len, dim: rows.dim }
    }
}

impl<'a> Corpus<'a> {
    /// Views `values` as `len` rows of `dim`; `argument` names it in the error.
    ///
    /// # Errors
    /// [`Error::Layout`] if there are not `len * dim` values.
    pub fn new(argument: &'static str, values: Values<'a>, len: usize, dim: usize) -> Result<Self> {
        if len.checked_mul(dim) == Some(values.len()) {
            Ok(Self { values, len, dim })
        } else {
            Err(Error::Layout { argument, len: values.len(), rows: len, dim })
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

    /// Bytes of a value.
    #[must_use]
    pub fn value_bytes(&self) -> usize {
        match self.values {
            Values::F32(_) => 4,
            Values::F16(_) | Values::Bf16(_) => 2,
        }
    }

    /// The matrix, if it is one of `f32`.
    #[must_use]
    pub fn as_f32(&self) -> Option<Rows<'a>> {
        match self.values {
            Values::F32(data) => Some(Rows { data, len: self.len, dim: self.dim }),
            Values::F16(_) | Values::Bf16(_) => None,
        }
    }

    /// Row `i`, as it lies or widened into `scratch`.
    ///
    /// # Panics
    /// If `i >= len()`.
    #[must_use]
    pub fn read<'s>(&self, kernels: Kernels, i: usize, scratch: &'s mut Vec<f32>) -> &'s [f32]
    where
        'a: 's,
    {
        assert!(i < self.len, "row {i} of {}", self.len);
        let place = i * self.dim..(i + 1) * self.dim;
        if let Values::F32(values) = self.values {
            return &values[place];
        }
        scratch.resize(self.dim, 0.0);
        match self.values {
            Values::F32(_) => {}
            Values::F16(values) => kernels.widen_f16(&values[place], scratch),
            Values::Bf16(values) => kernels.widen_bf16(&values[place], scratch),
        }
        scratch
    }

    /// Says that row `i` will be read soon.
    pub fn announce(&self, kernels: Kernels, i: usize) {
        let place = i * self.dim..(i + 1) * self.dim;
        match self.values {
            Values::F32(values) => kernels.prefetch(&values[place]),
            Values::F16(values) | Values::Bf16(values) => kernels.prefetch(&values[place]),
        }
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
