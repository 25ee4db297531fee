//! Every pass's interval holds the truth, on vectors made to break it.
//!
//! Random vectors miss their bounds by far. Here a query points along what coding took from a row, and
//! a row along what it took from a query, which is where Cauchy's inequality is an equality.

use std::sync::OnceLock;

use super::coding::Coder;
use super::ladder::{Ladder, PassKind};
use super::metric::{Metric, Normed, norm};
use super::pass::{Floors, MAX_LANES, Pass, Setting};
use super::rowset::RowSet;
use super::tests::OwnPlane;
use super::transform::Transform;
use crate::kernels::bf16::{round, widen};
use crate::kernels::int8::stride;
use crate::kernels::{Isa, Kernels};
use crate::rows::{Corpus, Rows};

const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::L2];

fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / 16_777_216.0 - 0.5
    };
    (0..n).map(|_| next() + next() + next()).collect()
}

/// Scales a direction to whole numbers of at most 127, which codes and bfloat16 hold exactly.
fn whole(direction: &[f64]) -> Vec<f32> {
    let most = direction.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
    direction.iter().map(|value| (value / most * 127.0).round() as f32).collect()
}

/// What coding takes from a vector that is neither scaled nor moved.
fn taken_by_codes(values: &[f32]) -> Vec<f64> {
    let transform = Transform::new(&vec![0.0; values.len()], false);
    let kernels = Kernels::best();
    let coder = Coder { kernels, metric: Metric::Dot, transform: &transform };
    let (mut moved, mut codes) = (vec![0.0; stride(values.len())], vec![0; stride(values.len())]);
    let facts = coder.row(values, norm(kernels, values), &mut moved, &mut codes);
    let rest = values.iter().zip(&codes);
    rest.map(|(&value, &code)| f64::from(value) - f64::from(facts.scale) * f64::from(code))
        .collect()
}

fn taken_by_bf16(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value) - f64::from(widen(round(value)))).collect()
}

/// Asserts that the interval of each pair holds its truth.
fn holds<P: Pass>(pass: &P, setting: Setting, what: &str) {
    let scalar = Kernels::with_isa(Isa::Scalar).unwrap();
    let rows: Vec<u32> = (0..setting.corpus.len() as u32).collect();
    let mut block = P::Block::default();
    pass.load(&rows, &mut block).unwrap();
    let mut seen = 0;
    for &panel in pass.panels() {
        let mut floors = [f32::INFINITY; MAX_LANES];
        floors[..panel.len].fill(f32::NEG_INFINITY);
        let mut hits = Vec::new();
        pass.scan(panel, &block, &Floors { lanes: &floors, rows: None }, &mut hits);
        for hit in hits.iter().filter(|hit| hit.lane() < panel.len) {
            let query = panel.first + hit.lane();
            let (lower, upper) = pass.interval(query, &block, hit.row(), hit.key);
            let mut scratch = Vec::new();
            let values = setting.corpus.read(scalar, hit.row(), &mut scratch);
            let row = Normed { values, norm: norm(scalar, values) };
            let mut scratch = Vec::new();
            let asked = setting.query(query, &mut scratch);
            let asked = Normed { values: asked, norm: norm(scalar, asked) };
            let goodness = setting.metric.goodness(scalar, asked, row);
            let truth = match setting.metric {
                Metric::Cosine | Metric::Dot => goodness,
                Metric::L2 if setting.mutual => 0.5 * goodness,
                Metric::L2 => 0.5 * (asked.norm * asked.norm + goodness),
            };
            assert!(
                f64::from(lower) <= truth && truth <= f64::from(upper),
                "{what} {:?}: query {query}, row {}: {truth} in {lower} .. {upper}",
                setting.metric,
                hit.row()
            );
            let lead = f64::from(pass.lead(query, &block));
            assert!(
                hit.key.is_nan() || lead == f64::INFINITY || f64::from(hit.key) + lead >= truth,
                "{what}: {truth} leads {} by more than {lead}",
                hit.key
            );
            // A floor below the truth never hides the pair.
            let floor = pass.floor(query, &block, (truth as f32).next_down());
            assert!(
                hit.key >= floor || floor.is_nan() || hit.key.is_nan(),
                "{what}: floor {floor}"
            );
            seen += 1;
        }
    }
    assert_eq!(
        seen,
        setting.corpus.len() * setting.query_norms.len(),
        "{what}: every pair is a hit"
    );
}

