//! Paired tests, corrections and effect sizes.

use embedsmith_core::stats::paired::{self, Moments};
use embedsmith_core::stats::tukey::{self, Design};
use embedsmith_core::stats::wilcoxon::{self, Zeros};
use embedsmith_core::stats::{binomial, correction, randomisation};
use numpy::{PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

use super::LONG_WORK;
use crate::error::ShapeError;
use crate::interrupt;

/// From this many sign flips on a test may last, and looks for Ctrl-C.
const LONG_FLIPS: usize = 500_000_000;

/// Number, mean and spread of differences, of which there must be `least`.
pub(super) fn moments(differences: &PyReadonlyArray1<'_, f64>, least: usize) -> PyResult<Moments> {
    let differences = differences.as_slice()?;
    if differences.len() < least {
        let n = differences.len();
        let message = format!("{n} difference(s); pass {least} or more, one per query.");
        return Err(ShapeError::new_err(message));
    }
    Ok(Moments::of(differences))
}

/// Paired randomisation test of per-query differences: (p, whether it is exact).
#[pyfunction]
#[pyo3(signature = (differences, *, n_permutations, seed, threads))]
fn randomisation_test(
    py: Python<'_>,
    differences: PyReadonlyArray1<'_, f64>,
    n_permutations: usize,
    seed: u64,
    threads: Option<usize>,
) -> PyResult<(f64, bool)> {
    let differences = differences.as_slice()?;
    let plan = randomisation::Plan { n_permutations, seed, threads };
    let long = differences.len().saturating_mul(n_permutations) >= LONG_FLIPS;
    let test =
        interrupt::run(py, long, None, |control| randomisation::test(differences, plan, control))?;
    Ok((test.p, test.exact))
}

/// Student's paired test: (t, p, whether p is exact).
#[pyfunction]
fn t_test(differences: PyReadonlyArray1<'_, f64>) -> PyResult<(f64, f64, bool)> {
    let test = paired::t_test(&moments(&differences, 1)?);
    Ok((test.t, test.p, test.exact))
}

/// Wilcoxon's signed-rank test: (sum of positive ranks, of negative ranks, p, whether it is exact).
#[pyfunction]
#[pyo3(signature = (differences, *, pratt))]
fn wilcoxon_test(
    py: Python<'_>,
    differences: PyReadonlyArray1<'_, f64>,
    pratt: bool,
) -> PyResult<(f64, f64, f64, bool)> {
    let differences = differences.as_slice()?;
    let zeros = if pratt { Zeros::Pratt } else { Zeros::Wilcox };
    let test = py.detach(|| wilcoxon::test(differences, zeros));
    Ok((test.positive, test.negative, test.p, test.exact))
}

/// Exact two-sided sign test.
#[pyfunction]
fn sign_test(wins: usize, losses: usize) -> f64 {
    binomial::sign_test(wins, losses)
}

/// The rows of `columns`, two or more systems, as slices.
fn systems<'a>(columns: &'a PyReadonlyArray2<'_, f64>, least: usize) -> PyResult<Vec<&'a [f64]>> {
    let [m, n] = [columns.shape()[0], columns.shape()[1]];
    if m < 2 || n < least {
        let message = format!(
            "{m} systems of {n} values; pass two or more systems with {least} or more values each."
        );
        return Err(ShapeError::new_err(message));
    }
    Ok(columns.as_slice()?.chunks_exact(n).collect())
}

fn design(blocked: bool) -> Design {
    if blocked { Design::Blocked } else { Design::Unblocked }
}

/// Randomised Tukey HSD of systems by rows: p of the pairs (0, 1), (0, 2) ... (1, 2) ...
#[pyfunction]
#[pyo3(signature = (columns, *, blocked, n_permutations, seed, threads))]
fn tukey_randomised(
    py: Python<'_>,
    columns: PyReadonlyArray2<'_, f64>,
    blocked: bool,
    n_permutations: usize,
    seed: u64,
    threads: Option<usize>,
) -> PyResult<Vec<f64>> {
    let systems = systems(&columns, 1)?;
    let plan = randomisation::Plan { n_permutations, seed, threads };
    let long = columns.len().saturating_mul(n_permutations) >= LONG_WORK;
    interrupt::run(py, long, None, |control| {
        tukey::randomised(&systems, design(blocked), plan, control)
    })
}

/// Tukey HSD by the analysis of variance: p of the pairs, or None where nothing varies.
#[pyfunction]
#[pyo3(signature = (columns, *, blocked))]
fn tukey_of_variance(
    py: Python<'_>,
    columns: PyReadonlyArray2<'_, f64>,
    blocked: bool,
) -> PyResult<Option<Vec<f64>>> {
    let systems = systems(&columns, 2)?;
    Ok(py.detach(|| tukey::of_variance(&systems, design(blocked))))
}

/// Holm's correction of p-values.
#[pyfunction]
fn holm(p: Vec<f64>) -> Vec<f64> {
    correction::holm(&p)
}

/// Bonferroni's correction of p-values.
#[pyfunction]
fn bonferroni(p: Vec<f64>) -> Vec<f64> {
    correction::bonferroni(&p)
}

/// Benjamini and Hochberg's correction of p-values.
#[pyfunction]
fn benjamini_hochberg(p: Vec<f64>) -> Vec<f64> {
    correction::benjamini_hochberg(&p)
}

/// Effect size of differences: (d, g, ends of the interval of d), or None without spread.
#[pyfunction]
#[pyo3(signature = (differences, *, confidence))]
fn effect_size(
    differences: PyReadonlyArray1<'_, f64>,
    confidence: f64,
) -> PyResult<Option<(f64, f64, f64, f64)>> {
    let found = paired::effect(&moments(&differences, 1)?, confidence);
    Ok(found.map(|effect| (effect.d, effect.g, effect.ends.0, effect.ends.1)))
}

/// p-value of equivalence within a margin, by two one-sided tests.
#[pyfunction]
#[pyo3(signature = (differences, *, margin))]
fn equivalence_p(differences: PyReadonlyArray1<'_, f64>, margin: f64) -> PyResult<f64> {
    Ok(paired::equivalence_p(&moments(&differences, 1)?, margin))
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(randomisation_test, module)?)?;
    module.add_function(wrap_pyfunction!(t_test, module)?)?;
    module.add_function(wrap_pyfunction!(wilcoxon_test, module)?)?;
    module.add_function(wrap_pyfunction!(sign_test, module)?)?;
    module.add_function(wrap_pyfunction!(tukey_randomised, module)?)?;
    module.add_function(wrap_pyfunction!(tukey_of_variance, module)?)?;
    module.add_function(wrap_pyfunction!(holm, module)?)?;
    module.add_function(wrap_pyfunction!(bonferroni, module)?)?;
    module.add_function(wrap_pyfunction!(benjamini_hochberg, module)?)?;
    module.add_function(wrap_pyfunction!(effect_size, module)?)?;
    module.add_function(wrap_pyfunction!(equivalence_p, module)?)
}
