//! Files that appear whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::{Compression, GzBuilder};

use crate::error::{Error, Result};

/// Writes a file beside `path`, forces it to the disk and renames it to `path`.
///
/// A crash leaves the old file or the new one. `.gz` at the end of the name compresses, without a
/// time stamp, so that equal content gives equal bytes. `fill` returns `false` to give up.
pub(super) fn write_atomically(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<bool>,
) -> Result<()> {
    let partial = Partial::beside(path);
    match partial.write(path, fill) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::Stopped),
        Err(error) => Err(unwritable(path, &error)),
    }
}

/// A temporary file that is removed unless it was renamed.
struct Partial(PathBuf);

impl Partial {
    fn beside(path: &Path) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self(path.with_file_name(format!(".{name}.{}-{count}.partial", std::process::id())))
    }

    fn write(
        &self,
        path: &Path,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<bool>,
    ) -> io::Result<bool> {
        let file = OpenOptions::new().write(true).create_new(true).open(&self.0)?;
        let mut out = BufWriter::with_capacity(1 << 18, file);
        let complete = if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("gz")) {
            let mut gzip = GzBuilder::new().write(&mut out, Compression::default());
            let complete = fill(&mut gzip)?;
            gzip.finish()?;
            complete
        } else {
            fill(&mut out)?
        };
        if complete {
            out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
            fs::rename(&self.0, path)?;
            sync_folder(path)?;
        }
        Ok(complete)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // After a rename there is nothing to remove, and a failure to tidy up must not hide the
        // error that led here.
        let _ = fs::remove_file(&self.0);
    }
}

/// Makes the new name durable. Only Unix can open a folder; elsewhere the rename is all there is.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match File::open(folder.unwrap_or(Path::new(".")))?.sync_all() {
        // Some network file systems cannot sync a folder; the file itself is on the disk.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        result => result,
    }
}

#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

fn unwritable(path: &Path, error: &io::Error) -> Error {
    let fix = match error.kind() {
        io::ErrorKind::NotFound => "Make the folder first.",
        io::ErrorKind::PermissionDenied => "Choose a folder that you may write to.",
        io::ErrorKind::StorageFull => "Free some space, or choose another disk.",
        _ => "Choose another place.",
    };
    Error::Unwritable {
        path: path.display().to_string(),
        reason: error.to_string(),
        fix: fix.into(),
    }
}
