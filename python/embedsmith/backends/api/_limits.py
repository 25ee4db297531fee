"""What vendors take in one request, and what their models are known to answer.

From the vendors' references of their embedding endpoints; a model that is not listed has the limits
of its vendor, and its width is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits", "cohere_limits", "openai_limits"]


@dataclass(frozen=True)
class Limits:
    """Bounds of one model at one vendor.

    Attributes
    ----------
    texts : int
        In one request.
    tokens : int or None
        In one request, summed over its texts; None: no limit besides the others.
    text_tokens : int or None
        In one text; None: not known.
    dim : int or None
        Width of a vector unless ``dimensions`` says otherwise; None: not known.
    takes_empty : bool
        Whether an empty text gets a vector.
    """

    texts: int
    tokens: int | None = None
    text_tokens: int | None = None
    dim: int | None = None
    takes_empty: bool = True


# developers.openai.com, reference of "Create embeddings".
_OPENAI_DIMS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}
# docs.cohere.com, "Cohere's Embed Models": width and tokens of a text.
_COHERE = {
    "embed-v4.0": (1536, 128_000),
    "embed-english-v3.0": (1024, 512),
    "embed-multilingual-v3.0": (1024, 512),
    "embed-english-light-v3.0": (384, 512),
    "embed-multilingual-light-v3.0": (384, 512),
}


def openai_limits(model: str, *, own_host: bool) -> Limits:
    """Return the limits of a model: OpenAI's at OpenAI's host, a modest request elsewhere.

    Parameters
    ----------
    model : str
        As the service names it.
    own_host : bool
        Whether the service is OpenAI's own; a name says nothing about another's model.
    """
    if not own_host:
        return Limits(texts=2048)
    return Limits(
        texts=2048,
        tokens=300_000,
        text_tokens=8192,
        dim=_OPENAI_DIMS.get(model),
        takes_empty=False,
    )


def cohere_limits(model: str) -> Limits:
    """Return the limits of a Cohere model."""
    dim, text_tokens = _COHERE.get(model, (None, None))
    return Limits(texts=96, tokens=128_000, text_tokens=text_tokens, dim=dim)
