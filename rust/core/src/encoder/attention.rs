//! Attention of each text's tokens to each other, one head after another.

use super::Precision;
use super::linear::FloatRows;
use super::operand::Operand;
use super::positions::DistanceBias;
use crate::kernels::bf16::{GROUP, Line, SIDE, STEP, round, steps};
use crate::kernels::{Bf16Tiles, Kernels, Shape};

/// Buffers of one thread, kept from text to text.
#[derive(Debug)]
pub(super) struct Attention {
    precision: Precision,
    heads: usize,
    width: usize,
    queries: Operand,
    shares: Operand,
    scores: Vec<f32>,
    sums: Vec<f32>,
    keys: Vec<Line>,
    values: Vec<Line>,
    key_floats: Vec<f32>,
    value_floats: Vec<f32>,
}

/// Columns of queries, keys and values in a row of the joined map.
const PARTS: usize = 3;

impl Attention {
    pub(super) fn new(precision: Precision, heads: usize, width: usize) -> Self {
        Self {
            precision,
            heads,
            width,
            queries: Operand::new(precision),
            shares: Operand::new(precision),
            scores: Vec::new(),
            sums: Vec::new(),
            keys: Vec::new(),
            values: Vec::new(),
            key_floats: Vec::new(),
            value_floats: Vec::new(),
        }
    }

    /// Mixes the values of one text's tokens.
    ///
    /// `joined` holds a row per token: queries, keys and values of all heads; `mixed` gets a row of all
    /// heads' mixtures per token. Each softmax is divided out at the end, so that a share is rounded
    /// once.
    pub(super) fn mix(
        &mut self,
        joined: &[f32],
        mixed: &mut [f32],
        bias: Option<&DistanceBias>,
        tiles: &mut Bf16Tiles,
    ) {
        for head in 0..self.heads {
            match self.precision {
                Precision::F32 => self.mix_floats(joined, mixed, head, bias, tiles.kernels()),
                Precision::Bf16 => self.mix_bf16(joined, mixed, head, bias, tiles),
            }
        }
    }

    fn scale(&self) -> f32 {
        1.0 / (self.width as f32).sqrt()
    }

    /// Where a head's queries (0), keys (1) or values (2) start in a row.
    fn column(&self, part: usize, head: usize) -> usize {
        (part * self.heads + head) * self.width
    }

    fn pitch(&self) -> usize {
        PARTS * self.heads * self.width
    }

    fn mix_floats(
        &mut self,
        joined: &[f32],
        mixed: &mut [f32],
        head: usize,
        bias: Option<&DistanceBias>,
        kernels: Kernels,
    ) {
        let (pitch, width, scale) = (self.pitch(), self.width, self.scale());
        let tokens = joined.len() / pitch;
        let shape = kernels.shape(tokens.max(4));
        pack_keys(
            &joined[self.column(1, head)..],
            pitch,
            width,
            tokens,
            shape,
            &mut self.key_floats,
        );
        let wide = kernels.shape(width);
        pack_values(
            &joined[self.column(2, head)..],
            pitch,
            width,
            tokens,
            wide,
            &mut self.value_floats,
        );
        self.scores.resize(tokens * tokens, 0.0);
        let queries = FloatRows { values: &joined[self.column(0, head)..], pitch, width };
        for (at, panel) in self.key_floats.chunks_exact(shape.lanes * width).enumerate() {
            let first = at * shape.lanes;
            let count = shape.lanes.min(tokens - first);
            queries.multiply(tokens, panel, shape, kernels, |row, products| {
                self.scores[row * tokens + first..][..count].copy_from_slice(&products[..count]);
            });
        }
        self.sums.clear();
        for (token, scores) in self.scores.chunks_exact_mut(tokens).enumerate() {
            let bias = bias.map_or(&[][..], |bias| bias.row(head, token, tokens));
            self.sums.push(kernels.exponentials(scores, scale, bias));
        }
        let shares = FloatRows { values: &self.scores, pitch: tokens, width: tokens };
        let heads = self.heads;
        for (at, panel) in self.value_floats.chunks_exact(wide.lanes * tokens).enumerate() {
            let first = at * wide.lanes;
            let count = wide.lanes.min(width - first);
            shares.multiply(tokens, panel, wide, kernels, |row, products| {
                let target = &mut mixed[(row * heads + head) * width + first..][..count];
                for (target, product) in target.iter_mut().zip(products.iter()) {
                    *target = product / self.sums[row];
                }
            });
        }
    }

