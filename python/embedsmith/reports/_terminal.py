"""An evaluation as plain text, for a terminal, a pipe or a log."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from embedsmith.reports._notes import notes
from embedsmith.reports._subject import TASKS, contents, ranks
from embedsmith.reports._table import model_table
from embedsmith.reports._terminal_axes import axis_sections
from embedsmith.reports._terminal_pairs import differences_text

if TYPE_CHECKING:
    from pathlib import Path

    from embedsmith.evaluation import EvaluationResult

__all__ = ["evaluation_report"]


def evaluation_report(
    result: EvaluationResult, *, width: int = 100, folder: Path | None = None
) -> str:
    """Return the whole result as text: table, notes, differences, verdicts.

    Parameters
    ----------
    result : EvaluationResult
        What to show.
    width : int, default 100
        Characters per line. From 60 on nothing needs to be cut; paths are never broken.
    folder : Path, optional
        Where the result was written, for the last line.

    Returns
    -------
    str
        No colours, no control characters, no newline at the end.
    """
    parts = [
        _fill(_heading(result), width),
        model_table(result.models, result.settings.measures, width=width),
        "\n".join(_fill(note, width, "  ") for note in notes(result)),
    ]
    if result.comparison is not None:
        parts.append(differences_text(result.comparison, width=width, how=_how(result)))
    parts += axis_sections(result, width=width)
    heading = "Verdict" if result.task == "retrieval" else "Statement"
    parts.append(
        f"{heading}\n" + "\n".join(_fill(model.statement, width, "  ") for model in result.models)
    )
    if folder is not None:
        files = "result.json"
        if ranks(result):
            files += ", qrels.txt, and one TREC run file per model"
        parts.append(f"Written to {folder}: {files}.")
    return "\n\n".join(parts)


def _heading(result: EvaluationResult) -> str:
    data = result.data
    task = "" if result.task == "retrieval" else f"{TASKS[result.task]}, "
    return f"{data.title}, {task}split {data.split}: {contents(result)}"


def _how(result: EvaluationResult) -> str | None:
    """Return how models are compared on a task that ranks no documents."""
    data, whole = result.data, result.models[0].table.whole_set
    if ranks(result):
        return None
    items = f"Paired differences over the same {data.unit}s; p by a paired"
    corrected = "then corrected after Holm over all pairs of models, each measure on its own"
    if not whole:
        return f"{items} randomisation test, {corrected}."
    some = "" if len(whole) == len(result.settings.measures) else f" ({', '.join(whole)})"
    return (
        f"{items} bootstrap over them, {corrected}. Measures over all {data.unit}s together{some} "
        "are not won or lost one by one."
    )


def _fill(text: str, width: int, indent: str = "") -> str:
    # A name or a path that is broken cannot be copied.
    return textwrap.fill(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
