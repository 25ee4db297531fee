//! A whole model against the formulas, written out plainly in `f64`; and files that are not models.

mod formulas;
mod modern_bert;

use std::collections::HashMap;
use std::path::PathBuf;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, serialize};

use self::formulas::{Rows, add, attention, gelu, get, linear, norm, pooled};
use super::{HeadFiles, Model, ModelFiles, Pooling, Precision};
use crate::error::Error;
use crate::kernels::{Isa, Kernels};
use crate::threads::Control;

const HIDDEN: usize = 64;
const HEADS: usize = 2;
const INNER: usize = 96;
const LAYERS: usize = 2;
const WORDS: usize = 50;
const PLACES: usize = 80;

const CONFIG: &str = r#"{"model_type": "bert", "hidden_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 96, "hidden_act": "gelu",
    "layer_norm_eps": 1e-12, "vocab_size": 50, "max_position_embeddings": 80}"#;

type Weights = HashMap<String, (Vec<usize>, Vec<f32>)>;

/// Seeded values around 0, half a spread to each side.
fn values_of() -> impl FnMut(f32) -> f32 {
    let mut state = 88_172_645_463_325_252_u64;
    move |spread: f32| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 40) as f32 / (1 << 24) as f32 - 0.5) * spread
    }
}

/// Seeded weights of a small BERT, spread so that each part of a layer matters.
fn weights() -> Weights {
    weights_of(HIDDEN, INNER)
}

/// The same of another width.
fn weights_of(hidden: usize, inner: usize) -> Weights {
    let mut draw = values_of();
    let mut found = Weights::new();
    let mut add = |name: String, shape: &[usize], base: f32, spread: f32| {
        let values = (0..shape.iter().product()).map(|_| base + draw(spread)).collect();
        found.insert(name, (shape.to_vec(), values));
    };
    for (name, rows) in [("word", WORDS), ("position", PLACES), ("token_type", 2)] {
        add(format!("embeddings.{name}_embeddings.weight"), &[rows, hidden], 0.0, 2.0);
    }
    let mut norms = vec!["embeddings.LayerNorm".to_owned()];
    for layer in 0..LAYERS {
        let of = |part: &str| format!("encoder.layer.{layer}.{part}");
        for (part, outputs, inputs) in [
            ("attention.self.query", hidden, hidden),
            ("attention.self.key", hidden, hidden),
            ("attention.self.value", hidden, hidden),
            ("attention.output.dense", hidden, hidden),
            ("intermediate.dense", inner, hidden),
            ("output.dense", hidden, inner),
        ] {
            add(of(&format!("{part}.weight")), &[outputs, inputs], 0.0, 0.5);
            add(of(&format!("{part}.bias")), &[outputs], 0.0, 0.5);
        }
        norms.extend([of("attention.output.LayerNorm"), of("output.LayerNorm")]);
    }
    for norm in norms {
        add(format!("{norm}.weight"), &[hidden], 1.0, 0.5);
        add(format!("{norm}.bias"), &[hidden], 0.0, 0.5);
    }
    found
}

fn to_file(weights: &Weights) -> Vec<u8> {
    let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = weights
        .iter()
        .map(|(name, (shape, values))| {
            (name, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect())
        })
        .collect();
    let views = bytes.iter().map(|(name, shape, data)| {
        ((*name).clone(), TensorView::new(Dtype::F32, (*shape).clone(), data).unwrap())
    });
    serialize(views.collect::<HashMap<_, _>>(), None).unwrap()
}

/// A file of this test's own, removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("embedsmith-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

fn load(path: &Scratch, config: &str, precision: Precision, isa: Isa) -> Result<Model, Error> {
    load_with(path, config, (precision, isa), &[])
}

fn load_with(
    path: &Scratch,
    config: &str,
    (precision, isa): (Precision, Isa),
    ranges: &[Vec<f32>],
) -> Result<Model, Error> {
    let files = ModelFiles {
        config: config.to_owned(),
        weights: vec![path.0.clone()],
        head: HeadFiles {
            poolings: vec![Pooling::Mean],
            normalize: true,
            columns: HIDDEN,
            ..HeadFiles::default()
        },
    };
    Model::load_with_ranges(&files, precision, Kernels::with_isa(isa).unwrap(), ranges)
}

