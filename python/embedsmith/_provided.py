"""What a lower layer calls and a higher one provides.

A method such as ``EvaluationResult.report`` belongs to a result, and what it needs stands above it.
The package root, which stands above all layers, says here where it is found, by name: nothing is
imported before it is called, and no layer imports upward.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["provide", "provided"]

_FINDERS: dict[str, Callable[[str], Any]] = {}


def provide(name: str, find: Callable[[str], Any]) -> None:
    """Say how a public function is found by its name.

    Parameters
    ----------
    name : str
        The public name.
    find : callable
        Returns what has that name; called when it is needed.
    """
    _FINDERS[name] = find


def provided(name: str) -> Any:
    """Return what a higher layer provides under a public name.

    Parameters
    ----------
    name : str
        The public name.

    Returns
    -------
    object
        As provided.

    Raises
    ------
    KeyError
        If nothing was provided: a mistake of ours, since the package root does it.

    Examples
    --------
    >>> provided("write_report").__name__
    'write_report'
    """
    return _FINDERS[name](name)
