"""The long parts of ``embedsmith mine``, with their progress."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from embedsmith.evaluation._token_meter import TokenMeter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from embedsmith._typing import F32Array
    from embedsmith.backends import Encoder, Role
    from embedsmith.evaluation import Progress

__all__ = ["embedded_side", "mining_queries"]

_SIDES = {"query": "queries", "document": "passages"}


def embedded_side(
    encoder: Encoder,
    texts: Sequence[str] | None,
    role: Role,
    batch_size: int | None,
    shown: Progress,
) -> F32Array:
    """Return vectors of the queries or of the passages: nothing else of a run takes as long.

    Parameters
    ----------
    encoder, texts, role, batch_size
        What is embedded, and how.
    shown : Progress
        Hears of the stage, which ends however it fails.
    """
    texts = texts or ()
    shown.begin(encoder.name, f"embedding {_SIDES[role]}", len(texts))
    meter = TokenMeter(texts, encoder.max_tokens, shown)
    # Not of the Encoder protocol, but of every encoder that a command opens.
    told: Any = {"token_progress": meter.tokens}
    try:
        return encoder.encode(
            texts, role=role, batch_size=batch_size, progress=meter, **told
        ).vectors
    finally:
        shown.end()


@contextlib.contextmanager
def mining_queries(shown: Progress, model: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """Yield what hears ``(done, total)`` while queries are mined.

    Parameters
    ----------
    shown : Progress
        Hears of the stage, which ends however it fails.
    model : str
        Whose scores are compared.
    total : int
        Queries, or pairs if each positive has its own negatives.
    """
    before = 0

    def told(done: int, _: int) -> None:
        nonlocal before
        shown.advance(done - before)
        before = done

    shown.begin(model, "mining queries", total)
    try:
        yield told
    finally:
        shown.end()
