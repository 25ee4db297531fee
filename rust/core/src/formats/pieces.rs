//! Files of columns read in pieces by several threads: the fast way for files without a fault.
//!
//! Whatever is unusual makes a piece `None`, and the caller reads the file again line by line
//! ([`Lines`](super::lines::Lines)), which either takes it or knows the place and the words. So the
//! slow reader alone decides what a format is.

use std::io::{self, Read};
use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};

use super::lines::KeepGoing;
use crate::error::{Error, Result};
use crate::threads;

/// Bytes of a piece: many to a file, and its buffer stays in the second-level cache.
const PIECE_BYTES: usize = 1 << 20;
/// A line of more is left to the slow reader.
const LONGEST_LINE: usize = 1 << 26;

/// What the lines of a file hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Columns {
    /// Query, Q0, document, rank, score, tag, with blanks.
    Run,
    /// Query, iteration, document, grade, with blanks.
    TrecQrels,
    /// Query, document, grade, with tabs; `header` if the first line names them.
    BeirQrels {
        /// Whether the first line that is not blank is no judgement.
        header: bool,
    },
}

/// A number that stands in a column.
pub(super) trait Number: Copy + Send + Sync {
    /// The number, `None` if the format refuses it.
    fn parse(text: &str) -> Option<Self>;
}

impl Number for f64 {
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|score: &f64| score.is_finite())
    }
}

impl Number for i64 {
    fn parse(text: &str) -> Option<Self> {
        text.parse::<i32>().ok().map(i64::from)
    }
}

/// The entries of a piece of a file, in its order.
#[derive(Debug, Default)]
pub(super) struct Piece<V> {
    /// Document ids on end.
    ids: String,
    /// Where each one ends in `ids`.
    ends: Vec<u32>,
    /// A hash of each one.
    pub(super) hashes: Vec<u32>,
    /// The number of each entry.
    pub(super) values: Vec<V>,
    /// Ids of the queries of the stretches, on end.
    queries: String,
    /// Entries on end that are of one query: where its id ends in `queries`, and the first entry.
    stretches: Vec<(u32, u32)>,
    /// The name of the run in the last line, and whether others stood before.
    pub(super) tag: Option<String>,
    pub(super) other_tags: bool,
}

