"""What was asked of a mining run, checked before anything is computed."""

from __future__ import annotations

import difflib
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from embedsmith._validate import as_count, as_number
from embedsmith.exceptions import ShapeError

if TYPE_CHECKING:
    from embedsmith._typing import Json

__all__ = ["MarginTo", "Pool", "Settings", "Strategy", "choice"]

Strategy: TypeAlias = Literal["top", "window", "random", "softmax", "stratified"]
MarginTo: TypeAlias = Literal["min", "mean", "max", "each"]
Pool: TypeAlias = Literal["full", "st"]

# As many candidates for each negative wanted, where a strategy draws from a pool.
_POOL_TIMES = 10


@dataclass(frozen=True)
class Settings:
    """Which rows may become negatives, and which of them do.

    Attributes are the arguments of :func:`embedsmith.mine_hard_negatives`.
    """

    num_negatives: int = 3
    range_min: int = 0
    range_max: int | None = None
    max_score: float | None = None
    min_score: float | None = None
    absolute_margin: float | None = None
    relative_margin: float | None = None
    margin_to: MarginTo = "min"
    near_duplicate: float | None = None
    shingle_similarity: float | None = None
    sampling_strategy: Strategy = "top"
    temperature: float = 0.05
    seed: int = 0
    include_positives: bool = False

    def __post_init__(self) -> None:
        as_count("num_negatives", self.num_negatives)
        as_count("range_min", self.range_min, least=0)
        as_count("seed", self.seed, least=0)
        choice("sampling_strategy", self.sampling_strategy, get_args(Strategy))
        choice("margin_to", self.margin_to, get_args(MarginTo))
        if self.range_max is not None:
            as_count("range_max", self.range_max)
            room = self.range_max - self.range_min
            if room < self.num_negatives:
                msg = (
                    f"range_min={self.range_min} and range_max={self.range_max} leave "
                    f"{max(room, 0)} ranks for num_negatives={self.num_negatives}. Raise range_max "
                    "to at least range_min + num_negatives, or leave it out."
                )
                raise ShapeError(msg)
        for name in ("max_score", "min_score", "absolute_margin", "relative_margin"):
            _finite(name, getattr(self, name))
        for name in ("near_duplicate", "shingle_similarity"):
            value = _finite(name, getattr(self, name))
            if value is not None and not 0 < value <= 1:
                msg = f"{name}={value:g} is out of range; pass more than 0 and at most 1, or None."
                raise ShapeError(msg)
        low, high = self.min_score, self.max_score
        if low is not None and high is not None and low > high:
            msg = f"min_score={low:g} is above max_score={high:g}: no row scores so. Exchange them."
            raise ShapeError(msg)
        if not as_number("temperature", self.temperature) > 0:
            msg = f"temperature={self.temperature:g} must be above 0; smaller is nearer to 'top'."
            raise ShapeError(msg)

    @property
    def survivors(self) -> int:
        """How many candidates of a query are looked for."""
        if self.sampling_strategy == "top":
            return self.num_negatives
        if self.range_max is not None:
            return self.range_max - self.range_min
        return _POOL_TIMES * self.num_negatives

    @property
    def limits_scores(self) -> bool:
        """Whether any rule looks at scores."""
        rules = (self.max_score, self.min_score, self.absolute_margin, self.relative_margin)
        return any(rule is not None for rule in rules)

    def to_dict(self) -> Json:
        """Return the settings as JSON values."""
        return asdict(self)


def choice(argument: str, value: object, known: tuple[str, ...]) -> None:
    """Refuse a word that is none of the known ones, and offer the nearest.

    Raises
    ------
    ShapeError
        Naming all of them.
    """
    if value in known:
        return
    near = difflib.get_close_matches(str(value), known, n=1)
    meant = f"did you mean {near[0]!r}?" if near else "choose one of them:"
    msg = f"{argument}={value!r} is unknown; {meant} {', '.join(map(repr, known))}."
    raise ShapeError(msg)


def _finite(name: str, value: float | None) -> float | None:
    if value is None:
        return None
    number = as_number(name, value)
    if not math.isfinite(number):
        msg = f"{name}={value!r} is no finite number; pass one, or None for no limit."
        raise ShapeError(msg)
    return number
