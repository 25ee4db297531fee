//! A corpus against itself: the engine against the definition, every pair scored by the scalar kernels.

use proptest::prelude::*;

use super::metric::Normed;
use super::tests::{METRICS, OwnPlane, noise, value};
use super::*;
use crate::error::Error;
use crate::kernels::{Isa, Kernels};
use crate::rank::Ranked;
use crate::rows::{Corpus, Rows, Values};
use crate::threads::Control;

/// The canonical score of every row with every row.
struct Definition {
    metric: Metric,
    rows: usize,
    goodness: Vec<f64>,
}

impl Definition {
    fn of(corpus: Corpus, metric: Metric) -> Self {
        let kernels = Kernels::with_isa(Isa::Scalar).unwrap();
        let rows = corpus.len();
        let mut scratch = Vec::new();
        let vectors: Vec<Vec<f32>> =
            (0..rows).map(|row| corpus.read(kernels, row, &mut scratch).to_vec()).collect();
        let norms: Vec<f64> = vectors.iter().map(|vector| norm(kernels, vector)).collect();
        let one = |row: usize| Normed { values: &vectors[row], norm: norms[row] };
        let goodness = (0..rows * rows)
            .map(|i| metric.goodness(kernels, one(i / rows), one(i % rows)))
            .collect();
        Self { metric, rows, goodness }
    }

    /// Rows and bits of the canonical scores.
    fn topk(&self, k: usize) -> Vec<(i64, u64)> {
        let width = k.min(self.rows - 1);
        let best = |row: usize| {
            let goodness = &self.goodness[row * self.rows..(row + 1) * self.rows];
            let others = (0..self.rows as u32).filter(move |&other| other as usize != row);
            let mut others: Vec<Ranked> =
                others.map(|row| Ranked { goodness: goodness[row as usize], row }).collect();
            others.sort_by(Ranked::order);
            others.truncate(width);
            others
        };
        let bits = |hit: Ranked| (i64::from(hit.row), self.metric.signed(hit.goodness).to_bits());
        (0..self.rows).flat_map(best).map(bits).collect()
    }

    /// Rows and bits of the pairs that reach a canonical score.
    fn pairs(&self, threshold: f64) -> Vec<(i64, i64, u64)> {
        let least = self.metric.signed(threshold);
        let mut found = Vec::new();
        for i in 0..self.rows {
            for j in i + 1..self.rows {
                let goodness = self.goodness[i * self.rows + j];
                if goodness >= least {
                    found.push((goodness + 0.0, i as i64, j as i64));
                }
            }
        }
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
        let exact = |(_, i, j): (f64, i64, i64)| {
            (i, j, self.metric.signed(self.goodness[i as usize * self.rows + j as usize]).to_bits())
        };
        found.into_iter().map(exact).collect()
    }

    /// A score that a share of all pairs reach.
    fn score_of_share(&self, share: f64) -> f64 {
        let mut all: Vec<f64> = (0..self.rows)
            .flat_map(|i| (i + 1..self.rows).map(move |j| i * self.rows + j))
            .map(|place| self.goodness[place])
            .collect();
        all.sort_by(|a, b| b.total_cmp(a));
        let place = (all.len() as f64 * share) as usize;
        self.metric.signed(all.get(place).copied().unwrap_or(0.0))
    }
}

