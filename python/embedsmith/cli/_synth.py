"""``embedsmith synth``: queries for passages, by a model or by none."""

from __future__ import annotations

import enum
import json
import sys
import time
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from embedsmith._phrases import counted
from embedsmith.backends.api import ApiOptions
from embedsmith.cli._exit import EXIT_CODES_HELP, guarded, to_stdout
from embedsmith.cli._options import folder_path, not_empty, separator, words
from embedsmith.cli._service_options import (
    AllowHttp,
    BaseUrl,
    InFlight,
    Offline,
    Prices,
)
from embedsmith.synthesis import SyntheticQueries, estimate_synthesis, synthesize_queries
from embedsmith.synthesis._result import check_target
from embedsmith.synthesis._template import SHIPPED, shipped_text

if TYPE_CHECKING:
    from embedsmith._typing import Json
    from embedsmith.synthesis import SynthesisEstimate
    from embedsmith.synthesis._asking import Asked

__all__ = ["SYNTH_EPILOG", "synth_command"]

SYNTH_EPILOG = (
    """\b
Examples:
  embedsmith synth beir/fiqa --generator openai:gpt-4.1-mini --passages 200 --dry-run
  embedsmith synth beir/fiqa --generator openai:gpt-4.1-mini --passages 200 --max-cost 0.50 \\
    --encoder all-MiniLM-L6-v2 --style-queries real.jsonl --out synth/
  embedsmith synth corpus.jsonl --generator openai:llama --base-url http://localhost:8000/v1 \\
    --answer json --encoder bm25 --out synth/
  embedsmith synth corpus.jsonl --generator keywords --encoder bm25 --out synth/

CORPUS is a BEIR folder (no judgements are needed), JSON lines with _id and text, parquet, or lines
of text. DIR gets pairs.jsonl (query and positive, for mine, check-data and training), a BEIR folder
(corpus.jsonl, queries.jsonl, qrels/, manifest.json) for eval, rejected.jsonl, report.json, and
journal.jsonl: every answer, on the disk before it is used. Stop it as you like and give the command
again: what was answered is not paid again.

\b
Filters, in this order, each counted; every pair keeps what each found:
  format           broken answers, markup, remarks, and what obeys an instruction in the passage
  language         surely another than that of the passage (--language)
  copied           runs of four words taken from the passage (--max-copied)
  near-duplicate   of an earlier query, or of one of --style-queries
  round trip       --encoder does not find the passage within --rank
  judge            a second prompt says no (--judge; off by default)
  quota            --per-passage, --per-document
  personal data    e-mail, IBAN, card or phone number in a query

The passage is data: passages that speak to a machine are not sent, but listed. The key is read from
OPENAI_API_KEY, and the host is said before the first text leaves. Queries stay marked as synthetic:
evaluations on them say so in their titles. keywords needs no model and no network; its queries are
words of the passage, easy to find for a search by words, and no measure of a model's worth.

\b
"""
    + EXIT_CODES_HELP
)

_LINE_EVERY_S = 10.0


class _Answer(str, enum.Enum):
    json_schema = "json_schema"
    json = "json"
    lines = "lines"


class _Shown(str, enum.Enum):
    chat = SHIPPED[0]
    completion = SHIPPED[1]
    judge = SHIPPED[2]


def _show_prompt(name: _Shown | None) -> None:
    if name is not None:
        with to_stdout():
            typer.echo(shipped_text(f"{name.value}.txt"), nl=False)
        raise typer.Exit


