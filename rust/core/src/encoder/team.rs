//! A few texts by several threads, each of which computes some columns of every map.
//!
//! What one text costs is reading the weights, and one core reads far slower than several do. Each thread
//! reads its own share, and the leader puts the rows together between the maps. No sum is cut, so the bits
//! are those of one thread.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use super::Precision;
use super::architecture::Architecture;
use super::attention::{Attention, Joined, Sight};
use super::barrier::Barrier;
use super::linear::Linear;
use super::operand::Operand;
use crate::error::Result;
use crate::kernels::{Activation, Bf16Tiles, Kernels};
use crate::threads;

/// Columns of a share are a multiple of these: of every panel's outputs.
const UNIT: usize = 64;

/// More threads than this wait for each other longer than they read.
const MOST: usize = 8;

/// What threads share while they take the same texts through a model, in step.
#[derive(Debug)]
pub(super) struct Team {
    kernels: Kernels,
    precision: Precision,
    hidden: usize,
    head_width: usize,
    shares: Vec<Share>,
    barrier: Barrier,
    rows: RwLock<Vec<f32>>,
    input: RwLock<Operand>,
    /// What is between a layer's last two maps, by chunks of its columns.
    inner: Vec<RwLock<Operand>>,
}

/// What one thread computes, and leaves for the leader.
#[derive(Debug)]
struct Share {
    heads: Range<usize>,
    /// Columns of a row that it writes.
    columns: Range<usize>,
    /// Its heads', or columns', part of all rows.
    left: Mutex<Vec<f32>>,
}

/// One thread of a team.
#[derive(Debug)]
pub(super) struct Member<'a> {
    team: &'a Team,
    at: usize,
    tiles: Bf16Tiles,
    attention: Attention,
    joined: Joined,
}

/// The part of `0..total` that falls to one of `count`.
fn share(total: usize, count: usize, at: usize) -> Range<usize> {
    total * at / count..total * (at + 1) / count
}

