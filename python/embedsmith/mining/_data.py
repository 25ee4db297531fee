"""What is mined: queries, passages, and which passages answer which query."""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith._phrases import counted
from embedsmith.datasets import Corpus, Dataset, load_dataset, stream_corpus
from embedsmith.datasets._rows import as_text, read_rows
from embedsmith.exceptions import DataError
from embedsmith.mining._lists import RowLists
from embedsmith.mining._texts import keys_of

if TYPE_CHECKING:
    from embedsmith._typing import I64Array

__all__ = ["MiningData", "as_mining_data"]

_ID_DIGITS = 32
_SHOWN = 3


@dataclass(frozen=True)
class MiningData:
    """Queries and passages by number, with ids and texts where they are known.

    Attributes
    ----------
    positives : RowLists
        Rows of the corpus, one list per query.
    query_ids, doc_ids : sequence of str or None
    query_texts, doc_texts : sequence of str or None
    columns : tuple of two str
        What anchors and positives are called in the output.
    without_positive : tuple of str
        Ids of queries that are judged and have no positive; they are not mined.
    most_pairs : int
        Pairs of the query with most of them, repeated pairs counted; 0 if there were no pairs.
    """

    positives: RowLists
    query_ids: Sequence[str] | None = None
    query_texts: Sequence[str] | None = None
    doc_ids: Sequence[str] | None = None
    doc_texts: Sequence[str] | None = None
    columns: tuple[str, str] = ("anchor", "positive")
    without_positive: tuple[str, ...] = ()
    most_pairs: int = 0

    def __len__(self) -> int:
        return len(self.positives)

    def query_name(self, query: int) -> str:
        """Return a query's id, or its number."""
        return str(query) if self.query_ids is None else self.query_ids[query]

    def doc_name(self, row: int) -> str:
        """Return a passage's id, or its row."""
        return str(row) if self.doc_ids is None else self.doc_ids[row]


def as_mining_data(
    data: Any,
    *,
    corpus: Any = None,
    anchor_column_name: str | None = None,
    positive_column_name: str | None = None,
    split: str = "train",
    add_positives: bool = False,
    refuse_equal: bool = True,
) -> MiningData:
    """Read what can be mined, in any form that people have it in.

    Raises
    ------
    DataError
        If a column is not there, a value is no text, a positive is not in the corpus, or an anchor
        equals its positive.
    """
    if isinstance(data, MiningData):
        return data
    if isinstance(data, (str, os.PathLike)) and Path(data).expanduser().is_file():
        names = _Names(anchor_column_name or "anchor", positive_column_name or "positive")
        return _from_pairs(
            *_from_file(data, names),
            names,
            corpus,
            add_positives=add_positives,
            refuse_equal=refuse_equal,
        )
    if isinstance(data, (str, os.PathLike)):
        data = load_dataset(data, split=split)
    if isinstance(data, Dataset):
        if corpus is not None or anchor_column_name or positive_column_name:
            msg = (
                f"{data.name!r} has its own corpus and no columns. Leave corpus, "
                "anchor_column_name and positive_column_name out."
            )
            raise DataError(msg)
        return _from_dataset(data)
    named = _column_names(data)
    if named is not None:
        names = _chosen(named, anchor_column_name, positive_column_name)
        pairs = list(data[names.anchor]), list(data[names.positive])
        return _from_pairs(
            *pairs, names, corpus, add_positives=add_positives, refuse_equal=refuse_equal
        )
    return _from_sequence(data, corpus, add_positives=add_positives, refuse_equal=refuse_equal)


@dataclass(frozen=True)
class _Names:
    anchor: str
    positive: str


def _column_names(data: Any) -> list[str] | None:
    names = getattr(data, "column_names", None)
    if names is None and isinstance(data, Mapping):
        names = list(data)
    if names is None:
        names = getattr(data, "columns", None)
    return None if names is None else [str(name) for name in names]


