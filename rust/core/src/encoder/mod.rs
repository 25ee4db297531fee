//! Transformer encoders on the processor: from texts to vectors, without padding.
//!
//! Texts become token ids (`tokens`), ids become rows (`embedding`) of a block (`model`), the block goes
//! through the layers (`stack`; two kinds, `post_norm` and `pre_norm`), each of which is linear maps (`linear`)
//! and attention (`attention`), and each text's rows become one vector (`pooling`). A row's values depend on its own text only, and every sum runs in
//! one order: the same text gives the same bits alone, in any batch and with any number of threads.

mod architecture;
mod attention;
mod barrier;
mod embedding;
mod float_rows;
mod head;
mod layer;
mod linear;
mod model;
mod modern;
mod norm;
mod operand;
mod packed;
mod pooling;
mod positions;
mod post_norm;
mod pre_norm;
mod ranges;
mod rotation;
mod stack;
mod team;
mod tensors;
mod tokens;
mod window;

#[cfg(test)]
mod tests;

pub use architecture::{Architecture, Family};
pub use head::{DenseFile, HeadFiles};
pub use model::{Model, ModelFiles};
pub use modern::{Modern, Sight};
pub use pooling::Pooling;
pub use tokens::{Side, Tokenizer, Tokens};

use crate::kernels::Kernels;

/// Number format of the products; everything between them is `f32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats: the same bits on every instruction set.
    F32,
    /// bfloat16 factors with sums in `f32`.
    Bf16,
    /// Codes of 8 bits with a scale for each row, or output, and block of 128 columns. Attention is in
    /// bfloat16 where that is fast.
    Int8,
}

impl Precision {
    /// The name that users write.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        }
    }

    /// The format in which attention multiplies.
    fn of_attention(self, kernels: Kernels) -> Self {
        match self {
            Self::Int8 if kernels.has_fast_bf16() => Self::Bf16,
            Self::Int8 => Self::F32,
            other => other,
        }
    }
}