/// A lock whose other users cannot have left it half done: a panic ends the whole team.
fn open<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Team {
    /// A team of at most so many threads; None if the model's rows do not fall into shares.
    pub(super) fn new(
        shape: &Architecture,
        precision: Precision,
        kernels: Kernels,
        threads: usize,
    ) -> Option<Self> {
        let (hidden, width) = (shape.hidden, shape.head_width());
        // Heads that fill whole units, so that each part of the joined map starts with one.
        let together = if width.is_multiple_of(UNIT) { 1 } else { 2 };
        if !hidden.is_multiple_of(UNIT) || !(together * width).is_multiple_of(UNIT) {
            return None;
        }
        let groups = shape.heads / together;
        let count = threads.min(groups).min(hidden / UNIT).min(MOST);
        if count < 2 || !shape.heads.is_multiple_of(together) {
            return None;
        }
        let shares = (0..count).map(|at| {
            let (heads, units) = (share(groups, count, at), share(hidden / UNIT, count, at));
            Share {
                heads: heads.start * together..heads.end * together,
                columns: units.start * UNIT..units.end * UNIT,
                left: Mutex::new(Vec::new()),
            }
        });
        let inner = || RwLock::new(Operand::new(precision));
        Some(Self {
            kernels,
            precision,
            hidden,
            head_width: width,
            shares: shares.collect(),
            barrier: Barrier::new(count),
            rows: RwLock::default(),
            input: RwLock::new(Operand::new(precision)),
            inner: std::iter::repeat_with(inner).take(shape.inner.div_ceil(UNIT)).collect(),
        })
    }

    /// Takes rows through what each member is given to do, the same for all: this thread leads.
    ///
    /// # Errors
    /// [`crate::Error::Pool`] if the system refuses the threads.
    pub(super) fn run(
        self,
        rows: Vec<f32>,
        work: impl Fn(&mut Member<'_>) + Sync,
    ) -> Result<Vec<f32>> {
        *self.rows.write().unwrap_or_else(PoisonError::into_inner) = rows;
        let others = threads::pool(self.shares.len() - 1)?;
        let (team, work) = (&self, &work);
        others.in_place_scope(|scope| {
            for at in 1..team.shares.len() {
                scope.spawn(move |_| team.take_part(at, work));
            }
            team.take_part(0, work);
        });
        Ok(self.rows.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn take_part(&self, at: usize, work: impl Fn(&mut Member<'_>)) {
        let _guard = self.barrier.guard();
        let precision = self.precision.of_attention(self.kernels);
        work(&mut Member {
            team: self,
            at,
            tiles: Bf16Tiles::new(self.kernels),
            attention: Attention::of_heads(
                precision,
                self.shares[at].heads.clone(),
                self.head_width,
            ),
            joined: Joined::default(),
        });
    }
}

impl Member<'_> {
    /// Lets the leader alone work on the rows and the input of what follows; the others wait.
    pub(super) fn lead(&mut self, work: impl FnOnce(&mut [f32], &mut Operand, Kernels)) {
        if self.at == 0 {
            let mut rows = self.team.rows.write().unwrap_or_else(PoisonError::into_inner);
            let mut input = self.team.input.write().unwrap_or_else(PoisonError::into_inner);
            work(&mut rows, &mut input, self.team.kernels);
        }
        self.team.barrier.wait();
    }

    /// Mixes its heads: `joined` makes their queries, keys and values of the input, which then takes the
    /// mixtures of all heads.
    pub(super) fn attend(&mut self, joined: &Linear, ends: &[usize], sight: Sight) {
        let team = self.team;
        let (own, hidden, width) = (&team.shares[self.at], team.hidden, team.head_width);
        {
            let input = team.input.read().unwrap_or_else(PoisonError::into_inner);
            let three = [0, hidden, 2 * hidden]
                .map(|part| part + own.heads.start * width..part + own.heads.end * width);
            let target = &mut self.joined;
            match self.attention.precision() {
                Precision::Bf16 => {
                    joined.store_lines(&input, &three, &mut target.lines, &mut self.tiles);
                }
                _ => joined.store(&input, &three, &mut target.floats, &mut self.tiles),
            }
        }
        self.attention.mix(&self.joined, ends, sight, &mut self.tiles);
        let tokens = ends.last().copied().unwrap_or_default();
        {
            let mut left = open(&own.left);
            left.clear();
            for token in 0..tokens {
                left.extend_from_slice(self.attention.mixture(token));
            }
        }
        team.barrier.wait();
        self.lead(|_, input, kernels| {
            let parts: Vec<_> = team.shares.iter().map(|share| open(&share.left)).collect();
            let mut row = Vec::with_capacity(hidden);
            input.resize(tokens, hidden);
            for token in 0..tokens {
                row.clear();
                for (share, part) in team.shares.iter().zip(&parts) {
                    let size = share.heads.len() * width;
                    row.extend_from_slice(&part[token * size..][..size]);
                }
                input.set(token, &row, &[], kernels);
            }
        });
    }

    /// Adds the products of a map and the input to the rows, without its bias. A call of
    /// [`Member::lead`] has to follow.
    pub(super) fn accumulate(&mut self, map: &Linear) {
        let team = self.team;
        let input = team.input.read().unwrap_or_else(PoisonError::into_inner);
        self.add_columns(|columns, own, tiles| map.accumulate_columns(&input, columns, own, tiles));
    }

    /// Adds the products of `down` with what `up` and the function make of the input to the rows, without
    /// the last bias. A call of [`Member::lead`] has to follow.
    pub(super) fn pass_inner(&mut self, (up, activation): (&Linear, Activation), down: &Linear) {
        let team = self.team;
        {
            let input = team.input.read().unwrap_or_else(PoisonError::into_inner);
            let own = down.input_chunks().zip(&team.inner).skip(self.at);
            for (columns, target) in own.step_by(team.shares.len()) {
                let mut target = target.write().unwrap_or_else(PoisonError::into_inner);
                up.activate(&input, columns, (activation, None), &mut target, &mut self.tiles);
            }
        }
        team.barrier.wait();
        self.add_columns(|columns, own, tiles| {
            for (at, (_, inner)) in down.input_chunks().zip(&team.inner).enumerate() {
                let inner = inner.read().unwrap_or_else(PoisonError::into_inner);
                down.accumulate_chunk((at, 0, columns), &inner, own, tiles);
            }
        });
    }

    /// Lets each member add to its columns of the rows; the leader puts them back.
    fn add_columns(&mut self, add: impl FnOnce(&Range<usize>, &mut [f32], &mut Bf16Tiles)) {
        let (team, own) = (self.team, &self.team.shares[self.at]);
        {
            let rows = team.rows.read().unwrap_or_else(PoisonError::into_inner);
            let mut left = open(&own.left);
            left.clear();
            for row in rows.chunks_exact(team.hidden) {
                left.extend_from_slice(&row[own.columns.clone()]);
            }
            add(&own.columns, &mut left, &mut self.tiles);
        }
        team.barrier.wait();
        if self.at > 0 {
            return;
        }
        let mut rows = team.rows.write().unwrap_or_else(PoisonError::into_inner);
        for share in &team.shares {
            let left = open(&share.left);
            let parts = left.chunks_exact(share.columns.len());
            for (row, part) in rows.chunks_exact_mut(team.hidden).zip(parts) {
                row[share.columns.clone()].copy_from_slice(part);
            }
        }
    }
}
