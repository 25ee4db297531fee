"""The tree of commands."""

from __future__ import annotations

from typing import Annotated

import typer

from embedsmith import _core
from embedsmith.cli._check_data import CHECK_DATA_EPILOG, check_data_command
from embedsmith.cli._compare import COMPARE_EPILOG, compare_command
from embedsmith.cli._convert import CONVERT_EPILOG, convert_command
from embedsmith.cli._doctor import DOCTOR_EPILOG, doctor_command
from embedsmith.cli._embed import EMBED_EPILOG, embed_command
from embedsmith.cli._eval import EVAL_EPILOG, eval_command
from embedsmith.cli._export import EXPORT_EPILOG, export_command
from embedsmith.cli._label import label_app
from embedsmith.cli._measure import MEASURE_EPILOG, measure_command
from embedsmith.cli._mine import MINE_EPILOG, mine_command
from embedsmith.cli._report import REPORT_EPILOG, report_command
from embedsmith.cli._split import SPLIT_EPILOG, split_command
from embedsmith.cli._synth import SYNTH_EPILOG, synth_command
from embedsmith.cli._validate import VALIDATE_EPILOG, validate_command

__all__ = ["build_app"]


def _show_version(on: bool) -> None:
    if on:
        typer.echo(f"embedsmith {_core.__version__}")
        raise typer.Exit


def build_app() -> typer.Typer:
    """Return the application with all commands."""
    app = typer.Typer(
        name="embedsmith",
        help="Choose, tune and run text-embedding models, with the evidence for each choice.",
        epilog="See a command's own help for its options and an example: embedsmith eval --help",
        no_args_is_help=True,
        add_completion=False,
        # Plain help reads the same on a terminal, in a pipe and in a log; errors are ours.
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    app.command("eval", epilog=EVAL_EPILOG)(eval_command)
    app.command("embed", epilog=EMBED_EPILOG)(embed_command)
    app.command("mine", epilog=MINE_EPILOG)(mine_command)
    app.command("synth", epilog=SYNTH_EPILOG)(synth_command)
    app.command("compare", epilog=COMPARE_EPILOG)(compare_command)
    app.command("report", epilog=REPORT_EPILOG)(report_command)
    app.command("measure", epilog=MEASURE_EPILOG)(measure_command)
    app.command("validate", epilog=VALIDATE_EPILOG)(validate_command)
    app.command("check-data", epilog=CHECK_DATA_EPILOG)(check_data_command)
    app.add_typer(label_app, name="label")
    app.command("split", epilog=SPLIT_EPILOG)(split_command)
    app.command("convert", epilog=CONVERT_EPILOG)(convert_command)
    app.command("doctor", epilog=DOCTOR_EPILOG)(doctor_command)
    app.command("export", epilog=EXPORT_EPILOG)(export_command)
    return app


def _options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=_show_version,
            help="Show the version.",
        ),
    ] = False,
) -> None:
    """Choose, tune and run text-embedding models."""