/// Tries every pass, instruction set and metric, with centres and rotations of all kinds.
fn check(queries: &[Vec<f32>], corpus: &[Vec<f32>]) {
    let dim = corpus[0].len();
    let (flat_queries, flat_corpus) = (queries.concat(), corpus.concat());
    let asked = Rows::new("queries", &flat_queries, queries.len(), dim).unwrap();
    let rows: Corpus = Rows::new("corpus", &flat_corpus, corpus.len(), dim).unwrap().into();
    let batch: Vec<usize> = (0..queries.len()).collect();
    let own_batch: Vec<usize> = (0..corpus.len()).collect();
    let nothing = Transform::new(&vec![0.0; dim], false);
    for kernels in Isa::available().filter_map(Kernels::with_isa) {
        let query_norms: Vec<f64> = queries.iter().map(|query| norm(kernels, query)).collect();
        let own_norms: Vec<f64> = corpus.iter().map(|row| norm(kernels, row)).collect();
        for metric in METRICS {
            let setting = Setting {
                kernels,
                metric,
                queries: asked.into(),
                batch: &batch,
                query_norms: &query_norms,
                corpus: rows,
                norms: None,
                mutual: false,
            };
            let number = |row| row as u32;
            let fitted = Transform::fitted(kernels, metric, rows, corpus.len(), number);
            let turned = Transform::new(fitted.centre(), true);
            let stretch = RowSet::Stretch { first: 0, len: corpus.len() };
            let name = kernels.isa().name();
            // The corpus's own rows as queries, with a truth that both ends of a pair share.
            let mutual = Setting {
                queries: rows,
                batch: &own_batch,
                query_norms: &own_norms,
                mutual: true,
                ..setting
            };
            for transform in [nothing.clone(), fitted, turned] {
                let plane = OwnPlane::of(kernels, rows, metric, transform.clone());
                let kept = OnceLock::from(transform);
                let ladder = Ladder::new(setting, stretch, None, &kept, PassKind::Int8, false);
                holds(ladder.int8(), setting, &format!("{name} int8"));
                let plane = Some(plane.view());
                let ladder = Ladder::new(mutual, stretch, plane, &kept, PassKind::Int8, false);
                holds(ladder.int8(), mutual, &format!("{name} int8 of rows"));
            }
            for (setting, what) in [(setting, ""), (mutual, " of rows")] {
                let kept = OnceLock::new();
                let ladder = Ladder::new(setting, stretch, None, &kept, PassKind::F32, false);
                holds(ladder.bf16(), setting, &format!("{name} bf16{what}"));
                holds(ladder.f32(), setting, &format!("{name} f32{what}"));
            }
        }
    }
}

#[test]
fn bounds_hold_where_vectors_point_along_what_was_rounded_away() {
    for dim in [3, 64, 100, 384] {
        let mut vectors: Vec<Vec<f32>> = (0..6).map(|seed| noise(dim, 70 + seed)).collect();
        for vector in vectors.clone() {
            vectors.push(whole(&taken_by_codes(&vector)));
            vectors.push(whole(&taken_by_bf16(&vector)));
        }
        // On one side what was taken, on the other side what it was taken from, both ways round.
        check(&vectors, &vectors);
    }
}

#[test]
fn bounds_hold_over_many_magnitudes() {
    let dim = 65;
    let vectors: Vec<Vec<f32>> = [1e-42, 1e-30, 1e-8, 1e-3, 1.0, 1e3, 1e8, 1e14, 1e17, 1e30, 0.0]
        .iter()
        .enumerate()
        .map(|(seed, factor)| noise(dim, seed as u64).iter().map(|v| v * factor).collect())
        .collect();
    check(&vectors, &vectors);
}

#[test]
fn bounds_hold_beside_giant_coordinates_and_a_far_mean() {
    let dim = 128;
    let mut vectors: Vec<Vec<f32>> = (0..8).map(|seed| noise(dim, 40 + seed)).collect();
    for (i, vector) in vectors.iter_mut().enumerate() {
        vector[i] = 3e4;
    }
    let far = (0..8).map(|seed| noise(dim, 90 + seed).iter().map(|v| v + 100.0).collect());
    vectors.extend(far.collect::<Vec<Vec<f32>>>());
    check(&vectors, &vectors);
}
