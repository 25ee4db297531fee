//! Lines of a text file, plain, gzip or zstd, each with its number.

use std::io::{self, BufRead, Read};
use std::path::Path;

use super::faults::Faults;
use super::packed::{Packing, Unpacked, open, unreadable};
use crate::error::{Error, Result};

/// Asked every few megabytes; `false` stops the reader with [`Error::Stopped`].
pub type KeepGoing<'a> = &'a mut dyn FnMut() -> bool;

const POLL_BYTES: usize = 1 << 22;
/// Longest line: no record of text is near it, and a file without line ends ends before the memory.
const LONGEST_LINE: usize = 1 << 28;

/// Files that people hand over unpacked too little, with the fix.
const FOREIGN: [(&[u8], &str, &str); 5] = [
    (b"PK\x03\x04", "a zip archive", "Unpack it first: `unzip FILE`."),
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
    packing: Packing,
    text: String,
    number: u64,
    unpolled: usize,
    longest: usize,
    /// Nothing more can be read.
    ended: bool,
    keep_going: KeepGoing<'a>,
}

impl<'a> Lines<'a> {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if the system refuses, or the path is a folder.
    pub fn open(path: &Path, keep_going: KeepGoing<'a>) -> Result<Self> {
        Self::from_reader(path.display().to_string(), open(path)?, keep_going)
    }

    /// Reads from `source`; `path` is its name in messages.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if the first bytes cannot be read.
    pub fn from_reader<R: Read + 'a>(
        path: impl Into<String>,
        source: R,
        keep_going: KeepGoing<'a>,
    ) -> Result<Self> {
        let path = path.into();
        match Unpacked::new(source) {
            Ok(unpacked) => Ok(Self::from_unpacked(path, unpacked, keep_going)),
            Err(error) => Err(unreadable(path, &error)),
        }
    }

    pub(super) fn from_unpacked(
        path: String,
        Unpacked { input, packing }: Unpacked<'a>,
        keep_going: KeepGoing<'a>,
    ) -> Self {
        let (text, longest) = (String::new(), LONGEST_LINE);
        Self {
            path,
            input,
            packing,
            text,
            number: 0,
            unpolled: 0,
            longest,
            ended: false,
            keep_going,
        }
    }

    /// Moves to the next line that is not blank; `false` at the end.
    ///
    /// # Errors
    /// [`Error::Parse`] for damaged gzip or zstd data, another encoding than UTF-8, another kind of file or
    /// a line of more than 256 MiB; [`Error::Unreadable`] if the system fails; [`Error::Stopped`] on request.
    pub fn advance(&mut self) -> Result<bool> {
        loop {
            let mut bytes = std::mem::take(&mut self.text).into_bytes();
            bytes.clear();
            if self.ended {
                return Ok(false);
            }
            self.number += 1;
            let read = self.read_line(&mut bytes);
            self.ended = read.is_err();
            read?;
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

    /// Moves to the next line that can be read and is not blank; `false` at the end. A fault goes
    /// through `faults`.
    pub(super) fn next(&mut self, faults: &mut Faults) -> Result<bool> {
        loop {
            let moved = self.advance();
            if let Some(found) = faults.pass(moved)? {
                return Ok(found);
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
                return Err(self.fail(1, found, "text, plain, gzip or zstd", fix));
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
        match self.packing.fault(error) {
            Some((found, expected, fix)) => self.fail(partial as u64 + 1, found, expected, fix),
            None => unreadable(self.path.clone(), error),
        }
    }
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
        for end in 2..bytes.len() {
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
