"""What has to be known beside a table of models: how it was counted, and what limits it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedsmith._phrases import counted, plural
from embedsmith.reports._numbers import moment
from embedsmith.reports._subject import ranks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embedsmith.evaluation import DataSummary, EvaluationResult, ModelResult

__all__ = ["notes"]


def notes(result: EvaluationResult) -> Iterator[str]:
    """Yield one sentence or two for each thing to know, in plain text."""
    models = result.models
    yield _interval_note(result) + _kept(result)
    yield from _speed_notes(result)
    for model in models:
        if model.encoder is not None and model.encoder.chosen is not None:
            precision = model.encoder.producer.get("precision")
            form = "" if precision is None else f" in {precision}"
            yield f"{model.name} ran as {model.spec}{form}: {model.encoder.chosen}."
    for model in models:
        cut = model.truncation
        if cut.documents or cut.queries:
            tokens = (cut.tokens_documents or 0) + (cut.tokens_queries or 0)
            texts = f"{cut.queries:,} of {cut.n_queries:,} texts"
            if ranks(result):
                texts = (
                    f"{cut.documents:,} of {cut.n_documents:,} documents and {cut.queries:,} of "
                    f"{cut.n_queries:,} queries"
                )
            yield (
                f"{model.name} reads {counted(cut.max_tokens or 0, 'token')}: {texts} are longer "
                f"and were cut: {cut.tokens_cut_documents + cut.tokens_cut_queries:,} of "
                f"{tokens:,} tokens."
            )
    for model in models:
        yield from _count_notes(model)
        yield from (f"{model.name}: {note}" for note in model.details.get("notes", ()))
    # The judgements' own, and so the same for every model.
    n_no_relevant = models[0].table.n_no_relevant
    if n_no_relevant and ranks(result):
        have, score = ("has", "it scores") if n_no_relevant == 1 else ("have", "they score")
        yield (
            f"{n_no_relevant:,} of {result.data.n_queries:,} queries {have} no relevant document; "
            f"{score} 0."
        )
    yield from _text_notes(result.data)
    if result.data.n_unjudged:
        unjudged = counted(result.data.n_unjudged, "query")
        yield f"Left out, since this split does not judge them: {unjudged}."
    if result.data.n_dropped:
        dropped = counted(result.data.n_dropped, "judgement")
        yield f"Dropped, since their documents are unknown (--allow-missing): {dropped}."


def _interval_note(result: EvaluationResult) -> str:
    settings, table = result.settings, result.models[0].table
    unit = plural(result.data.unit)
    whole = table.whole_set
    how = f"of the mean over {unit} (BCa bootstrap"
    if whole:
        drawn = f"{table.settings['n_resamples_whole_set']:,} resamples of the {unit}"
        if result.task == "classification":
            drawn += " and experiments"
        how = f"over {drawn} (percentile bootstrap"
        if len(whole) < len(table.measures):
            how += f", for {', '.join(whole)}; BCa for the others"
    return f"[low, high]: {100 * settings.confidence:g} % interval {how}, seed {settings.seed})."


def _kept(result: EvaluationResult) -> str:
    n_documents, depth = result.data.n_documents, result.settings.depth
    if not ranks(result):
        return ""
    if n_documents <= depth:
        return f" Kept for each query: all {counted(n_documents, 'document')}."
    return f" Kept for each query: the best {counted(depth, 'document')}."


def _speed_notes(result: EvaluationResult) -> Iterator[str]:
    latencies = [model.timing.latency for model in result.models if model.timing.latency]
    if latencies:
        timed = counted(latencies[0].n_queries, "query")
        alone = "embed and search one query"
        if result.task != "retrieval":
            timed, alone = counted(latencies[0].n_queries, "text"), "embed one text"
        yield (f"p50, p95: time to {alone} alone, {timed} after a warm-up.")
    yield (
        "peak memory: of the whole process, with the libraries that an earlier model had loaded."
    )
    dates = sorted(
        {moment(when) for model in result.models for when in model.timing.earlier.values()}
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
    unlimited = [model for model in result.models if model.truncation.max_tokens is None]
    if any(model.encoder is None or model.encoder.service is None for model in unlimited):
        yield "texts cut is - for a model without a limit: it reads every text to its end."
    for model in result.models:
        yield from _service_notes(model)


def _service_notes(model: ModelResult) -> Iterator[str]:
    """Say where texts went, what is known of their tokens, and what this run cost."""
    service = model.encoder and model.encoder.service
    if not service:
        return
    used = model.timing.usage or {}
    text = f"{model.name}: embedded at {service['host']}; texts that are too long: "
    text += f"{service['too_long']}. "
    if used.get("n_attempts"):
        read = counted(used["n_tokens"], "token")
        text += f"This run: {counted(used['n_requests'], 'request')}, {read}"
        if used["n_tokens_uncertain"]:
            text += (
                f", and up to {used['n_tokens_uncertain']:,} more in attempts without an answer, "
                "which may be billed"
            )
        price = used["price"]
        text += (
            "; no price is known."
            if price is None
            else f"; ${used['cost_usd']} at ${price['usd_per_million_tokens']} per million tokens "
            f"({price['source']}, {price['date']})."
        )
    else:
        text += "This run sent nothing."
    yield text


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
