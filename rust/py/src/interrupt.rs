//! Long jobs that answer Ctrl-C.

use std::sync::mpsc;
use std::time::Duration;

use embedsmith_core::error::Result;
use embedsmith_core::threads::Control;
use pyo3::prelude::*;

use crate::error::to_py;

/// How often a waiting job looks for Ctrl-C.
const PATIENCE: Duration = Duration::from_millis(50);

/// Runs a job without the GIL; when `long`, in a thread beside one that looks for signals.
///
/// Python delivers signals only to its main thread and only while that holds the GIL, so the
/// caller's thread waits and looks while another works. A short job is not worth the thread.
pub(crate) fn run<T: Send>(
    py: Python<'_>,
    long: bool,
    job: impl FnOnce(&Control) -> Result<T> + Send,
) -> PyResult<T> {
    let control = Control::default();
    if !long {
        return py.detach(|| job(&control)).map_err(|error| to_py(&error));
    }
    let mut interrupt = None;
    let outcome = py.detach(|| {
        std::thread::scope(|scope| {
            let (done, finished) = mpsc::sync_channel::<()>(1);
            let control = &control;
            let worker = scope.spawn(move || {
                // Dropped on every way out of this closure, which is what wakes the waiter.
                let _done = done;
                job(control)
            });
            while let Err(mpsc::RecvTimeoutError::Timeout) = finished.recv_timeout(PATIENCE) {
                // The closure, since the method's lifetime does not fit the bound.
                #[allow(clippy::redundant_closure_for_method_calls, reason = "see above")]
                if interrupt.is_none()
                    && let Err(signal) = Python::attach(|py| py.check_signals())
                {
                    interrupt = Some(signal);
                    control.stop();
                }
            }
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    });
    match interrupt {
        Some(signal) => Err(signal),
        None => outcome.map_err(|error| to_py(&error)),
    }
}
