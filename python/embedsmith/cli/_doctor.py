"""``embedsmith doctor``: what runs here, what is wrong, and the command that mends it."""

from __future__ import annotations

import json
import shutil
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from embedsmith.cli._exit import EXIT_CODES_HELP, ExitCode, guarded, to_stdout
from embedsmith.diagnosis import ABILITIES, Diagnosis, doctor
from embedsmith.reports._visible import visible

__all__ = ["DOCTOR_EPILOG", "doctor_command"]

DOCTOR_EPILOG = (
    """\b
Examples:
  embedsmith doctor
  embedsmith doctor --require onnx --require cuda     in a deployment: exit code 4 if it cannot work
  embedsmith doctor --json > doctor.json              for a report; holds no keys

Every provider of ONNX Runtime, every device of PyTorch and every instruction set of the search
computes something whose answer is known. No network is used and nothing is changed.

\b
Exit code 0 if nothing is wrong (warnings may be there), 4 if there is a problem or something
required does not work.

\b
"""
    + EXIT_CODES_HELP
)

_WIDEST = 120
# What a piece of text is, as rich writes it.
_STYLES = {
    "title": "bold",
    "faint": "dim",
    "command": "cyan",
    "ok": "green",
    "note": "",
    "warning": "yellow",
    "problem": "bold red",
    "plain": "",
}


def _ability(names: list[str] | None) -> list[str]:
    """Return what has to work, with commas between names taken apart."""
    found = [word.strip() for name in names or () for word in name.split(",") if word.strip()]
    for name in found:
        if name not in ABILITIES:
            msg = f"{name!r} is not one of {', '.join(ABILITIES)}."
            raise typer.BadParameter(msg)
    return found


def doctor_command(
    *,
    require: Annotated[
        list[str] | None,
        typer.Option(
            "--require",
            metavar="NAME",
            callback=_ability,
            help=f"What has to work; may be given several times. One of {', '.join(ABILITIES)}.",
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show every fact, and notes too.")
    ] = False,
    timeout: Annotated[
        float,
        typer.Option("--timeout", metavar="SECONDS", min=1.0, help="What one check may take."),
    ] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; so does EMBEDSMITH_DEBUG=1.")
    ] = False,
) -> None:
    """Check this machine: what is installed, what really runs, what is wrong, what to do."""
    with guarded(debug=debug):
        # Shown on a terminal only.
        with Console(stderr=True).status("Checking what runs here ...", spinner="line"):
            diagnosis = doctor(require=require or (), timeout_s=timeout)
        with to_stdout():
            if as_json:
                typer.echo(json.dumps(diagnosis.to_dict(), indent=2, ensure_ascii=False))
            else:
                _show(diagnosis, full=full)
    if not diagnosis.healthy:
        raise SystemExit(int(ExitCode.ENVIRONMENT))


def _show(diagnosis: Diagnosis, *, full: bool) -> None:
    columns = min(shutil.get_terminal_size(fallback=(100, 24)).columns, _WIDEST)
    if not sys.stdout.isatty():
        typer.echo(visible(diagnosis.text(width=columns, full=full)))
        return
    console = Console(width=None, highlight=False, soft_wrap=True)
    for line in diagnosis.lines(width=columns, full=full):
        text = Text()
        for piece in line:
            text.append(visible(piece.text), style=_STYLES[piece.role])
        text.rstrip()
        console.print(text)
