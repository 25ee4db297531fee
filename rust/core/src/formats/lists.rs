//! A number for each (query, document) by query, with the ids as the file had them.
//!
//! Documents are not numbered: a measure looks a few up among a query's own, by their bytes.

use std::collections::HashMap;

use rayon::prelude::*;

use super::groups::Groups;
use super::pieces::Piece;
use crate::error::Result;
use crate::threads;

/// Queries per task.
const CHUNK: usize = 128;

/// The entries of all queries of a file.
#[derive(Debug)]
pub struct Lists<V> {
    query_ids: Vec<String>,
    places: HashMap<String, usize>,
    pieces: Vec<Piece<V>>,
    /// Piece, first entry, one past the last.
    spans: Vec<(u32, u32, u32)>,
    /// Query `i` owns `spans[offsets[i]..offsets[i + 1]]`.
    offsets: Vec<usize>,
    tag: Option<String>,
    one_tag: bool,
}

impl<V: Copy + Default + Send + Sync> Lists<V> {
    /// The entries of `pieces`, on end; `None` if a query has a document twice.
    pub(super) fn new(pieces: Vec<Piece<V>>, threads: Option<usize>) -> Result<Option<Self>> {
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut query_ids: Vec<String> = Vec::new();
        let mut found = Vec::new();
        let (mut tag, mut one_tag) = (None, true);
        for (number, piece) in pieces.iter().enumerate() {
            for (query, start, end) in piece.stretches() {
                let place = places.get(query).copied().unwrap_or_else(|| {
                    query_ids.push(query.to_owned());
                    places.insert(query.to_owned(), query_ids.len() - 1);
                    query_ids.len() - 1
                });
                found.push((place, (number as u32, start, end)));
            }
            if let Some(own) = &piece.tag {
                one_tag &= !piece.other_tags && tag.as_ref().is_none_or(|known| known == own);
                tag = Some(own.clone());
            }
        }
        // Stable: what belongs to a query keeps the order of the file.
        found.sort_by_key(|(place, _)| *place);
        let mut offsets = vec![0; query_ids.len() + 1];
        for (i, (place, _)) in found.iter().enumerate() {
            offsets[place + 1] = i + 1;
        }
        let spans = found.into_iter().map(|(_, span)| span).collect();
        let all = Self { query_ids, places, pieces, spans, offsets, tag, one_tag };
        let pool = threads::pool(threads::resolve(threads)?)?;
        let repeats = pool.install(|| {
            (0..all.len())
                .into_par_iter()
                .with_min_len(CHUNK)
                .any(|query| all.list(query).repeats())
        });
        Ok((!repeats).then_some(all))
    }

    /// The same entries; `groups` has no document of a query twice.
    pub(super) fn from_groups(groups: &Groups<V>) -> Self {
        let mut pieces = vec![Piece::with_room(groups.rows.len())];
        let mut spans = Vec::with_capacity(groups.query_ids.len());
        for bounds in groups.offsets.windows(2) {
            let mut piece = pieces.len() - 1;
            // Numbers of 32 bits end well after this.
            if pieces[piece].len() > 1 << 24 {
                pieces.push(Piece::with_room(1 << 10));
                piece += 1;
            }
            let start = pieces[piece].len() as u32;
            for i in bounds[0] as usize..bounds[1] as usize {
                pieces[piece].push(&groups.doc_ids[groups.rows[i] as usize], groups.values[i]);
            }
            spans.push((piece as u32, start, pieces[piece].len() as u32));
        }
        let query_ids = groups.query_ids.clone();
        Self {
            places: query_ids.iter().cloned().enumerate().map(|(i, id)| (id, i)).collect(),
            offsets: (0..=query_ids.len()).collect(),
            query_ids,
            pieces,
            spans,
            tag: None,
            one_tag: true,
        }
    }

