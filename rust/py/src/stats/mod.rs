//! Intervals, paired tests and corrections over per-query values.

use embedsmith_core::stats::bootstrap::{self, Interval, Method, intervals};
use embedsmith_core::stats::{binomial, mean as mean_in_order, power};
use numpy::{PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::error::ShapeError;
use crate::interrupt;

mod planning;
mod tests;

/// From this many draws on a job may last, and looks for Ctrl-C.
const LONG_WORK: usize = 10_000_000;

/// (low, high, how it was computed).
type Ends = (f64, f64, &'static str);

fn ends(interval: Interval) -> Ends {
    let method = match interval.method {
        Method::Bca => "bca",
        Method::Percentile => "percentile",
        Method::Constant => "constant",
    };
    (interval.low, interval.high, method)
}

/// The mean of per-query values, summed in order.
#[pyfunction]
fn mean(values: PyReadonlyArray1<'_, f64>) -> PyResult<f64> {
    Ok(mean_in_order(values.as_slice()?))
}

/// Refuses what has no interval, and what would take more memory than one call may.
fn check_resamples(n_rows: usize, n_columns: usize, n_resamples: usize) -> PyResult<()> {
    let message = if n_columns == 0 {
        format!("values has {n_rows} rows of no values; pass at least one value per row.")
    } else if n_resamples == 0 {
        "n_resamples is 0; draw at least one resample, better 10_000.".to_owned()
    } else if n_rows.checked_mul(n_resamples).is_none_or(|n| n > bootstrap::MOST_MEANS) {
        let most = bootstrap::MOST_MEANS;
        format!(
            "{n_resamples} resamples of {n_rows} rows of values are more than the {most} means \
             that one call keeps. Pass a smaller n_resamples, or fewer rows at once."
        )
    } else {
        return Ok(());
    };
    Err(ShapeError::new_err(message))
}

/// Bootstrap intervals of the means of the rows of `values`.
#[pyfunction]
#[pyo3(signature = (values, *, confidence, n_resamples, seed, threads, percentile=false))]
fn bootstrap_intervals(
    py: Python<'_>,
    values: PyReadonlyArray2<'_, f64>,
    confidence: f64,
    n_resamples: usize,
    seed: u64,
    threads: Option<usize>,
    percentile: bool,
) -> PyResult<Vec<Ends>> {
    let [n_rows, n_columns] = [values.shape()[0], values.shape()[1]];
    if n_rows == 0 {
        return Ok(Vec::new());
    }
    check_resamples(n_rows, n_columns, n_resamples)?;
    let columns: Vec<&[f64]> = values.as_slice()?.chunks_exact(n_columns).collect();
    let plan = bootstrap::Plan { confidence, percentile, n_resamples, seed, threads };
    let long = values.len().saturating_mul(n_resamples) >= LONG_WORK;
    let found = interrupt::run(py, long, None, |control| intervals(&columns, plan, control))?;
    Ok(found.into_iter().map(ends).collect())
}

/// Wilson's interval of a share.
#[pyfunction]
#[pyo3(signature = (successes, n, *, confidence))]
fn wilson_interval(successes: usize, n: usize, confidence: f64) -> PyResult<(f64, f64)> {
    if n == 0 || successes > n {
        let message = format!("{successes} successes of {n}; pass 0 to n successes of n >= 1.");
        return Err(ShapeError::new_err(message));
    }
    Ok(binomial::wilson(successes, n, confidence))
}

/// Interval of a mean in [0, 1] when all `n` values were equal.
#[pyfunction]
#[pyo3(signature = (value, n, *, confidence))]
fn constant_interval(value: f64, n: usize, confidence: f64) -> (f64, f64) {
    let found = power::constant_interval(value, n, confidence);
    (found.low, found.high)
}

/// Queries at which an interval would clear a threshold, or None where none is expected to.
#[pyfunction]
#[pyo3(signature = (mean, n, low, high, *, constant, confidence, below, above))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments of one Python function")]
fn required_queries(
    mean: f64,
    n: usize,
    low: f64,
    high: f64,
    constant: bool,
    confidence: f64,
    below: f64,
    above: f64,
) -> Option<usize> {
    let method = if constant { Method::Constant } else { Method::Bca };
    power::required_queries(mean, n, Interval { low, high, method }, confidence, below, above)
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(mean, module)?)?;
    module.add_function(wrap_pyfunction!(bootstrap_intervals, module)?)?;
    module.add_function(wrap_pyfunction!(wilson_interval, module)?)?;
    tests::register(module)?;
    planning::register(module)?;
    module.add_function(wrap_pyfunction!(constant_interval, module)?)?;
    module.add_function(wrap_pyfunction!(required_queries, module)?)
}
