//! The pass that multiplies values rounded to bfloat16.
//!
//! Rows are encoded block by block, as they are met; what the rounding took from each vector is
//! measured, not assumed, so the certificate is as tight as the data allows.

use super::certificate::{QueryBound, Rounded, RowBound};
use super::metric::{Metric, norm};
use super::pass::{MAX_LANES, Panel, Pass};
use crate::error::{Error, Result};
use crate::kernels::bf16::{GROUP, Line, SIDE, panel_place, round, steps, widen};
use crate::kernels::{Bf16Tile, Bf16Tiles, Kernels};
use crate::rows::Rows;

/// Packed queries over a borrowed corpus.
pub(super) struct Bf16Pass<'a> {
    kernels: Kernels,
    metric: Metric,
    corpus: Rows<'a>,
    norms: Option<&'a [f64]>,
    panels: Vec<Panel>,
    packed: Vec<Line>,
    bounds: Vec<QueryBound>,
}

/// The codes of a block's rows, and their bounds.
#[derive(Default)]
pub(super) struct Bf16Block {
    codes: Vec<Line>,
    bounds: Vec<RowBound>,
    scales: Vec<f32>,
    shifts: Vec<f32>,
    widest: Option<RowBound>,
}

impl<'a> Bf16Pass<'a> {
    /// Packs the queries `first..first + query_norms.len()`.
    pub(super) fn new(
        kernels: Kernels,
        metric: Metric,
        queries: Rows<'a>,
        first: usize,
        query_norms: &[f64],
        corpus: Rows<'a>,
        norms: Option<&'a [f64]>,
    ) -> Self {
        let dim = corpus.dim();
        let lines = steps(dim) * 2 * GROUP;
        let mut packed = vec![Line::ZERO; query_norms.len().div_ceil(SIDE) * lines];
        let mut panels = Vec::new();
        let mut bounds = Vec::with_capacity(query_norms.len());
        for (panel, norms) in query_norms.chunks(SIDE).enumerate() {
            let start = panel * SIDE;
            let codes = &mut packed[panel * lines..(panel + 1) * lines];
            for (lane, &norm) in norms.iter().enumerate() {
                let mut lost = 0.0;
                for (d, &value) in queries.row(first + start + lane).iter().enumerate() {
                    let value = match metric {
                        Metric::Cosine if norm > 0.0 => f64::from(value) / norm,
                        _ => f64::from(value),
                    };
                    let code = round(value as f32);
                    lost += (value - f64::from(widen(code))).powi(2);
                    let (line, place) = panel_place(d, lane);
                    codes[line].0[place] = code;
                }
                bounds.push(QueryBound::rounded(metric, dim, norm, Rounded::new(dim, lost)));
            }
            panels.push(Panel {
                first: start,
                len: norms.len(),
                lanes: SIDE,
                offset: panel * lines,
            });
        }
        Self { kernels, metric, corpus, norms, panels, packed, bounds }
    }
}

impl Pass for Bf16Pass<'_> {
    type Block = Bf16Block;

    fn panels(&self) -> &[Panel] {
        &self.panels
    }

    fn load(&self, rows: &[u32], block: &mut Bf16Block) -> Result<()> {
        let dim = self.corpus.dim();
        let steps = steps(dim);
        let groups = rows.len().div_ceil(SIDE) * 2;
        block.codes.resize(groups * steps * GROUP, Line::ZERO);
        block.bounds.clear();
        block.scales.clear();
        block.shifts.clear();
        let mut widest = RowBound::none();
        for (i, &row) in rows.iter().enumerate() {
            let values = self.corpus.row(row as usize);
            let norm = match self.norms {
                Some(norms) => norms[row as usize],
                None => norm(self.kernels, values),
            };
            // Finite values have a finite norm: their squares sum far inside the range of f64.
            if !norm.is_finite() {
                return Err(Error::NonFinite { argument: "corpus", row: row as usize });
            }
            let factor = match self.metric {
                Metric::Cosine if norm > 0.0 => (1.0 / norm) as f32,
                _ => 1.0,
            };
            let lines = &mut block.codes[i / GROUP * steps * GROUP + i % GROUP..];
            let lost = self.kernels.encode_bf16(values, factor, lines, GROUP);
            let bound = RowBound::rounded(self.metric, dim, norm, Rounded::new(dim, lost));
            widest.widen(&bound);
            block.scales.push(bound.scale);
            block.shifts.push(bound.shift);
            block.bounds.push(bound);
        }
        block.widest = Some(widest);
        Ok(())
    }

    fn error(&self, query: usize, block: &Bf16Block, i: usize) -> f64 {
        self.bounds[query].error(&block.bounds[i])
    }

    fn max_error(&self, query: usize, block: &Bf16Block) -> f64 {
        block.widest.as_ref().map_or(0.0, |widest| self.bounds[query].error(widest))
    }

    fn scan(
        &self,
        panel: Panel,
        block: &Bf16Block,
        floors: &[f32; MAX_LANES],
        mut hit: impl FnMut(usize, usize, f32),
    ) {
        let lines = steps(self.corpus.dim()) * 2 * GROUP;
        let packed = &self.packed[panel.offset..panel.offset + lines];
        let used = if panel.len == SIDE { u32::MAX } else { (1 << panel.len) - 1 };
        let mut tiles = Bf16Tiles::new(self.kernels);
        let floor: &[f32; SIDE] = &floors.as_chunks().0[0];
        for (number, rows) in block.codes.chunks_exact(lines).enumerate() {
            let start = number * SIDE;
            let end = block.scales.len().min(start + SIDE);
            if start >= end {
                break;
            }
            let tile = Bf16Tile {
                rows,
                panel: packed,
                scale: &block.scales[start..end],
                shift: &block.shifts[start..end],
                floor,
            };
            let hits = tiles.run(&tile);
            for (r, lanes) in hits[..end - start].iter().enumerate() {
                let mut lanes = lanes & used;
                while lanes != 0 {
                    let lane = lanes.trailing_zeros() as usize;
                    lanes &= lanes - 1;
                    hit(lane, start + r, tiles.key(&tile, r, lane));
                }
            }
        }
    }
}
