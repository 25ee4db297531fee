"""What embedding a corpus would take of a service, counted without asking it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedsmith.backends import load_encoder
from embedsmith.backends.api._estimate import Estimate, estimate
from embedsmith.bulk._rows import cut_in_shards
from embedsmith.bulk._settings import SHARD_BYTES, SHARD_ROWS
from embedsmith.bulk._text_table import WORK_FILE, TextTable
from embedsmith.datasets import stream_corpus

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from embedsmith.backends import Role
    from embedsmith.datasets import Corpus, CorpusFormat

__all__ = ["estimate_corpus"]


def estimate_corpus(
    corpus: Corpus | str | os.PathLike[str],
    model: str,
    *,
    role: Role = "document",
    format: CorpusFormat | None = None,  # noqa: A002 - as of `embed_corpus`
    columns: Mapping[str, str] | None = None,
    **load_options: Any,
) -> tuple[str, Estimate]:
    """Return a model's name, and what embedding a corpus would cost: nothing is sent or kept.

    Equal texts count once, and those of the cache cost nothing. What a folder of an earlier run
    holds is not looked at.
    """
    stream = stream_corpus(corpus, format=format, columns=columns)
    encoder = load_encoder(model, **load_options)
    parts: list[Estimate] = []
    try:
        with tempfile.TemporaryDirectory() as scratch:
            table = TextTable(Path(scratch) / WORK_FILE)
            try:
                shards = cut_in_shards(stream, most_rows=SHARD_ROWS, most_bytes=SHARD_BYTES)
                for rows in shards:
                    known = table.planned(rows.hashes)
                    fresh = {
                        key: (rows.number, row)
                        for row, key in enumerate(rows.hashes)
                        if key not in known
                    }
                    table.add_planned(fresh)
                    texts = [rows.texts[row] for _, row in fresh.values()]
                    parts.append(estimate(encoder, {role: texts}))
            finally:
                table.close()
        return encoder.name, _together(parts or [estimate(encoder, {role: []})])
    finally:
        encoder.close()


def _together(parts: list[Estimate]) -> Estimate:
    """Add up; each part has its own probe of the service, of which there will be one."""
    first = parts[0]
    tokens = [part.n_tokens for part in parts if part.n_tokens is not None]
    costs = [part.cost for part in parts if part.cost is not None]
    return Estimate(
        host=first.host,
        n_texts=sum(part.n_texts for part in parts),
        n_cached=sum(part.n_cached for part in parts),
        n_tokens=sum(tokens) if first.n_tokens is not None else None,
        exact=first.exact and (len(parts) == 1 or first.host is None),
        tokens=first.tokens,
        cost=None if first.cost is None else sum(costs[1:], costs[0]),
        price=first.price,
    )
