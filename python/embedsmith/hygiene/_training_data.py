"""Training pairs by query and passage, from judgements or from lines."""

from __future__ import annotations

import difflib
import gzip
import json
import zlib
from codecs import BOM_UTF8
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from embedsmith.datasets import Dataset, load_dataset
from embedsmith.exceptions import DataError, ParseError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

__all__ = ["NEGATIVE_FIELDS", "POSITIVE_FIELDS", "TrainingData", "TrainingPair", "lines_of"]

_GZIP = b"\x1f\x8b"

_QUERY = ("query", "anchor", "question")
POSITIVE_FIELDS = ("positive", "positives", "pos")
NEGATIVE_FIELDS = ("negative", "negatives", "neg")
_SCORES = ("scores",)
_KNOWN = (*_QUERY, *POSITIVE_FIELDS, *NEGATIVE_FIELDS, *_SCORES)


class TrainingPair(NamedTuple):
    """A query and a passage that is relevant to it, or is not.

    Attributes
    ----------
    query, passage : int
        Places in the texts.
    relevant : bool
        False for a negative.
    score : float or None
        What a teacher gave it.
    """

    query: int
    passage: int
    relevant: bool
    score: float | None


@dataclass(frozen=True)
class TrainingData:
    """Queries, passages and the pairs of both.

    Attributes
    ----------
    name : str
        For people.
    query_ids, query_texts, passage_ids, passage_texts : tuple of str
        Ids are those of the data; of lines, ``line 3`` and ``line 3 negative 2``.
    pairs : tuple of TrainingPair
        In the order of the data.
    path : Path or None
        The file or folder that it was read from.
    split : str or None
        Which judgements of a folder.
    named : bool
        Whether texts have ids of their own. Else a text that stands in two lines is one text.
    """

    name: str
    query_ids: tuple[str, ...]
    query_texts: tuple[str, ...]
    passage_ids: tuple[str, ...]
    passage_texts: tuple[str, ...]
    pairs: tuple[TrainingPair, ...]
    path: Path | None = None
    split: str | None = None
    named: bool = True

    @classmethod
    def of(
        cls, source: Dataset | TrainingData | str | os.PathLike[str], split: str
    ) -> TrainingData:
        """Return training data of whatever holds it.

        Parameters
        ----------
        source : Dataset, TrainingData or path
            A BEIR folder, or a file of JSON lines (plain or gzip) with ``query`` (or ``anchor``),
            ``positive`` and perhaps ``negative``, a text or a list of texts each, and ``scores``, a
            number for each positive and then each negative.
        split : str
            Which judgements of a folder.

        Returns
        -------
        TrainingData
            Grade 0 and below is a negative.

        Raises
        ------
        ParseError
            With path, line and column, if a line is no such object.
        DataError
            If the source cannot be read.
        """
        if isinstance(source, TrainingData):
            return source
        if isinstance(source, Dataset):
            return cls._of_dataset(source)
        path = Path(source).expanduser()
        if path.is_file() and path.name.removesuffix(".gz").endswith((".jsonl", ".ndjson")):
            return cls._of_lines(path)
        data = cls._of_dataset(load_dataset(source, split=split))
        return replace(data, path=path, split=split) if path.exists() else data

    @classmethod
    def of_pairs(cls, name: str, queries: Sequence[str], positives: Sequence[str]) -> TrainingData:
        """Return training data of texts in memory, one positive for each query.

        Parameters
        ----------
        name : str
            For people.
        queries, positives : sequence of str
            As many of one as of the other, repeated ones included.

        Returns
        -------
        TrainingData
            Ids are ``row 0`` and ``row 0 positive``.

        Raises
        ------
        DataError
            If there are none, or not as many of both.
        """
        if not len(queries) == len(positives) > 0:
            msg = (
                f"there are {len(queries):,} queries and {len(positives):,} positives; "
                "pass one positive for each query."
            )
            raise DataError(msg)
        ids = tuple(f"row {row}" for row in range(len(queries)))
        return cls(
            name,
            ids,
            tuple(queries),
            tuple(f"{one} positive" for one in ids),
            tuple(positives),
            tuple(TrainingPair(row, row, relevant=True, score=None) for row in range(len(ids))),
            named=False,
        )

    @classmethod
    def _of_dataset(cls, data: Dataset) -> TrainingData:
        if data.corpus.documents is not None:
            msg = (
                f"{data.name!r} is judged by document, and pairs are of passages. "
                "Load it without collapse."
            )
            raise DataError(msg)
        query = {identifier: place for place, identifier in enumerate(data.queries.ids)}
        passage = {identifier: place for place, identifier in enumerate(data.corpus.ids)}
        pairs = tuple(
            TrainingPair(query[query_id], passage[doc_id], grade > 0, None)
            for query_id, judged in data.qrels.items()
            for doc_id, grade in judged.items()
        )
        corpus, queries = data.corpus, data.queries
        name = f"{data.name} ({data.split})"
        return cls(name, queries.ids, queries.texts, corpus.ids, corpus.texts, pairs)

    @classmethod
    def _of_lines(cls, path: Path) -> TrainingData:
        queries: list[tuple[str, str]] = []
        passages: list[tuple[str, str]] = []
        pairs: list[TrainingPair] = []
        # Negatives are passages of other lines: one string in memory, however often it stands.
        known: dict[str, str] = {}
        for number, line in lines_of(path):
            query, positives, negatives, scores = _read(line, f"{path}:{number}")
            for place, text in enumerate([*positives, *negatives]):
                relevant = place < len(positives)
                rank = place + 1 if relevant else place + 1 - len(positives)
                kind = "positive" if relevant else "negative"
                score = scores[place] if scores else None
                pairs.append(TrainingPair(len(queries), len(passages), relevant, score))
                passages.append((f"line {number} {kind} {rank}", known.setdefault(text, text)))
            queries.append((f"line {number}", known.setdefault(query, query)))
        if not queries:
            msg = f"{path} is empty. Name a file with a query and a positive in each line."
            raise DataError(msg)
        query_ids, query_texts = zip(*queries, strict=True)
        passage_ids, passage_texts = zip(*passages, strict=True)
        return cls(
            path.name,
            query_ids,
            query_texts,
            passage_ids,
            passage_texts,
            tuple(pairs),
            path,
            named=False,
        )