impl<V: Copy> Piece<V> {
    pub(super) fn with_room(entries: usize) -> Self {
        Self {
            ids: String::with_capacity(entries * 12),
            ends: Vec::with_capacity(entries),
            hashes: Vec::with_capacity(entries),
            values: Vec::with_capacity(entries),
            queries: String::new(),
            stretches: Vec::new(),
            tag: None,
            other_tags: false,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Adds an entry to the stretch that was started last.
    pub(super) fn push(&mut self, doc: &str, value: V) {
        self.ids.push_str(doc);
        self.ends.push(self.ids.len() as u32);
        self.hashes.push(hash(doc));
        self.values.push(value);
    }

    /// The entries that follow are of this query.
    pub(super) fn start(&mut self, query: &str) {
        self.queries.push_str(query);
        self.stretches.push((self.queries.len() as u32, self.len() as u32));
    }

    /// Document id of an entry.
    pub(super) fn id(&self, entry: usize) -> &str {
        let start = if entry == 0 { 0 } else { self.ends[entry - 1] as usize };
        &self.ids[start..self.ends[entry] as usize]
    }

    /// The stretches: query id, first entry, one past the last.
    pub(super) fn stretches(&self) -> impl Iterator<Item = (&str, u32, u32)> {
        let ends = self.stretches.iter().skip(1).map(|&(_, first)| first);
        let ends = ends.chain(std::iter::once(self.len() as u32));
        let mut start = 0;
        self.stretches.iter().zip(ends).map(move |(&(query_end, first), end)| {
            let query = &self.queries[start..query_end as usize];
            start = query_end as usize;
            (query, first, end)
        })
    }
}

/// A hash of an id, for comparisons only: nothing that is slow when hashes collide rests on it.
pub(super) fn hash(id: &str) -> u32 {
    const K: u64 = 0x9E37_79B9_7F4A_7C15;
    let (words, rest) = id.as_bytes().as_chunks::<8>();
    let mut state = id.len() as u64;
    for word in words {
        state = (state.rotate_left(23) ^ u64::from_le_bytes(*word)).wrapping_mul(K);
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    state = (state.rotate_left(23) ^ u64::from_le_bytes(last)).wrapping_mul(K);
    (state >> 32) as u32
}

/// Reads all of `source` in pieces; `None` where the slow reader has to look.
pub(super) fn read<V: Number + Default>(
    source: &mut dyn Read,
    columns: Columns,
    threads: Option<usize>,
    keep_going: KeepGoing<'_>,
) -> Result<Option<Vec<Piece<V>>>> {
    let threads = threads::resolve(threads)?;
    let pool = threads::pool(threads)?;
    let done: Mutex<Vec<(usize, Option<Piece<V>>)>> = Mutex::new(Vec::new());
    // Buffers go round, so that neither a fast disk nor a large file fills the memory.
    let (give, take) = mpsc::channel();
    for _ in 0..=threads {
        // The channel outlives this loop.
        let _ = give.send(Vec::new());
    }
    let read = pool.in_place_scope(|scope| -> Result<bool> {
        let mut carried = Vec::new();
        for number in 0.. {
            if !keep_going() {
                return Err(Error::Stopped);
            }
            let Ok(mut buffer) = take.recv() else { return Ok(false) };
            let Some(last) = fill(source, &mut carried, &mut buffer) else { return Ok(false) };
            let (done, give) = (&done, give.clone());
            scope.spawn(move |_| {
                let piece = parse(&buffer, columns, number == 0);
                done.lock().unwrap_or_else(PoisonError::into_inner).push((number, piece));
                // Nobody waits for the buffer after the last piece.
                let _ = give.send(buffer);
            });
            if last {
                return Ok(true);
            }
        }
        Ok(true)
    })?;
    let mut pieces = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    pieces.sort_unstable_by_key(|(number, _)| *number);
    let pieces: Option<Vec<_>> = pieces.into_iter().map(|(_, piece)| piece).collect();
    Ok(pieces.filter(|_| read))
}

/// Fills `buffer` with whole lines, what is left over going to `carried`; whether it was the last.
///
/// `None` for what the slow reader has to see: a failed read, or a line of great length.
fn fill(source: &mut dyn Read, carried: &mut Vec<u8>, buffer: &mut Vec<u8>) -> Option<bool> {
    buffer.clear();
    buffer.append(carried);
    let mut wanted = PIECE_BYTES;
    loop {
        let start = buffer.len();
        buffer.resize(wanted.max(start), 0);
        let mut at = start;
        while at < buffer.len() {
            match source.read(&mut buffer[at..]) {
                Ok(0) => {
                    buffer.truncate(at);
                    return Some(true);
                }
                Ok(read) => at += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        if let Some(end) = buffer.iter().rposition(|&byte| byte == b'\n') {
            carried.extend_from_slice(&buffer[end + 1..]);
            buffer.truncate(end + 1);
            return Some(false);
        }
        if buffer.len() > LONGEST_LINE {
            return None;
        }
        wanted = buffer.len() * 2;
    }
}

const OTHER: u8 = 0;
const BLANK: u8 = 1;
const END: u8 = 2;

/// What each byte is to a line of columns.
const CLASS: [u8; 256] = {
    let mut class = [OTHER; 256];
    class[b' ' as usize] = BLANK;
    class[b'\t' as usize] = BLANK;
    class[b'\r' as usize] = BLANK;
    class[b'\x0c' as usize] = BLANK;
    class[b'\n' as usize] = END;
    class
};

/// A part of the text of a piece.
type Part = (usize, usize);

/// The lines of `buffer`; `None` if any is not as it should be.
pub(super) fn parse<V: Number + Default>(
    buffer: &[u8],
    columns: Columns,
    first: bool,
) -> Option<Piece<V>> {
    let text = std::str::from_utf8(buffer).ok()?;
    let text = if first { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text };
    let mut lines = Entries { text, piece: Piece::with_room(text.len() / 28), query: (0, 0) };
    match columns {
        Columns::Run => {
            lines.blanks::<6>(|[query, _, doc, _, score, tag]| (query, doc, score, Some(tag)))?;
        }
        Columns::TrecQrels => {
            lines.blanks::<4>(|[query, _, doc, grade]| (query, doc, grade, None))?;
        }
        Columns::BeirQrels { header } => lines.tabs(header && first)?,
    }
    Some(lines.piece)
}

struct Entries<'a, V> {
    text: &'a str,
    piece: Piece<V>,
    /// The query of the line before.
    query: Part,
}

impl<V: Number> Entries<'_, V> {
    /// Lines of `N` columns with blanks between them.
    fn blanks<const N: usize>(
        &mut self,
        pick: impl Fn([Part; N]) -> (Part, Part, Part, Option<Part>),
    ) -> Option<()> {
        let bytes = self.text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let mut parts = [(0, 0); N];
            let mut n = 0;
            loop {
                while at < bytes.len() && CLASS[bytes[at] as usize] == BLANK {
                    at += 1;
                }
                if at == bytes.len() || bytes[at] == b'\n' {
                    at += 1;
                    break;
                }
                let start = at;
                while at < bytes.len() && CLASS[bytes[at] as usize] == OTHER {
                    at += 1;
                }
                *parts.get_mut(n)? = (start, at);
                n += 1;
            }
            if n == N {
                let (query, doc, value, tag) = pick(parts);
                self.push(query, doc, value, tag)?;
            } else if n > 0 {
                return None;
            }
        }
        Some(())
    }

    /// Lines of three columns with tabs between them.
    fn tabs(&mut self, header: bool) -> Option<()> {
        let mut skip = header;
        for line in self.text.split('\n') {
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line.trim_ascii().is_empty() || std::mem::take(&mut skip) {
                continue;
            }
            let [query, doc, grade] = super::columns::exactly(line.split('\t'))?;
            if query.is_empty() || doc.is_empty() {
                return None;
            }
            let part = |text: &str| {
                let start = text.as_ptr() as usize - self.text.as_ptr() as usize;
                (start, start + text.len())
            };
            self.push(part(query), part(doc), part(grade.trim_ascii()), None)?;
        }
        Some(())
    }

    fn push(&mut self, query: Part, doc: Part, value: Part, tag: Option<Part>) -> Option<()> {
        let at = |(start, end): Part| &self.text[start..end];
        let piece = &mut self.piece;
        if piece.stretches.is_empty() || at(query) != at(self.query) {
            piece.start(at(query));
            self.query = query;
        }
        if let Some(tag) = tag {
            match &mut piece.tag {
                Some(known) if known == at(tag) => {}
                known => {
                    piece.other_tags |= known.is_some();
                    *known = Some(at(tag).to_owned());
                }
            }
        }
        piece.push(at(doc), V::parse(at(value))?);
        Some(())
    }
}
