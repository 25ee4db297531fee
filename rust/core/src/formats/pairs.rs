//! Training pairs and triplets: JSON lines with `query`, `positive` and `negative`.

use std::collections::HashMap;
use std::path::Path;

use super::groups::Ids;
use super::json::Object;
use super::lines::{KeepGoing, Lines, quote};
use crate::error::{Error, Result};

const QUERY_ALIASES: [&str; 2] = ["anchor", "question"];
const POSITIVE_ALIASES: [&str; 4] = ["pos", "passage", "document", "answer"];

/// Distinct texts, and which document is a positive of which query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairs {
    /// Distinct query texts, in the order in which they were first seen.
    pub queries: Vec<String>,
    /// Distinct positives and negatives, likewise.
    pub documents: Vec<String>,
    /// The positives of query `i` are `rows[offsets[i]..offsets[i + 1]]`.
    pub offsets: Vec<i64>,
    /// Positions in `documents`, each once for a query.
    pub rows: Vec<i64>,
}

/// Reads pairs. `positive` (or `positives`) and, if there, `negative` (or `negatives`) hold a string
/// or a list of strings; lines with the same query are taken together.
///
/// # Errors
/// [`Error::Parse`] with the place, also where a text is positive and negative for one query;
/// [`Error::Content`] if there is no line.
pub fn read_pairs(path: &Path, keep_going: KeepGoing<'_>) -> Result<Pairs> {
    parse(&mut Lines::open(path, keep_going)?)
}

pub(super) fn parse(lines: &mut Lines<'_>) -> Result<Pairs> {
    let (mut queries, mut documents) = (Ids::default(), Ids::default());
    let mut positives: Vec<Vec<i64>> = Vec::new();
    // For each pair whether it is a positive, and the line that said so.
    let mut judged: HashMap<(usize, usize), (bool, u64)> = HashMap::new();
    while lines.advance()? {
        let object = Object::parse(lines)?;
        let text = object.string("query", object.require("query", &QUERY_ALIASES)?)?;
        if text.trim().is_empty() {
            let fix = "Write the query, or remove the line.";
            return Err(lines.fail(1, "an empty query", "a text", fix));
        }
        let query = queries.number(&text);
        positives.resize_with(queries.len(), Vec::new);
        for (positive, name, value) in values(&object)? {
            for text in object.strings(name, value)? {
                let document = documents.number(&text);
                let said = judged.entry((query, document));
                let known = matches!(said, std::collections::hash_map::Entry::Occupied(_));
                let (was_positive, line) = *said.or_insert((positive, lines.number()));
                if was_positive != positive {
                    return Err(lines.fail(
                        lines.column_of(value.get()),
                        format!(
                            "{} as positive and as negative of one query (see line {line})",
                            quote(&text)
                        ),
                        "one or the other",
                        "Remove it from one of the two fields.",
                    ));
                }
                if positive && !known {
                    positives[query].push(document as i64);
                }
            }
        }
        if positives[query].is_empty() {
            let fix = "Name at least one positive, or remove the line.";
            return Err(lines.fail(1, "a query without positives", "a text", fix));
        }
    }
    if positives.is_empty() {
        return Err(Error::Content {
            path: lines.path().into(),
            found: "holds no pairs".into(),
            fix: "Check that it was written to the end, or name another file.".into(),
        });
    }
    let mut offsets = vec![0];
    let mut rows = Vec::new();
    for of_query in positives {
        rows.extend(of_query);
        offsets.push(rows.len() as i64);
    }
    Ok(Pairs { queries: queries.into_vec(), documents: documents.into_vec(), offsets, rows })
}

type Value<'a> = (bool, &'static str, &'a serde_json::value::RawValue);

/// The fields that hold documents: (is it a positive, name, value).
fn values<'a>(object: &Object<'a, '_>) -> Result<Vec<Value<'a>>> {
    let fields =
        [(true, "positive"), (true, "positives"), (false, "negative"), (false, "negatives")];
    let found: Vec<_> = fields
        .into_iter()
        .filter_map(|(positive, name)| Some((positive, name, object.get(name)?)))
        .collect();
    if !found.iter().any(|(positive, ..)| *positive) {
        object.require("positive", &POSITIVE_ALIASES)?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Pairs> {
        let mut go = || true;
        parse(&mut Lines::from_reader("p.jsonl", text.as_bytes(), &mut go)?)
    }

    fn error(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn lines_of_one_query_join_and_texts_count_once() {
        let pairs = read(
            r#"{"query": "q", "positive": "a", "negative": "b"}
               {"query": "r", "positives": ["c", "a"], "negatives": ["d", "b"]}
               {"query": "q", "positive": ["a", "c"], "negative": []}"#,
        )
        .unwrap();
        assert_eq!(pairs.queries, ["q", "r"]);
        assert_eq!(pairs.documents, ["a", "b", "c", "d"]);
        assert_eq!((pairs.offsets, pairs.rows), (vec![0, 2, 4], vec![0, 2, 2, 0]));
    }

    #[test]
    fn wrong_lines_name_the_fix() {
        assert!(
            error(r#"{"anchor": "q", "positive": "a"}"#).ends_with("Rename `anchor` to `query`.")
        );
        assert!(error(r#"{"query": "q", "pos": "a"}"#).ends_with("Rename `pos` to `positive`."));
        assert!(error(r#"{"query": "q", "positive": 3}"#).contains("a number as `positive`"));
        assert!(error(r#"{"query": "q", "positive": ["a", 3]}"#).starts_with("p.jsonl:1:34: "));
        assert!(error(r#"{"query": "q", "positive": []}"#).contains("without positives"));
        assert!(error(r#"{"query": " ", "positive": "a"}"#).contains("an empty query"));
        assert!(error("").contains("holds no pairs"));
        let twice = r#"{"query": "q", "positive": "a", "negative": ["b", "a"]}"#;
        assert!(error(twice).contains("as positive and as negative"));
    }

    #[test]
    fn a_null_positive_is_none() {
        let text = error(r#"{"query": "q", "positive": null, "negative": "b"}"#);
        assert!(text.contains("without positives"), "{text}");
    }
}
