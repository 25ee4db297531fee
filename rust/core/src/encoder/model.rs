//! A model in memory, and texts through it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Precision;
use super::architecture::{Architecture, wrong};
use super::embedding::Embedding;
use super::head::{Head, HeadFiles};
use super::layer::Scratch;
use super::packed::Plan;
use super::ranges::{MAPS, Ranges};
use super::stack::Stack;
use super::team::Team;
use super::tensors::Tensors;
use super::tokens::Tokenizer;
use crate::error::{Error, Result};
use crate::kernels::{Bf16Tiles, FloatMode, Kernels};
use crate::threads::{self, Control};

/// What one thread returns: texts with their vectors, and how large inputs got.
type Seen = (Vec<(usize, Vec<f32>)>, Ranges);

/// Tokens that go through a layer together: their rows stay in the second cache.
const BLOCK: usize = 256;

/// Fewer are not worth a block of their own: products take 32 rows at a time.
const LEAST: usize = 32;

/// Bytes of weights that several threads read faster than one: more than its second cache holds. The models
/// of tests are small.
const WORTH_SHARING: usize = if cfg!(test) { 1 } else { 2 << 20 };

/// What a model is read from.
#[derive(Debug, Clone)]
pub struct ModelFiles {
    /// The text of config.json.
    pub config: String,
    /// Safetensors files: one, or all shards.
    pub weights: Vec<PathBuf>,
    /// What follows the transformer.
    pub head: HeadFiles,
}

/// An encoder whose weights are packed for one instruction set and precision.
#[derive(Debug)]
pub struct Model {
    shape: Architecture,
    precision: Precision,
    kernels: Kernels,
    embedding: Embedding,
    layers: Stack,
    head: Head,
}

impl Model {
    /// Reads and packs a model.
    ///
    /// # Errors
    /// [`Error::Architecture`] if the model is none that runs here, [`Error::Weights`] if its files are
    /// damaged or do not fit each other, [`Error::Unreadable`] if one cannot be read.
    pub fn load(files: &ModelFiles, precision: Precision, kernels: Kernels) -> Result<Self> {
        Self::load_with_ranges(files, precision, kernels, &[])
    }

    /// As [`Model::load`]; codes of 8 bits are evened out by what [`Model::survey`] saw.
    ///
    /// # Errors
    /// Likewise, and [`Error::Architecture`] if the ranges are another model's.
    pub fn load_with_ranges(
        files: &ModelFiles,
        precision: Precision,
        kernels: Kernels,
        ranges: &[Vec<f32>],
    ) -> Result<Self> {
        let shape = Architecture::parse(&files.config)?;
        let fit = ranges.len() == shape.layers * MAPS
            && ranges.iter().all(|range| {
                range.len() == shape.hidden && range.iter().all(|size| size.is_finite())
            });
        if !ranges.is_empty() && !fit {
            return Err(wrong("the ranges of inputs are those of another model".to_owned()));
        }
        let tensors = Tensors::open(&files.weights)?;
        let (embedding, prefix) = Embedding::read(&tensors, &shape)?;
        Ok(Self {
            embedding,
            layers: Stack::read(&tensors, prefix, &shape, &Plan { precision, kernels, ranges })?,
            head: Head::read(&files.head, shape.hidden, kernels)?,
            shape,
            precision,
            kernels,
        })
    }

    /// Checks that the model has a row for every token that a tokenizer may give.
    ///
    /// # Errors
    /// [`Error::Architecture`] if it has fewer.
    pub fn check_vocabulary(&self, tokenizer: &Tokenizer) -> Result<()> {
        let (size, rows) = (tokenizer.size(), self.shape.vocabulary);
        if size > rows {
            return Err(Error::Architecture {
                problem: format!(
                    "its tokenizer knows {size} tokens and its weights {rows}: they are of two models"
                ),
            });
        }
        Ok(())
    }

