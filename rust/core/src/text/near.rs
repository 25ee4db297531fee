//! All pairs of near-duplicate texts, or the links that join them into groups.

use std::collections::HashMap;

use rayon::prelude::*;

use super::bands::{Banding, Hashes};
use super::shingles::{Shingles, jaccard, normalised};
use crate::error::{Error, Result, filled};
use crate::threads::{Control, pool};

/// Candidates that are verified together: what bounds the memory, and how often Ctrl-C is seen.
const CHUNK: usize = 1 << 15;
/// Texts that one task normalises or hashes.
const TEXTS: usize = 256;
/// Candidates that one task verifies.
const CHECKED: usize = 64;

/// What to compare, and how.
#[derive(Debug, Clone, Copy)]
pub struct NearDuplicates<'a, T> {
    /// The texts, as they came.
    pub texts: &'a [T],
    /// Only pairs with one text before this place and one from it on; None: all pairs.
    pub border: Option<usize>,
    /// The Jaccard similarity that a pair must reach, from above 0 to 1.
    pub threshold: f64,
    /// What is compared.
    pub shingles: Shingles,
    /// The probability that a pair at the threshold is found, below 1.
    pub recall: f64,
    /// Chooses the hash functions.
    pub seed: u64,
    /// Threads; the answer does not depend on them.
    pub threads: usize,
}

/// Pairs of texts by their places, the first one lower.
#[derive(Debug, Default, PartialEq)]
pub struct NearPairs {
    /// The lower place of each.
    pub first: Vec<i64>,
    /// The higher place of each.
    pub second: Vec<i64>,
    /// Exact Jaccard similarity of the shingles.
    pub similarity: Vec<f64>,
}

type Found = Vec<(u32, u32, f64)>;

/// Texts by normalised content: of equal ones on one side of the border, the first stands for all.
struct Distinct {
    texts: Vec<String>,
    copies: Vec<Vec<u32>>,
}

