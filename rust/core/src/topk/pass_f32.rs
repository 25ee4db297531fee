//! The pass that multiplies the `f32` values themselves.

use super::certificate::{QueryBound, RowBound, interval, key_floor};
use super::pass::{Bounds, Floors, MAX_LANES, Panel, Pass, Setting, ones, raised};
use crate::error::Result;
use crate::kernels::int8::Hit;
use crate::kernels::{MAX_TILE_KEYS, MAX_TILE_ROWS, Tile};

/// Packed queries over a borrowed corpus.
pub(super) struct F32Pass<'a> {
    setting: Setting<'a>,
    panels: Vec<Panel>,
    packed: Vec<f32>,
    queries: Vec<QueryBound>,
}

/// The rows of a block and their bounds.
#[derive(Default)]
pub(super) struct F32Block {
    numbers: Vec<u32>,
    /// The rows, where they had to be widened.
    widened: Vec<f32>,
    bounds: Bounds,
}

impl<'a> F32Pass<'a> {
    /// Packs the batch's queries.
    pub(super) fn new(setting: Setting<'a>) -> Self {
        let dim = setting.corpus.dim();
        let total = setting.query_norms.len();
        let (mut panels, mut packed, mut scratch) = (Vec::new(), Vec::new(), Vec::new());
        let mut start = 0;
        while start < total {
            let lanes = setting.kernels.shape(total - start).lanes;
            let len = lanes.min(total - start);
            let offset = packed.len();
            packed.resize(offset + lanes * dim, 0.0);
            for lane in 0..len {
                for (d, &value) in setting.query(start + lane, &mut scratch).iter().enumerate() {
                    packed[offset + d * lanes + lane] = setting.scaled(start + lane, value) as f32;
                }
            }
            panels.push(Panel { number: panels.len(), first: start, len, lanes, offset });
            start += len;
        }
        let bound = |&norm: &f64| {
            let bound = QueryBound::new(setting.metric, dim, norm);
            if setting.mutual { bound.mutual(setting.metric, dim, norm) } else { bound }
        };
        let queries = setting.query_norms.iter().map(bound).collect();
        Self { setting, panels, packed, queries }
    }
}

impl Pass for F32Pass<'_> {
    type Block = F32Block;

    fn panels(&self) -> &[Panel] {
        &self.panels
    }

    fn load(&self, rows: &[u32], block: &mut F32Block) -> Result<()> {
        block.numbers.clear();
        block.numbers.extend_from_slice(rows);
        block.widened.clear();
        block.bounds.clear();
        let widens = self.setting.corpus.as_f32().is_none();
        let mut scratch = Vec::new();
        for &row in rows {
            let (values, norm) = self.setting.row(row, &mut scratch)?;
            if widens {
                block.widened.extend_from_slice(values);
            }
            block.bounds.push(RowBound::new(self.setting.metric, values.len(), norm));
        }
        Ok(())
    }

    fn floor(&self, query: usize, block: &F32Block, threshold: f32) -> f32 {
        let query = &self.queries[query];
        key_floor(threshold, query.offset + query.error(&block.bounds.widest))
    }

    fn lead(&self, query: usize, block: &F32Block) -> f32 {
        let query = &self.queries[query];
        raised(query.offset + query.error(&block.bounds.widest))
    }

    fn interval(&self, query: usize, block: &F32Block, i: usize, key: f32) -> (f32, f32) {
        let query = &self.queries[query];
        interval(key, query.offset, query.error(&block.bounds.rows[i]))
    }

    fn scan(&self, panel: Panel, block: &F32Block, floors: &Floors, found: &mut Vec<Hit>) {
        let kernels = self.setting.kernels;
        let shape = kernels.shape(panel.len);
        debug_assert_eq!(shape.lanes, panel.lanes);
        let dim = self.setting.corpus.dim();
        let packed = &self.packed[panel.offset..panel.offset + panel.lanes * dim];
        let (mut keys, mut lowered) = ([0.0; MAX_TILE_KEYS], [0.0; MAX_LANES]);
        let rows = block.numbers.len();
        let lying = self.setting.corpus.as_f32();
        let row = |i: usize| match lying {
            Some(rows) => rows.row(block.numbers[i] as usize),
            None => &block.widened[i * dim..(i + 1) * dim],
        };
        for start in (0..rows).step_by(shape.rows) {
            let count = shape.rows.min(rows - start);
            // A last, partial group repeats its last row; those places are not looked at.
            let at = |r: usize| start + r.min(count - 1);
            let bounds = &block.bounds.rows;
            let floors = floors.with(start..start + count, &mut lowered);
            let tile = Tile {
                panel: packed,
                rows: std::array::from_fn::<_, MAX_TILE_ROWS, _>(|r| row(at(r))),
                scale: std::array::from_fn(|r| bounds[at(r)].scale),
                shift: std::array::from_fn(|r| bounds[at(r)].shift),
                floor: &floors[..panel.lanes],
            };
            let hits = kernels.tile(shape, &tile, &mut keys);
            for (r, &lanes) in hits[..count].iter().enumerate() {
                for lane in ones(lanes, panel.len) {
                    found.push(Hit::new(start + r, lane, keys[r * panel.lanes + lane]));
                }
            }
        }
    }
}
