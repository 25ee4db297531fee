"""The list of pairs on which annotators disagree: written, filled in by a person, read back."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedsmith._deps import require
from embedsmith._files import atomic_writer
from embedsmith._phrases import counted
from embedsmith.datasets._paths import existing
from embedsmith.exceptions import DataError, OutputError
from embedsmith.labelling._columns import nearest
from embedsmith.labelling._delimited import read_delimited
from embedsmith.labelling._entries import as_identifier
from embedsmith.labelling._grades import GradeScale, is_number
from embedsmith.labelling._safe_cells import plain_cell, safe_cell
from embedsmith.labelling._workbook import is_workbook, read_workbook

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    from embedsmith._typing import Json
    from embedsmith.labelling._labels import Labels

__all__ = ["Disagreement", "disagreements", "read_decisions", "write_adjudication"]

_FIXED = ("query_id", "document_id", "decision", "comment", "query", "document", "spread")
_GRADE_OF = "grade of "
# A cell of a workbook holds no more, and no control characters.
_LONGEST = 32_000
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_WIDTHS = {"query": 50, "document": 80, "comment": 30, "query_id": 16, "document_id": 16}


@dataclass(frozen=True)
class Disagreement:
    """A pair that annotators judged differently.

    Attributes
    ----------
    query_id, document_id : str
    grades : mapping of str to int
        By annotator.
    spread : int
        Highest minus lowest grade.
    across : bool
        Whether it is relevant to one annotator and not to another.
    """

    query_id: str
    document_id: str
    grades: Mapping[str, int]
    spread: int
    across: bool

    def to_dict(self) -> Json:
        """Return the fields as JSON-ready values.

        Returns
        -------
        dict
            A field for each attribute.
        """
        return {**vars(self), "grades": dict(self.grades)}


def disagreements(labels: Labels) -> list[Disagreement]:
    """Return the pairs on which annotators disagree, the gravest first.

    Parameters
    ----------
    labels : Labels
        As :func:`read_labels` returns them.

    Returns
    -------
    list of Disagreement
        Those that are relevant to one annotator and not to another come first; then by spread, and
        by query and document.
    """
    found = []
    for (query_id, document_id), grades in labels.pairs().items():
        spread = max(grades.values()) - min(grades.values())
        if spread:
            across = max(grades.values()) > 0 >= min(grades.values())
            found.append(Disagreement(query_id, document_id, grades, spread, across))
    return sorted(found, key=lambda o: (not o.across, -o.spread, o.query_id, o.document_id))


def write_adjudication(labels: Labels, path: str | os.PathLike[str]) -> list[Disagreement]:
    r"""Write the pairs on which annotators disagree, as a list to be filled in.

    Does not decide anything: the column ``decision`` is empty. :func:`import_labels` reads the list
    back as ``adjudicated``.

    Parameters
    ----------
    labels : Labels
        As :func:`read_labels` returns them.
    path : path
        A new file that ends with .xlsx (which keeps ids as they are) or .csv.

    Returns
    -------
    list of Disagreement
        What was written, the gravest first.

    Raises
    ------
    DataError
        If there is no disagreement, or the name ends otherwise.
    OutputError
        If the file exists already or cannot be written.
    MissingDependencyError
        If .xlsx is asked for and openpyxl is not installed.

    Notes
    -----
    An apostrophe stands before whatever a spreadsheet could take for a formula; it is taken away
    when the list is read. Texts in .xlsx are cut at 32,000 characters, and say so.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import embedsmith as es
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "labels.csv"
    ...     _ = file.write_text("query,text,grade anna,grade ben\nfee?,Free.,2,0\nfee?,5.,1,1")
    ...     found = es.write_adjudication(es.read_labels(file), f"{folder}/open.csv")
    >>> [(one.grades, one.across) for one in found]
    [({'grade anna': 2, 'grade ben': 0}, True)]
    """
    target = Path(path).expanduser()
    ending = target.suffix.lower()
    if ending not in (".xlsx", ".csv"):
        msg = f"{target} ends with neither .xlsx nor .csv. Name the list by one of them."
        raise DataError(msg)
    if target.exists():
        msg = f"{target} exists already, perhaps with decisions. Name a new file."
        raise OutputError(msg)
    if not target.parent.is_dir():
        msg = f"the folder {target.parent} does not exist. Make it, or name another."
        raise OutputError(msg)
    found = disagreements(labels)
    if not found:
        msg = "annotators agree on every pair that several judged: there is nothing to decide."
        raise DataError(msg)
    who = sorted({name for one in found for name in one.grades})
    header = [*_FIXED[:2], *(_GRADE_OF + name for name in who), *_FIXED[2:]]
    rows = [_row(labels, one, who) for one in found]
    content = _workbook(header, rows) if ending == ".xlsx" else _csv(header, rows)
    with atomic_writer(target) as file:
        file.write(content)
    return found


def _row(labels: Labels, one: Disagreement, who: Sequence[str]) -> list[Any]:
    return [
        one.query_id,
        one.document_id,
        *(one.grades.get(name) for name in who),
        None,
        None,
        labels.query_texts[one.query_id],
        labels.document_texts[one.document_id],
        one.spread,
    ]


def _csv(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    for row in [header, *rows]:
        writer.writerow([safe_cell(cell) if isinstance(cell, str) else cell for cell in row])
    # The mark by which spreadsheets know UTF-8.
    return file.getvalue().encode("utf-8-sig")


def _workbook(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    openpyxl = require("openpyxl", extra="label", feature="Writing XLSX")
    styles = require("openpyxl.styles", extra="label", feature="Writing XLSX")
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "adjudication"
    for at, values in enumerate([header, *rows], 1):
        for column, value in enumerate(values, 1):
            if value is None:
                continue
            cell = sheet.cell(at, column)
            if isinstance(value, str):
                cell.value = _fitting(value, header[column - 1])
                # Else openpyxl makes a formula of what begins with "=".
                cell.data_type = "s"
                cell.number_format = "@"
            else:
                cell.value = value
            if at == 1:
                cell.font = styles.Font(bold=True)
    wrapped = styles.Alignment(wrap_text=True, vertical="top")
    for column, name in enumerate(header, 1):
        letter = sheet.cell(1, column).column_letter
        sheet.column_dimensions[letter].width = _WIDTHS.get(name, 12)
        if name in ("query", "document"):
            for at in range(2, len(rows) + 2):
                sheet.cell(at, column).alignment = wrapped
    sheet.freeze_panes = "A2"
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _fitting(text: str, column: str) -> str:
    safe = safe_cell(text)
    if column in ("query", "document"):
        safe = _CONTROL.sub("\ufffd", safe)
        if len(safe) > _LONGEST:
            safe = f"{safe[:_LONGEST]} [cut: {len(text):,} characters]"
        return safe
    if _CONTROL.search(safe) or len(safe) > _LONGEST:
        msg = (
            f"{text[:60]!r} is longer than a workbook's cell or holds control characters. "
            "Write the list as .csv."
        )
        raise DataError(msg)
    return safe


def read_decisions(
    path: str | os.PathLike[str],
    labels: Labels,
    *,
    grades: Mapping[str, int] | None = None,
    not_judged: Iterable[str] = (),
) -> dict[tuple[str, str], int]:
    """Return the decisions of a list that :func:`write_adjudication` wrote, by pair.

    Raises
    ------
    DataError
        If the list has other columns, pairs or grades than the labels, two decisions for one pair,
        or none at all.
    """
    file = existing(path)
    table = read_workbook(file) if is_workbook(file) else read_delimited(file)
    header = [plain_cell(name) for name in table.header]
    at = {}
    for name in ("query_id", "document_id", "decision"):
        if header.count(name) != 1:
            near = nearest(name, header)
            hint = f" Did you mean {near!r}?" if near else ""
            msg = (
                f"{file} has no column {name!r}; it has {', '.join(map(repr, header))}.{hint} Keep "
                "the columns of the list that was written."
            )
            raise DataError(msg)
        at[name] = header.index(name)
    given = {
        name.removeprefix(_GRADE_OF): column
        for column, name in enumerate(header)
        if name.startswith(_GRADE_OF)
    }
    words = {word: grade for word, grade in (grades or {}).items() if not is_number(word)}
    scale, written = GradeScale(words, not_judged), GradeScale()
    pairs = labels.pairs()
    decisions: dict[tuple[str, str], int] = {}
    for row, values in enumerate(table.rows):
        where = table.where(row)
        ids = [as_identifier(values[at[name]], where) or "" for name in ("query_id", "document_id")]
        pair = (plain_cell(ids[0]), plain_cell(ids[1]))
        if pair not in pairs:
            msg = (
                f"{where}: nobody judged query {pair[0]!r} and document {pair[1]!r}. If a "
                "spreadsheet changed the ids, write the list as .xlsx; else write it anew."
            )
            raise DataError(msg)
        was = {who: written.of(values[column], where) for who, column in given.items()}
        if {who: grade for who, grade in was.items() if grade is not None} != pairs[pair]:
            now = ", ".join(f"{who} {grade}" for who, grade in pairs[pair].items())
            msg = (
                f"{where}: the grades of query {pair[0]!r} and document {pair[1]!r} are others now "
                f"({now}). The list is of other labels: write it anew."
            )
            raise DataError(msg)
        grade = scale.of(values[at["decision"]], f"{where}: decision")
        if grade is None:
            continue
        if decisions.setdefault(pair, grade) != grade:
            msg = (
                f"{where}: query {pair[0]!r} and document {pair[1]!r} are decided twice. Keep one."
            )
            raise DataError(msg)
    if not decisions:
        msg = (
            f"{file} has {counted(len(table.rows), 'pair')} and no decision. Fill in the column "
            "'decision'."
        )
        raise DataError(msg)
    return decisions
