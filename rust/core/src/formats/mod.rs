//! The field's file formats: TREC and BEIR qrels, TREC runs, JSON lines.
//!
//! Every reader streams: a line at a time, plain or gzip (told by the content, not by the name),
//! several gzip members included. A byte order mark, CRLF ends and blank lines are accepted.
//! Whatever else is wrong is an [`Error::Parse`](crate::error::Error::Parse) with the place, what
//! was found, what was expected and what to do. Nothing here panics on input.

mod atomic;
mod columns;
mod groups;
mod json;
mod lines;
mod nearest;
mod pairs;
mod qrels;
mod run;
mod texts;

pub use groups::{Groups, Table};
pub use lines::{KeepGoing, Lines};
pub use pairs::{Pairs, read_pairs};
pub use qrels::{QrelsFormat, read_qrels, write_qrels};
pub use run::{read_run, write_run};
pub use texts::{Texts, read_corpus, read_queries};

#[cfg(test)]
mod hostile;