/// The formulas of BERT, one text at a time.
fn plain(weights: &Weights, ids: &[u32]) -> Vec<f64> {
    let [words, places, types] = ["word", "position", "token_type"]
        .map(|name| get(weights, &format!("embeddings.{name}_embeddings.weight")));
    let one = |(at, &id): (usize, &u32)| {
        let sum = |i| words[id as usize * HIDDEN + i] + places[at * HIDDEN + i] + types[i];
        (0..HIDDEN).map(sum).collect()
    };
    let mut rows: Rows = ids.iter().enumerate().map(one).collect();
    let norm = |rows: &mut [Vec<f64>], name: &str| norm(weights, rows, name, 1e-12);
    norm(&mut rows, "embeddings.LayerNorm");
    for layer in 0..LAYERS {
        let of = |part: &str| format!("encoder.layer.{layer}.{part}");
        let [queries, keys, values] = ["query", "key", "value"]
            .map(|part| linear(weights, &rows, &of(&format!("attention.self.{part}"))));
        let mixed = attention([&queries, &keys, &values], HEADS, |_, _| true);
        add(&mut rows, &linear(weights, &mixed, &of("attention.output.dense")));
        norm(&mut rows, &of("attention.output.LayerNorm"));
        let mut inner = linear(weights, &rows, &of("intermediate.dense"));
        inner.iter_mut().flatten().for_each(|x| *x = gelu(*x));
        add(&mut rows, &linear(weights, &inner, &of("output.dense")));
        norm(&mut rows, &of("output.LayerNorm"));
    }
    pooled(&rows)
}

/// Texts around every tile's and vector's edge.
fn texts() -> (Vec<u32>, Vec<usize>) {
    let (mut ids, mut offsets) = (Vec::new(), vec![0]);
    for length in [1, 2, 3, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 80] {
        ids.extend((0..length).map(|i| (i * 7 + length * 3) as u32 % WORDS as u32));
        offsets.push(ids.len());
    }
    (ids, offsets)
}

#[test]
fn every_isa_and_precision_keeps_to_the_formulas_at_every_edge() {
    let weights = weights();
    let file = Scratch::new("formulas.safetensors", &to_file(&weights));
    let (ids, offsets) = texts();
    let truth: Vec<Vec<f64>> =
        offsets.windows(2).map(|ends| plain(&weights, &ids[ends[0]..ends[1]])).collect();
    for isa in Isa::available() {
        for (precision, bound) in
            [(Precision::F32, 2e-6), (Precision::Bf16, 2e-2), (Precision::Int8, 3e-2)]
        {
            let model = load(&file, CONFIG, precision, isa).unwrap();
            let found = model.encode(&ids, &offsets, Some(2), &Control::default()).unwrap();
            for (text, (row, truth)) in found.chunks_exact(HIDDEN).zip(&truth).enumerate() {
                for (a, b) in row.iter().zip(truth) {
                    let off = (f64::from(*a) - b).abs();
                    assert!(off < bound, "{isa:?} {precision:?} text {text}: {off}");
                }
            }
        }
    }
}

#[test]
fn codes_evened_out_by_what_was_seen_keep_to_the_formulas() {
    let weights = weights();
    let file = Scratch::new("ranges.safetensors", &to_file(&weights));
    let (ids, offsets) = texts();
    let exact = load(&file, CONFIG, Precision::F32, Isa::Scalar).unwrap();
    let (truth, ranges) = exact.survey(&ids, &offsets, Some(2), &Control::default()).unwrap();
    assert_eq!(truth, exact.encode(&ids, &offsets, None, &Control::default()).unwrap());
    assert_eq!((ranges.len(), ranges[0].len()), (LAYERS * 2, HIDDEN));
    for isa in Isa::available() {
        let form = (Precision::Int8, isa);
        let model = load_with(&file, CONFIG, form, &ranges).unwrap();
        let found = model.encode(&ids, &offsets, None, &Control::default()).unwrap();
        for (found, truth) in found.iter().zip(&truth) {
            assert!((found - truth).abs() < 3e-2, "{isa:?}: {found} {truth}");
        }
        let other = load_with(&file, CONFIG, form, &ranges[1..]);
        assert!(matches!(other, Err(Error::Architecture { .. })));
    }
}

#[test]
fn a_text_has_the_same_bits_alone_in_any_batch_and_with_any_threads() {
    let file = Scratch::new("bits.safetensors", &to_file(&weights()));
    let (ids, offsets) = texts();
    check_bits(&file, CONFIG, &ids, &offsets);
}

