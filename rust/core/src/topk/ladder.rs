//! The passes of one search, from the cheapest to the most precise.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use super::coding::fits;
use super::pass::Setting;
use super::pass_bf16::Bf16Pass;
use super::pass_f32::F32Pass;
use super::pass_int8::Int8Pass;
use super::plane::Plane;
use super::rowset::RowSet;
use super::transform::Transform;
use crate::kernels::Kernels;

/// The cheap look at all pairs that finds the candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum PassKind {
    /// Products of codes of 8 bits.
    Int8,
    /// Products of the values rounded to bfloat16.
    Bf16,
    /// Products of the values themselves.
    F32,
}

impl PassKind {
    /// From the cheapest to the most precise.
    pub const ALL: [Self; 3] = [Self::Int8, Self::Bf16, Self::F32];

    /// Its name in statistics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Bf16 => "bf16",
            Self::F32 => "f32",
        }
    }
}

/// Passes that are made when they are first needed.
pub(super) struct Ladder<'a> {
    setting: Setting<'a>,
    rows: RowSet<'a>,
    plane: Option<Plane<'a>>,
    kind: AtomicU8,
    first_kind: PassKind,
    may_step: bool,
    transform: &'a OnceLock<Transform>,
    int8: OnceLock<Int8Pass<'a>>,
    bf16: OnceLock<Bf16Pass<'a>>,
    f32: OnceLock<F32Pass<'a>>,
    counts: [AtomicU64; 3],
}

impl<'a> Ladder<'a> {
    /// Starts with `kind`; `may_step` allows a more precise pass once hits explode.
    ///
    /// `transform` is where a corpus without a plane keeps its own.
    pub(super) fn new(
        setting: Setting<'a>,
        rows: RowSet<'a>,
        plane: Option<Plane<'a>>,
        transform: &'a OnceLock<Transform>,
        kind: PassKind,
        may_step: bool,
    ) -> Self {
        let kind = if fits(setting.corpus.dim()) { kind } else { kind.max(PassKind::Bf16) };
        Self {
            setting,
            rows,
            plane,
            kind: AtomicU8::new(kind as u8),
            first_kind: kind,
            may_step,
            transform,
            int8: OnceLock::new(),
            bf16: OnceLock::new(),
            f32: OnceLock::new(),
            counts: [const { AtomicU64::new(0) }; 3],
        }
    }

    pub(super) fn kernels(&self) -> Kernels {
        self.setting.kernels
    }

    /// The pass to run now.
    pub(super) fn kind(&self) -> PassKind {
        PassKind::ALL[self.kind.load(Ordering::Relaxed) as usize]
    }

    /// The pass that the search started with.
    pub(super) fn first_kind(&self) -> PassKind {
        self.first_kind
    }

    /// The pass to turn to when this one reports too much.
    pub(super) fn below(&self, kind: PassKind) -> Option<PassKind> {
        match kind {
            _ if !self.may_step => None,
            PassKind::Int8 if self.kernels().has_fast_bf16() => Some(PassKind::Bf16),
            PassKind::Int8 | PassKind::Bf16 => Some(PassKind::F32),
            PassKind::F32 => None,
        }
    }

    /// Leaves `kind` for the next pass, unless another thread already did.
    pub(super) fn step_down(&self, kind: PassKind) {
        if let Some(next) = self.below(kind) {
            self.kind.fetch_max(next as u8, Ordering::Relaxed);
        }
    }

    /// Counts rows that a pass looked at.
    pub(super) fn count(&self, kind: PassKind, rows: usize) {
        self.counts[kind as usize].fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// Rows that each pass looked at.
    pub(super) fn counts(&self) -> [u64; 3] {
        [0, 1, 2].map(|i| self.counts[i].load(Ordering::Relaxed))
    }

    pub(super) fn int8(&self) -> &Int8Pass<'a> {
        self.int8.get_or_init(|| {
            if let (Some(plane), true) = (self.plane, self.setting.mutual) {
                return Int8Pass::of_rows(self.setting, plane);
            }
            let transform = match self.plane {
                Some(plane) => plane.transform(),
                None => self.transform.get_or_init(|| {
                    let Setting { kernels, metric, corpus, .. } = self.setting;
                    let number = |place| self.rows.at(place);
                    Transform::fitted(kernels, metric, corpus, self.rows.len(), number)
                }),
            };
            Int8Pass::new(self.setting, transform, self.plane)
        })
    }

    pub(super) fn bf16(&self) -> &Bf16Pass<'a> {
        self.bf16.get_or_init(|| Bf16Pass::new(self.setting))
    }

    pub(super) fn f32(&self) -> &F32Pass<'a> {
        self.f32.get_or_init(|| F32Pass::new(self.setting))
    }
}
