//! JSON tables: an object of objects, or an object for each entry, one a line.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::io::Read;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};

use super::detect::{Names, plain_name};
use super::faults::Faults;
use super::groups::{Builder, Groups, Ids};
use super::json::Object;
use super::lines::{KeepGoing, Lines, quote};
use super::packed::{Unpacked, unreadable};
use crate::error::{Error, Result};

/// Entries between two looks at whether to go on.
const ENTRIES_PER_LOOK: usize = 1 << 16;

/// Reads lines with an object each, which names query, document and number.
pub(super) fn parse_lines<V: Copy>(
    lines: &mut Lines<'_>,
    known: Names,
    holds: &str,
    value: fn(&Lines<'_>, &str) -> Result<V>,
    faults: &mut Faults,
) -> Result<Groups<V>> {
    let mut builder = Builder::new();
    let entry = |lines: &Lines<'_>, builder: &mut Builder<V>| {
        let object = Object::parse(lines)?;
        let query = object.first(known.query, plain_name)?;
        let doc = object.first(known.doc, plain_name)?;
        let number = object.first(known.value, plain_name)?;
        let (query, doc) = (object.id(known.query[0], query)?, object.id(known.doc[0], doc)?);
        if !number.get().starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            let fix = "Write the number without quotes, or remove the line.";
            return Err(object.wrong_kind(known.value[0], number, "a number", fix));
        }
        builder.push(lines, &query, &doc, value(lines, number.get())?)
    };
    while lines.next(faults)? {
        faults.pass(entry(lines, &mut builder))?;
    }
    builder.finish(lines.path(), holds, faults)
}

/// A number of a JSON table.
pub(super) trait JsonNumber: Copy {
    /// What is asked for, and what to do about another.
    const EXPECTED: (&'static str, &'static str);
    /// The number, `None` if the format refuses it.
    fn from_json(number: f64) -> Option<Self>;
}

impl JsonNumber for f64 {
    const EXPECTED: (&'static str, &'static str) =
        ("a finite number", "Look at what produced the score, or leave the document out.");

    fn from_json(number: f64) -> Option<Self> {
        number.is_finite().then_some(number)
    }
}

impl JsonNumber for i64 {
    const EXPECTED: (&'static str, &'static str) =
        ("a whole number of 32 bits", "Use small whole grades, such as 0 to 4.");

    fn from_json(number: f64) -> Option<Self> {
        let whole = number.fract() == 0.0 && number.abs() <= f64::from(i32::MAX);
        whole.then_some(number as i64)
    }
}

/// Reads `{"query": {"document": number}}`, all of it into memory.
pub(super) fn parse_object<V: JsonNumber>(
    path: &str,
    unpacked: Unpacked<'_>,
    holds: &str,
    keep_going: KeepGoing<'_>,
) -> Result<Groups<V>> {
    let text = whole(path, unpacked, keep_going)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let table = Table {
        path,
        fault: RefCell::new(None),
        rest: RefCell::new(Columns {
            docs: Ids::default(),
            last_query: Vec::new(),
            rows: Vec::new(),
            values: Vec::<V>::new(),
            keep_going,
        }),
    };
    let mut source = serde_json::Deserializer::from_str(text);
    let read = (Queries(&table)).deserialize(&mut source).and_then(|read| {
        source.end()?;
        Ok(read)
    });
    let (query_ids, offsets) = read.map_err(|error| table.error(&error))?;
    let Columns { docs, rows, values, .. } = table.rest.into_inner();
    if rows.is_empty() {
        return Err(Error::Content {
            path: path.into(),
            found: format!("holds no {holds}"),
            fix: "Check that it was written to the end, or name another file.".into(),
        });
    }
    Ok(Groups { query_ids, doc_ids: docs.into_vec(), offsets, rows, values })
}

/// All text of a source.
fn whole(path: &str, unpacked: Unpacked<'_>, keep_going: KeepGoing<'_>) -> Result<String> {
    let Unpacked { mut input, packing } = unpacked;
    let mut bytes = Vec::new();
    let place = |bytes: &[u8]| {
        let line = bytes.split(|&byte| byte == b'\n').count() as u64;
        let start = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        (line, (bytes.len() - start) as u64 + 1)
    };
    let fail = |bytes: &[u8], found: String, expected: &str, fix: String| {
        let (line, column) = place(bytes);
        Error::Parse { path: path.into(), line, column, found, expected: expected.into(), fix }
    };
    loop {
        match input.by_ref().take(1 << 22).read_to_end(&mut bytes) {
            Ok(0) => break,
            Ok(_) if !keep_going() => return Err(Error::Stopped),
            Ok(_) => {}
            Err(error) => {
                return Err(match packing.fault(&error) {
                    Some((found, expected, fix)) => fail(&bytes, found, expected, fix),
                    None => unreadable(path.into(), &error),
                });
            }
        }
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let byte = error.as_bytes()[at];
        let found = format!("the byte 0x{byte:02x}, which is not UTF-8 here");
        let fix = "Convert the file from the encoding it was written in, for example: \
                   `iconv -f WINDOWS-1252 -t UTF-8 FILE > FIXED`.";
        fail(&error.as_bytes()[..at], found, "UTF-8 text", fix.into())
    })
}