def synth_command(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="The passages.")],
    *,
    generator: Annotated[
        str,
        typer.Option(metavar="SPEC", help="openai:MODEL, at any compatible server, or keywords."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            parser=folder_path,
            help="Folder of the results. Not needed for --dry-run.",
            show_default=False,
        ),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="Model of the round trip, as for embedsmith eval, or bm25.",
            show_default=False,
        ),
    ] = None,
    no_round_trip: Annotated[
        bool, typer.Option("--no-round-trip", help="Leave the round trip out.")
    ] = False,
    rank: Annotated[int, typer.Option(metavar="N", min=1, help="Last rank good enough.")] = 10,
    kinds: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Queries per passage, comma-separated; again for more: question,question,keyword. "
            "Kinds: question, keyword, multi-condition, paraphrase; of keywords: keyword, span. "
            "Default: one of each.",
            show_default=False,
        ),
    ] = None,
    passages: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Draw so many. Default: all.", show_default=False),
    ] = None,
    least_words: Annotated[
        int, typer.Option(metavar="N", min=1, help="Leave out shorter passages.")
    ] = 8,
    prompt: Annotated[
        str,
        typer.Option(metavar="NAME|FILE", help="chat, completion, or a template of your own."),
    ] = "chat",
    show_prompt: Annotated[
        _Shown | None,
        typer.Option(
            help="Print a template that comes with the package, to start your own from.",
            is_eager=True,
            callback=_show_prompt,
            show_default=False,
        ),
    ] = None,
    answer: Annotated[
        _Answer | None,
        typer.Option(
            help="json asks in the prompt alone, for servers without response_format; lines takes "
            "a query per line. Default: json_schema; lines of a completion.",
            show_default=False,
        ),
    ] = None,
    style_queries: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Real queries as examples of style: JSON lines with query and perhaps positive, "
            "or a query per line. They are sent.",
            show_default=False,
        ),
    ] = None,
    examples: Annotated[int, typer.Option(metavar="N", min=0, help="Of them in each prompt.")] = 3,
    language: Annotated[
        str, typer.Option(metavar="CODE", help="Of queries: passage, en, de, ...; any: unchecked.")
    ] = "passage",
    most_words: Annotated[int, typer.Option(metavar="N", min=1, help="Of a query.")] = 40,
    max_copied: Annotated[
        float, typer.Option(metavar="SHARE", help="Of a query's words, copied in runs of four.")
    ] = 0.5,
    near_duplicate: Annotated[
        float, typer.Option(metavar="X", help="Similarity of letters that makes two one.")
    ] = 0.8,
    judge: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="Have openai:MODEL look at each query that is left; same: the generator.",
            show_default=False,
        ),
    ] = None,
    judge_prompt: Annotated[str, typer.Option(metavar="NAME|FILE", help="Its template.")] = "judge",
    per_passage: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Most to keep. Default: all.", show_default=False),
    ] = None,
    per_document: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Likewise; see --collapse.", show_default=False),
    ] = None,
    collapse: Annotated[
        str | None,
        typer.Option(
            metavar="SEPARATOR",
            callback=separator,
            help="Texts are passages, 'a#1' of document 'a' with '#'.",
            show_default=False,
        ),
    ] = None,
    skip_personal: Annotated[
        bool, typer.Option("--skip-personal", help="Do not send passages with personal data.")
    ] = False,
    send_instructions: Annotated[
        bool,
        typer.Option("--send-instructions", help="Send passages that speak to a machine, too."),
    ] = False,
    split: Annotated[str, typer.Option(metavar="NAME", help="Of the judgements.")] = "train",
    temperature: Annotated[
        float | None,
        typer.Option(metavar="X", help="Default: the server's.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of draws and marks.")] = 0,
    base_url: BaseUrl = None,
    max_cost: Annotated[
        str | None,
        typer.Option(
            metavar="DOLLARS",
            help="Stop before generator and judge have cost more than this, all runs of the "
            "journal together. Default: no limit.",
            show_default=False,
        ),
    ] = None,
    prices: Prices = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print requests, tokens and price; send and write nothing."),
    ] = False,
    offline: Offline = False,
    in_flight: InFlight = ApiOptions.in_flight,
    allow_http: AllowHttp = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; so does EMBEDSMITH_DEBUG=1.")
    ] = False,
) -> None:
    """Write queries for passages, and keep those that pass every filter."""
    del show_prompt
    if out is None and not dry_run:
        msg = "--out is missing; name a folder for the results."
        raise typer.BadParameter(msg)
    if (encoder is None) != no_round_trip and not dry_run:
        msg = "give either --encoder (a model, or bm25) or --no-round-trip."
        raise typer.BadParameter(msg)
    progress = _Progress(quiet=quiet)
    journal = None if out is None else out / "journal.jsonl"
    kept = "" if out is None else f"Answers are kept in {journal}; the same command goes on."
    api = ApiOptions(in_flight=in_flight, prices=prices, allow_http=allow_http)
    shared: dict[str, Any] = {
        "kinds": None if kinds is None else words(kinds),
        "passages": passages,
        "least_words": least_words,
        "prompt": prompt,
        "answer": None if answer is None else answer.value,
        "style_queries": style_queries,
        "n_examples": examples,
        "language": None if language == "any" else language,
        "skip_personal": skip_personal,
        "send_instructions": send_instructions,
        "temperature": temperature,
        "seed": seed,
        "journal": journal,
        "base_url": base_url,
        "api": api,
    }
    with guarded(debug=debug, kept=kept):
        if dry_run:
            estimate = estimate_synthesis(not_empty(corpus), generator, **shared)
            with to_stdout():
                typer.echo(
                    json.dumps(estimate.to_dict(), indent=2) if as_json else _estimated(estimate)
                )
            return
        if out is not None:
            check_target(out)
        made = synthesize_queries(
            not_empty(corpus),
            generator,
            encoder=encoder,
            rank=rank,
            most_words=most_words,
            max_copied=max_copied,
            near_duplicate=near_duplicate,
            judge=judge,
            judge_prompt=judge_prompt,
            per_passage=per_passage,
            per_document=per_document,
            collapse=collapse,
            max_cost=max_cost,
            offline=offline,
            progress=progress.show,
            note=progress.note,
            **shared,
        )
        if out is not None:
            made.write(out, split=split)
        with to_stdout():
            typer.echo(
                json.dumps(made.report, indent=2, ensure_ascii=False)
                if as_json
                else _summary(made, out)
            )


