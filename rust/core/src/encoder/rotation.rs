//! Places as turns: pairs of a query's columns, and of a key's, are turned by the token's place, so
//! that their product depends on the distance (Su et al., "RoFormer", 2021).

use crate::kernels::Kernels;

/// The turns of every place: a cosine, then a sine, for each pair of columns.
#[derive(Debug)]
pub(super) struct Rotation {
    width: usize,
    turns: Vec<f32>,
}

impl Rotation {
    /// The turns of heads of `width` columns for the first `places`.
    ///
    /// Each step is rounded to `f32` as torch rounds it: at a far place the angle itself is large, and
    /// a more precise one would be another.
    pub(super) fn new(theta: f64, width: usize, places: usize) -> Self {
        let pairs = width / 2;
        let frequency = |pair: usize| 1.0 / theta.powf(pair as f64 / pairs as f64) as f32;
        let frequencies: Vec<f32> = (0..pairs).map(frequency).collect();
        let mut turns = Vec::with_capacity(places * width);
        for place in 0..places {
            let angle = |frequency: &f32| f64::from(place as f32 * frequency);
            turns.extend(frequencies.iter().map(|f| angle(f).cos() as f32));
            turns.extend(frequencies.iter().map(|f| angle(f).sin() as f32));
        }
        Self { width, turns }
    }

    /// Turns the heads of a row, whose token stands at `place`.
    pub(super) fn apply(&self, row: &mut [f32], place: usize, kernels: Kernels) {
        kernels.rotate(row, &self.turns[place * self.width..][..self.width]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Isa, Kernels};

    #[test]
    fn products_depend_on_the_distance_alone() {
        let rotation = Rotation::new(10_000.0, 32, 8192);
        let own: Vec<f32> = (0..64).map(|i| ((i * 37) % 19) as f32 * 0.1 - 0.8).collect();
        for kernels in Isa::available().filter_map(Kernels::with_isa) {
            let at = |place| {
                let mut row = own.clone();
                rotation.apply(&mut row, place, kernels);
                row
            };
            assert_eq!(at(0), own);
            let product = |a, b| kernels.dot(&at(a)[32..], &at(b)[32..]);
            assert!((product(3, 10) - product(40, 47)).abs() < 1e-5);
            // A far angle is a rounded one.
            assert!((product(3, 10) - product(8000, 8007)).abs() < 1e-2);
            assert!((product(3, 10) - product(3, 11)).abs() > 1e-2);
        }
    }

    #[test]
    fn the_first_pair_turns_by_the_place_itself() {
        let rotation = Rotation::new(10_000.0, 32, 3);
        let mut row = vec![0.0; 32];
        row[0] = 1.0;
        rotation.apply(&mut row, 2, Kernels::best());
        assert!((row[0] - 2.0_f32.cos()).abs() < 1e-6);
        assert!((row[16] - 2.0_f32.sin()).abs() < 1e-6);
    }
}
