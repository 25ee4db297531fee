//! `MinHash` in bands: texts that agree in one band are candidates.
//!
//! Broder, "On the resemblance and containment of documents" (1997); Indyk and Motwani, "Approximate
//! nearest neighbors" (1998). Two texts of Jaccard similarity s agree in one hash with probability
//! s, in a band of r of them with s^r, and in at least one of b bands with 1 - (1 - s^r)^b.

use super::shingles::Shingles;

/// More hashes than this make a text slower than the candidates they would save.
const MOST_HASHES: u32 = 160;
const MOST_ROWS: u32 = 16;

/// How many bands of how many hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Banding {
    /// Bands; agreeing in one makes a candidate.
    pub bands: usize,
    /// Hashes of a band; all must agree.
    pub rows: usize,
}

impl Banding {
    /// The longest bands that find a pair of similarity `threshold` with probability `recall`.
    ///
    /// Longer bands have fewer false candidates. Where even bands of one hash need more hashes than
    /// are sensible, they are taken all the same: recall is what was promised.
    #[must_use]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "1 to some thousand"
    )]
    pub fn new(threshold: f64, recall: f64) -> Self {
        let bands = |rows: u32| {
            let agree = threshold.powi(rows.cast_signed());
            if agree >= 1.0 { 1 } else { ((-recall).ln_1p() / (-agree).ln_1p()).ceil() as usize }
        };
        let rows = (2..=MOST_ROWS)
            .rev()
            .find(|&rows| bands(rows).saturating_mul(rows as usize) <= MOST_HASHES as usize)
            .unwrap_or(1);
        Self { bands: bands(rows).max(1), rows: rows as usize }
    }

    /// The probability that a pair of this similarity becomes a candidate.
    #[must_use]
    pub fn recall(self, similarity: f64) -> f64 {
        let (rows, bands) = (self.rows, self.bands);
        let of = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        1.0 - (1.0 - similarity.powi(of(rows))).powi(of(bands))
    }
}

/// The hash functions of all bands.
pub(super) struct Hashes {
    banding: Banding,
    seed: u64,
    /// Multiplier and offset of each: multiply-shift, strongly universal on 32-bit keys.
    functions: Vec<(u64, u64)>,
}

impl Hashes {
    pub(super) fn new(banding: Banding, seed: u64) -> Self {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            mixed(state)
        };
        let functions = (0..banding.bands * banding.rows).map(|_| (next() | 1, next())).collect();
        Self { banding, seed: next(), functions }
    }

    /// Writes the key of each band of a text; `least` is scratch.
    pub(super) fn keys(
        &self,
        text: &str,
        shingles: Shingles,
        least: &mut Vec<u32>,
        keys: &mut [u32],
    ) {
        least.clear();
        least.resize(self.functions.len(), u32::MAX);
        shingles.visit(text, |shingle| {
            let key = hash(shingle.as_bytes(), self.seed) >> 32;
            for (least, &(factor, offset)) in least.iter_mut().zip(&self.functions) {
                let value = (key.wrapping_mul(factor).wrapping_add(offset) >> 32) as u32;
                *least = (*least).min(value);
            }
        });
        for (key, band) in keys.iter_mut().zip(least.chunks_exact(self.banding.rows)) {
            let folded = band.iter().fold(self.seed, |state, &one| mixed(state ^ u64::from(one)));
            *key = (folded >> 32) as u32;
        }
    }
}

/// The last step of `SplitMix64`: every bit of the input moves every bit of the output.
fn mixed(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

fn hash(bytes: &[u8], seed: u64) -> u64 {
    bytes.chunks(8).fold(mixed(seed ^ bytes.len() as u64), |state, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mixed(state ^ u64::from_le_bytes(word))
    })
}