def lines_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield number and content of the lines that are not blank; plain or gzip, told by content.

    Raises
    ------
    ParseError
        If gzip is damaged.
    DataError
        If the file cannot be read.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(len(_GZIP)) == _GZIP
            raw.seek(0)
            lines = cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if packed else raw
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        msg = f"{path} is damaged gzip ({error}). Take it from its source again."
        raise ParseError(msg) from error
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}. Check the path and its rights."
        raise DataError(msg) from error


def _read(line: bytes, place: str) -> tuple[str, list[str], list[str], list[float]]:
    try:
        row = json.loads(line.decode("utf-8-sig" if line.startswith(BOM_UTF8) else "utf-8"))
    except UnicodeDecodeError as error:
        msg = f"{place}:{error.start + 1}: byte 0x{line[error.start]:02X} is no UTF-8. Save it so."
        raise ParseError(msg) from error
    except json.JSONDecodeError as error:
        msg = (
            f"{place}:{error.colno}: found what is no JSON ({error.msg}). Write one object a line."
        )
        raise ParseError(msg) from error
    except (ValueError, RecursionError) as error:
        msg = f"{place}: found what is no JSON ({error}). Write one object a line."
        raise ParseError(msg) from error
    if not isinstance(row, dict):
        msg = f"{place}: found no object. Write {{'query': ..., 'positive': ...}} in each line."
        raise ParseError(msg)
    query = _field(row, _QUERY, place)
    if not isinstance(query, str):
        msg = f"{place}: the query is {query!r:.60}, which is no text. Write a string."
        raise ParseError(msg)
    positives = _texts(_field(row, POSITIVE_FIELDS, place), place)
    wanted = any(name in row for name in NEGATIVE_FIELDS)
    negatives = _texts(_field(row, NEGATIVE_FIELDS, place), place) if wanted else []
    if not positives:
        msg = f"{place}: there is no positive. A training pair needs one."
        raise ParseError(msg)
    scores = row.get("scores", [])
    count = len(positives) + len(negatives)
    right = isinstance(scores, list) and all(
        isinstance(one, (int, float)) and not isinstance(one, bool) and one - one == 0
        for one in scores
    )
    if not right or len(scores) not in (0, count):
        msg = (
            f"{place}: scores are {scores!r:.60}; expected {count} finite numbers, "
            "one for each positive and then each negative."
        )
        raise ParseError(msg)
    return query, positives, negatives, scores


def _field(row: dict[str, Any], names: tuple[str, ...], place: str) -> Any:
    there = [name for name in names if name in row]
    if len(there) == 1:
        return row[there[0]]
    if there:
        msg = f"{place}: {there[0]!r} and {there[1]!r} say the same. Remove one of them."
        raise ParseError(msg)
    near = next(
        (name for name in row if name not in _KNOWN and difflib.get_close_matches(name, names)),
        None,
    )
    fix = f"Did you mean {names[0]!r} by {near!r}? " if near is not None else ""
    msg = (
        f"{place}: there is no {names[0]!r}; it has {', '.join(row) or 'nothing'}. {fix}Rename it."
    )
    raise ParseError(msg)


def _texts(value: Any, place: str) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        msg = f"{place}: {value!r:.60} is no text and no list of texts. Write strings."
        raise ParseError(msg)
    return texts
