"""A labelled retrieval set."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from embedsmith._phrases import counted
from embedsmith.datasets._mark import count_marked, marked_name
from embedsmith.datasets._passages import describe, lifted
from embedsmith.exceptions import DataError
from embedsmith.metrics._inputs import first_ids

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from embedsmith.datasets._passages import Collapse
    from embedsmith.datasets._qrels import Qrels
    from embedsmith.datasets._texts import Corpus, Queries

__all__ = ["Dataset"]


@dataclass(frozen=True, slots=True)
class Dataset:
    """A corpus, queries and judgements that fit together.

    :meth:`build` makes one from parts that do not fit yet; :func:`load_dataset` reads one.

    Parameters
    ----------
    name : str
        For people: the folder's name, say.
    split : str
        Which part of the judgements: ``"test"``, say.
    corpus : Corpus
        The documents; at least one.
    queries : Queries
        The queries judged in this split, and no others.
    qrels : Qrels
        Judgements of ``queries`` over ``corpus``.
    path : Path or None
        Where it was read.
    n_unjudged : int, default 0
        Queries of the source that have no judgement in this split and are left out.
    n_dropped : int, default 0
        Judgements left out because they name an unknown document or query.
    source : str or None
        What :func:`load_dataset` was given, word for word; it finds the data set again.
    collapse : str or None
        What made its texts passages of documents, if that was a word: a separator or a field.
    synthetic : bool, default False
        Whether a machine wrote all of its queries. Single ones are marked by the field
        ``synthetic`` of ``queries.metadata``; results on either say so in their titles.

    Raises
    ------
    DataError
        If a part is empty, or the parts do not fit.
    """

    name: str
    split: str
    corpus: Corpus
    queries: Queries
    qrels: Qrels
    path: Path | None = None
    n_unjudged: int = 0
    n_dropped: int = 0
    source: str | None = None
    collapse: str | None = None
    synthetic: bool = False
    _hash: str | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_filled(self.name, self.corpus, self.queries, self.qrels)
        documents, queries = _unknown(self.corpus, self.queries, self.qrels)
        if documents or queries:
            raise DataError(_unknown_message(self.name, self.qrels, documents, queries))
        unjudged = [query_id for query_id in self.queries.ids if query_id not in self.qrels]
        if unjudged:
            msg = (
                f"{counted(len(unjudged), 'query', 'queries')} of {self.name!r} without "
                f"judgement: {first_ids(unjudged)}. "
                "Leave them out, or use Dataset.build, which does."
            )
            raise DataError(msg)

    @classmethod
    def build(
        cls,
        name: str,
        corpus: Corpus,
        queries: Queries,
        qrels: Qrels,
        *,
        split: str = "test",
        path: Path | None = None,
        allow_missing: bool = False,
        synthetic: bool = False,
    ) -> Dataset:
        """Return a data set of the queries that are judged.

        Parameters
        ----------
        name, corpus, queries, qrels, split, path
            As for the class; ``queries`` may hold queries without judgements.
        allow_missing : bool, default False
            Leave out judgements of unknown documents or queries, and count them in ``n_dropped``,
            where the default is an error. It changes measures: a relevant document that is left
            out no longer counts as missed.
        synthetic : bool, default False
            As for the class.

        Returns
        -------
        Dataset
            Queries in their own order, judgements in theirs.

        Raises
        ------
        DataError
            If a part is empty, or judgements name unknown documents or queries.
        """
        _check_filled(name, corpus, queries, qrels)
        if corpus.documents is not None:
            qrels = lifted(qrels, corpus.ids, corpus.documents)
        n_dropped = 0
        if allow_missing:
            documents, asked = frozenset(corpus.judged_ids), frozenset(queries.ids)
            known = np.fromiter((d in documents for d in qrels.doc_ids), bool, len(qrels.doc_ids))
            judged = np.fromiter((q in asked for q in qrels.query_ids), bool, len(qrels))
            keep = known[qrels.rows] & np.repeat(judged, np.diff(qrels.offsets))
            n_dropped = int(np.count_nonzero(~keep))
            if n_dropped:
                if not keep.any():
                    msg = (
                        f"none of the judgements of {name!r} ({n_dropped:,}) names a known query "
                        "and document. Check that corpus, queries and qrels are of one data set."
                    )
                    raise DataError(msg)
                qrels = qrels._keep(keep)  # noqa: SLF001 - of this package
        kept = [place for place, query_id in enumerate(queries.ids) if query_id in qrels]
        judged_queries = queries.take(kept)
        n_unjudged = len(queries) - len(judged_queries)
        if not kept:
            raise DataError(_unknown_message(name, qrels, *_unknown(corpus, queries, qrels)))
        return cls(
            name,
            split,
            corpus,
            judged_queries,
            qrels,
            path,
            n_unjudged,
            n_dropped,
            synthetic=synthetic,
        )

    @property
    def n_synthetic(self) -> int:
        """Number of queries that a machine wrote."""
        return len(self.queries) if self.synthetic else count_marked(self.queries.metadata)

    @property
    def title(self) -> str:
        """The name, and whether queries are synthetic."""
        return marked_name(self.name, self.n_synthetic, len(self.queries))

    def collapsed(self, collapse: Collapse) -> Dataset:
        """Return the data set with its texts as passages of documents.

        Parameters
        ----------
        collapse : str, mapping or callable
            As :meth:`Corpus.collapsed` takes it.

        Returns
        -------
        Dataset
            Judgements are of documents: a document has the highest grade of its passages.

        Raises
        ------
        DataError
            If a passage has no document, or no id has the separator.

        Examples
        --------
        >>> from embedsmith.datasets import Corpus, Qrels, Queries
        >>> corpus, queries = Corpus(("a#1", "a#2"), ("x", "y")), Queries(("q",), ("y",))
        >>> data = Dataset.build("d", corpus, queries, Qrels({"q": {"a#2": 1}}))
        >>> data.collapsed("#").qrels["q"]
        {'a': 1}
        """
        corpus = self.corpus.collapsed(collapse)
        qrels = lifted(self.qrels, corpus.ids, corpus.judged_ids)
        return replace(self, corpus=corpus, qrels=qrels, collapse=describe(collapse))

    @property
    def hash(self) -> str:
        """SHA-256 of the content, in hex; the same for the same content in any file format.

        The bytes are ``embedsmith.dataset/1``, then for corpus and queries the number of entries
        and each id and text, then for qrels the number of judgements and each query id, document
        id and grade, in order; where texts are passages, ``passages`` and the document of each come
        before the judgements. Strings are UTF-8 after their length in bytes; lengths, counts and
        grades are 8 bytes, little-endian, signed. Order counts, since ties and sums may depend on
        it; name, split and path do not.
        """
        if self._hash is not None:
            return self._hash
        digest = hashlib.sha256()
        for part in _canonical(self):
            digest.update(part)
        # The value is frozen, so its hash may be kept.
        object.__setattr__(self, "_hash", digest.hexdigest())
        return digest.hexdigest()


def _check_filled(name: str, corpus: Corpus, queries: Queries, qrels: Qrels) -> None:
    for what, part in (("corpus", corpus), ("queries", queries), ("qrels", qrels)):
        if not len(part):
            msg = f"{what} of {name!r} is empty. Pass at least one entry."
            raise DataError(msg)


def _canonical(data: Dataset) -> Iterator[bytes]:
    yield b"embedsmith.dataset/1"
    for texts in (data.corpus, data.queries):
        yield _number(len(texts))
        for identifier, text in zip(texts.ids, texts.texts, strict=True):
            yield _string(identifier) + _string(text)
    yield _number(data.qrels.n_pairs)
    if data.corpus.documents is not None:
        yield b"passages"
        yield from map(_string, data.corpus.documents)
    for query_id, judged in data.qrels.items():
        for doc_id, grade in judged.items():
            yield _string(query_id) + _string(doc_id) + _number(grade)


def _number(value: int) -> bytes:
    return value.to_bytes(8, "little", signed=True)


def _string(text: str) -> bytes:
    # Strings built in Python may hold lone surrogates; readers never produce them.
    encoded = text.encode("utf-8", "surrogatepass")
    return _number(len(encoded)) + encoded


def _unknown(corpus: Corpus, queries: Queries, qrels: Qrels) -> tuple[list[str], list[str]]:
    """Return the judged documents and queries that are not there."""
    documents, asked = frozenset(corpus.judged_ids), frozenset(queries.ids)
    used = np.zeros(len(qrels.doc_ids), bool)
    used[qrels.rows] = True
    judged = (doc_id for doc_id, is_used in zip(qrels.doc_ids, used, strict=True) if is_used)
    return [d for d in judged if d not in documents], [q for q in qrels if q not in asked]


def _unknown_message(name: str, qrels: Qrels, documents: list[str], queries: list[str]) -> str:
    seen = []
    if documents:
        count = counted(len(documents), "document")
        seen.append(f"{count} that the corpus lacks: {first_ids(documents)}")
    if queries:
        count = counted(len(queries), "query")
        seen.append(f"{count} that the queries lack: {first_ids(queries)}")
    fix = (
        "Check that corpus, queries and qrels are of one data set."
        if len(queries) == len(qrels)
        else "Mend the ids, or leave these judgements out with allow_missing=True "
        "(--allow-missing on the command line)."
    )
    return f"the qrels of {name!r} name {', and '.join(seen)}. {fix}"
