"""What a mining run returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from embedsmith._deps import require
from embedsmith._phrases import counted
from embedsmith.mining._ceilings import CEILING_RULES
from embedsmith.mining._formats import FORMATS, Unit, rows_of
from embedsmith.mining._settings import choice
from embedsmith.mining._write import write_jsonl, write_parquet

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from embedsmith._typing import F64Array, I64Array, Json
    from embedsmith.mining._block import Block
    from embedsmith.mining._data import MiningData

__all__ = ["MinedNegatives", "OutputFormat", "ShortQuery"]

OutputFormat: TypeAlias = Literal[
    "triplet", "n-tuple", "n-tuple-scores", "labeled-pair", "labeled-list"
]

_REASONS = {
    "corpus": "all of the corpus was looked at",
    "range_max": "the search ended at range_max",
    "min_score": "all further passages score below min_score",
    "cross_encoder": "the cross-encoder's scores left too few of the candidates",
}


@dataclass(frozen=True)
class ShortQuery:
    """A query with fewer negatives than wanted.

    Attributes
    ----------
    query : str
        Its id, or its number where there are no ids.
    found : int
        Negatives it has.
    wanted : int
        Negatives it should have.
    reason : str
        Why the search stopped.
    taken : dict of str to int
        How many passages each filter took, those that took none left out.
    """

    query: str
    found: int
    wanted: int
    reason: str
    taken: dict[str, int]

    def __str__(self) -> str:
        taken = ", ".join(f"{name} took {count:,}" for name, count in self.taken.items())
        said = f"{self.query}: {self.found} of {self.wanted}; {self.reason}"
        return f"{said}; {taken}" if taken else said


@dataclass(frozen=True)
class MinedNegatives:
    """Negatives of each query, with where they come from and why they were kept.

    Made by :func:`embedsmith.mine_hard_negatives`. A line of the arrays is a unit: a query, or with
    ``margin_to="each"`` a query with one of its positives.

    Attributes
    ----------
    unit_queries : ndarray of shape (n_units,), int64
        Number of the query of each unit.
    unit_positives : ndarray of shape (n_units,), int64
        Row of the one positive of each unit; -1 if it stands for all of the query's.
    block : Block
        Rows, scores and ranks of shape (n_units, num_negatives).
    positive_scores : ndarray, float64
        Of each query's positives, one query's after the other's, as they count for margins.
    filters, ended : tuple of str
        The filters, in the order in which they take; reasons for which a search stops.
    data : MiningData
        What was mined.
    report : dict
        Settings, fingerprints, counts and the queries that are short, as JSON values.
    """

    unit_queries: I64Array
    unit_positives: I64Array
    block: Block
    positive_scores: F64Array
    filters: tuple[str, ...]
    ended: tuple[str, ...]
    data: MiningData = field(repr=False)
    report: Json = field(repr=False, default_factory=dict)

    def __repr__(self) -> str:
        queries, found = counted(len(self.data), "query"), int((self.rows >= 0).sum())
        return f"MinedNegatives({queries}, {counted(found, 'negative')}, {self.n_short} short)"

    @property
    def rows(self) -> I64Array:
        """Rows of the corpus, best first, of shape (n_units, num_negatives); -1: none."""
        return self.block.rows

    @property
    def scores(self) -> F64Array:
        """Scores of the embeddings, of the same shape; ``-inf``: none."""
        return self.block.scores

    @property
    def ranks(self) -> I64Array:
        """Ranks in the search by embeddings, from 1; 0: found by BM25 alone, or none."""
        return self.block.ranks

    @property
    def n_short(self) -> int:
        """Count of units with fewer negatives than wanted."""
        return int((self.rows[:, -1] < 0).sum())

    def short(self) -> Iterator[ShortQuery]:
        """Return the queries that have fewer negatives than wanted.

        Returns
        -------
        iterator of ShortQuery
            In the order of the queries.
        """
        for unit in np.flatnonzero(self.rows[:, -1] < 0).tolist():
            taken = self.block.taken[unit].tolist()
            ended = self.ended[int(self.block.ended[unit])]
            yield ShortQuery(
                query=self.data.query_name(int(self.unit_queries[unit])),
                found=int((self.rows[unit] >= 0).sum()),
                wanted=self.rows.shape[1],
                reason=_REASONS.get(ended, ended),
                taken={
                    name: count for name, count in zip(self.filters, taken, strict=True) if count
                },
            )

    def negatives(self) -> Iterator[Json]:
        """Return every negative with its rank, its scores and the reason it was kept.

        Returns
        -------
        iterator of dict
            ``query``, ``negative`` (ids, or numbers where there are none), ``row``, ``rank``,
            ``score``, ``kept``; ``lexical_rank`` if BM25 found it, ``teacher_score`` if a
            cross-encoder was asked, ``positive`` if margins are counted from each.
        """
        block = self.block
        for unit, slot in zip(*np.nonzero(block.rows >= 0), strict=True):
            row = int(block.rows[unit, slot])
            found: Json = {
                "query": self.data.query_name(int(self.unit_queries[unit])),
                "negative": self.data.doc_name(row),
                "row": row,
                "rank": int(block.ranks[unit, slot]) or None,
                "score": float(block.scores[unit, slot]),
                "kept": self._kept(int(unit), int(slot)),
            }
            if block.lexical_ranks[unit, slot]:
                found["lexical_rank"] = int(block.lexical_ranks[unit, slot])
            if not np.isnan(block.teacher_scores[unit, slot]):
                found["teacher_score"] = float(block.teacher_scores[unit, slot])
            if self.unit_positives[unit] >= 0:
                found["positive"] = self.data.doc_name(int(self.unit_positives[unit]))
            yield found

    def _kept(self, unit: int, slot: int) -> str:
        block = self.block
        by = [f"rank {block.ranks[unit, slot]} by embeddings"] if block.ranks[unit, slot] else []
        if block.lexical_ranks[unit, slot]:
            by.append(f"rank {block.lexical_ranks[unit, slot]} by BM25")
        taught = float(block.teacher_scores[unit, slot])
        score = float(block.scores[unit, slot]) if np.isnan(taught) else taught
        limit = float(block.ceilings[unit])
        if limit == np.inf:
            return f"{', '.join(by)}; scores are not limited from above"
        rule = CEILING_RULES[int(block.rules[unit])]
        return f"{', '.join(by)}; {score:.4f} is at most {limit:.4f}, the limit by {rule}"

    def examples(
        self, output_format: OutputFormat = "triplet", *, output_scores: bool = False
    ) -> Iterator[Json]:
        """Return training examples, one at a time.

        Parameters
        ----------
        output_format : str, default "triplet"
            ``"triplet"``: anchor, positive, ``negative``; ``"n-tuple"``: ``negative_1`` and so on,
            for queries that have all of them (:meth:`short` lists the others); ``"labeled-pair"``:
            one text with ``label`` 1 or 0; ``"labeled-list"``: a list of texts with ``labels``;
            ``"n-tuple-scores"``: ``"n-tuple"`` with scores.
        output_scores : bool, default False
            Add ``scores``; with a cross-encoder its own. They take the place of labels.

        Returns
        -------
        iterator of dict
            Texts, or rows of the corpus where the data holds no texts.

        Raises
        ------
        ShapeError
            If the format is unknown.
        """
        choice("output_format", output_format, FORMATS)
        if output_format == "n-tuple-scores":
            output_format, output_scores = "n-tuple", True
        return rows_of(self._units(), output_format, scores=output_scores)

    def _units(self) -> Iterator[Unit]:
        data, block = self.data, self.block
        asked, texts = data.query_texts, data.doc_texts
        values = np.where(np.isnan(block.teacher_scores), block.scores, block.teacher_scores)
        for unit in range(len(block.rows)):
            query, own = int(self.unit_queries[unit]), int(self.unit_positives[unit])
            span = slice(data.positives.offsets[query], data.positives.offsets[query + 1])
            pairs = zip(
                data.positives.rows[span].tolist(), self.positive_scores[span].tolist(), strict=True
            )
            there = block.rows[unit] >= 0
            yield Unit(
                names=data.columns,
                anchor=query if asked is None else asked[query],
                positives=[
                    (row if texts is None else texts[row], score)
                    for row, score in pairs
                    if own in (-1, row)
                ],
                negatives=[
                    row if texts is None else texts[row] for row in block.rows[unit][there].tolist()
                ],
                scores=values[unit][there].tolist(),
                is_full=bool(there.all()),
            )

    def to_dataset(
        self, output_format: OutputFormat = "triplet", *, output_scores: bool = False
    ) -> Any:
        """Return the examples as a ``datasets.Dataset``, as sentence-transformers' trainer takes.

        Parameters
        ----------
        output_format, output_scores
            As :meth:`examples` takes them.

        Returns
        -------
        datasets.Dataset

        Raises
        ------
        MissingDependencyError
            If datasets is not installed.
        """
        library: Any = require("datasets", extra="train", feature="MinedNegatives.to_dataset")
        columns: dict[str, list[Any]] = {}
        for example in self.examples(output_format, output_scores=output_scores):
            for name, value in example.items():
                columns.setdefault(name, []).append(value)
        return library.Dataset.from_dict(columns)

    def write(
        self,
        path: str | os.PathLike[str],
        output_format: OutputFormat = "triplet",
        *,
        output_scores: bool = False,
    ) -> int:
        """Write the examples to a file, one at a time: no list of them is made.

        The file appears whole or not at all.

        Parameters
        ----------
        path : path
            Ends with ``.jsonl`` or ``.parquet`` (needs pyarrow).
        output_format, output_scores
            As :meth:`examples` takes them.

        Returns
        -------
        int
            Examples written.

        Raises
        ------
        DataError
            If the name ends otherwise.
        OutputError
            If the place cannot be written.
        """
        examples = self.examples(output_format, output_scores=output_scores)
        return (write_parquet if str(path).endswith(".parquet") else write_jsonl)(path, examples)

    def write_negatives(self, path: str | os.PathLike[str]) -> int:
        """Write what :meth:`negatives` returns as JSON lines or parquet.

        Parameters
        ----------
        path : path
            As :meth:`write` takes it.

        Returns
        -------
        int
            Negatives written.
        """
        found = self.negatives()
        return (write_parquet if str(path).endswith(".parquet") else write_jsonl)(path, found)
