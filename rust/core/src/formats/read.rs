//! Files of results and judgements in whatever format they are.

use std::path::Path;

use super::delimited;
use super::detect::{JUDGEMENTS, Layout, Names, RESULTS, tell};
use super::faults::Faults;
use super::groups::Groups;
use super::lines::{KeepGoing, Lines};
use super::lists::Lists;
use super::packed::{Unpacked, open, unreadable};
use super::pieces::{self, Number};
use super::tables::{JsonNumber, parse_lines, parse_object};
use super::{qrels, run};
use crate::error::Result;

/// How a kind of file is read.
pub(super) struct Kind<V> {
    judgements: bool,
    holds: &'static str,
    names: Names,
    columns: fn(&mut Lines<'_>, &mut Faults) -> Result<Groups<V>>,
    value: fn(&Lines<'_>, &str) -> Result<V>,
}

pub(super) const RUN: Kind<f64> = Kind {
    judgements: false,
    holds: "results",
    names: RESULTS,
    columns: run::parse_columns,
    value: run::parse_score,
};

pub(super) const QRELS: Kind<i64> = Kind {
    judgements: true,
    holds: "judgements",
    names: JUDGEMENTS,
    columns: qrels::parse_columns,
    value: qrels::parse_grade,
};

/// Reads results, larger scores being better: a TREC run, a table with named columns, JSON or JSON
/// lines, told by the first line. Ranks are not used: as in `trec_eval`, the score alone makes the
/// order.
///
/// # Errors
/// [`Error::Parse`](crate::error::Error::Parse) with the place;
/// [`Error::Content`](crate::error::Error::Content) if there is no result.
pub fn read_run(
    path: &Path,
    threads: Option<usize>,
    keep_going: KeepGoing<'_>,
) -> Result<Lists<f64>> {
    read(path, &RUN, threads, keep_going)
}

/// Reads judgements: BEIR's or TREC's columns, a table with named columns, JSON or JSON lines, told
/// by the first line. Grades are whole numbers that fit 32 bits.
///
/// # Errors
/// As [`read_run`].
pub fn read_qrels(
    path: &Path,
    threads: Option<usize>,
    keep_going: KeepGoing<'_>,
) -> Result<Lists<i64>> {
    read(path, &QRELS, threads, keep_going)
}

fn read<V: Number + JsonNumber + Default>(
    path: &Path,
    kind: &Kind<V>,
    threads: Option<usize>,
    keep_going: KeepGoing<'_>,
) -> Result<Lists<V>> {
    let (mut unpacked, layout) = unpacked(path, kind.judgements)?;
    // What is no file, such as a pipe, can be read once only.
    if let Layout::Columns(columns) = layout
        && path.is_file()
    {
        if let Some(pieces) = pieces::read(&mut unpacked.input, columns, threads, keep_going)?
            && let Some(lists) = Lists::new(pieces, threads)?
            && !lists.is_empty()
        {
            return Ok(lists);
        }
        (unpacked, _) = self::unpacked(path, kind.judgements)?;
    }
    let groups = slowly(path, kind, unpacked, layout, &mut Faults::none(), keep_going)?;
    Ok(Lists::from_groups(&groups))
}

/// The bytes of a file and the layout that they start with.
pub(super) fn unpacked(path: &Path, judgements: bool) -> Result<(Unpacked<'static>, Layout)> {
    let unpacked = Unpacked::new(open(path)?)
        .map_err(|error| unreadable(path.display().to_string(), &error))?;
    let (head, unpacked) = unpacked.peek();
    Ok((unpacked, tell(&head, judgements)))
}

/// Reads line by line; each fault of a line goes through `faults`.
pub(super) fn slowly<V: JsonNumber>(
    path: &Path,
    kind: &Kind<V>,
    unpacked: Unpacked<'_>,
    layout: Layout,
    faults: &mut Faults,
    keep_going: KeepGoing<'_>,
) -> Result<Groups<V>> {
    let name = path.display().to_string();
    if layout == Layout::Json {
        return parse_object(&name, unpacked, kind.holds, keep_going);
    }
    let mut lines = Lines::from_unpacked(name, unpacked, keep_going);
    match layout {
        Layout::Delimited(separator) => {
            delimited::parse(&mut lines, separator, kind.names, kind.holds, kind.value, faults)
        }
        Layout::JsonLines => parse_lines(&mut lines, kind.names, kind.holds, kind.value, faults),
        Layout::Columns(_) | Layout::Json => (kind.columns)(&mut lines, faults),
    }
}
