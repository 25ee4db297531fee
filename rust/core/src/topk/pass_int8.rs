//! The pass that multiplies codes of 8 bits, stored or made on the way.

use super::certificate::outward;
use super::coding::{Coder, QueryFacts, RowFacts};
use super::pass::{Floors, MAX_LANES, Panel, Pass, Setting, raised};
use super::plane::Plane;
use super::transform::Transform;
use crate::error::Result;
use crate::kernels::int8::{
    self, GROUP, Hit, Int8Panel, Int8Rows, Line, group_lines, panel_place, stride,
};

/// Rows that must lie in a piece, on average, for a stored plane to be read in place: a tile.
const PIECE: usize = 32;

/// Rows that are asked for ahead when they are gathered.
const AHEAD: usize = 16;

/// Coded queries over a plane, or over a corpus that is coded block by block.
pub(super) struct Int8Pass<'a> {
    setting: Setting<'a>,
    plane: Option<Plane<'a>>,
    transform: &'a Transform,
    panels: Vec<Panel>,
    lines: Vec<Line>,
    scales: Vec<[f32; MAX_LANES]>,
    shares: Vec<[f32; MAX_LANES]>,
    /// Per panel, see [`Int8Panel::ratio`].
    ratios: Vec<f32>,
    queries: Vec<QueryFacts>,
}

/// The rows at hand.
#[derive(Default)]
pub(super) struct Int8Block {
    /// Pieces of the plane, first row and count; empty where the rows are `own`.
    pieces: Vec<(usize, usize)>,
    numbers: Vec<u32>,
    own: Own,
}

/// Codes that were made or gathered for this block.
#[derive(Default)]
struct Own {
    /// Starts at `offset`, on a cache line.
    codes: Vec<i8>,
    offset: usize,
    scale: Vec<f32>,
    shift: Vec<f32>,
    lost: Vec<f32>,
    size: Vec<f32>,
    slack: Vec<f32>,
    sums: Vec<i32>,
    moved: Vec<f32>,
    widened: Vec<f32>,
}

impl Own {
    fn clear(&mut self, rows: usize, pitch: usize) {
        let needed = rows * pitch + int8::LINE;
        if self.codes.len() < needed {
            self.codes.resize(needed, 0);
        }
        self.offset = self.codes.as_ptr().align_offset(int8::LINE).min(int8::LINE);
        for fact in
            [&mut self.scale, &mut self.shift, &mut self.lost, &mut self.size, &mut self.slack]
        {
            fact.clear();
        }
        self.sums.clear();
        self.moved.resize(pitch, 0.0);
    }

    fn push(&mut self, facts: RowFacts) {
        self.scale.push(facts.scale);
        self.shift.push(facts.shift);
        self.lost.push(facts.lost);
        self.size.push(facts.size);
        self.slack.push(facts.slack);
        self.sums.push(facts.sum);
    }

    fn rows(&self, pitch: usize) -> Int8Rows<'_> {
        Int8Rows {
            codes: &self.codes[self.offset..self.offset + self.sums.len() * pitch],
            scale: &self.scale,
            shift: &self.shift,
            lost: &self.lost,
            size: &self.size,
            sums: &self.sums,
            floor: &[],
        }
    }

    fn facts(&self, i: usize) -> RowFacts {
        RowFacts {
            scale: self.scale[i],
            shift: self.shift[i],
            lost: self.lost[i],
            size: self.size[i],
            slack: self.slack[i],
            sum: self.sums[i],
        }
    }
}

impl<'a> Int8Pass<'a> {
    /// Codes the batch's queries. The plane's transform must be the one given.
    pub(super) fn new(
        setting: Setting<'a>,
        transform: &'a Transform,
        plane: Option<Plane<'a>>,
    ) -> Self {
        let dim = setting.corpus.dim();
        let (mut values, mut scratch) = (vec![0.0; stride(dim)], Vec::new());
        Self::packed(setting, transform, plane, |query, put| {
            values.fill(0.0);
            let found = setting.query(query, &mut scratch);
            for (target, &value) in values.iter_mut().zip(found) {
                *target = setting.scaled(query, value);
            }
            let norm = setting.query_norms[query];
            QueryFacts::code(setting.metric, transform, dim, norm, &mut values, put)
        })
    }

