//! Lines of a text file, plain or gzip, each with its number.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};

/// Asked every few megabytes; `false` stops the reader with [`Error::Stopped`].
pub type KeepGoing<'a> = &'a mut dyn FnMut() -> bool;

const BLOCK_BYTES: usize = 1 << 18;
const POLL_BYTES: usize = 1 << 22;
/// Longest line: no record of text is near it, and a file without line ends ends before the memory.
const LONGEST_LINE: usize = 1 << 28;
const GZIP: &[u8] = b"\x1f\x8b";

/// Files that people hand over unpacked too little, with the fix.
const FOREIGN: [(&[u8], &str, &str); 6] = [
    (b"PK\x03\x04", "a zip archive", "Unpack it first: `unzip FILE`."),
    (b"\x28\xb5\x2f\xfd", "zstd data", "Unpack it first: `zstd -d FILE`."),
    (b"BZh", "bzip2 data", "Unpack it first: `bunzip2 FILE`."),
    (b"\xfd7zXZ", "xz data", "Unpack it first: `unxz FILE`."),
    (b"PAR1", "a parquet file", "Write it as JSON lines or tab-separated text."),
    (
        b"version https://git-lfs",
        "a Git LFS pointer, not the file itself",
        "Fetch the file: `git lfs pull`.",
    ),
];

/// A reader of lines that knows where it stands; blank lines are passed over but counted.
pub struct Lines<'a> {
    path: String,
    input: Box<dyn BufRead + 'a>,
    gzip: bool,
    text: String,
    number: u64,
    unpolled: usize,
    longest: usize,
    keep_going: KeepGoing<'a>,
}

impl<'a> Lines<'a> {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if the system refuses, or the path is a folder.
    pub fn open(path: &Path, keep_going: KeepGoing<'a>) -> Result<Self> {
        let name = path.display().to_string();
        if path.is_dir() {
            return Err(Error::Unreadable {
                path: name,
                reason: "it is a folder".into(),
                fix: "Name a file in it.".into(),
            });
        }
        match File::open(path) {
            Ok(file) => Self::from_reader(name, file, keep_going),
            Err(error) => Err(unreadable(name, &error)),
        }
    }

