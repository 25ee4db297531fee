//! What the threads of one walk share.

use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Mutex, PoisonError};

use super::candidates::{Candidates, SharedThreshold};
use super::ceiling::Above;
use super::pass::MAX_LANES;
use crate::error::{Error, Result};

/// Each query's candidates with the threshold that they passed, and what each met above its ceiling,
/// if there are ceilings.
pub(super) type Found = (Vec<(Candidates, f32)>, Vec<Above>);

/// What the threads share while they walk.
pub(super) struct Shared {
    pub(super) next: AtomicUsize,
    pub(super) thresholds: Vec<SharedThreshold>,
    /// Of [`MAX_LANES`] queries each.
    pub(super) desks: Vec<Mutex<Desk>>,
    /// Pairs that were looked at closer.
    pub(super) hits: AtomicU64,
    pub(super) failure: Mutex<Option<Error>>,
}

/// What some queries have found so far.
pub(super) struct Desk {
    pub(super) kept: Vec<Candidates>,
    /// Empty where nothing limits the hits from above.
    pub(super) above: Vec<Above>,
}

impl Shared {
    pub(super) fn new(initial: &[f32], has_ceilings: bool) -> Self {
        let desk = |queries: &[f32]| {
            let above = if has_ceilings { queries.len() } else { 0 };
            Mutex::new(Desk {
                kept: queries.iter().map(|_| Candidates::default()).collect(),
                above: (0..above).map(|_| Above::default()).collect(),
            })
        };
        Self {
            next: AtomicUsize::new(0),
            thresholds: initial.iter().map(|&threshold| SharedThreshold::new(threshold)).collect(),
            desks: initial.chunks(MAX_LANES).map(desk).collect(),
            hits: AtomicU64::new(0),
            failure: Mutex::new(None),
        }
    }

    /// What the queries found.
    ///
    /// # Errors
    /// The first one that a thread met.
    pub(super) fn finish(self) -> Result<Found> {
        if let Some(error) = self.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        let (mut kept, mut above) = (Vec::with_capacity(self.thresholds.len()), Vec::new());
        let mut thresholds = self.thresholds.iter().map(SharedThreshold::get);
        for desk in self.desks {
            let desk = desk.into_inner().unwrap_or_else(PoisonError::into_inner);
            kept.extend(desk.kept.into_iter().zip(&mut thresholds));
            above.extend(desk.above);
        }
        Ok((kept, above))
    }
}
