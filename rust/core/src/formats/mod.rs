//! The field's file formats: TREC and BEIR qrels, TREC runs, JSON lines.
//!
//! Every reader streams: a line at a time, plain, gzip or zstd (told by the content, not by
//! the name), several members or frames included. A byte order mark, CRLF ends and blank lines are accepted.
//! Whatever else is wrong is an [`Error::Parse`](crate::error::Error::Parse) with the place, what
//! was found, what was expected and what to do. Nothing here panics on input.

mod atomic;
mod check;
mod columns;
mod delimited;
mod detect;
mod faults;
mod groups;
mod json;
mod lines;
mod lists;
mod nearest;
mod packed;
mod pairs;
mod pieces;
mod qrels;
mod ranked;
mod read;
mod run;
mod tables;
mod texts;
mod write;

pub use check::{Checked, Holds, check, packing};
pub use groups::{Groups, Table};
pub use lines::{KeepGoing, Lines};
pub use lists::{Entry, List, Lists};
pub use pairs::{Pairs, read_pairs};
pub use qrels::{QrelsFormat, write_qrels};
pub use ranked::{Reading, rankings};
pub use read::{read_qrels, read_run};
pub use run::write_run;
pub use texts::{Document, DocumentStream, TextFields, Texts, read_corpus, read_queries};
pub use write::{TableFormat, Written, write_table};

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod hostile;
