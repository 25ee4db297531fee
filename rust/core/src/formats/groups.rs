//! A value for each (query, document), grouped by query: what qrels and runs have in common.

use std::collections::HashMap;

use super::faults::Faults;
use super::lines::{Lines, quote};
use crate::error::{Error, Result};

/// Values by query in compressed-row form; ids in the order in which they were first seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Groups<V> {
    /// Distinct query ids.
    pub query_ids: Vec<String>,
    /// Distinct document ids.
    pub doc_ids: Vec<String>,
    /// Query `i` owns entries `offsets[i]..offsets[i + 1]`.
    pub offsets: Vec<i64>,
    /// For each entry its position in `doc_ids`.
    pub rows: Vec<i64>,
    /// For each entry its grade or score.
    pub values: Vec<V>,
}

/// Borrowed [`Groups`] on their way to a file.
#[derive(Debug)]
pub struct Table<'a, S, V> {
    /// See [`Groups::query_ids`].
    pub query_ids: &'a [S],
    /// See [`Groups::doc_ids`].
    pub doc_ids: &'a [S],
    /// See [`Groups::offsets`].
    pub offsets: &'a [i64],
    /// See [`Groups::rows`].
    pub rows: &'a [i64],
    /// See [`Groups::values`].
    pub values: &'a [V],
}

impl<'a, S: AsRef<str>, V: Copy> Table<'a, S, V> {
    /// The queries with their (document id, value) pairs.
    ///
    /// # Panics
    /// If offsets or rows point outside: whoever built the columns is wrong.
    pub(super) fn queries(&self) -> impl Iterator<Item = (&'a str, Vec<(&'a str, V)>)> {
        let &Self { query_ids, doc_ids, offsets, rows, values } = self;
        query_ids.iter().zip(offsets.windows(2)).map(move |(query, bounds)| {
            let range = bounds[0] as usize..bounds[1] as usize;
            let entries = rows[range.clone()]
                .iter()
                .zip(&values[range])
                .map(|(&row, &value)| (doc_ids[row as usize].as_ref(), value))
                .collect();
            (query.as_ref(), entries)
        })
    }

    /// Refuses ids that a reader of `path` could not give back; `breaks` says which characters
    /// end a column there.
    pub(super) fn check_ids(&self, path: &str, breaks: fn(char) -> bool, fix: &str) -> Result<()> {
        let named = [("query", self.query_ids), ("document", self.doc_ids)];
        for (what, ids) in named {
            for id in ids {
                let id = id.as_ref();
                if id.is_empty() || id.contains(breaks) {
                    return Err(Error::Content {
                        path: path.into(),
                        found: format!(
                            "was not written: the {what} id {} has a blank or control character, \
                             or is empty, and would not be read back",
                            quote(id)
                        ),
                        fix: fix.into(),
                    });
                }
            }
        }
        Ok(())
    }
}

/// Ids numbered in the order in which they come.
#[derive(Default)]
pub(super) struct Ids(HashMap<String, usize>);

impl Ids {
    pub(super) fn number(&mut self, id: &str) -> usize {
        // Two look-ups for a new id, but no allocation for one that is known.
        if let Some(&known) = self.0.get(id) {
            return known;
        }
        let next = self.0.len();
        self.0.insert(id.to_owned(), next);
        next
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn into_vec(self) -> Vec<String> {
        let mut ids = vec![String::new(); self.0.len()];
        for (id, place) in self.0 {
            ids[place] = id;
        }
        ids
    }
}

struct Entry<V> {
    query: usize,
    doc: usize,
    line: u64,
    value: V,
}

/// Collects the entries of a file.
pub(super) struct Builder<V> {
    queries: Ids,
    docs: Ids,
    entries: Vec<Entry<V>>,
    last_query: (String, usize),
}

impl<V: Copy> Builder<V> {
    pub(super) fn new() -> Self {
        Self {
            queries: Ids::default(),
            docs: Ids::default(),
            entries: Vec::new(),
            last_query: (String::new(), usize::MAX),
        }
    }

    /// Adds the entry of the current line.
    pub(super) fn push(
        &mut self,
        lines: &Lines<'_>,
        query: &str,
        doc: &str,
        value: V,
    ) -> Result<()> {
        for (what, id) in [("query", query), ("document", doc)] {
            if id.is_empty() {
                let fix = format!("Give the {what} an id, or remove the line.");
                return Err(lines.fail(
                    lines.column_of(id),
                    format!("an empty {what} id"),
                    "an id",
                    fix,
                ));
            }
        }
        // Files list a query's documents together, so most look-ups are a comparison.
        if self.last_query.1 == usize::MAX || self.last_query.0 != query {
            self.last_query = (query.to_owned(), self.queries.number(query));
        }
        let doc = self.docs.number(doc);
        self.entries.push(Entry { query: self.last_query.1, doc, line: lines.number(), value });
        Ok(())
    }

    /// Groups the entries; a document that a query has twice is a fault.
    pub(super) fn finish(
        mut self,
        path: &str,
        holds: &str,
        faults: &mut Faults,
    ) -> Result<Groups<V>> {
        if self.entries.is_empty() && faults.found.is_empty() {
            return Err(Error::Content {
                path: path.into(),
                found: format!("holds no {holds}"),
                fix: "Check that it was written to the end, or name another file.".into(),
            });
        }
        // Stable, so a query's documents keep the order of the file; a file in order costs one pass.
        if !self.entries.is_sorted_by_key(|entry| entry.query) {
            self.entries.sort_by_key(|entry| entry.query);
        }
        let (query_ids, doc_ids) = (self.queries.into_vec(), self.docs.into_vec());
        let mut offsets = vec![0_i64; query_ids.len() + 1];
        let mut seen_at = vec![(usize::MAX, 0_u64); doc_ids.len()];
        for (i, entry) in self.entries.iter().enumerate() {
            offsets[entry.query + 1] = i as i64 + 1;
            let (query, first) = seen_at[entry.doc];
            if query != entry.query {
                seen_at[entry.doc] = (entry.query, entry.line);
                continue;
            }
            faults.pass(Err::<(), _>(Error::Parse {
                path: path.into(),
                line: entry.line,
                column: 1,
                found: format!(
                    "query {} with document {} again (first in line {first})",
                    quote(&query_ids[query]),
                    quote(&doc_ids[entry.doc])
                ),
                expected: "each pair of query and document once".into(),
                fix: "Remove one of the two lines.".into(),
            }))?;
        }
        Ok(Groups {
            query_ids,
            doc_ids,
            offsets,
            rows: self.entries.iter().map(|entry| entry.doc as i64).collect(),
            values: self.entries.iter().map(|entry| entry.value).collect(),
        })
    }
}
