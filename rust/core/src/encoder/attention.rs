//! Attention of each text's tokens to each other, one head after another.

use std::ops::Range;

use super::Precision;
use super::float_rows::FloatRows;
use super::operand::Operand;
use super::positions::DistanceBias;
use super::window::Window;
use crate::kernels::bf16::{GROUP, Line, SIDE, STEP, steps};
use crate::kernels::{Bf16Rows, Bf16Tiles, Kernels, Shape};

/// Queries, keys and values in a row of the joined map.
const PARTS: usize = 3;

/// Queries whose scores are in memory together, in products of floats; every tile's rows divide it.
const SPAN: usize = 48;

/// What a layer adds to the scores, and how far it looks.
pub(super) type Sight<'a> = (Option<&'a DistanceBias>, Window);

/// Queries, keys and values of all heads, a row per token, in one of two forms.
#[derive(Debug, Default)]
pub(super) struct Joined {
    pub(super) floats: Vec<f32>,
    pub(super) lines: Vec<Line>,
}

impl Joined {
    /// Makes room for so many rows.
    pub(super) fn resize(&mut self, rows: usize, width: usize, precision: Precision) {
        match precision {
            // A tile reads 32 rows, wherever it starts.
            Precision::Bf16 => self.lines.resize((rows + SIDE) * steps(width), Line::ZERO),
            _ => self.floats.resize(rows * width, 0.0),
        }
    }

    /// Takes rows of floats as those from row `first` on.
    pub(super) fn put(
        &mut self,
        first: usize,
        rows: &[f32],
        width: usize,
        precision: Precision,
        kernels: Kernels,
    ) {
        match precision {
            Precision::Bf16 => {
                let lines = self.lines[first * steps(width)..].chunks_exact_mut(steps(width));
                for (row, lines) in rows.chunks_exact(width).zip(lines) {
                    kernels.row_to_lines(row, lines, 1);
                }
            }
            _ => self.floats[first * width..][..rows.len()].copy_from_slice(rows),
        }
    }
}

/// Buffers of one thread, kept from text to text.
#[derive(Debug)]
pub(super) struct Attention {
    precision: Precision,
    /// The model's first head that is mixed here.
    first: usize,
    heads: usize,
    width: usize,
    shares: Vec<Line>,
    scores: Vec<f32>,
    /// What divides each row's mixtures out, head by head.
    factors: Vec<f32>,
    /// Mixtures of all heads, a row per token, and room for a tile's rows behind.
    mixed: Vec<f32>,
    keys: Vec<Line>,
    values: Vec<Line>,
    key_floats: Vec<f32>,
    value_floats: Vec<f32>,
}

impl Attention {
    pub(super) fn new(precision: Precision, heads: usize, width: usize) -> Self {
        Self::of_heads(precision, 0..heads, width)
    }

    /// For some of a model's heads.
    pub(super) fn of_heads(precision: Precision, heads: Range<usize>, width: usize) -> Self {
        debug_assert!(width.is_multiple_of(STEP), "a head is whole lines");
        Self {
            precision,
            first: heads.start,
            heads: heads.len(),
            width,
            shares: Vec::new(),
            scores: Vec::new(),
            factors: Vec::new(),
            mixed: Vec::new(),
            keys: Vec::new(),
            values: Vec::new(),
            key_floats: Vec::new(),
            value_floats: Vec::new(),
        }
    }

    pub(super) fn precision(&self) -> Precision {
        self.precision
    }

    /// Mixes the values of each text's tokens; texts end before the rows `ends`.
    pub(super) fn mix_all(
        &mut self,
        joined: &Joined,
        ends: &[usize],
        sight: Sight,
        target: &mut Operand,
        tiles: &mut Bf16Tiles,
    ) {
        self.mix(joined, ends, sight, tiles);
        let tokens = ends.last().copied().unwrap_or_default();
        target.resize(tokens, self.heads * self.width);
        for token in 0..tokens {
            target.set(token, self.mixture(token), &[], tiles.kernels());
        }
    }

    /// Mixes them, and keeps the mixtures.
    ///
    /// Each softmax is divided out at the end, on the mixture.
    pub(super) fn mix(
        &mut self,
        joined: &Joined,
        ends: &[usize],
        sight: Sight,
        tiles: &mut Bf16Tiles,
    ) {
        let (kernels, hidden) = (tiles.kernels(), self.heads * self.width);
        let tokens = ends.last().copied().unwrap_or_default();
        self.mixed.resize((tokens + SIDE) * hidden, 0.0);
        self.factors.resize(tokens * self.heads, 1.0);
        let mut start = 0;
        for &end in ends {
            for head in 0..self.heads {
                match self.precision {
                    Precision::Bf16 => {
                        self.mix_lines(&joined.lines, start..end, head, sight, tiles);
                    }
                    _ => self.mix_floats(&joined.floats, start..end, head, sight, kernels),
                }
            }
            start = end;
        }
        let factors = self.factors.chunks_exact(self.heads);
        for (row, factors) in self.mixed.chunks_exact_mut(hidden).zip(factors) {
            kernels.scale_segments(row, factors);
        }
    }

