"""A data set in parts that share nothing."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from embedsmith import _core
from embedsmith._files import atomic_folder
from embedsmith._phrases import counted
from embedsmith._validate import as_count, as_number
from embedsmith.exceptions import DataError, ShapeError
from embedsmith.labelling._joined_queries import joined_queries
from embedsmith.labelling._parts import assigned
from embedsmith.labelling._split_check import leaks_between
from embedsmith.labelling._split_source import SplitSource
from embedsmith.labelling._split_write import write_pairs, write_part

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from embedsmith._typing import Json
    from embedsmith.datasets import Dataset
    from embedsmith.labelling._joined_queries import Joins

__all__ = ["DatasetSplit", "SplitBy", "split_dataset"]

SplitBy: TypeAlias = Literal["document", "group", "query"]

_FORMAT = "embedsmith.split/1"
_NAMES = {2: ("train", "test"), 3: ("train", "dev", "test")}
_SUM = 1e-6
# A part that is further than this from its size, as a share of it, is said.
_OFF = 0.5


@dataclass(frozen=True)
class DatasetSplit:
    """The parts that were written, and whether anything leaks between them.

    Attributes
    ----------
    folder : Path
        Has a BEIR folder for each part, ``train.jsonl`` with pairs, and ``split.json``.
    manifest : dict
        What ``split.json`` says: the source and its hash, how it was split, sizes asked and got,
        the largest set of joined queries, and the leakage found in the result.
    """

    folder: Path
    manifest: Json

    @property
    def passed(self) -> bool:
        """Whether nothing leaks that should not."""
        return all(one["passed"] for one in self.manifest["leakage"])

    def __str__(self) -> str:
        manifest = self.manifest
        lines = [f"{self.folder}: by {manifest['by']}, seed {manifest['seed']}"]
        for name, part in manifest["parts"].items():
            lines.append(
                f"  {name:<5}  {part['queries']:>6,} queries ({part['share']:.1%}, asked "
                f"{part['asked']:.1%}), {part['relevant']:,} relevant pairs, "
                f"{counted(part['documents'], 'document')}"
            )
        largest = manifest["joined"]["largest"]
        lines.append(
            f"  {counted(manifest['joined']['sets'], 'set')} of joined queries, the largest of "
            f"{counted(largest['queries'], 'query')} ({largest['share']:.1%})"
        )
        for one in manifest["leakage"]:
            kind = "allowed" if one["limit"] is None else "passed" if one["passed"] else "FAILED"
            lines.append(
                f"  {kind}: {one['n_leaked']:,} of {counted(one['n'], one['what'][:-1])} of "
                f"{one['evaluation']} in {one['training']}"
                if one["what"] == "passages"
                else f"  {kind}: {one['n_leaked']:,} of {counted(one['n'], 'query')} of "
                f"{one['evaluation']} in {one['training']}"
            )
        lines += [f"  note: {note}" for note in manifest["notes"]]
        return "\n".join(lines)

    def to_dict(self) -> Json:
        """Return the folder, the outcome and the manifest as JSON-ready values.

        Returns
        -------
        dict
            ``folder``, ``passed``, and all of the manifest.
        """
        return {"folder": str(self.folder), "passed": self.passed, **self.manifest}


def split_dataset(
    data: Dataset | str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    by: SplitBy = "document",
    group: str | None = None,
    fractions: Sequence[float] = (0.8, 0.1, 0.1),
    split: str | None = None,
    near: float = 0.8,
    max_shared: int | None = None,
    seed: int = 0,
) -> DatasetSplit:
    """Write a data set as train, dev and test between which nothing leaks.

    Does not part queries that belong together, so that sizes are those asked for only as far as
    that allows; both are shown.

    Parameters
    ----------
    data : Dataset or path
        A BEIR folder, or a file of JSON lines with query and positive.
    folder : path
        A new folder.
    by : {"document", "group", "query"}, default "document"
        What is never in two parts. ``"document"``: a document that is relevant to a query; queries
        that share one, directly or through others, stay together. ``"group"``: neither that nor a
        group. ``"query"``: queries alone; parts share documents.
    group : str, optional
        With ``by="group"``: what stands before the last of these characters in a document's id
        (``"-"``), ``"field:NAME"`` of the corpus, or ``"query:NAME"``, a field of the queries.
    fractions : sequence of float, default (0.8, 0.1, 0.1)
        Shares of the queries: train, dev and test; or train and test. Their sum is 1.
    split : str, optional
        Which judgements of a folder with several; ``"all"`` takes all of them.
    near : float, default 0.8
        Jaccard similarity from which two queries, or two relevant documents, count as one text and
        stay together; see :func:`near_duplicates`.
    max_shared : int, optional
        Relevant documents of more queries join none of them: for the few that every query shares.
        They leak; the leakage found says how many.
    seed : int, default 0
        Another seed, other parts.

    Returns
    -------
    DatasetSplit
        ``passed`` says whether the check of the result found a leak.

    Raises
    ------
    DataError
        If the data cannot be read, a part would be empty, or a group is missing.
    ShapeError
        If a number is out of range.
    OutputError
        If the folder exists already or cannot be written. It appears whole or not at all.

    Notes
    -----
    Each part is a BEIR folder with one split of its own name: ``load_dataset("out/dev",
    split="dev")``. Dev and test have the whole corpus; train lacks what is relevant only in other
    parts (or of their groups), and copies of it, since it would be mined as negatives there.
    ``train.jsonl`` has ``anchor`` and ``positive``, a line for each relevant pair. The order of the
    data does not count, and new queries move few others: those at the borders of parts.

    Examples
    --------
    >>> import tempfile
    >>> import embedsmith as es
    >>> with tempfile.TemporaryDirectory() as place:
    ...     parts = es.split_dataset("sample:bank", f"{place}/parts", fractions=(0.7, 0.3))
    ...     test = es.load_dataset(parts.folder / "test", split="test")
    >>> parts.passed, len(test.queries)
    (True, 31)
    """
    names, shares = _fractions(fractions)
    seed = as_count("seed", seed, least=0)
    near = as_number("near", near)
    if max_shared is not None:
        max_shared = as_count("max_shared", max_shared)
    if by not in get_args(SplitBy):
        msg = f"by={by!r} is unknown. Choose {', '.join(map(repr, get_args(SplitBy)))}."
        raise DataError(msg)
    if (by == "group") != (group is not None):
        msg = (
            "by='group' needs group= and group= needs by='group': a separator of document ids such "
            "as '-', 'field:NAME' or 'query:NAME' (--by group --group field:NAME)."
        )
        raise DataError(msg)
    source = SplitSource.of(data, split)
    whole = source.data
    of_queries, of_documents = source.groups(group) if group is not None else (None, None)
    rows = {identifier: row for row, identifier in enumerate(whole.corpus.ids)}
    relevant = [
        [rows[one] for one, grade in whole.qrels[query_id].items() if grade > 0]
        for query_id in whole.queries.ids
    ]
    joins = joined_queries(
        whole.queries.texts,
        whole.corpus.texts,
        relevant,
        near=near,
        seed=seed,
        share_documents=by != "query",
        query_groups=of_queries,
        document_groups=of_documents,
        max_shared=max_shared,
    )
    parts = assigned(joins.components, whole.queries.ids, shares, seed)
    part_of = {
        query: part
        for one, part in zip(joins.components, parts, strict=True)
        for query in one.queries
    }
    places = [
        [q for q in range(len(whole.queries)) if part_of[q] == part] for part in range(len(names))
    ]
    _refuse_empty(names, places, joins, whole)
    manifest: Json = {
        "format": _FORMAT,
        "version": _core.__version__,
        "source": {
            "path": whole.source,
            "splits": list(source.splits),
            "dataset_sha256": whole.hash,
        },
        "by": by,
        "group": group,
        "fractions": list(shares),
        "near": near,
        "max_shared": max_shared,
        "seed": seed,
    }
    with atomic_folder(folder) as aside:
        written = {
            name: write_part(
                aside / name,
                source,
                name=name,
                chosen=chosen,
                relevant=relevant,
                document_groups=of_documents,
            )
            for name, chosen in zip(names, places, strict=True)
        }
        n_pairs = write_pairs(aside / "train.jsonl", whole, places[0], relevant)
        total = len(whole.queries)
        manifest["parts"] = {
            name: {"asked": share, "share": len(chosen) / total, **written[name]}
            for name, share, chosen in zip(names, shares, places, strict=True)
        }
        manifest["pairs"] = n_pairs
        manifest["joined"] = _joined(joins, whole)
        limit = 0.0 if by != "query" and max_shared is None else None
        manifest["leakage"] = leaks_between(
            aside, names, near=near, seed=seed, max_passage_leakage=limit
        )
        manifest["notes"] = _notes(manifest, joins)
        text = json.dumps(manifest, indent=2, ensure_ascii=False)
        (aside / "split.json").write_text(text + "\n", encoding="utf-8")
    return DatasetSplit(Path(folder).expanduser(), manifest)


def _fractions(given: Sequence[float]) -> tuple[tuple[str, ...], list[float]]:
    if len(given) not in _NAMES:
        msg = (
            f"fractions={given!r} are not two or three numbers. Pass the shares of train and test, "
            "or of train, dev and test: (0.8, 0.1, 0.1)."
        )
        raise ShapeError(msg)
    shares = [as_number("fractions", share) for share in given]
    if min(shares) <= 0 or not math.isclose(sum(shares), 1.0, abs_tol=_SUM):
        msg = (
            f"fractions={tuple(given)} have the sum {sum(shares):g}; each lies above 0 and their "
            "sum is 1: (0.8, 0.1, 0.1)."
        )
        raise ShapeError(msg)
    return _NAMES[len(shares)], shares


def _refuse_empty(
    names: Sequence[str], places: Sequence[Sequence[int]], joins: Joins, whole: Dataset
) -> None:
    empty = [name for name, chosen in zip(names, places, strict=True) if not chosen]
    if not empty:
        return
    largest = joins.components[0]
    msg = (
        f"{' and '.join(empty)} would be empty: {counted(len(whole.queries), 'query')} stand in "
        f"{counted(len(joins.components), 'set')} that cannot be parted, the largest of "
        f"{counted(len(largest.queries), 'query')}{_hubs(largest.hubs, whole)}. Let documents of "
        "many queries join none (max_shared=20, --max-shared 20), split by query, or label more."
    )
    raise DataError(msg)


def _hubs(hubs: Sequence[tuple[int, int]], whole: Dataset) -> str:
    if not hubs:
        return ""
    shown = ", ".join(f"{whole.corpus.ids[place]!r} ({count:,})" for place, count in hubs[:3])
    return f", joined above all by the documents {shown}"


def _joined(joins: Joins, whole: Dataset) -> Json:
    largest = joins.components[0]
    return {
        "sets": len(joins.components),
        "largest": {
            "queries": len(largest.queries),
            "share": len(largest.queries) / len(whole.queries),
            "documents": {whole.corpus.ids[place]: count for place, count in largest.hubs},
        },
        "near_queries": joins.n_near_queries,
        "near_documents": joins.n_near_documents,
        "documents_that_join_nothing": joins.n_ignored,
    }


def _notes(manifest: Json, joins: Joins) -> list[str]:
    notes = []
    off = [
        name
        for name, part in manifest["parts"].items()
        if abs(part["share"] - part["asked"]) > _OFF * part["asked"]
    ]
    largest = manifest["joined"]["largest"]
    if off:
        hubs = ", ".join(f"{one!r} ({count:,})" for one, count in largest["documents"].items())
        notes.append(
            f"{' and '.join(off)} {'are' if len(off) > 1 else 'is'} far from the size asked for, "
            f"since {largest['queries']:,} queries ({largest['share']:.0%}) cannot be parted"
            + (
                f"; the documents that join most of them, with their queries: {hubs}"
                if hubs
                else ""
            )
            + ". Let documents of many queries join none (--max-shared 20; their leakage is "
            "counted), split by query, or by a group of your own."
        )
    if joins.n_ignored:
        notes.append(
            f"{counted(joins.n_ignored, 'document')} of more than {manifest['max_shared']:,} "
            "queries join none, and may stand in several parts."
        )
    left = sum(part["queries_without_relevant"] for part in manifest["parts"].values())
    if left:
        notes.append(
            f"{counted(left, 'query')} without a relevant document, spread over the parts."
        )
    return notes
