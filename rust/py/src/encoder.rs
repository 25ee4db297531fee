//! `_core.NativeModel`: a transformer encoder in memory.

use std::path::PathBuf;

use embedsmith_core::encoder::{
    Architecture, DenseFile, HeadFiles, Model, ModelFiles, Pooling, Precision, Side, Tokenizer,
};
use embedsmith_core::error::Error;
use embedsmith_core::kernels::Activation;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;

use crate::arrays::contiguous;
use crate::error::{ModelError, ShapeError, to_py};
use crate::interrupt;
use crate::search::kernels;

/// Token ids, their offsets by text, and each text's tokens before it was cut.
type TokenArrays<'py> =
    (Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>);

/// Vectors of texts, and how large inputs of maps got.
type VectorsAndRanges<'py> = (Bound<'py, PyArray2<f32>>, Bound<'py, PyArray2<f32>>);

/// Tokens from which on a call is worth a thread that looks for Ctrl-C.
const LONG: usize = 4096;

/// A model, packed for this processor, with its tokenizer.
#[pyclass(frozen, module = "embedsmith._core")]
struct NativeModel {
    model: Model,
    tokenizer: Tokenizer,
}

#[pymethods]
impl NativeModel {
    #[new]
    #[pyo3(signature = (*, config, weights, tokenizer, poolings, dense, normalize, columns,
        max_tokens, truncation_side, precision, ranges=None))]
    #[allow(clippy::too_many_arguments, reason = "the typed Python face names them")]
    fn new(
        py: Python<'_>,
        config: String,
        weights: Vec<PathBuf>,
        tokenizer: PathBuf,
        poolings: Vec<String>,
        dense: Vec<(PathBuf, usize, usize, String)>,
        normalize: bool,
        columns: usize,
        max_tokens: usize,
        truncation_side: &str,
        precision: &str,
        ranges: Option<PyReadonlyArray2<'_, f32>>,
    ) -> PyResult<Self> {
        let poolings = poolings
            .iter()
            .map(|name| Pooling::named(name).ok_or_else(|| unknown("pooling", name)));
        let dense = dense.into_iter().map(|(path, inputs, outputs, function)| {
            let activation = activation(&function)?;
            Ok(DenseFile { path, inputs, outputs, activation })
        });
        let head = HeadFiles {
            poolings: poolings.collect::<PyResult<_>>()?,
            dense: dense.collect::<PyResult<_>>()?,
            normalize,
            columns,
        };
        let precision = match precision {
            "f32" => Precision::F32,
            "bf16" => Precision::Bf16,
            "int8" => Precision::Int8,
            other => return Err(unknown("precision", other)),
        };
        let side = match truncation_side {
            "right" => Side::Right,
            "left" => Side::Left,
            other => return Err(unknown("truncation_side", other)),
        };
        let kernels = kernels()?;
        let ranges: Vec<Vec<f32>> = match &ranges {
            Some(ranges) => ranges.as_array().outer_iter().map(|row| row.to_vec()).collect(),
            None => Vec::new(),
        };
        py.detach(|| {
            let files = ModelFiles { config, weights, head };
            let model = Model::load_with_ranges(&files, precision, kernels, &ranges)?;
            if max_tokens > model.max_tokens() {
                let problem = format!(
                    "max_tokens is {max_tokens}, and the model has {} positions",
                    model.max_tokens()
                );
                return Err(Error::Architecture { problem });
            }
            let tokenizer = Tokenizer::open(&tokenizer, max_tokens, side)?;
            model.check_vocabulary(&tokenizer)?;
            Ok(Self { model, tokenizer })
        })
        .map_err(|error| to_py(&error))
    }

    /// The tokens of texts.
    #[pyo3(signature = (texts, threads=None))]
    fn tokenize<'py>(
        &self,
        py: Python<'py>,
        texts: Vec<PyBackedStr>,
        threads: Option<usize>,
    ) -> PyResult<TokenArrays<'py>> {
        let tokens =
            py.detach(|| self.tokenizer.encode(&texts, threads)).map_err(|error| to_py(&error))?;
        let signed = |values: Vec<usize>| -> Vec<i64> {
            values.into_iter().map(|value| value as i64).collect()
        };
        Ok((
            tokens.ids.into_pyarray(py),
            signed(tokens.offsets).into_pyarray(py),
            signed(tokens.counts).into_pyarray(py),
        ))
    }

    /// The vectors of texts, by their tokens.
    #[pyo3(signature = (ids, offsets, threads=None, progress=None))]
    fn encode<'py>(
        &self,
        py: Python<'py>,
        ids: PyReadonlyArray1<'py, u32>,
        offsets: PyReadonlyArray1<'py, i64>,
        threads: Option<usize>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let ids = contiguous("ids", &ids)?;
        let offsets = rising(contiguous("offsets", &offsets)?, ids.len())?;
        let texts = offsets.len() - 1;
        let vectors = interrupt::run(py, ids.len() >= LONG, progress.as_ref(), |control| {
            self.model.encode(ids, &offsets, threads, control)
        })?;
        vectors.into_pyarray(py).reshape([texts, self.model.dim()])
    }

    /// The vectors of texts, and the largest size of each input of the maps that follow a normalisation,
    /// two rows a layer.
    #[pyo3(signature = (ids, offsets, threads=None))]
    fn survey<'py>(
        &self,
        py: Python<'py>,
        ids: PyReadonlyArray1<'py, u32>,
        offsets: PyReadonlyArray1<'py, i64>,
        threads: Option<usize>,
    ) -> PyResult<VectorsAndRanges<'py>> {
        let ids = contiguous("ids", &ids)?;
        let offsets = rising(contiguous("offsets", &offsets)?, ids.len())?;
        let (vectors, ranges) = interrupt::run(py, ids.len() >= LONG, None, |control| {
            self.model.survey(ids, &offsets, threads, control)
        })?;
        let shape = [offsets.len() - 1, self.model.dim()];
        Ok((vectors.into_pyarray(py).reshape(shape)?, PyArray2::from_vec2(py, &ranges)?))
    }

    /// Columns of a vector.
    #[getter]
    fn dim(&self) -> usize {
        self.model.dim()
    }

    /// Number format of the products.
    #[getter]
    fn precision(&self) -> &'static str {
        self.model.precision().name()
    }

    /// The instruction set that the weights were packed for.
    #[getter]
    fn isa(&self) -> &'static str {
        self.model.kernels().isa().name()
    }

    /// Bytes of the packed weights.
    #[getter]
    fn weight_bytes(&self) -> usize {
        self.model.bytes()
    }

    /// Operations of the linear maps for one token.
    #[getter]
    fn operations_per_token(&self) -> usize {
        self.model.operations_per_token()
    }
}

