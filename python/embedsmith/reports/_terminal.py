"""An evaluation as plain text, for a terminal, a pipe or a log."""

from __future__ import annotations

import textwrap
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from embedsmith._phrases import counted
from embedsmith.reports._columns import Column, fits, lay_out
from embedsmith.reports._table import model_table
from embedsmith.reports._terminal_axes import axis_sections

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from embedsmith.evaluation import DataSummary, EvaluationResult, ModelResult
    from embedsmith.metrics import PairDifference

__all__ = ["evaluation_report"]


def evaluation_report(
    result: EvaluationResult, *, width: int = 100, folder: Path | None = None
) -> str:
    """Return the whole result as text: table, notes, differences, verdicts.

    Parameters
    ----------
    result : EvaluationResult
        What to show.
    width : int, default 100
        Characters per line. From 60 on nothing needs to be cut; paths are never broken.
    folder : Path, optional
        Where the result was written, for the last line.

    Returns
    -------
    str
        No colours, no control characters, no newline at the end.
    """
    parts = [
        _fill(_heading(result), width),
        model_table(result.models, result.settings.measures, width=width),
        "\n".join(_fill(note, width, "  ") for note in _notes(result)),
    ]
    if result.comparison is not None:
        parts.append(_differences(result, width))
    parts += axis_sections(result, width=width)
    parts.append(
        "Verdict\n" + "\n".join(_fill(model.statement, width, "  ") for model in result.models)
    )
    if folder is not None:
        files = "result.json, qrels.txt, and one TREC run file per model"
        parts.append(f"Written to {folder}: {files}.")
    return "\n\n".join(parts)


def _heading(result: EvaluationResult) -> str:
    data = result.data
    return (
        f"{data.name}, split {data.split}: {counted(data.n_queries, 'query', 'queries')}, "
        f"{counted(data.n_documents, 'document')}, {counted(data.n_judgements, 'judgement')}"
    )


def _notes(result: EvaluationResult) -> Iterator[str]:
    settings, models = result.settings, result.models
    n_documents = result.data.n_documents
    n_documents = result.data.n_documents
    kept = (
        f"all {counted(n_documents, 'document')}"
        if n_documents <= settings.depth
        else f"the best {counted(settings.depth, 'document')}"
    )
    yield (
        f"[low, high]: {100 * settings.confidence:g} % interval of the mean over queries (BCa "
        f"bootstrap, seed {settings.seed}). Kept for each query: {kept}."
    )
    yield from _speed_notes(result)
    for model in models:
        cut = model.truncation
        if cut.documents or cut.queries:
            tokens = (cut.tokens_documents or 0) + (cut.tokens_queries or 0)
            yield (
                f"{model.name} reads {counted(cut.max_tokens or 0, 'token')}: {cut.documents:,} of "
                f"{cut.n_documents:,} documents and {cut.queries:,} of {cut.n_queries:,} queries "
                f"are longer and were cut: {cut.tokens_cut_documents + cut.tokens_cut_queries:,} "
                f"of {tokens:,} tokens."
            )
    for model in models:
        yield from _count_notes(model)
    # The judgements' own, and so the same for every model.
    n_no_relevant = models[0].table.n_no_relevant
    if n_no_relevant:
        have, score = ("has", "it scores") if n_no_relevant == 1 else ("have", "they score")
        yield (
            f"{n_no_relevant:,} of {result.data.n_queries:,} queries {have} no relevant document; "
            f"{score} 0."
        )
    yield from _text_notes(result.data)
    if result.data.n_unjudged:
        unjudged = counted(result.data.n_unjudged, "query", "queries")
        yield f"Left out, since this split does not judge them: {unjudged}."
    if result.data.n_dropped:
        dropped = counted(result.data.n_dropped, "judgement")
        yield f"Dropped, since their documents are unknown (--allow-missing): {dropped}."


