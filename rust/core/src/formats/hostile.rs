//! Laws for all readers: no bytes make them panic, and what is written reads back.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::detect::{Layout, tell};
use super::faults::Faults;
use super::groups::Groups;
use super::lines::Lines;
use super::lists::Lists;
use super::pieces::{self, Columns, Number};
use super::{pairs, qrels, run, texts};

/// Hands `bytes` to every reader; errors are fine, panics are not.
fn read_as_everything(bytes: &[u8]) {
    let mut go = || true;
    let mut with = |reader: fn(&mut Lines<'_>)| {
        if let Ok(mut lines) = Lines::from_reader("f", bytes, &mut go) {
            reader(&mut lines);
        }
    };
    with(|lines| drop(qrels::parse_columns(lines, &mut Faults::up_to(9))));
    with(|lines| drop(run::parse_columns(lines, &mut Faults::up_to(9))));
    with(|lines| drop(texts::parse_corpus(lines)));
    with(|lines| drop(texts::parse_queries(lines)));
    with(|lines| drop(pairs::parse(lines)));
}

/// Pieces that reach deeper into the parsers than random bytes do.
const PIECES: [&[u8]; 31] = [
    b"{\"_id\": ",
    b"\"text\": ",
    b"\"title\": ",
    b"\"query\": ",
    b"\"positive\": ",
    b"\"negatives\": ",
    b"\"",
    b"\\u",
    b"d83d",
    b"\\ude00",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"1",
    b"-",
    b"1e999",
    b" ",
    b"\t",
    b"\n",
    b"\r\n",
    b"\xef\xbb\xbf",
    b"\xff",
    b"q1 Q0 d1 1 0.5 t\n",
    b"q1 0 d1 1\n",
    b"query-id\tcorpus-id\tscore\n",
    b"\xc3\xa9",
];

/// What the fast reader makes of one piece is what the slow one makes of the same lines.
fn read_fast_and_slow(bytes: &[u8]) {
    let mut go = || true;
    let judgements = |go: &mut dyn FnMut() -> bool| {
        let mut lines = Lines::from_reader("f", bytes, go).ok()?;
        qrels::parse_columns(&mut lines, &mut Faults::none()).ok()
    };
    let results = |go: &mut dyn FnMut() -> bool| {
        let mut lines = Lines::from_reader("f", bytes, go).ok()?;
        run::parse_columns(&mut lines, &mut Faults::none()).ok()
    };
    let head = &bytes[..bytes.len().min(4096)];
    if let Layout::Columns(columns) = tell(head, false) {
        assert_eq!(
            fast(bytes, columns),
            results(&mut go).map(|g| Lists::from_groups(&g).to_groups())
        );
    }
    if let Layout::Columns(columns) = tell(head, true) {
        let slow = judgements(&mut go).map(|g| Lists::from_groups(&g).to_groups());
        assert_eq!(fast(bytes, columns), slow);
    }
}

/// The groups of all `bytes`, cut after every other line; `None` for a fault or nothing at all.
fn fast<V: Number + Default>(bytes: &[u8], columns: Columns) -> Option<Groups<V>> {
    let lines: Vec<_> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
    let pieces = lines.chunks(2).map(<[_]>::concat).enumerate();
    let pieces: Option<Vec<_>> =
        pieces.map(|(number, piece)| pieces::parse(&piece, columns, number == 0)).collect();
    let lists = Lists::new(pieces?, Some(1)).unwrap()?;
    (!lists.is_empty()).then(|| lists.to_groups())
}

/// Lines of judgements and results, whole, in parts, and wrong.
const COLUMNS: [&str; 26] = [
    "q1 Q0 d1 1 0.5 t\n",
    "q1 Q0 d2 2 0.25 t\n",
    "q2\tQ0\td1\t1\t1e3\tt\r\n",
    "q1 Q0 d3 3 -.5 u\n",
    "q1 Q0 d4 4 nan t\n",
    "q3 Q0 \u{e9} 1 5 t\n",
    "q1 0 d1 1\n",
    "q1 0 d2 0\n",
    "q2 0 d1 -2\r\n",
    "q1\td1\t1\n",
    "q1\td2\t0\r\n",
    "q2\td 1\t 3 \n",
    "q2\t\t1\n",
    "query-id\tcorpus-id\tscore\n",
    "q4",
    "q5 ",
    "d5",
    "1",
    "\t",
    " ",
    "\r",
    "\n",
    "\u{b}",
    "\u{c}",
    "\u{a0}",
    "\u{feff}",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_fast_reader_agrees_with_the_slow_one(
        pieces in prop::collection::vec(prop::sample::select(COLUMNS.to_vec()), 0..40),
    ) {
        read_fast_and_slow(pieces.concat().as_bytes());
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_as_everything(&bytes);
        read_as_everything(&[b"\x1f\x8b\x08", bytes.as_slice()].concat());
    }

    #[test]
    fn broken_pieces_of_the_formats_never_panic(
        pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..40),
    ) {
        read_as_everything(&pieces.concat());
    }

    #[test]
    fn damaged_gzip_never_panics(
        pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..40),
        at in any::<prop::sample::Index>(),
        flip in 1_u8..,
    ) {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&pieces.concat()).unwrap();
        let mut bytes = encoder.finish().unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        read_as_everything(&bytes);
        read_as_everything(&bytes[..at]);
    }
}

#[test]
fn deeply_nested_json_neither_panics_nor_overflows_the_stack() {
    for open in ["[", "{\"a\":"] {
        let nested = open.repeat(200_000);
        read_as_everything(nested.as_bytes());
        read_as_everything(
            format!("{{\"_id\": \"a\", \"text\": \"x\", \"m\": {nested}").as_bytes(),
        );
        read_as_everything(format!("{{\"query\": \"a\", \"positive\": {nested}").as_bytes());
    }
}
