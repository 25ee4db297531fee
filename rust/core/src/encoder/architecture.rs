//! What config.json says of a model.

use serde_json::Value;

use super::modern::Modern;
use crate::error::{Error, Result};
use crate::kernels::Activation;

// Nobody has built larger ones; a damaged file must not ask for all memory.
const WIDEST: usize = 1 << 16;
pub(super) const DEEPEST: usize = 1 << 10;
const LONGEST: usize = 1 << 17;

/// A family of encoders: how its tensors are named and its positions are counted.
#[derive(Debug, Clone, PartialEq)]
pub enum Family {
    /// BERT.
    Bert,
    /// RoBERTa, XLM-RoBERTa, CamemBERT: BERT with positions that start after the padding's id.
    Roberta,
    /// MPNet: a bias by the distance of two tokens.
    Mpnet,
    /// DistilBERT: BERT without token types.
    DistilBert,
    /// ModernBERT: places turn queries and keys, most layers see near tokens only.
    ModernBert(Modern),
}

/// The shape of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Architecture {
    /// Names of tensors and positions.
    pub family: Family,
    /// Width of a token's row.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
    /// Heads of attention.
    pub heads: usize,
    /// Width between the two maps after attention.
    pub inner: usize,
    /// The function there.
    pub activation: Activation,
    /// What keeps a normalisation from dividing by zero.
    pub epsilon: f32,
    /// Rows in the table of tokens.
    pub vocabulary: usize,
    /// Most tokens of a text that have a position.
    pub max_tokens: usize,
    /// Position of the first token.
    pub first_position: usize,
    /// Buckets of distances, for MPNet.
    pub buckets: usize,
}

impl Architecture {
    /// Reads a config.json.
    ///
    /// # Errors
    /// [`Error::Architecture`] if a family, an activation or a shape is none that runs here.
    pub fn parse(config: &str) -> Result<Self> {
        let config: Value = serde_json::from_str(config)
            .map_err(|error| wrong(format!("config.json is no valid JSON ({error})")))?;
        let kind = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
        let family = match kind {
            "bert" => Family::Bert,
            "roberta" | "xlm-roberta" | "camembert" => Family::Roberta,
            "mpnet" => Family::Mpnet,
            "distilbert" => Family::DistilBert,
            "modernbert" => {
                Family::ModernBert(Modern::read(&config, number(&config, "num_hidden_layers")?)?)
            }
            _ => {
                return Err(wrong(format!(
                    "model_type is {kind:?}; bert, roberta, xlm-roberta, camembert, mpnet, \
                     distilbert and modernbert run natively"
                )));
            }
        };
        refuse_variants(&config)?;
        let distil = family == Family::DistilBert;
        let name =
            |usual: &'static str, distils: &'static str| if distil { distils } else { usual };
        let (function, smallest) = match family {
            Family::ModernBert(_) => ("hidden_activation", ("norm_eps", 1e-5)),
            Family::DistilBert => ("activation", ("layer_norm_eps", 1e-12)),
            _ => ("hidden_act", ("layer_norm_eps", 1e-12)),
        };
        let size = |key: &'static str| number(&config, key);
        let positions = size("max_position_embeddings")?;
        let first_position = match family {
            Family::Bert | Family::DistilBert | Family::ModernBert(_) => 0,
            Family::Roberta | Family::Mpnet => count(&config, "pad_token_id", 1)? + 1,
        };
        let found = Self {
            family,
            hidden: size(name("hidden_size", "dim"))?,
            layers: size(name("num_hidden_layers", "n_layers"))?,
            heads: size(name("num_attention_heads", "n_heads"))?,
            inner: size(name("intermediate_size", "hidden_dim"))?,
            activation: activation(&config, function)?,
            epsilon: config.get(smallest.0).and_then(Value::as_f64).unwrap_or(smallest.1) as f32,
            vocabulary: size("vocab_size")?,
            max_tokens: positions.saturating_sub(first_position),
            first_position,
            buckets: count(&config, "relative_attention_num_buckets", 32)?,
        };
        found.check()?;
        Ok(found)
    }

    /// Width of a head.
    #[must_use]
    pub fn head_width(&self) -> usize {
        self.hidden / self.heads
    }

