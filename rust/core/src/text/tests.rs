use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::error::Error;
use crate::threads::Control;

/// The specification: sets of strings, every pair.
fn brute(texts: &[String], shingles: Shingles, threshold: f64) -> Vec<(i64, i64, f64)> {
    let sets: Vec<HashSet<String>> = texts
        .iter()
        .map(|text| {
            let text = normalised(text);
            let (units, size): (Vec<String>, _) = match shingles {
                Shingles::Characters(size) => (text.chars().map(String::from).collect(), size),
                Shingles::Words(size) => {
                    (text.split_whitespace().map(String::from).collect(), size)
                }
            };
            let between = if matches!(shingles, Shingles::Words(_)) { " " } else { "" };
            match units.len() {
                0 => HashSet::new(),
                few if few < size => HashSet::from([text]),
                _ => units.windows(size).map(|window| window.join(between)).collect(),
            }
        })
        .collect();
    let mut found = Vec::new();
    for (i, a) in sets.iter().enumerate() {
        for (j, b) in sets.iter().enumerate().skip(i + 1) {
            let both = a.intersection(b).count();
            let similarity = both as f64 / (a.len() + b.len() - both) as f64;
            if both > 0 && similarity >= threshold {
                found.push((i as i64, j as i64, similarity));
            }
        }
    }
    found.sort_by(|a, b| b.2.total_cmp(&a.2).then((a.0, a.1).cmp(&(b.0, b.1))));
    found
}

fn over(texts: &[String], shingles: Shingles, threshold: f64) -> NearDuplicates<'_, String> {
    NearDuplicates { texts, border: None, threshold, shingles, recall: 0.999, seed: 7, threads: 2 }
}

fn listed(pairs: &NearPairs) -> Vec<(i64, i64, f64)> {
    (0..pairs.first.len()).map(|i| (pairs.first[i], pairs.second[i], pairs.similarity[i])).collect()
}