    /// Columns of a vector.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.head.columns()
    }

    /// Most tokens of a text.
    #[must_use]
    pub fn max_tokens(&self) -> usize {
        self.shape.max_tokens
    }

    /// Number format of the products.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The kernels it was packed for.
    #[must_use]
    pub fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// Bytes of the packed weights.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.layers.bytes()
    }

    /// Multiplications and additions of the linear maps for one token, which is what a product costs.
    #[must_use]
    pub fn operations_per_token(&self) -> usize {
        self.layers.operations()
    }

    /// The vectors of texts, one after another.
    ///
    /// Text `i` has the tokens `ids[offsets[i]..offsets[i + 1]]`. Reports tokens to `control`.
    ///
    /// # Errors
    /// [`Error::Token`] and [`Error::TokenCount`] for tokens that the model does not take,
    /// [`Error::Threads`] and [`Error::Pool`] for threads that cannot be had, [`Error::Stopped`].
    pub fn encode(
        &self,
        ids: &[u32],
        offsets: &[usize],
        threads: Option<usize>,
        control: &Control,
    ) -> Result<Vec<f32>> {
        let parts = self.pass(ids, offsets, threads, control, None)?;
        Ok(self.in_order(parts, offsets))
    }

    /// The vectors, as [`Model::encode`] returns them, and the largest size of each input of the maps that
    /// follow a normalisation, two a layer, over all tokens.
    ///
    /// # Errors
    /// As [`Model::encode`].
    pub fn survey(
        &self,
        ids: &[u32],
        offsets: &[usize],
        threads: Option<usize>,
        control: &Control,
    ) -> Result<(Vec<f32>, Vec<Vec<f32>>)> {
        let asked = || Ranges::asked(self.shape.layers, self.shape.hidden);
        let parts = self.pass(ids, offsets, threads, control, Some(&asked))?;
        let mut all = asked();
        for (_, ranges) in &parts {
            all.merge(ranges);
        }
        Ok((self.in_order(parts, offsets), all.into_rows()))
    }

    /// The vectors of all threads as one answer.
    fn in_order(&self, parts: Vec<Seen>, offsets: &[usize]) -> Vec<f32> {
        let mut vectors = vec![0.0; offsets.len().saturating_sub(1) * self.dim()];
        for (text, vector) in parts.into_iter().flat_map(|(found, _)| found) {
            vectors[text * self.dim()..][..self.dim()].copy_from_slice(&vector);
        }
        vectors
    }

    /// Takes texts through the model; each thread returns the vectors it made, and what it saw if that is
    /// asked.
    fn pass(
        &self,
        ids: &[u32],
        offsets: &[usize],
        threads: Option<usize>,
        control: &Control,
        asked: Option<&(dyn Fn() -> Ranges + Sync)>,
    ) -> Result<Vec<Seen>> {
        self.check(ids, offsets)?;
        let wanted = threads::resolve(threads)?;
        control.expect(ids.len() as u64);
        let blocks = blocks(offsets, ids.len(), wanted);
        let next = AtomicUsize::new(0);
        let work = || {
            let mut scratch = Scratch::new(&self.shape, self.precision, self.kernels);
            scratch.ranges = asked.map_or_else(Ranges::default, |ranges| ranges());
            let mut found = Vec::new();
            while let Some(block) = blocks.get(next.fetch_add(1, Ordering::Relaxed)) {
                if control.is_stopped() {
                    break;
                }
                self.run(ids, offsets, block, &mut scratch, &mut found);
                control.advance(block.iter().map(|&i| (offsets[i + 1] - offsets[i]) as u64).sum());
            }
            (found, scratch.ranges)
        };
        let team = if blocks.len() == 1 && asked.is_none() { self.team(wanted) } else { None };
        let parts = if let Some(team) = team {
            let found = self.run_in_team(ids, offsets, &blocks[0], team)?;
            control.advance(ids.len() as u64);
            vec![(found, Ranges::default())]
        } else if blocks.len() == 1 {
            let _mode = FloatMode::standard();
            vec![work()]
        } else {
            threads::pool(wanted.min(blocks.len()))?.broadcast(|_| work())
        };
        if control.is_stopped() {
            return Err(Error::Stopped);
        }
        Ok(parts)
    }

    /// Those who take a few texts through the model together; None if one thread is better.
    fn team(&self, threads: usize) -> Option<Team> {
        let pays = self.layers.suits_a_team() && self.bytes() >= WORTH_SHARING;
        let team = || Team::new(&self.shape, self.precision, self.kernels, threads);
        pays.then(team).flatten()
    }

    fn check(&self, ids: &[u32], offsets: &[usize]) -> Result<()> {
        let (most, vocabulary) = (self.shape.max_tokens, self.shape.vocabulary);
        for (text, ends) in offsets.windows(2).enumerate() {
            let tokens = ids.get(ends[0]..ends[1]).map_or(0, <[u32]>::len);
            if !(1..=most).contains(&tokens) {
                return Err(Error::TokenCount { text, tokens, most });
            }
            let beyond = |id: &&u32| usize::try_from(**id).is_ok_and(|id| id >= vocabulary);
            if let Some(&token) = ids[ends[0]..ends[1]].iter().find(beyond) {
                return Err(Error::Token { text, token, vocabulary });
            }
        }
        Ok(())
    }

    fn run(
        &self,
        ids: &[u32],
        offsets: &[usize],
        block: &[usize],
        scratch: &mut Scratch,
        found: &mut Vec<(usize, Vec<f32>)>,
    ) {
        let (mut rows, ends) = self.embedded(ids, offsets, block);
        self.layers.forward(&mut rows, &ends, scratch);
        found.extend(self.vectors(block, &rows, &ends, &mut scratch.tiles));
    }

    fn run_in_team(
        &self,
        ids: &[u32],
        offsets: &[usize],
        block: &[usize],
        team: Team,
    ) -> Result<Vec<(usize, Vec<f32>)>> {
        let _mode = FloatMode::standard();
        let (rows, ends) = self.embedded(ids, offsets, block);
        let rows = team.run(rows, |member| self.layers.forward_in_team(member, &ends))?;
        Ok(self.vectors(block, &rows, &ends, &mut Bf16Tiles::new(self.kernels)))
    }

    /// What goes into the layers, and the rows before which the texts end.
    fn embedded(&self, ids: &[u32], offsets: &[usize], block: &[usize]) -> (Vec<f32>, Vec<usize>) {
        let (mut rows, mut held) = (Vec::new(), Vec::new());
        let ends = block.iter().map(|&text| {
            let own = &ids[offsets[text]..offsets[text + 1]];
            self.embedding.append(own, &mut rows, &mut held, self.kernels);
            rows.len() / self.shape.hidden
        });
        let ends = ends.collect();
        (rows, ends)
    }

    /// What the head makes of each text's rows.
    fn vectors(
        &self,
        block: &[usize],
        rows: &[f32],
        ends: &[usize],
        tiles: &mut Bf16Tiles,
    ) -> Vec<(usize, Vec<f32>)> {
        let hidden = self.shape.hidden;
        let mut start = 0;
        let each = block.iter().zip(ends).map(|(&text, &end)| {
            let own = &rows[start * hidden..end * hidden];
            start = end;
            (text, self.head.vector(own, tiles))
        });
        each.collect()
    }
}

