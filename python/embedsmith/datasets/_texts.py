"""Texts with ids: corpora and queries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

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

    Raises
    ------
    DataError
        If the counts differ, an id stands twice, or something is no string.

    Examples
    --------
    >>> len(Corpus(("d1", "d2"), ("first text", "second text")))
    2
    """


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
