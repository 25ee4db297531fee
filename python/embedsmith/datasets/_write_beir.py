"""A data set as a BEIR folder."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from embedsmith.datasets._mark import MANIFEST, SYNTHETIC, count_marked
from embedsmith.exceptions import DataError, OutputError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    from embedsmith._typing import Json
    from embedsmith.datasets._qrels import Qrels
    from embedsmith.datasets._texts import Corpus, Queries

__all__ = ["write_beir"]


def write_beir(
    folder: str | os.PathLike[str],
    corpus: Corpus,
    queries: Queries,
    splits: Mapping[str, Qrels],
    *,
    manifest: Json | None = None,
) -> Path:
    """Write corpus, queries and judgements so that ``load_dataset`` reads them back.

    Each file appears whole, the manifest first: nothing that is read meanwhile lacks its mark.

    Parameters
    ----------
    folder : path
        Made if it is not there. Parts of an earlier data set in it are replaced; other files stay.
    corpus : Corpus
        Of passages, the document of each stands in the field ``document``, for
        ``collapse="field:document"``.
    queries : Queries
        With their ``metadata``.
    splits : mapping of str to Qrels
        Judgements by the name of their split; at least one.
    manifest : dict, optional
        What to say of the set beside what is always there: ``synthetic``, true if every query is
        marked or this says so, and ``n_synthetic``.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    DataError
        If there is no split, or its name is none.
    OutputError
        If the place cannot be written.

    Examples
    --------
    >>> from embedsmith.datasets import Corpus, Qrels, Queries, load_dataset
    >>> queries = Queries(("q",), ("fee?",), {"synthetic": (True,)})
    >>> corpus, judged = Corpus(("d",), ("It is 5.",)), Qrels({"q": {"d": 1}})
    >>> with tempfile.TemporaryDirectory() as place:
    ...     _ = write_beir(place, corpus, queries, {"test": judged})
    ...     data = load_dataset(place)
    >>> data.n_synthetic
    1
    """
    if not splits:
        msg = "there are no judgements to write. Pass them by split: {'test': qrels}."
        raise DataError(msg)
    for name in splits:
        if not name or Path(name).name != name:
            msg = f"{name!r} cannot name a split: it becomes the file qrels/{name}.tsv."
            raise DataError(msg)
    target = Path(folder).expanduser()
    given = dict(manifest or {})
    n_synthetic = count_marked(queries.metadata)
    synthetic = given.get(SYNTHETIC) is True or (len(queries) > 0 and n_synthetic == len(queries))
    content = {
        "schema": "embedsmith.dataset/1",
        **given,
        SYNTHETIC: synthetic,
        "n_synthetic": len(queries) if synthetic else n_synthetic,
        "n_documents": len(corpus),
        "n_queries": len(queries),
        "splits": {name: qrels.n_pairs for name, qrels in splits.items()},
    }
    try:
        (target / "qrels").mkdir(parents=True, exist_ok=True)
        # Beside the target, so that each file is moved into its place in one step.
        with tempfile.TemporaryDirectory(dir=target, prefix=".writing-") as aside:
            made = Path(aside)
            (made / MANIFEST).write_text(
                json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
            )
            _write_lines(made / "corpus.jsonl", _documents(corpus))
            _write_lines(made / "queries.jsonl", _queries(queries))
            for name in (MANIFEST, "corpus.jsonl", "queries.jsonl"):
                (made / name).replace(target / name)
        for old in (target / "qrels").glob("*.tsv"):
            if old.stem not in splits:
                old.unlink()
    except OSError as error:
        msg = (
            f"{target} cannot be written: {error.strerror or error}. "
            "Free space there, or choose a place that you may write to."
        )
        raise OutputError(msg) from error
    for name, qrels in splits.items():
        qrels.write(target / "qrels" / f"{name}.tsv")
    return target


def _documents(corpus: Corpus) -> Iterator[Json]:
    for place, (identifier, text) in enumerate(zip(corpus.ids, corpus.texts, strict=True)):
        line = {"_id": identifier, "text": text}
        if corpus.documents is not None:
            line["document"] = corpus.documents[place]
        yield line


def _queries(queries: Queries) -> Iterator[Json]:
    for place, (identifier, text) in enumerate(zip(queries.ids, queries.texts, strict=True)):
        fields = {
            name: values[place]
            for name, values in queries.metadata.items()
            if values[place] is not None
        }
        yield {"_id": identifier, "text": text, **({"metadata": fields} if fields else {})}


def _write_lines(path: Path, lines: Iterator[Json]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
