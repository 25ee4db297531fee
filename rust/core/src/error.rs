//! The one error type of the crate; each variant holds the values that its message prints.

/// What can be wrong with an input.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// A flat buffer does not hold `rows * dim` values.
    #[error("{argument} holds {len} values, which is not {rows} rows of {dim}.")]
    Layout {
        /// Name of the argument as the caller knows it.
        argument: &'static str,
        /// Values in the buffer.
        len: usize,
        /// Rows claimed.
        rows: usize,
        /// Columns claimed.
        dim: usize,
    },
}

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
