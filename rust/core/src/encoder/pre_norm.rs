//! A layer of ModernBERT: what attention, and then gated maps, make of normalised rows is added to them.

use std::sync::Arc;

use super::architecture::{Architecture, wrong};
use super::layer::Scratch;
use super::linear::Linear;
use super::modern::Modern;
use super::norm::Norm;
use super::packed::{Form, Plan};
use super::rotation::Rotation;
use super::tensors::Tensors;
use super::window::Window;
use crate::error::Result;
use crate::kernels::{Activation, Kernels};

/// Rows that go through a linear map together, for they stay in the second cache then; also those of a
/// text of thousands of tokens.
const SPAN: usize = 256;

/// Queries, keys and values.
const PARTS: usize = 3;

#[derive(Debug)]
pub(super) struct PreNorm {
    /// None in the first layer.
    before_attention: Option<Norm>,
    joined: Linear,
    mixed: Linear,
    before: Norm,
    up: Linear,
    gate: Linear,
    down: Linear,
    activation: Activation,
    hidden: usize,
    rotation: Arc<Rotation>,
    window: Window,
}

impl PreNorm {
    /// Reads the layer of that number; `name` is where the layers lie.
    pub(super) fn read(
        tensors: &Tensors,
        (name, layer): (&str, usize),
        (shape, modern): (&Architecture, &Modern),
        rotation: Arc<Rotation>,
        plan: &Plan,
    ) -> Result<Self> {
        let (hidden, inner) = (shape.hidden, shape.inner);
        let form = plan.form();
        let of = |part: &str| format!("{name}{layer}.{part}");
        let norm = |part: &str| {
            Norm::read_shifted(tensors, &of(part), hidden, shape.epsilon, modern.norm_bias)
        };
        let checked = |part: &str, bias: bool| {
            let name = of(part);
            if tensors.has(&format!("{name}.bias")) == bias {
                return Ok(name);
            }
            Err(wrong(format!(
                "it says {bias} of a bias of {name:?}, and the weights say otherwise"
            )))
        };
        let linear = |part: &str, sizes: (usize, usize), bias: bool, form: &Form| {
            Linear::read(tensors, &checked(part, bias)?, sizes, form)
        };
        let (around, inside) = (modern.attention_bias, modern.inner_bias);
        // The first half of the outputs goes through the function, the second is what it is multiplied by.
        let both = checked("mlp.Wi", inside)?;
        let [up, gate] =
            Linear::read_halves(tensors, &both, (hidden, inner), &plan.looked_at(layer, 1))?;
        Ok(Self {
            before_attention: if layer == 0 { None } else { Some(norm("attn_norm")?) },
            joined: linear(
                "attn.Wqkv",
                (hidden, PARTS * hidden),
                around,
                &plan.looked_at(layer, 0),
            )?,
            mixed: linear("attn.Wo", (hidden, hidden), around, &form)?,
            before: norm("mlp_norm")?,
            up,
            gate,
            down: linear("mlp.Wo", (inner, hidden), inside, &form)?,
            activation: shape.activation,
            hidden,
            rotation,
            window: Window(modern.sights[layer].window),
        })
    }

    pub(super) fn linears(&self) -> [&Linear; 5] {
        [&self.joined, &self.mixed, &self.up, &self.gate, &self.down]
    }

    pub(super) fn forward(&self, rows: &mut [f32], ends: &[usize], scratch: &mut Scratch) {
        self.attend(rows, ends, scratch);
        for span in rows.chunks_mut(SPAN * self.hidden) {
            self.pass_gates(span, scratch);
        }
    }

    /// Adds what attention makes of the rows.
    fn attend(&self, rows: &mut [f32], ends: &[usize], scratch: &mut Scratch) {
        let Scratch { tiles, attention, input, mixed, joined, normal, floats, ranges, .. } =
            scratch;
        let kernels = tiles.kernels();
        let width = PARTS * self.hidden;
        let tokens = rows.len() / self.hidden;
        joined.resize(tokens, width, attention.precision());
        let mut places = places(ends);
        for (at, span) in rows.chunks(SPAN * self.hidden).enumerate() {
            let span = match &self.before_attention {
                Some(norm) => normalised(norm, span, normal, kernels),
                None => span,
            };
            ranges.look(0, span);
            input.fill(span, self.hidden, self.joined.factors(), kernels);
            self.joined.store(input, &[self.joined.all()], floats, tiles);
            for (row, place) in floats.chunks_exact_mut(width).zip(&mut places) {
                // Queries and keys; values stay as they are.
                self.rotation.apply(&mut row[..2 * self.hidden], place, kernels);
            }
            joined.put(at * SPAN, floats, width, attention.precision(), kernels);
        }
        attention.mix_all(joined, ends, (None, self.window), mixed, tiles);
        self.mixed.accumulate(mixed, rows, tiles);
    }

    /// Adds what the gates let through of some rows.
    fn pass_gates(&self, rows: &mut [f32], scratch: &mut Scratch) {
        let Scratch { tiles, input, inner, normal, floats, ranges, .. } = scratch;
        let kernels = tiles.kernels();
        let normal = normalised(&self.before, rows, normal, kernels);
        ranges.look(1, normal);
        input.fill(normal, self.hidden, self.up.factors(), kernels);
        self.gate.store(input, &[self.gate.all()], floats, tiles);
        let (columns, after) = (0..self.up.outputs(), (self.activation, Some(&floats[..])));
        self.up.activate(input, columns, after, inner, tiles);
        self.down.accumulate(inner, rows, tiles);
    }
}

fn normalised<'a>(
    norm: &Norm,
    rows: &[f32],
    target: &'a mut Vec<f32>,
    kernels: Kernels,
) -> &'a [f32] {
    target.clear();
    target.extend_from_slice(rows);
    norm.apply(target, kernels);
    target
}

/// Each row's place in its text.
fn places(ends: &[usize]) -> impl Iterator<Item = usize> {
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(ends).flat_map(|(start, end)| 0..end - start)
}

#[cfg(test)]
mod tests {
    #[test]
    fn places_start_anew_with_each_text() {
        let found: Vec<usize> = super::places(&[2, 3, 6]).collect();
        assert_eq!(found, [0, 1, 0, 0, 1, 2]);
    }
}
