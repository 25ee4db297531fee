//! From token ids to the rows that enter the first layer.

use super::architecture::{Architecture, Family};
use super::norm::Norm;
use super::tensors::{Table, Tensors};
use crate::error::Result;
use crate::kernels::Kernels;

/// Tables of tokens, and of places and types where the family has them.
#[derive(Debug)]
pub(super) struct Embedding {
    words: Table,
    places: Option<Table>,
    first_position: usize,
    /// Of type 0, which all texts are of throughout.
    types: Option<Vec<f32>>,
    norm: Norm,
    hidden: usize,
}

impl Embedding {
    /// Reads the tables; returns them with what the names of all tensors start with.
    pub(super) fn read(tensors: &Tensors, shape: &Architecture) -> Result<(Self, &'static str)> {
        let hidden = shape.hidden;
        let modern = matches!(shape.family, Family::ModernBert(_));
        let (words, norm) = if modern {
            ("embeddings.tok_embeddings.weight", "embeddings.norm")
        } else {
            ("embeddings.word_embeddings.weight", "embeddings.LayerNorm")
        };
        let prefixes = ["", "bert.", "roberta.", "mpnet.", "distilbert.", "model."];
        let prefix = tensors.prefix(&prefixes, words);
        let of = |name: &str| format!("{prefix}{name}");
        let types = if matches!(shape.family, Family::Bert | Family::Roberta) {
            let name = of("embeddings.token_type_embeddings.weight");
            let rows = tensors.rows(&name)?;
            Some(tensors.values(&name, &[rows, hidden])?[..hidden].to_vec())
        } else {
            None
        };
        let places = if modern {
            None
        } else {
            let name = of("embeddings.position_embeddings.weight");
            Some(tensors.table(&name, shape.first_position + shape.max_tokens, hidden)?)
        };
        let shifted = match &shape.family {
            Family::ModernBert(modern) => modern.norm_bias,
            Family::Bert | Family::Roberta | Family::Mpnet | Family::DistilBert => true,
        };
        let found = Self {
            words: tensors.table(&of(words), shape.vocabulary, hidden)?,
            places,
            first_position: shape.first_position,
            types,
            norm: Norm::read_shifted(tensors, &of(norm), hidden, shape.epsilon, shifted)?,
            hidden,
        };
        Ok((found, prefix))
    }

    /// Appends the rows of a text.
    pub(super) fn append(
        &self,
        ids: &[u32],
        rows: &mut Vec<f32>,
        held: &mut Vec<f32>,
        kernels: Kernels,
    ) {
        let first = rows.len();
        rows.resize(first + ids.len() * self.hidden, 0.0);
        let own = &mut rows[first..];
        for (place, (&id, row)) in ids.iter().zip(own.chunks_exact_mut(self.hidden)).enumerate() {
            self.words.add_row(id as usize, row, kernels, held);
            if let Some(types) = &self.types {
                kernels.add(types, row);
            }
            if let Some(places) = &self.places {
                places.add_row(self.first_position + place, row, kernels, held);
            }
        }
        self.norm.apply(own, kernels);
    }
}
