//! What a text is compared by: its normalised form, cut into overlapping pieces.

use std::cmp::Ordering;

/// How a text is cut into pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shingles {
    /// Runs of so many characters.
    Characters(usize),
    /// Runs of so many words.
    Words(usize),
}

/// A text in lower case whose letters and digits are kept, with one blank for whatever is between.
#[must_use]
pub fn normalised(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut apart = false;
    for one in text.chars().flat_map(char::to_lowercase) {
        if one.is_alphanumeric() {
            if apart && !made.is_empty() {
                made.push(' ');
            }
            made.push(one);
            apart = false;
        } else {
            apart = true;
        }
    }
    made
}

impl Shingles {
    /// Calls `each` with every shingle of a normalised text, repeats included. A text that is too
    /// short for one is its own; an empty one has none.
    pub fn visit<'t>(self, text: &'t str, mut each: impl FnMut(&'t str)) {
        if text.is_empty() {
            return;
        }
        let (Self::Characters(size) | Self::Words(size)) = self;
        // Where each unit starts and ends; a window runs from the start of its first to the end of
        // its last.
        let mut ends = match self {
            Self::Characters(_) => Units::Characters(text.char_indices()),
            Self::Words(_) => Units::Words { text, at: 0 },
        };
        let mut starts = ends.clone();
        for _ in 1..size {
            if ends.next().is_none() {
                return each(text);
            }
        }
        let mut any = false;
        for (_, end) in ends {
            if let Some((start, _)) = starts.next() {
                each(&text[start..end]);
                any = true;
            }
        }
        if !any {
            each(text);
        }
    }

    /// The distinct shingles of a normalised text, in byte order.
    #[must_use]
    pub fn set(self, text: &str) -> Vec<&str> {
        let mut set = Vec::with_capacity(text.len());
        self.visit(text, |shingle| set.push(shingle));
        set.sort_unstable();
        set.dedup();
        set
    }
}

/// Characters or words of a text: where each starts and ends, in bytes.
#[derive(Clone)]
enum Units<'t> {
    Characters(std::str::CharIndices<'t>),
    Words { text: &'t str, at: usize },
}

impl Iterator for Units<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        match self {
            Self::Characters(places) => {
                let (start, one) = places.next()?;
                Some((start, start + one.len_utf8()))
            }
            Self::Words { text, at } => {
                if *at >= text.len() {
                    return None;
                }
                let start = *at;
                let end = text[start..].find(' ').map_or(text.len(), |length| start + length);
                *at = end + 1;
                Some((start, end))
            }
        }
    }
}

/// Jaccard similarity of two sets in byte order; 0 where one is empty.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "counts far below 2^53")]
pub(super) fn jaccard(a: &[&str], b: &[&str]) -> f64 {
    let (mut i, mut j, mut both) = (0, 0, 0_usize);
    while i < a.len() && j < b.len() {
        match a[i].cmp(b[j]) {
            Ordering::Less => i += 1,
            Ordering::Greater => j += 1,
            Ordering::Equal => {
                both += 1;
                i += 1;
                j += 1;
            }
        }
    }
    if both == 0 {
        return 0.0;
    }
    both as f64 / (a.len() + b.len() - both) as f64
}
