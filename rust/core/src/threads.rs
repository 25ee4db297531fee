//! Thread pools, made once per width, and the token that stops a running job.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};
use crate::kernels::FloatMode;

/// Environment variable that sets the default number of threads.
pub const THREADS_VARIABLE: &str = "EMBEDSMITH_NUM_THREADS";

/// More than any machine has; beyond, starting them takes longer than any search.
const MAX_THREADS: usize = 1024;

/// Lets another thread stop a job between two blocks of work.
#[derive(Debug, Default)]
pub struct Control {
    stopped: AtomicBool,
    done: AtomicU64,
    total: AtomicU64,
}

impl Control {
    /// Asks the job to stop soon.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Announces so many more units of work.
    pub fn expect(&self, units: u64) {
        self.total.fetch_add(units, Ordering::Relaxed);
    }

    /// Reports so many more units done.
    pub fn advance(&self, units: u64) {
        self.done.fetch_add(units, Ordering::Relaxed);
    }

    /// Units done, and all that were announced. Work that has to be repeated counts once.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        let total = self.total.load(Ordering::Relaxed);
        (self.done.load(Ordering::Relaxed).min(total), total)
    }

    /// True once someone asked for the stop.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

/// The number of threads to use: `wanted`, else the environment's, else what the cgroup grants.
///
/// # Errors
/// [`Error::Threads`] if the number asked for, or the variable's, is not from 1 to 1,024.
pub fn resolve(wanted: Option<usize>) -> Result<usize> {
    let refused = |found: String| Err(Error::Threads { found, most: MAX_THREADS });
    if let Some(n) = wanted {
        return if (1..=MAX_THREADS).contains(&n) { Ok(n) } else { refused(n.to_string()) };
    }
    match std::env::var(THREADS_VARIABLE) {
        Ok(text) if !text.trim().is_empty() => match text.trim().parse() {
            Ok(n) if (1..=MAX_THREADS).contains(&n) => Ok(n),
            _ => refused(text),
        },
        _ => Ok(granted()),
    }
}

/// Processors granted to this process. Asked once: the answer is read from the cgroup's files, which
/// takes longer than a small search.
fn granted() -> usize {
    static GRANTED: OnceLock<usize> = OnceLock::new();
    *GRANTED.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Pools that wait for work, by process and width.
type Idle = HashMap<(u32, usize), Vec<ThreadPool>>;

static IDLE: Mutex<Option<Idle>> = Mutex::new(None);

/// A pool of this call's own; it goes back to the idle ones when dropped.
///
/// Calls from several threads each get one: sharing would make a short call wait for a long one.
#[derive(Debug)]
pub struct Lease {
    pool: Option<ThreadPool>,
    key: (u32, usize),
}

impl Deref for Lease {
    type Target = ThreadPool;

    fn deref(&self) -> &ThreadPool {
        self.pool.as_ref().unwrap_or_else(|| unreachable!("only `drop` takes the pool"))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
            idle.get_or_insert_default().entry(self.key).or_default().push(pool);
        }
    }
}

/// A pool of `n` threads: an idle one, or a new one.
///
/// Pools are keyed by process as well: after a fork the parent's threads do not exist in the
/// child, and work handed to them would wait for ever.
///
/// # Errors
/// [`Error::Pool`] if the system refuses the threads.
pub fn pool(n: usize) -> Result<Lease> {
    let key = (std::process::id(), n);
    let found = {
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        idle.get_or_insert_default().get_mut(&key).and_then(Vec::pop)
    };
    let pool = match found {
        Some(pool) => pool,
        None => ThreadPoolBuilder::new()
            .num_threads(n)
            .thread_name(|i| format!("embedsmith-{i}"))
            // These threads run our code only: they keep the mode for good.
            .start_handler(|_| std::mem::forget(FloatMode::standard()))
            .build()
            .map_err(|error| Error::Pool { threads: n, reason: error.to_string() })?,
    };
    Ok(Lease { pool: Some(pool), key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_kept_for_the_next_call_and_never_shared_by_two() {
        // A width of this test's own: the others run beside it.
        let first = pool(13).unwrap();
        let id = |pool: &Lease| pool.install(|| std::thread::current().id());
        let (one, beside) = (pool(14).unwrap(), pool(14).unwrap());
        assert_ne!(id(&one), id(&beside));
        assert_eq!(first.current_num_threads(), 13);
        let threads: Vec<_> = first.broadcast(|_| std::thread::current().id());
        drop(first);
        assert!(threads.contains(&id(&pool(13).unwrap())));
    }

    #[test]
    fn no_threads_and_absurdly_many_are_refused() {
        assert!(resolve(Some(0)).is_err());
        assert!(resolve(Some(usize::MAX)).is_err());
        assert_eq!(resolve(Some(5)).unwrap(), 5);
    }
}
