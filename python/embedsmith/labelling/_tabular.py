"""Judgements from a table: a row for each, or a column for each annotator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedsmith._phrases import counted
from embedsmith.exceptions import DataError
from embedsmith.labelling._columns import annotator_columns, columns_of, nearest
from embedsmith.labelling._entries import Entry, Keys, Reading, as_identifier, as_name, as_words
from embedsmith.labelling._table import is_blank

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embedsmith.labelling._grades import GradeScale
    from embedsmith.labelling._table import Table

__all__ = ["read_table"]

_KEYS = ("query_id", "query", "document_id", "document")
_FIT = 50


def read_table(
    table: Table,
    scale: GradeScale,
    *,
    columns: Mapping[str, str] | None = None,
    annotators: Sequence[str] | None = None,
    annotator: str,
    fill_down: bool = False,
) -> Reading:
    """Return the judgements of a table.

    Parameters
    ----------
    table : Table
    scale : GradeScale
    columns : mapping of str to str, optional
        Names of columns by role, where they are not known.
    annotators : sequence of str, optional
        The columns that hold one annotator's grades each.
    annotator : str
        Who judged, where no column says.
    fill_down : bool, default False
        Whether an empty query is that of the row above.

    Raises
    ------
    DataError
        If a column is missing, or a cell cannot be what its column says.
    """
    place = str(table.path) if table.sheet is None else f"{table.path}, sheet {table.sheet!r}"
    found = columns_of(table.header, place, columns)
    chosen = "grade" in (columns or {})
    graders = _graders(table, place, found, annotators, chosen=chosen)
    _check_keys(table, place, found)
    reading = Reading([], table.kind, "wide" if graders else "long", how=dict(table.how))
    if table.sheet is not None:
        reading.how["sheet"] = table.sheet
    reading.notes += table.notes
    reading.columns = {role: table.header[at] for role, at in found.items()}
    if graders:
        reading.columns["annotators"] = ", ".join(name for name, _ in graders)
    used = {*found.values(), *(at for _, at in graders)}
    reading.not_read = tuple(
        name for at, name in enumerate(table.header) if name and at not in used
    )
    above: dict[str, str | None] = dict.fromkeys(("query_id", "query"))
    for row, values in enumerate(table.rows):
        keys = _keys(table, row, values, found, above if fill_down else None)
        for name, at in graders or [("", found["grade"])]:
            where = table.where(row, at)
            grade = scale.of(values[at], where)
            if grade is None:
                reading.n_not_judged += 1
                continue
            who = name or _who(table, row, values, found, annotator)
            reading.entries.append(Entry(*_checked(keys, table, row), who, grade, where))
        reading.n_rows += 1
    if "annotator" not in found and not graders:
        reading.notes.append(f"no column says who judged: the annotator is called {annotator!r}.")
    return reading


def _keys(
    table: Table,
    row: int,
    values: Sequence[Any],
    found: Mapping[str, int],
    above: dict[str, str | None] | None,
) -> Keys:
    keys: dict[str, str | None] = {}
    for role in _KEYS:
        at = found.get(role)
        read = as_identifier if role.endswith("_id") else as_words
        keys[role] = None if at is None else read(values[at], table.where(row, at))
    if above is not None:
        if keys["query_id"] is None and keys["query"] is None:
            keys.update(above)
        above.update(query_id=keys["query_id"], query=keys["query"])
    return keys["query_id"], keys["query"], keys["document_id"], keys["document"]


def _checked(keys: Keys, table: Table, row: int) -> Keys:
    for side, known in (("query", keys[:2]), ("document", keys[2:])):
        if known == (None, None):
            hint = (
                " If it is that of the row above, pass fill_down=True (--fill-down)."
                if side == "query"
                else ""
            )
            msg = f"{table.where(row)}: there is a grade and no {side}. Fill in the {side}.{hint}"
            raise DataError(msg)
    return keys


def _who(
    table: Table, row: int, values: Sequence[Any], found: Mapping[str, int], annotator: str
) -> str:
    at = found.get("annotator")
    if at is None:
        return annotator
    name = as_name(values[at], table.where(row, at))
    if name is None:
        msg = f"{table.where(row, at)}: nobody is named who gave this grade. Fill in the name."
        raise DataError(msg)
    return name


def _graders(
    table: Table,
    place: str,
    found: dict[str, int],
    named: Sequence[str] | None,
    *,
    chosen: bool,
) -> list[tuple[str, int]]:
    """Return the columns of annotators of a wide table, none of a long one."""
    if named:
        wide = []
        for name in named:
            if table.header.count(name) != 1:
                near = nearest(name, table.header)
                fix = f"Did you mean {near!r}?" if near else "Name each column once."
                listed = ", ".join(repr(there) for there in table.header if there)
                msg = f"{place} has {table.header.count(name)} columns {name!r}, of {listed}. {fix}"
                raise DataError(msg)
            wide.append((name, table.header.index(name)))
        found.pop("grade", None)
        return wide
    known = [name for name in annotator_columns(table.header) if table.header.count(name) == 1]
    if "grade" in found:
        if known and not chosen:
            own = table.header[found["grade"]]
            msg = (
                f"{place} has one column of grades ({own!r}) and columns that may be one "
                f"annotator's ({', '.join(map(repr, known))}). Say which count: "
                f"columns={{'grade': {own!r}}} (--column grade={own!r}), or annotators={known!r} "
                f"(--annotators {','.join(known)!r})."
            )
            raise DataError(msg)
        return []
    if known:
        return [(name, table.header.index(name)) for name in known]
    raise DataError(_no_grades(table, place, found))


def _no_grades(table: Table, place: str, found: Mapping[str, int]) -> str:
    listed = ", ".join(repr(name) for name in table.header if name)
    like = [
        name
        for at, name in enumerate(table.header)
        if name and at not in found.values() and _short(table, at)
    ]
    fix = "Name the column of grades: columns={'grade': NAME} (--column grade=NAME)"
    if like:
        one = nearest("grade", like) or nearest("relevance", like) or like[0]
        fix = f"Name the column of grades: columns={{'grade': {one!r}}} (--column grade={one!r})"
    if like:
        fix += (
            "; or, if each annotator has a column, all of them: "
            f"annotators={like!r} (--annotators {','.join(like)!r})"
        )
    return (
        f"{place} has no column that is known to hold grades; it has {listed}. {fix}. "
        "If these are no column names, say in which line they stand: header_row=N (--header-row N)."
    )


def _short(table: Table, at: int) -> bool:
    """Return whether a column may hold grades: filled, and with a few short values only."""
    values = {str(row[at]).strip() for row in table.rows if not is_blank(row[at])}
    return 0 < len(values) <= _FIT and max(map(len, values)) <= _FIT


def _check_keys(table: Table, place: str, found: Mapping[str, int]) -> None:
    for side in ("query", "document"):
        if side in found or f"{side}_id" in found:
            continue
        listed = ", ".join(repr(name) for name in table.header if name)
        near = nearest(side, table.header)
        fix = f" Did you mean {near!r}?" if near else ""
        name = near or "NAME"
        msg = (
            f"{place} has no column that is known to hold the {side} or its id, among "
            f"{counted(len(table.header), 'column')}: {listed}.{fix} Name it: "
            f"columns={{{side!r}: {name!r}}} (--column {side}={name!r}, or "
            f"--column {side}_id={name!r})."
        )
        raise DataError(msg)
