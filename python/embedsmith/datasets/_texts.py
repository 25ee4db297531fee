"""Texts with ids: corpora and queries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from embedsmith.datasets._passages import documents_of
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from embedsmith.datasets._passages import Collapse

__all__ = ["Corpus", "Queries"]


@dataclass(frozen=True, slots=True)
class _Texts:
    ids: tuple[str, ...]
    texts: tuple[str, ...]

    def __post_init__(self) -> None:
        # Lists are what people have in hand; tuples are what a frozen value keeps.
        object.__setattr__(self, "ids", tuple(self.ids))
        object.__setattr__(self, "texts", tuple(self.texts))
        kind = type(self).__name__
        if len(self.ids) != len(self.texts):
            msg = (
                f"{kind} has {len(self.ids)} ids but {len(self.texts)} texts. "
                "Pass one id for each text."
            )
            raise DataError(msg)
        for what, values in (("id", self.ids), ("text", self.texts)):
            _check_strings(kind, what, values)
        if len(set(self.ids)) != len(self.ids):
            seen: set[str] = set()
            again = next(i for i in self.ids if i in seen or seen.add(i))  # type: ignore[func-returns-value]
            msg = (
                f"{kind} has the id {again!r} more than once. "
                "Remove the repeats, or give them ids of their own."
            )
            raise DataError(msg)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def n_empty(self) -> int:
        """Number of texts that are empty or blank; they are embedded like any other."""
        return sum(not text.strip() for text in self.texts)


def _check_strings(kind: str, what: str, values: Iterable[object]) -> None:
    # The set of types is tiny, so the usual pass costs no Python call per value.
    if all(issubclass(of, str) for of in set(map(type, values))):
        return
    place, wrong = next((p, v) for p, v in enumerate(values) if not isinstance(v, str))
    msg = f"{kind} has the {what} {wrong!r} at position {place}, which is no string. Pass str."
    raise DataError(msg)


@dataclass(frozen=True, slots=True)
class Corpus(_Texts):
    """The documents that are searched.

    Parameters
    ----------
    ids : tuple of str
        Distinct.
    texts : tuple of str
        What is embedded, one for each id. Readers join title, blank and text; without a title
        there is no leading blank.
    documents : tuple of str, optional
        If the texts are passages: the id of the document that each is a part of. Judgements and
        results are then of documents. :meth:`collapsed` makes them.

    Raises
    ------
    DataError
        If the counts differ, an id stands twice, or something is no string.

    Examples
    --------
    >>> corpus = Corpus(("d1#1", "d1#2"), ("first text", "second text"))
    >>> len(corpus), corpus.collapsed("#").documents
    (2, ('d1', 'd1'))
    """

    documents: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        # Two arguments: a class with slots is made anew, and a bare super() would miss it.
        super(Corpus, self).__post_init__()
        if self.documents is None:
            return
        object.__setattr__(self, "documents", tuple(self.documents))
        if len(self.documents) != len(self.ids):
            msg = (
                f"Corpus has {len(self.ids)} passages but {len(self.documents)} documents. "
                "Pass the document of each passage."
            )
            raise DataError(msg)
        _check_strings("Corpus", "document", self.documents)

    @property
    def judged_ids(self) -> tuple[str, ...]:
        """The ids that judgements name: documents of passages, else the texts' own."""
        return self.ids if self.documents is None else self.documents

    def collapsed(
        self, collapse: Collapse, fields: Mapping[str, Sequence[Any]] | None = None
    ) -> Corpus:
        """Return the corpus as passages of documents.

        Parameters
        ----------
        collapse : str, mapping or callable
            A separator, such as ``"#"``: the document is what stands before its last occurrence in
            an id, and an id without it is a document of its own. ``"field:NAME"``: that field of
            the corpus. Else a mapping or a callable from passage ids to document ids.
        fields : mapping of str to sequence, optional
            Fields of the corpus, one value for each text; needed for ``"field:NAME"``.

        Returns
        -------
        Corpus
            With ``documents``.

        Raises
        ------
        DataError
            If a passage has no document, or no id has the separator.
        """
        return Corpus(self.ids, self.texts, documents_of(self.ids, collapse, fields))


@dataclass(frozen=True, slots=True)
class Queries(_Texts):
    """The queries that are asked.

    Parameters
    ----------
    ids : tuple of str
        Distinct.
    texts : tuple of str
        What is embedded, one for each id.
    metadata : mapping of str to sequence, optional
        Further fields by name (product, language), one value for each id; None where a query has
        none. They are not embedded, and not part of :attr:`Dataset.hash`.

    Raises
    ------
    DataError
        If the counts differ, an id stands twice, or something is no string.

    Examples
    --------
    >>> asked = Queries(("q1", "q2"), ("fee?", "Gebühr?"), {"language": ("en", "de")})
    >>> asked.take([1])
    Queries(ids=('q2',), texts=('Gebühr?',), metadata={'language': ('de',)})
    """

    # A mapping has no hash; ids and texts are what tells queries apart.
    metadata: Mapping[str, tuple[Any, ...]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        # Two arguments: a class with slots is made anew, and a bare super() would miss it.
        super(Queries, self).__post_init__()
        kept = {name: tuple(values) for name, values in self.metadata.items()}
        for name, values in kept.items():
            if len(values) != len(self.ids):
                msg = (
                    f"Queries has {len(values)} values of the field {name!r} for {len(self.ids)} "
                    "ids. Pass one for each id, None where there is none."
                )
                raise DataError(msg)
        object.__setattr__(self, "metadata", kept)

    def take(self, places: Sequence[int]) -> Queries:
        """Return some of the queries, with their fields.

        Parameters
        ----------
        places : sequence of int
            Positions, in the order wanted.

        Returns
        -------
        Queries
            Those, and no others.
        """
        return Queries(
            tuple(self.ids[place] for place in places),
            tuple(self.texts[place] for place in places),
            {name: tuple(of[place] for place in places) for name, of in self.metadata.items()},
        )
