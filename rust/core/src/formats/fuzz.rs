//! Fuzzed laws of the readers: no input makes them panic, an error's place lies in the file, all
//! ways of reading agree with a plain one, and what was read and written reads back.
//!
//! In `cargo test` each runs for a few seconds at most. For hours, see `CONTRIBUTING.md`.

use std::collections::HashMap;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::detect::{Layout, tell};
use super::faults::Faults;
use super::groups::{Groups, Table};
use super::lines::Lines;
use super::lists::Lists;
use super::pieces::{self, Number};
use super::read::{Kind, QRELS, RUN, slowly};
use super::tables::JsonNumber;
use super::write::Written;
use super::{TableFormat, check, packed::Unpacked, pairs, texts, write_table};
use crate::error::{Error, Result};

/// Inputs of each law in a test run.
const INPUTS: usize = 3_000;
/// Those of laws that go through the disk.
const FILES: usize = 300;

/// What bytes below their number stand for, so that random ones reach deep into the parsers.
const PIECES: [&str; 56] = [
    "q1 Q0 d1 1 0.5 t\n",
    "q1 Q0 d2 2 0.25 t\n",
    "q2\tQ0\td1\t1\t1e3\tt\r\n",
    "q3 Q0 \u{e9} 1 5 t\n",
    "q1 0 d1 1\n",
    "q1 0 d2 0\n",
    "q2 0 d1 -2\r\n",
    "q1\td1\t1\n",
    "q1\td2\t1000000\r\n",
    "query-id\tcorpus-id\tscore\n",
    "query_id,doc_id,score\n",
    "\"qid\";docno;rank;relevance\n",
    "q1,d1,0.5\n",
    "\"q,1\",\"d\"\"1\",3\n",
    "{\"q1\": {\"d1\": 1, \"d2\": 0.5}}",
    "{\"qid\": \"q1\", \"docno\": 7, \"score\": 2}\n",
    "{\"query_id\": 1, \"corpus-id\": \"d\", \"relevance\": 1}\n",
    "{\"_id\": \"d1\", \"title\": \"t\", \"text\": \"x\"}\n",
    "{\"query\": \"q\", \"positive\": [\"p\"], \"negative\": \"n\"}\n",
    "\"q1\"",
    "\"d1\"",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    ";",
    "\"",
    "\\u",
    "\\ud83d",
    "\\ude00",
    "\\",
    "null",
    "NaN",
    "inf",
    "1e999",
    "-0",
    "1",
    ".5",
    "-",
    "q",
    "d",
    "t",
    " ",
    "\t",
    "\n",
    "\r\n",
    "\r",
    "\u{b}",
    "\u{c}",
    "\u{a0}",
    "\u{feff}",
    "\0",
    "\u{1f600}",
    "#",
];

/// A file: a mixture of pieces, or a sound table that may have a byte changed.
fn spelled(input: &[u8]) -> Vec<u8> {
    let Some((&mode, rest)) = input.split_first() else { return Vec::new() };
    if mode < 100 {
        return mixture(rest);
    }
    let mut bytes = table(mode, rest).into_bytes();
    if mode % 2 == 1
        && let [at, byte, ..] = rest
    {
        let at = usize::from(*at) % bytes.len().max(1);
        bytes.splice(at..(at + 1).min(bytes.len()), mixture(&[*byte]));
    }
    bytes
}

const IDS: [&str; 10] = ["a", "b", "\u{e9}", "10", "#x", "\"q", "d,1", "x;y", "{", "z\u{a0}"];
const SCORES: [&str; 8] = ["0.5", "1", "-2", "1e300", "5e-324", "-0.0", "0.1", "7"];
const GRADES: [&str; 5] = ["0", "1", "-1", "1000000", "3"];

