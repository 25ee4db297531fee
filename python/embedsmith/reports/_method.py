"""How each number was made, and how to make it again."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from embedsmith._phrases import plural
from embedsmith.reports._document import Code, Facts, Section, Text
from embedsmith.reports._numbers import level
from embedsmith.reports._subject import ranks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embedsmith.evaluation import EvaluationResult
    from embedsmith.reports._document import Block

__all__ = ["method_section"]

_INTERVALS = {
    "bca": "BCa bootstrap over {unit}",
    "percentile": "percentile bootstrap over {unit}, since the BCa correction is not defined",
    "constant": "the bound of Markov's inequality, since all {unit} have one value",
    "wilson": "Wilson's interval of a share",
}


def method_section(result: EvaluationResult) -> Section:
    """Return definitions, interval, test, correction, seeds and the command that repeats it all.

    Parameters
    ----------
    result : EvaluationResult
        What was found.

    Returns
    -------
    Section
        Enough to compute every number again.
    """
    blocks: list[Block] = [
        Facts(tuple(_definitions(result))),
        Facts(tuple(_procedure(result))),
        Text("This command makes the same numbers again:"),
        Code(shlex.join(result.settings.command())),
    ]
    return Section("method", "How each number was made", tuple(blocks))


def _definitions(result: EvaluationResult) -> Iterator[tuple[str, str]]:
    for measure in result.settings.measures:
        meaning = result.definitions.get(measure)
        if meaning:
            yield measure, meaning
    for name in sorted(result.definitions):
        if name not in result.settings.measures:
            yield name, result.definitions[name]


def _procedure(result: EvaluationResult) -> Iterator[tuple[str, str]]:
    settings, table = result.settings, result.models[0].table
    unit = plural(result.data.unit)
    yield "Leading measure", f"{settings.measures[0]}, the first that was asked for"
    if ranks(result):
        yield "Documents kept per query", f"{settings.depth:,}"
    for name, label in (("ties", "Equal scores"), ("missing", "Judged queries without results")):
        if name in table.settings:
            yield label, str(table.settings[name])
    methods = {
        _INTERVALS.get(method, str(method)).format(unit=unit): None
        for model in result.models
        for _, method in sorted(model.table.ci_method.items())
    }
    resamples = table.settings.get("n_resamples")
    drawn = f", {resamples:,} resamples" if isinstance(resamples, int) else ""
    if methods:
        yield (
            "Intervals",
            f"{level(settings.confidence)}: {'; '.join(methods)}{drawn}, seed {settings.seed}",
        )
    forms = (form.method for model in result.models for form in model.variants)
    if said := " ".join(dict.fromkeys(forms)):
        yield "Smaller vectors", said
    comparison = result.comparison
    if comparison is not None:
        yield "Test of a difference", comparison.procedure
        yield (
            "Verdict on a difference",
            f"taken for real if the corrected p-value is at most {1 - comparison.confidence:.3g}",
        )