#[test]
fn a_team_of_any_size_gives_the_bits_of_one_thread() {
    let (hidden, inner) = (256, 400);
    let file = Scratch::new("team.safetensors", &to_file(&weights_of(hidden, inner)));
    let config = CONFIG
        .replace("\"hidden_size\": 64", "\"hidden_size\": 256")
        .replace("\"num_attention_heads\": 2", "\"num_attention_heads\": 8")
        .replace("\"intermediate_size\": 96", "\"intermediate_size\": 400");
    let (ids, offsets) = texts();
    // Texts that make one block: one of an odd length, one of many tiles, and several.
    for range in [5..6, 13..14, 2..8] {
        let own = &ids[offsets[range.start]..offsets[range.end]];
        let ends: Vec<usize> =
            offsets[range.start..=range.end].iter().map(|end| end - offsets[range.start]).collect();
        for isa in Isa::available() {
            for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
                let model = load(&file, &config, precision, isa).unwrap();
                let encode = |threads| {
                    let control = Control::default();
                    let found = model.encode(own, &ends, Some(threads), &control).unwrap();
                    assert_eq!(control.progress(), (own.len() as u64, own.len() as u64));
                    found
                };
                let one = encode(1);
                for threads in [2, 3, 9] {
                    assert_eq!(encode(threads), one, "{isa:?} {precision:?} {range:?} {threads}");
                }
            }
        }
    }
}

/// Texts alone, together, and with several threads.
fn check_bits(file: &Scratch, config: &str, ids: &[u32], offsets: &[usize]) {
    for isa in Isa::available() {
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            let model = load(file, config, precision, isa).unwrap();
            let all = model.encode(ids, offsets, Some(1), &Control::default()).unwrap();
            for threads in [2, 5] {
                let again = model.encode(ids, offsets, Some(threads), &Control::default()).unwrap();
                assert_eq!(again, all);
            }
            for (text, ends) in offsets.windows(2).enumerate() {
                let own = &ids[ends[0]..ends[1]];
                let alone = model.encode(own, &[0, own.len()], None, &Control::default()).unwrap();
                assert_eq!(alone, all[text * HIDDEN..][..HIDDEN], "{isa:?} {precision:?} {text}");
            }
        }
    }
}

#[test]
fn what_is_no_token_of_the_model_is_refused() {
    let file = Scratch::new("tokens.safetensors", &to_file(&weights()));
    let model = load(&file, CONFIG, Precision::F32, Isa::Scalar).unwrap();
    let encode =
        |ids: &[u32], offsets: &[usize]| model.encode(ids, offsets, None, &Control::default());
    assert!(matches!(encode(&[50], &[0, 1]), Err(Error::Token { token: 50, .. })));
    assert!(matches!(encode(&[1; 81], &[0, 81]), Err(Error::TokenCount { tokens: 81, .. })));
    assert!(matches!(encode(&[1], &[0, 1, 1]), Err(Error::TokenCount { text: 1, .. })));
    assert!(matches!(encode(&[1], &[0, 9]), Err(Error::TokenCount { .. })));
    assert_eq!(encode(&[], &[0]), Ok(vec![]));
    let control = Control::default();
    control.stop();
    assert_eq!(model.encode(&[1], &[0, 1], None, &control), Err(Error::Stopped));
}

#[test]
fn no_file_of_weights_makes_the_loader_panic() {
    let whole = to_file(&weights());
    bolero::check!().with_iterations(300).with_type::<(u16, Vec<(u32, u8)>, bool)>().for_each(
        |(cut, changes, keep)| {
            let mut bytes = whole.clone();
            // Mostly the header, whose numbers say where everything lies.
            let header = bytes.len().min(8 + 4096) as u32;
            for (place, value) in changes {
                bytes[(place % header) as usize] = *value;
            }
            if !keep {
                bytes.truncate(usize::from(*cut));
            }
            let file = Scratch::new("fuzz.safetensors", &bytes);
            if let Ok(model) = load(&file, CONFIG, Precision::F32, Isa::Scalar) {
                let _ = model.encode(&[1, 2], &[0, 2], Some(1), &Control::default());
            }
        },
    );
}

#[test]
fn no_config_makes_the_loader_panic() {
    let file = Scratch::new("config.safetensors", &to_file(&weights()));
    bolero::check!().with_iterations(2_000).with_type::<Vec<(u16, u8)>>().for_each(|changes| {
        let mut bytes = CONFIG.as_bytes().to_vec();
        for (place, value) in changes {
            let place = usize::from(*place) % bytes.len();
            bytes[place] = *value;
        }
        let config = String::from_utf8_lossy(&bytes);
        let _ = load(&file, &config, Precision::F32, Isa::Scalar);
    });
}
