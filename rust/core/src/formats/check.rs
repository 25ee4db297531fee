//! All faults of a file, where readers stop at the first.

use std::path::Path;

use super::detect::{JUDGEMENTS, Layout, RESULTS, fields, plain_name};
use super::faults::Faults;
use super::lines::{KeepGoing, Lines};
use super::packed::Unpacked;
use super::pieces::Columns;
use super::read::{Kind, QRELS, RUN, slowly, unpacked};
use super::tables::JsonNumber;
use super::{packed, pairs, texts};
use crate::error::{Error, Result};

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Result lists.
    Run,
    /// Judgements.
    Qrels,
    /// Documents with texts.
    Corpus,
    /// Queries with texts.
    Queries,
    /// Queries with positive and negative texts.
    Pairs,
}

/// What was found in a file.
#[derive(Debug)]
pub struct Checked {
    /// What it was taken for.
    pub holds: Holds,
    /// The format, such as `TREC`.
    pub format: &'static str,
    /// Queries without the faulty lines; for texts, their number.
    pub n_queries: usize,
    /// Entries without the faulty lines; for texts, their number.
    pub n_entries: usize,
    /// In the order of the lines.
    pub faults: Vec<Error>,
}

/// Looks for up to `most` faults; `holds` is told by the first line if it is not given.
///
/// JSON over several lines and texts stop at the first.
///
/// # Errors
/// What is no fault of a line: [`Error::Unreadable`], [`Error::Content`], [`Error::Stopped`].
pub fn check(
    path: &Path,
    holds: Option<Holds>,
    most: usize,
    keep_going: KeepGoing<'_>,
) -> Result<Checked> {
    let (source, _) = unpacked(path, false)?;
    let (head, source) = source.peek();
    let holds = holds.unwrap_or_else(|| guess(&head, path));
    let name = || path.display().to_string();
    let texts = |found: Result<usize>| -> Result<Checked> {
        let (n, faults) = match found {
            Ok(n) => (n, Vec::new()),
            Err(error @ Error::Parse { .. }) => (0, vec![error]),
            Err(error) => return Err(error),
        };
        Ok(Checked { holds, format: "JSON lines", n_queries: n, n_entries: n, faults })
    };
    match holds {
        Holds::Run => columns(path, holds, &RUN, source, &head, most, keep_going),
        Holds::Qrels => columns(path, holds, &QRELS, source, &head, most, keep_going),
        Holds::Corpus => {
            let mut lines = Lines::from_unpacked(name(), source, keep_going);
            texts(texts::parse_corpus(&mut lines).map(|texts| texts.ids.len()))
        }
        Holds::Queries => {
            let mut lines = Lines::from_unpacked(name(), source, keep_going);
            texts(texts::parse_queries(&mut lines).map(|texts| texts.ids.len()))
        }
        Holds::Pairs => {
            let mut lines = Lines::from_unpacked(name(), source, keep_going);
            texts(pairs::parse(&mut lines).map(|pairs| pairs.queries.len()))
        }
    }
}

fn columns<V: JsonNumber>(
    path: &Path,
    holds: Holds,
    kind: &Kind<V>,
    source: Unpacked<'_>,
    head: &[u8],
    most: usize,
    keep_going: KeepGoing<'_>,
) -> Result<Checked> {
    let layout = super::detect::tell(head, holds == Holds::Qrels);
    let mut faults = Faults::up_to(most);
    let read = slowly(path, kind, source, layout, &mut faults, keep_going);
    let mut faults = faults.found;
    let (n_queries, n_entries) = match read {
        Ok(groups) => (groups.query_ids.len(), groups.rows.len()),
        Err(error @ Error::Parse { .. }) => {
            faults.push(error);
            (0, 0)
        }
        Err(error) => return Err(error),
    };
    // Pairs that stand twice were found at the end.
    faults.sort_by_key(|fault| match fault {
        Error::Parse { line, column, .. } => (*line, *column),
        _ => (0, 0),
    });
    let format = match layout {
        Layout::Columns(Columns::Run | Columns::TrecQrels) => "TREC",
        Layout::Columns(Columns::BeirQrels { .. }) => "BEIR",
        Layout::Delimited('\t') => "TSV",
        Layout::Delimited(_) => "CSV",
        Layout::Json => "JSON",
        Layout::JsonLines => "JSON lines",
    };
    Ok(Checked { holds, format, n_queries, n_entries, faults })
}

/// What a file that starts with `head` most likely holds.
fn guess(head: &[u8], path: &Path) -> Holds {
    let head = String::from_utf8_lossy(head);
    let head = head.strip_prefix('\u{feff}').unwrap_or(&head);
    let line = head.lines().find(|line| !line.trim_ascii().is_empty()).unwrap_or("");
    if let Ok(object) =
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(line.trim_ascii())
    {
        let names: Vec<String> = object.keys().map(|name| plain_name(name)).collect();
        let has = |name: &str| names.iter().any(|own| own == name);
        if has("text") || has("_id") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
            return if name.contains("quer") { Holds::Queries } else { Holds::Corpus };
        }
        if has("positive") || has("positives") {
            return Holds::Pairs;
        }
    }
    match super::detect::tell(head.as_bytes(), false) {
        Layout::JsonLines | Layout::Delimited(_) => named(line),
        Layout::Json => {
            // The first number that a document has: grades are whole.
            let number = head.split(':').nth(2).unwrap_or("").trim_ascii_start();
            let end = number.find([',', '}', '\n', ' ']).unwrap_or(number.len());
            if number[..end].parse::<i64>().is_ok() { Holds::Qrels } else { Holds::Run }
        }
        Layout::Columns(_) => {
            let blanks = line.split_ascii_whitespace().count();
            let few = blanks <= 4 || line.split('\t').count() == 3;
            if few { Holds::Qrels } else { Holds::Run }
        }
    }
}

