"""Queries with a list of candidate documents each: reranking."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from embedsmith._phrases import counted
from embedsmith.datasets._dataset import Dataset
from embedsmith.datasets._mark import SYNTHETIC, is_marked
from embedsmith.datasets._qrels import Qrels
from embedsmith.datasets._rows import Row, as_text, read_rows
from embedsmith.datasets._run import Run
from embedsmith.datasets._task_data import TaskData
from embedsmith.datasets._texts import Corpus, Queries
from embedsmith.exceptions import DataError
from embedsmith.metrics._inputs import first_ids

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from embedsmith._typing import Task

__all__ = ["RerankingSet"]


@dataclass(frozen=True, repr=False)
class RerankingSet(TaskData):
    """Labelled queries, each with the documents that are to be put in order.

    Parameters
    ----------
    dataset : Dataset
        Queries, documents and judgements.
    candidates : mapping of str to sequence of str
        Ids of each query's documents, in the order in which they were found.
    ordered : bool, default True
        Whether that order means anything: then it is measured beside the models.
    candidates_path : str, optional
        The file of candidates that :func:`load_task` was given, word for word.
    name, split, path, source, columns
        As for every data set; keyword only.

    Raises
    ------
    DataError
        If a judged query has no candidates, or one is unknown or stands twice.

    Examples
    --------
    >>> data = Dataset.build(
    ...     "tiny",
    ...     Corpus(("d1", "d2"), ("no", "yes")),
    ...     Queries(("q",), ("ok?",)),
    ...     Qrels({"q": {"d2": 1}}),
    ... )
    >>> RerankingSet(data, {"q": ["d1", "d2"]}).n_unreachable
    0
    """

    task: ClassVar[Task] = "reranking"
    unit: ClassVar[str] = "query"

    dataset: Dataset
    candidates: Mapping[str, Sequence[str]]
    ordered: bool = True
    candidates_path: str | None = None

    def __post_init__(self) -> None:
        asked = self.dataset.queries.ids
        empty = [query for query in asked if not self.candidates.get(query)]
        if empty:
            msg = (
                f"{counted(len(empty), 'judged query', 'judged queries')} of "
                f"{self.dataset.name!r} without candidates: {first_ids(empty)}. Give each at "
                "least one, or leave out its judgements."
            )
            raise DataError(msg)
        # What is not judged cannot be measured; its candidates are not embedded.
        kept = {query: tuple(self.candidates[query]) for query in asked}
        known = frozenset(self.dataset.corpus.ids)
        for query, documents in kept.items():
            unknown = [document for document in documents if document not in known]
            if unknown:
                msg = (
                    f"the candidates of query {query!r} name {first_ids(unknown)}, which the "
                    "corpus lacks. Check that candidates and corpus are of one data set."
                )
                raise DataError(msg)
            if len(set(documents)) < len(documents):
                again = next(d for place, d in enumerate(documents) if d in documents[:place])
                msg = f"query {query!r} has the candidate {again!r} twice. Name each once."
                raise DataError(msg)
        object.__setattr__(self, "candidates", kept)

    def __len__(self) -> int:
        return len(self.dataset.queries)

    @property
    def n_unreachable(self) -> int:
        """Relevant documents that are not among the candidates: no order finds them."""
        return sum(
            grade > 0 and document not in self.candidates[query]
            for query, judged in self.dataset.qrels.items()
            for document, grade in judged.items()
        )

    @property
    def n_relevant(self) -> int:
        """Relevant documents in all."""
        return sum(g > 0 for judged in self.dataset.qrels.values() for g in judged.values())

    def _columns(self) -> Iterator[Sequence[str | float]]:
        yield [self.dataset.hash, str(self.ordered)]
        for query, documents in self.candidates.items():
            yield [query]
            yield documents

    @classmethod
    def _from_run(cls, dataset: Dataset, file: Path) -> RerankingSet:
        found = Run.read(file)
        candidates = {
            query: sorted(scores, key=scores.__getitem__, reverse=True)
            for query, scores in found.items()
        }
        return cls(dataset, candidates)

    @classmethod
    def _read(cls, path: Path, split: str, columns: Mapping[str, str] | None) -> RerankingSet:
        rows = read_rows(
            path, ("query", "positive"), optional=("negative", SYNTHETIC), columns=columns
        )
        texts: dict[str, str] = {}
        queries: dict[str, str] = {}
        judged: dict[str, dict[str, int]] = {}
        listed: dict[str, dict[str, None]] = {}
        marked: set[str] = set()
        for row in rows:
            query = as_text(row, "query")
            query_id = _content_id(query)
            queries[query_id] = query
            if is_marked(row.values.get(SYNTHETIC)):
                marked.add(query_id)
            for name in ("positive", "negative"):
                for text in _texts(row, name):
                    doc_id = _content_id(text)
                    texts[doc_id] = text
                    listed.setdefault(query_id, {})[doc_id] = None
                    if name == "positive":
                        judged.setdefault(query_id, {})[doc_id] = 1
        if not judged:
            msg = f"{path} has no positive text. At least one query needs one."
            raise DataError(msg)
        fields = {SYNTHETIC: tuple(one in marked for one in queries)} if marked else {}
        dataset = Dataset.build(
            path.name,
            Corpus(tuple(texts), tuple(texts.values())),
            Queries(tuple(queries), tuple(queries.values()), fields),
            Qrels(judged),
            split=split,
            path=path,
        )
        # Positives come first in the file: that order is the answer, and no search's.
        return cls(dataset, {query: tuple(found) for query, found in listed.items()}, ordered=False)


def _texts(row: Row, name: str) -> list[str]:
    value = row.values.get(name)
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    return [as_text(Row(row.where, {name: one}), name) for one in values]


def _content_id(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:32]
