"""What BERT and its kin call their weights, and how they count places."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["POST_NORM", "PostNormNames"]


@dataclass(frozen=True)
class PostNormNames:
    """What a family calls its weights, and where its count of places starts.

    Attributes
    ----------
    prefixes : tuple of str
        What may stand before all names, in a model saved with a head.
    layer : str
        Name of a layer, with ``{}`` for its number.
    query, key, value, out : str
        The products of attention.
    attention_norm : str
        After attention.
    inner, outer : str
        The products of the feed-forward part.
    outer_norm : str
        After it.
    counts_tokens : bool
        Whether places are counted over what is no padding, from the padding's id on.
    padding_id : int or None
        The id, if the family fixes it; None takes config.json's.
    """

    prefixes: tuple[str, ...]
    layer: str
    query: str
    key: str
    value: str
    out: str
    attention_norm: str
    inner: str
    outer: str
    outer_norm: str
    counts_tokens: bool = False
    padding_id: int | None = None


def _bert(prefix: str, *, counts_tokens: bool) -> PostNormNames:
    return PostNormNames(
        prefixes=("", f"{prefix}."),
        layer="encoder.layer.{}.",
        query="attention.self.query",
        key="attention.self.key",
        value="attention.self.value",
        out="attention.output.dense",
        attention_norm="attention.output.LayerNorm",
        inner="intermediate.dense",
        outer="output.dense",
        outer_norm="output.LayerNorm",
        counts_tokens=counts_tokens,
    )


POST_NORM = {
    "bert": _bert("bert", counts_tokens=False),
    "roberta": _bert("roberta", counts_tokens=True),
    "xlm-roberta": _bert("roberta", counts_tokens=True),
    "camembert": _bert("roberta", counts_tokens=True),
    "mpnet": PostNormNames(
        prefixes=("", "mpnet."),
        layer="encoder.layer.{}.",
        query="attention.attn.q",
        key="attention.attn.k",
        value="attention.attn.v",
        out="attention.attn.o",
        attention_norm="attention.LayerNorm",
        inner="intermediate.dense",
        outer="output.dense",
        outer_norm="output.LayerNorm",
        counts_tokens=True,
        padding_id=1,
    ),
    "distilbert": PostNormNames(
        prefixes=("", "distilbert."),
        layer="transformer.layer.{}.",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        out="attention.out_lin",
        attention_norm="sa_layer_norm",
        inner="ffn.lin1",
        outer="ffn.lin2",
        outer_norm="output_layer_norm",
    ),
}
