"""The tokenizer of a folder with an ONNX graph, checked against it."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

from embedsmith._deps import require
from embedsmith.backends._token_rows import TokenReader, reading_with
from embedsmith.backends.onnx._graph import FEATURE
from embedsmith.exceptions import ModelError

if TYPE_CHECKING:
    from embedsmith.backends.onnx._folder import OnnxFolder

__all__ = ["installed_version", "token_reader"]


def token_reader(folder: OnnxFolder) -> TokenReader:
    """Return the reader of a folder's tokenizer.

    Raises
    ------
    ModelError
        If it cannot be read, or knows ids that the graph does not.
    """
    tokenizers = require("tokenizers", extra="onnx", feature=FEATURE)
    file = folder.tokenizer_file
    with reading_with(str(file)):
        tokenizer = tokenizers.Tokenizer.from_file(str(file))
    if folder.lowercase:
        parts = [tokenizers.normalizers.Lowercase()]
        if tokenizer.normalizer is not None:
            parts.append(tokenizer.normalizer)
        tokenizer.normalizer = tokenizers.normalizers.Sequence(parts)
    known = folder.facts.vocabulary
    largest = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=0)
    if known is not None and max(largest, folder.space.pad_token_id) >= known:
        msg = (
            f"{file} does not fit {folder.graph_file}: its ids go up to {largest}, the "
            f"graph knows {known}. Copy both from the same model."
        )
        raise ModelError(msg)
    space = folder.space
    return TokenReader(
        tokenizer, max_tokens=space.max_tokens, side=space.truncation_side, where=str(file)
    )


def installed_version(package: str) -> str:
    """Return a package's version; the module's own where another package brought it."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        module = require(package.removesuffix("-gpu"), extra="onnx", feature=FEATURE)
        return str(module.__version__)
