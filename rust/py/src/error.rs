//! The only place that picks a Python class for an error of the core.

use embedsmith_core::error::Error;
use pyo3::PyErr;
use pyo3::exceptions::PyKeyboardInterrupt;

pyo3::import_exception!(embedsmith.exceptions, DataError);
pyo3::import_exception!(embedsmith.exceptions, DeviceError);
pyo3::import_exception!(embedsmith.exceptions, MeasureError);
pyo3::import_exception!(embedsmith.exceptions, ModelError);
pyo3::import_exception!(embedsmith.exceptions, NonFiniteError);
pyo3::import_exception!(embedsmith.exceptions, OutOfMemoryError);
pyo3::import_exception!(embedsmith.exceptions, OutputError);
pyo3::import_exception!(embedsmith.exceptions, ParseError);
pyo3::import_exception!(embedsmith.exceptions, ShapeError);

/// The Python exception for an error of the core.
pub(crate) fn to_py(error: &Error) -> PyErr {
    let message = error.to_string();
    match error {
        Error::NonFinite { .. } | Error::ScoreNan { .. } => NonFiniteError::new_err(message),
        Error::Isa { .. } | Error::Pool { .. } => DeviceError::new_err(message),
        Error::Parse { .. } => ParseError::new_err(message),
        Error::Unwritable { .. } => OutputError::new_err(message),
        Error::GainMissing { .. }
        | Error::GainTooLarge { .. }
        | Error::GradeAboveLargest { .. } => MeasureError::new_err(message),
        Error::Content { .. }
        | Error::Unreadable { .. }
        | Error::ScoreType { .. }
        | Error::GradeType { .. }
        | Error::JudgedArrays { .. }
        | Error::NotMapping { .. }
        | Error::IdType { .. }
        | Error::IdsDiffer { .. }
        | Error::TiedScore { .. }
        | Error::ListRises { .. }
        | Error::ListRow { .. }
        | Error::ListHole { .. }
        | Error::ListRepeats { .. } => DataError::new_err(message),
        Error::Memory { .. } | Error::TooManyPairs { .. } => OutOfMemoryError::new_err(message),
        Error::Architecture { .. }
        | Error::Weights { .. }
        | Error::Tokenizer { .. }
        | Error::Token { .. } => ModelError::new_err(message),
        Error::Stopped => PyKeyboardInterrupt::new_err(message),
        Error::Layout { .. }
        | Error::Width { .. }
        | Error::ZeroK
        | Error::NanThreshold
        | Error::Empty { .. }
        | Error::TooManyRows { .. }
        | Error::PerRow { .. }
        | Error::PerQuery { .. }
        | Error::ExcludeLength { .. }
        | Error::ExcludeOffsets { .. }
        | Error::ExcludeRow { .. }
        | Error::PairOffsets { .. }
        | Error::PairRow { .. }
        | Error::Threads { .. }
        | Error::TokenCount { .. } => ShapeError::new_err(message),
    }
}
