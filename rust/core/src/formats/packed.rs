//! The bytes of a file: plain, gzip or zstd, told by the content and not by the name.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};

pub(super) const BLOCK_BYTES: usize = 1 << 18;
const GZIP: &[u8] = b"\x1f\x8b";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
/// What packed data may always unpack to.
const FREE_BYTES: u64 = 1 << 28;
/// Beyond that, how many times its own size. Runs, judgements and texts reach about twenty.
const MOST_TIMES: u64 = 200;
/// Largest window a zstd frame may ask for, as a power of two: the memory of its decoder.
const WINDOW_LOG: u32 = 27;

/// How the bytes of a file are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// The unpacked bytes of a source.
pub(super) struct Unpacked<'a> {
    pub(super) input: Box<dyn BufRead + 'a>,
    pub(super) packing: Packing,
}

/// Opens the file at `path`.
pub(super) fn open(path: &Path) -> Result<File> {
    let name = || path.display().to_string();
    if path.is_dir() {
        return Err(Error::Unreadable {
            path: name(),
            reason: "it is a folder".into(),
            fix: "Name a file in it.".into(),
        });
    }
    File::open(path).map_err(|error| unreadable(name(), &error))
}

impl<'a> Unpacked<'a> {
    /// Looks at the first bytes of `source`; several gzip members or zstd frames are read on end.
    pub(super) fn new<R: Read + 'a>(source: R) -> io::Result<Self> {
        Self::limited(source, FREE_BYTES)
    }

    fn limited<R: Read + 'a>(mut source: R, free: u64) -> io::Result<Self> {
        // A pipe may hand out one byte at a time, so the mark is read in full before it is judged.
        let mut mark = Vec::with_capacity(ZSTD.len());
        source.by_ref().take(ZSTD.len() as u64).read_to_end(&mut mark)?;
        let packing = match mark.as_slice() {
            mark if mark.starts_with(GZIP) => Packing::Gzip,
            mark if mark == ZSTD => Packing::Zstd,
            _ => Packing::Plain,
        };
        let whole = Cursor::new(mark).chain(source);
        if packing == Packing::Plain {
            let input = Box::new(BufReader::with_capacity(BLOCK_BYTES, whole));
            return Ok(Self { input, packing });
        }
        let packed = Rc::new(Cell::new(0));
        let counted = Counted { inner: whole, bytes: Rc::clone(&packed) };
        let counted = BufReader::with_capacity(BLOCK_BYTES, counted);
        let limited = |inner: Box<dyn Read + 'a>| Limited { inner, packed, unpacked: 0, free };
        let inner: Box<dyn Read + 'a> = if packing == Packing::Gzip {
            Box::new(MultiGzDecoder::new(counted))
        } else {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(counted)?;
            decoder.window_log_max(WINDOW_LOG)?;
            Box::new(decoder)
        };
        let input = Box::new(BufReader::with_capacity(BLOCK_BYTES, limited(inner)));
        Ok(Self { input, packing })
    }
}

impl Unpacked<'_> {
    /// The first bytes, and the source as it was before.
    pub(super) fn peek(mut self) -> (Vec<u8>, Self) {
        let mut head = Vec::new();
        let failed = self.input.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut head).err();
        let again = Cursor::new(head.clone()).chain(BufReader::new(Failing(failed)));
        (head, Self { input: Box::new(again.chain(self.input)), packing: self.packing })
    }
}

/// Fails once, where a read ahead failed.
struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// Counts the bytes that pass.
struct Counted<R> {
    inner: R,
    bytes: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes.set(self.bytes.get() + read as u64);
        Ok(read)
    }
}

/// Ends with [`Bomb`] where a few bytes would unpack to more than a machine holds.
struct Limited<'a> {
    inner: Box<dyn Read + 'a>,
    packed: Rc<Cell<u64>>,
    unpacked: u64,
    free: u64,
}

impl Read for Limited<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.unpacked += read as u64;
        if self.unpacked > self.free && self.unpacked / MOST_TIMES > self.packed.get() {
            return Err(io::Error::other(Bomb));
        }
        Ok(read)
    }
}

