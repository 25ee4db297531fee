//! Everything in embedsmith that has a right answer without Python.
//!
//! Encoders (`encoder`), search (`topk`), the measures of retrieval (`metrics`), their statistics
//! (`stats`), near-duplicate texts (`text`) and the parsers of the field's file formats (`formats`). All `unsafe` code lives in `kernels`.

#![deny(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

pub mod encoder;
pub mod error;
pub mod formats;
#[allow(unsafe_code, reason = "the one place for it")]
pub mod kernels;
pub mod metrics;
pub mod rank;
pub mod rows;
pub mod stats;
pub mod text;
pub mod threads;
pub mod topk;
