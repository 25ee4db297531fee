//! Borrowed row-major matrices.
