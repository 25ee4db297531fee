//! Where threads that work in step wait for each other.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Turns of waiting before a thread lets others have the processor: steps take a few microseconds.
const SPINS: usize = 1_000;

/// A place that threads leave when all have come. They wait awake: putting a thread to sleep and waking it
/// takes longer than the steps between.
#[derive(Debug)]
pub(super) struct Barrier {
    count: usize,
    come: AtomicUsize,
    turn: AtomicUsize,
    broken: AtomicBool,
}

impl Barrier {
    /// For so many threads.
    pub(super) fn new(count: usize) -> Self {
        Self {
            count,
            come: AtomicUsize::new(0),
            turn: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        }
    }

    /// Waits until all have come.
    ///
    /// # Panics
    /// If another thread panicked, and will never come.
    pub(super) fn wait(&self) {
        let turn = self.turn.load(Ordering::Acquire);
        if self.come.fetch_add(1, Ordering::AcqRel) + 1 == self.count {
            self.come.store(0, Ordering::Relaxed);
            self.turn.store(turn.wrapping_add(1), Ordering::Release);
            return;
        }
        let mut spins = 0;
        while self.turn.load(Ordering::Acquire) == turn {
            assert!(!self.broken.load(Ordering::Relaxed), "a thread of the team panicked");
            if spins < SPINS {
                spins += 1;
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
    }

    /// What frees the others if this thread panics before it is dropped.
    pub(super) fn guard(&self) -> Guard<'_> {
        Guard(self)
    }
}

/// See [`Barrier::guard`].
pub(super) struct Guard<'a>(&'a Barrier);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.broken.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_a_step_ahead() {
        let (barrier, steps) = (Barrier::new(3), [const { AtomicUsize::new(0) }; 3]);
        std::thread::scope(|scope| {
            for own in 0..3 {
                let (barrier, steps) = (&barrier, &steps);
                scope.spawn(move || {
                    for step in 1..=500 {
                        steps[own].store(step, Ordering::Relaxed);
                        barrier.wait();
                        for other in steps {
                            assert!((step..=step + 1).contains(&other.load(Ordering::Relaxed)));
                        }
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_reaches_those_who_wait() {
        let barrier = Barrier::new(2);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| barrier.wait());
            let failing = scope.spawn(|| {
                let _guard = barrier.guard();
                panic!("on purpose");
            });
            assert!(failing.join().is_err());
            assert!(waiting.join().is_err());
        });
    }
}
