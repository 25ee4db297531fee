//! One layer: attention, then two linear maps, each added to what came in and normalised.

use super::Precision;
use super::architecture::{Architecture, Family};
use super::attention::{Attention, Joined};
use super::linear::Linear;
use super::norm::Norm;
use super::operand::Operand;
use super::positions::DistanceBias;
use super::tensors::Tensors;
use crate::error::Result;
use crate::kernels::{Activation, Bf16Tiles, Kernels};

/// Names of a layer's tensors, after the layer's own.
struct Names {
    queries_keys_values: [&'static str; 3],
    mixed: &'static str,
    after_attention: &'static str,
    up: &'static str,
    down: &'static str,
    after: &'static str,
}

const BERT: Names = Names {
    queries_keys_values: ["attention.self.query", "attention.self.key", "attention.self.value"],
    mixed: "attention.output.dense",
    after_attention: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    after: "output.LayerNorm",
};

const MPNET: Names = Names {
    queries_keys_values: ["attention.attn.q", "attention.attn.k", "attention.attn.v"],
    mixed: "attention.attn.o",
    after_attention: "attention.LayerNorm",
    ..BERT
};

const DISTILBERT: Names = Names {
    queries_keys_values: ["attention.q_lin", "attention.k_lin", "attention.v_lin"],
    mixed: "attention.out_lin",
    after_attention: "sa_layer_norm",
    up: "ffn.lin1",
    down: "ffn.lin2",
    after: "output_layer_norm",
};

/// Buffers of one thread.
#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) tiles: Bf16Tiles,
    attention: Attention,
    input: Operand,
    inner: Operand,
    joined: Joined,
}

impl Scratch {
    pub(super) fn new(shape: &Architecture, precision: Precision, kernels: Kernels) -> Self {
        Self {
            tiles: Bf16Tiles::new(kernels),
            attention: Attention::new(precision, shape.heads, shape.head_width()),
            input: Operand::new(precision),
            inner: Operand::new(precision),
            joined: Joined::default(),
        }
    }
}

#[derive(Debug)]
pub(super) struct Layer {
    joined: Linear,
    mixed: Linear,
    after_attention: Norm,
    up: Linear,
    down: Linear,
    after: Norm,
    activation: Activation,
    hidden: usize,
}

impl Layer {
    pub(super) fn read(
        tensors: &Tensors,
        name: &str,
        shape: &Architecture,
        form: (Precision, Kernels),
    ) -> Result<Self> {
        let names = match shape.family {
            Family::Bert | Family::Roberta => BERT,
            Family::Mpnet => MPNET,
            Family::DistilBert => DISTILBERT,
        };
        let (hidden, inner) = (shape.hidden, shape.inner);
        let of = |part: &str| format!("{name}{part}");
        let norm = |part: &str| Norm::read(tensors, &of(part), hidden, shape.epsilon);
        let three = names.queries_keys_values.map(of);
        Ok(Self {
            joined: Linear::read_joined(tensors, &three, (hidden, hidden), form)?,
            mixed: Linear::read(tensors, &of(names.mixed), (hidden, hidden), form)?,
            after_attention: norm(names.after_attention)?,
            up: Linear::read(tensors, &of(names.up), (hidden, inner), form)?,
            down: Linear::read(tensors, &of(names.down), (inner, hidden), form)?,
            after: norm(names.after)?,
            activation: shape.activation,
            hidden,
        })
    }

    pub(super) fn bytes(&self) -> usize {
        [&self.joined, &self.mixed, &self.up, &self.down].into_iter().map(Linear::bytes).sum()
    }

    /// Takes the rows of several texts, whose ends are `ends`, through the layer.
    pub(super) fn forward(
        &self,
        rows: &mut [f32],
        ends: &[usize],
        bias: Option<&DistanceBias>,
        scratch: &mut Scratch,
    ) {
        let Scratch { tiles, attention, input, inner, joined } = scratch;
        let kernels = tiles.kernels();
        input.fill(rows, self.hidden, kernels);
        match attention.precision() {
            Precision::F32 => self.joined.store(input, &mut joined.floats, tiles),
            Precision::Bf16 => self.joined.store_lines(input, &mut joined.lines, tiles),
        }
        let mut start = 0;
        for &end in ends {
            attention.mix(joined, start..end, bias, input, tiles);
            start = end;
        }
        self.mixed.accumulate(input, rows, tiles);
        self.after_attention.apply(rows, kernels);
        input.fill(rows, self.hidden, kernels);
        self.up.activate(input, self.activation, inner, tiles);
        self.down.accumulate(inner, rows, tiles);
        self.after.apply(rows, kernels);
    }
}