fn join(corpus: Corpus<'_>, metric: Metric) -> SelfJoin<'_> {
    SelfJoin {
        argument: "embeddings",
        corpus,
        norms: None,
        plane: None,
        metric,
        kernels: Kernels::best(),
        threads: 2,
        pass: None,
    }
}

fn rows_and_bits(hits: &Hits) -> Vec<(i64, u64)> {
    for (score, exact) in hits.scores.iter().zip(&hits.exact) {
        assert_eq!(score.to_bits(), (*exact as f32).to_bits());
    }
    hits.rows.iter().copied().zip(hits.exact.iter().map(|score| score.to_bits())).collect()
}

fn pairs_and_bits(pairs: &Pairs) -> Vec<(i64, i64, u64)> {
    for (score, exact) in pairs.scores.iter().zip(&pairs.exact) {
        assert_eq!(score.to_bits(), (*exact as f32).to_bits());
    }
    let rows = pairs.first.iter().copied().zip(pairs.second.iter().copied());
    rows.zip(&pairs.exact).map(|((i, j), exact)| (i, j, exact.to_bits())).collect()
}

/// Compares every instruction set and pass, serial and threaded, with the definition.
fn check(corpus: Corpus, metric: Metric, ks: &[usize], shares: &[f64]) {
    let definition = Definition::of(corpus, metric);
    let ks: Vec<_> = ks.iter().map(|&k| (k, definition.topk(k))).collect();
    let thresholds: Vec<_> = shares
        .iter()
        .map(|&share| definition.score_of_share(share))
        .map(|threshold| (threshold, definition.pairs(threshold)))
        .collect();
    let number = |row| row as u32;
    let fitted = Transform::fitted(Kernels::best(), metric, corpus, corpus.len(), number);
    let turned = Transform::new(fitted.centre(), true);
    let [plain, turned] =
        [fitted, turned].map(|how| OwnPlane::of(Kernels::best(), corpus, metric, how));
    let same = |join: &SelfJoin, threads: usize, most_bytes: usize| {
        let what = format!("{} {:?} x {threads}", join.kernels.isa().name(), join.pass);
        let control = Control::default();
        for (k, expected) in &ks {
            let found = join.topk_on(threads, *k, most_bytes, &control).unwrap();
            assert_eq!(&rows_and_bits(&found), expected, "{what} k {k}");
        }
        for (threshold, expected) in &thresholds {
            let found = join.pairs_on(threads, *threshold, u64::MAX, &control).unwrap();
            assert_eq!(&pairs_and_bits(&found), expected, "{what} from {threshold}");
        }
        let (done, total) = control.progress();
        assert_eq!(done, total, "{what}");
    };
    for kernels in Isa::available().filter_map(Kernels::with_isa) {
        for (codes, threads) in [(&plain, 1), (&turned, 3)] {
            let (plane, norms) = (Some(codes.view()), Some(&codes.norms[..]));
            let pass = Some(PassKind::Int8);
            same(
                &SelfJoin { norms, plane, kernels, pass, ..join(corpus, metric) },
                threads,
                usize::MAX,
            );
        }
        for (pass, threads) in [(PassKind::Bf16, 3), (PassKind::F32, 1), (PassKind::F32, 3)] {
            let pass = Some(pass);
            same(&SelfJoin { kernels, pass, ..join(corpus, metric) }, threads, usize::MAX);
        }
    }
    let (plane, norms) = (Some(plain.view()), Some(&plain.norms[..]));
    same(&SelfJoin { norms, plane, ..join(corpus, metric) }, 2, usize::MAX);
    // Lists that fit no memory.
    same(&SelfJoin { norms, plane, ..join(corpus, metric) }, 2, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pairs_and_neighbours_are_the_definitions_bit_for_bit(
        (dim, n, values) in (0_usize..40, 1_usize..150).prop_flat_map(|(dim, n)| {
            (Just(dim), Just(n), prop::collection::vec(value(), n * dim))
        }),
        k in 1_usize..160,
        share in 0.0..1.0,
        metric in prop::sample::select(METRICS.to_vec()),
    ) {
        let corpus = Rows::new("embeddings", &values, n, dim).unwrap();
        check(corpus.into(), metric, &[k], &[0.0, share]);
    }
}

/// Clusters that lie together, so that neighbours in number are neighbours in space.
fn clustered(n: usize, dim: usize, size: usize) -> Vec<f32> {
    let centres = noise(n.div_ceil(size) * dim, 11);
    let mut values = noise(n * dim, 12);
    for (i, value) in values.iter_mut().enumerate() {
        let (row, d) = (i / dim, i % dim);
        *value = 0.3 * *value + centres[row / size * dim + d];
    }
    values
}

#[test]
fn several_batches_of_sorted_clusters_with_copies_give_the_definition() {
    // More than one batch of places, not a multiple of anything.
    let (dim, n) = (24, 4_400);
    let mut values = clustered(n, dim, 21);
    for row in (0..n).step_by(7) {
        let from = row * 5 % n;
        values.copy_within(from * dim..(from + 1) * dim, row * dim);
    }
    values[100 * dim..103 * dim].fill(0.0);
    let corpus: Corpus = Rows::new("embeddings", &values, n, dim).unwrap().into();
    for metric in METRICS {
        let definition = Definition::of(corpus, metric);
        let threshold = definition.score_of_share(0.004);
        let (expected, pairs) = (definition.topk(10), definition.pairs(threshold));
        let number = |row| row as u32;
        let transform = Transform::fitted(Kernels::best(), metric, corpus, n, number);
        let codes = OwnPlane::of(Kernels::best(), corpus, metric, transform);
        let (plane, norms) = (Some(codes.view()), Some(&codes.norms[..]));
        for pass in [None, Some(PassKind::Int8), Some(PassKind::Bf16), Some(PassKind::F32)] {
            for threads in [1, 2] {
                let join = SelfJoin { norms, plane, threads, pass, ..join(corpus, metric) };
                let found = join.topk(10, &Control::default()).unwrap();
                assert_eq!(rows_and_bits(&found), expected, "{metric:?} {pass:?}");
                // Places are a fair sample, however the rows are sorted.
                assert!(found.stats.repeated < n as u64 / 50, "{:?}", found.stats);
                let found = join.pairs_above(threshold, u64::MAX, &Control::default()).unwrap();
                assert_eq!(pairs_and_bits(&found), pairs, "{metric:?} {pass:?}");
            }
        }
    }
}

#[test]
fn rows_closer_than_f32_can_tell_keep_their_order() {
    let (dim, n) = (384, 190);
    let base = noise(dim, 1);
    let mut corpus: Vec<f32> = base.iter().copied().cycle().take(n * dim).collect();
    for row in 0..n {
        let place = row * dim + row * 31 % dim;
        corpus[place] =
            if row % 2 == 0 { corpus[place].next_up() } else { corpus[place].next_down() };
    }
    let corpus = Rows::new("embeddings", &corpus, n, dim).unwrap();
    for metric in METRICS {
        check(corpus.into(), metric, &[10], &[0.3]);
    }
}

#[test]
fn one_giant_coordinate_and_mixed_magnitudes_lose_nothing() {
    let (dim, n) = (65, 250);
    let mut corpus = noise(n * dim, 5);
    for row in 0..n {
        corpus[row * dim] = 3e4;
        let factor = [1e-30_f32, 1.0, 1e15, 1e-5, 1e33][row % 5];
        corpus[row * dim..(row + 1) * dim].iter_mut().for_each(|v| *v *= factor);
    }
    let corpus = Rows::new("embeddings", &corpus, n, dim).unwrap();
    for metric in METRICS {
        check(corpus.into(), metric, &[1, 60], &[0.01, 0.9]);
    }
}

#[test]
fn halves_are_compared_as_what_they_widen_to() {
    let (dim, n) = (40, 300);
    let values = clustered(n, dim, 9);
    let bits: Vec<u16> = values.iter().map(|value| (value.to_bits() >> 16) as u16).collect();
    let widened: Vec<f32> =
        bits.iter().map(|&bits| f32::from_bits(u32::from(bits) << 16)).collect();
    let corpus = Corpus::new("embeddings", Values::Bf16(&bits), n, dim).unwrap();
    let single: Corpus = Rows::new("embeddings", &widened, n, dim).unwrap().into();
    for metric in METRICS {
        check(corpus, metric, &[7], &[0.05]);
        let ours = join(corpus, metric).topk(7, &Control::default()).unwrap();
        let theirs = join(single, metric).topk(7, &Control::default()).unwrap();
        assert_eq!(rows_and_bits(&ours), rows_and_bits(&theirs));
    }
}

#[test]
fn a_corpus_of_one_vector_has_too_many_pairs_and_the_first_rows_as_neighbours() {
    let (dim, n) = (33, 20_000);
    let values: Vec<f32> = noise(dim, 3).iter().copied().cycle().take(n * dim).collect();
    let corpus = Rows::new("embeddings", &values, n, dim).unwrap();
    let all = join(corpus.into(), Metric::Cosine);
    let error = all.pairs_above(0.9, 100_000, &Control::default()).unwrap_err();
    assert_eq!(error, Error::TooManyPairs { most: 100_000 });
    let corpus = Rows::new("embeddings", &values[..2_000 * dim], 2_000, dim).unwrap();
    let hits = join(corpus.into(), Metric::L2).topk(3, &Control::default()).unwrap();
    assert_eq!(hits.rows[..9], [1, 2, 3, 0, 2, 3, 0, 1, 3]);
    assert!(hits.rows[9..].chunks(3).all(|rows| rows == [0, 1, 2]));
}

#[test]
fn the_most_pairs_are_allowed_and_one_more_is_not() {
    let values = [1.0, 2.0, 3.0, 4.0];
    let corpus = Rows::new("embeddings", &values, 4, 1).unwrap();
    let run = |metric, threshold, most| {
        join(corpus.into(), metric).pairs_above(threshold, most, &Control::default())
    };
    // Products 2, 3, 4, 6, 8, 12: equal counts as above.
    let found = run(Metric::Dot, 6.0, 3).unwrap();
    assert_eq!((found.first, found.second), (vec![2, 1, 1], vec![3, 3, 2]));
    assert_eq!(run(Metric::Dot, 6.0, 2), Err(Error::TooManyPairs { most: 2 }));
    // Distances 1, 1, 1, 4, 4, 9.
    let found = run(Metric::L2, 4.0, 5).unwrap();
    assert_eq!((found.first, found.second), (vec![0, 1, 2, 0, 1], vec![1, 2, 3, 2, 3]));
    assert_eq!(found.exact, [1.0, 1.0, 1.0, 4.0, 4.0]);
    assert_eq!(run(Metric::L2, 0.5, 0).unwrap(), Pairs::default());
    assert_eq!(run(Metric::Dot, f64::NEG_INFINITY, 6).unwrap().scores.len(), 6);
    assert_eq!(run(Metric::L2, f64::INFINITY, 6).unwrap().scores.len(), 6);
    assert_eq!(run(Metric::Dot, f64::INFINITY, 6).unwrap(), Pairs::default());
}

#[test]
fn a_single_row_has_no_neighbours() {
    let corpus = Rows::new("embeddings", &[1.0, 2.0], 1, 2).unwrap();
    let one = join(corpus.into(), Metric::Cosine);
    let hits = one.topk(5, &Control::default()).unwrap();
    assert_eq!((hits.width, hits.rows.len()), (0, 0));
    assert_eq!(one.pairs_above(-1.0, 9, &Control::default()).unwrap(), Pairs::default());
}

#[test]
fn bad_input_is_named() {
    let good = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let bad = [1.0, 2.0, f32::NAN, 4.0, f32::INFINITY, 6.0];
    let rows = |data| Corpus::from(Rows::new("embeddings", data, 3, 2).unwrap());
    let control = Control::default();
    let named = Error::NonFinite { argument: "embeddings", row: 1 };
    let norms = [1.0; 3];
    for norms in [None, Some(&norms[..])] {
        // With norms, which say that rows are finite, only a score tells: of either end of a pair.
        let damaged = SelfJoin { norms, ..join(rows(&bad), Metric::Dot) };
        assert_eq!(damaged.topk(1, &control).unwrap_err(), named);
        assert_eq!(damaged.pairs_above(0.0, 9, &control).unwrap_err(), named);
    }
    let sound = join(rows(&good), Metric::Dot);
    assert_eq!(sound.topk(0, &control), Err(Error::ZeroK));
    assert_eq!(sound.pairs_above(f64::NAN, 9, &control), Err(Error::NanThreshold));
    let short = SelfJoin { norms: Some(&norms[..2]), ..sound };
    let error = Error::PerRow { argument: "norms", found: 2, expected: 3 };
    assert_eq!(short.topk(1, &control), Err(error));
    let empty = join(Rows::new("embeddings", &[], 0, 2).unwrap().into(), Metric::Dot);
    let error = Error::Empty { argument: "embeddings" };
    assert_eq!(empty.pairs_above(0.0, 9, &control), Err(error));
    let stopped = Control::default();
    stopped.stop();
    assert_eq!(sound.topk(1, &stopped), Err(Error::Stopped));
    assert_eq!(sound.pairs_above(0.0, 9, &stopped), Err(Error::Stopped));
}
