"""Synthetic queries, with where each is from and what it went through."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embedsmith._files import atomic_writer
from embedsmith.datasets import Corpus, Dataset, Qrels, Queries, write_beir
from embedsmith.datasets._mark import SYNTHETIC, read_manifest
from embedsmith.exceptions import DataError, OutputError
from embedsmith.hygiene._personal import without_personal_data

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from embedsmith._typing import Json

__all__ = ["SyntheticPair", "SyntheticQueries", "check_target", "query_id", "rejected_line"]


def query_id(text: str) -> str:
    """Return the id of a query: the one that ``load_dataset`` gives it in a file of pairs."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass(frozen=True)
class SyntheticPair:
    """A query that was kept, and the passage that it was written for.

    Attributes
    ----------
    query_id, query : str
        The query.
    passage_id, positive : str
        The passage.
    kind : str
        Of the query: ``"keyword"``, say.
    generator : str
        Who wrote it.
    prompt_hash : str
        SHA-256 of place, model and all that was sent; without a model, of passage and settings.
    passage_hash : str
        SHA-256 of the passage.
    filters : tuple of dict
        In order, what each filter found.
    """

    query_id: str
    query: str
    passage_id: str
    positive: str
    kind: str
    generator: str
    prompt_hash: str
    passage_hash: str
    filters: tuple[Json, ...]

    def to_dict(self) -> Json:
        """Return a line of ``pairs.jsonl``: marked as synthetic."""
        return {
            "query": self.query,
            "positive": self.positive,
            SYNTHETIC: True,
            "query_id": self.query_id,
            "passage_id": self.passage_id,
            "kind": self.kind,
            "generator": self.generator,
            "prompt_hash": self.prompt_hash,
            "passage_hash": self.passage_hash,
            "filters": list(self.filters),
        }


@dataclass(frozen=True, repr=False)
class SyntheticQueries:
    """Queries that a machine wrote, marked as such in everything made of them.

    Attributes
    ----------
    name : str
        Of the corpus.
    corpus : Corpus
        All passages, also those that nothing was written for.
    pairs : tuple of SyntheticPair
        What was kept.
    rejected : tuple of dict
        What was not: passage, kind, query (personal data masked), reason, and trace.
    report : dict
        Settings, passages, requests, what each filter took, cost. Schema
        ``embedsmith.synthesis/1``.
    """

    name: str
    corpus: Corpus
    pairs: tuple[SyntheticPair, ...]
    rejected: tuple[Json, ...]
    report: Json

    def __repr__(self) -> str:
        return (
            f"SyntheticQueries({self.name!r}: {len(self.pairs):,} kept, "
            f"{len(self.rejected):,} dropped)"
        )

    def __len__(self) -> int:
        return len(self.pairs)

    def dataset(self, *, split: str = "train") -> Dataset:
        """Return the pairs as a labelled set whose results say that its queries are synthetic.

        Parameters
        ----------
        split : str, default "train"
            Its name.

        Returns
        -------
        Dataset
            Of all passages of the corpus; each query has one relevant passage, its source.

        Raises
        ------
        DataError
            If nothing was kept.
        """
        if not self.pairs:
            raise DataError(self._nothing())
        title = f"{self.name}-synthetic"
        return Dataset.build(
            title, self.corpus, self._queries(), self._qrels(), split=split, synthetic=True
        )

    def write(self, folder: str | os.PathLike[str], *, split: str = "train") -> Path:
        """Write pairs, rejected queries, report, and a BEIR folder that ``load_dataset`` opens.

        Parameters
        ----------
        folder : path
            Gets ``pairs.jsonl``, ``rejected.jsonl``, ``report.json``, and ``corpus.jsonl``,
            ``queries.jsonl``, ``qrels/SPLIT.tsv``, ``manifest.json``.
        split : str, default "train"
            Of the judgements.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        DataError
            If nothing was kept; the rejected queries and the report are written all the same.
        OutputError
            If the place cannot be written, or holds a data set that no synthesis wrote.
        """
        target = Path(folder).expanduser()
        check_target(target)
        _write_lines(target / "rejected.jsonl", self.rejected)
        with atomic_writer(target / "report.json") as file:
            file.write(json.dumps(self.report, indent=2, ensure_ascii=False).encode() + b"\n")
        if not self.pairs:
            raise DataError(self._nothing())
        write_beir(
            target,
            self.corpus,
            self._queries(),
            {split: self._qrels()},
            manifest={
                SYNTHETIC: True,
                "name": f"{self.name}-synthetic",
                "generator": self.report["generator"],
                "settings": self.report["settings"],
            },
        )
        _write_lines(target / "pairs.jsonl", (pair.to_dict() for pair in self.pairs))
        return target

    def _queries(self) -> Queries:
        fields = ("kind", "generator", "prompt_hash", "passage_hash")
        metadata = {name: tuple(getattr(pair, name) for pair in self.pairs) for name in fields}
        metadata["filters"] = tuple(list(pair.filters) for pair in self.pairs)
        return Queries(
            tuple(pair.query_id for pair in self.pairs),
            tuple(pair.query for pair in self.pairs),
            {SYNTHETIC: (True,) * len(self.pairs), **metadata},
        )

    def _qrels(self) -> Qrels:
        return Qrels({pair.query_id: {pair.passage_id: 1} for pair in self.pairs})

    def _nothing(self) -> str:
        took = [
            f"{one['filter']} {one['dropped']:,}"
            for one in self.report["filters"]
            if one["dropped"]
        ]
        return (
            f"no query is left; the filters took: {', '.join(took) or 'nothing was written'}. "
            "rejected.jsonl holds each with its reason. Loosen the filter that took most, or ask "
            "another model."
        )


def check_target(folder: Path) -> None:
    """Make sure that no data set of another making would be lost, before anything is paid for.

    Raises
    ------
    OutputError
        If the folder holds one.
    """
    parts = [
        name for name in ("corpus.jsonl", "queries.jsonl", "qrels") if (folder / name).exists()
    ]
    if parts and "generator" not in read_manifest(folder):
        msg = (
            f"{folder} holds a data set that no synthesis wrote ({', '.join(parts)}), and would "
            "lose it. Name another folder (--out)."
        )
        raise OutputError(msg)


def rejected_line(corpus: Corpus, row: int, kind: str, text: str, trace: list[Json]) -> Json:
    """Return what is kept of a query that was dropped."""
    return {
        "passage_id": corpus.ids[row],
        "kind": kind,
        "query": without_personal_data(text),
        "filter": trace[-1]["filter"],
        "because": trace[-1]["because"],
        "filters": trace,
    }


def _write_lines(path: Path, lines: Iterable[Json]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{path.parent} cannot be made: {error.strerror or error}. Choose another place."
        raise OutputError(msg) from error
    with atomic_writer(path) as file:
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
