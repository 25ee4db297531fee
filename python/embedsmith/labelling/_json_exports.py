"""Exports of annotation tools: Label Studio, Argilla, and lists of flat records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from embedsmith._phrases import counted
from embedsmith.exceptions import DataError, ParseError
from embedsmith.labelling._columns import columns_of
from embedsmith.labelling._entries import Entry, Reading, as_identifier, as_words
from embedsmith.labelling._table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from embedsmith.labelling._grades import GradeScale

__all__ = ["flat_table", "json_kind", "load_records", "read_argilla", "read_label_studio"]

_LARGEST_BYTES = 1 << 30
_KEYS = ("query_id", "query", "document_id", "document")
# The kinds of Label Studio's controls that can hold a grade, with the key of their value.
_CONTROLS = {"choices": "choices", "rating": "rating", "number": "number", "textarea": "text"}
_ARGILLA = frozenset({"fields", "responses"})


def load_records(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSON list, or of JSON lines.

    Raises
    ------
    ParseError
        If the file is neither, or is not UTF-8.
    """
    if path.stat().st_size > _LARGEST_BYTES:
        msg = f"{path} is larger than 1 GiB. Export it in parts, and name them all."
        raise DataError(msg)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{path} is not UTF-8 (byte {error.start}: {error.reason}). Export it again."
        raise ParseError(msg) from error
    if not text.strip():
        msg = f"{path} is empty. Expected a list of objects, or an object in each line."
        raise DataError(msg)
    try:
        content = json.loads(text)
    except RecursionError as error:
        msg = f"{path} nests lists or objects too deeply. Export it again."
        raise ParseError(msg) from error
    except ValueError as error:
        content = _lines(path, text, error)
    records = content if isinstance(content, list) else [content]
    for number, record in enumerate(records, 1):
        if not isinstance(record, dict):
            msg = f"{path}: entry {number} is {record!r:.60}, and no object. Export it again."
            raise ParseError(msg)
    if not records:
        msg = f"{path} is an empty list. Export the annotated records."
        raise DataError(msg)
    return records


def _lines(path: Path, text: str, whole: ValueError) -> list[Any]:
    records = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            records.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            cause = whole if number == 1 else error
            msg = f"{path}:{number}: this is no JSON ({cause}). Export it again."
            raise ParseError(msg) from error
    return records


def json_kind(records: Sequence[Mapping[str, Any]]) -> str:
    """Return the tool that wrote the records: label-studio, argilla, or json for flat ones."""
    first = records[0]
    if isinstance(first.get("data"), dict) and ("annotations" in first or "completions" in first):
        return "label-studio"
    if first.keys() >= _ARGILLA and isinstance(first["fields"], dict):
        return "argilla"
    if any(key.endswith(".responses.users") for record in records for key in record):
        return "argilla"
    return "json"


def flat_table(path: Path, records: Sequence[Mapping[str, Any]]) -> Table:
    """Return records without nested objects as a table; a choice of Label Studio counts as flat."""
    header = tuple(dict.fromkeys(key for record in records for key in record))
    rows = tuple(tuple(_flat(record.get(key)) for key in header) for record in records)
    return Table(path, "json", header, rows, tuple(range(1, len(rows) + 1)))


def _flat(value: Any) -> Any:
    if isinstance(value, dict) and list(value) == ["choices"]:
        value = value["choices"]
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def read_label_studio(
    path: Path,
    records: Sequence[dict[str, Any]],
    scale: GradeScale,
    *,
    columns: Mapping[str, str] | None = None,
    question: str | None = None,
) -> Reading:
    """Return the judgements of Label Studio's JSON export: its tasks with all annotations.

    Predictions are not read, and neither are annotations that were cancelled.
    """
    fields = [task.get("data") for task in records]
    for number, data in enumerate(fields, 1):
        if not isinstance(data, dict):
            msg = f"{path}: task {number} has no object 'data'. Export it again as JSON."
            raise ParseError(msg)
    reading = Reading([], "label-studio")
    of_role = _roles(path, [data for data in fields if isinstance(data, dict)], columns, reading)
    answers = list(_annotations(path, records, reading))
    control = _question(
        path, {result["from_name"] for _, results, _, _ in answers for result in results}, question
    )
    reading.how["question"] = control
    for data, results, who, where in answers:
        mine = [result for result in results if result["from_name"] == control]
        if len(mine) > 1:
            msg = f"{where}: {control!r} is answered {len(mine)} times. Keep one answer."
            raise DataError(msg)
        value = _answer(mine[0], where) if mine else None
        _append(reading, data, of_role, (scale, value, who, where))
    reading.n_rows = len(records)
    return reading


