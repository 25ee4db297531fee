//! The engine against the definition: every pair scored by the scalar kernels, then sorted.

use proptest::prelude::*;

use super::metric::Normed;
use super::*;
use crate::error::Error;
use crate::kernels::int8::stride;
use crate::kernels::{Isa, Kernels};
use crate::rank::Ranked;
use crate::rows::{Corpus, Rows};
use crate::threads::Control;

pub(super) fn definition(search: &Search) -> Hits {
    let kernels = Kernels::with_isa(Isa::Scalar).unwrap();
    let width = search.k.min(search.corpus.len());
    let (mut exact, mut rows, mut above) = (Vec::new(), Vec::new(), Vec::new());
    for query in 0..search.queries.len() {
        let values = search.queries.row(query);
        let query_norm = norm(kernels, values);
        let mut scratch = Vec::new();
        let mut hits = Vec::new();
        for row in 0..search.corpus.len() as u32 {
            let allowed = search.allowed.is_none_or(|allowed| allowed[row as usize]);
            if !allowed || search.exclude.is_some_and(|exclude| exclude.contains(query, row)) {
                continue;
            }
            let document = search.corpus.read(kernels, row as usize, &mut scratch);
            let document = Normed { values: document, norm: norm(kernels, document) };
            let query = Normed { values, norm: query_norm };
            hits.push(Ranked { goodness: search.metric.goodness(kernels, query, document), row });
        }
        if let Some(all) = search.at_most {
            let ceiling = search.metric.signed(all[query]);
            let total = hits.len();
            hits.retain(|hit: &Ranked| hit.goodness <= ceiling);
            above.push((total - hits.len()) as i64);
        }
        hits.sort_by(Ranked::order);
        for place in 0..width {
            let hit = hits.get(place);
            let worst = search.metric.worst().into();
            exact.push(hit.map_or(worst, |hit| search.metric.signed(hit.goodness)));
            rows.push(hit.map_or(-1, |hit| i64::from(hit.row)));
        }
    }
    let scores = exact.iter().map(|&score: &f64| score as f32).collect();
    Hits { scores, exact, rows, width, above, stats: Stats::default() }
}

pub(super) fn bits(hits: &Hits) -> Vec<(u32, u64)> {
    let pairs = hits.scores.iter().zip(&hits.exact);
    pairs.map(|(score, exact)| (score.to_bits(), exact.to_bits())).collect()
}

/// A plane of its own.
pub(super) struct OwnPlane {
    codes: Vec<i8>,
    facts: Vec<f32>,
    sums: Vec<i32>,
    pub(super) norms: Vec<f64>,
    transform: Transform,
}

impl OwnPlane {
    pub(super) fn of(
        kernels: Kernels,
        corpus: Corpus,
        metric: Metric,
        transform: Transform,
    ) -> Self {
        let n = corpus.len();
        let mut codes = vec![0; n * stride(corpus.dim())];
        let (mut facts, mut sums, mut norms) = (vec![0.0; n * FACTS], vec![0; n], vec![0.0; n]);
        let out =
            PlaneMut { codes: &mut codes, facts: &mut facts, sums: &mut sums, norms: &mut norms };
        build("corpus", kernels, metric, corpus, &transform, out, 2, &Control::default()).unwrap();
        Self { codes, facts, sums, norms, transform }
    }

    pub(super) fn view(&self) -> Plane<'_> {
        let Self { codes, facts, sums, transform, .. } = self;
        Plane::new(sums.len(), codes, facts, sums, transform).unwrap()
    }
}

