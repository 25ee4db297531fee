//! From a text's rows to one vector.

use crate::kernels::Kernels;

/// A way to make one vector of a text's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The first row.
    Cls,
    /// The mean of all rows.
    Mean,
    /// The largest value of each column.
    Max,
    /// The last row.
    LastToken,
    /// The sum of all rows over the root of their number.
    MeanSqrtLen,
    /// The mean, each row weighted by its place from 1.
    WeightedMean,
}

impl Pooling {
    /// The way of the given name, as sentence-transformers writes it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "cls" => Self::Cls,
            "mean" => Self::Mean,
            "max" => Self::Max,
            "lasttoken" => Self::LastToken,
            "mean_sqrt_len_tokens" | "mean_sqrt_len" => Self::MeanSqrtLen,
            "weightedmean" => Self::WeightedMean,
            _ => return None,
        })
    }

    /// Appends the vector of a text's rows, one or more.
    pub(super) fn append(
        self,
        rows: &[f32],
        width: usize,
        target: &mut Vec<f32>,
        kernels: Kernels,
    ) {
        let start = target.len();
        let (first, last) = (&rows[..width], &rows[rows.len() - width..]);
        let count = (rows.len() / width) as f32;
        match self {
            Self::Cls => target.extend_from_slice(first),
            Self::LastToken => target.extend_from_slice(last),
            Self::Max => {
                target.extend_from_slice(first);
                for row in rows.chunks_exact(width) {
                    for (most, value) in target[start..].iter_mut().zip(row) {
                        *most = most.max(*value);
                    }
                }
            }
            Self::Mean | Self::MeanSqrtLen => {
                target.resize(start + width, 0.0);
                for row in rows.chunks_exact(width) {
                    kernels.add(row, &mut target[start..]);
                }
                let divisor = if self == Self::Mean { count } else { count.sqrt() };
                for value in &mut target[start..] {
                    *value /= divisor;
                }
            }
            Self::WeightedMean => {
                target.resize(start + width, 0.0);
                for (place, row) in rows.chunks_exact(width).enumerate() {
                    let weight = (place + 1) as f32;
                    for (sum, value) in target[start..].iter_mut().zip(row) {
                        *sum += weight * value;
                    }
                }
                for value in &mut target[start..] {
                    *value /= count * (count + 1.0) / 2.0;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_is_its_formula() {
        let rows = [1.0, -2.0, 3.0, 4.0, 5.0, 0.0];
        for (name, expected) in [
            ("cls", [1.0, -2.0]),
            ("lasttoken", [5.0, 0.0]),
            ("max", [5.0, 4.0]),
            ("mean", [3.0, 2.0 / 3.0]),
            ("mean_sqrt_len_tokens", [9.0 / 3.0_f32.sqrt(), 2.0 / 3.0_f32.sqrt()]),
            // (1 + 2 * 3 + 3 * 5) / 6, (-2 + 2 * 4) / 6
            ("weightedmean", [22.0 / 6.0, 1.0]),
        ] {
            let mut found = vec![9.0];
            Pooling::named(name).unwrap().append(&rows, 2, &mut found, Kernels::best());
            assert_eq!(found, [9.0, expected[0], expected[1]], "{name}");
        }
        assert_eq!(Pooling::named("attention"), None);
    }
}