/// The reason of an [`io::Error`] where packed data passed the limit.
#[derive(Debug, thiserror::Error)]
#[error("more than {} MiB and {MOST_TIMES} times the packed size", FREE_BYTES >> 20)]
struct Bomb;

impl Packing {
    /// The error of a read that failed: (found, expected, fix), or `None` if the system failed.
    pub(super) fn fault(self, error: &io::Error) -> Option<(String, &'static str, String)> {
        let (word, end, tool) = match self {
            Self::Plain => return None,
            Self::Gzip => ("gzip", "gz", "gzip"),
            Self::Zstd => ("zstd", "zst", "zstd"),
        };
        let fetch =
            format!("Fetch or write the file again; `{tool} -t FILE` tells whether it is whole.");
        if error.get_ref().and_then(|inner| inner.downcast_ref::<Bomb>()).is_some() {
            return Some((
                format!("{word} data that unpack to {Bomb}"),
                "a file that packs to no less",
                format!("If it is to be trusted, unpack it first: `{tool} -d FILE`."),
            ));
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Some((
                format!("the end of the file inside its {word} data (a truncated .{end})"),
                if self == Self::Gzip { "a complete gzip file" } else { "a complete zstd file" },
                fetch,
            )),
            // The zstd library reports damage as an error of no kind.
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
                Some((
                    format!("damaged {word} data ({error})"),
                    if self == Self::Gzip { "a whole gzip file" } else { "a whole zstd file" },
                    fetch,
                ))
            }
            _ => None,
        }
    }
}

pub(super) fn unreadable(path: String, error: &io::Error) -> Error {
    let fix = match error.kind() {
        io::ErrorKind::NotFound => "Check the path.",
        io::ErrorKind::PermissionDenied => "Ask for the right to read it, or copy it.",
        _ => "Check the disk or the mount, then read it again.",
    };
    Error::Unreadable { path, reason: error.to_string(), fix: fix.into() }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn unpack(bytes: &[u8], free: u64) -> (Packing, io::Result<Vec<u8>>) {
        let mut unpacked = Unpacked::limited(bytes, free).unwrap();
        let mut out = Vec::new();
        let read = unpacked.input.read_to_end(&mut out).map(|_| out);
        (unpacked.packing, read)
    }

    #[test]
    fn frames_and_members_are_read_on_end() {
        let frame = |text: &[u8]| zstd::encode_all(text, 3).unwrap();
        let both = [frame(b"one"), frame(b""), frame(b"two")].concat();
        let (packing, text) = unpack(&both, FREE_BYTES);
        assert_eq!((packing, text.unwrap()), (Packing::Zstd, b"onetwo".to_vec()));
        let (packing, text) = unpack(b"(\xb5/ plain", FREE_BYTES);
        assert_eq!((packing, text.unwrap().len()), (Packing::Plain, 9));
    }

    #[test]
    fn a_bomb_ends_early_and_what_packs_well_does_not() {
        let zeros = vec![0_u8; 4 << 20];
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&zeros).unwrap();
        for bomb in [gzip.finish().unwrap(), zstd::encode_all(&zeros[..], 19).unwrap()] {
            let (packing, refused) = unpack(&bomb, 1 << 20);
            let (found, _, fix) = packing.fault(&refused.unwrap_err()).unwrap();
            assert!(found.contains("unpack to more than 256 MiB and 200 times"), "{found}");
            assert!(fix.contains("-d FILE"), "{fix}");
            assert_eq!(unpack(&bomb, 4 << 20).1.unwrap().len(), zeros.len());
        }
    }

    #[test]
    fn a_frame_that_asks_for_too_large_a_window_is_refused() {
        // Magic, then a header without a size whose window is 2^31 bytes.
        let frame = [ZSTD, &[0x00, 0xa8, 0x01, 0x00, 0x00]].concat();
        let (packing, refused) = unpack(&frame, FREE_BYTES);
        let (found, ..) = packing.fault(&refused.unwrap_err()).unwrap();
        assert!(found.starts_with("damaged zstd data"), "{found}");
    }
}
