//! Checked views of numpy arrays.

use embedsmith_core::rows::{Corpus, Rows, Values};
use numpy::{
    Element, PyReadonlyArray, PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArray,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;

use crate::error::{ShapeError, to_py};

/// Borrows a C-contiguous float32 matrix; `argument` names it in the error.
pub(crate) fn rows<'a>(
    argument: &'static str,
    array: &'a PyReadonlyArray2<'_, f32>,
) -> PyResult<Rows<'a>> {
    let [len, dim] = [array.shape()[0], array.shape()[1]];
    Rows::new(argument, flat(argument, array)?, len, dim).map_err(|error| to_py(&error))
}

/// Borrows all values of a C-contiguous array.
pub(crate) fn flat<'a, T: Element, D: numpy::ndarray::Dimension>(
    argument: &str,
    array: &'a PyReadonlyArray<'_, T, D>,
) -> PyResult<&'a [T]> {
    array.as_slice().map_err(|_| strided(argument))
}

/// Borrows all values of a C-contiguous array to write to.
pub(crate) fn flat_mut<'a, T: Element, D: numpy::ndarray::Dimension>(
    argument: &str,
    array: &'a mut PyReadwriteArray<'_, T, D>,
) -> PyResult<&'a mut [T]> {
    array.as_slice_mut().map_err(|_| strided(argument))
}

/// Borrows a C-contiguous vector.
pub(crate) fn contiguous<'a, T: Element>(
    argument: &str,
    array: &'a PyReadonlyArray1<'_, T>,
) -> PyResult<&'a [T]> {
    flat(argument, array)
}

fn strided(argument: &str) -> PyErr {
    ShapeError::new_err(format!(
        "{argument} is not C-contiguous; pass numpy.ascontiguousarray({argument})."
    ))
}

/// A corpus of single precision, or of halves given as bits.
#[derive(FromPyObject)]
pub(crate) enum CorpusArray<'py> {
    /// float32.
    Single(PyReadonlyArray2<'py, f32>),
    /// uint16: what they mean is told beside them.
    Half(PyReadonlyArray2<'py, u16>),
}

impl CorpusArray<'_> {
    /// Views the corpus; `half` says what 16 bits stand for, "float16" or "bfloat16".
    pub(crate) fn view(&self, half: Option<&str>) -> PyResult<Corpus<'_>> {
        let (values, shape) = match (self, half) {
            (Self::Single(array), None) => (Values::F32(flat("corpus", array)?), array.shape()),
            (Self::Half(array), Some("float16")) => {
                (Values::F16(flat("corpus", array)?), array.shape())
            }
            (Self::Half(array), Some("bfloat16")) => {
                (Values::Bf16(flat("corpus", array)?), array.shape())
            }
            (_, other) => {
                return Err(ShapeError::new_err(format!(
                    "half={other:?} does not fit the corpus; pass uint16 bits with half=\"float16\" \
                     or half=\"bfloat16\", and float32 without."
                )));
            }
        };
        Corpus::new("corpus", values, shape[0], shape[1]).map_err(|error| to_py(&error))
    }
}