/// Compares every instruction set and pass, serial and threaded, with the definition.
pub(super) fn check(search: &Search) {
    let expected = definition(search);
    let same = |found: &Hits, what: &str| {
        assert_eq!(found.rows, expected.rows, "{what}");
        assert_eq!(found.above, expected.above, "{what}");
        assert_eq!(bits(found), bits(&expected), "{what}");
    };
    let Search { corpus, metric, .. } = *search;
    let number = |row| row as u32;
    let fitted = Transform::fitted(Kernels::best(), metric, corpus, corpus.len(), number);
    let turned = Transform::new(fitted.centre(), true);
    for transform in [fitted, turned] {
        let codes = OwnPlane::of(Kernels::best(), corpus, metric, transform);
        for kernels in Isa::available().filter_map(Kernels::with_isa) {
            let (plane, norms) = (Some(codes.view()), Some(&codes.norms[..]));
            let found = Search { kernels, plane, norms, pass: Some(PassKind::Int8), ..*search };
            let found = found.run_on(2, &Control::default()).unwrap();
            same(&found, &format!("{} stored", kernels.isa().name()));
        }
    }
    for kernels in Isa::available().filter_map(Kernels::with_isa) {
        for pass in PassKind::ALL {
            for threads in [1, 3] {
                let found = Search { kernels, threads, pass: Some(pass), ..*search };
                let found = found.run_on(threads, &Control::default()).unwrap();
                same(&found, &format!("{} {pass:?} x {threads}", kernels.isa().name()));
            }
        }
    }
}

pub(super) fn search<'a>(
    queries: Rows<'a>,
    corpus: Rows<'a>,
    k: usize,
    metric: Metric,
) -> Search<'a> {
    Search {
        queries,
        corpus: corpus.into(),
        norms: None,
        plane: None,
        k,
        metric,
        exclude: None,
        allowed: None,
        at_least: None,
        at_most: None,
        kernels: Kernels::best(),
        threads: 1,
        pass: None,
    }
}

pub(super) const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::L2];

/// Values that collide often (ties, zero rows) and span the range of `f32`.
pub(super) fn value() -> impl Strategy<Value = f32> {
    prop_oneof![
        6 => (-2_i8..=2).prop_map(f32::from),
        3 => -1.0_f32..1.0,
        1 => prop::sample::select(vec![1e-45, -1e-38, 1e-20, 1e20, -3e38, 3e38, 1.000_000_1, -0.0]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_answer_is_the_definitions_bit_for_bit(
        (dim, n, q, values) in (0_usize..40, 1_usize..80, 1_usize..70).prop_flat_map(|(dim, n, q)| {
            (Just(dim), Just(n), Just(q), prop::collection::vec(value(), (n + q) * dim))
        }),
        k in 1_usize..90,
        metric in prop::sample::select(METRICS.to_vec()),
        filter in any::<[bool; 8]>(),
    ) {
        let queries = Rows::new("queries", &values[..q * dim], q, dim).unwrap();
        let corpus = Rows::new("corpus", &values[q * dim..], n, dim).unwrap();
        let allowed: Vec<bool> = (0..n).map(|row| filter[row % 8] || row % 3 == 0).collect();
        let offsets: Vec<usize> = (0..=q).map(|i| i * 2).collect();
        let rows: Vec<i64> = (0..q * 2).map(|i| (i * 7 % n) as i64).collect();
        let exclude = Exclude::new(&offsets, &rows, q, n).unwrap();
        check(&search(queries, corpus, k, metric));
        check(&Search {
            allowed: Some(&allowed),
            exclude: Some(&exclude),
            ..search(queries, corpus, k, metric)
        });
    }
}

pub(super) fn noise(n: usize, seed: u32) -> Vec<f32> {
    let mut state = u64::from(seed) * 2 + 1;
    (0..n)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / 8_388_608.0 - 1.0
        })
        .collect()
}

#[test]
fn rows_closer_than_f32_can_tell_keep_their_order() {
    // Every row is one vector with one value moved by one ulp, so f32 sums collide at random.
    let (dim, n) = (384, 3_000);
    let base = noise(dim, 1);
    let mut corpus: Vec<f32> = base.iter().copied().cycle().take(n * dim).collect();
    for row in 0..n {
        let place = row * dim + row * 31 % dim;
        corpus[place] =
            if row % 2 == 0 { corpus[place].next_up() } else { corpus[place].next_down() };
    }
    let queries = noise(5 * dim, 2);
    let (queries, corpus) = (
        Rows::new("queries", &queries, 5, dim).unwrap(),
        Rows::new("corpus", &corpus, n, dim).unwrap(),
    );
    for metric in METRICS {
        check(&search(queries, corpus, 10, metric));
    }
}

