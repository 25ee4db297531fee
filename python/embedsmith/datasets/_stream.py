"""Documents of a corpus that no memory has to hold, read as often as needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, get_args

from embedsmith import _core
from embedsmith._deps import require
from embedsmith.datasets._load import SAMPLE_PREFIX, load_dataset
from embedsmith.datasets._paths import existing, listing
from embedsmith.datasets._texts import Corpus
from embedsmith.exceptions import DataError, ParseError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["CorpusFormat", "DocumentBlock", "DocumentStream", "stream_corpus"]

CorpusFormat: TypeAlias = Literal["jsonl", "parquet", "txt"]

_FIELDS = ("_id", "text", "title")
_PACKED = (".gz", ".zst")
_ENDINGS: dict[str, CorpusFormat] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".txt": "txt",
}
# What is held at once: a part of any shard, and large enough that calls do not show.
_ROWS, _BYTES = 1024, 4 << 20
_PARQUET_MAGIC = b"PAR1"


class DocumentBlock(NamedTuple):
    """Consecutive documents.

    Attributes
    ----------
    ids, texts : sequence of str
        As in a `Corpus`; a text is the title, a blank and the text.
    places : sequence of str
        Where each stands, for messages: ``corpus.jsonl:17``.
    """

    ids: Sequence[str]
    texts: Sequence[str]
    places: Sequence[str]


@dataclass(frozen=True)
class DocumentStream:
    """Documents of files or of a `Corpus`, in order; each iteration starts at the first.

    Holds one block in memory. Repeated ids are not looked for.

    Attributes
    ----------
    name : str
        For messages.
    files : tuple of Path
        Empty for a corpus in memory.
    formats : tuple of str
        Of each file.
    fields : tuple of str
        What the files call id, text and title.
    corpus : Corpus or None
        A corpus in memory.
    """

    name: str
    files: tuple[Path, ...]
    formats: tuple[CorpusFormat, ...]
    fields: tuple[str, str, str]
    corpus: Corpus | None = None

    def __iter__(self) -> Iterator[DocumentBlock]:
        if self.corpus is not None:
            yield from _of_corpus(self.corpus)
        for file, kind in zip(self.files, self.formats, strict=True):
            if kind == "parquet":
                yield from _parquet(file, self.fields)
            else:
                yield from _lines(file, self.fields if kind == "jsonl" else None)


def stream_corpus(
    source: Corpus | str | os.PathLike[str],
    *,
    format: CorpusFormat | None = None,  # noqa: A002 - the word users expect
    columns: Mapping[str, str] | None = None,
) -> DocumentStream:
    """Return the documents of a corpus of any size, block by block.

    Nothing is read before the first iteration; a fault is raised where it stands.

    Parameters
    ----------
    source : Corpus or path
        ``"sample:bank"``, a file, or a folder: BEIR's, of which ``corpus.jsonl`` is read, or one
        whose files are all of one format and are read in the order of their names.

        - JSON lines (``.jsonl``; plain, ``.gz`` or ``.zst``) with ``_id``, ``text`` and perhaps
          ``title``.
        - parquet with these columns.
        - plain lines (``.txt``; packed or not): each line that is not blank is a text, and its id
          is its number.
    format : {"jsonl", "parquet", "txt"}, optional
        Default: by the name.
    columns : mapping of str to str, optional
        What the file calls ``_id``, ``text`` or ``title``: ``{"_id": "doc_id"}``.

    Returns
    -------
    DocumentStream
        To be iterated over, more than once.

    Raises
    ------
    DataError
        If there is no such file, or its format cannot be told. `ParseError` while iterating, with
        the place.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "notes.txt"
    ...     _ = file.write_text("one" + chr(10) + chr(10) + "two")
    ...     [(block.ids, block.texts) for block in stream_corpus(file)]
    [(['1', '3'], ['one', 'two'])]
    """
    if format is not None and format not in get_args(CorpusFormat):
        msg = f"format={format!r} is unknown. Choose one of {', '.join(get_args(CorpusFormat))}."
        raise DataError(msg)
    fields = _named(columns)
    if isinstance(source, Corpus):
        return DocumentStream("the corpus", (), (), fields, source)
    if str(source).startswith(SAMPLE_PREFIX):
        return DocumentStream(str(source), (), (), fields, load_dataset(source).corpus)
    path = existing(source)
    files = _files_of(path, format) if path.is_dir() else (path,)
    kinds = tuple(format or _format_of(file) for file in files)
    return DocumentStream(str(path), files, kinds, fields)


def _named(columns: Mapping[str, str] | None) -> tuple[str, str, str]:
    unknown = set(columns or ()) - set(_FIELDS)
    if unknown:
        msg = (
            f"columns names {min(unknown)!r}, which is not read from a corpus; "
            f"there are {', '.join(_FIELDS)}."
        )
        raise DataError(msg)
    named = {name: name for name in _FIELDS} | dict(columns or {})
    return named["_id"], named["text"], named["title"]


def _ending(path: Path) -> CorpusFormat | None:
    name = path.name.lower()
    for packed in _PACKED:
        name = name.removesuffix(packed)
    return next((kind for ending, kind in _ENDINGS.items() if name.endswith(ending)), None)


def _format_of(path: Path) -> CorpusFormat:
    kind = _ending(path)
    if kind is None and path.is_file():
        with path.open("rb") as file:
            kind = "parquet" if file.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC else None
    if kind is None:
        msg = (
            f"{path} has an ending that is not known ({', '.join(_ENDINGS)}, each perhaps with "
            ".gz or .zst). Say what it is: format='jsonl' (--format jsonl)."
        )
        raise DataError(msg)
    return kind


def _files_of(folder: Path, format: CorpusFormat | None) -> tuple[Path, ...]:  # noqa: A002
    """Return the files of a folder: BEIR's corpus, else all of the one format that there is."""
    inside = sorted(file for file in folder.iterdir() if file.is_file())
    visible = [file for file in inside if not file.name.startswith(".")]
    beir = [file for file in visible if file.name.startswith("corpus.") and _ending(file)]
    if len(beir) > 1:
        msg = f"{folder} holds {beir[0].name} and {beir[1].name}, which may differ. Name one file."
        raise DataError(msg)
    if beir:
        return (beir[0],)
    parts = [file for file in visible if _ending(file) and format in (None, _ending(file))]
    kinds = sorted({str(_ending(file)) for file in parts})
    if len(kinds) != 1:
        held = f"files of {' and '.join(kinds)}" if kinds else listing(folder)
        msg = (
            f"{folder} holds {held}; a corpus.jsonl, or files of one format, are expected. "
            "Name the file."
        )
        raise DataError(msg)
    return tuple(parts)