def _annotations(
    path: Path, records: Sequence[dict[str, Any]], reading: Reading
) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]], str, str]]:
    cancelled = predicted = 0
    for number, task in enumerate(records, 1):
        annotations = task.get("annotations", task.get("completions")) or []
        where = f"{path}: task {task.get('id', number)}"
        predicted += bool(task.get("predictions"))
        if not isinstance(annotations, list):
            msg = f"{where}: 'annotations' is {annotations!r:.60}, and no list. Export it again."
            raise ParseError(msg)
        for annotation in annotations:
            # A project without its annotations exported has their ids only.
            if not isinstance(annotation, dict) or not isinstance(annotation.get("result"), list):
                msg = (
                    f"{where}: an annotation is {annotation!r:.60}, without a list 'result'. "
                    "Export the project as JSON, with its annotations."
                )
                raise ParseError(msg)
            if annotation.get("was_cancelled"):
                cancelled += 1
                continue
            results = [
                result
                for result in annotation["result"]
                if isinstance(result, dict)
                and result.get("type") in _CONTROLS
                and isinstance(result.get("from_name"), str)
            ]
            yield task["data"], results, _completed_by(annotation, where), where
    if cancelled:
        reading.notes.append(f"{counted(cancelled, 'cancelled annotation')} left out.")
    if predicted:
        reading.notes.append(f"predictions of {counted(predicted, 'task')} are not read.")


def _completed_by(annotation: dict[str, Any], where: str) -> str:
    who = annotation.get("completed_by")
    if isinstance(who, dict):
        who = who.get("email") or who.get("username") or who.get("id")
    name = as_identifier(who, where)
    if name is None:
        msg = f"{where}: 'completed_by' names nobody. Export the project with its annotators."
        raise DataError(msg)
    return name


def _answer(result: dict[str, Any], where: str) -> Any:
    value = result.get("value")
    inner = value.get(_CONTROLS[result["type"]]) if isinstance(value, dict) else None
    if isinstance(inner, list):
        if len(inner) > 1:
            msg = (
                f"{where}: {result['from_name']!r} has several answers ({inner!r:.60}), and a "
                "grade is one. Keep one, or pass question= (--question) for another control."
            )
            raise DataError(msg)
        inner = inner[0] if inner else None
    return inner


def read_argilla(
    path: Path,
    records: Sequence[dict[str, Any]],
    scale: GradeScale,
    *,
    columns: Mapping[str, str] | None = None,
    question: str | None = None,
) -> Reading:
    """Return the judgements of Argilla's records, nested as ``to_json`` or flat as ``to_datasets``.

    Suggestions are not read, and neither are drafts and what was discarded.
    """
    reading = Reading([], "argilla")
    nested = [_nested(path, number, record) for number, record in enumerate(records, 1)]
    of_role = _roles(path, [fields for fields, _ in nested], columns, reading)
    control = _question(path, {name for _, responses in nested for name in responses}, question)
    reading.how["question"] = control
    unsent = 0
    told = False
    for number, (fields, responses) in enumerate(nested, 1):
        where = f"{path}: record {number}"
        for value, user, status in responses.get(control, ()):
            told = told or status is not None
            if status in ("draft", "discarded"):
                unsent += 1
                continue
            who = as_identifier(user, where)
            if who is None:
                msg = f"{where}: a response without a user. Export the records again."
                raise DataError(msg)
            _append(reading, fields, of_role, (scale, value, who, where))
    if unsent:
        reading.notes.append(f"{counted(unsent, 'draft or discarded response')} left out.")
    if not told:
        reading.notes.append(
            "this export does not say which responses are drafts: all are read as submitted."
        )
    reading.n_rows = len(records)
    return reading


