"""Reading a data set: which format, which files."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from embedsmith.datasets._beir import load_beir
from embedsmith.datasets._pairs import load_pairs
from embedsmith.datasets._passages import describe
from embedsmith.datasets._paths import existing
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from embedsmith.datasets._dataset import Dataset
    from embedsmith.datasets._passages import Collapse

__all__ = ["SAMPLE_PREFIX", "load_dataset"]

Format = Literal["beir", "jsonl"]
SAMPLE_PREFIX = "sample:"


def load_dataset(
    path: str | os.PathLike[str],
    *,
    split: str = "test",
    format: Format | None = None,  # noqa: A002 - the word users expect
    allow_missing: bool = False,
    collapse: Collapse | None = None,
) -> Dataset:
    """Read a labelled retrieval set.

    Files are plain or gzip, told by their content, and stream. Parts and encodings that
    contradict the format are errors with path, line and byte column; nothing is skipped but blank
    lines and a byte order mark.

    **A BEIR folder** holds ``corpus.jsonl`` (``_id``, ``text``, perhaps ``title``),
    ``queries.jsonl`` (``_id``, ``text``) and ``qrels/SPLIT.tsv`` (``query-id``, ``corpus-id``,
    ``score`` with tabs; TREC's four columns are taken too), each perhaps with ``.gz``. What is
    embedded is the title, a blank and the text; without a title there is no leading blank. An
    ``_id`` that is a whole number counts as its digits. What a query has beside them, or in BEIR's
    object ``metadata``, is kept in ``Queries.metadata``; a document's further fields are not read.

    **A file of JSON lines** has ``query``, ``positive`` (or ``positives``) and perhaps
    ``negative`` (or ``negatives``), a string or a list of strings each. The corpus is the
    distinct positives and negatives, judgements are the positives with grade 1, and lines with
    the same query are taken together. An id is the first 32 hex digits of the text's SHA-256, so
    it survives reordering and splitting.

    Parameters
    ----------
    path : path
        The folder or file; ``"sample:bank"`` names a sample that comes with the package.
    split : str, default "test"
        Which judgements of a BEIR folder. A file of JSON lines has one part, and ``split`` only
        names it.
    format : {"beir", "jsonl"}, optional
        Default: a folder is BEIR, a file is JSON lines.
    allow_missing : bool, default False
        Go on where judgements name unknown documents or queries, without these judgements;
        ``Dataset.n_dropped`` counts them.
    collapse : str, mapping or callable, optional
        Take the texts as passages of documents, as :meth:`Corpus.collapsed` does: ``"#"`` makes
        ``a#1`` a passage of ``a``, and ``"field:NAME"`` reads the document from that field of the
        corpus. Judgements may name documents or passages.

    Returns
    -------
    Dataset
        With the queries judged in ``split``; ``n_unjudged`` counts the others.

    Raises
    ------
    ParseError
        If a file cannot be read as its format.
    DataError
        If the path or the split does not exist, or the parts contradict each other.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "pairs.jsonl"
    ...     _ = file.write_text('{"query": "Paris?", "positive": "Yes.", "negative": "No."}')
    ...     data = load_dataset(file)
    >>> data.corpus.texts, data.qrels
    (('Yes.', 'No.'), Qrels(1 query, 1 judgement))
    """
    if format is not None and format not in get_args(Format):
        msg = f"format={format!r} is unknown. Choose one of {', '.join(get_args(Format))}."
        raise DataError(msg)
    name = os.fspath(path)
    if name.startswith(SAMPLE_PREFIX):
        if format == "jsonl":
            msg = f"{name} is in BEIR's layout. Leave format out, or pass format='beir'."
            raise DataError(msg)
        data = _load_sample(
            name.removeprefix(SAMPLE_PREFIX),
            split=split,
            allow_missing=allow_missing,
            collapse=collapse,
        )
    else:
        place = existing(path)
        if (format or ("beir" if place.is_dir() else "jsonl")) == "beir":
            data = load_beir(place, split=split, allow_missing=allow_missing, collapse=collapse)
        else:
            data = load_pairs(place, split=split)
            data = data if collapse is None else data.collapsed(collapse)
    return replace(data, source=name, collapse=describe(collapse))


def _load_sample(
    name: str, *, split: str, allow_missing: bool, collapse: Collapse | None
) -> Dataset:
    samples = resources.files("embedsmith.datasets") / "samples"
    # Nothing beside the listed names is opened: a name is no path.
    names = sorted(entry.name for entry in samples.iterdir()) if samples.is_dir() else []
    if name not in names:
        known = (
            ", ".join(f"'{SAMPLE_PREFIX}{known}'" for known in names) or "none in this installation"
        )
        msg = f"there is no sample {name!r}. Those that exist: {known}."
        raise DataError(msg)
    with resources.as_file(samples / name) as folder:
        return load_beir(Path(folder), split=split, allow_missing=allow_missing, collapse=collapse)
