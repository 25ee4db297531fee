//! Judgements: BEIR's three columns with tabs, TREC's four with blanks.

use std::path::Path;

use super::atomic::write_atomically;
use super::columns::{exactly, wrong_columns};
use super::faults::Faults;
use super::groups::{Builder, Groups, Table};
use super::lines::{KeepGoing, Lines, quote};
use crate::error::{Error, Result};

pub(super) const HEADER: [&str; 3] = ["query-id", "corpus-id", "score"];
const BEIR: &str = "query-id, corpus-id, score";
const TREC: &str = "query, iteration, document, grade";

/// A layout of judgements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QrelsFormat {
    /// `query-id <tab> corpus-id <tab> score`, with that header.
    Beir,
    /// `query 0 document grade`, without a header.
    Trec,
}

/// Reads judgements in columns; the first line tells whether BEIR's or TREC's.
pub(super) fn parse_columns(lines: &mut Lines<'_>, faults: &mut Faults) -> Result<Groups<i64>> {
    let mut builder = Builder::new();
    let mut format = None;
    while lines.next(faults)? {
        let known = match format {
            Some(known) => known,
            None => match faults.pass(tell(lines))? {
                Some(told) => told,
                None => continue,
            },
        };
        let first = format.replace(known).is_none();
        if first && known == QrelsFormat::Beir && is_header(lines.text()) {
            continue;
        }
        faults.pass(entry(lines, known, &mut builder))?;
    }
    builder.finish(lines.path(), "judgements", faults)
}

fn entry(lines: &Lines<'_>, format: QrelsFormat, builder: &mut Builder<i64>) -> Result<()> {
    let (query, doc, grade) = split(lines, format)?;
    builder.push(lines, query, doc, parse_grade(lines, grade)?)
}

fn is_header(line: &str) -> bool {
    line.split('\t').map(str::trim_ascii).eq(HEADER)
}

fn tell(lines: &Lines<'_>) -> Result<QrelsFormat> {
    let line = lines.text();
    if let Some([_, _, last]) = exactly(line.split('\t')) {
        if is_header(line) || last.trim_ascii().parse::<f64>().is_ok() {
            return Ok(QrelsFormat::Beir);
        }
        return Err(lines.fail(
            lines.column_of(last),
            format!("{} where a grade or the header stands", quote(last)),
            format!("the header {BEIR} with tabs, or a whole number in the third column"),
            "Rename the columns in the first line to that header.",
        ));
    }
    if exactly::<4>(line.split_ascii_whitespace()).is_some() {
        return Ok(QrelsFormat::Trec);
    }
    Err(wrong(lines, QrelsFormat::Beir))
}

fn split<'a>(lines: &'a Lines<'_>, format: QrelsFormat) -> Result<(&'a str, &'a str, &'a str)> {
    let line = lines.text();
    let columns = match format {
        QrelsFormat::Beir => {
            exactly(line.split('\t')).map(|[query, doc, grade]| (query, doc, grade))
        }
        QrelsFormat::Trec => exactly(line.split_ascii_whitespace())
            .map(|[query, _, doc, grade]: [&str; 4]| (query, doc, grade)),
    };
    columns.ok_or_else(|| wrong(lines, format))
}

fn wrong(lines: &Lines<'_>, format: QrelsFormat) -> Error {
    let others = [
        (3, "blanks between the columns", "Replace them: `tr -s ' ' '\\t' < FILE > FIXED`."),
        (6, "six columns, as a TREC run has", "Read it as a run, or name the qrels."),
    ];
    match format {
        QrelsFormat::Beir => wrong_columns(lines, "tabs", BEIR, &others),
        QrelsFormat::Trec => wrong_columns(lines, "blanks or tabs", TREC, &others[1..]),
    }
}

pub(super) fn parse_grade(lines: &Lines<'_>, text: &str) -> Result<i64> {
    let text = text.trim_ascii();
    if let Ok(grade) = text.parse::<i32>() {
        return Ok(i64::from(grade));
    }
    let (found, fix) = match text.parse::<f64>() {
        Ok(grade) if grade.is_nan() => ("NaN", "Judge the pair, or remove the line.".to_owned()),
        Ok(grade) if grade.fract() == 0.0 && grade.abs() < f64::from(i32::MAX) => {
            ("a fraction", format!("Write {grade:.0} instead."))
        }
        Ok(grade) if grade.abs() >= f64::from(i32::MAX) => {
            ("a number beyond 32 bits", "Use small grades, such as 0 to 4.".to_owned())
        }
        Ok(_) => ("a fraction", "Multiply all grades so that they are whole.".to_owned()),
        Err(_) => ("no number", "Mend or remove the line.".to_owned()),
    };
    Err(lines.fail(
        lines.column_of(text),
        format!("{found} ({}) as the grade", quote(text)),
        "a whole number",
        fix,
    ))
}