/// What was read so far, and what is wrong with it.
struct Table<'a, V> {
    path: &'a str,
    fault: RefCell<Option<Fault>>,
    rest: RefCell<Columns<'a, V>>,
}

struct Columns<'a, V> {
    docs: Ids,
    /// For each document the last query that named it.
    last_query: Vec<usize>,
    rows: Vec<i64>,
    values: Vec<V>,
    keep_going: KeepGoing<'a>,
}

/// Found, expected, fix; `None` where the reader was told to stop.
type Fault = Option<(String, String, String)>;

impl<V> Table<'_, V> {
    /// Remembers what is wrong; the parser adds the place.
    fn fail<E: serde::de::Error>(&self, found: String, expected: &str, fix: &str) -> E {
        *self.fault.borrow_mut() = Some(Some((found, expected.into(), fix.into())));
        E::custom("refused")
    }

    fn error(&self, error: &serde_json::Error) -> Error {
        let fault = self.fault.borrow_mut().take();
        let (found, expected, fix) = match fault {
            Some(None) => return Error::Stopped,
            Some(Some(fault)) => fault,
            None => {
                let text = error.to_string();
                let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(r, _)| r);
                let fix = if error.is_eof() {
                    "The file may be cut: write it again."
                } else {
                    "Write the file with a JSON library; NaN and Infinity are no JSON."
                };
                if reason.contains("hex escape") || reason.contains("surrogate") {
                    let found = "half a character (a lone surrogate escape)".to_owned();
                    let expected = "both halves of the surrogate pair".to_owned();
                    let fix = "The id was cut inside a character: write it again from its source.";
                    return self.at(error, found, expected, fix.into());
                }
                let expected = "one object of objects: {\"query\": {\"document\": number}}";
                (format!("broken JSON ({reason})"), expected.into(), fix.into())
            }
        };
        self.at(error, found, expected, fix)
    }

    fn at(&self, error: &serde_json::Error, found: String, expected: String, fix: String) -> Error {
        Error::Parse {
            path: self.path.into(),
            line: (error.line() as u64).max(1),
            column: (error.column() as u64).max(1),
            found,
            expected,
            fix,
        }
    }
}

/// Reads an id, borrowed unless it holds an escape.
fn key<'de, M: MapAccess<'de>, V>(
    map: &mut M,
    table: &Table<'_, V>,
    what: &str,
) -> std::result::Result<Option<Cow<'de, str>>, M::Error> {
    #[derive(serde::Deserialize)]
    #[serde(transparent)]
    struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

    match map.next_key::<Key<'de>>()? {
        Some(Key(id)) if id.is_empty() => {
            Err(table.fail(format!("an empty {what} id"), "an id", "Give it an id of its own."))
        }
        found => Ok(found.map(|Key(id)| id)),
    }
}

struct Queries<'a, 'b, V>(&'a Table<'b, V>);

impl<'de, V: JsonNumber> DeserializeSeed<'de> for Queries<'_, '_, V> {
    type Value = (Vec<String>, Vec<i64>);

    fn deserialize<D: Deserializer<'de>>(
        self,
        from: D,
    ) -> std::result::Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de, V: JsonNumber> Visitor<'de> for Queries<'_, '_, V> {
    type Value = (Vec<String>, Vec<i64>);

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object of queries")
    }

    fn visit_map<M: MapAccess<'de>>(
        self,
        mut map: M,
    ) -> std::result::Result<Self::Value, M::Error> {
        let (mut queries, mut offsets) = (Ids::default(), vec![0]);
        while let Some(query) = key(&mut map, self.0, "query")? {
            let number = queries.number(&query);
            if number + 1 < offsets.len() {
                let found = format!("the query {} a second time", quote(&query));
                return Err(self.0.fail(found, "each query once", "Join the two objects."));
            }
            map.next_value_seed(Documents { table: self.0, query: &query, number })?;
            offsets.push(self.0.rest.borrow().rows.len() as i64);
        }
        Ok((queries.into_vec(), offsets))
    }
}

struct Documents<'a, 'b, V> {
    table: &'a Table<'b, V>,
    query: &'a str,
    number: usize,
}

