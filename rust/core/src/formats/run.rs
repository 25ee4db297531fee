//! Result lists in TREC's six columns.

use std::path::Path;

use super::atomic::write_atomically;
use super::columns::{exactly, wrong_columns};
use super::faults::Faults;
use super::groups::{Builder, Groups, Table};
use super::lines::{KeepGoing, Lines, quote};
use crate::error::{Error, Result};

const LAYOUT: &str = "query, Q0, document, rank, score, tag";

/// Reads a run of six columns.
pub(super) fn parse_columns(lines: &mut Lines<'_>, faults: &mut Faults) -> Result<Groups<f64>> {
    let mut builder = Builder::new();
    while lines.next(faults)? {
        faults.pass(entry(lines, &mut builder))?;
    }
    builder.finish(lines.path(), "results", faults)
}

fn entry(lines: &Lines<'_>, builder: &mut Builder<f64>) -> Result<()> {
    let Some([query, _, doc, _, score, _]) = exactly(lines.text().split_ascii_whitespace()) else {
        return Err(wrong(lines));
    };
    builder.push(lines, query, doc, parse_score(lines, score)?)
}

fn wrong(lines: &Lines<'_>) -> Error {
    let others = [
        (3, "three columns, as BEIR's qrels have", "Read it as qrels, or name the run."),
        (4, "four columns, as TREC's qrels have", "Read it as qrels, or name the run."),
        (5, "five columns", "Add the name of the run as the sixth column."),
    ];
    wrong_columns(lines, "blanks or tabs", LAYOUT, &others)
}

pub(super) fn parse_score(lines: &Lines<'_>, text: &str) -> Result<f64> {
    let parsed = text.parse::<f64>();
    if let Ok(score) = parsed
        && score.is_finite()
    {
        return Ok(score);
    }
    let fix = match parsed {
        Ok(_) if text.contains(|c: char| c.is_ascii_digit()) => {
            "It is beyond the largest 64-bit float, 1.8e308: scale the scores."
        }
        Ok(_) => {
            "NaN and infinity have no place in an order: look at what produced the score, or \
             remove the line."
        }
        Err(_) => "Mend or remove the line.",
    };
    let found = format!("{} as the score", quote(text));
    Err(lines.fail(lines.column_of(text), found, "a finite number", fix))
}

/// Writes a TREC run to `path` at once or not at all.
///
/// A query's documents stand in `trec_eval`'s order (score descending, then id descending by
/// bytes) with ranks from 1; a score is the shortest decimal that reads back as the same bits.
/// A query without documents leaves no line.
///
/// # Errors
/// [`Error::Content`] for an id or tag that would not read back, or a table without results;
/// [`Error::Unwritable`] if the system refuses; [`Error::Stopped`] on request.
pub fn write_run<S: AsRef<str>>(
    path: &Path,
    tag: &str,
    table: &Table<'_, S, f64>,
    keep_going: KeepGoing<'_>,
) -> Result<()> {
    let breaks: fn(char) -> bool = |c| c.is_whitespace() || c.is_control();
    let name = path.display().to_string();
    if tag.is_empty() || tag.contains(breaks) {
        return Err(Error::Content {
            path: name,
            found: format!("was not written: the tag {} is empty or has a blank", quote(tag)),
            fix: "Pass a tag of one word.".into(),
        });
    }
    if table.rows.is_empty() {
        return Err(Error::Content {
            path: name,
            found: "was not written: the run holds no results".into(),
            fix: "Look at what produced it.".into(),
        });
    }
    table.check_ids(&name, breaks, "Rename the ids in the data set: blanks end a TREC column.")?;
    write_atomically(path, |out| {
        for (query, mut entries) in table.queries() {
            if !keep_going() {
                return Ok(false);
            }
            entries.sort_unstable_by(|(a, x), (b, y)| y.total_cmp_zero(*x).then_with(|| b.cmp(a)));
            for (i, (doc, score)) in entries.into_iter().enumerate() {
                // `Debug` is the shortest decimal that reads back, with an exponent when long.
                writeln!(out, "{query} Q0 {doc} {} {score:?} {tag}", i + 1)?;
            }
        }
        Ok(true)
    })
}