/// Writes judgements, in the order of `table`, to `path` at once or not at all.
///
/// # Errors
/// [`Error::Content`] for an id that the format cannot hold; [`Error::Unwritable`] if the system
/// refuses; [`Error::Stopped`] on request.
pub fn write_qrels<S: AsRef<str>>(
    path: &Path,
    format: QrelsFormat,
    table: &Table<'_, S, i64>,
    keep_going: KeepGoing<'_>,
) -> Result<()> {
    let name = path.display().to_string();
    let (breaks, fix): (fn(char) -> bool, _) = match format {
        QrelsFormat::Trec => (
            |c| c.is_whitespace() || c.is_control(),
            "Write format=\"beir\", whose ids may hold blanks, or rename the ids.",
        ),
        QrelsFormat::Beir => (char::is_control, "Rename the ids."),
    };
    table.check_ids(&name, breaks, fix)?;
    write_atomically(path, |out| {
        if format == QrelsFormat::Beir {
            writeln!(out, "{}", HEADER.join("\t"))?;
        }
        for (query, entries) in table.queries() {
            if !keep_going() {
                return Ok(false);
            }
            for (doc, grade) in entries {
                match format {
                    QrelsFormat::Beir => writeln!(out, "{query}\t{doc}\t{grade}")?,
                    QrelsFormat::Trec => writeln!(out, "{query} 0 {doc} {grade}")?,
                }
            }
        }
        Ok(true)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Groups<i64>> {
        let mut go = || true;
        let mut lines = Lines::from_reader("q.tsv", text.as_bytes(), &mut go)?;
        parse_columns(&mut lines, &mut Faults::none())
    }

    fn error(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn beir_and_trec_give_the_same_groups() {
        let beir =
            read("query-id\tcorpus-id\tscore\na b\td1\t2\nq2\td1\t0\na b\td2\t-1\n").unwrap();
        assert_eq!(beir.query_ids, ["a b", "q2"]);
        assert_eq!(beir.doc_ids, ["d1", "d2"]);
        assert_eq!(
            (beir.offsets, beir.rows, beir.values),
            (vec![0, 2, 3], vec![0, 1, 0], vec![2, -1, 0])
        );
        let headless = read("q1\td1\t2\nq1\td2\t1").unwrap();
        assert_eq!(headless, read("q1 0 d1 2\r\n\nq1\tQ0  d2 1\r\n").unwrap());
    }

    #[test]
    fn other_separators_are_recognised_with_the_command_that_mends_them() {
        let text = error("query-id,corpus-id,score\nq1,d1,1\n");
        assert!(
            text.starts_with("q.tsv:1:9: found commas between the columns; expected tabs"),
            "{text}"
        );
        assert!(text.ends_with(r"`tr ',' '\t' < FILE > FIXED`."), "{text}");
        assert!(error("query-id;corpus-id;score\n").contains("semicolons"));
        assert!(error("query-id corpus-id score\nq1 d1 1").contains("found blanks"));
        assert!(error("q1 Q0 d1 1 0.5 tag").contains("six columns, as a TREC run has"));
        assert!(error("{\"_id\": \"1\"}").contains("found JSON"));
    }

    #[test]
    fn wrong_lines_name_their_place() {
        let head = "query-id\tcorpus-id\tscore\n";
        assert!(
            error(&format!("{head}q1\td1\t1\nq1\td2")).starts_with("q.tsv:3:1: found 2 columns")
        );
        assert!(error("qid\tdocid\tlabel\n").starts_with("q.tsv:1:11: found \"label\""));
        assert!(error(&format!("{head}q1\td1\tNaN")).starts_with("q.tsv:2:7: found NaN"));
        assert!(error(&format!("{head}q1\td1\t2.0")).ends_with("Write 2 instead."));
        assert!(error(&format!("{head}q1\td1\t0.5")).contains("a fraction"));
        assert!(error(&format!("{head}q1\td1\tyes")).contains("no number"));
        assert!(error(&format!("{head}q1\td1\t99999999999")).contains("beyond 32 bits"));
        assert!(error(&format!("{head}\td1\t1")).starts_with("q.tsv:2:1: found an empty query id"));
        assert!(
            error(&format!("{head}q1\t\t1")).starts_with("q.tsv:2:4: found an empty document id")
        );
    }

    #[test]
    fn a_pair_judged_twice_names_both_lines() {
        let text = error("q1 0 d1 1\nq2 0 d1 1\nq1 0 d2 1\nq1 0 d1 1\n");
        assert!(
            text.starts_with("q.tsv:4:1: found query \"q1\" with document \"d1\" again"),
            "{text}"
        );
        assert!(text.contains("first in line 1"), "{text}");
    }

    #[test]
    fn a_file_without_judgements_says_so() {
        assert!(error("").contains("holds no judgements"));
        assert!(error("query-id\tcorpus-id\tscore\n\n").contains("holds no judgements"));
    }
}
