"""Entry point of the ``embedsmith`` command."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from embedsmith._deps import require
from embedsmith.cli._exit import guarded, to_stdout

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code.

    Parameters
    ----------
    arguments : sequence of str or None
        Words after ``embedsmith``; None takes them from the command line.

    Raises
    ------
    SystemExit
        Always.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if sys.stderr is None:
        # Closed by who started us (2>&-): progress and errors go nowhere, the exit code remains.
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - to the end
    with guarded():
        # Checked here, so that the message is ours and not an ImportError of a module below.
        require("typer", extra="cli", feature="The command line")
        require("rich", extra="cli", feature="The command line")

        from embedsmith.cli._app import build_app  # noqa: PLC0415  needs typer

        # The words go along: a result keeps them as they were typed.
        # Outside of a command, which has a guard of its own, nothing but help is written.
        with to_stdout():
            build_app()(args=words, prog_name="embedsmith", obj=tuple(words))