impl<'de, V: JsonNumber> DeserializeSeed<'de> for Documents<'_, '_, V> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> std::result::Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de, V: JsonNumber> Visitor<'de> for Documents<'_, '_, V> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "an object of documents for query {}", quote(self.query))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> std::result::Result<(), M::Error> {
        let Self { table, query, number } = self;
        while let Some(doc) = key(&mut map, table, "document")? {
            let value = map.next_value::<f64>()?;
            let Some(value) = V::from_json(value) else {
                let (expected, fix) = V::EXPECTED;
                let found = format!("{value} for query {}, document {}", quote(query), quote(&doc));
                return Err(table.fail(found, expected, fix));
            };
            let mut rest = table.rest.borrow_mut();
            let row = rest.docs.number(&doc);
            if row == rest.last_query.len() {
                rest.last_query.push(usize::MAX);
            }
            if std::mem::replace(&mut rest.last_query[row], number) == number {
                let found = format!("query {} with document {} again", quote(query), quote(&doc));
                return Err(table.fail(found, "each document once", "Remove one of the two."));
            }
            rest.rows.push(row as i64);
            rest.values.push(value);
            if rest.rows.len().is_multiple_of(ENTRIES_PER_LOOK) && !(rest.keep_going)() {
                *table.fault.borrow_mut() = Some(None);
                return Err(M::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::detect::{JUDGEMENTS, RESULTS};
    use super::super::qrels::parse_grade;
    use super::super::run::parse_score;
    use super::*;

    fn object<V: JsonNumber>(text: &str) -> Result<Groups<V>> {
        let unpacked = Unpacked::new(text.as_bytes()).unwrap();
        parse_object("t.json", unpacked, "results", &mut || true)
    }

    fn error(text: &str) -> String {
        object::<f64>(text).unwrap_err().to_string()
    }

    #[test]
    fn objects_of_objects_keep_their_order_and_empty_queries() {
        let run: Groups<f64> =
            object("\u{feff}{\"q2\": {\"d\\u0031\": 1, \"d2\": -2.5e-3},\n \"e\": {}, \"q1\": {\"d2\": 0}}").unwrap();
        assert_eq!(run.query_ids, ["q2", "e", "q1"]);
        assert_eq!(run.doc_ids, ["d1", "d2"]);
        assert_eq!((run.offsets, run.rows), (vec![0, 2, 2, 3], vec![0, 1, 1]));
        assert_eq!(run.values, [1.0, -2.5e-3, 0.0]);
        let qrels: Groups<i64> =
            object("{\"q\": {\"a\": 1000000, \"b\": 2.0, \"c\": -1}}").unwrap();
        assert_eq!(qrels.values, [1_000_000, 2, -1]);
    }

    #[test]
    fn wrong_tables_name_line_and_column() {
        assert!(
            error("{\"q\": {\"d\": 1,\n\"d\": 2}}")
                .starts_with("t.json:2:7: found query \"q\" with document \"d\" again")
        );
        assert!(error("{\"q\": {}, \"q\": {}}").contains("the query \"q\" a second time"));
        assert!(error("{\"q\": {\"d\": NaN}}").contains("NaN and Infinity are no JSON"));
        assert!(error("{\"q\": {\"d\": 1e999}}").contains("number out of range"));
        assert!(
            error("{\"q\": {\"d\": \"1\"}}").contains("invalid type: string \"1\", expected f64")
        );
        assert!(
            error("{\"q\": [\"d\"]}").contains("expected an object of documents for query \"q\"")
        );
        assert!(error("{\"q\": {\"d\": 1}").contains("The file may be cut"));
        assert!(error("{\"q\": {\"d\": 1}} x").contains("trailing characters"));
        assert!(error("{\"q\": {\"\\ud800\": 1}}").contains("surrogate"));
        assert!(error("{\"\": {\"d\": 1}}").contains("an empty query id"));
        assert!(error("{\"q\": {}}").contains("holds no results"));
        let half = object::<i64>("{\"q\": {\"d\": 0.5}}").unwrap_err().to_string();
        assert!(
            half.contains("found 0.5 for query \"q\", document \"d\"; expected a whole number")
        );
    }

    #[test]
    fn lines_take_the_names_of_the_field() {
        let read = |text: &str| {
            let mut go = || true;
            let mut lines = Lines::from_reader("t", text.as_bytes(), &mut go).unwrap();
            parse_lines(&mut lines, RESULTS, "results", parse_score, &mut Faults::none())
        };
        let run =
            read("{\"qid\": 1, \"docno\": \"d\", \"score\": 0.5, \"query\": \"text\"}\n").unwrap();
        assert_eq!((run.query_ids, run.values), (vec!["1".to_owned()], vec![0.5]));
        let error = |text| read(text).unwrap_err().to_string();
        assert!(error("{\"qid\": 1, \"score\": 1}").ends_with("Add `doc_id` to the object."));
        assert!(
            error("{\"qid\": 1, \"docno\": 2, \"score\": \"1\"}").contains("a string as `score`")
        );
        let mut go = || true;
        let text = "{\"query-id\": \"q\", \"corpus-id\": \"d\", \"score\": 1.5}";
        let mut lines = Lines::from_reader("t", text.as_bytes(), &mut go).unwrap();
        let error =
            parse_lines(&mut lines, JUDGEMENTS, "judgements", parse_grade, &mut Faults::none())
                .unwrap_err();
        assert!(error.to_string().starts_with("t:1:46: found a fraction"), "{error}");
    }
}