impl<T: AsRef<str> + Sync> NearDuplicates<'_, T> {
    /// Returns every pair that was found, the most similar first, then by place.
    ///
    /// # Errors
    /// [`Error::TooManyPairs`] beyond `most`; [`Error::TooManyRows`]; if stopped, or memory is short.
    pub fn pairs(&self, most: u64, control: &Control) -> Result<NearPairs> {
        self.run(control, |distinct| {
            let mut found = Found::new();
            let full = |found: &Found| found.len() as u64 > most;
            self.candidates(
                distinct,
                control,
                |_, _| true,
                |chunk| {
                    for &(a, b, similarity) in chunk {
                        for &one in &distinct.copies[a as usize] {
                            for &other in &distinct.copies[b as usize] {
                                found.push((one.min(other), one.max(other), similarity));
                                if full(&found) {
                                    return Err(Error::TooManyPairs { most });
                                }
                            }
                        }
                    }
                    Ok(())
                },
            )?;
            if self.border.is_none() {
                for copies in &distinct.copies {
                    for (place, &one) in copies.iter().enumerate() {
                        for &other in &copies[place + 1..] {
                            found.push((one, other, 1.0));
                            if full(&found) {
                                return Err(Error::TooManyPairs { most });
                            }
                        }
                    }
                }
            }
            Ok(found)
        })
    }

    /// Returns links that join near-duplicates into groups: no more than one for each text, whatever
    /// the size of the groups. Two texts are of one group if a chain of found pairs joins them.
    ///
    /// # Errors
    /// As [`NearDuplicates::pairs`], without the limit.
    pub fn links(&self, control: &Control) -> Result<NearPairs> {
        self.run(control, |distinct| {
            let mut found = Found::new();
            for copies in &distinct.copies {
                found.extend(copies[1..].iter().map(|&copy| (copies[0], copy, 1.0)));
            }
            let groups = std::cell::RefCell::new(Groups::new(distinct.texts.len())?);
            let apart = |a: u32, b: u32| {
                let mut groups = groups.borrow_mut();
                groups.root(a) != groups.root(b)
            };
            self.candidates(distinct, control, apart, |chunk| {
                let mut groups = groups.borrow_mut();
                for &(a, b, similarity) in chunk {
                    if groups.join(a, b) {
                        let (a, b) =
                            (distinct.copies[a as usize][0], distinct.copies[b as usize][0]);
                        found.push((a.min(b), a.max(b), similarity));
                    }
                }
                Ok(())
            })?;
            Ok(found)
        })
    }

    fn run(
        &self,
        control: &Control,
        find: impl FnOnce(&Distinct) -> Result<Found> + Send,
    ) -> Result<NearPairs> {
        let most = u32::MAX as usize;
        if self.texts.len() > most {
            let rows = self.texts.len();
            return Err(Error::TooManyRows { argument: "texts", rows, most });
        }
        let mut found = pool(self.threads)?.install(|| {
            let distinct = self.distinct(control)?;
            find(&distinct)
        })?;
        found.sort_unstable_by(|a, b| b.2.total_cmp(&a.2).then((a.0, a.1).cmp(&(b.0, b.1))));
        Ok(NearPairs {
            first: found.iter().map(|one| i64::from(one.0)).collect(),
            second: found.iter().map(|one| i64::from(one.1)).collect(),
            similarity: found.iter().map(|one| one.2).collect(),
        })
    }

    fn is_left(&self, place: usize) -> bool {
        self.border.is_some_and(|border| place < border)
    }

    /// Texts without a letter or digit have no shingle, and are like nothing.
    #[allow(clippy::cast_possible_truncation, reason = "`run` refuses more texts than u32 counts")]
    fn distinct(&self, control: &Control) -> Result<Distinct> {
        let all: Vec<String> = self
            .texts
            .par_iter()
            .with_min_len(TEXTS)
            .map(|text| {
                if control.is_stopped() {
                    return Err(Error::Stopped);
                }
                Ok(normalised(text.as_ref()))
            })
            .collect::<Result<_>>()?;
        let mut seen: HashMap<(bool, &str), usize> = HashMap::with_capacity(all.len());
        let mut kept = Vec::new();
        let mut copies: Vec<Vec<u32>> = Vec::new();
        for (place, text) in all.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
            let number = *seen.entry((self.is_left(place), text)).or_insert(copies.len());
            if number == copies.len() {
                copies.push(Vec::new());
                kept.push(place);
            }
            copies[number].push(place as u32);
        }
        drop(seen);
        let mut all = all;
        let texts = kept.into_iter().map(|place| std::mem::take(&mut all[place])).collect();
        Ok(Distinct { texts, copies })
    }

    /// Hands over verified pairs of distinct texts chunk by chunk, in an order that depends on
    /// nothing but the texts and the seed. Each pair that `wanted` admits is verified once: in the
    /// first band in which it agrees.
    #[allow(clippy::cast_possible_truncation, reason = "`run` refuses more texts than u32 counts")]
    fn candidates(
        &self,
        distinct: &Distinct,
        control: &Control,
        wanted: impl Fn(u32, u32) -> bool,
        mut take: impl FnMut(&[(u32, u32, f64)]) -> Result<()>,
    ) -> Result<()> {
        let banding = Banding::new(self.threshold, self.recall);
        let (n, bands) = (distinct.texts.len(), banding.bands);
        control.expect((n + bands) as u64);
        let keys = self.keys(distinct, banding, control)?;
        let key = |text: u32, band: usize| keys[text as usize * bands + band];
        let left = |text: u32| self.is_left(distinct.copies[text as usize][0] as usize);
        let mut chunk: Vec<(u32, u32)> = Vec::new();
        let mut order: Vec<(u32, u32)> = filled("near-duplicates", (0, 0), Some(n))?;
        for band in 0..bands {
            for (text, slot) in order.iter_mut().enumerate() {
                *slot = (key(text as u32, band), text as u32);
            }
            order.par_sort_unstable();
            for group in order.chunk_by(|a, b| a.0 == b.0) {
                for (place, &(_, a)) in group.iter().enumerate() {
                    for &(_, b) in &group[place + 1..] {
                        if self.border.is_some() && left(a) == left(b)
                            || (0..band).any(|before| key(a, before) == key(b, before))
                            || !wanted(a, b)
                        {
                            continue;
                        }
                        chunk.push((a, b));
                        if chunk.len() == CHUNK {
                            take(&self.verified(distinct, &chunk, control)?)?;
                            chunk.clear();
                        }
                    }
                    if control.is_stopped() {
                        return Err(Error::Stopped);
                    }
                }
            }
            take(&self.verified(distinct, &chunk, control)?)?;
            chunk.clear();
            control.advance(1);
        }
        Ok(())
    }

    fn keys(&self, distinct: &Distinct, banding: Banding, control: &Control) -> Result<Vec<u32>> {
        let (n, bands) = (distinct.texts.len(), banding.bands);
        let hashes = Hashes::new(banding, self.seed);
        let mut keys: Vec<u32> = filled("near-duplicates", 0, n.checked_mul(bands))?;
        keys.par_chunks_mut(bands * TEXTS).zip(distinct.texts.par_chunks(TEXTS)).try_for_each(
            |(keys, texts)| {
                let mut least = Vec::new();
                for (keys, text) in keys.chunks_exact_mut(bands).zip(texts) {
                    if control.is_stopped() {
                        return Err(Error::Stopped);
                    }
                    hashes.keys(text, self.shingles, &mut least, keys);
                }
                control.advance(texts.len() as u64);
                Ok(())
            },
        )?;
        Ok(keys)
    }

    fn verified(
        &self,
        distinct: &Distinct,
        candidates: &[(u32, u32)],
        control: &Control,
    ) -> Result<Found> {
        let parts: Vec<Found> = candidates
            .par_chunks(CHECKED)
            .map(|part| {
                if control.is_stopped() {
                    return Err(Error::Stopped);
                }
                let mut found = Found::new();
                // Candidates come by their first text, so its set serves the next ones too.
                let mut kept: Option<(u32, Vec<&str>)> = None;
                for &(a, b) in part {
                    let set_of = |text: u32| self.shingles.set(&distinct.texts[text as usize]);
                    let set = match kept.take() {
                        Some((of, set)) if of == a => set,
                        _ => set_of(a),
                    };
                    let similarity = jaccard(&set, &set_of(b));
                    if similarity >= self.threshold {
                        found.push((a, b, similarity));
                    }
                    kept = Some((a, set));
                }
                Ok(found)
            })
            .collect::<Result<_>>()?;
        Ok(parts.concat())
    }
}

/// Disjoint sets; each is named by its lowest member.
struct Groups(Vec<u32>);

impl Groups {
    #[allow(clippy::cast_possible_truncation, reason = "`run` refuses more texts than u32 counts")]
    fn new(n: usize) -> Result<Self> {
        let mut parents = filled("near-duplicates", 0_u32, Some(n))?;
        parents.iter_mut().enumerate().for_each(|(place, parent)| *parent = place as u32);
        Ok(Self(parents))
    }

    fn root(&mut self, mut of: u32) -> u32 {
        while self.0[of as usize] != of {
            let above = self.0[self.0[of as usize] as usize];
            self.0[of as usize] = above;
            of = above;
        }
        of
    }

    /// Joins two sets; false if they were one.
    fn join(&mut self, a: u32, b: u32) -> bool {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b) as usize] = a.min(b);
        a != b
    }
}
