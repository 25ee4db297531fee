//! Random numbers by counter: `SplitMix64`, seekable.
//!
//! A stream is the orbit of a 64-bit state by a constant increment, hashed on the way out, so the
//! i-th number costs the same as the first. Steele, Lea and Flood, "Fast splittable pseudorandom
//! number generators", OOPSLA 2014 (the constants are theirs).

const INCREMENT: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// What a stream is for.
///
/// All streams are stretches of one orbit of 2^64 states, entered where a hash says. Two stretches
/// of n states overlap with a chance of n / 2^63, so that streams share numbers is unlikely and
/// not ruled out: 3e-9 for any two of 10,000 resamples of 1,000 queries (500 states each).
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// Resampling of queries.
    Resample = 1,
    /// Flipping of signs.
    Flip = 2,
    /// Exchanging of values between systems.
    Exchange = 3,
    /// Drawing of samples that have not been taken.
    Simulate = 4,
}

/// The numbers of one resample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    state: u64,
}

impl Stream {
    pub(super) fn new(seed: u64, purpose: Purpose, resample: u64) -> Self {
        let key = mix(seed.wrapping_add(INCREMENT)) ^ mix(purpose as u64);
        Self { state: mix(key ^ mix(resample.wrapping_mul(INCREMENT))) }
    }

    /// The `i`-th number of the stream.
    pub(super) fn at(self, i: u64) -> u64 {
        mix(self.state.wrapping_add((i + 1).wrapping_mul(INCREMENT)))
    }

    /// Fills `out` with whole numbers below `n`, those at positions `start..` of the stream;
    /// `start` must be even. Two numbers come of each hash. The multiply-shift favours some
    /// numbers by less than n / 2^32, far below what any number of resamples can show.
    pub(super) fn below(self, n: u32, start: u64, out: &mut [u32]) {
        debug_assert!(start.is_multiple_of(2));
        let scale = |half: u64| ((half * u64::from(n)) >> 32) as u32;
        for (i, pair) in out.chunks_mut(2).enumerate() {
            let bits = self.at(start / 2 + i as u64);
            pair[0] = scale(bits & 0xFFFF_FFFF);
            if let Some(second) = pair.get_mut(1) {
                *second = scale(bits >> 32);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_are_those_of_splitmix64() {
        // Published test vector of SplitMix64 from state 1234567.
        let stream = Stream { state: 1_234_567 };
        assert_eq!(stream.at(0), 6_457_827_717_110_365_317);
        assert_eq!(stream.at(1), 3_203_168_211_198_807_973);
    }

    #[test]
    fn numbers_below_n_do_not_depend_on_the_chunks_they_are_drawn_in() {
        let stream = Stream::new(7, Purpose::Resample, 3);
        let (mut whole, mut parts) = ([0; 11], [0; 11]);
        stream.below(10, 0, &mut whole);
        stream.below(10, 0, &mut parts[..4]);
        stream.below(10, 4, &mut parts[4..]);
        assert_eq!(whole, parts);
        assert!(whole.iter().all(|&i| i < 10));
    }

    #[test]
    fn numbers_below_n_are_uniform() {
        let mut counts = [0u32; 6];
        let mut drawn = [0; 100];
        for resample in 0..600 {
            Stream::new(1, Purpose::Resample, resample).below(6, 0, &mut drawn);
            for &i in &drawn {
                counts[i as usize] += 1;
            }
        }
        // 60,000 draws: chi-squared with 5 degrees of freedom exceeds 20.5 once in a thousand.
        let chi: f64 = counts.iter().map(|&c| (f64::from(c) - 1e4).powi(2) / 1e4).sum();
        assert!(chi < 20.5, "{counts:?}");
    }

    #[test]
    fn purposes_seeds_and_resamples_give_other_streams() {
        let first = |seed, purpose, r| Stream::new(seed, purpose, r).at(0);
        let base = first(0, Purpose::Resample, 0);
        assert_ne!(base, first(0, Purpose::Flip, 0));
        assert_ne!(base, first(1, Purpose::Resample, 0));
        assert_ne!(base, first(0, Purpose::Resample, 1));
    }
}