def _chosen(there: list[str], anchor: str | None, positive: str | None) -> _Names:
    for argument, name in (("anchor_column_name", anchor), ("positive_column_name", positive)):
        if name is not None and name not in there:
            near = difflib.get_close_matches(name, there, n=1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            msg = f"{argument}={name!r} is not there. {hint}There are {', '.join(there)}."
            raise DataError(msg)
    rest = [name for name in there if name not in (anchor, positive)]
    if len(rest) < (anchor is None) + (positive is None):
        msg = (
            f"the data has the columns {', '.join(there) or 'none'}; two are needed, anchors and "
            "their positives."
        )
        raise DataError(msg)
    first = anchor if anchor is not None else rest.pop(0)
    return _Names(first, positive if positive is not None else rest[0])


def _from_file(path: Any, names: _Names) -> tuple[list[str], list[str]]:
    if names.anchor == names.positive:
        msg = f"anchor_column_name and positive_column_name are both {names.anchor!r}; name two."
        raise DataError(msg)
    remedy = "pass anchor_column_name and positive_column_name (--anchor, --positive)"
    rows = read_rows(Path(path).expanduser(), (names.anchor, names.positive), remedy=remedy)
    return (
        [as_text(row, names.anchor) for row in rows],
        [as_text(row, names.positive) for row in rows],
    )


def _from_sequence(
    data: Any, corpus: Any, *, add_positives: bool, refuse_equal: bool
) -> MiningData:
    items = list(data)
    if not items:
        raise DataError(_EMPTY)
    if _all_pairs(items):
        anchors, positives = zip(*items, strict=True)
        names = _Names("anchor", "positive")
        return _from_pairs(
            list(anchors),
            list(positives),
            names,
            corpus,
            add_positives=add_positives,
            refuse_equal=refuse_equal,
        )
    try:
        lists = RowLists.of([np.atleast_1d(np.asarray(item)) for item in items])
        whole = all(np.asarray(item).dtype.kind in "iu" or not np.size(item) for item in items)
    except (TypeError, ValueError):
        whole = False
    if not whole:
        msg = (
            f"data holds {items[0]!r:.80}. Pass a Dataset, columns with anchors and positives, "
            "pairs of strings, or (with embeddings) the corpus rows of each query's positives."
        )
        raise DataError(msg)
    return MiningData(lists)


def _all_pairs(items: list[Any]) -> bool:
    return all(
        isinstance(item, (tuple, list)) and len(item) == 2 and isinstance(item[0], str)  # noqa: PLR2004
        for item in items
    )


_EMPTY = "the data holds no pairs. Pass at least one anchor with a positive."


def _from_pairs(
    anchors: list[Any],
    positives: list[Any],
    names: _Names,
    corpus: Any,
    *,
    add_positives: bool,
    refuse_equal: bool,
) -> MiningData:
    if not anchors:
        raise DataError(_EMPTY)
    for name, values in ((names.anchor, anchors), (names.positive, positives)):
        for place, value in enumerate(values):
            if not isinstance(value, str):
                msg = (
                    f"row {place}: {name} is {value!r:.80}, which is no text. Drop the row, or "
                    "name other columns."
                )
                raise DataError(msg)
    doc_ids, doc_texts = _passages(corpus, positives)
    row_of: dict[str, int] = {}
    for row, text in enumerate(doc_texts):
        row_of.setdefault(text, row)
    missing = [text for text in dict.fromkeys(positives) if text not in row_of]
    if missing and not add_positives:
        msg = (
            f"{counted(len(missing), 'positive')} of {len(set(positives)):,} are not in the "
            f"corpus, such as {missing[0][:80]!r}. Add them to it, or pass add_positives=True "
            "(--add-positives)."
        )
        raise DataError(msg)
    for text in missing:
        row_of[text] = len(doc_texts)
        doc_texts.append(text)
        doc_ids.append(_id_of(text))
    queries = list(dict.fromkeys(anchors))
    number = {text: place for place, text in enumerate(queries)}
    lists: list[dict[int, None]] = [{} for _ in queries]
    pairs = np.zeros(len(queries), dtype=np.int64)
    for anchor, positive in zip(anchors, positives, strict=True):
        lists[number[anchor]].setdefault(row_of[positive])
        pairs[number[anchor]] += 1
    data = MiningData(
        RowLists.of([list(rows) for rows in lists]),
        [_id_of(text) for text in queries],
        queries,
        doc_ids,
        doc_texts,
        (names.anchor, names.positive),
        most_pairs=int(pairs.max()),
    )
    if refuse_equal:
        _refuse_equal(data)
    return data


def _passages(corpus: Any, positives: list[str]) -> tuple[list[str], list[str]]:
    if corpus is None:
        texts = list(dict.fromkeys(positives))
        return [_id_of(text) for text in texts], texts
    if isinstance(corpus, (str, os.PathLike)):
        blocks = list(stream_corpus(corpus))
        corpus = Corpus(
            tuple(name for block in blocks for name in block.ids),
            tuple(text for block in blocks for text in block.texts),
        )
    if isinstance(corpus, Corpus):
        return list(corpus.ids), list(corpus.texts)
    if isinstance(corpus, Mapping):
        return [str(one) for one in corpus], _strings(corpus.values())
    texts = list(dict.fromkeys(_strings(corpus)))
    return [_id_of(text) for text in texts], texts


def _strings(values: Any) -> list[str]:
    texts = list(values)
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            msg = f"corpus: passage {place} is {text!r:.80}, which is no text. Leave it out."
            raise DataError(msg)
    return texts


def _id_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_ID_DIGITS]


def _from_dataset(data: Dataset) -> MiningData:
    rows_of: dict[str, list[int]] = {}
    for row, name in enumerate(data.corpus.judged_ids):
        rows_of.setdefault(name, []).append(row)
    lists = [
        [
            row
            for name, grade in data.qrels[query].items()
            if grade > 0
            for row in rows_of.get(name, ())
        ]
        for query in data.queries.ids
    ]
    kept = [place for place, rows in enumerate(lists) if rows]
    if not kept:
        msg = (
            f"no query of {data.name!r} ({data.split}) has a relevant document. Mining needs "
            "judgements with a grade above 0."
        )
        raise DataError(msg)
    queries = data.queries
    found = MiningData(
        RowLists.of([lists[place] for place in kept]),
        [queries.ids[place] for place in kept],
        [queries.texts[place] for place in kept],
        data.corpus.ids,
        data.corpus.texts,
        without_positive=tuple(
            name for name, rows in zip(queries.ids, lists, strict=True) if not rows
        ),
    )
    _refuse_equal(found)
    return found


def _refuse_equal(data: MiningData) -> None:
    """Refuse anchors that are their own positive: a model learns nothing from them."""
    if data.query_texts is None or data.doc_texts is None:
        return
    asked = keys_of(data.query_texts)
    owners = np.repeat(np.arange(len(data)), data.positives.counts)
    distinct, place = np.unique(data.positives.rows, return_inverse=True)
    answers = keys_of(data.doc_texts[row] for row in distinct.tolist())[place.reshape(-1)]
    same: I64Array = np.flatnonzero(asked[owners] == answers)
    if len(same):
        shown = ", ".join(repr(data.query_texts[owners[at]][:60]) for at in same[:_SHOWN].tolist())
        msg = (
            f"{counted(len(same), 'pair')} of {len(owners):,} have an anchor that equals its "
            f"positive: {shown}. A model learns nothing from them; drop them from the data."
        )
        raise DataError(msg)