/// Entries in one of the formats, each pair of ids once.
fn table(mode: u8, rest: &[u8]) -> String {
    let format = mode / 2 % 7;
    let judgements = mode / 14 % 2 == 1;
    let mut seen = std::collections::HashSet::new();
    let mut entries: Vec<(&str, &str, &str)> = Vec::new();
    for part in rest.chunks_exact(3) {
        let id = |byte: u8| IDS[usize::from(byte) % IDS.len()];
        let number = |of: &[&'static str]| of[usize::from(part[2]) % of.len()];
        if seen.insert((id(part[0]), id(part[1]))) {
            let number = if judgements { number(&GRADES) } else { number(&SCORES) };
            entries.push((id(part[0]), id(part[1]), number));
        }
    }
    let json = |id: &str| format!("\"{}\"", id.replace('"', "\\\""));
    let csv = |id: &str| format!("\"{}\"", id.replace('"', "\"\""));
    let lines = entries.iter().map(|&(query, doc, number)| match format {
        0 | 1 if judgements => format!("{query} 0 {doc} {number}\n"),
        0 | 1 => format!("{query} Q0 {doc} 1 {number} t\n"),
        2 => format!("{query}\t{doc}\t{number}\n"),
        3 => format!("{},{},{number}\n", csv(query), csv(doc)),
        4 => {
            let (query, doc) = (json(query), json(doc));
            format!("{{\"qid\": {query}, \"docno\": {doc}, \"score\": {number}}}\n")
        }
        _ => format!("{query};{doc};{number}\r\n").replace(";y", "y"),
    });
    let head = match format {
        2 => "query-id\tcorpus-id\tscore\n",
        3 => "\u{feff}qid,docno,score\n",
        5 | 6 => "qid;docno;score\r\n\n",
        _ => "",
    };
    std::iter::once(head.to_owned()).chain(lines).collect()
}

fn mixture(input: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for &byte in input {
        match PIECES.get(usize::from(byte)) {
            Some(piece) => bytes.extend_from_slice(piece.as_bytes()),
            // What remains stands for itself, valid UTF-8 or not.
            None => bytes.push(byte),
        }
    }
    bytes
}

fn fuzz(inputs: usize, law: impl Fn(&[u8]) + std::panic::RefUnwindSafe) {
    bolero::check!().with_iterations(inputs).for_each(|input: &[u8]| law(&spelled(input)));
}

/// A fault's place lies in the file: on one of its lines or just behind, in it or just behind.
fn check_place(bytes: &[u8], error: &Error) {
    let Error::Parse { line, column, found, expected, fix, .. } = error else { return };
    let lines: Vec<_> = bytes.split(|&byte| byte == b'\n').collect();
    assert!((1..=lines.len() as u64 + 1).contains(line), "{error}");
    let length = lines.get(*line as usize - 1).map_or(0, |line| line.len());
    // A reader of JSON names the place behind a line end.
    assert!((1..=length as u64 + 2).contains(column), "{error}, in a line of {length}");
    assert!(!found.is_empty() && !expected.is_empty() && fix.ends_with(['.', '`']), "{error}");
}

fn read<V: JsonNumber>(bytes: &[u8], kind: &Kind<V>, judgements: bool) -> Result<Groups<V>> {
    let layout = tell(bytes, judgements);
    let source = Unpacked::new(bytes).expect("memory can be read");
    slowly(Path::new("f"), kind, source, layout, &mut Faults::none(), &mut || true)
}

/// What six blank-separated columns mean, written as plainly as can be.
fn plainly(bytes: &[u8]) -> Option<HashMap<(String, String), u64>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut found = HashMap::new();
    for line in text.strip_prefix('\u{feff}').unwrap_or(text).split('\n') {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        if columns.is_empty() {
            continue;
        }
        let [query, _, doc, _, score, _] = columns[..] else { return None };
        let score: f64 = score.parse().ok()?;
        let pair = (query.to_owned(), doc.to_owned());
        if !score.is_finite() || found.insert(pair, score.to_bits()).is_some() {
            return None;
        }
    }
    (!found.is_empty()).then_some(found)
}

fn pairs_of(groups: &Groups<f64>) -> HashMap<(String, String), u64> {
    let spans = groups.query_ids.iter().zip(groups.offsets.windows(2));
    spans
        .flat_map(|(query, bounds)| {
            (bounds[0] as usize..bounds[1] as usize).map(move |i| {
                let doc = groups.doc_ids[groups.rows[i] as usize].clone();
                ((query.clone(), doc), groups.values[i].to_bits())
            })
        })
        .collect()
}

#[test]
fn readers_never_panic_and_name_places_in_the_file() {
    fuzz(INPUTS, |bytes| {
        let mut errors = Vec::new();
        errors.extend(read(bytes, &RUN, false).err());
        errors.extend(read(bytes, &QRELS, true).err());
        let mut go = || true;
        let mut with = |reader: fn(&mut Lines<'_>) -> Option<Error>| {
            let mut lines = Lines::from_reader("f", bytes, &mut go).expect("memory can be read");
            errors.extend(reader(&mut lines));
        };
        with(|lines| texts::parse_corpus(lines).err());
        with(|lines| texts::parse_queries(lines).err());
        with(|lines| pairs::parse(lines).err());
        for error in &errors {
            check_place(bytes, error);
        }
    });
}

