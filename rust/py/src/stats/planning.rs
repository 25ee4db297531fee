//! How many queries to label, and intervals to look at while they are labelled.

use embedsmith_core::stats::sequence::{self, Method};
use embedsmith_core::stats::{paired, simulation};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use super::LONG_WORK;
use super::tests::moments;
use crate::error::ShapeError;
use crate::interrupt;

/// Standard deviation of differences, with n - 1; 0 where all are equal but for rounding.
#[pyfunction]
fn deviation(differences: PyReadonlyArray1<'_, f64>) -> PyResult<f64> {
    Ok(moments(&differences, 2)?.deviation)
}

/// Interval of the mean by Student's distribution.
#[pyfunction]
#[pyo3(signature = (differences, *, confidence))]
fn t_interval(differences: PyReadonlyArray1<'_, f64>, confidence: f64) -> PyResult<(f64, f64)> {
    Ok(paired::t_interval(&moments(&differences, 2)?, confidence))
}

/// The mean difference that `n` queries would show significant with probability `power`.
#[pyfunction]
#[pyo3(signature = (deviation, n, *, alpha, power))]
fn detectable_difference(deviation: f64, n: usize, alpha: f64, power: f64) -> PyResult<f64> {
    if n < 2 {
        return Err(ShapeError::new_err(format!("n={n} queries have no spread; pass 2 or more.")));
    }
    Ok(paired::detectable(deviation, n, alpha, power))
}

/// Queries that a difference needs, by the normal distribution; not rounded.
#[pyfunction]
#[pyo3(signature = (deviation, difference, *, alpha, power))]
fn queries_for(deviation: f64, difference: f64, alpha: f64, power: f64) -> f64 {
    paired::queries_for(deviation, difference, alpha, power)
}

/// Weights under which the mean of differences is `target`, or None where it is out of reach.
#[pyfunction]
fn tilted_weights<'py>(
    py: Python<'py>,
    differences: PyReadonlyArray1<'py, f64>,
    target: f64,
) -> PyResult<Option<Bound<'py, PyArray1<f64>>>> {
    let differences = differences.as_slice()?;
    let weights = py.detach(|| simulation::tilted(differences, target));
    Ok(weights.map(|weights| weights.into_pyarray(py)))
}

/// Shares of simulated samples of 2, 3 ... `most_queries` queries that show the difference.
#[pyfunction]
#[pyo3(signature = (differences, weights, *, direction, alpha, most_queries, n_simulations, seed, threads))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments of one Python function")]
fn detection_shares<'py>(
    py: Python<'py>,
    differences: PyReadonlyArray1<'py, f64>,
    weights: PyReadonlyArray1<'py, f64>,
    direction: f64,
    alpha: f64,
    most_queries: usize,
    n_simulations: usize,
    seed: u64,
    threads: Option<usize>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let (differences, weights) = (differences.as_slice()?, weights.as_slice()?);
    if differences.is_empty() || differences.len() != weights.len() || most_queries < 2 {
        let message = format!(
            "{} differences, {} weights and most_queries={most_queries}; pass one weight per \
             difference and 2 queries or more.",
            differences.len(),
            weights.len()
        );
        return Err(ShapeError::new_err(message));
    }
    let plan = simulation::Plan { alpha, most_queries, n_simulations, seed, threads };
    let long = most_queries.saturating_mul(n_simulations) >= LONG_WORK;
    let shares = interrupt::run(py, long, None, |control| {
        simulation::detection_shares(differences, weights, direction, plan, control)
    })?;
    Ok(shares.into_pyarray(py))
}

/// Centre, lower and upper ends, one of each per value.
type Ends<'py> = (Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<f64>>);

/// Intervals that hold after every value at once; within `bounds` if there are any.
#[pyfunction]
#[pyo3(signature = (values, *, confidence, start, tightest_at, bounds))]
fn confidence_sequence<'py>(
    py: Python<'py>,
    values: PyReadonlyArray1<'py, f64>,
    confidence: f64,
    start: usize,
    tightest_at: f64,
    bounds: Option<(f64, f64)>,
) -> PyResult<Ends<'py>> {
    let values = values.as_slice()?;
    let method = match bounds {
        None => Method::Asymptotic { tightest_at },
        Some((least, most)) => Method::Bounded { least, most },
    };
    let found = py.detach(|| sequence::confidence_sequence(values, confidence, start, method));
    let array = |ends: Vec<f64>| ends.into_pyarray(py);
    Ok((array(found.centre), array(found.low), array(found.high)))
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(deviation, module)?)?;
    module.add_function(wrap_pyfunction!(t_interval, module)?)?;
    module.add_function(wrap_pyfunction!(detectable_difference, module)?)?;
    module.add_function(wrap_pyfunction!(queries_for, module)?)?;
    module.add_function(wrap_pyfunction!(tilted_weights, module)?)?;
    module.add_function(wrap_pyfunction!(detection_shares, module)?)?;
    module.add_function(wrap_pyfunction!(confidence_sequence, module)?)
}
