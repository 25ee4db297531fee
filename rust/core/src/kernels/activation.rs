//! What follows a matrix product: bias, activation, and the form in which the next one reads it.
//!
//! A *block* is the products of some rows with the columns of one panel, `pitch` floats from row to row.

#![allow(clippy::inline_always, reason = "a body is compiled for vectors only inside its caller")]

use super::Kernels;
use super::bf16::{Line, STEP, round};
use super::by_isa::by_isa;
use super::vector_math::{gelu, gelu_near, tanh};

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

impl Activation {
    /// The value before it is rounded to 8 bits or less of significand: within 1.3e-4.
    #[inline(always)]
    fn apply_near(self, x: f32) -> f32 {
        match self {
            Self::Gelu => gelu_near(x),
            _ => self.apply(x),
        }
    }
}

/// Calls a generic body with the activation as a constant, so that each loop is vectors only.
macro_rules! with_activation {
    ($activation:expr, |$constant:ident| $body:expr) => {
        with_activation!(@ $activation, $constant, $body, Identity, Gelu, GeluTanh, Relu, Tanh, Silu)
    };
    (@ $activation:expr, $constant:ident, $body:expr, $($kind:ident),*) => {
        match $activation {
            $(Activation::$kind => {
                const $constant: Activation = Activation::$kind;
                $body
            })*
        }
    };
}

#[inline(always)]
fn activate_body(block: &mut [f32], pitch: usize, bias: &[f32], activation: Activation) {
    with_activation!(activation, |F| for row in block.chunks_exact_mut(pitch) {
        for (value, bias) in row.iter_mut().zip(bias) {
            *value = F.apply(*value + bias);
        }
    });
}

#[inline(always)]
fn activate_near_body(block: &mut [f32], pitch: usize, bias: &[f32], activation: Activation) {
    with_activation!(activation, |F| for row in block.chunks_exact_mut(pitch) {
        for (value, bias) in row.iter_mut().zip(bias) {
            *value = F.apply_near(*value + bias);
        }
    });
}

by_isa! {
    fn activate_near(
        kernels, block: &mut [f32], pitch: usize, bias: &[f32], activation: Activation,
    ) = activate_near_body;
}

by_isa! {
    fn activate(
        kernels, block: &mut [f32], pitch: usize, bias: &[f32], activation: Activation,
    ) = activate_body;
}

#[inline(always)]
fn store_body(block: &[f32], pitch: usize, bias: &[f32], target: &mut [f32], target_pitch: usize) {
    for (row, target) in block.chunks_exact(pitch).zip(target.chunks_mut(target_pitch)) {
        for ((target, value), bias) in target.iter_mut().zip(row).zip(bias) {
            *target = value + bias;
        }
    }
}

by_isa! {
    fn store(
        kernels, block: &[f32], pitch: usize, bias: &[f32], target: &mut [f32], target_pitch: usize,
    ) = store_body;
}

#[inline(always)]
fn add_body(block: &[f32], pitch: usize, bias: &[f32], target: &mut [f32], target_pitch: usize) {
    for (row, target) in block.chunks_exact(pitch).zip(target.chunks_mut(target_pitch)) {
        for ((target, value), bias) in target.iter_mut().zip(row).zip(bias) {
            *target += value + bias;
        }
    }
}

by_isa! {
    fn add(
        kernels, block: &[f32], pitch: usize, bias: &[f32], target: &mut [f32], target_pitch: usize,
    ) = add_body;
}

#[inline(always)]
fn scale_body(
    block: &[f32],
    pitch: usize,
    factors: &[f32],
    columns: usize,
    target: &mut [f32],
    target_pitch: usize,
) {
    let rows = block.chunks_exact(pitch).zip(target.chunks_mut(target_pitch)).zip(factors);
    for ((row, target), factor) in rows {
        for (target, value) in target.iter_mut().zip(&row[..columns]) {
            *target = value * factor;
        }
    }
}

by_isa! {
    fn scale(
        kernels,
        block: &[f32],
        pitch: usize,
        factors: &[f32],
        columns: usize,
        target: &mut [f32],
        target_pitch: usize,
    ) = scale_body;
}

