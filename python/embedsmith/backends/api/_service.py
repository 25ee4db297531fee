"""What a vendor's client is asked for, and what it gives: an answer or a failure, never an error.

An exception of a vendor's client holds its request, and with that the key; so none leaves these
classes, not even as the context of one of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from embedsmith.backends.api._failure import Failure, said

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import F32Array
    from embedsmith.backends._protocol import Role
    from embedsmith.backends.api._endpoint import Endpoint

__all__ = [
    "Answer",
    "Service",
    "Unusable",
    "connection_failure",
    "stacked",
    "timeout_failure",
]

# The connection was never made, so nothing was read.
_UNREAD = frozenset({"ConnectError", "ConnectTimeout", "ProxyError", "UnsupportedProtocol"})


@dataclass(frozen=True)
class Answer:
    """Vectors of one request.

    Attributes
    ----------
    vectors : ndarray of shape (n_texts, dim), float32
        In the order of the texts.
    n_tokens : int or None
        What the service says it read, and bills; None if it does not say.
    """

    vectors: F32Array
    n_tokens: int | None
    n_output_tokens: ClassVar[int] = 0


class Unusable(Exception):  # noqa: N818 - it says what the answer is, and ends in these modules
    """An answer that came and says nothing.

    Parameters
    ----------
    reason : str
        As in `Failure`.
    again : bool, default False
        Whether asking again may help.
    """

    def __init__(self, reason: str, *, again: bool = False) -> None:
        super().__init__(reason)
        self.failure = Failure(reason, again=again)


class Service(Protocol):
    """One model of one vendor."""

    @property
    def endpoint(self) -> Endpoint:
        """Where texts go."""

    def ask(self, texts: Sequence[str] | Sequence[list[int]], role: Role) -> Answer | Failure:
        """Send one request, once; called from several threads.

        Parameters
        ----------
        texts : sequence of str, or of lists of token ids
            With their prompts.
        role : {"query", "document"}
            What the service is told they are.
        """

    def close(self) -> None:
        """Close connections. Calling twice does no harm."""


def timeout_failure(seconds: float) -> Failure:
    """Return the failure of a request that was not answered in time."""
    return Failure(f"did not answer within {seconds:g} s (timeout_s)")


def connection_failure(cause: BaseException, text: str) -> Failure:
    """Return the failure of a request that lost its connection, or had none.

    Parameters
    ----------
    cause : BaseException
        Of the HTTP library; only its class is looked at.
    text : str
        What it says, scrubbed.
    """
    unread = type(cause).__name__ in _UNREAD
    what = "could not be reached" if unread else "broke the connection off"
    return Failure(f"{what}{said(text)}", read=not unread)


def stacked(rows: Sequence[Any], n_texts: int) -> F32Array:
    """Return rows of numbers as one array.

    Parameters
    ----------
    rows : sequence
        One per text, in their order.
    n_texts : int
        How many there are to be.

    Raises
    ------
    Unusable
        If they are not one row of numbers per text, all of one length.
    """
    if len(rows) != n_texts:
        reason = (
            f"answered {len(rows):,} vectors for {n_texts:,} texts: which belong together cannot "
            "be told"
        )
        raise Unusable(reason)
    try:
        widths = {len(row) for row in rows}
        # Through float64: a number beyond float32 becomes infinity, which is refused by name.
        with np.errstate(over="ignore"):
            arrays = [np.asarray(row).astype(np.float32) for row in rows]
    except (TypeError, ValueError, OverflowError) as error:
        reason = f"answered a vector that is no list of numbers ({error})"
        raise Unusable(reason) from None
    if len(widths) != 1 or not next(iter(widths)) or any(row.ndim != 1 for row in arrays):
        reason = f"answered vectors of {', '.join(map(str, sorted(widths)))} columns in one request"
        raise Unusable(reason)
    return np.stack(arrays)
