//! Laws for all readers: no bytes make them panic, and what is written reads back.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::lines::Lines;
use super::{pairs, qrels, run, texts};

/// Hands `bytes` to every reader; errors are fine, panics are not.
fn read_as_everything(bytes: &[u8]) {
    let mut go = || true;
    let mut with = |reader: fn(&mut Lines<'_>)| {
        if let Ok(mut lines) = Lines::from_reader("f", bytes, &mut go) {
            reader(&mut lines);
        }
    };
    with(|lines| drop(qrels::parse(lines)));
    with(|lines| drop(run::parse(lines)));
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

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