def _nested(
    path: Path, number: int, record: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, list[tuple[Any, Any, str | None]]]]:
    """Return a record's fields and metadata, and value, user and status of its responses."""
    where = f"{path}: record {number}"
    answers: dict[str, list[tuple[Any, Any, str | None]]] = {}
    try:
        if isinstance(record.get("fields"), dict):
            for name, given in (record.get("responses") or {}).items():
                answers[name] = [(one["value"], one["user_id"], one.get("status")) for one in given]
            return {**(record.get("metadata") or {}), **record["fields"]}, answers
        for key, values in record.items():
            name, mark, rest = key.rpartition(".responses")
            if not mark or rest or values is None:
                continue
            users = record[f"{key}.users"]
            statuses = record.get(f"{key}.status") or [None] * len(values)
            answers[name] = list(zip(values, users, statuses, strict=True))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = (
            f"{where}: responses without value and user ({type(error).__name__}: {error}). "
            "Export the records with dataset.records(with_responses=True).to_json(path)."
        )
        raise ParseError(msg) from error
    inner = (".responses", ".suggestion")
    return {k: v for k, v in record.items() if not any(part in k for part in inner)}, answers


def _roles(
    path: Path,
    fields: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str] | None,
    reading: Reading,
) -> dict[str, str]:
    """Return the field of each role; fields are named as columns of a table are."""
    header = list(dict.fromkeys(name for data in fields for name in data))
    named = {role: name for role, name in (columns or {}).items() if role in _KEYS}
    surplus = sorted(set(columns or {}) - set(_KEYS))
    if surplus:
        msg = (
            f"{path} is an export whose grades and annotators are known; {surplus[0]!r} is no "
            "field of it. Choose the control with question=NAME (--question NAME)."
        )
        raise DataError(msg)
    found = {role: header[at] for role, at in columns_of(header, str(path), named).items()}
    found = {role: name for role, name in found.items() if role in _KEYS}
    for side in ("query", "document"):
        if side not in found and f"{side}_id" not in found:
            listed = ", ".join(map(repr, header)) or "none"
            msg = (
                f"{path} has no field that is known to hold the {side} or its id; its fields are "
                f"{listed}. Name it: columns={{{side!r}: NAME}} (--column {side}=NAME)."
            )
            raise DataError(msg)
    reading.columns = dict(found)
    reading.not_read = tuple(name for name in header if name not in found.values())
    return found


def _question(path: Path, names: set[str], wanted: str | None) -> str:
    listed = ", ".join(map(repr, sorted(names)))
    if wanted is not None and wanted not in names:
        msg = (
            f"{path} has no answers to {wanted!r}; it has answers to {listed or 'nothing'}. "
            "Pass one of these as question (--question)."
        )
        raise DataError(msg)
    if wanted is not None:
        return wanted
    if len(names) == 1:
        return next(iter(names))
    if not names:
        msg = f"{path} holds no answers of annotators. Export it when records are annotated."
        raise DataError(msg)
    msg = (
        f"{path} has answers to several questions: {listed}. Say which is the grade: "
        f"question={min(names)!r} (--question {min(names)!r})."
    )
    raise DataError(msg)


def _append(
    reading: Reading,
    fields: Mapping[str, Any],
    of_role: Mapping[str, str],
    given: tuple[GradeScale, Any, str, str],
) -> None:
    scale, value, who, where = given
    grade = scale.of(value, where)
    if grade is None:
        reading.n_not_judged += 1
        return
    keys: dict[str, str | None] = {}
    for role in _KEYS:
        read = as_identifier if role.endswith("_id") else as_words
        keys[role] = read(fields.get(of_role.get(role, "")), f"{where}: {role}")
    for side in ("query", "document"):
        if keys[side] is None and keys[f"{side}_id"] is None:
            msg = f"{where}: there is a grade and no {side}. Fill in the {side}."
            raise DataError(msg)
    entry = Entry(
        keys["query_id"], keys["query"], keys["document_id"], keys["document"], who, grade, where
    )
    reading.entries.append(entry)
