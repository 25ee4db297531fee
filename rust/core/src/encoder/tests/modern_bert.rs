//! ModernBERT against its formulas.

use super::formulas::{Rows, add, attention, gelu, get, linear, norm, pooled};
use super::{
    HIDDEN, INNER, Isa, Precision, Scratch, WORDS, Weights, check_bits, load, to_file, values_of,
};
use crate::threads::Control;

const HEADS: usize = 2;
const LAYERS: usize = 4;
/// To each side.
const REACH: usize = 7;
const BASES: [f64; 2] = [160_000.0, 30.0];

const CONFIG: &str = r#"{"model_type": "modernbert", "hidden_size": 64, "num_hidden_layers": 4,
    "num_attention_heads": 2, "intermediate_size": 96, "hidden_activation": "gelu",
    "norm_eps": 1e-5, "vocab_size": 50, "max_position_embeddings": 400, "local_attention": 15,
    "global_attn_every_n_layers": 3, "local_rope_theta": 30.0, "global_rope_theta": 160000.0}"#;

/// Whether a layer sees everything.
fn is_full(layer: usize) -> bool {
    layer.is_multiple_of(3)
}

fn weights(is_biased: bool) -> Weights {
    let mut found = Weights::new();
    let mut draw = values_of();
    let mut put = |name: String, shape: &[usize], base: f32, spread: f32| {
        let values = (0..shape.iter().product()).map(|_| base + draw(spread)).collect();
        found.insert(name, (shape.to_vec(), values));
    };
    put("model.embeddings.tok_embeddings.weight".to_owned(), &[WORDS, HIDDEN], 0.0, 2.0);
    let mut norms = vec!["embeddings.norm".to_owned(), "final_norm".to_owned()];
    for layer in 0..LAYERS {
        for (part, outputs, inputs) in [
            ("attn.Wqkv", 3 * HIDDEN, HIDDEN),
            ("attn.Wo", HIDDEN, HIDDEN),
            ("mlp.Wi", 2 * INNER, HIDDEN),
            ("mlp.Wo", HIDDEN, INNER),
        ] {
            let name = format!("model.layers.{layer}.{part}");
            put(format!("{name}.weight"), &[outputs, inputs], 0.0, 0.5);
            if is_biased {
                put(format!("{name}.bias"), &[outputs], 0.0, 0.5);
            }
        }
        norms.push(format!("layers.{layer}.mlp_norm"));
        if layer > 0 {
            norms.push(format!("layers.{layer}.attn_norm"));
        }
    }
    for norm in norms {
        put(format!("model.{norm}.weight"), &[HIDDEN], 1.0, 0.5);
        if is_biased {
            put(format!("model.{norm}.bias"), &[HIDDEN], 0.0, 0.5);
        }
    }
    found
}

fn config(is_biased: bool) -> String {
    let switches = r#"{"norm_bias": true, "attention_bias": true, "mlp_bias": true,"#;
    if is_biased { CONFIG.replacen('{', switches, 1) } else { CONFIG.to_owned() }
}

/// Pairs of columns half a head apart, turned by the place times the pair's frequency.
fn turned(rows: &[Vec<f64>], base: f64) -> Rows {
    let (width, pairs) = (HIDDEN / HEADS, HIDDEN / HEADS / 2);
    let one = |(place, row): (usize, &Vec<f64>)| {
        let mut turned = row.clone();
        for head in 0..HEADS {
            for pair in 0..pairs {
                let (sine, cosine) =
                    (place as f64 * base.powf(-(pair as f64) / pairs as f64)).sin_cos();
                let (x, y) = (head * width + pair, head * width + pair + pairs);
                turned[x] = row[x] * cosine - row[y] * sine;
                turned[y] = row[y] * cosine + row[x] * sine;
            }
        }
        turned
    };
    rows.iter().enumerate().map(one).collect()
}

