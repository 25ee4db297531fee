"""What an OpenAI-compatible server answered, taken at no word of its own."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith.backends.api._failure import said
from embedsmith.backends.api._service import Answer, Unusable, stacked

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["read_answer", "read_body"]

# Of an answer that is none, this much may be shown.
_SHOWN = 2000


def read_answer(
    content: bytes, content_type: str, n_texts: int, scrub: Callable[[str], str]
) -> Answer:
    """Return the vectors of an answer, in the order of the texts.

    Parameters
    ----------
    content : bytes
        Body of an answer with a status of success.
    content_type : str
        As its header says.
    n_texts : int
        How many vectors there are to be.
    scrub : callable
        Takes the key out of what is shown.

    Raises
    ------
    Unusable
        If it is no JSON, or does not hold one vector for each text.
    """
    answer = read_body(content, content_type, scrub)
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        shown = scrub(content[:_SHOWN].decode("utf-8", "replace"))
        reason = f"answered no list 'data' of embeddings{said(shown)}"
        raise Unusable(reason)
    rows = [_numbers(item.get("embedding")) for item in data]
    vectors = stacked(rows, n_texts)
    index = [item.get("index") for item in data]
    # True is 1 to Python, and a mask to numpy.
    whole = all(isinstance(at, int) and not isinstance(at, bool) for at in index)
    if not whole or sorted(index) != list(range(n_texts)):
        reason = (
            "answered embeddings whose 'index' does not number the texts: which belong together "
            "cannot be told"
        )
        raise Unusable(reason)
    ordered = np.empty_like(vectors)
    ordered[index] = vectors
    return Answer(ordered, _tokens(answer.get("usage")))


def read_body(content: bytes, content_type: str, scrub: Callable[[str], str]) -> Any:
    """Return the JSON of an answer.

    Parameters
    ----------
    content : bytes
        Body of an answer with a status of success.
    content_type : str
        As its header says.
    scrub : callable
        Takes the key out of what is shown.

    Raises
    ------
    Unusable
        If it is no JSON.
    """
    shown = scrub(content[:_SHOWN].decode("utf-8", "replace"))
    if "html" in content_type.lower() or content.lstrip()[:1] == b"<":
        reason = (
            f"answered a web page{said(shown)}: a proxy, or a base URL without its path (mostly "
            "/v1)"
        )
        raise Unusable(reason)
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        reason = f"answered JSON that is cut off, or none at all{said(shown[:80])}"
        # Mostly a connection that a proxy broke off.
        raise Unusable(reason, again=True) from None


def _numbers(embedding: object) -> Any:
    """Return what stands for one vector: base64 of little-endian float32, or a list."""
    if not isinstance(embedding, str):
        return embedding
    try:
        return np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4")
    except (binascii.Error, ValueError):
        reason = "answered an embedding that is no base64 of float32"
        raise Unusable(reason) from None


def _tokens(usage: object) -> int | None:
    if not isinstance(usage, dict):
        return None
    found = usage.get("total_tokens", usage.get("prompt_tokens"))
    return found if isinstance(found, int) and found >= 0 else None
