"""Whether the network may be used at all."""

from __future__ import annotations

import os

from embedsmith.exceptions import OfflineError

__all__ = ["OFFLINE_VARIABLE", "is_offline", "refuse_offline"]

OFFLINE_VARIABLE = "EMBEDSMITH_OFFLINE"


def is_offline(*, offline: bool = False) -> bool:
    """Return whether the network is forbidden: by the argument, or by ``EMBEDSMITH_OFFLINE=1``."""
    return offline or os.environ.get(OFFLINE_VARIABLE, "0") not in {"", "0"}


def refuse_offline(what: str, *, offline: bool = False) -> None:
    """Refuse what needs a network where none may be used.

    Parameters
    ----------
    what : str
        What would use it, as the start of a sentence: ``"openai:MODEL"``.
    offline : bool, default False
        Whether the caller forbids it; the environment may as well.

    Raises
    ------
    OfflineError
        Saying who forbids it.
    """
    if offline:
        msg = (
            f"{what} needs the network, which offline=True (--offline) forbids. Leave it out, or "
            "allow the network."
        )
        raise OfflineError(msg)
    if is_offline():
        msg = (
            f"{what} needs the network, which {OFFLINE_VARIABLE}="
            f"{os.environ[OFFLINE_VARIABLE]} forbids. Leave it out, or unset {OFFLINE_VARIABLE}."
        )
        raise OfflineError(msg)
