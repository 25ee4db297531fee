//! The Python extension module `embedsmith._core`.
//!
//! Each file checks its arguments, borrows them, releases the GIL, calls `embedsmith-core` and
//! hands the result over. Nothing is computed here.
#![forbid(unsafe_code)]
#![allow(clippy::needless_pass_by_value, reason = "pyo3 hands arguments over by value")]

use pyo3::prelude::*;

mod arrays;
mod encoder;
mod error;
mod formats;
mod interrupt;
mod metrics;
mod mining;
mod plane;
mod search;
mod self_join;
mod stats;
mod text;

/// Native core of embedsmith; use the typed functions of the package instead.
#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    encoder::register(module)?;
    formats::register(module)?;
    plane::register(module)?;
    search::register(module)?;
    self_join::register(module)?;
    metrics::register(module)?;
    mining::register(module)?;
    stats::register(module)?;
    text::register(module)?;
    Ok(())
}
