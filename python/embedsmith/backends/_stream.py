"""Embed more texts than memory holds, block by block and in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from embedsmith._validate import as_count
from embedsmith.backends._texts import checked_texts
from embedsmith.exceptions import DataError, EmbedsmithError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from embedsmith.backends._protocol import Embedded, Encoder, Role

__all__ = ["encode_stream"]

# Enough for texts of about one length to stand together where batches are padded, and little
# beside a model.
_BLOCK_TEXTS = 4096
_BLOCK_BYTES = 8 << 20


def encode_stream(
    encoder: Encoder,
    texts: Iterable[str],
    *,
    role: Role,
    batch_size: int | None = None,
    block_texts: int = _BLOCK_TEXTS,
    block_bytes: int = _BLOCK_BYTES,
) -> Iterator[Embedded]:
    """Yield the embeddings of any number of texts, block by block and in their order.

    Takes from ``texts`` what the next block needs, and only when it is asked for: neither the texts
    nor the vectors before it are kept. Writes no files; for a folder that survives a crash use
    :func:`embedsmith.embed_corpus`.

    Parameters
    ----------
    encoder : Encoder
        What :func:`embedsmith.load_encoder` returns, or any other.
    texts : iterable of str
        Also a generator, a file of lines, or a database's cursor.
    role : {"query", "document"}
        Chooses the prompt.
    batch_size : int, optional
        Texts per forward pass; the encoder's own if None.
    block_texts, block_bytes : int
        A block ends with so many texts, or before the one with which they would take more bytes in
        UTF-8. Memory: the texts, token ids and vectors of one block.

    Yields
    ------
    Embedded
        Of one block: ``vectors`` of shape (n_block, dim), token counts, and what was cut.

    Raises
    ------
    DataError
        If an item is not a string that UTF-8 can hold, or ``texts`` is one string.
    NonFiniteError, ModelError
        If a text's vector cannot be used. Like `DataError`, it names the place of the text in
        ``texts``, also as ``position``; the blocks before it have been yielded.
    ShapeError
        If a number is below 1.

    Notes
    -----
    The vectors are those of ``encoder.encode(list(texts), role=role)``: to the last bit where a
    text has the same bits in every batch, as of native models; else to about 1e-7, since batches
    end where blocks do. Equal texts of one block are computed once; a cache finds those of others.

    Examples
    --------
    >>> import embedsmith as es
    >>> encoder = es.load_encoder("fake:8", cache=False)
    >>> lines = (f"line {n}" for n in range(5))
    >>> blocks = encode_stream(encoder, lines, role="document", block_texts=2)
    >>> [block.vectors.shape for block in blocks]
    [(2, 8), (2, 8), (1, 8)]
    """
    most, most_bytes = as_count("block_texts", block_texts), as_count("block_bytes", block_bytes)
    if isinstance(texts, (str, bytes)):
        msg = (
            f"texts is one {type(texts).__name__}; an iterable of strings was expected. "
            "Pass [text]."
        )
        raise DataError(msg)
    if role not in ("query", "document"):
        msg = f"role is {role!r}; it must be 'query' or 'document'."
        raise DataError(msg)
    return _encoded(encoder, _blocks(texts, most, most_bytes), role, batch_size)


def _encoded(
    encoder: Encoder, blocks: Iterator[list[str]], role: Role, batch_size: int | None
) -> Iterator[Embedded]:
    first = 0
    for block in blocks:
        try:
            embedded = encoder.encode(block, role=role, batch_size=batch_size)
        except EmbedsmithError as error:
            _raise_placed(error, first)
        yield embedded
        first += len(block)


def _blocks(texts: Iterable[str], most: int, most_bytes: int) -> Iterator[list[str]]:
    block: list[str] = []
    size = first = 0
    for text in texts:
        # Checked here, where the place is known: a block holds only what can be measured.
        try:
            checked_texts([text])
        except DataError as error:
            error.position = 0
            _raise_placed(error, first + len(block))
        length = len(text.encode())
        if block and (len(block) == most or size + length > most_bytes):
            yield block
            first += len(block)
            block, size = [], 0
        block.append(text)
        size += length
    if block:
        yield block


def _raise_placed(error: EmbedsmithError, first: int) -> NoReturn:
    """Raise an error of one block with the place that its text has in the stream."""
    if error.position is None:
        raise error
    place = first + error.position
    placed = type(error)(str(error).replace(f"texts[{error.position}]", f"texts[{place}]", 1))
    placed.position = place
    raise placed from error