    /// For queries that are rows of the plane: their codes are there already.
    pub(super) fn of_rows(setting: Setting<'a>, plane: Plane<'a>) -> Self {
        let dim = setting.corpus.dim();
        let transform = plane.transform();
        Self::packed(setting, transform, Some(plane), |query, put| {
            let row = setting.batch[query];
            for (d, &code) in plane.codes(row).iter().enumerate() {
                put(d, code);
            }
            let norm = setting.query_norms[query];
            QueryFacts::of_row(setting.metric, transform, dim, norm, &plane.facts(row))
        })
    }

    /// Packs the batch's queries; `code` gives one's codes, dimension by dimension, and facts.
    fn packed(
        setting: Setting<'a>,
        transform: &'a Transform,
        plane: Option<Plane<'a>>,
        mut code: impl FnMut(usize, &mut dyn FnMut(usize, i8)) -> QueryFacts,
    ) -> Self {
        let group = group_lines(setting.corpus.dim());
        let total = setting.query_norms.len();
        let flip = setting.kernels.int8_query_flip();
        let (mut panels, mut lines, mut queries) = (Vec::new(), Vec::new(), Vec::new());
        let (mut scales, mut shares, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        let mut first = 0;
        while first < total {
            let lanes = setting.kernels.int8_lanes(total - first);
            let len = lanes.min(total - first);
            let offset = lines.len();
            // Lanes without a query are zero codes, in the form in which the kernel wants them.
            lines.resize(offset + lanes / GROUP * group, Line([flip as i8; int8::LINE]));
            let (mut scale, mut share) = ([0.0; MAX_LANES], [0.0; MAX_LANES]);
            let mut ratio = 0.0_f32;
            for lane in 0..len {
                let start = offset + lane / GROUP * group;
                let query = code(first + lane, &mut |d, code| {
                    let (line, place) = panel_place(d, lane);
                    lines[start + line].0[place] = (code as u8 ^ flip) as i8;
                });
                scale[lane] = query.scale;
                share[lane] = query.share;
                ratio = ratio.max(query.ratio);
                queries.push(query);
            }
            scales.push(scale);
            shares.push(share);
            ratios.push(ratio);
            panels.push(Panel { number: panels.len(), first, len, lanes, offset });
            first += len;
        }
        Self { setting, plane, transform, panels, lines, scales, shares, ratios, queries }
    }

    /// Number of the panel that a query is in: all but the last one are full.
    fn panel_of(&self, query: usize) -> usize {
        let lanes = self.panels.first().map_or(1, |panel| panel.lanes);
        (query / lanes).min(self.panels.len() - 1)
    }

    fn facts(&self, block: &Int8Block, i: usize) -> RowFacts {
        match self.plane {
            Some(plane) if !block.pieces.is_empty() => plane.facts(block.numbers[i] as usize),
            _ => block.own.facts(i),
        }
    }
}

/// Cuts ascending numbers into pieces of consecutive ones.
fn pieces(rows: &[u32], into: &mut Vec<(usize, usize)>) {
    into.clear();
    for piece in rows.chunk_by(|a, b| a + 1 == *b) {
        into.push((piece[0] as usize, piece.len()));
    }
}

/// Gives rows the next floors, as many as are left.
fn with_floors<'a>(rows: Int8Rows<'a>, left: &mut &'a [f32]) -> Int8Rows<'a> {
    let floor;
    (floor, *left) = left.split_at(left.len().min(rows.sums.len()));
    Int8Rows { floor, ..rows }
}

impl Pass for Int8Pass<'_> {
    type Block = Int8Block;

