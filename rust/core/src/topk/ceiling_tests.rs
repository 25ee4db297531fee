//! Searches below ceilings against the definition.

use proptest::prelude::*;

use super::tests::{METRICS, bits, check, definition, noise, search, value};
use super::*;
use crate::kernels::{Isa, Kernels};
use crate::rows::Rows;
use crate::threads::Control;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_ceiling_at_a_row_s_own_score_parts_the_corpus_as_defined(
        (dim, n, q, values) in (0_usize..40, 1_usize..80, 1_usize..70).prop_flat_map(|(dim, n, q)| {
            (Just(dim), Just(n), Just(q), prop::collection::vec(value(), (n + q) * dim))
        }),
        k in 1_usize..90,
        metric in prop::sample::select(METRICS.to_vec()),
    ) {
        let queries = Rows::new("queries", &values[..q * dim], q, dim).unwrap();
        let corpus = Rows::new("corpus", &values[q * dim..], n, dim).unwrap();
        let offsets: Vec<usize> = (0..=q).map(|i| i * 2).collect();
        let rows: Vec<i64> = (0..q * 2).map(|i| (i * 7 % n) as i64).collect();
        let exclude = Exclude::new(&offsets, &rows, q, n).unwrap();
        let all = definition(&search(queries, corpus, n, metric)).exact;
        let at_most: Vec<f64> = (0..q)
            .map(|query| match query % 5 {
                4 => [f64::INFINITY, f64::NEG_INFINITY][query / 5 % 2],
                place => all[query * n + (place * n / 4 + k) % n],
            })
            .collect();
        check(&Search {
            exclude: Some(&exclude),
            at_most: Some(&at_most),
            ..search(queries, corpus, k, metric)
        });
    }
}

#[test]
fn a_ceiling_below_most_of_the_corpus_costs_another_pass_and_no_row() {
    let (dim, n, q) = (48, 30_000, 80);
    let (queries, corpus) = (noise(q * dim, 40), noise(n * dim, 41));
    let queries = Rows::new("queries", &queries, q, dim).unwrap();
    let corpus = Rows::new("corpus", &corpus, n, dim).unwrap();
    for metric in METRICS {
        let mut request = search(queries, corpus, 5, metric);
        let all = definition(&Search { k: n, ..request }).exact;
        // From the very best row's score down to the worst one's.
        let at_most: Vec<f64> =
            (0..q).map(|query| all[query * n + query * (n - 1) / (q - 1)]).collect();
        request.at_most = Some(&at_most);
        let expected = definition(&request);
        for kernels in Isa::available().filter_map(Kernels::with_isa) {
            for pass in [None, Some(PassKind::Int8), Some(PassKind::Bf16)] {
                let request = Search { kernels, pass, ..request };
                let found = request.run_on(2, &Control::default()).unwrap();
                let what = format!("{metric:?} {pass:?} {}", kernels.isa().name());
                assert_eq!(found.rows, expected.rows, "{what}");
                assert_eq!(found.above, expected.above, "{what}");
                assert_eq!(bits(&found), bits(&expected), "{what}");
                let gave_up = found.stats.repeated > q as u64 / 2;
                assert!(gave_up || pass != Some(PassKind::Int8), "{what}");
            }
        }
    }
}

#[test]
fn a_ceiling_counts_what_is_above_it_and_keeps_what_meets_it() {
    let values = [1.0, 2.0, 3.0];
    let rows = Rows::new("corpus", &values, 3, 1).unwrap();
    let query = Rows::new("queries", &values[..1], 1, 1).unwrap();
    let exclude = Exclude::new(&[0, 1], &[2], 1, 3).unwrap();
    for (metric, ceiling, expected, above) in [
        (Metric::Dot, 2.0, [1, 0, -1], 1),
        (Metric::L2, 1.0, [1, 2, -1], 1),
        (Metric::Dot, 0.5, [-1; 3], 3),
        (Metric::Dot, 9.0, [2, 1, 0], 0),
    ] {
        let request = Search { at_most: Some(&[ceiling]), ..search(query, rows, 3, metric) };
        let found = request.run(&Control::default()).unwrap();
        assert_eq!((&found.rows[..], &found.above[..]), (&expected[..], &[above][..]));
        let request = Search { exclude: Some(&exclude), ..request };
        let found = request.run(&Control::default()).unwrap();
        let excluded_is_above = metric == Metric::Dot && ceiling < 3.0;
        assert_eq!(found.above[0], above - i64::from(excluded_is_above));
    }
}
