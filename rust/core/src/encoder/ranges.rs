//! How large the inputs of linear maps get.

/// Maps of a layer whose inputs were normalised just before: that of queries, keys and values, and the
/// first after attention.
pub(super) const MAPS: usize = 2;

/// The largest size of each column, over all rows that were looked at; nothing unless it is asked for.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    by_map: Option<Vec<Vec<f32>>>,
    /// The layer at hand.
    pub(super) layer: usize,
}

impl Ranges {
    /// Room for all maps of so many layers.
    pub(super) fn asked(layers: usize, width: usize) -> Self {
        Self { by_map: Some(vec![vec![0.0; width]; layers * MAPS]), layer: 0 }
    }

    /// Looks at rows that go into one of the layer's maps.
    pub(super) fn look(&mut self, map: usize, rows: &[f32]) {
        let Some(by_map) = &mut self.by_map else { return };
        let range = &mut by_map[self.layer * MAPS + map];
        for row in rows.chunks_exact(range.len()) {
            for (most, value) in range.iter_mut().zip(row) {
                *most = most.max(value.abs());
            }
        }
    }

    /// Takes in what others saw.
    pub(super) fn merge(&mut self, other: &Self) {
        let (Some(own), Some(others)) = (&mut self.by_map, &other.by_map) else { return };
        for (most, value) in own.iter_mut().flatten().zip(others.iter().flatten()) {
            *most = most.max(*value);
        }
    }

    /// The ranges by layer and map.
    pub(super) fn into_rows(self) -> Vec<Vec<f32>> {
        self.by_map.unwrap_or_default()
    }
}