/// An order of finite scores in which the two zeros are one, as `trec_eval` compares.
trait TotalCmpZero {
    fn total_cmp_zero(self, other: Self) -> std::cmp::Ordering;
}

impl TotalCmpZero for f64 {
    fn total_cmp_zero(self, other: Self) -> std::cmp::Ordering {
        (self + 0.0).total_cmp(&(other + 0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Groups<f64>> {
        let mut go = || true;
        parse_columns(&mut Lines::from_reader("r", text.as_bytes(), &mut go)?, &mut Faults::none())
    }

    fn error(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn six_columns_with_any_blanks_are_read_and_ranks_are_not_used() {
        let run = read("q1 Q0 d2 9 -1.5e-3 t\nq1\tQ0\td1  x\t.5 t\n").unwrap();
        assert_eq!(
            (run.query_ids, run.doc_ids),
            (vec!["q1".into()], vec!["d2".into(), "d1".into()])
        );
        assert_eq!(run.values, [-0.0015, 0.5]);
    }

    #[test]
    fn wrong_lines_name_their_place_and_the_other_format() {
        assert!(error("q1 0 d1 1").contains("four columns, as TREC's qrels have"));
        assert!(error("q1\td1\t1").contains("three columns, as BEIR's qrels have"));
        assert!(error("q1 Q0 d1 1 0.5").contains("sixth column"));
        assert!(error("q1,Q0,d1,1,0.5,t").contains("found commas"));
        assert!(error("q1 Q0 d1 1 0.5 t\nq1 Q0 d2 2 nan t").starts_with("r:2:12: found \"nan\""));
        assert!(error("q1 Q0 d1 1 inf t").contains("a finite number"));
        assert!(error("q1 Q0 d1 1 high t").ends_with("Mend or remove the line."));
        assert!(error("q1 Q0 d1 1 2 t\nq1 Q0 d1 2 1 t").starts_with("r:2:1: found query \"q1\""));
        assert!(error("\n").contains("holds no results"));
    }

    #[test]
    fn what_is_written_is_in_trec_order_and_reads_back_bit_for_bit() {
        let folder = std::env::temp_dir().join(format!("embedsmith-run-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("a.run");
        // Two zeros, a tie, the least positive number, and 0.1f32 widened.
        let values = [0.0, -0.0, f64::from_bits(1), f64::from(0.1_f32), 1e300, 1e300];
        let table = Table {
            query_ids: &["q"],
            doc_ids: &["a", "b", "c", "d", "e", "\u{e9}"],
            offsets: &[0, 6],
            rows: &[0, 1, 2, 3, 4, 5],
            values: &values,
        };
        let mut go = || true;
        write_run(&path, "t", &table, &mut go).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let docs: Vec<_> = text.lines().map(|l| l.split(' ').nth(2).unwrap()).collect();
        assert_eq!(docs, ["\u{e9}", "e", "d", "c", "b", "a"]);
        assert!(text.starts_with("q Q0 \u{e9} 1 1e300 t\n"), "{text}");
        let back = super::super::read_run(&path, None, &mut go).unwrap().to_groups();
        let bits: Vec<_> = back.values.iter().rev().map(|v| v.to_bits()).collect();
        let written = [0.0, -0.0, f64::from_bits(1), f64::from(0.1_f32), 1e300, 1e300];
        assert_eq!(bits, written.map(f64::to_bits));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "no temporary file stays");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn ids_that_would_not_read_back_are_refused_before_the_file_is_touched() {
        let path = std::env::temp_dir().join(format!("embedsmith-{}-none.run", std::process::id()));
        let mut go = || true;
        for id in ["a b", "", "a\u{a0}b", "a\tb"] {
            let table = Table {
                query_ids: &["q"],
                doc_ids: &[id],
                offsets: &[0, 1],
                rows: &[0],
                values: &[1.0],
            };
            let text = write_run(&path, "t", &table, &mut go).unwrap_err().to_string();
            assert!(text.contains("would not be read back") && text.contains("Rename"), "{text}");
            let table = Table { doc_ids: &["d"], ..table };
            let tag = write_run(&path, id, &table, &mut go);
            assert!(tag.unwrap_err().to_string().contains("a tag of one word"));
        }
        assert!(!path.exists());
    }
}
