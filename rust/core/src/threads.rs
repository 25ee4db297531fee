//! Thread pools, made once per width, and the token that stops a running job.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};

/// Environment variable that sets the default number of threads.
pub const THREADS_VARIABLE: &str = "EMBEDSMITH_NUM_THREADS";

/// Lets another thread stop a job between two blocks of work.
#[derive(Debug, Default)]
pub struct Control {
    stopped: AtomicBool,
}

impl Control {
    /// Asks the job to stop soon.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
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
/// [`Error::Threads`] if the number asked for is 0 or the variable is no positive number.
pub fn resolve(wanted: Option<usize>) -> Result<usize> {
    if let Some(n) = wanted {
        return if n == 0 { Err(Error::Threads { found: "0".into() }) } else { Ok(n) };
    }
    match std::env::var(THREADS_VARIABLE) {
        Ok(text) if !text.trim().is_empty() => match text.trim().parse() {
            Ok(n) if n > 0 => Ok(n),
            _ => Err(Error::Threads { found: text }),
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

/// Pools by process and width.
type Pools = HashMap<(u32, usize), Arc<ThreadPool>>;

/// The shared pool of `n` threads.
///
/// Pools are keyed by process as well: after a fork the parent's threads do not exist in the
/// child, and work handed to them would wait for ever.
///
/// # Errors
/// [`Error::Pool`] if the system refuses the threads.
pub fn pool(n: usize) -> Result<Arc<ThreadPool>> {
    static POOLS: Mutex<Option<Pools>> = Mutex::new(None);
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    let pools = pools.get_or_insert_with(HashMap::new);
    let key = (std::process::id(), n);
    if let Some(pool) = pools.get(&key) {
        return Ok(Arc::clone(pool));
    }
    let pool = ThreadPoolBuilder::new()
        .num_threads(n)
        .thread_name(|i| format!("embedsmith-{i}"))
        .build()
        .map_err(|error| Error::Pool { threads: n, reason: error.to_string() })?;
    let pool = Arc::new(pool);
    pools.insert(key, Arc::clone(&pool));
    Ok(pool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_made_once_per_width() {
        let (a, b) = (pool(2).unwrap(), pool(2).unwrap());
        assert!(Arc::ptr_eq(&a, &b));
        assert_eq!(pool(3).unwrap().current_num_threads(), 3);
    }

    #[test]
    fn zero_threads_are_refused() {
        assert!(resolve(Some(0)).is_err());
        assert_eq!(resolve(Some(5)).unwrap(), 5);
    }
}