#[test]
fn a_corpus_of_one_vector_returns_the_first_rows() {
    let (dim, n) = (33, 20_000);
    let corpus: Vec<f32> = noise(dim, 3).iter().copied().cycle().take(n * dim).collect();
    let queries = noise(70 * dim, 4);
    let request = search(
        Rows::new("queries", &queries, 70, dim).unwrap(),
        Rows::new("corpus", &corpus, n, dim).unwrap(),
        10,
        Metric::Cosine,
    );
    let hits = Search { threads: 2, ..request }.run(&Control::default()).unwrap();
    assert!(hits.rows.chunks(10).all(|rows| rows.iter().copied().eq(0..10)));
}

#[test]
fn one_giant_coordinate_and_mixed_magnitudes_lose_nothing() {
    let (dim, n) = (65, 2_000);
    let mut corpus = noise(n * dim, 5);
    for row in 0..n {
        corpus[row * dim] = 3e4;
        let factor = [1e-30_f32, 1.0, 1e15, 1e-5][row % 4];
        corpus[row * dim..(row + 1) * dim].iter_mut().for_each(|v| *v *= factor);
    }
    let queries = noise(20 * dim, 6);
    let (queries, corpus) = (
        Rows::new("queries", &queries, 20, dim).unwrap(),
        Rows::new("corpus", &corpus, n, dim).unwrap(),
    );
    for metric in METRICS {
        for k in [1, 10, 300] {
            check(&search(queries, corpus, k, metric));
        }
    }
}

#[test]
fn known_norms_change_nothing() {
    let (dim, n) = (48, 500);
    let (queries, corpus) = (noise(9 * dim, 7), noise(n * dim, 8));
    let queries = Rows::new("queries", &queries, 9, dim).unwrap();
    let corpus = Rows::new("corpus", &corpus, n, dim).unwrap();
    let norms =
        row_norms("corpus", Kernels::best(), corpus.into(), 2, &Control::default()).unwrap();
    for metric in METRICS {
        check(&Search { norms: Some(&norms), ..search(queries, corpus, 7, metric) });
    }
}

#[test]
fn scores_are_the_formula() {
    let queries = [3.0, 4.0];
    let corpus = [6.0, 8.0, 0.0, 0.0, 4.0, -3.0];
    let queries = Rows::new("queries", &queries, 1, 2).unwrap();
    let corpus = Rows::new("corpus", &corpus, 3, 2).unwrap();
    let run = |metric| search(queries, corpus, 3, metric).run(&Control::default()).unwrap();
    // Cosine: 50 / (5 * 10), a zero row, a right angle; the tie goes to the lower row.
    let found = run(Metric::Cosine);
    assert_eq!((found.scores, found.rows, found.width), (vec![1.0, 0.0, 0.0], vec![0, 1, 2], 3));
    assert_eq!(run(Metric::Dot).scores, [50.0, 0.0, 0.0]);
    // 3^2 + 4^2 twice, and 1^2 + 7^2.
    let found = run(Metric::L2);
    assert_eq!((found.exact, found.rows), (vec![25.0, 25.0, 50.0], vec![0, 1, 2]));
}

#[test]
fn places_that_no_row_fills_say_so() {
    let values = [1.0, 2.0, 3.0];
    let rows = Rows::new("corpus", &values, 3, 1).unwrap();
    let query = Rows::new("queries", &values[..1], 1, 1).unwrap();
    let exclude = Exclude::new(&[0, 1], &[2], 1, 3).unwrap();
    let hits = Search { exclude: Some(&exclude), ..search(query, rows, 9, Metric::Dot) };
    let hits = hits.run(&Control::default()).unwrap();
    assert_eq!((hits.width, &hits.rows[..]), (3, &[1, 0, -1][..]));
    assert_eq!(hits.scores[2], f32::NEG_INFINITY);
    let none = Search { allowed: Some(&[false; 3]), ..search(query, rows, 2, Metric::L2) };
    let none = none.run(&Control::default()).unwrap();
    assert_eq!((&none.rows[..], none.scores[0]), (&[-1, -1][..], f32::INFINITY));
}

