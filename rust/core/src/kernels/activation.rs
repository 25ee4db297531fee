//! What follows a matrix product: bias, activation, and the form in which the next one reads it.

use super::Kernels;
use super::bf16::{Line, STEP};
use super::by_isa::by_isa;
use super::vector_math::{bf16_pair, gelu, tanh};

/// A function of single values between two linear maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// None.
    Identity,
    /// The value times the normal distribution's share below it.
    Gelu,
    /// GELU by a hyperbolic tangent, as in the paper's approximation.
    GeluTanh,
    /// The value, or 0 below it.
    Relu,
    /// Hyperbolic tangent.
    Tanh,
    /// The value times its logistic function.
    Silu,
}

impl Activation {
    /// The function's value.
    #[inline(always)]
    fn apply(self, x: f32) -> f32 {
        match self {
            Self::Identity => x,
            Self::Gelu => gelu(x),
            Self::GeluTanh => {
                const ROOT: f32 = 0.797_884_6;
                0.5 * x * (1.0 + tanh(ROOT * (0.044_715 * x * x).mul_add(x, x)))
            }
            Self::Relu => {
                if x > 0.0 {
                    x
                } else {
                    0.0
                }
            }
            Self::Tanh => tanh(x),
            Self::Silu => 0.5 * x * (1.0 + tanh(0.5 * x)),
        }
    }
}

/// Adds the bias and applies the function. One loop for each function, so that each is vectors only.
#[inline(always)]
fn activate_body(values: &mut [f32], bias: &[f32], activation: Activation) {
    macro_rules! each {
        ($($kind:ident),*) => {
            match activation {
                $(Activation::$kind => {
                    for (value, bias) in values.iter_mut().zip(bias) {
                        *value = Activation::$kind.apply(*value + bias);
                    }
                })*
            }
        };
    }
    each!(Identity, Gelu, GeluTanh, Relu, Tanh, Silu);
}

by_isa! {
    fn activate(kernels, values: &mut [f32], bias: &[f32], activation: Activation) = activate_body;
}

/// Rounds 32 values to bfloat16.
#[inline(always)]
fn encode_body(values: &[f32; STEP], line: &mut Line) {
    for (codes, pair) in line.0.as_chunks_mut::<2>().0.iter_mut().zip(values.as_chunks::<2>().0) {
        let both = bf16_pair(pair[0], pair[1]);
        *codes = [both as u16, (both >> 16) as u16];
    }
}

by_isa! {
    fn encode(kernels, values: &[f32; STEP], line: &mut Line) = encode_body;
}

#[inline(always)]
fn add_body(values: &[f32], target: &mut [f32]) {
    for (target, value) in target.iter_mut().zip(values) {
        *target += value;
    }
}

by_isa! {
    fn add(kernels, values: &[f32], target: &mut [f32]) = add_body;
}

impl Kernels {
    /// Adds a bias to a row and applies a function to each of its values.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn activate(self, values: &mut [f32], bias: &[f32], activation: Activation) {
        assert_eq!(values.len(), bias.len());
        activate(self, values, bias, activation);
    }

    /// Rounds 32 values to bfloat16.
    pub fn encode_line(self, values: &[f32; STEP], line: &mut Line) {
        encode(self, values, line);
    }

    /// Adds one row to another.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn add(self, values: &[f32], target: &mut [f32]) {
        assert_eq!(values.len(), target.len());
        add(self, values, target);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Isa;

    const ALL: [Activation; 6] = [
        Activation::Identity,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Relu,
        Activation::Tanh,
        Activation::Silu,
    ];

    #[test]
    fn every_isa_returns_the_bits_of_the_portable_code_at_every_length() {
        let scalar = Kernels::with_isa(Isa::Scalar).unwrap();
        for n in [0, 1, 15, 16, 17, 31, 32, 33, 100] {
            let values: Vec<f32> = (0..n).map(|i| (i as f32 - 40.0) * 0.37).collect();
            let bias: Vec<f32> = (0..n).map(|i| i as f32 * 0.01).collect();
            for activation in ALL {
                let mut expected = values.clone();
                scalar.activate(&mut expected, &bias, activation);
                for kernels in Isa::available().filter_map(Kernels::with_isa) {
                    let mut found = values.clone();
                    kernels.activate(&mut found, &bias, activation);
                    assert_eq!(found, expected, "{activation:?} {:?}", kernels.isa());
                }
            }
        }
    }

    #[test]
    fn the_functions_are_those_of_their_names() {
        for x in (-60..=60).map(|i| i as f32 * 0.1) {
            let wide = f64::from(x);
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (wide + 0.044_715 * wide.powi(3));
            for (activation, truth) in [
                (Activation::Identity, wide),
                (Activation::GeluTanh, 0.5 * wide * (1.0 + inner.tanh())),
                (Activation::Relu, wide.max(0.0)),
                (Activation::Tanh, wide.tanh()),
                (Activation::Silu, wide / (1.0 + (-wide).exp())),
            ] {
                let found = f64::from(activation.apply(x));
                assert!((found - truth).abs() < 2e-6, "{activation:?} {x}: {found} {truth}");
            }
        }
    }

    #[test]
    fn lines_hold_the_nearest_codes() {
        let values: [f32; STEP] = std::array::from_fn(|i| (i as f32 - 9.0) * 1.234_567);
        for kernels in Isa::available().filter_map(Kernels::with_isa) {
            let mut line = Line::ZERO;
            kernels.encode_line(&values, &mut line);
            assert_eq!(line.0, values.map(super::super::bf16::round));
        }
    }
}
