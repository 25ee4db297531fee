//! Corpora and queries: JSON lines with `_id`, `title` and `text`.

use std::collections::HashMap;
use std::path::Path;

use super::json::Object;
use super::lines::{KeepGoing, Lines, quote};
use crate::error::{Error, Result};

const ID_ALIASES: [&str; 11] = [
    "id",
    "docid",
    "doc_id",
    "docno",
    "pid",
    "qid",
    "query_id",
    "query-id",
    "corpus_id",
    "corpus-id",
    "uuid",
];
const TEXT_ALIASES: [&str; 9] = [
    "contents", "content", "body", "passage", "document", "query", "question", "segment",
    "abstract",
];

/// What a file of JSON lines calls a document's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextFields {
    /// The id.
    pub id: String,
    /// The text.
    pub text: String,
    /// The title, which need not be there.
    pub title: String,
}

impl Default for TextFields {
    fn default() -> Self {
        Self { id: "_id".into(), text: "text".into(), title: "title".into() }
    }
}

/// One document of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Number of its line, from 1.
    pub line: u64,
    /// Its id; the line's number in a file of plain lines.
    pub id: String,
    /// What is embedded of it.
    pub text: String,
}

/// Documents one after the other, in as much memory as one takes. Repeated ids are not looked for.
pub struct DocumentStream {
    lines: Lines<'static>,
    /// None: each line is a text.
    fields: Option<TextFields>,
}

impl DocumentStream {
    /// Opens a file of JSON lines, or of plain lines if there are no `fields`.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if the system refuses, or the path is a folder.
    pub fn open(path: &Path, fields: Option<TextFields>) -> Result<Self> {
        // Each call reads a few documents, so whoever calls can stop between them. A closure that
        // captures nothing takes no memory: nothing is lost.
        Ok(Self { lines: Lines::open(path, Box::leak(Box::new(|| true)))?, fields })
    }

    /// The next documents, until there are `most` of them or their texts take `bytes`; none at the end.
    ///
    /// # Errors
    /// [`Error::Parse`] with the place.
    pub fn next(&mut self, most: usize, bytes: usize) -> Result<Vec<Document>> {
        let mut seen = Vec::new();
        let mut taken = 0;
        while seen.len() < most && taken < bytes && self.lines.advance()? {
            let line = self.lines.number();
            let (id, text) = match &self.fields {
                None => (line.to_string(), self.lines.text().to_owned()),
                Some(fields) => {
                    let object = Object::parse(&self.lines)?;
                    let id = object.id(&fields.id, object.require(&fields.id, &ID_ALIASES)?)?;
                    (id, document(&object, fields)?)
                }
            };
            taken += text.len();
            seen.push(Document { line, id, text });
        }
        Ok(seen)
    }
}

/// Texts with their ids, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts {
    /// Distinct ids.
    pub ids: Vec<String>,
    /// What is embedded, one for each id; may be empty.
    pub texts: Vec<String>,
}

/// Reads documents. What is embedded is the title, a blank and the text; a title or text that is
/// absent, `null` or blank leaves the other alone, without a blank.
///
/// # Errors
/// [`Error::Parse`] with the place; [`Error::Content`] if there is no document.
pub fn read_corpus(path: &Path, keep_going: KeepGoing<'_>) -> Result<Texts> {
    parse_corpus(&mut Lines::open(path, keep_going)?)
}

/// Reads queries; a `title` is not used.
///
/// # Errors
/// [`Error::Parse`] with the place; [`Error::Content`] if there is no query.
pub fn read_queries(path: &Path, keep_going: KeepGoing<'_>) -> Result<Texts> {
    parse_queries(&mut Lines::open(path, keep_going)?)
}

pub(super) fn parse_corpus(lines: &mut Lines<'_>) -> Result<Texts> {
    parse(lines, "documents", |object| document(object, &TextFields::default()))
}

/// What is embedded of a document.
fn document(object: &Object<'_, '_>, fields: &TextFields) -> Result<String> {
    let text = object.string(&fields.text, object.require(&fields.text, &TEXT_ALIASES)?)?;
    let Some(title) = object.get(&fields.title) else {
        return Ok(text);
    };
    let title = object.string(&fields.title, title)?;
    Ok(match (title.trim().is_empty(), text.trim().is_empty()) {
        (true, _) => text,
        (false, true) => title,
        (false, false) => format!("{title} {text}"),
    })
}