    /// A token's mixtures of all heads.
    pub(super) fn mixture(&self, token: usize) -> &[f32] {
        let hidden = self.heads * self.width;
        &self.mixed[token * hidden..][..hidden]
    }

    fn scale(&self) -> f32 {
        1.0 / (self.width as f32).sqrt()
    }

    fn mix_floats(
        &mut self,
        joined: &[f32],
        text: Range<usize>,
        head: usize,
        (bias, window): Sight,
        kernels: Kernels,
    ) {
        let (width, heads, scale) = (self.width, self.heads, self.scale());
        let (pitch, hidden) = (PARTS * heads * width, heads * width);
        let joined = &joined[text.start * pitch..text.end * pitch];
        let tokens = text.len();
        let part = |part: usize, from: usize| FloatRows {
            values: &joined[from * pitch + (part * heads + head) * width..],
            pitch,
            width,
        };
        let (shape, wide) = (kernels.shape(tokens.max(4)), kernels.shape(width));
        let panel = shape.lanes * width;
        pack_keys(part(1, 0), tokens, shape, &mut self.key_floats);
        pack_values(part(2, 0), tokens, wide, &mut self.value_floats);
        for start in (0..tokens).step_by(SPAN) {
            let rows = SPAN.min(tokens - start);
            let band = window.keys(start..start + rows, tokens);
            let first = band.start / shape.lanes * shape.lanes;
            let size = band.end - first;
            self.scores.resize(rows * size, 0.0);
            let panels = &self.key_floats[first * width..band.end.div_ceil(shape.lanes) * panel];
            for (at, panel) in panels.chunks_exact(panel).enumerate() {
                let place = at * shape.lanes;
                let count = shape.lanes.min(size - place);
                part(0, start).multiply(rows, panel, shape, kernels, |row, block| {
                    let target = &mut self.scores[row * size + place..];
                    kernels.store_block(block, shape.lanes, &[0.0; 64][..count], target, size);
                });
            }
            for (row, scores) in self.scores.chunks_exact_mut(size).enumerate() {
                let token = start + row;
                let seen = window.keys(token..token + 1, tokens);
                let own = seen.start - first..seen.end - first;
                scores[..own.start].fill(0.0);
                scores[own.end..].fill(0.0);
                let bias = bias.map_or(&[][..], |bias| bias.row(self.first + head, token, seen));
                let sum = kernels.exponentials(&mut scores[own], scale, bias);
                self.factors[(text.start + token) * heads + head] = 1.0 / sum;
            }
            let shares = FloatRows { values: &self.scores, pitch: size, width: size };
            for (at, panel) in self.value_floats.chunks_exact(wide.lanes * tokens).enumerate() {
                let column = at * wide.lanes;
                let none = &[0.0; 64][..wide.lanes.min(width - column)];
                let panel = &panel[first * wide.lanes..band.end * wide.lanes];
                let place = (text.start + start) * hidden + head * width + column;
                shares.multiply(rows, panel, wide, kernels, |row, block| {
                    let target = &mut self.mixed[place + row * hidden..];
                    kernels.store_block(block, wide.lanes, none, target, hidden);
                });
            }
        }
    }

