//! Files that appear whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::{Compression, GzBuilder};

use crate::error::{Error, Result};

/// Writes a file beside `path`, forces it to the disk and renames it to `path`.
///
/// A crash leaves the old file or the new one. `.gz` or `.zst` at the end of the name compresses,
/// without a time stamp, so that equal content gives equal bytes. `fill` returns `false` to give up.
///
/// The new file has the permissions of the old one, but is another one: a symbolic link is
/// replaced rather than followed, hard links keep the old content, owner and extended attributes
/// are those of any new file.
pub(super) fn write_atomically(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<bool>,
) -> Result<()> {
    let written = Partial::beside(path).and_then(|(partial, file)| partial.write(file, path, fill));
    match written {
        Ok(true) => sync_folder(path).map_err(|error| in_place(path, &error)),
        Ok(false) => Err(Error::Stopped),
        Err(error) => Err(unwritable(path, &error)),
    }
}

/// A temporary file of this process that is removed unless it was renamed.
struct Partial(PathBuf);

impl Partial {
    /// Creates the file; a name that is taken, say by a killed process of the same number, is
    /// left alone and the next one tried.
    fn beside(path: &Path) -> io::Result<(Self, File)> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let own = format!(".{name}.{}-{count}.partial", std::process::id());
            let partial = path.with_file_name(own);
            match OpenOptions::new().write(true).create_new(true).open(&partial) {
                Ok(file) => return Ok((Self(partial), file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn write(
        &self,
        file: File,
        path: &Path,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<bool>,
    ) -> io::Result<bool> {
        if let Ok(old) = fs::metadata(path) {
            file.set_permissions(old.permissions())?;
        }
        let mut out = BufWriter::with_capacity(1 << 18, file);
        let ends = |end: &str| path.extension().is_some_and(|own| own.eq_ignore_ascii_case(end));
        let complete = if ends("gz") {
            let mut gzip = GzBuilder::new().write(&mut out, Compression::default());
            let complete = fill(&mut gzip)?;
            gzip.finish()?;
            complete
        } else if ends("zst") {
            let mut zstd =
                zstd::stream::write::Encoder::new(&mut out, zstd::DEFAULT_COMPRESSION_LEVEL)?;
            zstd.include_checksum(true)?;
            let complete = fill(&mut zstd)?;
            zstd.finish()?;
            complete
        } else {
            fill(&mut out)?
        };
        if complete {
            out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
            fs::rename(&self.0, path)?;
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

/// The error of a file that was written, under a name that a crash may still take back.
fn in_place(path: &Path, error: &io::Error) -> Error {
    Error::Unwritable {
        path: path.display().to_string(),
        reason: format!(
            "the new file is in place, but a crash may bring back the old one, since its folder \
             was not forced to the disk ({error})"
        ),
        fix: "Check the disk, then write it again.".into(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("embedsmith-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn write(path: &Path) -> Result<()> {
        write_atomically(path, |out| out.write_all(b"new").map(|()| true))
    }

    #[test]
    fn files_of_others_are_neither_taken_nor_removed() {
        let folder = folder("taken");
        let partial = |i| folder.join(format!(".run.{}-{i}.partial", std::process::id()));
        // More than the other tests of this process write, so that the next name is among them.
        (0..2000).for_each(|i| fs::write(partial(i), "theirs").unwrap());
        write(&folder.join("run")).unwrap();
        assert_eq!(fs::read(folder.join("run")).unwrap(), b"new");
        (0..2000).for_each(|i| assert_eq!(fs::read(partial(i)).unwrap(), b"theirs"));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_given_up_leaves_the_old_file_alone() {
        let folder = folder("given-up");
        let path = folder.join("run");
        fs::write(&path, "old").unwrap();
        let given_up = write_atomically(&path, |out| out.write_all(b"ne").map(|()| false));
        assert_eq!(given_up, Err(Error::Stopped));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn permissions_of_the_old_file_stay() {
        use std::os::unix::fs::PermissionsExt;

        let folder = folder("mode");
        let path = folder.join("run");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        write(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read(&path).unwrap(), b"new");
        fs::remove_dir_all(folder).unwrap();
    }
}