/// Offsets that rise from 0 to the number of ids.
fn rising(offsets: &[i64], ids: usize) -> PyResult<Vec<usize>> {
    let rising = offsets.first() == Some(&0)
        && offsets.windows(2).all(|ends| ends[0] <= ends[1])
        && offsets.last().is_some_and(|&last| usize::try_from(last) == Ok(ids));
    if !rising {
        return Err(ShapeError::new_err(format!(
            "offsets do not rise from 0 to {ids}, the number of ids; pass those of tokenize()."
        )));
    }
    Ok(offsets.iter().map(|&offset| offset as usize).collect())
}

/// The function of a dense map, as sentence-transformers writes it: the name of a torch class.
fn activation(name: &str) -> PyResult<Activation> {
    Ok(match name.rsplit('.').next().unwrap_or_default() {
        "Identity" => Activation::Identity,
        "Tanh" => Activation::Tanh,
        "ReLU" => Activation::Relu,
        "GELU" => Activation::Gelu,
        "SiLU" => Activation::Silu,
        _ => return Err(unknown("activation", name)),
    })
}

fn unknown(what: &str, name: &str) -> PyErr {
    ModelError::new_err(format!(
        "{what} {name:?} does not run natively. Load the model with st:FOLDER instead."
    ))
}

/// Adds this file's class to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<NativeModel>()?;
    module.add_function(wrap_pyfunction!(has_fast_bf16, module)?)?;
    module.add_function(wrap_pyfunction!(has_fast_int8, module)?)?;
    module.add_function(wrap_pyfunction!(check_native_config, module)?)
}

/// Whether products of bfloat16 are faster here than those of floats.
#[pyfunction]
fn has_fast_bf16() -> PyResult<bool> {
    Ok(kernels()?.has_fast_bf16())
}

/// Refuses a config.json whose layers do not run here, without reading any weights.
#[pyfunction]
fn check_native_config(config: &str) -> PyResult<()> {
    Architecture::parse(config).map(|_| ()).map_err(|error| to_py(&error))
}

/// Whether products of 8-bit codes are faster here than those of floats.
#[pyfunction]
fn has_fast_int8() -> PyResult<bool> {
    Ok(kernels()?.has_fast_codes())
}