def _speed_notes(result: EvaluationResult) -> Iterator[str]:
    latencies = [model.timing.latency for model in result.models if model.timing.latency]
    if latencies:
        timed = counted(latencies[0].n_queries, "query", "queries")
        yield (f"p50, p95: time to embed and search one query alone, {timed} after a warm-up.")
    yield (
        "peak memory: of the whole process, with the libraries that an earlier model had loaded."
    )
    dates = sorted(
        {_moment(when) for model in result.models for when in model.timing.earlier.values()}
    )
    if dates:
        yield (
            f"*: measured on {', '.join(dates)}, by an earlier run; this one took embeddings from "
            "the cache."
        )
    if any(model.timing.throughput is None for model in result.models):
        yield (
            "texts/s is - where embeddings came from the cache, and no run before had embedded all "
            "of these texts on this machine, with these settings and library versions."
        )
    if len(latencies) < len(result.models):
        yield "p50, p95 are - where no query was timed alone (--latency-queries)."
    if any(model.dim is None for model in result.models):
        yield "dim is - for a model of words, which makes no vectors."
    if any(model.truncation.max_tokens is None for model in result.models):
        yield "texts cut is - for a model without a limit: it reads every text to its end."


def _text_notes(data: DataSummary) -> Iterator[str]:
    for count, of, what in (
        (data.n_blank_documents, data.n_documents, "documents {is} blank"),
        (data.n_blank_queries, data.n_queries, "queries {is} blank"),
        (data.n_repeated_documents, data.n_documents, "documents {repeat} the text of another"),
    ):
        if count:
            one = count == 1
            said = what.format(
                **({"is": "is", "repeat": "repeats"} if one else {"is": "are", "repeat": "repeat"})
            )
            were = "it was" if one else "they were"
            yield f"{count:,} of {of:,} {said}; {were} embedded and ranked like any other."


def _moment(stamp: str) -> str:
    return f"{datetime.fromisoformat(stamp).astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"


def _count_notes(model: ModelResult) -> Iterator[str]:
    table = model.table
    if model.n_empty:
        score = "it scores" if model.n_empty == 1 else "they score"
        yield (
            f"{model.name}: {model.n_empty:,} of {table.n_queries:,} queries found nothing; "
            f"{score} 0."
        )
    if table.tie_share:
        yield (
            f"{model.name}: {100 * table.tie_share:.1f} % of the relevant documents that were "
            "found share their score with another; ties rank by document id, descending, as in "
            "trec_eval."
        )


def _differences(result: EvaluationResult, width: int) -> str:
    comparison = result.comparison
    if comparison is None:
        return ""
    blocks = [
        _fill(
            "Paired differences over the same queries; p by a paired randomisation test, then "
            "corrected after Holm over all pairs of models, each measure on its own.",
            width,
        )
    ]
    names = comparison.names
    for first, a in enumerate(names):
        for b in names[first + 1 :]:
            pairs = [pair for pair in comparison.pairs if (pair.a, pair.b) == (a, b)]
            blocks.append(_fill(f"{b} against {a}", width) + "\n" + _pair_table(pairs, width))
    return "\n\n".join(blocks)


def _pair_table(pairs: Sequence[PairDifference], width: int) -> str:
    names = Column("measure", tuple(pair.measure for pair in pairs), "left")
    intervals = [f"[{pair.ci[0]:+.3f}, {pair.ci[1]:+.3f}]" for pair in pairs]
    tests = [
        Column("p", tuple(_p(pair.p) for pair in pairs)),
        Column("p (Holm)", tuple(_p(pair.p_corrected) for pair in pairs)),
        Column("won/tied/lost", tuple(f"{pair.wins}/{pair.ties}/{pair.losses}" for pair in pairs)),
        Column("verdict", tuple(pair.verdict for pair in pairs), "left"),
    ]

    def columns(separator: str) -> list[Column]:
        cells = (
            f"{pair.difference:+.4f}{separator}{interval}"
            for pair, interval in zip(pairs, intervals, strict=True)
        )
        return [Column("difference", tuple(cells)), *tests]

    beside = columns(" ")
    # Below each other, both fit a line of 80.
    chosen = beside if fits(names, beside, width=width) else columns("\n")
    return lay_out(names, [chosen], width=width)


def _p(value: float) -> str:
    return f"{value:.4f}" if round(value, 4) > 0 else "<0.0001"


def _fill(text: str, width: int, indent: str = "") -> str:
    # A name or a path that is broken cannot be copied.
    return textwrap.fill(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