    fn mix_bf16(
        &mut self,
        joined: &[f32],
        mixed: &mut [f32],
        head: usize,
        bias: Option<&DistanceBias>,
        tiles: &mut Bf16Tiles,
    ) {
        let (pitch, width, scale) = (self.pitch(), self.width, self.scale());
        let kernels = tiles.kernels();
        let tokens = joined.len() / pitch;
        let padded = tokens.next_multiple_of(SIDE);
        self.queries.resize(tokens, width);
        for (token, row) in joined.chunks_exact(pitch).enumerate() {
            let start = self.column(0, head);
            self.queries.put(token, 0, &row[start..start + width], kernels);
        }
        key_panels(&joined[self.column(1, head)..], pitch, width, tokens, kernels, &mut self.keys);
        value_panels(&joined[self.column(2, head)..], pitch, width, tokens, &mut self.values);
        self.scores.resize(SIDE * padded, 0.0);
        for start in (0..tokens).step_by(SIDE) {
            let rows = SIDE.min(tokens - start);
            for (at, panel) in self.keys.chunks_exact(SIDE * steps(width)).enumerate() {
                let products = tiles.multiply(self.queries.pair(start), panel);
                for (row, values) in products.chunks_exact(SIDE).take(rows).enumerate() {
                    self.scores[row * padded + at * SIDE..][..SIDE].copy_from_slice(values);
                }
            }
            self.sums.clear();
            self.shares.resize(rows, padded);
            for (row, scores) in self.scores.chunks_exact_mut(padded).take(rows).enumerate() {
                let (scores, beyond) = scores.split_at_mut(tokens);
                let bias = bias.map_or(&[][..], |bias| bias.row(head, start + row, tokens));
                self.sums.push(kernels.exponentials(scores, scale, bias));
                beyond.fill(0.0);
            }
            for (row, scores) in self.scores.chunks_exact(padded).take(rows).enumerate() {
                self.shares.put(row, 0, scores, kernels);
            }
            for (at, panel) in self.values.chunks_exact(SIDE * steps(padded)).enumerate() {
                let first = at * SIDE;
                let count = SIDE.min(width - first);
                let products = tiles.multiply(self.shares.pair(0), panel);
                for (row, values) in products.chunks_exact(SIDE).take(rows).enumerate() {
                    let target = &mut mixed[((start + row) * self.heads + head) * width + first..];
                    for (target, value) in target[..count].iter_mut().zip(values) {
                        *target = value / self.sums[row];
                    }
                }
            }
        }
    }
}

/// Keys as panels: `panel[column * lanes + key]`.
fn pack_keys(
    keys: &[f32],
    pitch: usize,
    width: usize,
    tokens: usize,
    shape: Shape,
    panels: &mut Vec<f32>,
) {
    panels.clear();
    panels.resize(tokens.div_ceil(shape.lanes) * shape.lanes * width, 0.0);
    for token in 0..tokens {
        let panel = &mut panels[token / shape.lanes * shape.lanes * width..];
        for (column, value) in keys[token * pitch..][..width].iter().enumerate() {
            panel[column * shape.lanes + token % shape.lanes] = *value;
        }
    }
}

/// Values as panels: `panel[token * lanes + column]`.
fn pack_values(
    values: &[f32],
    pitch: usize,
    width: usize,
    tokens: usize,
    shape: Shape,
    panels: &mut Vec<f32>,
) {
    panels.clear();
    panels.resize(width.div_ceil(shape.lanes) * shape.lanes * tokens, 0.0);
    for (at, panel) in panels.chunks_exact_mut(shape.lanes * tokens).enumerate() {
        let first = at * shape.lanes;
        let count = shape.lanes.min(width - first);
        for (token, target) in panel.chunks_exact_mut(shape.lanes).enumerate() {
            target[..count].copy_from_slice(&values[token * pitch + first..][..count]);
        }
    }
}

/// Keys as bfloat16 panels of 32: the line of a pair of columns holds both of 16 keys in turn.
fn key_panels(
    keys: &[f32],
    pitch: usize,
    width: usize,
    tokens: usize,
    kernels: Kernels,
    panels: &mut Vec<Line>,
) {
    let depth = steps(width);
    panels.clear();
    panels.resize(tokens.next_multiple_of(SIDE) * depth, Line::ZERO);
    let mut codes = [Line::ZERO; GROUP];
    for (at, panel) in panels.chunks_exact_mut(SIDE * depth).enumerate() {
        for step in 0..depth {
            let columns = STEP.min(width - step * STEP);
            for half in 0..2 {
                let first = at * SIDE + half * GROUP;
                for (lane, code) in codes.iter_mut().enumerate() {
                    let mut part = [0.0; STEP];
                    if first + lane < tokens {
                        let start = (first + lane) * pitch + step * STEP;
                        part[..columns].copy_from_slice(&keys[start..start + columns]);
                    }
                    kernels.encode_line(&part, code);
                }
                let lines = &mut panel[(step * 2 + half) * GROUP..][..GROUP];
                for (pair, line) in lines.iter_mut().enumerate() {
                    for (lane, code) in codes.iter().enumerate() {
                        line.0[lane * 2] = code.0[pair * 2];
                        line.0[lane * 2 + 1] = code.0[pair * 2 + 1];
                    }
                }
            }
        }
    }
}

/// Values as bfloat16 panels of 32 columns: the line of a pair of tokens holds both of 16 columns in turn.
fn value_panels(values: &[f32], pitch: usize, width: usize, tokens: usize, panels: &mut Vec<Line>) {
    let depth = steps(tokens.next_multiple_of(SIDE));
    panels.clear();
    panels.resize(width.div_ceil(SIDE) * depth * SIDE, Line::ZERO);
    for (at, panel) in panels.chunks_exact_mut(SIDE * depth).enumerate() {
        for token in 0..tokens {
            let (step, pair) = (token / STEP, token % STEP / 2);
            let first = at * SIDE;
            let row = &values[token * pitch + first..][..SIDE.min(width - first)];
            for (half, part) in row.chunks(GROUP).enumerate() {
                let line = &mut panel[(step * 2 + half) * GROUP + pair];
                for (lane, value) in part.iter().enumerate() {
                    line.0[lane * 2 + token % 2] = round(*value);
                }
            }
        }
    }
}