def _estimated(found: SynthesisEstimate) -> str:
    exact = "" if found.exact else "at most "
    price = (
        "no price is known (--prices)"
        if found.price is None
        else f"at most ${found.cost:f}, at ${found.price['usd_per_million_tokens']} per million "
        f"tokens read and ${found.price['usd_per_million_output_tokens']} written "
        f"({found.price['source']}, {found.price['date']})"
    )
    lines = [
        ("model", f"{found.spec} at {found.host}"),
        ("passages", f"{found.n_passages:,}"),
        ("requests", f"{found.n_requests:,}, {found.n_kept:,} answered already"),
        ("tokens read", f"{exact}{found.n_tokens:,}"),
        ("written", f"at most {found.n_output_tokens:,}"),
        ("price", price),
    ]
    if found.n_with_personal_data:
        lines.append(("personal", f"{found.n_with_personal_data:,} passages hold personal data"))
    if found.n_with_instructions:
        lines.append(("withheld", f"{found.n_with_instructions:,} passages speak to a machine"))
    return "\n".join(f"{name:<13}{value}" for name, value in lines) + "\nNothing was sent."


def _summary(made: SyntheticQueries, out: Path | None) -> str:
    report: Json = made.report
    chosen, pairs = report["passages"], report["pairs"]
    lines = [f"passages     {chosen['chosen']:,} of {chosen['corpus']:,}; {_left_out(chosen)}"]
    if "requests" in report:
        asked = report["requests"]
        lines.append(
            f"requests     {asked['answered_now']:,} answered, {asked['answered_before']:,} of "
            f"earlier runs, {asked['refused']:,} refused"
        )
    lines.append(f"written      {counted(pairs['written'], 'query')}")
    for one in report["filters"]:
        because = ", ".join(f"{why} {count:,}" for why, count in one["because"].items())
        told = f" ({because})" if because else ""
        lines.append(f"  {one['filter']:<16}kept {one['kept']:,} of {one['seen']:,}{told}")
    lines += [f"  {name:<16}not run: {why}" for name, why in report["not_run"].items()]
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in pairs["by_kind"].items())
    lines.append(
        f"kept         {counted(pairs['kept'], 'synthetic query')} of "
        f"{counted(pairs['passages'], 'passage')} ({kinds})"
    )
    if report["usage"]["spent_usd"] is not None:
        lines.append(f"cost         ${report['usage']['spent_usd']}, earlier runs included")
    lines.append(f"written to   {out}: pairs.jsonl, rejected.jsonl, report.json, and a BEIR folder")
    if report["generator"]["spec"] == "keywords":
        lines.append(
            "These queries are words of their passages: use them to train, not to judge a model."
        )
    return "\n".join(lines)


def _left_out(chosen: Json) -> str:
    return (
        f"{chosen['short']:,} too short, {chosen['repeated']:,} repeated, "
        f"{chosen['with_instructions']:,} speak to a machine"
    )


class _Progress:
    """Progress on stderr: a line every ten seconds."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._spoken = time.monotonic()

    def note(self, text: str) -> None:
        """Say one thing."""
        if not self._quiet:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def show(self, asked: Asked) -> None:
        """Show how far it is, and what it has cost."""
        now = time.monotonic()
        if now - self._spoken < _LINE_EVERY_S:
            return
        self._spoken = now
        done = asked.n_kept + asked.n_answered + asked.n_refused
        text = f"{asked.what}, {done:,} of {asked.total:,} requests"
        if asked.spent is not None:
            text += f", ${asked.spent:f}"
        if asked.left_s is not None:
            minutes, seconds = divmod(round(asked.left_s), 60)
            text += f", about {minutes}:{seconds:02} left"
        self.note(text)
