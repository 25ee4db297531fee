"""The parts of a split as data set folders."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from embedsmith.datasets import Qrels, load_dataset
from embedsmith.datasets._mark import MANIFEST, SYNTHETIC, is_marked
from embedsmith.hygiene._same_text import same_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from embedsmith._typing import Json
    from embedsmith.datasets import Dataset
    from embedsmith.labelling._split_source import SplitSource

__all__ = ["write_pairs", "write_part"]

_TRAIN = "train"


def write_part(
    folder: Path,
    source: SplitSource,
    *,
    name: str,
    chosen: Sequence[int],
    relevant: Sequence[Sequence[int]],
    document_groups: Sequence[str] | None,
) -> Json:
    """Write the chosen queries with their judgements and corpus; return what is in the folder."""
    data = source.data
    ids = [data.queries.ids[place] for place in chosen]
    left_out = _held_out(data, chosen, relevant, document_groups) if name == _TRAIN else set()
    (folder / "qrels").mkdir(parents=True)
    with (folder / "corpus.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        for row, line in enumerate(source.corpus_lines()):
            if row not in left_out:
                file.write(f"{line}\n")
    lines = source.query_lines()
    with (folder / "queries.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        for one in ids:
            file.write(f"{lines[one]}\n")
    Qrels({one: data.qrels[one] for one in ids}).write(folder / "qrels" / f"{name}.tsv")
    if data.synthetic:
        # The mark of the whole set; that of single queries stands in their lines.
        (folder / MANIFEST).write_text(json.dumps({SYNTHETIC: True}) + "\n", encoding="utf-8")
    part = load_dataset(folder, split=name)
    return {
        "queries": len(part.queries),
        "documents": len(part.corpus),
        "documents_held_out": len(left_out),
        "judgements": part.qrels.n_pairs,
        "relevant": sum(len(relevant[place]) for place in chosen),
        "queries_without_relevant": sum(not relevant[place] for place in chosen),
        "dataset_sha256": part.hash,
    }


def _held_out(
    data: Dataset,
    chosen: Sequence[int],
    relevant: Sequence[Sequence[int]],
    document_groups: Sequence[str] | None,
) -> set[int]:
    """Return the documents that training must not see: relevant in other parts, or their copies.

    What is judged for a query of training stays, whatever else it is.
    """
    mine = set(chosen)
    rows = {identifier: row for row, identifier in enumerate(data.corpus.ids)}
    judged = {rows[one] for place in chosen for one in data.qrels[data.queries.ids[place]]}
    own = {row for place in chosen for row in relevant[place]}
    others = {
        row for place, documents in enumerate(relevant) if place not in mine for row in documents
    }
    held = others - own
    copies = {same_text(data.corpus.texts[row]) for row in held}
    out = {row for row, text in enumerate(data.corpus.texts) if same_text(text) in copies}
    if document_groups is not None:
        groups = {document_groups[row] for row in held} - {document_groups[row] for row in own}
        out |= {row for row, group in enumerate(document_groups) if group in groups}
    return (out | held) - judged


def write_pairs(
    path: Path, data: Dataset, chosen: Sequence[int], relevant: Sequence[Sequence[int]]
) -> int:
    """Write a line for each relevant pair, as trainers take them; return how many."""
    count = 0
    marks = data.queries.metadata.get(SYNTHETIC)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for place in chosen:
            marked = data.synthetic or (marks is not None and is_marked(marks[place]))
            for row in relevant[place]:
                pair: Json = {
                    "anchor": data.queries.texts[place],
                    "positive": data.corpus.texts[row],
                }
                if marked:
                    pair[SYNTHETIC] = True
                file.write(json.dumps(pair, ensure_ascii=False) + "\n")
                count += 1
    return count
