//! Which format a file of judgements or results is in, told by its first line.

use super::columns::exactly;
use super::pieces::Columns;

/// Names of the three fields of an entry, the surest first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names {
    pub(super) query: &'static [&'static str],
    pub(super) doc: &'static [&'static str],
    pub(super) value: &'static [&'static str],
}

const QUERY: &[&str] = &["query_id", "qid", "q_id", "topic_id", "query", "topic"];
const DOC: &[&str] =
    &["doc_id", "corpus_id", "docid", "docno", "document_id", "pid", "passage_id", "document"];
pub(super) const RESULTS: Names =
    Names { query: QUERY, doc: DOC, value: &["score", "similarity", "sim"] };
pub(super) const JUDGEMENTS: Names = Names {
    query: QUERY,
    doc: DOC,
    value: &["relevance", "rel", "grade", "label", "judgment", "judgement", "score"],
};

/// A layout of a text file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Columns without names, or BEIR's judgements.
    Columns(Columns),
    /// Columns with names in the first line, parted by this character.
    Delimited(char),
    /// An object of objects, over any number of lines.
    Json,
    /// An object for each entry, one a line.
    JsonLines,
}

/// The name of a field, however it is written: `query-id`, `"Query_ID"`.
pub(super) fn plain_name(name: &str) -> String {
    name.trim().trim_matches('"').trim().to_lowercase().replace(['-', ' '], "_")
}

/// The position of each of the three fields among `names`.
pub(super) fn fields(known: Names, names: &[String]) -> [Option<usize>; 3] {
    [known.query, known.doc, known.value]
        .map(|wanted| wanted.iter().find_map(|&name| names.iter().position(|other| other == name)))
}

/// The layout of a file that starts with `head`; `judgements` tells what it shall hold.
pub(super) fn tell(head: &[u8], judgements: bool) -> Layout {
    let head = String::from_utf8_lossy(head);
    let head = head.strip_prefix('\u{feff}').unwrap_or(&head);
    let line = head.lines().find(|line| !line.trim_ascii().is_empty()).unwrap_or("");
    let known = if judgements { JUDGEMENTS } else { RESULTS };
    if is_json(line, judgements) {
        return if is_record(line, known) { Layout::JsonLines } else { Layout::Json };
    }
    if judgements && line.split('\t').map(str::trim_ascii).eq(super::qrels::HEADER) {
        return Layout::Columns(Columns::BeirQrels { header: true });
    }
    for separator in ['\t', ',', ';'] {
        let names: Vec<String> = line.split(separator).map(plain_name).collect();
        if names.len() >= 3 && fields(known, &names).iter().all(Option::is_some) {
            return Layout::Delimited(separator);
        }
    }
    Layout::Columns(match judgements {
        false => Columns::Run,
        true if exactly::<3>(line.split('\t')).is_some() => Columns::BeirQrels { header: false },
        true => Columns::TrecQrels,
    })
}

/// Whether a line starts JSON; an id may start with a bracket too.
fn is_json(line: &str, judgements: bool) -> bool {
    let line = line.trim_ascii();
    let inside = line.get(1..).unwrap_or("").trim_ascii_start();
    let opens = match line.as_bytes().first() {
        Some(b'{') => inside.is_empty() || inside.starts_with(['"', '}']),
        Some(b'[') => inside.is_empty() || inside.starts_with(['"', '{', '[', ']']),
        _ => false,
    };
    let number = if judgements {
        exactly(line.split_ascii_whitespace()).map(|[_, _, _, grade]: [&str; 4]| grade)
    } else {
        exactly(line.split_ascii_whitespace()).map(|[_, _, _, _, score, _]: [&str; 6]| score)
    };
    opens && number.is_none_or(|number| number.parse::<f64>().is_err())
}

/// Whether a line is an object with one entry, rather than a table with one query.
fn is_record(line: &str, known: Names) -> bool {
    let Ok(fields) =
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(line.trim_ascii())
    else {
        return false;
    };
    let has = |names: &[&str]| {
        fields
            .iter()
            .any(|(name, value)| names.contains(&plain_name(name).as_str()) && !value.is_object())
    };
    has(known.query) || has(known.doc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_tells() {
        let run = |head: &str| tell(head.as_bytes(), false);
        let qrels = |head: &str| tell(head.as_bytes(), true);
        assert_eq!(run("\u{feff}\n \nq1 Q0 d1 1 0.5 t\n"), Layout::Columns(Columns::Run));
        assert_eq!(run("query-id\tcorpus-id\tscore\n"), Layout::Delimited('\t'));
        assert_eq!(run("\"qid\",\"docno\",\"rank\",\"score\"\n"), Layout::Delimited(','));
        assert_eq!(run("{\"q1\": {\"d1\": 0.5}}"), Layout::Json);
        assert_eq!(run("{\n"), Layout::Json);
        assert_eq!(run("[{\"q\": 1}]"), Layout::Json);
        assert_eq!(run("{ Q0 d1 1 0.5 t"), Layout::Columns(Columns::Run));
        assert_eq!(run("{\"q Q0 d1 1 0.5 t"), Layout::Columns(Columns::Run));
        assert_eq!(qrels("{} 0 d1 1"), Layout::Columns(Columns::TrecQrels));
        assert_eq!(run("{\"query_id\": {\"d1\": 0.5}}"), Layout::Json);
        assert_eq!(run("{\"qid\": 1, \"docno\": \"d\", \"score\": 1}\n"), Layout::JsonLines);
        let beir = |header| Layout::Columns(Columns::BeirQrels { header });
        assert_eq!(qrels("query-id\tcorpus-id\tscore\n"), beir(true));
        assert_eq!(qrels("q1\td1\t1\n"), beir(false));
        assert_eq!(qrels("q1\t0\td1\t1\n"), Layout::Columns(Columns::TrecQrels));
        assert_eq!(qrels("query_id;doc_id;relevance\n"), Layout::Delimited(';'));
        assert_eq!(qrels(""), Layout::Columns(Columns::TrecQrels));
    }
}
