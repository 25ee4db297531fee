"""A data set to be split, with the lines of its files."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from embedsmith.datasets import Dataset, Qrels, Queries, load_dataset
from embedsmith.datasets._fields import jsonl_lines, read_fields
from embedsmith.datasets._load import SAMPLE_PREFIX
from embedsmith.datasets._passages import documents_of
from embedsmith.datasets._paths import existing
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["SplitSource"]

_ALL = "all"
_QUERY_FIELD = "query:"


@dataclass(frozen=True)
class SplitSource:
    """What is split.

    Attributes
    ----------
    data : Dataset
        Of all judgements that are split.
    splits : tuple of str
        The judgements of a folder that they come from.
    corpus_file, queries_file : Path or None
        The files of a folder, whose lines are kept as they are.
    """

    data: Dataset
    splits: tuple[str, ...] = ()
    corpus_file: Path | None = None
    queries_file: Path | None = None

    @classmethod
    def of(cls, source: Dataset | str | os.PathLike[str], split: str | None) -> SplitSource:
        """Return what is split; of a folder one set of judgements, or all of them.

        Raises
        ------
        DataError
            If a folder has several and none is named, or two of them contradict each other.
        """
        if isinstance(source, Dataset):
            if source.corpus.documents is not None:
                msg = (
                    f"{source.name!r} is judged by document, and its texts are passages. Load it "
                    "without collapse, and pass group= with the separator (--group)."
                )
                raise DataError(msg)
            return cls(source)
        if str(source).startswith(SAMPLE_PREFIX):
            return cls(load_dataset(source, split=split or "test"))
        path = existing(source)
        if not path.is_dir():
            return cls(load_dataset(path, split=split or "train"))
        names = _splits(path)
        chosen = names if split == _ALL else [split] if split else names
        if len(chosen) > 1 and split != _ALL:
            msg = (
                f"{path} has the judgements {', '.join(names)}. Name those to split: "
                f"split={names[0]!r} (--split {names[0]}), or all of them: split='all' "
                "(--split all)."
            )
            raise DataError(msg)
        parts = [load_dataset(path, split=name) for name in chosen or ["test"]]
        return cls(
            parts[0] if len(parts) == 1 else _united(parts),
            tuple(chosen),
            _file(path, "corpus"),
            _file(path, "queries"),
        )

    def groups(self, group: str) -> tuple[Sequence[str] | None, Sequence[str] | None]:
        """Return the group of each query or of each document, as ``group`` says.

        Raises
        ------
        DataError
            If there is no such field, or no id has the separator.
        """
        data = self.data
        if group.startswith(_QUERY_FIELD):
            name = group.removeprefix(_QUERY_FIELD)
            if name not in data.queries.metadata:
                known = ", ".join(map(repr, sorted(data.queries.metadata))) or "none"
                msg = f"no query has the field {name!r} to group by; there is {known}."
                raise DataError(msg)
            values = data.queries.metadata[name]
            absent = [i for i, v in zip(data.queries.ids, values, strict=True) if v is None]
            if absent:
                msg = (
                    f"{len(absent):,} queries lack the field {name!r}, the first of them "
                    f"{absent[0]!r}. Add it to each line of the queries."
                )
                raise DataError(msg)
            return [json.dumps(value, sort_keys=True) for value in values], None
        fields = None
        if group.startswith("field:"):
            if self.corpus_file is None:
                msg = f"group={group!r} reads a field of a folder's corpus. Pass the folder's path."
                raise DataError(msg)
            fields = read_fields(self.corpus_file, len(data.corpus))
        try:
            return None, documents_of(data.corpus.ids, group, fields)
        except DataError as error:
            msg = f"{error} (group={group!r}, --group {group!r})".replace("collapse=", "group=")
            raise DataError(msg) from error

    def corpus_lines(self) -> Iterator[str]:
        """Yield the line of each document, without its end."""
        if self.corpus_file is not None:
            yield from _lines(self.corpus_file)
            return
        for identifier, text in zip(self.data.corpus.ids, self.data.corpus.texts, strict=True):
            yield json.dumps({"_id": identifier, "text": text}, ensure_ascii=False)

    def query_lines(self) -> dict[str, str]:
        """Return the line of each query by its id."""
        queries = self.data.queries
        if self.queries_file is not None:
            return {_id_of(line): line for line in _lines(self.queries_file)}
        rows = {}
        for place, (identifier, text) in enumerate(zip(queries.ids, queries.texts, strict=True)):
            more: dict[str, Any] = {
                name: values[place]
                for name, values in queries.metadata.items()
                if values[place] is not None
            }
            row = {"_id": identifier, "text": text, **more}
            rows[identifier] = json.dumps(row, ensure_ascii=False)
        return rows


def _splits(path: Path) -> list[str]:
    folder = path / "qrels"
    if not folder.is_dir():
        return []
    names = {
        file.name.removesuffix(".gz").removesuffix(".tsv")
        for file in folder.iterdir()
        if file.name.endswith((".tsv", ".tsv.gz"))
    }
    return sorted(names)


def _file(path: Path, stem: str) -> Path:
    plain = path / f"{stem}.jsonl"
    return plain if plain.is_file() else path / f"{stem}.jsonl.gz"


def _lines(path: Path) -> Iterator[str]:
    for line in jsonl_lines(path):
        if line.strip():
            yield line.decode("utf-8").rstrip("\r\n")


def _id_of(line: str) -> str:
    return str(json.loads(line)["_id"])


def _united(parts: Sequence[Dataset]) -> Dataset:
    """Return one data set of several judgements of one folder."""
    judged: dict[str, dict[str, int]] = {}
    texts: dict[str, tuple[str, dict[str, Any]]] = {}
    for part in parts:
        for query_id, grades in part.qrels.items():
            known = judged.setdefault(query_id, {})
            for document_id, grade in grades.items():
                if known.setdefault(document_id, grade) != grade:
                    msg = (
                        f"query {query_id!r} and document {document_id!r} have grade "
                        f"{known[document_id]} and, in {part.split!r}, {grade}. Mend one of them."
                    )
                    raise DataError(msg)
        fields = part.queries.metadata
        for place, (one, text) in enumerate(zip(part.queries.ids, part.queries.texts, strict=True)):
            texts[one] = (text, {name: values[place] for name, values in fields.items()})
    names = dict.fromkeys(name for _, fields in texts.values() for name in fields)
    metadata = {name: tuple(fields.get(name) for _, fields in texts.values()) for name in names}
    queries = Queries(tuple(texts), tuple(text for text, _ in texts.values()), metadata)
    first = parts[0]
    united = Dataset.build(
        first.name,
        first.corpus,
        queries,
        Qrels(judged),
        split=_ALL,
        path=first.path,
        synthetic=first.synthetic,
    )
    return replace(united, source=first.source)
