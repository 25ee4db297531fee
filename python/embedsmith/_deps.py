"""The one gate through which optional packages are imported."""

from __future__ import annotations

import importlib
import importlib.util
import shlex
import shutil
import sys
from typing import TYPE_CHECKING

from embedsmith.exceptions import MissingDependencyError

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["pip_command", "require"]


def require(module: str, *, extra: str, feature: str) -> ModuleType:
    """Import an optional package, or say which command installs it.

    Only the absence of ``module`` itself is translated; an import error inside it passes through.

    Parameters
    ----------
    module : str
        Import name, dots allowed.
    extra : str
        Extra of embedsmith that installs it.
    feature : str
        What needs it, as the start of a sentence: ``"The BM25 baseline"``.

    Returns
    -------
    ModuleType
        The imported module.

    Raises
    ------
    MissingDependencyError
        If the package is not installed.

    Examples
    --------
    >>> require("json", extra="none", feature="This example").__name__
    'json'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        top = module.split(".", 1)[0]
        if error.name is None or error.name.split(".", 1)[0] != top:
            raise
        msg = (
            f"{feature} needs '{top}', which is not installed. "
            f"Install it with: pip install 'embedsmith[{extra}]'"
        )
        raise MissingDependencyError(msg, name=top) from error


def pip_command(action: str, *words: str) -> str:
    """Return the command line that installs or removes packages for this very interpreter.

    Which ``pip`` comes first on the path may be that of another environment, and environments made
    by uv have none.

    Parameters
    ----------
    action : {"install", "uninstall"}
        What to do.
    words : str
        Names of packages and options, not yet quoted.

    Returns
    -------
    str
        Ready to be copied into a shell; it asks no questions.
    """
    python = shlex.quote(sys.executable or "python")
    quoted = " ".join(shlex.quote(word) for word in words)
    if importlib.util.find_spec("pip") is None and shutil.which("uv") is not None:
        return f"uv pip {action} --python {python} {quoted}"
    return f"{python} -m pip {action}{' -y' if action == 'uninstall' else ''} {quoted}"