/// Texts of random words in which some words of a few templates were changed.
fn family(count: u64) -> Vec<String> {
    let mut state = 1_u64;
    let mut next = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    (0..count)
        .map(|_| {
            let template = next(count / 10 + 1);
            (0..30)
                .map(|place| match next(20) {
                    0 => format!("w{}", next(5000)),
                    _ => format!("t{template}p{place}"),
                })
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect()
}

#[test]
fn normal_form_keeps_letters_and_digits_only() {
    assert_eq!(normalised("  The FEE\u{a0}is — 5,00\u{20ac}!\n"), "the fee is 5 00");
    assert_eq!(normalised("¿?"), "");
    assert_eq!(normalised("ÄÖ straße"), "äö straße");
}

#[test]
fn shingles_of_a_short_text_are_the_text() {
    assert_eq!(Shingles::Characters(5).set("abc"), ["abc"]);
    assert_eq!(Shingles::Characters(2).set("äbä"), ["bä", "äb"]);
    assert_eq!(Shingles::Words(2).set("a b a b"), ["a b", "b a"]);
    assert_eq!(Shingles::Words(3).set("one two"), ["one two"]);
    assert!(Shingles::Words(1).set("").is_empty());
}

#[test]
fn recall_is_what_was_asked_for_and_bands_are_as_long_as_they_can_be() {
    for threshold in [0.2, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0] {
        for recall in [0.9, 0.99, 0.999, 0.9999] {
            let banding = Banding::new(threshold, recall);
            assert!(banding.recall(threshold) >= recall, "{threshold} {recall} {banding:?}");
        }
    }
    assert_eq!(Banding::new(0.8, 0.999), Banding { bands: 23, rows: 6 });
}

/// Over 40 seeds, the share of the pairs near the threshold that is found is the stated one.
#[test]
fn the_pairs_that_are_missed_are_as_rare_as_stated() {
    let texts = family(300);
    let shingles = Shingles::Words(2);
    // Pairs at most a little above the threshold, which are the hardest to find.
    let true_pairs: HashSet<_> = brute(&texts, shingles, 0.6)
        .into_iter()
        .filter(|pair| pair.2 < 0.65)
        .map(|pair| (pair.0, pair.1))
        .collect();
    let (mut found, mut all) = (0, 0);
    for seed in 0..40 {
        let job = NearDuplicates { recall: 0.9, seed, ..over(&texts, shingles, 0.6) };
        let pairs = job.pairs(1 << 20, &Control::default()).unwrap();
        found += listed(&pairs).iter().filter(|p| true_pairs.contains(&(p.0, p.1))).count();
        all += true_pairs.len();
    }
    let share = found as f64 / all as f64;
    assert!(all > 5_000, "{all} pairs say little");
    assert!((0.9..0.97).contains(&share), "found {share} of {all}");
}

#[test]
fn the_answer_is_that_of_brute_force_for_any_number_of_threads() {
    let texts = family(400);
    for shingles in [Shingles::Characters(5), Shingles::Words(2)] {
        let expected = brute(&texts, shingles, 0.7);
        assert!(expected.len() > 500);
        for threads in [1, 2, 5] {
            let job = NearDuplicates { recall: 0.999_999, threads, ..over(&texts, shingles, 0.7) };
            assert_eq!(listed(&job.pairs(1 << 20, &Control::default()).unwrap()), expected);
            let links = job.links(&Control::default()).unwrap();
            assert_eq!(
                components(texts.len(), &listed(&links)),
                components(texts.len(), &expected)
            );
            assert!(links.first.len() < texts.len());
        }
    }
}

fn components(n: usize, pairs: &[(i64, i64, f64)]) -> Vec<i64> {
    let mut names: Vec<i64> = (0..n as i64).collect();
    for _ in 0..n {
        let before = names.clone();
        for &(a, b, _) in pairs {
            let least = names[a as usize].min(names[b as usize]);
            names[a as usize] = least;
            names[b as usize] = least;
        }
        if names == before {
            break;
        }
    }
    names
}

#[test]
fn a_border_leaves_only_pairs_across_it() {
    let texts = family(200);
    let job = NearDuplicates {
        border: Some(80),
        recall: 0.999_999,
        ..over(&texts, Shingles::Words(1), 0.6)
    };
    let across: Vec<_> = brute(&texts, Shingles::Words(1), 0.6)
        .into_iter()
        .filter(|pair| pair.0 < 80 && pair.1 >= 80)
        .collect();
    assert!(across.len() > 100);
    assert_eq!(listed(&job.pairs(1 << 20, &Control::default()).unwrap()), across);
}

#[test]
fn a_limit_of_pairs_is_an_error_and_links_need_none() {
    let texts = vec!["the same fee".to_owned(); 2000];
    let job = over(&texts, Shingles::Characters(5), 0.9);
    assert_eq!(job.pairs(1000, &Control::default()), Err(Error::TooManyPairs { most: 1000 }));
    let links = job.links(&Control::default()).unwrap();
    assert_eq!((links.first.len(), links.second[0]), (1999, 1));
}

#[test]
fn a_stopped_job_ends() {
    let control = Control::default();
    control.stop();
    let texts = family(50);
    assert_eq!(over(&texts, Shingles::Words(1), 0.5).links(&control), Err(Error::Stopped));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Nothing is reported that brute force does not report, with the same similarity.
    #[test]
    fn no_pair_is_false(
        texts in proptest::collection::vec("[a-cÄß ,\u{200b}]{0,14}", 0..24),
        size in 1_usize..5,
        words in any::<bool>(),
        threshold in 0.1_f64..=1.0,
        seed in any::<u64>(),
    ) {
        let shingles = if words { Shingles::Words(size) } else { Shingles::Characters(size) };
        let expected = brute(&texts, shingles, threshold);
        let job = NearDuplicates { seed, ..over(&texts, shingles, threshold) };
        let found = listed(&job.pairs(1 << 20, &Control::default()).unwrap());
        for pair in &found {
            prop_assert!(expected.contains(pair), "{pair:?}");
        }
        // Equal texts agree in every band: they are always found.
        let equal = |pairs: &[(i64, i64, f64)]| pairs.iter().filter(|p| p.2 == 1.0).count();
        prop_assert_eq!(equal(&found), equal(&expected));
    }
}
