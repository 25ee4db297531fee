"""Reads config.json of a transformer, and refuses by name what the writer does not know."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from embedsmith.exceptions import ModelError

if TYPE_CHECKING:
    from embedsmith._typing import Json

__all__ = ["FAMILIES", "TransformerConfig"]

FAMILIES = ("bert", "roberta", "xlm-roberta", "camembert", "mpnet", "distilbert", "modernbert")
_KINDS = {"full_attention": "full", "sliding_attention": "near"}
_BASES = {
    "full": ("full_attention", "global", 160_000.0),
    "near": ("sliding_attention", "local", 1e4),
}
# Beyond, frequencies are no numbers in float32.
_LARGEST_BASE = 1e12
# Nobody has built deeper ones; a damaged file must not ask for all memory.
_DEEPEST = 1024


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes and switches of a transformer.

    Attributes
    ----------
    family : str
        ``model_type`` of config.json.
    hidden, inner, layers, heads, vocabulary, places : int
        Widths of a token's vector and of the feed-forward part; counts of layers, heads, words
        and positions.
    token_types : int
        Rows of the table of token types; 0 if there is none.
    activation : str
        Of the feed-forward part.
    epsilon : float
        Of the normalisations.
    padding_id : int
        Token that fills up.
    """

    family: str
    hidden: int
    inner: int
    layers: int
    heads: int
    vocabulary: int
    places: int
    token_types: int
    activation: str
    epsilon: float
    padding_id: int
    # Of ModernBERT only.
    layer_kinds: tuple[str, ...] = ()
    rope_bases: dict[str, float] = field(default_factory=dict)
    window: int = 0
    norm_bias: bool = True
    attention_bias: bool = True
    inner_bias: bool = True

    @classmethod
    def read(cls, config: Json, *, where: str) -> TransformerConfig:
        """Take the sizes from ``config``.

        Raises
        ------
        ModelError
            If the family, or a switch, is not known here; names the backend that runs it.
        """
        family = str(config.get("model_type"))
        if family not in FAMILIES:
            msg = (
                f"{where} is of the family {family!r}; {', '.join(FAMILIES)} can be exported. "
                "Run it with the torch backend: st:MODEL."
            )
            raise ModelError(msg)
        take = _Taker(config, where)
        if family == "distilbert":
            return cls(
                family,
                hidden=take.count("dim"),
                inner=take.count("hidden_dim"),
                layers=take.count("n_layers"),
                heads=take.count("n_heads"),
                vocabulary=take.count("vocab_size"),
                places=take.count("max_position_embeddings"),
                token_types=0,
                activation=str(config.get("activation", "gelu")),
                epsilon=1e-12,
                padding_id=int(config.get("pad_token_id") or 0),
            ).checked(take)
        take.refuse_switches()
        common: dict[str, Any] = {
            "hidden": take.count("hidden_size"),
            "inner": take.count("intermediate_size"),
            "layers": take.count("num_hidden_layers"),
            "heads": take.count("num_attention_heads"),
            "vocabulary": take.count("vocab_size"),
            "places": take.count("max_position_embeddings"),
        }
        if family == "modernbert":
            return cls(family, **common, **_modernbert(take, common["layers"])).checked(take)
        default = {"bert": 0}.get(family, 1)
        padding = config.get("pad_token_id")
        return cls(
            family,
            **common,
            token_types=0 if family == "mpnet" else take.count("type_vocab_size"),
            activation=str(config.get("hidden_act", "gelu")),
            epsilon=float(config.get("layer_norm_eps", 1e-12)),
            padding_id=default if padding is None else int(padding),
        ).checked(take)

    def checked(self, take: _Taker) -> TransformerConfig:
        """Refuse sizes that do not fit each other."""
        if self.hidden % self.heads:
            take.refuse(f"{self.heads} heads do not divide {self.hidden} columns")
        return self


class _Taker:
    """Takes checked values from config.json."""

    def __init__(self, config: Json, where: str) -> None:
        self.config = config
        self.where = where

    def refuse(self, reason: str) -> None:
        msg = f"{self.where}/config.json: {reason}. Take the model from its source again."
        raise ModelError(msg)

    def refuse_place(self, name: str, value: object) -> None:
        msg = (
            f"{self.where}/config.json: {name} is {value!r}: layers that see or turn places so "
            "cannot be exported. Run the model with the torch backend: st:MODEL."
        )
        raise ModelError(msg)

    def count(self, name: str, usual: int | None = None) -> int:
        value = self.config.get(name)
        if value is None:
            value = usual
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            self.refuse(f"{name} is {value!r}, a positive number was expected")
        return int(value)  # type: ignore[arg-type]  # checked above

    def refuse_switches(self) -> None:
        """Refuse what changes the computation in ways that are not written here."""
        for name, plain in (
            ("position_embedding_type", ("absolute", None)),
            ("is_decoder", (False, None)),
            ("add_cross_attention", (False, None)),
            ("embedding_size", (None, self.config.get("hidden_size"))),
        ):
            value = self.config.get(name)
            if value not in plain:
                msg = (
                    f"{self.where}/config.json sets {name} to {value!r}, which cannot be exported. "
                    "Run the model with the torch backend: st:MODEL."
                )
                raise ModelError(msg)


def _modernbert(take: _Taker, layers: int) -> Json:
    config, given = take.config, take.config.get("layer_types")
    if layers > _DEEPEST:
        take.refuse_place("num_hidden_layers", layers)
    every = take.count("global_attn_every_n_layers", 3)
    kinds = given or ["sliding_attention" if n % every else "full_attention" for n in range(layers)]
    if (
        not isinstance(kinds, list)
        or len(kinds) != layers
        or any(k not in list(_KINDS) for k in kinds)
    ):
        take.refuse_place("layer_types", given)
    if config.get("rope_scaling"):
        take.refuse_place("rope_scaling", config["rope_scaling"])
    window = take.count("local_attention", 128) // 2
    if window == 0:
        take.refuse_place("local_attention", config["local_attention"])
    return {
        "token_types": 0,
        "activation": str(config.get("hidden_activation", "gelu")),
        "epsilon": float(config.get("norm_eps", 1e-5)),
        "padding_id": int(config.get("pad_token_id") or 0),
        "layer_kinds": tuple(_KINDS[kind] for kind in kinds),
        "rope_bases": {kind: _rope_base(take, *names) for kind, names in _BASES.items()},
        "window": window,
        "norm_bias": bool(config.get("norm_bias", False)),
        "attention_bias": bool(config.get("attention_bias", False)),
        "inner_bias": bool(config.get("mlp_bias", False)),
    }


def _rope_base(take: _Taker, new: str, old: str, usual: float) -> float:
    ropes = take.config.get("rope_parameters") or {}
    if not isinstance(ropes, dict) or not ropes.keys() <= {name for name, _, _ in _BASES.values()}:
        take.refuse_place("rope_parameters", ropes)
    given = ropes.get(new) or {}
    if not isinstance(given, dict) or given.get("rope_type", "default") != "default":
        take.refuse_place(f"rope_parameters of {new}", given)
    name = f"{old}_rope_theta"
    base: Any = given.get("rope_theta", take.config.get(name))
    if base is None:
        return usual
    if (
        isinstance(base, bool)
        or not isinstance(base, int | float)
        or not 1 <= base <= _LARGEST_BASE
    ):
        take.refuse_place(f"the base of {new} ({name})", base)
    return float(base)