#[inline(always)]
fn to_line(values: [f32; STEP], line: &mut Line) {
    for (codes, values) in line.0.iter_mut().zip(values) {
        *codes = round(values);
    }
}

#[inline(always)]
fn lines_body(
    block: &[f32],
    bias: &[f32; STEP],
    activation: Activation,
    lines: &mut [Line],
    stride: usize,
) {
    with_activation!(activation, |F| {
        for (row, line) in block.as_chunks::<STEP>().0.iter().zip(lines.iter_mut().step_by(stride))
        {
            // A loop, since `array::from_fn` would be compiled for no vectors at all.
            let mut values = [0.0; STEP];
            for i in 0..STEP {
                values[i] = F.apply_near(row[i] + bias[i]);
            }
            to_line(values, line);
        }
    });
}

by_isa! {
    fn lines(
        kernels,
        block: &[f32],
        bias: &[f32; STEP],
        activation: Activation,
        lines: &mut [Line],
        stride: usize,
    ) = lines_body;
}

#[inline(always)]
fn encode_body(row: &[f32], lines: &mut [Line], stride: usize) {
    let (whole, rest) = row.as_chunks::<STEP>();
    let mut targets = lines.iter_mut().step_by(stride);
    for (values, line) in whole.iter().zip(&mut targets) {
        to_line(*values, line);
    }
    if let (false, Some(line)) = (rest.is_empty(), targets.next()) {
        let mut values = [0.0; STEP];
        values[..rest.len()].copy_from_slice(rest);
        to_line(values, line);
    }
}

by_isa! {
    fn encode(kernels, row: &[f32], lines: &mut [Line], stride: usize) = encode_body;
}

#[inline(always)]
fn sum_body(row: &[f32], target: &mut [f32]) {
    for (target, value) in target.iter_mut().zip(row) {
        *target += value;
    }
}

by_isa! {
    fn sum(kernels, row: &[f32], target: &mut [f32]) = sum_body;
}

impl Kernels {
    /// Adds a bias to each row of a block and applies a function to each value.
    ///
    /// # Panics
    /// If the bias is longer than a row.
    pub fn activate(self, block: &mut [f32], pitch: usize, bias: &[f32], activation: Activation) {
        assert!(bias.len() <= pitch);
        activate(self, block, pitch, bias, activation);
    }

    /// As [`Kernels::activate`], for values that are then rounded to 8 bits or less of significand: within
    /// 1.3e-4.
    ///
    /// # Panics
    /// Likewise.
    pub fn activate_near(
        self,
        block: &mut [f32],
        pitch: usize,
        bias: &[f32],
        activation: Activation,
    ) {
        assert!(bias.len() <= pitch);
        activate_near(self, block, pitch, bias, activation);
    }

    /// Writes each row of a block, with the bias, to rows of another pitch.
    ///
    /// # Panics
    /// If the bias is longer than a row of either.
    pub fn store_block(
        self,
        block: &[f32],
        pitch: usize,
        bias: &[f32],
        target: &mut [f32],
        target_pitch: usize,
    ) {
        assert!(bias.len() <= pitch.min(target_pitch));
        store(self, block, pitch, bias, target, target_pitch);
    }

    /// As [`Kernels::store_block`], added to what is there.
    ///
    /// # Panics
    /// Likewise.
    pub fn add_block(
        self,
        block: &[f32],
        pitch: usize,
        bias: &[f32],
        target: &mut [f32],
        target_pitch: usize,
    ) {
        assert!(bias.len() <= pitch.min(target_pitch));
        add(self, block, pitch, bias, target, target_pitch);
    }

    /// Writes the first columns of each row of a block times the row's factor.
    ///
    /// # Panics
    /// If a row has fewer columns.
    pub fn scale_block(
        self,
        (block, pitch): (&[f32], usize),
        factors: &[f32],
        columns: usize,
        target: &mut [f32],
        target_pitch: usize,
    ) {
        assert!(columns <= pitch.min(target_pitch));
        scale(self, block, pitch, factors, columns, target, target_pitch);
    }

