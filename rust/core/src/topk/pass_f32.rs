//! The pass that multiplies the `f32` values themselves.

use super::certificate::{QueryBound, RowBound};
use super::metric::{Metric, norm};
use super::pass::{MAX_LANES, Panel, Pass};
use crate::error::{Error, Result};
use crate::kernels::{Kernels, MAX_TILE_KEYS, MAX_TILE_ROWS, Tile};
use crate::rows::Rows;

/// Packed queries over a borrowed corpus.
pub(super) struct F32Pass<'a> {
    kernels: Kernels,
    metric: Metric,
    corpus: Rows<'a>,
    norms: Option<&'a [f64]>,
    panels: Vec<Panel>,
    packed: Vec<f32>,
    bounds: Vec<QueryBound>,
}

/// The rows of a block and their bounds.
#[derive(Default)]
pub(super) struct F32Block<'a> {
    rows: Vec<&'a [f32]>,
    bounds: Vec<RowBound>,
    widest: Option<RowBound>,
}

impl<'a> F32Pass<'a> {
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
        let mut panels = Vec::new();
        let mut packed = Vec::new();
        let mut start = 0;
        while start < query_norms.len() {
            let shape = kernels.shape(query_norms.len() - start);
            let len = shape.lanes.min(query_norms.len() - start);
            let offset = packed.len();
            packed.resize(offset + shape.lanes * dim, 0.0);
            for lane in 0..len {
                let norm = query_norms[start + lane];
                let values = queries.row(first + start + lane);
                for (d, &value) in values.iter().enumerate() {
                    packed[offset + d * shape.lanes + lane] = match metric {
                        Metric::Cosine if norm > 0.0 => (f64::from(value) / norm) as f32,
                        _ => value,
                    };
                }
            }
            panels.push(Panel { first: start, len, lanes: shape.lanes, offset });
            start += len;
        }
        let bounds = query_norms.iter().map(|&n| QueryBound::new(metric, dim, n)).collect();
        Self { kernels, metric, corpus, norms, panels, packed, bounds }
    }
}

impl<'a> Pass for F32Pass<'a> {
    type Block = F32Block<'a>;

    fn panels(&self) -> &[Panel] {
        &self.panels
    }

    fn load(&self, rows: &[u32], block: &mut F32Block<'a>) -> Result<()> {
        block.rows.clear();
        block.bounds.clear();
        let mut widest = RowBound::none();
        for &row in rows {
            let values = self.corpus.row(row as usize);
            let norm = match self.norms {
                Some(norms) => norms[row as usize],
                None => norm(self.kernels, values),
            };
            // Finite values have a finite norm: their squares sum far inside the range of f64.
            if !norm.is_finite() {
                return Err(Error::NonFinite { argument: "corpus", row: row as usize });
            }
            let bound = RowBound::new(self.metric, self.corpus.dim(), norm);
            widest.widen(&bound);
            block.rows.push(values);
            block.bounds.push(bound);
        }
        block.widest = Some(widest);
        Ok(())
    }

    fn error(&self, query: usize, block: &F32Block, i: usize) -> f64 {
        self.bounds[query].error(&block.bounds[i])
    }

    fn max_error(&self, query: usize, block: &F32Block) -> f64 {
        block.widest.as_ref().map_or(0.0, |widest| self.bounds[query].error(widest))
    }

    fn scan(
        &self,
        panel: Panel,
        block: &F32Block,
        floors: &[f32; MAX_LANES],
        mut hit: impl FnMut(usize, usize, f32),
    ) {
        let shape = self.kernels.shape(panel.len);
        debug_assert_eq!(shape.lanes, panel.lanes);
        let dim = self.corpus.dim();
        let packed = &self.packed[panel.offset..panel.offset + panel.lanes * dim];
        let used = if panel.len == 64 { u64::MAX } else { (1 << panel.len) - 1 };
        let mut keys = [0.0; MAX_TILE_KEYS];
        for start in (0..block.rows.len()).step_by(shape.rows) {
            let count = shape.rows.min(block.rows.len() - start);
            // A last, partial group repeats its last row; those places are not looked at.
            let at = |r: usize| start + r.min(count - 1);
            let tile = Tile {
                panel: packed,
                rows: std::array::from_fn::<_, MAX_TILE_ROWS, _>(|r| block.rows[at(r)]),
                scale: std::array::from_fn(|r| block.bounds[at(r)].scale),
                shift: std::array::from_fn(|r| block.bounds[at(r)].shift),
                floor: &floors[..panel.lanes],
            };
            let hits = self.kernels.tile(shape, &tile, &mut keys);
            for (r, lanes) in hits[..count].iter().enumerate() {
                let mut lanes = lanes & used;
                while lanes != 0 {
                    let lane = lanes.trailing_zeros() as usize;
                    lanes &= lanes - 1;
                    hit(lane, start + r, keys[r * panel.lanes + lane]);
                }
            }
        }
    }
}
