"""The verdict in plain words: what a reader needs who reads nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedsmith._phrases import counted
from embedsmith.reports._document import Card, Section, Text
from embedsmith.reports._numbers import MINUS, level, p_value, score
from embedsmith.reports._pairs import against, headline, leader
from embedsmith.reports._subject import items
from embedsmith.reports._visible import shortened_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embedsmith.evaluation import EvaluationResult, ModelResult
    from embedsmith.reports._document import Block, Tone
    from embedsmith.reports._pairs import AgainstBest

__all__ = ["findings"]

_WORDS: dict[str, tuple[str, Tone]] = {
    "KEEP": ("Keep as it is", "good"),
    "FINE_TUNE": ("Fine-tune, or choose another", "bad"),
    "UNDECIDED": ("Not enough evidence yet", "open"),
}
# Names in a sentence; more are in the table.
_SHOWN = 3
# Characters of a name in a sentence; it is whole in the card and the table.
_NAME = 80


def findings(result: EvaluationResult) -> Section:
    """Return the first section: who leads, how sure that is, and each model's verdict.

    Parameters
    ----------
    result : EvaluationResult
        What was found.

    Returns
    -------
    Section
        Sentences and one card per model.
    """
    blocks: list[Block] = [Text(_lead(result), "best")]
    blocks += [Text(text) for text in _other_measures(result)]
    blocks += [_card(place, model) for place, model in enumerate(result.models)]
    rule = _rule(result.models)
    if rule:
        blocks.append(Text(rule))
    return Section("verdict", "Verdict", tuple(blocks))


def _lead(result: EvaluationResult) -> str:
    measure = headline(result)
    best = result.model(leader(result, measure))
    mean = score(best.table.mean[measure])
    ends = best.table.ci.get(measure)
    surely = f" ({level(result.settings.confidence)} interval {_ends(ends)})" if ends else ""
    if len(result.models) == 1:
        return (
            f"{_name(best.name)} reaches a mean {measure} of {mean}{surely} over "
            f"{items(result.data, labelled=True)}. "
            "It was compared with no other model."
        )
    others = against(result.comparison, best.name, measure)
    if not others:
        return (
            f"{_name(best.name)} has the highest {measure} of {len(result.models)} models: {mean}"
            f"{surely}. No paired test was made by this measure."
        )
    beaten = [one for one in others if one.verdict == "worse"]
    level_with = [one for one in others if one.verdict != "worse"]
    of = "the two models" if len(result.models) == 2 else f"{len(result.models)} models"  # noqa: PLR2004
    if not level_with:
        nearest = max(beaten, key=lambda one: one.difference)
        return (
            f"{_name(best.name)} is the best of {of} by {measure}: {mean}{surely}. "
            f"It is ahead of {'the next, ' if len(others) > 1 else ''}{_name(nearest.other)}, by "
            f"{_gap(nearest)}; that is more than chance explains."
        )
    told = f"{_name(best.name)} has the highest mean {measure} of {of}: {mean}{surely}. "
    told += f"The evidence does not tell it apart from {_names(level_with)}"
    told += f", which it leads by {_gap(level_with[0])}." if len(level_with) == 1 else "."
    if beaten:
        told += f" It is better than {_names(beaten)}."
    return told


def _gap(one: AgainstBest) -> str:
    low, high = one.ci
    p = f"corrected p = {p_value(one.pair.p_corrected)}".replace("= <", "< ")
    return f"{-one.difference:.3f} (interval {_ends((-high, -low))}, {p})".replace("-", MINUS)


def _ends(ends: tuple[float, float]) -> str:
    low, high = (f"{end:.3f}".replace("-", MINUS) for end in ends)
    return f"{low} to {high}"


def _name(name: str) -> str:
    return shortened_name(name, _NAME)


def _names(pairs: Sequence[AgainstBest]) -> str:
    names = [_name(one.other) for one in pairs]
    if len(names) > _SHOWN + 1:
        rest = f"{len(names) - _SHOWN} others"
        return f"{', '.join(names[:_SHOWN])} and {rest}"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _other_measures(result: EvaluationResult) -> Iterator[str]:
    first = leader(result, headline(result))
    for measure in result.settings.measures[1:]:
        best = leader(result, measure)
        others = against(result.comparison, best, measure)
        if not others:
            continue
        level_with = [one for one in others if one.verdict != "worse"]
        who = f"{_name(best)} leads too" if best == first else f"{_name(best)} leads instead"
        if not level_with:
            yield f"By {measure}, {who}, ahead of all others by more than chance explains."
        else:
            yield (
                f"By {measure}, {who}, but there is not enough evidence to tell it apart from "
                f"{_names(level_with)}."
            )


def _card(place: int, model: ModelResult) -> Card:
    if model.verdict is not None:
        word, tone = _WORDS[model.verdict.decision]
        if model.verdict.more_queries is None:
            word = "Between the two thresholds"
    else:
        word, tone = ("Measured" if model.dim else "Baseline"), ""
    return Card(place, model.name, word, tone, model.statement)


def _rule(models: Sequence[ModelResult]) -> str:
    verdict = next((model.verdict for model in models if model.verdict), None)
    if verdict is None:
        return ""
    return (
        f"The rule, on the {level(verdict.confidence)} interval of {verdict.measure}: fine-tune if "
        f"it ends below {verdict.fine_tune_below:g}, keep if it starts above "
        f"{verdict.keep_above:g}, else not enough evidence; never decided on fewer than "
        f"{counted(verdict.min_queries, 'query', 'queries')}."
    )
