"""Labels from the files that experts and tools keep them in."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from embedsmith import _core
from embedsmith._files import sha256_of
from embedsmith.datasets import Qrels, load_dataset
from embedsmith.datasets._fields import read_fields
from embedsmith.datasets._mark import SYNTHETIC, is_marked, read_manifest
from embedsmith.datasets._paths import existing, listing
from embedsmith.exceptions import DataError, ParseError
from embedsmith.labelling._delimited import read_delimited
from embedsmith.labelling._entries import Entry, Reading
from embedsmith.labelling._grades import GradeScale
from embedsmith.labelling._json_exports import (
    flat_table,
    json_kind,
    load_records,
    read_argilla,
    read_label_studio,
)
from embedsmith.labelling._labels import Judgement, Labels, LabelSource, without_repeats
from embedsmith.labelling._tabular import read_table
from embedsmith.labelling._texts import resolved
from embedsmith.labelling._workbook import is_workbook, read_workbook

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from embedsmith.labelling._table import Table

__all__ = ["read_labels"]

_QRELS_FIELDS = 4
_JSON_STARTS = (b"[", b"{")
_QRELS_ENDINGS = (".qrels", ".txt", ".qrel", ".trec")


def read_labels(
    files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    columns: Mapping[str, str] | None = None,
    annotators: Sequence[str] | None = None,
    sheet: str | None = None,
    grades: Mapping[str, int] | None = None,
    not_judged: Iterable[str] = (),
    encoding: str | None = None,
    delimiter: str | None = None,
    header_row: int | None = None,
    fill_down: bool = False,
    question: str | None = None,
    split: str = "test",
    corpus: str | os.PathLike[str] | None = None,
    queries: str | os.PathLike[str] | None = None,
) -> Labels:
    r"""Read experts' judgements, each with who gave it.

    Does not merge annotators; :func:`import_labels` does. What a file is, its content tells:

    - **CSV, TSV**: comma, semicolon, tab or bar; UTF-8, UTF-16, UTF-32, else Windows-1252, which is
      said. **XLSX**: one sheet; stored values of formulas; merged cells are filled. A row for each
      judgement, with a column of grades and perhaps of annotators (long), or a column of grades for
      each annotator (wide). Columns go by their names, in any order.
    - **JSON** of Label Studio (with annotations, or JSON-MIN) or Argilla 2 (``to_json``,
      ``to_datasets``), or a list or lines of flat objects, as a table.
    - **TREC qrels**, and **BEIR folders**.

    An empty cell is no judgement. Without a column of annotators, a file is one annotator, named as
    the file without its ending.

    Parameters
    ----------
    files : path or sequence of path
        One or more.
    columns : mapping of str to str, optional
        The column of ``query_id``, ``query``, ``document_id``, ``document``, ``grade`` or
        ``annotator``, where its name is none of the usual ones.
    annotators : sequence of str, optional
        The columns of a wide table. By default those named like "Grade Anna" or "annotator 2".
    sheet : str, optional
        Of a workbook with several.
    grades : mapping of str to int, optional
        What words or numbers stand for: ``{"highly": 2, "partly": 1, "no": 0}``. By default whole
        numbers are themselves, relevant/yes/true is 1 and not relevant/no/false is 0.
    not_judged : iterable of str
        What says that there is no judgement: ``["?", "n/a"]``.
    encoding, delimiter : str, optional
        Of text files, where they are told wrongly.
    header_row : int, optional
        Line or row of the column names, where others stand above it.
    fill_down : bool, default False
        Take an empty query as that of the row above.
    question : str, optional
        Which control or question of Label Studio or Argilla is the grade, where there are several.
    split : str, default "test"
        Which judgements of a BEIR folder.
    corpus, queries : path, optional
        A BEIR folder, or its ``corpus.jsonl`` or ``queries.jsonl``: the texts of the ids in the
        files, or the ids of the texts.

    Returns
    -------
    Labels
        Judgements, texts, and what was read from where.

    Raises
    ------
    ParseError
        If a file cannot be read as what it is.
    DataError
        If a column, grade, id or text is missing, unknown or contradicts another.
    MissingDependencyError
        If a workbook is given and openpyxl is not installed.

    Notes
    -----
    A workbook may unpack to 256 MiB, with 1,000 columns; document types in its XML are refused. A
    cell may hold 1,000,000 characters. A column that is not recognised is never guessed.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import embedsmith as es
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "labels.csv"
    ...     _ = file.write_text("Frage;Absatz;Bewertung Anna;Bewertung Ben\nfee?;Free.;ja;nein")
    ...     labels = es.read_labels(file)
    >>> labels.annotators, labels.grades
    ({'Bewertung Anna': 1, 'Bewertung Ben': 1}, {'nein': 0, 'ja': 1})
    """
    paths = _paths(files)
    scale = GradeScale(grades or {}, not_judged)
    readings = []
    for path in paths:
        try:
            reading = _reading(
                path,
                scale,
                columns=columns,
                annotators=annotators,
                sheet=sheet,
                encoding=encoding,
                delimiter=delimiter,
                header_row=header_row,
                fill_down=fill_down,
                question=question,
                split=split,
            )
        except OSError as error:
            msg = f"{path} cannot be read: {error.strerror or error}. Check its rights."
            raise DataError(msg) from error
        readings.append(reading)
    scale.check()
    known, marked = _known_queries(queries)
    labels = _joined(paths, readings, scale, _known(corpus, "corpus"), known)
    marked = marked.union(*(reading.synthetic for reading in readings))
    return replace(labels, synthetic=marked & labels.query_texts.keys())


def _paths(files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Path]:
    given = [files] if isinstance(files, (str, os.PathLike)) else list(files)
    if not given:
        msg = "no file was given. Name at least one file of labels."
        raise DataError(msg)
    paths = [existing(path) for path in given]
    seen: dict[Path, Path] = {}
    for path in paths:
        if seen.setdefault(path.resolve(), path) is not path:
            msg = f"{path} is given twice. Name each file once."
            raise DataError(msg)
    return paths


def _reading(
    path: Path,
    scale: GradeScale,
    *,
    columns: Mapping[str, str] | None,
    annotators: Sequence[str] | None,
    sheet: str | None,
    encoding: str | None,
    delimiter: str | None,
    header_row: int | None,
    fill_down: bool,
    question: str | None,
    split: str,
) -> Reading:
    who = path.resolve().name if path.is_dir() else path.stem

    def of_table(table: Table) -> Reading:
        return read_table(
            table,
            scale,
            columns=columns,
            annotators=annotators,
            annotator=who,
            fill_down=fill_down,
        )

    if path.is_dir():
        return _of_folder(path, scale, who, split)
    if is_workbook(path):
        return of_table(read_workbook(path, sheet=sheet, header_row=header_row))
    if sheet is not None:
        msg = f"{path} is no workbook and has no sheet {sheet!r}. Leave sheet (--sheet) out."
        raise DataError(msg)
    ending = path.suffix.lower()
    if ending in (".xlsx", ".xlsm"):
        size = path.stat().st_size
        why = "is empty" if not size else "is no workbook: it does not begin as one"
        msg = f"{path} {why}. Save it again, or name it by what it is: .csv or .json."
        raise ParseError(msg)
    if ending in (".json", ".jsonl", ".ndjson") or _starts_as_json(path):
        records = load_records(path)
        kind = json_kind(records)
        if kind == "json":
            return of_table(flat_table(path, records))
        read = read_label_studio if kind == "label-studio" else read_argilla
        return read(path, records, scale, columns=columns, question=question)
    if not columns and (ending in _QRELS_ENDINGS or ending == "") and _starts_as_qrels(path):
        return _of_qrels(path, scale, who)
    return of_table(
        read_delimited(path, encoding=encoding, delimiter=delimiter, header_row=header_row)
    )


def _starts_as_json(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(_JSON_STARTS)


def _starts_as_qrels(path: Path) -> bool:
    with path.open("rb") as file:
        fields = file.readline(4096).split()
    return len(fields) == _QRELS_FIELDS and fields[3].lstrip(b"+-").isdigit()


def _of_qrels(path: Path, scale: GradeScale, who: str) -> Reading:
    reading = Reading([], "qrels", columns={"annotators": who})
    reading.entries = _judged(Qrels.read(path), scale, who, str(path))
    reading.n_rows = len(reading.entries)
    reading.notes.append(f"no column says who judged: the annotator is called {who!r}.")
    return reading


def _of_folder(path: Path, scale: GradeScale, who: str, split: str) -> Reading:
    if not (path / "qrels").is_dir():
        msg = (
            f"{path} is no BEIR folder (corpus.jsonl, queries.jsonl, qrels/); it holds "
            f"{listing(path)}. Name the files of labels themselves."
        )
        raise DataError(msg)
    data = load_dataset(path, split=split)
    reading = Reading([], "beir", columns={"annotators": who}, how={"split": split})
    reading.sha256 = data.hash
    marks = data.queries.metadata.get(SYNTHETIC, (data.synthetic,) * len(data.queries))
    reading.synthetic = _marked(data.queries.ids, marks, whole=data.synthetic)
    reading.entries = _judged(data.qrels, scale, who, f"{path}/qrels/{split}")
    reading.n_rows = len(reading.entries)
    reading.corpus = dict(zip(data.corpus.ids, data.corpus.texts, strict=True))
    reading.queries = dict(zip(data.queries.ids, data.queries.texts, strict=True))
    return reading


def _judged(qrels: Qrels, scale: GradeScale, who: str, where: str) -> list[Entry]:
    entries = []
    for query_id, judged in qrels.items():
        for document_id, given in judged.items():
            grade = scale.of(int(given), where)
            if grade is not None:
                entries.append(Entry(query_id, None, document_id, None, who, grade, where))
    return entries


def _known(path: str | os.PathLike[str] | None, what: str) -> dict[str, str] | None:
    """Return the texts by id of a corpus or of queries."""
    if path is None:
        return None
    read = _core.read_corpus if what == "corpus" else _core.read_queries
    ids, texts = read(_file_of(path, what))
    return dict(zip(ids, texts, strict=True))


def _known_queries(
    path: str | os.PathLike[str] | None,
) -> tuple[dict[str, str] | None, frozenset[str]]:
    """Return the texts of queries by id, and the ids of those that are marked as synthetic."""
    known = _known(path, "queries")
    if path is None or known is None:
        return None, frozenset()
    file = _file_of(path, "queries")
    marks = read_fields(file, len(known)).get(SYNTHETIC, (None,) * len(known))
    whole = is_marked(read_manifest(file.parent).get(SYNTHETIC))
    return known, _marked(tuple(known), marks, whole=whole)


def _marked(ids: Sequence[str], marks: Sequence[object], *, whole: bool) -> frozenset[str]:
    return frozenset(one for one, mark in zip(ids, marks, strict=True) if whole or is_marked(mark))


def _file_of(path: str | os.PathLike[str], what: str) -> Path:
    place = existing(path)
    if place.is_dir():
        found = [place / f"{what}.jsonl{end}" for end in ("", ".gz")]
        there = [file for file in found if file.is_file()]
        if len(there) != 1:
            msg = f"{place} has {len(there)} files {what}.jsonl or {what}.jsonl.gz. Name one file."
            raise DataError(msg)
        return there[0]
    return place


def _joined(
    paths: Sequence[Path],
    readings: Sequence[Reading],
    scale: GradeScale,
    corpus: dict[str, str] | None,
    queries: dict[str, str] | None,
) -> Labels:
    notes: list[str] = []
    for path, reading in zip(paths, readings, strict=True):
        notes += [f"{path.name}: {note}" for note in reading.notes]
        corpus = _united("document", corpus, reading.corpus)
        queries = _united("query", queries, reading.queries)
    entries = [entry for reading in readings for entry in reading.entries]
    query_ids, query_texts = resolved(
        "query", [(e.query_id, e.query, e.where) for e in entries], queries, notes
    )
    document_ids, document_texts = resolved(
        "document", [(e.document_id, e.document, e.where) for e in entries], corpus, notes
    )
    judgements, repeated = without_repeats(
        Judgement(query_id, document_id, entry.annotator, entry.grade, entry.where)
        for query_id, document_id, entry in zip(query_ids, document_ids, entries, strict=True)
    )
    sources = tuple(
        LabelSource(
            str(path),
            reading.sha256 or sha256_of(path),
            reading.kind,
            reading.layout,
            reading.columns,
            reading.not_read,
            reading.n_rows,
            len(reading.entries),
            reading.n_not_judged,
            reading.how,
        )
        for path, reading in zip(paths, readings, strict=True)
    )
    labels = Labels(
        tuple(judgements),
        query_texts,
        document_texts if corpus is None else corpus,
        sources,
        scale.used(),
        tuple(notes),
    )
    if repeated:
        more = f"{repeated:,} judgements are given again with the same grade; each counts once."
        labels = replace(labels, notes=(*notes, more))
    return labels


def _united(side: str, known: dict[str, str] | None, more: dict[str, str]) -> dict[str, str] | None:
    if not more:
        return known
    if known is None:
        return dict(more)
    for one, text in more.items():
        if known.setdefault(one, text) != text:
            msg = (
                f"the {side} {one!r} has two texts: {known[one][:60]!r} and {text[:60]!r}. "
                "Import data sets of different texts one by one."
            )
            raise DataError(msg)
    return known
