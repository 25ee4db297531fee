"""Shares of leakage that are allowed, by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from embedsmith._validate import as_number
from embedsmith.exceptions import ShapeError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Limits"]

_NAMES = ("queries", "pairs", "passages", "cross queries", "cross pairs", "cross passages")
# Training and evaluation often search one corpus, and evaluation sets often share questions: these
# are counted, and have no limit unless one is asked for.
_USUAL = ("queries", "pairs")


class Limits:
    """What may leak.

    Parameters
    ----------
    given : float, or mapping of str to float
        One share for queries and pairs; or shares by name, perhaps with a set's name and a colon in
        front. Names that are left out keep their defaults: 0 for queries and pairs, else none.
    sets : sequence of str
        Names of the evaluation sets.

    Raises
    ------
    ShapeError
        If a share is none, or a name is unknown.
    """

    def __init__(self, given: float | Mapping[str, float], sets: Sequence[str]) -> None:
        if isinstance(given, Mapping):
            self.shares = dict.fromkeys(_USUAL, 0.0)
            known = [*_NAMES, *(f"{one}:{name}" for one in sets for name in _NAMES)]
            for name, share in given.items():
                if name not in known:
                    near = difflib.get_close_matches(str(name), known, n=1)
                    hint = (
                        f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(known)}."
                    )
                    msg = f"max_leakage names {name!r}, which is not counted. {hint}"
                    raise ShapeError(msg)
                self.shares[name] = _share(f"max_leakage[{name!r}]", share)
        else:
            self.shares = dict.fromkeys(_USUAL, _share("max_leakage", given))

    def __call__(self, of: str, what: str) -> float | None:
        """Return the share that is allowed, or None if any is."""
        return self.shares.get(f"{of}:{what}", self.shares.get(what))


def _share(name: str, value: float) -> float:
    number = as_number(name, value)
    if not 0.0 <= number <= 1.0:
        msg = f"{name} is {value}; pass a share from 0 to 1."
        raise ShapeError(msg)
    return number
