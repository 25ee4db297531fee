"""What only services are asked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from embedsmith._validate import as_count
from embedsmith.exceptions import ShapeError

if TYPE_CHECKING:
    import os

__all__ = ["ApiOptions"]


@dataclass(frozen=True)
class ApiOptions:
    """How a service on the network is asked. Holds no key: those are read from the environment.

    Attributes
    ----------
    in_flight : int, default 8
        Requests at once, each in a thread.
    timeout_s : float, default 120
        Seconds without a byte after which a request counts as lost.
    attempts : int, default 5
        How often a text is sent while the service fails (5xx, no answer, a torn one).
    patience_s : float, default 600
        Seconds that one request waits, over all its attempts, while the service answers 429 (too
        many requests). A longer ``Retry-After`` ends the run at once: it would be kept for later.
    prices : path, optional
        A table of prices that goes before the one in the package; default: the one that
        ``$EMBEDSMITH_PRICES`` names.
    allow_http : str, optional
        The one host, besides this machine, that texts and key may reach without encryption.
    key_variable : str, optional
        Which environment variable holds the key. Default: ``OPENAI_API_KEY``; ``CO_API_KEY``, else
        ``COHERE_API_KEY``.
    encoding_format : {"base64", "float"}, default "base64"
        How an OpenAI-compatible server writes vectors; base64 is exact and the shorter one.
    query_input_type, document_input_type : str, optional
        What the service is told about a text. Default: ``"search_query"`` and
        ``"search_document"`` for Cohere; nothing for OpenAI-compatible servers, some of which take
        ``"query"`` and ``"passage"``.
    truncate : {"NONE", "START", "END"}, default "NONE"
        For Cohere: refuse texts that are too long, or cut them at their start or end.
    canary : bool, default True
        Before the first text of a run that adds to a cache, ask for the vector of a fixed text and
        compare it with the one that the cache was begun with: a vendor may change a model behind
        its name.

    Raises
    ------
    ShapeError
        If a number is out of range or a word is none of those above.
    """

    in_flight: int = 8
    timeout_s: float = 120.0
    attempts: int = 5
    patience_s: float = 600.0
    prices: str | os.PathLike[str] | None = None
    allow_http: str | None = None
    key_variable: str | None = None
    encoding_format: Literal["base64", "float"] = "base64"
    query_input_type: str | None = None
    document_input_type: str | None = None
    truncate: Literal["NONE", "START", "END"] = "NONE"
    canary: bool = True

    def __post_init__(self) -> None:
        as_count("in_flight", self.in_flight)
        as_count("attempts", self.attempts)
        for name in ("timeout_s", "patience_s"):
            seconds = getattr(self, name)
            if not isinstance(seconds, (int, float)) or not math.isfinite(seconds) or seconds <= 0:
                msg = f"{name} is {seconds!r}; pass seconds, such as {name}=60."
                raise ShapeError(msg)
        for name, words in (
            ("encoding_format", ("base64", "float")),
            ("truncate", ("NONE", "START", "END")),
        ):
            if getattr(self, name) not in words:
                msg = f"{name} is {getattr(self, name)!r}; pass one of {', '.join(words)}."
                raise ShapeError(msg)
