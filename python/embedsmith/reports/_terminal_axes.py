"""Latency, smaller vectors, slices, recall by depth and worst queries as plain text."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from embedsmith._phrases import counted
from embedsmith.reports._columns import Column, lay_out

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embedsmith.evaluation import EvaluationResult, LatencyBucket, ModelResult, WorstQuery

__all__ = ["axis_sections"]

# More is in result.json, and in a report made of it.
_SHOWN_WORST = 3
_SHOWN_POINTS = (1, 3, 5, 10, 20, 50, 100, 1000)


def axis_sections(result: EvaluationResult, *, width: int) -> list[str]:
    """Return what an evaluation found beside its table, one text for each part that it has.

    Parameters
    ----------
    result : EvaluationResult
        What to show.
    width : int
        Characters per line.

    Returns
    -------
    list of str
        Empty if nothing of it was asked for.
    """
    return [
        section
        for section in (
            _latency(result.models, width),
            _variants(result, width),
            _recall(result.models, width),
            _slices(result, width),
            _worst(result, width),
        )
        if section
    ]


def _latency(models: Sequence[ModelResult], width: int) -> str:
    timed = [model for model in models if model.timing.latency_buckets]
    if not timed:
        return ""
    blocks = [
        _fill(
            "Time to embed one batch, p50 / p95 / p99 in milliseconds over the calls counted "
            "beside them, by length of the texts and texts per batch.",
            width,
            "  ",
        )
    ]
    for model in timed:
        buckets = model.timing.latency_buckets
        lengths = tuple(dict.fromkeys(bucket.length for bucket in buckets if not bucket.cold))
        key = Column(model.name, lengths, "left")
        columns = []
        for size in sorted({bucket.batch_size for bucket in buckets if not bucket.cold}):
            found = {b.length: b for b in buckets if b.batch_size == size and not b.cold}
            cells = [_milliseconds(found.get(length)) for length in lengths]
            columns.append([Column(f"batches of {size}", tuple(cells))])
        device = (model.encoder.device if model.encoder else None) or "cpu"
        told = f"On {device} ({model.timing.hardware})." if model.timing.hardware else ""
        for cold in (bucket for bucket in buckets if bucket.cold):
            told += f" The first call after loading, one text: {cold.p50_ms:,.1f} ms."
        table = lay_out(key, columns, width=width)
        blocks.append("\n".join(part for part in (table, _fill(told.strip(), width, "  ")) if part))
    return "\n\n".join(blocks)


def _milliseconds(bucket: LatencyBucket | None) -> str:
    if bucket is None:
        return "-"
    # Below 10 ms a tenth is too coarse.
    shown = (
        f"{one:,.1f}" if one >= 10 else f"{one:.2f}"  # noqa: PLR2004 - as said above
        for one in (bucket.p50_ms, bucket.p95_ms, bucket.p99_ms)
    )
    return f"{' / '.join(shown)} ({bucket.n})"


def _variants(result: EvaluationResult, width: int) -> str:
    models = [model for model in result.models if model.variants and model.dim is not None]
    if not models:
        return ""
    measure = result.settings.measures[0]
    blocks = [_fill(note, width, "  ") for note in _variant_notes(result)]
    for model in models:
        # Of the same queries, so the paired interval is what tells a loss from chance.
        key = Column(
            model.name, (f"{model.dim} f32", *(one.name for one in model.variants)), "left"
        )
        sizes = (4 * (model.dim or 0), *(one.bytes_per_vector for one in model.variants))
        means = (model.table.mean[measure], *(one.mean[measure] for one in model.variants))
        # A measure that is no mean over queries has no paired difference.
        found = [one.difference.get(measure) for one in model.variants]
        losses = [f"{one[0]:+.3f} [{one[1]:+.3f}, {one[2]:+.3f}]" if one else "-" for one in found]
        columns = [
            Column("bytes", tuple(f"{size:,}" for size in sizes)),
            Column(measure, tuple(f"{mean:.3f}" for mean in means)),
            Column("difference to the full model", ("", *losses)),
        ]
        blocks.append(lay_out(key, [columns], width=width))
    return "\n\n".join(["\n".join(blocks[: -len(models)]), *blocks[-len(models) :]])


def _variant_notes(result: EvaluationResult) -> Iterator[str]:
    forms = [variant for model in result.models for variant in model.variants]
    yield (
        "Smaller vectors: columns and precision, bytes that one document takes. Differences are "
        f"paired, with their {100 * result.settings.confidence:g} % interval. A cut vector of "
        "length 1 is scaled to it again; every search is exact."
    )
    if any(form.precision == "int8" or form.rescore == "int8" for form in forms):
        yield (
            "int8: documents in 256 steps of each column's range over all documents, a code "
            "standing for the middle of its step; queries in float32."
        )
    if any(form.precision == "binary" for form in forms):
        yield "binary: signs of documents and queries, compared by Hamming distance."
    if any(form.rescore for form in forms):
        yield (
            f"+: the best {result.settings.rescore_depth:,} of it scored again by queries in "
            "float32 and documents as named, whose bytes come on top."
        )


def _recall(models: Sequence[ModelResult], width: int) -> str:
    curves = [(model.name, model.curve) for model in models if model.curve is not None]
    if not curves:
        return ""
    points = [k for k in _SHOWN_POINTS if all(k in curve.ks for _, curve in curves)]
    key = Column("recall at", tuple(name for name, _ in curves), "left")
    columns = [
        Column(f"{k:,}", tuple(f"{curve.recall[curve.ks.index(k)]:.3f}" for _, curve in curves))
        for k in points
    ]
    return lay_out(key, [[column] for column in columns], width=width)


def _slices(result: EvaluationResult, width: int) -> str:
    models = [model for model in result.models if model.slices]
    if not models:
        return ""
    measure = next(iter(models[0].slices[0].mean))
    level = 100 * result.settings.confidence
    note = (
        f"By group of queries, {measure}, with the {level:g} % interval of its mean. "
        f"!: fewer than {counted(result.settings.small_slice, 'query', 'queries')}. Of many "
        "groups some lie outside their intervals by chance."
    )
    blocks = [_fill(note, width)]
    for field in result.settings.slices:
        rows = [group for group in models[0].slices if group.field == field]
        key = Column(field, tuple(group.value for group in rows), "left")
        sizes = Column("queries", tuple(f"{g.n_queries:,}{'!' if g.small else ''}" for g in rows))
        columns = [
            [
                Column(
                    model.name,
                    tuple(
                        _with_ends(group.mean[measure], group.ci.get(measure))
                        for group in model.slices
                        if group.field == field
                    ),
                )
            ]
            for model in models
        ]
        blocks.append(lay_out(key, [[sizes], *columns], width=width))
    return "\n\n".join(blocks)


def _with_ends(mean: float, ends: tuple[float, float] | None) -> str:
    # A count has no interval.
    return f"{mean:.3f} [{ends[0]:.3f}, {ends[1]:.3f}]" if ends else f"{mean:.3f}"


def _worst(result: EvaluationResult, width: int) -> str:
    models = [model for model in result.models if model.worst]
    if not models:
        return ""
    measure = models[0].worst[0].measure
    model = max(models, key=lambda candidate: candidate.table.mean[measure])
    shown = model.worst[:_SHOWN_WORST]
    heading = (
        f"Worst queries of {model.name} by {measure}, {len(shown)} of the {len(model.worst)} kept:"
    )
    lines = [line for query in shown for line in _query_lines(query, model.depth, width)]
    return "\n".join([_fill(heading, width), *lines])


def _query_lines(query: WorstQuery, depth: int, width: int) -> Iterator[str]:
    text = f" {query.text}" if query.text else ""
    yield _fill(f"  {query.query_id} ({query.value:.3f}):{text}", width, "    ")
    wanted = ", ".join(
        f"{doc.doc_id} " + (f"(rank {doc.rank})" if doc.rank else f"(not in the first {depth})")
        for doc in query.expected[:_SHOWN_WORST]
    )
    yield _fill(f"    expected {wanted}", width, "      ")
    found = ", ".join(doc.doc_id for doc in query.retrieved[:_SHOWN_WORST]) or "nothing"
    yield _fill(f"    found {found}", width, "      ")


def _fill(text: str, width: int, indent: str = "") -> str:
    # A name or a path that is broken cannot be copied.
    return textwrap.fill(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
