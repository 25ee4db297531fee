//! Tables of results and judgements with named fields: JSON, JSON lines, CSV, TSV.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

use super::atomic::write_atomically;
use super::groups::Table;
use super::lines::KeepGoing;
use crate::error::{Error, Result};

/// A format whose fields have names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// `{"query": {"document": number}}`, one query a line.
    Json,
    /// An object for each entry, one a line.
    JsonLines,
    /// Commas between the columns; fields are quoted where they must.
    Csv,
    /// Tabs between the columns, nothing quoted.
    Tsv,
}

/// A number that is written so that it reads back as it was.
pub trait Written: Copy {
    /// The shortest text for it.
    fn text(self) -> impl Display;
}

impl Written for i64 {
    fn text(self) -> impl Display {
        self
    }
}

impl Written for f64 {
    fn text(self) -> impl Display {
        // `Debug` is the shortest decimal that reads back, with an exponent when long.
        std::fmt::from_fn(move |out| write!(out, "{self:?}"))
    }
}

/// Writes entries in the order of `table` to `path` at once or not at all; `names` are those of the
/// three fields. A query without entries is kept in JSON alone.
///
/// # Errors
/// [`Error::Content`] for an id that the format cannot hold, or a table without entries;
/// [`Error::Unwritable`] if the system refuses; [`Error::Stopped`] on request.
pub fn write_table<S: AsRef<str>, V: Written>(
    path: &Path,
    format: TableFormat,
    names: [&str; 3],
    table: &Table<'_, S, V>,
    keep_going: KeepGoing<'_>,
) -> Result<()> {
    let name = path.display().to_string();
    if table.rows.is_empty() {
        return Err(Error::Content {
            path: name,
            found: "was not written: there is nothing to write".into(),
            fix: "Look at what produced it.".into(),
        });
    }
    let breaks: fn(char) -> bool = match format {
        TableFormat::Json | TableFormat::JsonLines => |_| false,
        TableFormat::Csv | TableFormat::Tsv => char::is_control,
    };
    table.check_ids(
        &name,
        breaks,
        "Write JSON, whose ids may hold anything, or rename the ids.",
    )?;
    write_atomically(path, |out| {
        match format {
            TableFormat::Json => write!(out, "{{")?,
            TableFormat::JsonLines => {}
            TableFormat::Csv => writeln!(out, "{}", names.join(","))?,
            TableFormat::Tsv => writeln!(out, "{}", names.join("\t"))?,
        }
        for (number, (query, entries)) in table.queries().enumerate() {
            if !keep_going() {
                return Ok(false);
            }
            if format == TableFormat::Json {
                write!(out, "{}{}: {{", if number == 0 { "" } else { ",\n " }, json(query)?)?;
            }
            for (i, (doc, value)) in entries.into_iter().enumerate() {
                let value = value.text();
                match format {
                    TableFormat::Json => {
                        let comma = if i == 0 { "" } else { ", " };
                        write!(out, "{comma}{}: {value}", json(doc)?)?;
                    }
                    TableFormat::JsonLines => {
                        let [q, d, v] = names;
                        let (query, doc) = (json(query)?, json(doc)?);
                        writeln!(out, "{{\"{q}\": {query}, \"{d}\": {doc}, \"{v}\": {value}}}")?;
                    }
                    TableFormat::Csv => {
                        csv(out, query)?;
                        write!(out, ",")?;
                        csv(out, doc)?;
                        writeln!(out, ",{value}")?;
                    }
                    TableFormat::Tsv => writeln!(out, "{query}\t{doc}\t{value}")?,
                }
            }
            if format == TableFormat::Json {
                write!(out, "}}")?;
            }
        }
        if format == TableFormat::Json {
            writeln!(out, "}}")?;
        }
        Ok(true)
    })
}

fn json(text: &str) -> io::Result<String> {
    Ok(serde_json::to_string(text)?)
}

/// Writes a field, in quotes where a reader would else take it for something else.
fn csv(out: &mut dyn Write, field: &str) -> io::Result<()> {
    if field.contains([',', '"']) || field.trim() != field {
        write!(out, "\"{}\"", field.replace('"', "\"\""))
    } else {
        write!(out, "{field}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::{read_qrels, read_run};
    use super::TableFormat::{Csv, Json, JsonLines, Tsv};
    use super::*;

    #[test]
    fn what_is_written_reads_back_in_every_format_and_packing() {
        let folder = std::env::temp_dir().join(format!("embedsmith-table-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut go = || true;
        let scores = Table {
            query_ids: &["q,1", "\"q\" 2"],
            doc_ids: &["d 1", " ", "\u{e9}\\"],
            offsets: &[0, 2, 4],
            rows: &[2, 0, 0, 1],
            values: &[1e300, -0.0, 0.1, f64::from_bits(1)],
        };
        let grades = [3_i64, 0, -1, 1_000_000];
        let grades = Table {
            query_ids: scores.query_ids,
            doc_ids: scores.doc_ids,
            offsets: scores.offsets,
            rows: scores.rows,
            values: &grades,
        };
        for (format, end) in [(Json, "json"), (JsonLines, "jsonl"), (Csv, "csv"), (Tsv, "tsv")] {
            for packing in ["", ".gz", ".zst"] {
                let path = folder.join(format!("run.{end}{packing}"));
                write_table(&path, format, ["query_id", "doc_id", "score"], &scores, &mut go)
                    .unwrap();
                let back = read_run(&path, None, &mut go).unwrap().to_groups();
                assert_eq!(back.query_ids, scores.query_ids, "{path:?}");
                let bits: Vec<_> = back.values.iter().map(|score| score.to_bits()).collect();
                assert_eq!(bits, [1e300, -0.0, 0.1, f64::from_bits(1)].map(f64::to_bits));
                let path = folder.join(format!("qrels.{end}{packing}"));
                write_table(&path, format, ["query_id", "doc_id", "relevance"], &grades, &mut go)
                    .unwrap();
                let back = read_qrels(&path, None, &mut go).unwrap().to_groups();
                assert_eq!(back.values, grades.values);
                assert_eq!(back.doc_ids, ["\u{e9}\\", "d 1", " "]);
            }
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
