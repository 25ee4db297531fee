//! A layer of BERT and its kin: attention, then two linear maps, each added to what came in and normalised.

use std::sync::Arc;

use super::Precision;
use super::architecture::Architecture;
use super::layer::Scratch;
use super::linear::Linear;
use super::norm::Norm;
use super::packed::{Form, Plan};
use super::positions::DistanceBias;
use super::team::Member;
use super::tensors::Tensors;
use super::window::Window;
use crate::error::Result;
use crate::kernels::Activation;

/// Names of a layer's tensors, after the layer's own.
pub(super) struct Names {
    queries_keys_values: [&'static str; 3],
    mixed: &'static str,
    after_attention: &'static str,
    up: &'static str,
    down: &'static str,
    after: &'static str,
}

pub(super) const BERT: Names = Names {
    queries_keys_values: ["attention.self.query", "attention.self.key", "attention.self.value"],
    mixed: "attention.output.dense",
    after_attention: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    after: "output.LayerNorm",
};

pub(super) const MPNET: Names = Names {
    queries_keys_values: ["attention.attn.q", "attention.attn.k", "attention.attn.v"],
    mixed: "attention.attn.o",
    after_attention: "attention.LayerNorm",
    ..BERT
};

pub(super) const DISTILBERT: Names = Names {
    queries_keys_values: ["attention.q_lin", "attention.k_lin", "attention.v_lin"],
    mixed: "attention.out_lin",
    after_attention: "sa_layer_norm",
    up: "ffn.lin1",
    down: "ffn.lin2",
    after: "output_layer_norm",
};

/// Columns between the two maps that are computed, and multiplied on, at a time: they stay in the second
/// cache. A multiple of every panel and block.
const CHUNK: usize = 384;

#[derive(Debug)]
pub(super) struct PostNorm {
    joined: Linear,
    mixed: Linear,
    after_attention: Norm,
    up: Linear,
    down: Linear,
    after: Norm,
    activation: Activation,
    hidden: usize,
    bias: Option<Arc<DistanceBias>>,
}

impl PostNorm {
    pub(super) fn read(
        tensors: &Tensors,
        (name, names): (&str, &Names),
        shape: &Architecture,
        bias: Option<Arc<DistanceBias>>,
        (plan, layer): (&Plan, usize),
    ) -> Result<Self> {
        let (hidden, inner) = (shape.hidden, shape.inner);
        let form = plan.form();
        let cut = Form { chunk: Some(CHUNK), ..form };
        let of = |part: &str| format!("{name}{part}");
        let norm = |part: &str| Norm::read(tensors, &of(part), hidden, shape.epsilon);
        let three = names.queries_keys_values.map(of);
        Ok(Self {
            joined: Linear::read_joined(
                tensors,
                &three,
                (hidden, hidden),
                &plan.looked_at(layer, 0),
            )?,
            mixed: Linear::read(tensors, &of(names.mixed), (hidden, hidden), &form)?,
            after_attention: norm(names.after_attention)?,
            up: Linear::read(tensors, &of(names.up), (hidden, inner), &plan.looked_at(layer, 1))?,
            down: Linear::read(tensors, &of(names.down), (inner, hidden), &cut)?,
            after: norm(names.after)?,
            activation: shape.activation,
            hidden,
            bias,
        })
    }

    pub(super) fn linears(&self) -> [&Linear; 4] {
        [&self.joined, &self.mixed, &self.up, &self.down]
    }

    pub(super) fn forward(&self, rows: &mut [f32], ends: &[usize], scratch: &mut Scratch) {
        let Scratch { tiles, attention, input, inner, joined, ranges, .. } = scratch;
        let kernels = tiles.kernels();
        ranges.look(0, rows);
        input.fill(rows, self.hidden, self.joined.factors(), kernels);
        let all = [self.joined.all()];
        match attention.precision() {
            Precision::Bf16 => self.joined.store_lines(input, &all, &mut joined.lines, tiles),
            _ => self.joined.store(input, &all, &mut joined.floats, tiles),
        }
        attention.mix_all(joined, ends, (self.bias.as_deref(), Window(None)), input, tiles);
        self.mixed.accumulate_products(input, rows, tiles);
        self.after_attention.apply_after(self.mixed.bias(), rows, kernels);
        ranges.look(1, rows);
        input.fill(rows, self.hidden, self.up.factors(), kernels);
        for (at, columns) in self.down.input_chunks().enumerate() {
            self.up.activate(input, columns, (self.activation, None), inner, tiles);
            self.down.accumulate_chunk((at, 0, &self.down.all()), inner, rows, tiles);
        }
        self.after.apply_after(self.down.bias(), rows, kernels);
    }

    /// The same as a member of a team.
    pub(super) fn forward_in_team(&self, member: &mut Member<'_>, ends: &[usize]) {
        let hidden = self.hidden;
        member.lead(|rows, input, kernels| {
            input.fill(rows, hidden, self.joined.factors(), kernels);
        });
        member.attend(&self.joined, ends, (self.bias.as_deref(), Window(None)));
        member.accumulate(&self.mixed);
        member.lead(|rows, input, kernels| {
            self.after_attention.apply_after(self.mixed.bias(), rows, kernels);
            input.fill(rows, hidden, self.up.factors(), kernels);
        });
        member.pass_inner((&self.up, self.activation), &self.down);
        member.lead(|rows, _, kernels| {
            self.after.apply_after(self.down.bias(), rows, kernels);
        });
    }
}
