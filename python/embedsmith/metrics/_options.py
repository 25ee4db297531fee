"""How runs are measured: rules, switches, and the presets that set them as other tools do."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from embedsmith.exceptions import MeasureError
from embedsmith.metrics._inputs import check_choice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from embedsmith.metrics._kinds import Kind
    from embedsmith.metrics._measures import Measure

__all__ = ["Missing", "Options", "Preset", "ScoreDtype", "Ties", "check_expectations", "options"]

Ties: TypeAlias = Literal["docid_desc", "docid_asc", "input", "expected", "best", "worst", "error"]
Missing: TypeAlias = Literal["zero", "skip", "error"]
ScoreDtype: TypeAlias = Literal["f64", "f32"]
Preset: TypeAlias = Literal[
    "trec_eval-9",
    "trec_eval-10",
    "pytrec_eval",
    "beir",
    "mteb",
    "sentence-transformers",
    "msmarco",
]


def _as_it_is(measure: Measure) -> Measure:
    return measure


@dataclass(frozen=True)
class Options:
    """The rules of one evaluation."""

    ties: Ties = "docid_desc"
    missing: Missing = "zero"
    no_relevant: Missing = "zero"
    unjudged: Missing = "skip"
    score_dtype: ScoreDtype = "f64"
    ignore_self: bool = False
    preset: Preset | None = None
    # What the preset makes of a measure's name.
    meant: Callable[[Measure], Measure] = field(default=_as_it_is)
    # Kinds that the preset's tool computes by code of its own, with other ties and scores.
    apart: Mapping[Kind, tuple[Ties, ScoreDtype]] = field(default_factory=dict)

    def of(self, measure: Measure) -> tuple[Ties, ScoreDtype]:
        """Return the rule for ties and the scores' type that hold for a measure."""
        if measure.kind == "R" and not measure.cap:
            return self.ties, self.score_dtype
        return self.apart.get(measure.kind, (self.ties, self.score_dtype))


def _nearest_levels(measure: Measure) -> Measure:
    if measure.kind in ("IPrec", "11pt"):
        return replace(measure, rounding="trec_eval-10")
    return measure


def _per_query_holes(measure: Measure) -> Measure:
    if measure.kind == "Hole":
        msg = (
            f"{measure}: this tool counts a document as judged if it is judged for any query, "
            "embedsmith if it is for the query at hand. Measure it without a preset."
        )
        raise MeasureError(msg)
    return measure


def _binary(measure: Measure) -> Measure:
    if measure.kind in ("nDCG", "DCG") and measure.gain == "linear":
        return replace(measure, gain="binary")
    if measure.kind == "AP" and measure.cutoff is not None:
        return replace(measure, norm="min_k")
    return measure


def _first_ten(measure: Measure) -> Measure:
    return replace(measure, cutoff=10) if str(measure) == "RR" else measure


_PRESETS: dict[Preset, Options] = {
    "trec_eval-9": Options(score_dtype="f32"),
    "trec_eval-10": Options(meant=_nearest_levels),
    "pytrec_eval": Options(score_dtype="f32", missing="skip"),
    "beir": Options(
        score_dtype="f32",
        missing="skip",
        ignore_self=True,
        meant=_per_query_holes,
        apart=dict.fromkeys(("RR", "R", "Success"), ("input", "f64")),
    ),
    "mteb": Options(
        score_dtype="f32",
        missing="skip",
        meant=_per_query_holes,
        apart=dict.fromkeys(("RR", "R"), ("docid_desc", "f64")),
    ),
    "sentence-transformers": Options(ties="docid_asc", no_relevant="skip", meant=_binary),
    "msmarco": Options(ties="input", meant=_first_ten),
}


def options(
    preset: Preset | None,
    *,
    ties: Ties | None,
    missing: Missing | None,
    no_relevant: Missing | None,
    unjudged: Missing,
    score_dtype: ScoreDtype | None,
    ignore_self: bool | None,
) -> Options:
    """Return the rules of a preset, with those that were named instead of its own.

    A rule for ties or a type of scores that is named holds for every measure.
    """
    if preset is not None:
        check_choice("preset", preset, get_args(Preset))
    own = Options() if preset is None else replace(_PRESETS[preset], preset=preset)
    if ties is not None:
        check_choice("ties", ties, get_args(Ties))
        own = replace(
            own, ties=ties, apart={k: (ties, dtype) for k, (_, dtype) in own.apart.items()}
        )
    if score_dtype is not None:
        check_choice("score_dtype", score_dtype, get_args(ScoreDtype))
        apart = {k: (rule, score_dtype) for k, (rule, _) in own.apart.items()}
        own = replace(own, score_dtype=score_dtype, apart=apart)
    for name, switch in (
        ("missing", missing),
        ("no_relevant", no_relevant),
        ("unjudged", unjudged),
    ):
        if switch is not None:
            check_choice(name, switch, get_args(Missing))
    return replace(
        own,
        missing=missing or own.missing,
        no_relevant=no_relevant or own.no_relevant,
        unjudged=unjudged,
        ignore_self=own.ignore_self if ignore_self is None else ignore_self,
    )


def check_expectations(measures: tuple[Measure, ...], own: Options) -> None:
    """Refuse measures whose expected value over tied documents has no closed form."""
    for measure in measures:
        if own.of(measure)[0] == "expected" and not measure.has_expectation:
            msg = (
                f'{measure} has no closed form for ties="expected". '
                'Choose another rule, such as ties="docid_desc", or bound it by "best" and "worst".'
            )
            raise MeasureError(msg)
