//! MPNet's bias of attention by the distance of two tokens.

use std::ops::Range;

use super::tensors::Tensors;
use crate::error::Result;

/// Distance from which on all share the last bucket.
const FARTHEST: f32 = 128.0;

/// A bias per head and distance, so that a token's row of biases is a slice.
#[derive(Debug)]
pub(super) struct DistanceBias {
    most: usize,
    /// Per head: distances from `-(most - 1)` to `most - 1`, key less query.
    by_head: Vec<Vec<f32>>,
}

impl DistanceBias {
    /// Reads `name.weight` of shape `(buckets, heads)` for texts of up to `most` tokens.
    pub(super) fn read(
        tensors: &Tensors,
        name: &str,
        (buckets, heads): (usize, usize),
        most: usize,
    ) -> Result<Self> {
        let weights = tensors.values(&format!("{name}.weight"), &[buckets, heads])?;
        let places: Vec<usize> =
            (1 - most as i64..most as i64).map(|d| bucket(d, buckets)).collect();
        let by_head = (0..heads)
            .map(|head| places.iter().map(|place| weights[place * heads + head]).collect())
            .collect();
        Ok(Self { most, by_head })
    }

    /// The biases of one token towards some tokens of its text.
    pub(super) fn row(&self, head: usize, token: usize, keys: Range<usize>) -> &[f32] {
        &self.by_head[head][self.most - 1 + keys.start - token..][..keys.len()]
    }
}

/// The bucket of a distance, key less query: half of them for each side, exact ones first, then
/// logarithmic ones (Raffel et al., "Exploring the limits of transfer learning", 2020).
fn bucket(distance: i64, buckets: usize) -> usize {
    let half = buckets / 2;
    let side = if distance > 0 { half } else { 0 };
    let size = distance.unsigned_abs() as usize;
    let exact = half / 2;
    if size < exact {
        return side + size;
    }
    let share = (size as f32 / exact as f32).ln() / (FARTHEST / exact as f32).ln();
    side + (exact + (share * (half - exact) as f32) as usize).min(half - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_distances_have_buckets_of_their_own_and_far_ones_share() {
        assert_eq!(bucket(0, 32), 0);
        assert_eq!((bucket(-3, 32), bucket(3, 32)), (3, 19));
        assert_eq!((bucket(-7, 32), bucket(-8, 32)), (7, 8));
        // 8 + floor(8 ln(16/8) / ln(128/8)) = 8 + 2
        assert_eq!(bucket(-16, 32), 10);
        assert_eq!((bucket(-127, 32), bucket(-500, 32), bucket(500, 32)), (15, 15, 31));
    }

    #[test]
    fn a_row_is_cut_from_the_distances() {
        let by_head = vec![(-3..=3).map(|d| d as f32).collect()];
        let bias = DistanceBias { most: 4, by_head };
        assert_eq!(bias.row(0, 0, 0..3), [0.0, 1.0, 2.0]);
        assert_eq!(bias.row(0, 2, 0..4), [-2.0, -1.0, 0.0, 1.0]);
        assert_eq!(bias.row(0, 2, 1..3), [-1.0, 0.0]);
    }
}
