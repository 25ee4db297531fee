"""What models at services would be asked, and what that would cost, as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedsmith.reports._columns import Column, lay_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith.evaluation import CostEstimate

__all__ = ["estimates_report"]


def estimates_report(estimates: Sequence[CostEstimate]) -> str:
    """Return a table of texts, tokens and price, with what the numbers rest on below it.

    Parameters
    ----------
    estimates : sequence of CostEstimate
        One per model that makes vectors.

    Returns
    -------
    str
        Plain text.
    """
    if not estimates:
        return "Dry run: no model makes vectors, so nothing would be sent."
    names = Column("model", tuple(one.name for one in estimates), "left")
    columns = [
        Column("where", tuple(one.host or "this machine" for one in estimates), "left"),
        Column("texts", tuple(f"{one.n_texts:,}" for one in estimates)),
        Column("in cache", tuple(f"{one.n_cached:,}" for one in estimates)),
        Column("tokens to send", tuple(_tokens(one) for one in estimates)),
        Column("price", tuple(_cost(one) for one in estimates)),
    ]
    table = lay_out(names, [columns], width=160)
    lines = [table, "", "Dry run: nothing was sent, embedded or written."]
    for one in estimates:
        if one.tokens is not None:
            lines.append(f"{one.name}: tokens: {one.tokens}.")
        if one.price is not None:
            lines.append(
                f"{one.name}: ${one.price['usd_per_million_tokens']} per million tokens, "
                f"{one.price['date']}, {one.price['source']}: check that it still holds. Failed "
                "attempts may be billed too."
            )
        elif one.host is not None:
            lines.append(
                f"{one.name}: no price is known at {one.host}, and none is guessed; --prices names "
                "a table of your own."
            )
    return "\n".join(lines)


def _tokens(one: CostEstimate) -> str:
    if one.n_tokens is None:
        return "-"
    return f"{one.n_tokens:,}" if one.exact else f"at most {one.n_tokens:,}"


def _cost(one: CostEstimate) -> str:
    if one.host is None:
        return "-"
    if one.cost is None:
        return "unknown"
    return f"${one.cost:f}" if one.exact else f"at most ${one.cost:f}"