/// Judgements and results with named fields differ in the name of the number.
fn named(line: &str) -> Holds {
    let parts = |sign: char| -> Vec<String> { line.split(sign).map(plain_name).collect() };
    let is = |sign| {
        let names = parts(sign);
        let score = names.iter().position(|name| RESULTS.value.contains(&name.as_str()));
        let [query, doc, grade] = fields(JUDGEMENTS, &names);
        let beir = names.len() == 3 && names == ["query_id", "corpus_id", "score"];
        query.is_some() && doc.is_some() && grade.is_some() && (grade != score || beir)
    };
    if line.trim_ascii_start().starts_with('{') {
        let graded = JUDGEMENTS.value.iter().filter(|name| !RESULTS.value.contains(name));
        let quoted = |name: &str| line.to_lowercase().contains(&format!("\"{name}\""));
        return if graded.into_iter().any(|name| quoted(name)) { Holds::Qrels } else { Holds::Run };
    }
    if ['\t', ',', ';'].into_iter().any(is) { Holds::Qrels } else { Holds::Run }
}

/// How a file is packed, for people: `gzip`, `zstd` or nothing.
///
/// # Errors
/// [`Error::Unreadable`] if the system refuses.
pub fn packing(path: &Path) -> Result<Option<&'static str>> {
    Ok(match unpacked(path, false)?.0.packing {
        packed::Packing::Plain => None,
        packed::Packing::Gzip => Some("gzip"),
        packed::Packing::Zstd => Some("zstd"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(name: &str, text: &str, most: usize) -> (Holds, &'static str, Vec<String>) {
        let path = std::env::temp_dir().join(format!("embedsmith-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let checked = check(&path, None, most, &mut || true).unwrap();
        std::fs::remove_file(&path).unwrap();
        let place = |fault: &Error| match fault {
            Error::Parse { line, column, .. } => format!("{line}:{column}"),
            other => panic!("{other}"),
        };
        (checked.holds, checked.format, checked.faults.iter().map(place).collect())
    }

    #[test]
    fn all_faults_are_found_in_the_order_of_the_lines() {
        let text = "q Q0 a 1 1 t\nq Q0 b 2\nq Q0 a 3 1 t\nq Q0 c 4 nan t\nq Q0 d 5 1 t\n";
        let (holds, format, places) = faults("a", text, 9);
        assert_eq!((holds, format), (Holds::Run, "TREC"));
        assert_eq!(places, ["2:1", "3:1", "4:10"]);
        assert_eq!(faults("a", text, 2).2, ["2:1", "4:10"]);
        assert_eq!(faults("b", "query-id\tcorpus-id\tscore\nq\td\tx\nq\td\t1\n", 9).2, ["2:5"]);
        assert_eq!(faults("c", "qid,docno,label\nq,d\nq,d,x\n", 9).2, ["2:1", "3:5"]);
        let lines = "{\"qid\": 1, \"docno\": 2, \"score\": 3}\n{}\nx\n";
        assert_eq!(faults("d", lines, 9).2, ["2:1", "3:1"]);
    }

    #[test]
    fn a_fault_that_ends_the_file_is_the_last() {
        let latin = b"q Q0 \xff 1 1 t\nq Q0 d 1 x t\n";
        let path = std::env::temp_dir().join(format!("embedsmith-{}-latin", std::process::id()));
        std::fs::write(&path, latin).unwrap();
        assert_eq!(check(&path, None, 9, &mut || true).unwrap().faults.len(), 2);
        let packed = zstd::encode_all(&b"q Q0 d 1 x t\n".repeat(1000)[..], 3).unwrap();
        std::fs::write(&path, &packed[..packed.len() - 3]).unwrap();
        let last = check(&path, None, 5000, &mut || true).unwrap().faults.pop().unwrap();
        assert!(last.to_string().contains("truncated .zst"), "{last}");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn the_first_line_and_the_name_tell_what_a_file_holds() {
        let is = |name: &str, head: &str| guess(head.as_bytes(), Path::new(name));
        assert_eq!(is("a", "{\"_id\": 1, \"text\": \"x\"}"), Holds::Corpus);
        assert_eq!(is("queries.jsonl", "{\"_id\": 1, \"text\": \"x\"}"), Holds::Queries);
        assert_eq!(is("a", "{\"query\": \"x\", \"positive\": \"y\"}"), Holds::Pairs);
        assert_eq!(is("a", "{\"qid\": 1, \"docno\": 2, \"label\": 1}"), Holds::Qrels);
        assert_eq!(is("a", "{\"qid\": 1, \"docno\": 2, \"score\": 1}"), Holds::Run);
        assert_eq!(is("a", "{\"q\": {\"d\": 1, \"e\": 2}}"), Holds::Qrels);
        assert_eq!(is("a", "{\n \"q\": {\n  \"d\": 1.5"), Holds::Run);
        assert_eq!(is("a", "qid,docno,rank,score\n"), Holds::Run);
        assert_eq!(is("a", "query_id\tdoc_id\trelevance\n"), Holds::Qrels);
        assert_eq!(is("a", "query-id\tcorpus-id\tscore\n"), Holds::Qrels);
        assert_eq!(is("a", "q 0 d 1\n"), Holds::Qrels);
        assert_eq!(is("a", "q Q0 d 1 0.5\n"), Holds::Run);
    }
}