    /// Writes the function of each row of 32 values and the bias as bfloat16, `stride` lines apart.
    pub fn block_to_lines(
        self,
        block: &[f32],
        bias: &[f32; STEP],
        activation: Activation,
        lines: &mut [Line],
        stride: usize,
    ) {
        self::lines(self, block, bias, activation, lines, stride);
    }

    /// Rounds a row to bfloat16, 32 values a line, `stride` lines apart; the last one is filled up with
    /// zeros.
    pub fn row_to_lines(self, row: &[f32], lines: &mut [Line], stride: usize) {
        encode(self, row, lines, stride);
    }

    /// Adds one row to another.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn add(self, row: &[f32], target: &mut [f32]) {
        assert_eq!(row.len(), target.len());
        sum(self, row, target);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Isa, bf16};

    const ALL: [Activation; 6] = [
        Activation::Identity,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Relu,
        Activation::Tanh,
        Activation::Silu,
    ];

    fn values(n: usize) -> Vec<f32> {
        (0..n).map(|i| (i as f32 - 40.0) * 0.37).collect()
    }

    fn each() -> impl Iterator<Item = Kernels> {
        Isa::available().filter_map(Kernels::with_isa)
    }

    #[test]
    fn every_isa_returns_the_bits_of_the_portable_code_at_every_width() {
        let scalar = Kernels::with_isa(Isa::Scalar).unwrap();
        for n in [1, 15, 16, 17, 31, 32, 33, 100] {
            let (block, bias) = (values(3 * n), values(n));
            for activation in ALL {
                let mut expected = block.clone();
                scalar.activate(&mut expected, n, &bias, activation);
                for kernels in each() {
                    let mut found = block.clone();
                    kernels.activate(&mut found, n, &bias, activation);
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
    fn blocks_are_stored_added_and_scaled_within_their_columns() {
        // Rows of 4, of which 3 columns count, go to rows of 5.
        let block = [1.0, 2.0, 3.0, 9.0, 4.0, 5.0, 6.0, 9.0];
        for kernels in each() {
            let mut target = [0.5; 10];
            kernels.store_block(&block, 4, &[10.0, 20.0, 30.0], &mut target, 5);
            assert_eq!(target, [11.0, 22.0, 33.0, 0.5, 0.5, 14.0, 25.0, 36.0, 0.5, 0.5]);
            kernels.add_block(&block, 4, &[0.0; 3], &mut target, 5);
            assert_eq!(target, [12.0, 24.0, 36.0, 0.5, 0.5, 18.0, 30.0, 42.0, 0.5, 0.5]);
            kernels.scale_block((&block, 4), &[2.0, 0.5], 3, &mut target, 5);
            assert_eq!(target, [2.0, 4.0, 6.0, 0.5, 0.5, 2.0, 2.5, 3.0, 0.5, 0.5]);
        }
    }

    #[test]
    fn lines_hold_the_nearest_codes() {
        let row = values(40);
        let bias: [f32; STEP] = std::array::from_fn(|i| i as f32 * 0.01);
        for kernels in each() {
            let mut lines = [Line([7; STEP]); 4];
            kernels.row_to_lines(&row, &mut lines, 2);
            assert_eq!(
                lines[0].0[..],
                row[..32].iter().map(|x| bf16::round(*x)).collect::<Vec<_>>()
            );
            assert_eq!(
                lines[2].0[..8],
                row[32..].iter().map(|x| bf16::round(*x)).collect::<Vec<_>>()
            );
            assert_eq!((lines[2].0[8..].iter().max(), lines[1].0[0]), (Some(&0), 7));
            let block = values(64);
            kernels.block_to_lines(&block, &bias, Activation::Relu, &mut lines, 3);
            for (row, line) in [(0, 0), (1, 3)] {
                for i in 0..STEP {
                    let value = (block[row * STEP + i] + bias[i]).max(0.0);
                    assert_eq!(lines[line].0[i], bf16::round(value));
                }
            }
        }
    }
}
