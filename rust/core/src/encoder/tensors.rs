//! Tensors of safetensors files, read where they lie.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use safetensors::{Dtype, SafeTensors};

use crate::error::{Error, Result};
use crate::kernels::{Kernels, Mapped};

/// Where a tensor lies.
#[derive(Debug, Clone)]
struct Entry {
    file: Arc<Mapped>,
    bytes: Range<usize>,
    dtype: Dtype,
    shape: Vec<usize>,
}

/// The tensors of a model, by name.
#[derive(Debug)]
pub(super) struct Tensors {
    path: PathBuf,
    entries: HashMap<String, Entry>,
}

impl Tensors {
    /// Opens the files. Each header is checked; no tensor is read.
    pub(super) fn open(paths: &[PathBuf]) -> Result<Self> {
        let mut entries = HashMap::new();
        for path in paths {
            let file = Mapped::open(path).map_err(|error| Error::Unreadable {
                path: path.display().to_string(),
                reason: error.to_string(),
                fix: "Check the path and who may read it.".to_owned(),
            })?;
            let file = Arc::new(file);
            let damaged =
                |problem: String| Error::Weights { file: path.display().to_string(), problem };
            let parsed = SafeTensors::deserialize(&file)
                .map_err(|error| damaged(format!("is no whole safetensors file ({error})")))?;
            for (name, tensor) in parsed.tensors() {
                let start = tensor.data().as_ptr().addr() - file.as_ptr().addr();
                let entry = Entry {
                    file: Arc::clone(&file),
                    bytes: start..start + tensor.data().len(),
                    dtype: tensor.dtype(),
                    shape: tensor.shape().to_vec(),
                };
                if entries.insert(name.clone(), entry).is_some() {
                    return Err(damaged(format!("repeats the tensor {name:?} of another file")));
                }
            }
        }
        let path = paths.first().cloned().unwrap_or_default();
        Ok(Self { path, entries })
    }

    /// True if there is a tensor of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    fn damaged(&self, problem: String) -> Error {
        Error::Weights { file: self.path.display().to_string(), problem }
    }

    fn entry(&self, name: &str, shape: &[usize]) -> Result<&Entry> {
        let entry = self
            .entries
            .get(name)
            .ok_or_else(|| self.damaged(format!("has no tensor {name:?}")))?;
        if entry.shape != shape {
            return Err(self.damaged(format!(
                "holds {name:?} of shape {:?}, and config.json asks for {shape:?}",
                entry.shape
            )));
        }
        if !matches!(entry.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
            return Err(self.damaged(format!(
                "holds {name:?} as {:?}; F32, F16 and BF16 run natively",
                entry.dtype
            )));
        }
        Ok(entry)
    }

    /// How many rows a tensor has.
    pub(super) fn rows(&self, name: &str) -> Result<usize> {
        let rows = self.entries.get(name).and_then(|entry| entry.shape.first());
        rows.copied().ok_or_else(|| self.damaged(format!("has no tensor {name:?}")))
    }

    /// A tensor's values, row-major, widened to `f32`.
    pub(super) fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let entry = self.entry(name, shape)?;
        let mut values = vec![0.0; shape.iter().product()];
        widen(entry.dtype, &entry.file[entry.bytes.clone()], &mut values, Kernels::best());
        if let Some(place) = values.iter().position(|value| !value.is_finite()) {
            return Err(self.damaged(format!("holds NaN or infinity in {name:?}, value {place}")));
        }
        Ok(values)
    }

    /// A table that is read row by row, where it lies.
    pub(super) fn table(&self, name: &str, rows: usize, width: usize) -> Result<Table> {
        Ok(Table { entry: self.entry(name, &[rows, width])?.clone(), width })
    }

    /// The first of the names that the files have with the given end; for prefixes.
    pub(super) fn prefix(&self, candidates: &[&'static str], end: &str) -> &'static str {
        candidates
            .iter()
            .find(|prefix| self.has(&format!("{prefix}{end}")))
            .copied()
            .unwrap_or_default()
    }
}

/// A table of embeddings.
#[derive(Debug)]
pub(super) struct Table {
    entry: Entry,
    width: usize,
}

impl Table {
    /// Adds a row to `target`.
    pub(super) fn add_row(
        &self,
        row: usize,
        target: &mut [f32],
        kernels: Kernels,
        held: &mut Vec<f32>,
    ) {
        let step = self.entry.dtype.bitsize() / 8 * self.width;
        let start = self.entry.bytes.start + row * step;
        held.resize(self.width, 0.0);
        widen(self.entry.dtype, &self.entry.file[start..start + step], held, kernels);
        kernels.add(held, target);
    }
}

fn widen(dtype: Dtype, bytes: &[u8], values: &mut [f32], kernels: Kernels) {
    let halves = || -> Vec<u16> {
        bytes.as_chunks().0.iter().map(|bytes| u16::from_le_bytes(*bytes)).collect()
    };
    match dtype {
        Dtype::BF16 => kernels.widen_bf16(&halves(), values),
        Dtype::F16 => kernels.widen_f16(&halves(), values),
        _ => {
            for (value, bytes) in values.iter_mut().zip(bytes.as_chunks().0) {
                *value = f32::from_le_bytes(*bytes);
            }
        }
    }
}
