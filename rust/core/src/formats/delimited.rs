//! Columns with names in the first line: CSV, TSV and their kin.

use std::borrow::Cow;

use super::detect::{Names, fields, plain_name};
use super::faults::Faults;
use super::groups::{Builder, Groups};
use super::lines::{Lines, quote};
use crate::error::{Error, Result};

/// Reads a table whose first line names its columns; others than the three of `known` are passed
/// over. `value` reads a number, which is a part of the current line.
pub(super) fn parse<V: Copy>(
    lines: &mut Lines<'_>,
    separator: char,
    known: Names,
    holds: &str,
    value: fn(&Lines<'_>, &str) -> Result<V>,
    faults: &mut Faults,
) -> Result<Groups<V>> {
    let mut builder = Builder::new();
    if lines.next(faults)? {
        let names: Vec<String> =
            split(lines, separator)?.iter().map(|(_, name)| plain_name(name)).collect();
        let [Some(query), Some(doc), Some(number)] = fields(known, &names) else {
            return Err(lines.fail(
                1,
                format!("the columns {}", names.join(", ")),
                format!("columns named {}, {}, {}", known.query[0], known.doc[0], known.value[0]),
                "Name the columns so in the first line.",
            ));
        };
        let entry = |lines: &Lines<'_>, builder: &mut Builder<V>| {
            let columns = split(lines, separator)?;
            if columns.len() != names.len() {
                return Err(lines.fail(
                    1,
                    format!("{} columns in {}", columns.len(), quote(lines.text())),
                    format!("{} columns, as the first line names", names.len()),
                    "Mend or remove the line.",
                ));
            }
            let number = value(lines, columns[number].0)?;
            builder.push(lines, &columns[query].1, &columns[doc].1, number)
        };
        while lines.next(faults)? {
            faults.pass(entry(lines, &mut builder))?;
        }
    }
    builder.finish(lines.path(), holds, faults)
}

/// A field: the part of the line inside its quotes, and what it means.
type Field<'a> = (&'a str, Cow<'a, str>);

/// The fields of the current line. Quotes are text where tabs part the columns, as in BEIR's files.
fn split<'a>(lines: &'a Lines<'_>, separator: char) -> Result<Vec<Field<'a>>> {
    let line = lines.text();
    if separator == '\t' || !line.contains('"') {
        return Ok(line.split(separator).map(|field| (field, Cow::Borrowed(field))).collect());
    }
    let mut columns = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = if rest.starts_with('"') {
            let end = closing(rest).ok_or_else(|| open_quote(lines, rest))?;
            let inside = &rest[1..end];
            let meant = if inside.contains("\"\"") {
                Cow::Owned(inside.replace("\"\"", "\""))
            } else {
                Cow::Borrowed(inside)
            };
            ((inside, meant), &rest[end + 1..])
        } else {
            let end = rest.find(separator).unwrap_or(rest.len());
            ((&rest[..end], Cow::Borrowed(&rest[..end])), &rest[end..])
        };
        columns.push(field);
        if after.is_empty() {
            return Ok(columns);
        }
        rest = after.strip_prefix(separator).ok_or_else(|| {
            lines.fail(
                lines.column_of(after),
                format!("{} after a closing quote", quote(after)),
                format!("{separator:?} or the end of the line"),
                "Double a quote that is part of a field.",
            )
        })?;
    }
}

/// Where the quote that `text` starts with is closed; doubled quotes are text.
fn closing(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == b'"')?;
        if bytes.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

fn open_quote(lines: &Lines<'_>, rest: &str) -> Error {
    lines.fail(
        lines.column_of(rest),
        "a quote that is not closed on its line",
        "each entry on one line",
        "Close the quote; ids may not hold line ends.",
    )
}

#[cfg(test)]
mod tests {
    use super::super::detect::RESULTS;
    use super::super::run::parse_score;
    use super::*;

    fn read(text: &str, separator: char) -> Result<Groups<f64>> {
        let mut go = || true;
        let mut lines = Lines::from_reader("r.csv", text.as_bytes(), &mut go)?;
        parse(&mut lines, separator, RESULTS, "results", parse_score, &mut Faults::none())
    }

    fn error(text: &str) -> String {
        read(text, ',').unwrap_err().to_string()
    }

    #[test]
    fn quotes_hold_separators_and_quotes() {
        let text = "rank,\"qid\",docno,score\r\n1,\"a,\"\"b\",d 1,\"0.5\"\r\n2,q,d,-1e-3\r\n";
        let run = read(text, ',').unwrap();
        assert_eq!(
            (run.query_ids, run.doc_ids),
            (vec!["a,\"b".into(), "q".into()], vec!["d 1".into(), "d".into()])
        );
        assert_eq!(run.values, [0.5, -1e-3]);
        let tabs = read("query-id\tcorpus-id\tscore\n\"q\t\"d\"\t1\n", '\t').unwrap();
        assert_eq!((tabs.query_ids, tabs.doc_ids), (vec!["\"q".into()], vec!["\"d\"".into()]));
    }

    #[test]
    fn wrong_lines_name_their_place() {
        let head = "qid,docno,score\n";
        assert!(error("qid,docno,sc\n").starts_with("r.csv:1:1: found the columns qid, docno, sc"));
        assert!(error(&format!("{head}q,d\n")).starts_with("r.csv:2:1: found 2 columns"));
        assert!(error(&format!("{head}q,d,x\n")).starts_with("r.csv:2:5: found \"x\""));
        assert!(error(&format!("{head}q,\"d,1\n")).starts_with("r.csv:2:3: found a quote"));
        assert!(error(&format!("{head}q,\"d\"e,1\n")).starts_with("r.csv:2:6: found \"e,1\""));
        assert!(error(&format!("{head},d,1\n")).contains("an empty query id"));
        assert!(error(head).contains("holds no results"));
    }
}