    fn check(&self) -> Result<()> {
        let within = [self.hidden, self.inner].iter().all(|&n| (1..=WIDEST).contains(&n))
            && [self.layers, self.heads].iter().all(|&n| (1..=DEEPEST).contains(&n));
        if !within || !(1..=LONGEST).contains(&self.max_tokens) || self.buckets < 4 {
            return Err(no_such_sizes());
        }
        if !self.hidden.is_multiple_of(self.heads) || !matches!(self.head_width(), 32 | 64 | 128) {
            return Err(wrong(format!(
                "{} columns in {} heads; heads of 32, 64 and 128 columns run natively",
                self.hidden, self.heads
            )));
        }
        Ok(())
    }
}

/// Refuses settings under which the layers compute something else.
fn refuse_variants(config: &Value) -> Result<()> {
    let position = config.get("position_embedding_type").and_then(Value::as_str);
    if !matches!(position, None | Some("absolute")) {
        return Err(wrong(format!(
            "position_embedding_type is {position:?}; absolute runs natively"
        )));
    }
    for key in ["is_decoder", "add_cross_attention"] {
        if config.get(key).and_then(Value::as_bool) == Some(true) {
            return Err(wrong(format!("{key} is set; encoders run natively")));
        }
    }
    if config.get("quantization_config").is_some_and(|found| !found.is_null()) {
        return Err(wrong("its weights are quantised (quantization_config)".to_owned()));
    }
    Ok(())
}

fn activation(config: &Value, key: &'static str) -> Result<Activation> {
    match config.get(key).and_then(Value::as_str).unwrap_or("gelu") {
        "gelu" => Ok(Activation::Gelu),
        "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Ok(Activation::GeluTanh),
        "relu" => Ok(Activation::Relu),
        "silu" | "swish" => Ok(Activation::Silu),
        "tanh" => Ok(Activation::Tanh),
        other => Err(wrong(format!(
            "{key} is {other:?}; gelu, gelu_new, relu, silu and tanh run natively"
        ))),
    }
}

pub(super) fn number(config: &Value, key: &'static str) -> Result<usize> {
    let value = config.get(key).and_then(Value::as_u64);
    value
        .and_then(|n| usize::try_from(n).ok())
        .ok_or_else(|| wrong(format!("config.json has no whole number {key:?}")))
}

pub(super) fn count(config: &Value, key: &'static str, usual: usize) -> Result<usize> {
    match config.get(key) {
        None | Some(Value::Null) => Ok(usual),
        Some(_) => number(config, key)
            .and_then(|n| if n < 1 << 20 { Ok(n) } else { Err(wrong(format!("{key} is {n}"))) }),
    }
}

pub(super) fn no_such_sizes() -> Error {
    wrong("config.json gives sizes that no model has".to_owned())
}

pub(super) fn wrong(problem: String) -> Error {
    Error::Architecture { problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINILM: &str = r#"{"model_type": "bert", "hidden_size": 384, "num_hidden_layers": 6,
        "num_attention_heads": 12, "intermediate_size": 1536, "hidden_act": "gelu",
        "layer_norm_eps": 1e-12, "vocab_size": 30522, "max_position_embeddings": 512}"#;

    #[test]
    fn bert_is_read_as_it_is_written() {
        let found = Architecture::parse(MINILM).unwrap();
        assert_eq!((found.hidden, found.layers, found.heads, found.inner), (384, 6, 12, 1536));
        assert_eq!((found.head_width(), found.max_tokens, found.first_position), (32, 512, 0));
    }

    #[test]
    fn positions_of_roberta_and_mpnet_start_after_the_padding() {
        for family in ["roberta", "mpnet", "xlm-roberta"] {
            let config =
                MINILM.replace("\"bert\"", &format!("\"{family}\"")).replace(": 512", ": 514");
            let found = Architecture::parse(&config).unwrap();
            assert_eq!((found.first_position, found.max_tokens), (2, 512), "{family}");
        }
    }

    #[test]
    fn what_computes_otherwise_is_refused_by_name() {
        for (from, to, said) in [
            ("\"bert\"", "\"t5\"", "t5"),
            ("\"gelu\"", "\"mish\"", "mish"),
            ("384", "390", "heads"),
            ("30522", "-1", "vocab_size"),
            ("\"hidden_size\"", "\"is_decoder\": true, \"hidden_size\"", "is_decoder"),
            (
                "\"hidden_size\"",
                "\"position_embedding_type\": \"relative_key\", \"hidden_size\"",
                "relative_key",
            ),
            ("6,", "4000000000,", "sizes"),
        ] {
            let error = Architecture::parse(&MINILM.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
