//! The pass that multiplies values rounded to bfloat16.
//!
//! Rows are encoded block by block, as they are met; what the rounding took from each vector is
//! measured, not assumed, so the certificate is as tight as the data allows.

use super::certificate::{QueryBound, Rounded, RowBound, interval, key_floor};
use super::metric::Metric;
use super::pass::{Bounds, Floors, MAX_LANES, Panel, Pass, Setting, ones, raised};
use crate::error::Result;
use crate::kernels::bf16::{GROUP, Line, SIDE, panel_place, round, steps, widen};
use crate::kernels::int8::Hit;
use crate::kernels::{Bf16Tile, Bf16Tiles};

/// Packed queries over a borrowed corpus.
pub(super) struct Bf16Pass<'a> {
    setting: Setting<'a>,
    panels: Vec<Panel>,
    packed: Vec<Line>,
    queries: Vec<QueryBound>,
}

/// The codes of a block's rows, and their bounds.
#[derive(Default)]
pub(super) struct Bf16Block {
    codes: Vec<Line>,
    bounds: Bounds,
    scales: Vec<f32>,
    shifts: Vec<f32>,
    widened: Vec<f32>,
}

impl<'a> Bf16Pass<'a> {
    /// Packs the batch's queries.
    pub(super) fn new(setting: Setting<'a>) -> Self {
        let dim = setting.corpus.dim();
        let lines = steps(dim) * 2 * GROUP;
        let total = setting.query_norms.len();
        let mut packed = vec![Line::ZERO; total.div_ceil(SIDE) * lines];
        let (mut panels, mut scratch) = (Vec::new(), Vec::new());
        let mut queries = Vec::with_capacity(total);
        for (codes, first) in packed.chunks_exact_mut(lines).zip((0..total).step_by(SIDE)) {
            let len = SIDE.min(total - first);
            for lane in 0..len {
                let mut lost = 0.0;
                for (d, &value) in setting.query(first + lane, &mut scratch).iter().enumerate() {
                    let value = setting.scaled(first + lane, value);
                    let code = round(value as f32);
                    lost += (value - f64::from(widen(code))).powi(2);
                    let (line, place) = panel_place(d, lane);
                    codes[line].0[place] = code;
                }
                let (norm, lost) = (setting.query_norms[first + lane], Rounded::new(dim, lost));
                let bound = QueryBound::rounded(setting.metric, dim, norm, lost);
                let mutual = setting.mutual;
                queries.push(if mutual { bound.mutual(setting.metric, dim, norm) } else { bound });
            }
            let number = first / SIDE;
            panels.push(Panel { number, first, len, lanes: SIDE, offset: number * lines });
        }
        Self { setting, panels, packed, queries }
    }
}

impl Pass for Bf16Pass<'_> {
    type Block = Bf16Block;

    fn panels(&self) -> &[Panel] {
        &self.panels
    }

    fn load(&self, rows: &[u32], block: &mut Bf16Block) -> Result<()> {
        let Setting { kernels, metric, corpus, .. } = self.setting;
        let dim = corpus.dim();
        let group = steps(dim) * GROUP;
        // Whole tiles: what the last one holds beyond the rows is never looked at.
        block.codes.resize(rows.len().div_ceil(SIDE) * 2 * group, Line::ZERO);
        block.bounds.clear();
        block.scales.clear();
        block.shifts.clear();
        for (i, &row) in rows.iter().enumerate() {
            let (values, norm) = self.setting.row(row, &mut block.widened)?;
            let factor = match metric {
                Metric::Cosine if norm > 0.0 => (1.0 / norm) as f32,
                _ => 1.0,
            };
            let lines = &mut block.codes[i / GROUP * group + i % GROUP..];
            let lost = Rounded::new(dim, kernels.encode_bf16(values, factor, lines, GROUP));
            let bound = RowBound::rounded(metric, dim, norm, lost);
            block.scales.push(bound.scale);
            block.shifts.push(bound.shift);
            block.bounds.push(bound);
        }
        Ok(())
    }

    fn floor(&self, query: usize, block: &Bf16Block, threshold: f32) -> f32 {
        let query = &self.queries[query];
        key_floor(threshold, query.offset + query.error(&block.bounds.widest))
    }

    fn lead(&self, query: usize, block: &Bf16Block) -> f32 {
        let query = &self.queries[query];
        raised(query.offset + query.error(&block.bounds.widest))
    }

    fn interval(&self, query: usize, block: &Bf16Block, i: usize, key: f32) -> (f32, f32) {
        let query = &self.queries[query];
        interval(key, query.offset, query.error(&block.bounds.rows[i]))
    }

    fn scan(&self, panel: Panel, block: &Bf16Block, floors: &Floors, found: &mut Vec<Hit>) {
        let lines = steps(self.setting.corpus.dim()) * 2 * GROUP;
        let packed = &self.packed[panel.offset..panel.offset + lines];
        let mut lowered = [0.0; MAX_LANES];
        let mut tiles = Bf16Tiles::new(self.setting.kernels);
        let scales = block.scales.chunks(SIDE).zip(block.shifts.chunks(SIDE));
        for (number, (rows, (scale, shift))) in
            block.codes.chunks_exact(lines).zip(scales).enumerate()
        {
            let first = number * SIDE;
            let floors = floors.with(first..first + scale.len(), &mut lowered);
            let floor: &[f32; SIDE] = &floors.as_chunks().0[0];
            let tile = Bf16Tile { rows, panel: packed, scale, shift, floor };
            let hits = tiles.run(&tile);
            for (r, &lanes) in hits[..scale.len()].iter().enumerate() {
                for lane in ones(u64::from(lanes), panel.len) {
                    found.push(Hit::new(number * SIDE + r, lane, tiles.key(&tile, r, lane)));
                }
            }
        }
    }
}