def _of_corpus(corpus: Corpus) -> Iterator[DocumentBlock]:
    for start in range(0, len(corpus), _ROWS):
        ids, texts = corpus.ids[start : start + _ROWS], corpus.texts[start : start + _ROWS]
        places = [f"the corpus, position {start + place}" for place in range(len(ids))]
        for own, text, place in zip(ids, texts, places, strict=True):
            _check_utf8(place, own, "id", own)
            _check_utf8(place, own, "text", text)
        yield DocumentBlock(ids, texts, places)


def _check_utf8(place: str, own: str, what: str, value: str) -> None:
    if value.isascii():
        return
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        msg = (
            f"{place} (id {own!a:.60}): the {what} holds a lone surrogate "
            f"U+{ord(value[error.start]):04X} at character {error.start}, which UTF-8 cannot "
            "hold. Read it with the right encoding, or replace it: "
            "text.encode('utf-8', 'replace').decode('utf-8')."
        )
        raise DataError(msg) from error


def _lines(path: Path, fields: tuple[str, str, str] | None) -> Iterator[DocumentBlock]:
    stream = _core.DocumentStream(path, fields)
    while True:
        lines, ids, texts = stream.next(_ROWS, _BYTES)
        if not lines:
            return
        yield DocumentBlock(ids, texts, [f"{path}:{line}" for line in lines])


def _parquet(path: Path, fields: tuple[str, str, str]) -> Iterator[DocumentBlock]:
    arrow: Any = require("pyarrow", extra="data", feature="Reading parquet")
    parquet: Any = require("pyarrow.parquet", extra="data", feature="Reading parquet")
    own, text, title = fields
    try:
        # Buffered and one after the other: a column of a row group may be larger than the memory.
        with parquet.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file:
            names = file.schema_arrow.names
            for wanted in (own, text):
                if wanted not in names:
                    raise DataError(_no_column(path, wanted, names, fields))
            columns = [name for name in fields if name in names]
            row = 0
            batches = file.iter_batches(batch_size=_ROWS, columns=columns, use_threads=False)
            for batch in batches:
                places = [f"{path}: row {row + number}" for number in range(1, len(batch) + 1)]
                row += len(batch)
                ids = _column(batch, own, places, as_id=True)
                texts = _column(batch, text, places, as_id=False)
                if title in columns:
                    titles = batch.column(title).to_pylist()
                    texts = [
                        _joined(place, title, head, body)
                        for place, head, body in zip(places, titles, texts, strict=True)
                    ]
                yield DocumentBlock(ids, texts, places)
    except UnicodeDecodeError as error:
        msg = f"{path} holds a string that is not UTF-8 ({error.reason}). Write the file again."
        raise ParseError(msg) from error
    except (arrow.ArrowException, OSError) as error:
        msg = f"{path} cannot be read as parquet ({error}). Write the file again."
        raise ParseError(msg) from error


def _column(batch: Any, name: str, places: list[str], *, as_id: bool) -> list[str]:
    values = batch.column(name).to_pylist()
    found = []
    for place, value in zip(places, values, strict=True):
        if isinstance(value, str) and (value or not as_id):
            found.append(value)
        elif as_id and isinstance(value, int) and not isinstance(value, bool):
            found.append(str(value))
        else:
            expected = "an id: a string, or a whole number" if as_id else "a string"
            msg = (
                f"{place}: found {value!r:.60} as `{name}`; expected {expected}. "
                "Fill it in, or drop the row."
            )
            raise ParseError(msg)
    return found


def _joined(place: str, name: str, title: object, text: str) -> str:
    """Return title, blank and text, as the reader of JSON lines does."""
    if title is None:
        return text
    if not isinstance(title, str):
        msg = f"{place}: found {title!r:.60} as `{name}`; expected a string. Mend the row."
        raise ParseError(msg)
    if not title.strip():
        return text
    return f"{title} {text}" if text.strip() else title


def _no_column(path: Path, wanted: str, names: list[str], fields: tuple[str, str, str]) -> str:
    known = dict(zip(fields, _FIELDS, strict=True))[wanted]
    return (
        f"{path}: found the columns {', '.join(names) or 'none'}; expected `{wanted}`. Rename it, "
        f"or pass columns={{{known!r}: 'ITS NAME'}} (--column {known}=ITS_NAME)."
    )
