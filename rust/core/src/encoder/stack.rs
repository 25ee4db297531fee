//! All layers of a model.

use std::collections::HashMap;
use std::sync::Arc;

use super::architecture::{Architecture, Family};
use super::layer::{Layer, Scratch};
use super::linear::Linear;
use super::modern::Modern;
use super::norm::Norm;
use super::packed::Plan;
use super::positions::DistanceBias;
use super::post_norm::{BERT, DISTILBERT, MPNET, PostNorm};
use super::pre_norm::PreNorm;
use super::rotation::Rotation;
use super::team::Member;
use super::tensors::Tensors;
use crate::error::Result;

/// Layers, and what normalises the rows of the last where no layer does.
#[derive(Debug)]
pub(super) struct Stack {
    layers: Vec<Layer>,
    last: Option<Norm>,
}

impl Stack {
    /// Reads the layers of a model whose tensors' names start with `prefix`.
    pub(super) fn read(
        tensors: &Tensors,
        prefix: &str,
        shape: &Architecture,
        plan: &Plan,
    ) -> Result<Self> {
        let (stem, names) = match &shape.family {
            Family::Bert | Family::Roberta => ("encoder", BERT),
            Family::Mpnet => ("encoder", MPNET),
            Family::DistilBert => ("transformer", DISTILBERT),
            Family::ModernBert(modern) => {
                return Self::read_modern(tensors, prefix, (shape, modern), plan);
            }
        };
        let bias = if shape.family == Family::Mpnet {
            let name = format!("{prefix}encoder.relative_attention_bias");
            let sizes = (shape.buckets, shape.heads);
            Some(Arc::new(DistanceBias::read(tensors, &name, sizes, shape.max_tokens)?))
        } else {
            None
        };
        let read = |layer| {
            let name = format!("{prefix}{stem}.layer.{layer}.");
            let read = PostNorm::read(tensors, (&name, &names), shape, bias.clone(), (plan, layer));
            read.map(Layer::PostNorm)
        };
        Ok(Self { layers: (0..shape.layers).map(read).collect::<Result<_>>()?, last: None })
    }

    fn read_modern(
        tensors: &Tensors,
        prefix: &str,
        (shape, modern): (&Architecture, &Modern),
        plan: &Plan,
    ) -> Result<Self> {
        // By the base's bits: there are two of them at most.
        let mut rotations: HashMap<u64, Arc<Rotation>> = HashMap::new();
        let name = format!("{prefix}layers.");
        let mut read = |(layer, theta): (usize, f64)| {
            let rotation = rotations.entry(theta.to_bits()).or_insert_with(|| {
                Arc::new(Rotation::new(theta, shape.head_width(), shape.max_tokens))
            });
            let rotation = Arc::clone(rotation);
            PreNorm::read(tensors, (&name, layer), (shape, modern), rotation, plan)
                .map(Layer::PreNorm)
        };
        let sights = modern.sights.iter().map(|sight| sight.theta).enumerate();
        let layers = sights.map(&mut read).collect::<Result<_>>()?;
        let name = format!("{prefix}final_norm");
        let (width, shifted) = (shape.hidden, modern.norm_bias);
        let last = Norm::read_shifted(tensors, &name, width, shape.epsilon, shifted)?;
        Ok(Self { layers, last: Some(last) })
    }

    /// Takes the rows of several texts, whose ends are `ends`, through all layers.
    pub(super) fn forward(&self, rows: &mut [f32], ends: &[usize], scratch: &mut Scratch) {
        for (at, layer) in self.layers.iter().enumerate() {
            scratch.ranges.layer = at;
            layer.forward(rows, ends, scratch);
        }
        if let Some(last) = &self.last {
            last.apply(rows, scratch.tiles.kernels());
        }
    }

    /// Whether [`Stack::forward_in_team`] can do it.
    pub(super) fn suits_a_team(&self) -> bool {
        self.layers.iter().all(|layer| matches!(layer, Layer::PostNorm(_)))
    }

    /// Takes the rows of a team through all layers.
    pub(super) fn forward_in_team(&self, member: &mut Member<'_>, ends: &[usize]) {
        for layer in &self.layers {
            match layer {
                Layer::PostNorm(layer) => layer.forward_in_team(member, ends),
                Layer::PreNorm(_) => unreachable!("`suits_a_team` is asked first"),
            }
        }
    }

    /// Bytes of the packed weights.
    pub(super) fn bytes(&self) -> usize {
        self.linears().map(Linear::bytes).sum()
    }

    /// Multiplications and additions of the linear maps for one token.
    pub(super) fn operations(&self) -> usize {
        self.linears().map(Linear::operations).sum()
    }

    fn linears(&self) -> impl Iterator<Item = &Linear> {
        self.layers.iter().flat_map(Layer::linears)
    }
}