/// The same entries with documents numbered query by query, as every reader hands them out.
fn by_query<V: JsonNumber + Default + Send + Sync>(groups: &Groups<V>) -> Groups<V> {
    Lists::from_groups(groups).to_groups()
}

/// The fast reader, its pieces cut after every line.
fn fast<V: Number + Default>(bytes: &[u8], judgements: bool) -> Option<Groups<V>> {
    let Layout::Columns(columns) = tell(bytes, judgements) else { return None };
    let lines = bytes.split_inclusive(|&byte| byte == b'\n').enumerate();
    let pieces: Option<Vec<_>> =
        lines.map(|(number, line)| pieces::parse(line, columns, number == 0)).collect();
    let lists = Lists::new(pieces?, Some(1)).expect("one thread starts")?;
    (!lists.is_empty()).then(|| lists.to_groups())
}

#[test]
fn the_fast_reader_the_slow_one_and_a_plain_one_agree() {
    let reached = AtomicUsize::new(0);
    fuzz(INPUTS, |bytes| {
        if matches!(tell(bytes, false), Layout::Columns(_)) {
            let slow = read(bytes, &RUN, false).ok().map(|groups| by_query(&groups));
            reached.fetch_add(usize::from(slow.is_some()), Ordering::Relaxed);
            assert_eq!(fast(bytes, false), slow);
            assert_eq!(slow.as_ref().map(pairs_of), plainly(bytes));
        }
        if matches!(tell(bytes, true), Layout::Columns(_)) {
            let slow = read(bytes, &QRELS, true).ok().map(|groups| by_query(&groups));
            assert_eq!(fast(bytes, true), slow);
        }
    });
    assert!(reached.into_inner() > INPUTS / 40);
}

fn place(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("embedsmith-fuzz-{}-{name}", std::process::id()))
}

/// Writes `groups` in every format with named fields and reads them back.
fn there_and_back<V>(groups: &Groups<V>, name: &str, kind: &Kind<V>, judgements: bool)
where
    V: JsonNumber + Written + PartialEq + Debug + Default + Send + Sync,
{
    let groups = &by_query(groups);
    let table = Table {
        query_ids: &groups.query_ids,
        doc_ids: &groups.doc_ids,
        offsets: &groups.offsets,
        rows: &groups.rows,
        values: &groups.values,
    };
    let names = ["query_id", "doc_id", if judgements { "relevance" } else { "score" }];
    let formats = [TableFormat::Json, TableFormat::JsonLines, TableFormat::Csv, TableFormat::Tsv];
    let path = place(name);
    for format in formats {
        match write_table(&path, format, names, &table, &mut || true) {
            Ok(()) => {
                let bytes = std::fs::read(&path).expect("it was written");
                let back = read(&bytes, kind, judgements).map(|back| by_query(&back));
                assert_eq!(back.as_ref(), Ok(groups), "{format:?}");
            }
            // JSON holds any id, the others none with a control character.
            Err(Error::Content { .. }) => {
                assert!(!matches!(format, TableFormat::Json | TableFormat::JsonLines));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn what_is_read_and_written_reads_back() {
    let reached = AtomicUsize::new(0);
    fuzz(FILES, |bytes| {
        if let Ok(run) = read(bytes, &RUN, false) {
            reached.fetch_add(1, Ordering::Relaxed);
            // A query without results is kept by JSON alone.
            if run.offsets.windows(2).all(|pair| pair[0] < pair[1]) {
                there_and_back(&run, "run", &RUN, false);
            }
        }
        if let Ok(qrels) = read(bytes, &QRELS, true)
            && qrels.offsets.windows(2).all(|pair| pair[0] < pair[1])
        {
            there_and_back(&qrels, "qrels", &QRELS, true);
        }
    });
    // Otherwise the inputs would say nothing.
    assert!(reached.into_inner() > FILES / 20);
}

#[test]
fn a_check_finds_a_fault_where_a_reader_does_and_none_elsewhere() {
    fuzz(FILES, |bytes| {
        let path = place("check");
        std::fs::write(&path, bytes).expect("the temporary folder can be written");
        for holds in [super::Holds::Run, super::Holds::Qrels] {
            let read = match holds {
                super::Holds::Run => read(bytes, &RUN, false).map(drop),
                _ => read(bytes, &QRELS, true).map(drop),
            };
            match check(&path, Some(holds), 50, &mut || true) {
                Ok(checked) => {
                    assert_eq!(checked.faults.is_empty(), read.is_ok(), "{read:?}");
                    for fault in &checked.faults {
                        check_place(bytes, fault);
                    }
                }
                Err(error) => assert!(matches!(error, Error::Content { .. }), "{error}"),
            }
        }
    });
}
