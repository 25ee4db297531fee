"""Experts' labels as a data set."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedsmith import _core
from embedsmith._files import atomic_folder, sha256_of
from embedsmith._phrases import counted
from embedsmith.datasets import Corpus, Qrels, Queries, load_dataset, write_beir
from embedsmith.datasets._mark import SYNTHETIC
from embedsmith.exceptions import DataError
from embedsmith.labelling._adjudicated import read_decisions
from embedsmith.labelling._merge import merged
from embedsmith.labelling._read import read_labels

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    from embedsmith._typing import Json
    from embedsmith.labelling._labels import Labels
    from embedsmith.labelling._merge import Merge, Merged, Ties

__all__ = ["MANIFEST", "ImportedLabels", "import_labels"]

MANIFEST = "labels.json"
_FORMAT = "embedsmith.labels/1"


@dataclass(frozen=True)
class ImportedLabels:
    """The data set that was written, and where each part of it comes from.

    Attributes
    ----------
    folder : Path
        A BEIR folder; :func:`load_dataset` reads it.
    manifest : dict
        What ``labels.json`` in it says: sources with their hashes, annotators, grades, how
        annotators were merged, counts, and the hash of the data set.
    """

    folder: Path
    manifest: Json

    def __str__(self) -> str:
        count = self.manifest["counts"]
        split = self.manifest["split"]
        sizes = (
            f"{self.folder}: {counted(count['queries'], 'query')}, "
            f"{counted(count['documents'], 'document')}, {counted(count['pairs'], 'judged pair')} "
            f"({count['relevant']:,} relevant), split {split!r}"
        )
        lines = [sizes]
        for one in self.manifest["sources"]:
            how = ", ".join(f"{name} {value}" for name, value in one["how"].items())
            lines.append(
                f"  {one['path']}: {one['kind']}, {one['layout']}{', ' if how else ''}{how}; "
                f"{counted(one['n_judgements'], 'judgement')}, {one['n_not_judged']:,} not judged"
            )
            read = ", ".join(f"{role} = {name}" for role, name in one["columns"].items())
            lines.append(f"    read: {read}")
            if one["not_read"]:
                lines.append(f"    not read: {', '.join(one['not_read'])}")
        who = ", ".join(f"{name} {n:,}" for name, n in self.manifest["annotators"].items())
        words = ", ".join(f"{word} = {n}" for word, n in self.manifest["grades"].items())
        lines += [f"  annotators: {who}", f"  grades: {words}"]
        rule = self.manifest["merged"]
        if rule["n_unanimous"] + rule["n_disagreed"]:
            lines.append(
                f"  judged by several: {rule['n_unanimous']:,} agreed, {rule['n_disagreed']:,} "
                f"disagreed; {rule['n_adjudicated']:,} adjudicated, others by {rule['merge']!r}, "
                f"{len(rule['tied']):,} without a grade by it (ties: {rule['ties']})"
            )
        lines += [f"  note: {note}" for note in self.manifest["notes"]]
        return "\n".join(lines)

    def to_dict(self) -> Json:
        """Return the folder and its manifest as JSON-ready values.

        Returns
        -------
        dict
            ``folder``, and all of the manifest.
        """
        return {"folder": str(self.folder), **self.manifest}


def import_labels(
    files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    *,
    split: str = "test",
    merge: Merge = "unanimous",
    ties: Ties = "error",
    adjudicated: str | os.PathLike[str] | None = None,
    corpus: str | os.PathLike[str] | None = None,
    queries: str | os.PathLike[str] | None = None,
    grades: Mapping[str, int] | None = None,
    not_judged: Iterable[str] = (),
    **reading: Any,
) -> ImportedLabels:
    r"""Write experts' labels as a data set with the record of where they come from.

    Does not guess: a column, word or id that is not known is an error that says what to pass, and
    annotators who disagree need a rule or an adjudication.

    Parameters
    ----------
    files : path or sequence of path
        As :func:`read_labels` reads them.
    folder : path
        A new folder. It gets ``corpus.jsonl``, ``queries.jsonl``, ``qrels/SPLIT.tsv``,
        ``judgements.jsonl`` (who gave what, and where it stands) and ``labels.json``.
    split : str, default "test"
        Name of the judgements.
    merge : {"unanimous", "majority", "mean", "max"}, default "unanimous"
        The grade of a pair that several annotators judged. ``"unanimous"`` refuses pairs on which
        they disagree. ``"mean"`` is rounded to the nearest whole grade; halfway is a tie.
    ties : {"error", "leave-out", "lower", "higher"}, default "error"
        What becomes of a pair for which ``merge`` gives no grade, or two.
    adjudicated : path, optional
        A list that :func:`write_adjudication` wrote, with decisions filled in; they come first.
    corpus, queries : path, optional
        A BEIR folder or its file of texts. With a corpus, all of it is in the data set.
    grades, not_judged
        As for :func:`read_labels`; they hold for decisions too.
    **reading
        Further arguments of :func:`read_labels`. Its ``split``, of BEIR folders, is
        ``source_split`` here.

    Returns
    -------
    ImportedLabels
        Its text says what was read as what.

    Raises
    ------
    DataError
        As for :func:`read_labels`; and if annotators disagree or tie, or a decision does not fit.
    OutputError
        If the folder exists already or cannot be written. It appears whole or not at all.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import embedsmith as es
    >>> with tempfile.TemporaryDirectory() as place:
    ...     file = pathlib.Path(place) / "labels.csv"
    ...     _ = file.write_text("query,text,annotator,grade\nfee?,Free.,anna,1\nfee?,5.,ben,2")
    ...     done = es.import_labels(file, f"{place}/data")
    ...     data = es.load_dataset(done.folder)
    >>> data.qrels, done.manifest["annotators"]
    (Qrels(1 query, 2 judgements), {'anna': 1, 'ben': 1})
    """
    if not split or Path(split).name != split:
        msg = f"split={split!r} cannot name a file. Pass a word such as 'test' or 'train'."
        raise DataError(msg)
    if "source_split" in reading:
        reading["split"] = reading.pop("source_split")
    not_judged = tuple(not_judged)
    labels = read_labels(
        files, corpus=corpus, queries=queries, grades=grades, not_judged=not_judged, **reading
    )
    decisions = None
    if adjudicated is not None:
        decisions = read_decisions(adjudicated, labels, grades=grades, not_judged=not_judged)
    one = merged(labels.pairs(), merge=merge, ties=ties, decisions=decisions)
    manifest: Json = {
        "format": _FORMAT,
        "version": _core.__version__,
        "split": split,
        "sources": [source.to_dict() for source in labels.sources],
        "corpus": None if corpus is None else str(corpus),
        "queries": None if queries is None else str(queries),
        "adjudicated": None
        if adjudicated is None
        else {"path": str(adjudicated), "sha256": sha256_of(Path(adjudicated).expanduser())},
        "annotators": labels.annotators,
        "grades": dict(labels.grades),
        "merged": one.to_dict(),
        "notes": list(labels.notes),
    }
    with atomic_folder(folder) as aside:
        manifest["counts"] = _write(aside, labels, one, split)
        # Read as its readers will: what it says of itself is what they find.
        manifest["dataset_sha256"] = load_dataset(aside, split=split).hash
        text = json.dumps(manifest, indent=2, ensure_ascii=False)
        (aside / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return ImportedLabels(Path(folder).expanduser(), manifest)


def _write(folder: Path, labels: Labels, one: Merged, split: str) -> Json:
    judged: dict[str, dict[str, int]] = {}
    for (query_id, document_id), grade in one.grades.items():
        judged.setdefault(query_id, {})[document_id] = grade
    queries = {query_id: labels.query_texts[query_id] for query_id in judged}
    marks = {SYNTHETIC: tuple(one in labels.synthetic or None for one in queries)}
    write_beir(
        folder,
        Corpus(tuple(labels.document_texts), tuple(labels.document_texts.values())),
        Queries(tuple(queries), tuple(queries.values()), marks if labels.synthetic else {}),
        {split: Qrels(judged)},
    )
    with (folder / "judgements.jsonl").open("w", encoding="utf-8") as file:
        for judgement in labels.judgements:
            file.write(json.dumps(judgement._asdict(), ensure_ascii=False) + "\n")
    return {
        "queries": len(queries),
        "documents": len(labels.document_texts),
        "pairs": len(one.grades),
        "relevant": sum(grade > 0 for grade in one.grades.values()),
        "queries_without_relevant": sum(
            all(grade <= 0 for grade in of.values()) for of in judged.values()
        ),
        "judgements": len(labels.judgements),
    }