/// The formulas of ModernBERT, one text at a time.
fn plain(weights: &Weights, ids: &[u32]) -> Vec<f64> {
    let words = get(weights, "model.embeddings.tok_embeddings.weight");
    let mut rows: Rows =
        ids.iter().map(|&id| words[id as usize * HIDDEN..][..HIDDEN].to_vec()).collect();
    let norm = |rows: &mut [Vec<f64>], name: &str| norm(weights, rows, name, 1e-5);
    norm(&mut rows, "model.embeddings.norm");
    for layer in 0..LAYERS {
        let of = |part: &str| format!("model.layers.{layer}.{part}");
        let mut normal = rows.clone();
        if layer > 0 {
            norm(&mut normal, &of("attn_norm"));
        }
        let joined = linear(weights, &normal, &of("attn.Wqkv"));
        let part = |part: usize| -> Rows {
            joined.iter().map(|row| row[part * HIDDEN..][..HIDDEN].to_vec()).collect()
        };
        let base = BASES[usize::from(!is_full(layer))];
        let (queries, keys) = (turned(&part(0), base), turned(&part(1), base));
        let sees = |a: usize, b: usize| is_full(layer) || a.abs_diff(b) <= REACH;
        let mixed = attention([&queries, &keys, &part(2)], HEADS, sees);
        add(&mut rows, &linear(weights, &mixed, &of("attn.Wo")));
        let mut normal = rows.clone();
        norm(&mut normal, &of("mlp_norm"));
        let gated: Rows = linear(weights, &normal, &of("mlp.Wi"))
            .iter()
            .map(|row| (0..INNER).map(|i| gelu(row[i]) * row[INNER + i]).collect())
            .collect();
        add(&mut rows, &linear(weights, &gated, &of("mlp.Wo")));
    }
    norm(&mut rows, "model.final_norm");
    pooled(&rows)
}

/// Texts around every edge of tiles, windows, and spans of rows.
fn texts() -> (Vec<u32>, Vec<usize>) {
    let (mut ids, mut offsets) = (Vec::new(), vec![0]);
    for length in [1, 2, 7, 8, 9, 16, 31, 32, 33, 40, 47, 48, 49, 64, 65, 129, 257, 300] {
        ids.extend((0..length).map(|i| (i * 7 + length * 3) as u32 % WORDS as u32));
        offsets.push(ids.len());
    }
    (ids, offsets)
}

#[test]
fn every_isa_and_precision_keeps_to_the_formulas_at_every_edge() {
    for is_biased in [false, true] {
        let weights = weights(is_biased);
        let file = Scratch::new(&format!("modern-{is_biased}.safetensors"), &to_file(&weights));
        let (ids, offsets) = texts();
        let truth: Vec<Vec<f64>> =
            offsets.windows(2).map(|ends| plain(&weights, &ids[ends[0]..ends[1]])).collect();
        for isa in Isa::available() {
            for (precision, bound) in [(Precision::F32, 4e-6), (Precision::Bf16, 2e-2)] {
                let model = load(&file, &config(is_biased), precision, isa).unwrap();
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
}

#[test]
fn a_text_has_the_same_bits_alone_in_any_batch_and_with_any_threads() {
    let file = Scratch::new("modern-bits.safetensors", &to_file(&weights(false)));
    let (ids, offsets) = texts();
    check_bits(&file, CONFIG, &ids, &offsets);
}

#[test]
fn biases_that_config_and_weights_do_not_agree_on_are_refused() {
    for is_biased in [false, true] {
        let name = format!("modern-biases-{is_biased}.safetensors");
        let file = Scratch::new(&name, &to_file(&weights(is_biased)));
        let error = load(&file, &config(!is_biased), Precision::F32, Isa::Scalar).unwrap_err();
        assert!(error.to_string().contains("bias"), "{error}");
    }
}

#[test]
fn no_config_makes_the_loader_panic() {
    let file = Scratch::new("modern-config.safetensors", &to_file(&weights(false)));
    bolero::check!().with_iterations(2_000).with_type::<Vec<(u16, u8)>>().for_each(|changes| {
        let mut bytes = CONFIG.as_bytes().to_vec();
        for (place, value) in changes {
            let place = usize::from(*place) % bytes.len();
            bytes[place] = *value;
        }
        let _ = load(&file, &String::from_utf8_lossy(&bytes), Precision::F32, Isa::Scalar);
    });
}
