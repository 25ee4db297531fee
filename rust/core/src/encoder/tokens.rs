//! From texts to token ids, by the model's own tokenizer.json.

use std::path::Path;

use rayon::prelude::*;
use tokenizers::utils::truncation::{TruncationDirection, TruncationParams, TruncationStrategy};

use crate::error::{Error, Result};
use crate::threads;

/// Which end of a long text is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The start: tokens are cut on the right.
    Right,
    /// The end.
    Left,
}

/// The tokens of some texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Of all texts, one after another; cut, with special tokens.
    pub ids: Vec<u32>,
    /// Text `i` has `ids[offsets[i]..offsets[i + 1]]`.
    pub offsets: Vec<usize>,
    /// Tokens of each text before it was cut.
    pub counts: Vec<usize>,
}

/// A tokenizer with its limit.
#[derive(Debug)]
pub struct Tokenizer {
    /// Cuts nothing.
    whole: tokenizers::Tokenizer,
    /// Adds special tokens, and cuts to leave room for them.
    cutting: tokenizers::Tokenizer,
    added: usize,
    name: String,
}

impl Tokenizer {
    /// Reads a tokenizer.json. Truncation and padding that it carries are left-overs of its making: the
    /// limit given here holds.
    ///
    /// # Errors
    /// [`Error::Unreadable`], or [`Error::Tokenizer`] if the file is damaged or `max_tokens` leaves no room for
    /// text.
    pub fn open(path: &Path, max_tokens: usize, side: Side) -> Result<Self> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| Error::Unreadable {
            path: name.clone(),
            reason: error.to_string(),
            fix: "Check the path and who may read it.".to_owned(),
        })?;
        let damaged = |problem: String| Error::Tokenizer { file: name.clone(), problem };
        let mut whole = tokenizers::Tokenizer::from_bytes(bytes)
            .map_err(|error| damaged(format!("is no tokenizer ({error})")))?;
        whole.with_padding(None);
        whole.with_truncation(None).map_err(|error| damaged(error.to_string()))?;
        let added = whole
            .get_post_processor()
            .map_or(0, |last| tokenizers::PostProcessor::added_tokens(last, false));
        if max_tokens <= added {
            return Err(damaged(format!(
                "adds {added} tokens to each text, which leaves none of {max_tokens} for the text"
            )));
        }
        let mut cutting = whole.clone();
        cutting
            .with_truncation(Some(TruncationParams {
                direction: match side {
                    Side::Right => TruncationDirection::Right,
                    Side::Left => TruncationDirection::Left,
                },
                max_length: max_tokens,
                strategy: TruncationStrategy::LongestFirst,
                stride: 0,
            }))
            .map_err(|error| damaged(error.to_string()))?;
        Ok(Self { whole, cutting, added, name })
    }

    /// Ids that a text can get: the model needs a row for each.
    #[must_use]
    pub fn size(&self) -> usize {
        self.whole.get_vocab_size(true)
    }

    /// The tokens of texts, several at a time.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] if the file's rules fail on a text; threads as everywhere.
    pub fn encode<T: AsRef<str> + Sync>(
        &self,
        texts: &[T],
        threads: Option<usize>,
    ) -> Result<Tokens> {
        let wanted = threads::resolve(threads)?;
        let one = |text: &T| self.encode_one(text.as_ref());
        let each: Vec<(Vec<u32>, usize)> = if texts.len() < 2 || wanted == 1 {
            texts.iter().map(one).collect::<Result<_>>()?
        } else {
            threads::pool(wanted)?.install(|| texts.par_iter().map(one).collect::<Result<_>>())?
        };
        let mut tokens = Tokens { offsets: vec![0], ..Tokens::default() };
        for (ids, count) in each {
            tokens.ids.extend_from_slice(&ids);
            tokens.offsets.push(tokens.ids.len());
            tokens.counts.push(count);
        }
        Ok(tokens)
    }

    fn encode_one(&self, text: &str) -> Result<(Vec<u32>, usize)> {
        let failed = |error: tokenizers::Error| Error::Tokenizer {
            file: self.name.clone(),
            problem: format!("fails on a text of {} bytes ({error})", text.len()),
        };
        let encoding = self.whole.encode_fast(text, false).map_err(failed)?;
        let count = encoding.len() + self.added;
        let processed = self.cutting.post_process(encoding, None, true).map_err(failed)?;
        Ok((processed.get_ids().to_vec(), count))
    }
}
