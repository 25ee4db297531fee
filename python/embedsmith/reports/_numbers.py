"""Numbers as reports write them."""

from __future__ import annotations

from datetime import datetime, timezone

__all__ = [
    "ABSENT",
    "MINUS",
    "interval",
    "level",
    "milliseconds",
    "moment",
    "p_value",
    "score",
    "signed",
    "size",
]

# Read as a minus by people and by screen readers; a hyphen is neither.
MINUS = "\u2212"
# In a cell without a value.
ABSENT = "\u2013"


def score(value: float) -> str:
    """Return a mean with four digits.

    Examples
    --------
    >>> score(0.65999)
    '0.6600'
    """
    return f"{value:.4f}"


def signed(value: float, digits: int = 4) -> str:
    """Return a difference with its sign, a true minus if it is negative.

    Examples
    --------
    >>> signed(0.1121), signed(-0.003, 3) == f"{MINUS}0.003"
    ('+0.1121', True)
    """
    return f"{value:+.{digits}f}".replace("-", MINUS)


def interval(ends: tuple[float, float] | None, *, sign: bool = False) -> str:
    """Return an interval with three digits; empty if there is none.

    Examples
    --------
    >>> interval((0.5886, 0.7264)), interval((0.003, 0.158), sign=True), interval(None)
    ('[0.589, 0.726]', '[+0.003, +0.158]', '')
    """
    if ends is None:
        return ""
    low, high = (signed(end, 3) if sign else f"{end:.3f}" for end in ends)
    return f"[{low}, {high}]".replace("-", MINUS)


def p_value(value: float) -> str:
    """Return a p-value with four digits, which is never 0.

    Examples
    --------
    >>> p_value(0.00129), p_value(0.00001)
    ('0.0013', '<0.0001')
    """
    return f"{value:.4f}" if round(value, 4) > 0 else "<0.0001"


def level(confidence: float) -> str:
    r"""Return a level of confidence; no line ends before its sign.

    Examples
    --------
    >>> level(0.95)
    '95\xa0%'
    """
    return f"{100 * confidence:g}\u00a0%"


def milliseconds(seconds: float) -> str:
    """Return a time in milliseconds, without the unit.

    Examples
    --------
    >>> milliseconds(0.00637), milliseconds(1.234)
    ('6.4', '1,234.0')
    """
    return f"{1000 * seconds:,.1f}"


def size(n_bytes: int) -> str:
    """Return a size for people.

    Examples
    --------
    >>> size(1_234_567_890), size(345_000_000)
    ('1.23 GB', '345 MB')
    """
    return f"{n_bytes / 1e9:.2f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"  # noqa: PLR2004


def moment(stamp: str) -> str:
    """Return a point in time, to the minute.

    Examples
    --------
    >>> moment("2026-03-01T12:30:59+01:00")
    '2026-03-01 11:30 UTC'
    """
    return f"{datetime.fromisoformat(stamp).astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"
