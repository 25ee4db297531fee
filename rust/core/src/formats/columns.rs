//! Lines of columns: counting them, and telling which file was handed over instead.

use super::lines::{Lines, quote};
use crate::error::Error;

/// The columns of a line, if there are exactly `N`.
pub(super) fn exactly<'a, const N: usize>(
    mut parts: impl Iterator<Item = &'a str>,
) -> Option<[&'a str; N]> {
    let mut columns = [""; N];
    for column in &mut columns {
        *column = parts.next()?;
    }
    parts.next().is_none().then_some(columns)
}

/// The error for a line whose columns are not those of the format.
///
/// `layout` is the line the format asks for, `others` what a number of columns says about the file.
pub(super) fn wrong_columns(
    lines: &Lines<'_>,
    separator: &str,
    layout: &str,
    others: &[(usize, &str, &str)],
) -> Error {
    let line = lines.text();
    let blanks = line.split_ascii_whitespace().count();
    let tabs = line.split('\t').count();
    let expected = format!("{separator} between the columns {layout}");
    if line.starts_with(['{', '[']) {
        let fix = "Name the file of judgements or results, not the one of texts.";
        return lines.fail(1, "JSON", expected, fix);
    }
    for (sign, word) in [(',', "commas"), (';', "semicolons")] {
        if tabs == 1 && line.matches(sign).count() >= 2 {
            return lines.fail(
                line.find(sign).map_or(1, |at| at as u64 + 1),
                format!("{word} between the columns"),
                expected,
                format!("Replace them: `tr '{sign}' '\\t' < FILE > FIXED`."),
            );
        }
    }
    for (count, found, fix) in others {
        if *count == blanks {
            return lines.fail(1, *found, expected, *fix);
        }
    }
    let count = if separator == "tabs" { tabs } else { blanks };
    let plural = if count == 1 { "column" } else { "columns" };
    lines.fail(
        1,
        format!("{count} {plural} in {}", quote(line)),
        expected,
        "Mend or remove the line.",
    )
}
