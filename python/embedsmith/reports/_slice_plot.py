"""Quality by group of queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedsmith._phrases import counted
from embedsmith.reports._axis import Axis
from embedsmith.reports._chart import WIDTH, Bar, Chart, Label, Line, model_style
from embedsmith.reports._document import Cell, Head, Section, Table, Text
from embedsmith.reports._numbers import ABSENT, interval, level, score
from embedsmith.reports._pairs import headline, leader
from embedsmith.reports._visible import shortened, shortened_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith.evaluation import EvaluationResult, Slice
    from embedsmith.reports._document import Block

__all__ = ["slices_section"]

_LEFT, _RIGHT = 20.0, WIDTH - 20.0
_TOP, _BOTTOM = 8.0, 46.0
_HEAD, _BAR, _GAP = 22.0, 12.0, 10.0
# More bars than these are counted, not seen; the table has all.
_MODELS, _GROUPS = 4, 12
_NAME = 34
_BLANK = "(blank)"
# Names of small groups in a sentence.
_SHOWN = 3


def slices_section(result: EvaluationResult) -> Section | str:
    """Return each model's quality by group of queries, or a sentence on why there is none.

    Parameters
    ----------
    result : EvaluationResult
        What was found.

    Returns
    -------
    Section or str
        One plot per field.
    """
    fields = list(dict.fromkeys(one.field for model in result.models for one in model.slices))
    if not fields:
        return "Groups of queries: the queries were not divided into groups (--slice)."
    measure = headline(result)
    blocks: list[Block] = [
        Text(
            f"The same queries, group by group; a thin line is the "
            f"{level(result.settings.confidence)} interval. Groups were not compared by a test: "
            "read a difference between two groups as a question, not as a finding."
        )
    ]
    parts = [_Field.of(result, field, measure) for field in fields]
    cautions = [said for part in parts if (said := part.caution)]
    if cautions:
        blocks.append(
            Text(f"Too few queries to be read on their own: {'; '.join(cautions)}.", "warning")
        )
    blocks += [_plot(result, part, place) for place, part in enumerate(parts) if part.groups]
    return Section("groups", "Groups of queries", tuple(blocks))


@dataclass(frozen=True)
class _Field:
    """The groups of one field: of each model by value, and of all in the order of the result."""

    name: str
    measure: str
    held: tuple[dict[str, Slice], ...]
    groups: dict[str, Slice]

    @classmethod
    def of(cls, result: EvaluationResult, name: str, measure: str) -> _Field:
        held = tuple(
            {one.value: one for one in model.slices if one.field == name and measure in one.mean}
            for model in result.models
        )
        groups: dict[str, Slice] = {}
        for own in held:
            for value, one in own.items():
                groups.setdefault(value, one)
        return cls(name, measure, held, groups)

    @property
    def caution(self) -> str:
        """Which groups are too small, in a few words; empty if none is."""
        small = [value for value, one in self.groups.items() if one.small]
        if not small:
            return ""
        name = shortened_name(self.name, _NAME)
        if len(small) == len(self.groups):
            return f"every group of {name}"
        shown = ", ".join(shortened_name(value, _NAME) or _BLANK for value in small[:_SHOWN])
        more = ", …" if small[_SHOWN:] else ""
        return f"{len(small)} of {len(self.groups)} groups of {name} ({shown}{more})"

    @property
    def largest(self) -> list[str]:
        """The values with most queries, in the order of the result: a range of lengths has one."""
        by_size = sorted(self.groups, key=lambda value: -self.groups[value].n_queries)
        chosen = set(by_size[:_GROUPS])
        return [value for value in self.groups if value in chosen]


def _plot(result: EvaluationResult, field: _Field, place: int) -> Chart:
    measure, drawn, models = field.measure, field.largest, _drawn_models(result, field.measure)
    shown = [one for model in models for value in drawn if (one := field.held[model].get(value))]
    ends = [end for one in shown for end in (one.mean[measure], *one.ci.get(measure, ()))]
    axis = Axis.around(ends or [0.0, 1.0], start=_LEFT, end=_RIGHT, anchor=0.0)
    bars: list[Bar] = []
    lines: list[Line] = []
    labels: list[Label] = []
    top = _TOP
    for value in drawn:
        labels += _group_labels(field.groups[value], top + 14)
        top += _HEAD
        for model in models:
            found = field.held[model].get(value)
            if found is not None:
                name = result.models[model].name
                bars.append(
                    _bar(found, measure, axis, top=top, style=model_style(model), name=name)
                )
                lines += _whisker(found, measure, axis, top + _BAR / 2 - 1)
            top += _BAR
        top += _GAP
    notes = []
    if left_out := len(field.groups) - len(drawn):
        notes.append(f"Drawn are the {len(drawn)} largest groups; the table has {left_out} more.")
    if len(models) < len(result.models):
        notes.append(f"Drawn are the {len(models)} models with the highest mean.")
    return Chart(
        id=f"groups-{place}",
        title=f"{measure} by {field.name}",
        description=f"Mean {measure} of each group of queries, one bar per model, with intervals.",
        table=_table(result, field),
        height=top + _BOTTOM,
        frame=(_LEFT, _TOP, _RIGHT, top),
        x_ticks=axis.ticks(),
        x_label=measure,
        bars=tuple(bars),
        lines=tuple(lines),
        labels=tuple(labels),
        key=tuple((model, result.models[model].name) for model in models),
        notes=tuple(notes),
    )


def _group_labels(one: Slice, y: float) -> tuple[Label, Label]:
    queries = counted(one.n_queries, "query")
    return (
        Label(_LEFT, y, shortened_name(one.value, _NAME) or _BLANK),
        Label(
            _RIGHT,
            y,
            f"only {queries}" if one.small else queries,
            "end",
            "warn" if one.small else "soft",
        ),
    )


def _bar(one: Slice, measure: str, axis: Axis, *, top: float, style: str, name: str) -> Bar:
    mean = one.mean[measure]
    start, end = sorted((axis.at(0.0), axis.at(mean)))
    said = f"{name}, {one.value}: {score(mean)} {interval(one.ci.get(measure))}".rstrip()
    return Bar(start, top, round(end - start, 1), _BAR - 2, style, said)


def _whisker(one: Slice, measure: str, axis: Axis, y: float) -> tuple[Line, ...]:
    if measure not in one.ci:
        return ()
    low, high = (axis.at(edge) for edge in one.ci[measure])
    return (Line(((low, y), (high, y)), "whisker over"),)


def _drawn_models(result: EvaluationResult, measure: str) -> Sequence[int]:
    """Return the places of the models to draw: all if they are few, else the best."""
    places = range(len(result.models))
    if len(result.models) <= _MODELS:
        return places
    best = leader(result, measure)
    ranked = sorted(
        places,
        key=lambda place: (
            result.models[place].name != best,
            -result.models[place].table.mean[measure],
        ),
    )
    return sorted(ranked[:_MODELS])


def _table(result: EvaluationResult, field: _Field) -> Table:
    measure = field.measure
    return Table(
        f"{measure} by {field.name}",
        (
            Head(field.name, numeric=False),
            Head("Queries"),
            *(Head(model.name) for model in result.models),
        ),
        tuple(
            (
                Cell(shortened(value, 120) or _BLANK),
                Cell(
                    f"{one.n_queries:,}",
                    "few" if one.small else "",
                    "warning" if one.small else "",
                ),
                *(
                    Cell(score(found.mean[measure]), interval(found.ci.get(measure)))
                    if (found := own.get(value))
                    else Cell(ABSENT)
                    for own in field.held
                ),
            )
            for value, one in field.groups.items()
        ),
    )