pub(super) fn parse_queries(lines: &mut Lines<'_>) -> Result<Texts> {
    parse(lines, "queries", |object| object.string("text", object.require("text", &TEXT_ALIASES)?))
}

fn parse(
    lines: &mut Lines<'_>,
    holds: &str,
    text: impl Fn(&Object<'_, '_>) -> Result<String>,
) -> Result<Texts> {
    let mut seen = Texts::default();
    let mut numbers = Vec::new();
    while lines.advance()? {
        let object = Object::parse(lines)?;
        seen.ids.push(object.id("_id", object.require("_id", &ID_ALIASES)?)?);
        seen.texts.push(text(&object)?);
        numbers.push(lines.number());
    }
    if seen.ids.is_empty() {
        return Err(Error::Content {
            path: lines.path().into(),
            found: format!("holds no {holds}"),
            fix: "Check that it was written to the end, or name another file.".into(),
        });
    }
    check_distinct(lines.path(), &seen.ids, &numbers)?;
    Ok(seen)
}

fn check_distinct(path: &str, ids: &[String], numbers: &[u64]) -> Result<()> {
    let mut first = HashMap::with_capacity(ids.len());
    let mut repeats = ids.iter().zip(numbers).filter_map(|(id, line)| {
        let earlier = *first.entry(id.as_str()).or_insert(*line);
        (earlier != *line).then_some((id, *line, earlier))
    });
    let Some((id, line, earlier)) = repeats.next() else {
        return Ok(());
    };
    let more = match repeats.count() {
        0 => String::new(),
        more => format!(", and {more} more such lines"),
    };
    Err(Error::Parse {
        path: path.into(),
        line,
        column: 1,
        found: format!("the _id {} again (first in line {earlier}){more}", quote(id)),
        expected: "each _id once".into(),
        fix: "Remove the repeated lines, or give them ids of their own.".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(text: &str) -> Result<Texts> {
        let mut go = || true;
        parse_corpus(&mut Lines::from_reader("c.jsonl", text.as_bytes(), &mut go)?)
    }

    fn error(text: &str) -> String {
        corpus(text).unwrap_err().to_string()
    }

    #[test]
    fn title_blank_text_and_no_blank_where_one_is_missing() {
        let lines = [
            r#"{"_id": "a", "title": "T", "text": "x y"}"#,
            r#"{"_id": "b", "title": "", "text": "x"}"#,
            r#"{"_id": "c", "text": "x", "metadata": {"k": [1, {"z": null}]}}"#,
            r#"{"_id": "d", "title": null, "text": ""}"#,
            r#"{"_id": "e", "title": "T", "text": " "}"#,
            r#"{"_id": "f", "title": " ", "text": " x"}"#,
            r#"  {"_id": 17, "text": "caf\u00e9 \ud83d\ude00 \"q\""}  "#,
        ];
        let seen = corpus(&lines.join("\n")).unwrap();
        assert_eq!(seen.ids, ["a", "b", "c", "d", "e", "f", "17"]);
        assert_eq!(seen.texts, ["T x y", "x", "x", "", "T", " x", "caf\u{e9} \u{1f600} \"q\""]);
    }

    #[test]
    fn a_missing_field_offers_the_one_that_was_meant() {
        let text = error(r#"{"id": "a", "text": "x"}"#);
        assert!(text.contains("expected the field `_id`. Rename `id` to `_id`."), "{text}");
        assert!(
            error(r#"{"_id": "a", "contents": "x"}"#).ends_with("Rename `contents` to `text`.")
        );
        assert!(error(r#"{"_id": "a", "txet": "x"}"#).ends_with("Rename `txet` to `text`."));
        assert!(error(r#"{"_id": "a", "z": "x"}"#).ends_with("Add `text` to the object."));
        assert!(error("{}").contains("an empty object"));
    }

    #[test]
    fn values_of_the_wrong_kind_name_their_column() {
        assert!(
            error(r#"{"_id": "a", "text": 7}"#)
                .starts_with("c.jsonl:1:22: found a number as `text`")
        );
        assert!(error(r#"{"_id": "a", "text": null}"#).contains("found null as `text`"));
        assert!(
            error(r#"{"_id": "a", "text": "x", "title": ["t"]}"#).contains("a list as `title`")
        );
        for id in ["1.0", "1e3", "true", "null", "[]", "\"\""] {
            assert!(
                error(&format!("{{\"_id\": {id}, \"text\": \"x\"}}")).starts_with("c.jsonl:1:9: ")
            );
        }
        assert!(error("7").contains("found a number; expected a JSON object"));
        assert!(error(r#"[{"_id": "a"}]"#).contains("jq -c '.[]'"));
        assert!(error("_id,text").contains("found \"_id,text\""));
    }

    #[test]
    fn broken_json_names_line_and_column() {
        let good = r#"{"_id": "a", "text": "x"}"#;
        let text = error(&format!("{good}\n{{\"_id\": \"b\" \"text\": \"x\"}}"));
        assert!(text.starts_with("c.jsonl:2:13: found broken JSON"), "{text}");
        assert!(error("{\n\"_id\": \"a\"}").contains("may not span lines"));
        assert!(error(&format!("{good} {good}")).contains("trailing characters"));
        let text = error(r#"{"_id": "a", "text": "", "_id": "b"}"#);
        assert!(text.starts_with("c.jsonl:1:33: found the field \"_id\" a second time"), "{text}");
    }

    #[test]
    fn half_a_surrogate_pair_is_named_at_its_place() {
        for escape in [r"\ud83d", r"\ude00", r"\ud83dx", r"\ud83dA", r"\ud83d\ud83d\ude00"] {
            let text = error(&format!(r#"{{"_id": "a", "text": "ok \\u \ud83d\ude00{escape}"}}"#));
            assert!(text.starts_with("c.jsonl:1:42: found half a character"), "{text}");
        }
        assert!(corpus(r#"{"_id": "a", "text": "x", "other": "\ud83d"}"#).is_ok());
    }

    #[test]
    fn a_repeated_id_names_both_lines_and_counts_the_rest() {
        let line = |id: &str| format!("{{\"_id\": {id}, \"text\": \"x\"}}\n");
        let text = [line("\"7\""), line("8"), line("7"), line("8")].concat();
        let text = error(&text);
        assert!(
            text.starts_with(
                "c.jsonl:3:1: found the _id \"7\" again (first in line 1), and 1 more"
            )
        );
    }

    #[test]
    fn a_stream_gives_what_the_reader_gives_in_parts() {
        let path = std::env::temp_dir().join(format!("embedsmith-stream-{}", std::process::id()));
        let line = |id: &str| format!("{{\"_id\": {id}, \"title\": \"T\", \"text\": \"x y\"}}\n\n");
        std::fs::write(&path, [line("1"), line("\"b\""), line("3")].concat()).unwrap();
        let mut stream = DocumentStream::open(&path, Some(TextFields::default())).unwrap();
        let mut seen = Vec::new();
        loop {
            let part = stream.next(2, 1 << 20).unwrap();
            assert!(part.len() <= 2);
            if part.is_empty() {
                break;
            }
            seen.extend(part);
        }
        let lines: Vec<_> = seen.iter().map(|document| document.line).collect();
        let ids: Vec<_> = seen.iter().map(|document| document.id.as_str()).collect();
        assert_eq!((lines, ids), (vec![1, 3, 5], vec!["1", "b", "3"]));
        assert!(seen.iter().all(|document| document.text == "T x y"));
        assert!(stream.next(2, 1 << 20).unwrap().is_empty());

        let fields = TextFields { id: "_id".into(), text: "title".into(), title: "nothing".into() };
        let mut stream = DocumentStream::open(&path, Some(fields)).unwrap();
        let one = stream.next(9, 1).unwrap();
        assert_eq!(one, [Document { line: 1, id: "1".into(), text: "T".into() }]);

        let mut stream = DocumentStream::open(&path, None).unwrap();
        let all = stream.next(9, 1 << 20).unwrap();
        assert_eq!((all.len(), all[2].id.as_str()), (3, "5"));
        assert_eq!(all[2].text, line("3").trim_end());
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn an_empty_file_says_what_it_lacks() {
        assert!(error("").contains("holds no documents"));
        let mut go = || true;
        let mut lines = Lines::from_reader("q", b"\n\n".as_slice(), &mut go).unwrap();
        assert!(parse_queries(&mut lines).unwrap_err().to_string().contains("holds no queries"));
    }
}