/// Texts in blocks of about [`BLOCK`] tokens, longest texts first; smaller ones where there would be less
/// than one for each thread.
fn blocks(offsets: &[usize], tokens: usize, threads: usize) -> Vec<Vec<usize>> {
    let room = tokens.div_ceil(threads).next_multiple_of(LEAST).clamp(LEAST, BLOCK);
    let length = |text: usize| offsets[text + 1] - offsets[text];
    let mut order: Vec<usize> = (0..offsets.len().saturating_sub(1)).collect();
    order.sort_by_key(|&text| std::cmp::Reverse(length(text)));
    let mut blocks: Vec<Vec<usize>> = Vec::new();
    let mut left = 0;
    for text in order {
        let size = length(text);
        if size <= left
            && let Some(block) = blocks.last_mut()
        {
            block.push(text);
            left -= size;
        } else {
            blocks.push(vec![text]);
            left = room.saturating_sub(size);
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_in_one_block_and_no_block_overflows() {
        let lengths = [300, 5, 7, 100, 100, 100, 31, 1, 256, 2];
        let mut offsets = vec![0];
        for length in lengths {
            offsets.push(offsets[offsets.len() - 1] + length);
        }
        for threads in [1, 2, 64] {
            let found = blocks(&offsets, offsets[lengths.len()], threads);
            let mut texts: Vec<usize> = found.iter().flatten().copied().collect();
            texts.sort_unstable();
            assert_eq!(texts, (0..lengths.len()).collect::<Vec<_>>());
            for block in found {
                let tokens: usize = block.iter().map(|&text| lengths[text]).sum();
                assert!(tokens <= BLOCK || block.len() == 1);
            }
        }
        assert!(blocks(&[0], 0, 2).is_empty());
    }
}
