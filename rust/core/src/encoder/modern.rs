//! What config.json says of ModernBERT alone: which layer sees how far, and how places turn it.

use serde_json::Value;

use super::architecture::{DEEPEST, count, no_such_sizes, number, wrong};
use crate::error::Result;

/// What the layers of a ModernBERT have that no other family's have.
#[derive(Debug, Clone, PartialEq)]
pub struct Modern {
    /// One a layer.
    pub sights: Vec<Sight>,
    /// Whether normalisations add something.
    pub norm_bias: bool,
    /// Whether the maps around attention do.
    pub attention_bias: bool,
    /// Whether the maps after it do.
    pub inner_bias: bool,
}

/// What tokens see of their text in one layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sight {
    /// How far to each side; everything if none.
    pub window: Option<usize>,
    /// Base of the frequencies with which places turn queries and keys.
    pub theta: f64,
}

/// A kind of layer: its name in config.json, where older files have its base, and the base of those
/// that name none.
struct Kind {
    name: &'static str,
    base: &'static str,
    usual: f64,
}

const FULL: Kind = Kind { name: "full_attention", base: "global_rope_theta", usual: 160_000.0 };
const NEAR: Kind = Kind { name: "sliding_attention", base: "local_rope_theta", usual: 10_000.0 };

impl Modern {
    /// Reads what a config.json says of so many layers.
    ///
    /// # Errors
    /// [`crate::error::Error::Architecture`] if it says something that does not run here.
    pub(super) fn read(config: &Value, layers: usize) -> Result<Self> {
        if layers > DEEPEST {
            return Err(no_such_sizes());
        }
        if config.get("rope_scaling").is_some_and(|found| !found.is_null()) {
            return Err(wrong(
                "rope_scaling is set; places that are not scaled run natively".into(),
            ));
        }
        let head = config.get("head_dim").filter(|found| !found.is_null());
        let sizes = ("hidden_size", "num_attention_heads");
        if let Some(head) = head.and_then(Value::as_u64)
            && head * number(config, sizes.1)? as u64 != number(config, sizes.0)? as u64
        {
            return Err(wrong(format!(
                "head_dim is {head}; heads that share all columns run natively"
            )));
        }
        let full = Sight { window: None, theta: base(config, &FULL)? };
        let near = Sight { window: Some(reach(config)?), theta: base(config, &NEAR)? };
        let sights = is_near(config, layers)?.into_iter();
        Ok(Self {
            sights: sights.map(|is_near| if is_near { near } else { full }).collect(),
            norm_bias: switch(config, "norm_bias")?,
            attention_bias: switch(config, "attention_bias")?,
            inner_bias: switch(config, "mlp_bias")?,
        })
    }
}

/// Whether each layer sees near tokens only.
fn is_near(config: &Value, layers: usize) -> Result<Vec<bool>> {
    let Some(kinds) = config.get("layer_types").filter(|found| !found.is_null()) else {
        let every = count(config, "global_attn_every_n_layers", 3)?;
        if every == 0 {
            return Err(wrong("global_attn_every_n_layers is 0; at least 1 makes sense".into()));
        }
        return Ok((0..layers).map(|layer| !layer.is_multiple_of(every)).collect());
    };
    let kinds = kinds.as_array().map_or(&[][..], Vec::as_slice);
    if kinds.len() != layers {
        return Err(wrong(format!("layer_types names {} layers of {layers}", kinds.len())));
    }
    let one = |kind: &Value| match kind.as_str() {
        Some(name) if name == FULL.name => Ok(false),
        Some(name) if name == NEAR.name => Ok(true),
        _ => Err(wrong(format!(
            "layer_types names {kind}; {} and {} run natively",
            FULL.name, NEAR.name
        ))),
    };
    kinds.iter().map(one).collect()
}

/// How far to each side a window reaches.
fn reach(config: &Value) -> Result<usize> {
    match count(config, "local_attention", 128)? / 2 {
        0 => Err(wrong("local_attention reaches no neighbour; at least 2 runs natively".into())),
        reach => Ok(reach),
    }
}