    fn mix_lines(
        &mut self,
        joined: &[Line],
        text: Range<usize>,
        head: usize,
        (bias, window): Sight,
        tiles: &mut Bf16Tiles,
    ) {
        let (kernels, scale, depth) = (tiles.kernels(), self.scale(), steps(self.width));
        let (pitch, hidden) = (PARTS * self.heads * depth, self.heads * self.width);
        let joined = &joined[text.start * pitch..];
        let tokens = text.len();
        let part = |part: usize| LineRows {
            lines: &joined[(part * self.heads + head) * depth..],
            pitch,
            depth,
        };
        part(1).key_panels(tokens, &mut self.keys, kernels);
        part(2).value_panels(tokens, &mut self.values, kernels);
        let padded = tokens.next_multiple_of(SIDE);
        for start in (0..tokens).step_by(SIDE) {
            let rows = SIDE.min(tokens - start);
            let seen = window.keys(start..start + rows, tokens);
            // Whole panels of keys, which are whole steps of values.
            let band = seen.start / SIDE * SIDE..seen.end.next_multiple_of(SIDE);
            let size = band.len();
            self.scores.resize(SIDE * size, 0.0);
            let queries = Bf16Rows::strided(&part(0).lines[start * pitch..], pitch);
            let panels = &self.keys[band.start * depth..band.end * depth];
            for (at, panel) in panels.chunks_exact(SIDE * depth).enumerate() {
                let target = (&mut self.scores[at * SIDE..], size);
                tiles.multiply_into(&queries, panel, target, false);
            }
            let group = size / STEP * GROUP;
            self.shares.resize(2 * group, Line::ZERO);
            for row in 0..rows {
                let (token, scores) = (start + row, &mut self.scores[row * size..][..size]);
                let seen = window.keys(token..token + 1, tokens);
                let own = seen.start - band.start..seen.end - band.start;
                let bias = bias.map_or(&[][..], |bias| bias.row(self.first + head, token, seen));
                let lines = &mut self.shares[row / GROUP * group + row % GROUP..];
                let sum = if own.start == 0 {
                    let own_lines = lines.iter_mut().step_by(GROUP).take(size / STEP);
                    own_lines.skip(own.end.div_ceil(STEP)).for_each(|line| *line = Line::ZERO);
                    kernels.shares(&scores[own], scale, bias, lines, GROUP)
                } else {
                    scores[..own.start].fill(0.0);
                    scores[own.end..].fill(0.0);
                    let sum = kernels.exponentials(&mut scores[own], scale, bias);
                    kernels.row_to_lines(scores, lines, GROUP);
                    sum
                };
                self.factors[(text.start + token) * self.heads + head] = 1.0 / sum;
            }
            let shares = Bf16Rows::grouped(&self.shares, group);
            let first = (text.start + start) * hidden + head * self.width;
            for (at, panel) in self.values.chunks_exact(padded).enumerate() {
                let target = (&mut self.mixed[first + at * STEP..], hidden);
                tiles.multiply_into(&shares, &panel[band.clone()], target, false);
            }
        }
    }
}

/// One head's queries, keys or values, `pitch` lines from token to token.
#[derive(Debug, Clone, Copy)]
struct LineRows<'a> {
    lines: &'a [Line],
    pitch: usize,
    depth: usize,
}

impl LineRows<'_> {
    fn line(&self, token: usize, step: usize) -> &Line {
        &self.lines[token * self.pitch + step]
    }

    /// Panels of 32 keys: the line of a pair of columns holds both of 16 keys in turn.
    fn key_panels(&self, tokens: usize, panels: &mut Vec<Line>, kernels: Kernels) {
        panels.resize(tokens.next_multiple_of(SIDE) * self.depth, Line::ZERO);
        for (at, panel) in panels.chunks_exact_mut(SIDE * self.depth).enumerate() {
            for (part, target) in panel.as_chunks_mut::<GROUP>().0.iter_mut().enumerate() {
                let (step, half) = (part / 2, part % 2);
                let first = at * SIDE + half * GROUP;
                let rows = std::array::from_fn(|lane| {
                    if first + lane < tokens { self.line(first + lane, step) } else { &Line::ZERO }
                });
                kernels.transpose_pairs(rows, target);
            }
        }
    }

    /// Panels of 32 columns: the line of a pair of tokens holds both of 16 columns in turn.
    fn value_panels(&self, tokens: usize, panels: &mut Vec<Line>, kernels: Kernels) {
        let size = tokens.next_multiple_of(SIDE);
        panels.resize(size * self.depth, Line::ZERO);
        for (at, panel) in panels.chunks_exact_mut(size).enumerate() {
            let of = |token| if token < tokens { self.line(token, at) } else { &Line::ZERO };
            for (step, lines) in panel.as_chunks_mut::<SIDE>().0.iter_mut().enumerate() {
                let (left, right) = lines.split_at_mut(GROUP);
                for (pair, (left, right)) in left.iter_mut().zip(right).enumerate() {
                    let token = step * STEP + pair * 2;
                    kernels.weave(of(token), of(token + 1), left, right);
                }
            }
        }
    }
}

/// Keys as panels: `panel[column * lanes + key]`.
fn pack_keys(keys: FloatRows, tokens: usize, shape: Shape, panels: &mut Vec<f32>) {
    let size = shape.lanes * keys.width;
    panels.clear();
    panels.resize(tokens.div_ceil(shape.lanes) * size, 0.0);
    for token in 0..tokens {
        let panel = &mut panels[token / shape.lanes * size..];
        for (column, value) in keys.row(token).iter().enumerate() {
            panel[column * shape.lanes + token % shape.lanes] = *value;
        }
    }
}

/// Values as panels: `panel[token * lanes + column]`.
fn pack_values(values: FloatRows, tokens: usize, shape: Shape, panels: &mut Vec<f32>) {
    let lanes = shape.lanes;
    panels.clear();
    panels.resize(values.width.div_ceil(lanes) * lanes * tokens, 0.0);
    for (at, panel) in panels.chunks_exact_mut(lanes * tokens).enumerate() {
        let columns = at * lanes..values.width.min((at + 1) * lanes);
        for (token, target) in panel.chunks_exact_mut(lanes).enumerate() {
            target[..columns.len()].copy_from_slice(&values.row(token)[columns.clone()]);
        }
    }
}
