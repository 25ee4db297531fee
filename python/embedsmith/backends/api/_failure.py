"""Why a request has no answer, in our words and without the vendor's objects.

A vendor's exception holds the request, and that the key. Nothing of it is kept or chained.
"""

from __future__ import annotations

import email.utils
import json
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Failure", "retry_after_s", "said"]

_EXCERPT = 300
_TOO_MANY = 429
_TURNED_AWAY = range(300, 500)
_SERVER = 500
# The service asks to wait; 408, 409 and 425 say so less plainly.
_RETRIED = frozenset({408, 409, 425, _TOO_MANY})
# A 429 that no waiting mends.
_HOPELESS = ("insufficient_quota", "billing", "quota exceeded your")


@dataclass(frozen=True)
class Failure:
    """One attempt without a usable answer.

    Attributes
    ----------
    reason : str
        What happened, as the end of a sentence: ``"answered 503 (overloaded)"``.
    status : int or None
        HTTP status; None if there was no answer.
    wait_s : float or None
        Seconds that the service asks to wait.
    read : bool
        Whether it may have read, and so bill, the texts.
    again : bool
        Whether asking again may help.
    """

    reason: str
    status: int | None = None
    wait_s: float | None = None
    read: bool = True
    again: bool = True

    @classmethod
    def of_status(cls, status: int, headers: Mapping[str, str], body: str) -> Failure:
        """Return the failure that an HTTP status means.

        Parameters
        ----------
        status : int
            Not a 2xx.
        headers : mapping
            Of the answer.
        body : str
            Of the answer, scrubbed.
        """
        hopeless = status == _TOO_MANY and any(word in body.lower() for word in _HOPELESS)
        return cls(
            reason=f"answered {status}{said(body)}",
            status=status,
            wait_s=retry_after_s(headers),
            # A status of 5xx comes before the work, or in the middle of it.
            read=status not in _TURNED_AWAY,
            again=not hopeless and (status in _RETRIED or status >= _SERVER),
        )


def said(body: str) -> str:
    """Return what an answer says, short and on one line, to stand behind a status.

    Examples
    --------
    >>> said('{"error": {"message": "slow   down"}}')
    ' (slow down)'
    """
    words = " ".join(_message(body).split())
    if not words:
        return ""
    return f" ({words if len(words) <= _EXCERPT else words[:_EXCERPT] + '...'})"


def _message(body: str) -> str:
    """Return the message in an error of an API, or all of it."""
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        return body
    for name in ("error", "message", "detail"):
        if isinstance(found, dict) and found.get(name):
            found = found[name]
    return found if isinstance(found, str) else body


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a service asks to wait, from any of the headers in use.

    Examples
    --------
    >>> retry_after_s({"retry-after": "2"}), retry_after_s({"retry-after-ms": "250"})
    (2.0, 0.25)
    """
    names: dict[str, Any] = {name.lower(): value for name, value in headers.items()}
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(names[name]) / scale
        except (KeyError, ValueError):
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    when = email.utils.parsedate_tz(str(names.get("retry-after", "")))
    if when is None:
        return None
    try:
        return max(0.0, email.utils.mktime_tz(when) - time.time())
    except (ValueError, OverflowError):
        # The year 99999: no date, and no wait that is asked for.
        return None