    /// Entries with documents numbered in the order in which they are first seen, query by query.
    #[must_use]
    pub fn to_groups(&self) -> Groups<V> {
        let mut numbers: HashMap<&str, i64> = HashMap::new();
        let mut doc_ids = Vec::new();
        let (mut offsets, mut rows, mut values) = (vec![0], Vec::new(), Vec::new());
        for query in 0..self.len() {
            for (_, id, value) in self.list(query).entries() {
                rows.push(*numbers.entry(id).or_insert_with(|| {
                    doc_ids.push(id.to_owned());
                    doc_ids.len() as i64 - 1
                }));
                values.push(value);
            }
            offsets.push(rows.len() as i64);
        }
        Groups { query_ids: self.query_ids.clone(), doc_ids, offsets, rows, values }
    }

    /// Number of queries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.query_ids.len()
    }

    /// Whether there is no query.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.query_ids.is_empty()
    }

    /// Number of entries.
    #[must_use]
    pub fn n_pairs(&self) -> usize {
        self.pieces.iter().map(Piece::len).sum()
    }

    /// Ids of the queries, in the order in which they were first seen.
    #[must_use]
    pub fn query_ids(&self) -> &[String] {
        &self.query_ids
    }

    /// The name that the file gives the run in its last line (as `trec_eval` takes it), if its format has one.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Whether all lines have the same name.
    #[must_use]
    pub fn one_tag(&self) -> bool {
        self.one_tag
    }

    /// The position of a query.
    #[must_use]
    pub fn place(&self, query: &str) -> Option<usize> {
        self.places.get(query).copied()
    }

    /// The entries of the `query`-th query.
    ///
    /// # Panics
    /// If there are fewer queries.
    #[must_use]
    pub fn list(&self, query: usize) -> List<'_, V> {
        List { all: self, spans: &self.spans[self.offsets[query]..self.offsets[query + 1]] }
    }
}

/// The entries of one query, in the order of the file.
#[derive(Debug, Clone, Copy)]
pub struct List<'a, V> {
    all: &'a Lists<V>,
    spans: &'a [(u32, u32, u32)],
}

/// An entry: a hash of the document id, the id, the number.
pub type Entry<'a, V> = (u32, &'a str, V);

impl<'a, V: Copy> List<'a, V> {
    /// The entries: a hash of the document id, the id, the number.
    pub fn entries(self) -> impl Iterator<Item = Entry<'a, V>> {
        self.spans.iter().flat_map(move |&(piece, start, end)| {
            let piece = &self.all.pieces[piece as usize];
            (start as usize..end as usize)
                .map(move |i| (piece.hashes[i], piece.id(i), piece.values[i]))
        })
    }

    fn id(self, mut entry: usize) -> &'a str {
        for &(piece, start, end) in self.spans {
            let n = (end - start) as usize;
            if entry < n {
                return self.all.pieces[piece as usize].id(start as usize + entry);
            }
            entry -= n;
        }
        unreachable!("entries are numbered by the spans")
    }

    fn hashes(self) -> impl Iterator<Item = u32> {
        self.spans
            .iter()
            .flat_map(move |&(piece, start, end)| {
                &self.all.pieces[piece as usize].hashes[start as usize..end as usize]
            })
            .copied()
    }

    /// Entries by hash, equal ones in the order of the file.
    fn by_hash(self) -> Vec<(u32, u32)> {
        let mut order: Vec<_> = self.hashes().zip(0..).collect();
        order.sort_unstable();
        order
    }

    /// Whether a document stands there twice.
    fn repeats(self) -> bool {
        self.by_hash().chunk_by(|a, b| a.0 == b.0).filter(|equal| equal.len() > 1).any(|equal| {
            // Ordered, since ids that were made to collide would else cost their square.
            let mut ids: Vec<_> = equal.iter().map(|&(_, entry)| self.id(entry as usize)).collect();
            ids.sort_unstable();
            ids.windows(2).any(|pair| pair[0] == pair[1])
        })
    }
}