#[test]
fn bad_input_is_named() {
    let good = [1.0, 2.0, 3.0, 4.0];
    let bad = [1.0, 2.0, f32::NAN, 4.0];
    let rows = |data| Rows::new("corpus", data, 2, 2).unwrap();
    let run = |request: Search| request.run(&Control::default()).unwrap_err();
    assert_eq!(
        run(search(rows(&good), rows(&bad), 1, Metric::Dot)),
        Error::NonFinite { argument: "corpus", row: 1 }
    );
    assert_eq!(
        run(search(rows(&bad), rows(&good), 1, Metric::Dot)),
        Error::NonFinite { argument: "queries", row: 1 }
    );
    assert_eq!(run(search(rows(&good), rows(&good), 0, Metric::Dot)), Error::ZeroK);
    let empty = Rows::new("corpus", &[], 0, 2).unwrap();
    assert_eq!(
        run(search(rows(&good), empty, 1, Metric::Dot)),
        Error::Empty { argument: "corpus" }
    );
    let narrow = Rows::new("corpus", &good, 4, 1).unwrap();
    assert_eq!(
        run(search(rows(&good), narrow, 1, Metric::Dot)),
        Error::Width { queries: 2, corpus: 1 }
    );
    let stopped = Control::default();
    stopped.stop();
    let request = search(rows(&good), rows(&good), 1, Metric::Dot);
    assert_eq!(request.run(&stopped), Err(Error::Stopped));
}

#[test]
fn a_floor_leaves_out_what_is_below_it_and_keeps_what_reaches_it() {
    let values = [1.0, 2.0, 3.0];
    let rows = Rows::new("corpus", &values, 3, 1).unwrap();
    let query = Rows::new("queries", &values[..1], 1, 1).unwrap();
    for (metric, floor, expected) in
        [(Metric::Dot, 2.0, [2, 1, -1]), (Metric::L2, 1.0, [0, 1, -1]), (Metric::Dot, 9.0, [-1; 3])]
    {
        let request = Search { at_least: Some(&[floor]), ..search(query, rows, 3, metric) };
        assert_eq!(request.run(&Control::default()).unwrap().rows, expected);
    }
    let base = search(query, rows, 3, Metric::Dot);
    for request in [
        Search { at_least: Some(&[f64::NAN]), ..base },
        Search { at_most: Some(&[f64::NAN]), ..base },
    ] {
        assert!(matches!(request.run(&Control::default()), Err(Error::NonFinite { .. })));
    }
}

#[test]
fn a_sample_that_misleads_costs_a_second_walk_and_no_row() {
    // The rows of the sample are good ones more often than the others are: judged by them, the answer
    // should reach higher than it does.
    let (dim, n, k) = (16, 8_192, 200);
    let mut corpus = noise(n * dim, 30);
    for (i, row) in corpus.chunks_mut(dim).enumerate() {
        if [5, 7, 11, 17, 31, 61].iter().any(|step| i % step == 0) && i < 400 {
            row[0] += 40.0;
        }
    }
    let mut queries = noise(70 * dim, 31);
    queries.chunks_mut(dim).for_each(|query| query[0] = 30.0);
    let request = search(
        Rows::new("queries", &queries, 70, dim).unwrap(),
        Rows::new("corpus", &corpus, n, dim).unwrap(),
        k,
        Metric::Dot,
    );
    check(&request);
    assert!(request.run_on(1, &Control::default()).unwrap().stats.repeated > 0);
}

#[test]
fn outliers_make_a_more_precise_pass_take_over_on_the_way() {
    // One giant coordinate a row, each in a place of its own: codes say next to nothing.
    let (dim, n) = (256, 20_000);
    let mut corpus = noise(n * dim, 32);
    for (i, row) in corpus.chunks_mut(dim).enumerate() {
        row[i * 7 % dim] = 3_000.0;
    }
    let mut queries = noise(64 * dim, 33);
    for query in queries.chunks_mut(dim) {
        query[5] = 0.0;
    }
    let request = search(
        Rows::new("queries", &queries, 64, dim).unwrap(),
        Rows::new("corpus", &corpus, n, dim).unwrap(),
        10,
        Metric::Cosine,
    );
    let expected = definition(&request);
    for kernels in Isa::available().filter_map(Kernels::with_isa) {
        let found = Search { kernels, ..request }.run_on(2, &Control::default()).unwrap();
        assert_eq!(found.rows, expected.rows, "{}", kernels.isa().name());
    }
}