    /// Reads from `source`; `path` is its name in messages.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if the first bytes cannot be read.
    pub fn from_reader<R: Read + 'a>(
        path: impl Into<String>,
        mut source: R,
        keep_going: KeepGoing<'a>,
    ) -> Result<Self> {
        let path = path.into();
        // A pipe may hand out one byte at a time, so the mark is read in full before it is judged.
        let mut mark = Vec::with_capacity(GZIP.len());
        if let Err(error) = source.by_ref().take(GZIP.len() as u64).read_to_end(&mut mark) {
            return Err(unreadable(path, &error));
        }
        let gzip = mark == GZIP;
        let whole = BufReader::with_capacity(BLOCK_BYTES, Cursor::new(mark).chain(source));
        let input: Box<dyn BufRead + 'a> = if gzip {
            Box::new(BufReader::with_capacity(BLOCK_BYTES, MultiGzDecoder::new(whole)))
        } else {
            Box::new(whole)
        };
        let (text, longest) = (String::new(), LONGEST_LINE);
        Ok(Self { path, input, gzip, text, number: 0, unpolled: 0, longest, keep_going })
    }

    /// Moves to the next line that is not blank; `false` at the end.
    ///
    /// # Errors
    /// [`Error::Parse`] for damaged gzip data, another encoding than UTF-8, another kind of file or
    /// a line of more than 256 MiB; [`Error::Unreadable`] if the system fails; [`Error::Stopped`] on request.
    pub fn advance(&mut self) -> Result<bool> {
        loop {
            let mut bytes = std::mem::take(&mut self.text).into_bytes();
            bytes.clear();
            self.number += 1;
            self.read_line(&mut bytes)?;
            if bytes.is_empty() {
                return Ok(false);
            }
            if self.number == 1 && bytes.starts_with(b"\xef\xbb\xbf") {
                bytes.drain(..3);
            }
            if bytes.last() == Some(&b'\n') {
                bytes.pop();
            }
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
            self.text = String::from_utf8(bytes).map_err(|error| self.not_utf8(&error))?;
            if !self.text.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    /// Appends the next line with its end, in pieces between which it asks whether to go on.
    fn read_line(&mut self, bytes: &mut Vec<u8>) -> Result<()> {
        loop {
            let piece = self.input.by_ref().take(POLL_BYTES as u64).read_until(b'\n', bytes);
            let read = piece.map_err(|error| self.broken(&error, bytes.len()))?;
            if self.number == 1 {
                // Before the length: what has no line ends is often another kind of file.
                self.check_kind(bytes)?;
            }
            if bytes.len() > self.longest {
                return Err(self.fail(
                    self.longest as u64 + 1,
                    format!("a line of more than {} MiB", self.longest >> 20),
                    "a record per line",
                    "End each record with a line feed; `jq -c '.[]' FILE` makes lines of an array.",
                ));
            }
            self.unpolled += read;
            if self.unpolled >= POLL_BYTES {
                self.unpolled = 0;
                if !(self.keep_going)() {
                    return Err(Error::Stopped);
                }
            }
            if read == 0 || bytes.last() == Some(&b'\n') {
                return Ok(());
            }
        }
    }

    /// The current line without its end.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Number of the current line, from 1.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Name of the source.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Column of `part`, which must be a slice of the current line; 1 if it is not.
    #[must_use]
    pub fn column_of(&self, part: &str) -> u64 {
        let start = (part.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        if start <= self.text.len() { start as u64 + 1 } else { 1 }
    }

    /// The error for the current line.
    pub(super) fn fail(
        &self,
        column: u64,
        found: impl Into<String>,
        expected: impl Into<String>,
        fix: impl Into<String>,
    ) -> Error {
        Error::Parse {
            path: self.path.clone(),
            line: self.number,
            column,
            found: found.into(),
            expected: expected.into(),
            fix: fix.into(),
        }
    }

    fn check_kind(&self, start: &[u8]) -> Result<()> {
        if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
            let fix = "Convert it: `iconv -f UTF-16 -t UTF-8 FILE > FIXED`.";
            return Err(self.fail(1, "UTF-16 text", "UTF-8", fix));
        }
        for (mark, found, fix) in FOREIGN {
            if start.starts_with(mark) {
                return Err(self.fail(1, found, "text, plain or gzip", fix));
            }
        }
        Ok(())
    }

    fn not_utf8(&self, error: &std::string::FromUtf8Error) -> Error {
        let at = error.utf8_error().valid_up_to();
        let byte = error.as_bytes().get(at).copied().unwrap_or_default();
        self.fail(
            at as u64 + 1,
            format!("the byte 0x{byte:02x}, which is not UTF-8 here"),
            "UTF-8 text",
            "Convert the file from the encoding it was written in, for example: \
             `iconv -f WINDOWS-1252 -t UTF-8 FILE > FIXED`.",
        )
    }

    /// The error for a read that failed after `partial` bytes of the current line.
    fn broken(&self, error: &io::Error, partial: usize) -> Error {
        let column = partial as u64 + 1;
        let fetch = "Fetch or write the file again; `gzip -t FILE` tells whether it is whole.";
        match error.kind() {
            io::ErrorKind::UnexpectedEof if self.gzip => self.fail(
                column,
                "the end of the file inside its gzip data (a truncated .gz)",
                "a complete gzip file",
                fetch,
            ),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput if self.gzip => self.fail(
                column,
                format!("damaged gzip data ({error})"),
                "a whole gzip file",
                fetch,
            ),
            _ => unreadable(self.path.clone(), error),
        }
    }
}

fn unreadable(path: String, error: &io::Error) -> Error {
    let fix = match error.kind() {
        io::ErrorKind::NotFound => "Check the path.",
        io::ErrorKind::PermissionDenied => "Ask for the right to read it, or copy it.",
        _ => "Check the disk or the mount, then read it again.",
    };
    Error::Unreadable { path, reason: error.to_string(), fix: fix.into() }
}

/// `text` in quotes, cut where it would drown the message.
pub(super) fn quote(text: &str) -> String {
    const MOST: usize = 40;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn all(bytes: &[u8]) -> Result<Vec<(u64, String)>> {
        let mut go = || true;
        let mut lines = Lines::from_reader("f", bytes, &mut go)?;
        let mut seen = Vec::new();
        while lines.advance()? {
            seen.push((lines.number(), lines.text().to_owned()));
        }
        Ok(seen)
    }

    #[test]
    fn byte_order_mark_crlf_and_blank_lines_leave_text_and_numbers_right() {
        let seen = all(b"\xef\xbb\xbfa\r\n\r\n  \t\nb\n\nc").unwrap();
        assert_eq!(seen, [(1, "a".into()), (4, "b".into()), (6, "c".into())]);
        assert_eq!(all(b"").unwrap(), []);
        assert_eq!(all(b"\xef\xbb\xbf").unwrap(), []);
    }

    #[test]
    fn gzip_members_are_read_on_end() {
        let bytes = [gzip(b"a\nb"), gzip(b"c\n"), gzip(b""), gzip(b"d")].concat();
        let seen = all(&bytes).unwrap();
        assert_eq!(seen, [(1, "a".into()), (2, "bc".into()), (3, "d".into())]);
    }

    #[test]
    fn every_truncation_is_an_error_but_one_between_members() {
        let first = gzip(b"first line\nsecond line\n");
        let bytes = [first.clone(), gzip(b"third line\n")].concat();
        for end in GZIP.len()..bytes.len() {
            let got = all(&bytes[..end]);
            if end == first.len() {
                assert_eq!(got.unwrap().len(), 2);
            } else {
                let text = got.unwrap_err().to_string();
                assert!(text.contains("truncated .gz"), "{end}: {text}");
                assert!(text.contains("gzip -t"), "{end}: {text}");
            }
        }
    }

    #[test]
    fn a_flipped_bit_in_gzip_is_damage_with_the_line() {
        let mut bytes = gzip(b"first line\nsecond line\n");
        let crc = bytes.len() - 8;
        bytes[crc] ^= 1;
        let text = all(&bytes).unwrap_err().to_string();
        assert!(text.starts_with("f:3:1: found damaged gzip data"), "{text}");
    }

    #[test]
    fn invalid_utf8_names_the_byte_and_its_column() {
        let text = all(b"ok\ncaf\xe9 au lait\n").unwrap_err().to_string();
        assert!(text.starts_with("f:2:4: found the byte 0xe9"), "{text}");
        assert!(text.contains("iconv"), "{text}");
    }

    #[test]
    fn other_kinds_of_file_are_named() {
        for (bytes, word) in [
            (b"\xff\xfea\0".as_slice(), "UTF-16"),
            (b"PK\x03\x04..", "zip"),
            (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ] {
            let text = all(bytes).unwrap_err().to_string();
            assert!(text.contains(word), "{text}");
        }
    }

    #[test]
    fn a_reader_that_is_told_to_stop_stops() {
        let mut go = || false;
        let text = "line\n".repeat(POLL_BYTES / 4);
        let mut lines = Lines::from_reader("f", text.as_bytes(), &mut go).unwrap();
        let error = loop {
            match lines.advance() {
                Ok(true) => {}
                Ok(false) => panic!("read to the end"),
                Err(error) => break error,
            }
        };
        assert_eq!(error, Error::Stopped);
    }

    #[test]
    fn a_reader_that_is_told_to_stop_stops_inside_a_line() {
        let mut polls = 0;
        let mut go = || {
            polls += 1;
            polls < 2
        };
        let mut lines = Lines::from_reader("f", io::repeat(b'a'), &mut go).unwrap();
        assert_eq!(lines.advance(), Err(Error::Stopped));
    }

    #[test]
    fn a_line_that_never_ends_is_refused() {
        for (bytes, message) in [
            ("short\n12345678\n", None),
            ("short\n1234567890", Some("f:2:10: found a line of more than 0 MiB")),
            ("short\n123456789\n", Some("f:2:10: found a line of more than 0 MiB")),
        ] {
            let mut go = || true;
            let mut lines = Lines::from_reader("f", bytes.as_bytes(), &mut go).unwrap();
            lines.longest = 9;
            assert_eq!(lines.advance(), Ok(true));
            match (lines.advance(), message) {
                (Ok(found), None) => assert!(found),
                (Err(error), Some(start)) => assert!(error.to_string().starts_with(start)),
                (other, _) => panic!("{bytes:?}: {other:?}"),
            }
        }
    }
}