/// The base of a kind of layer.
fn base(config: &Value, kind: &Kind) -> Result<f64> {
    let refuse = |what: &str, found: &Value| {
        wrong(format!("{what} is {found}; the usual turning of places (rope) runs natively"))
    };
    let mut given = config.get(kind.base);
    if let Some(all) = config.get("rope_parameters").filter(|found| !found.is_null()) {
        let kinds = all.as_object().ok_or_else(|| refuse("rope_parameters", all))?;
        if kinds.keys().any(|name| ![FULL.name, NEAR.name].contains(&name.as_str())) {
            return Err(refuse("rope_parameters", all));
        }
        if let Some(own) = kinds.get(kind.name).filter(|found| !found.is_null()) {
            let settings = own.as_object().ok_or_else(|| refuse(kind.name, own))?;
            for (name, value) in settings {
                match name.as_str() {
                    "rope_theta" => given = Some(value),
                    "rope_type" if value == "default" => {}
                    _ => return Err(refuse(&format!("{name} of {}", kind.name), value)),
                }
            }
        }
    }
    let Some(value) = given.filter(|found| !found.is_null()) else { return Ok(kind.usual) };
    match value.as_f64() {
        Some(theta) if (1.0..=1e12).contains(&theta) => Ok(theta),
        _ => Err(refuse(&format!("the base of {}", kind.name), value)),
    }
}

fn switch(config: &Value, key: &'static str) -> Result<bool> {
    match config.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(on)) => Ok(*on),
        Some(other) => Err(wrong(format!("{key} is {other}; true or false was expected"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(config: &str, layers: usize) -> Result<Modern> {
        Modern::read(&serde_json::from_str(config).unwrap(), layers)
    }

    #[test]
    fn both_ways_of_writing_say_the_same() {
        let old = read(
            r#"{"global_attn_every_n_layers": 2, "local_attention": 64, "global_rope_theta": 8e4,
                "local_rope_theta": 500, "mlp_bias": true}"#,
            4,
        );
        let new = read(
            r#"{"layer_types": ["full_attention", "sliding_attention", "full_attention",
                "sliding_attention"], "local_attention": 64, "mlp_bias": true, "rope_parameters":
                {"full_attention": {"rope_type": "default", "rope_theta": 80000.0},
                 "sliding_attention": {"rope_theta": 500.0}}}"#,
            4,
        );
        let found = old.unwrap();
        assert_eq!(found.sights[0], Sight { window: None, theta: 8e4 });
        assert_eq!(found.sights[3], Sight { window: Some(32), theta: 500.0 });
        assert!(found.inner_bias && !found.attention_bias && !found.norm_bias);
        assert_eq!(found, new.unwrap());
    }

    #[test]
    fn what_is_left_out_is_what_was_published_first() {
        let found = read("{}", 4).unwrap();
        let (full, near) =
            (Sight { window: None, theta: 160_000.0 }, Sight { window: Some(64), theta: 10_000.0 });
        assert_eq!(found.sights, [full, near, near, full]);
    }

    #[test]
    fn what_turns_or_sees_otherwise_is_refused_by_name() {
        for (config, said) in [
            (r#"{"local_attention": 0}"#, "local_attention"),
            (r#"{"local_attention": 1}"#, "local_attention"),
            (r#"{"local_attention": -4}"#, "local_attention"),
            (r#"{"global_attn_every_n_layers": 0}"#, "global_attn_every_n_layers"),
            (r#"{"layer_types": ["full_attention"]}"#, "names 1 layers of 3"),
            (r#"{"layer_types": 7}"#, "names 0 layers of 3"),
            (
                r#"{"layer_types": ["full_attention", "chunked_attention", "full_attention"]}"#,
                "chunked",
            ),
            (r#"{"rope_scaling": {"factor": 2}}"#, "rope_scaling"),
            (r#"{"local_rope_theta": 0}"#, "sliding_attention is 0"),
            (r#"{"global_rope_theta": "many"}"#, "many"),
            (r#"{"rope_parameters": {"rope_theta": 7}}"#, "rope_parameters"),
            (r#"{"rope_parameters": {"full_attention": {"rope_type": "yarn"}}}"#, "yarn"),
            (r#"{"rope_parameters": {"sliding_attention": {"factor": 8}}}"#, "factor"),
            (r#"{"norm_bias": "yes"}"#, "norm_bias"),
            (r#"{"head_dim": 16, "hidden_size": 64, "num_attention_heads": 2}"#, "head_dim is 16"),
        ] {
            let error = read(config, 3).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        assert!(read("{}", 4_000_000_000).unwrap_err().to_string().contains("sizes"));
    }
}
