//! Checked views of numpy arrays.

use embedsmith_core::rows::Rows;
use numpy::{PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::PyResult;

use crate::error::ShapeError;

/// Borrows a C-contiguous float32 matrix; `argument` names it in the error.
pub(crate) fn rows<'a>(
    argument: &'static str,
    array: &'a PyReadonlyArray2<'_, f32>,
) -> PyResult<Rows<'a>> {
    let [len, dim] = [array.shape()[0], array.shape()[1]];
    let data = array.as_slice().map_err(|_| {
        ShapeError::new_err(format!(
            "{argument} is not C-contiguous; pass numpy.ascontiguousarray({argument})."
        ))
    })?;
    Rows::new(argument, data, len, dim).map_err(|error| crate::error::to_py(&error))
}