    fn panels(&self) -> &[Panel] {
        &self.panels
    }

    fn load(&self, rows: &[u32], block: &mut Int8Block) -> Result<()> {
        let pitch = stride(self.setting.corpus.dim());
        block.pieces.clear();
        if let Some(plane) = self.plane {
            pieces(rows, &mut block.pieces);
            if block.pieces.len() * PIECE <= rows.len().max(PIECE) {
                block.numbers.clear();
                block.numbers.extend_from_slice(rows);
                return Ok(());
            }
            block.pieces.clear();
            let own = &mut block.own;
            own.clear(rows.len(), pitch);
            for (i, &row) in rows.iter().enumerate() {
                if let Some(&soon) = rows.get(i + AHEAD) {
                    plane.announce(self.setting.kernels, soon as usize);
                }
                let place = own.offset + i * pitch;
                own.codes[place..place + pitch].copy_from_slice(plane.codes(row as usize));
                own.push(plane.facts(row as usize));
            }
            return Ok(());
        }
        let coder = Coder {
            kernels: self.setting.kernels,
            metric: self.setting.metric,
            transform: self.transform,
        };
        let own = &mut block.own;
        own.clear(rows.len(), pitch);
        let mut moved = std::mem::take(&mut own.moved);
        let mut widened = std::mem::take(&mut own.widened);
        for (i, &row) in rows.iter().enumerate() {
            let (values, norm) = self.setting.row(row, &mut widened)?;
            let place = own.offset + i * pitch;
            let facts = coder.row(values, norm, &mut moved, &mut own.codes[place..place + pitch]);
            own.push(facts);
        }
        (own.moved, own.widened) = (moved, widened);
        Ok(())
    }

    fn floor(&self, query: usize, _block: &Int8Block, threshold: f32) -> f32 {
        let facts = &self.queries[query];
        let floor = f64::from(threshold) - facts.constant - facts.constant_error;
        if floor.is_nan() { f32::NEG_INFINITY } else { (floor as f32).next_down() }
    }

    fn lead(&self, query: usize, _block: &Int8Block) -> f32 {
        let facts = &self.queries[query];
        raised(facts.constant + facts.constant_error)
    }

    fn interval(&self, query: usize, block: &Int8Block, i: usize, key: f32) -> (f32, f32) {
        let ratio = self.ratios[self.panel_of(query)];
        let (query, row) = (&self.queries[query], self.facts(block, i));
        let upper = f64::from(key) + query.constant;
        let below = 2.0 * query.error(&row, ratio) + f64::from(row.slack) + query.constant_error;
        outward(upper - below, upper + query.constant_error)
    }

    fn scan(&self, panel: Panel, block: &Int8Block, floors: &Floors, hits: &mut Vec<Hit>) {
        let dim = self.setting.corpus.dim();
        let lines = panel.lanes / GROUP * group_lines(dim);
        let coded = Int8Panel {
            lines: &self.lines[panel.offset..panel.offset + lines],
            scale: &self.scales[panel.number],
            share: &self.shares[panel.number],
            ratio: self.ratios[panel.number],
            floor: floors.lanes,
            lead: floors.rows.map(|rows| rows.lead),
        };
        let mut left = floors.rows.map_or(&[][..], |rows| rows.thresholds);
        let pitch = stride(dim);
        let kernels = self.setting.kernels;
        match self.plane {
            Some(plane) if !block.pieces.is_empty() => {
                let pieces = block.pieces.iter();
                let rows = |&(first, count)| with_floors(plane.rows(first, count), &mut left);
                let pieces: Vec<_> = pieces.map(rows).collect();
                let streaming = self.panels.len() == 1;
                kernels.scan_int8(&coded, &pieces, pitch, streaming, hits);
            }
            _ => {
                let rows = with_floors(block.own.rows(pitch), &mut left);
                kernels.scan_int8(&coded, &[rows], pitch, false, hits);
            }
        }
    }
}
