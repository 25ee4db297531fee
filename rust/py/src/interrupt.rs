//! Long jobs that answer Ctrl-C and tell how far they are.

use std::sync::mpsc;
use std::time::Duration;

use embedsmith_core::error::Result;
use embedsmith_core::threads::Control;
use pyo3::prelude::*;

use crate::error::to_py;

/// How often a waiting job looks for Ctrl-C and reports.
const PATIENCE: Duration = Duration::from_millis(50);

/// Runs a job without the GIL; when `long`, in a thread beside one that looks for signals and calls
/// `progress(done, total)`.
///
/// Python delivers signals only to its main thread and only while that holds the GIL, so the
/// caller's thread waits and looks while another works. A short job is not worth the thread. What
/// `progress` raises stops the job.
pub(crate) fn run<T: Send>(
    py: Python<'_>,
    long: bool,
    progress: Option<&Py<PyAny>>,
    job: impl FnOnce(&Control) -> Result<T> + Send,
) -> PyResult<T> {
    let control = Control::default();
    if !long && progress.is_none() {
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
                if interrupt.is_none()
                    && let Err(raised) = Python::attach(|py| look(py, progress, control))
                {
                    interrupt = Some(raised);
                    control.stop();
                }
            }
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    });
    if let Some(raised) = interrupt {
        return Err(raised);
    }
    let outcome = outcome.map_err(|error| to_py(&error))?;
    if let Some(progress) = progress {
        let (_, total) = control.progress();
        progress.call1(py, (total, total))?;
    }
    Ok(outcome)
}

/// Looks for signals, and reports.
fn look(py: Python<'_>, progress: Option<&Py<PyAny>>, control: &Control) -> PyResult<()> {
    py.check_signals()?;
    if let Some(progress) = progress {
        progress.call1(py, control.progress())?;
    }
    Ok(())
}
