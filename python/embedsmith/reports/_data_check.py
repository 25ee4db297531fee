"""A check of training data as text for people: a terminal, or a wiki."""

from __future__ import annotations

from itertools import groupby, islice
from typing import TYPE_CHECKING

from embedsmith._phrases import counted
from embedsmith.reports._markdown import plain_markdown
from embedsmith.reports._visible import shortened, visible

if TYPE_CHECKING:
    from embedsmith.hygiene import Coverage, DataCheck, Finding, Leakage

__all__ = ["data_check_markdown", "data_check_text"]

_ID = 60
_IDS = 6


def data_check_text(check: DataCheck, *, most: int = 5) -> str:
    """Return the result as plain text.

    Parameters
    ----------
    check : DataCheck
        What was found.
    most : int, default 5
        Findings to show of each kind; the counts are of all.

    Returns
    -------
    str
        Ends with a newline. Characters that hide or reorder others are written out.
    """
    lines = [f"{check.training}: {_sizes(check)}"]
    lines += [f"  {'passed' if one.passed else 'FAILED'}  {_leaked(one)}" for one in check.leakage]
    for kind, count, found in _kinds(check, most):
        lines += ["", f"{kind}: {count:,}"]
        lines += [
            f"  {', '.join(_ids(one))}: {one.detail}: {one.suggestion}"
            + (f"\n      {one.example}" if one.example else "")
            for one in found
        ]
        if count > len(found):
            lines.append(f"  and {count - len(found):,} more: --most or --json shows them")
    if not check.findings:
        lines += ["", "Nothing was found."]
    if check.not_checked:
        lines += ["", "Not checked:", *(f"  {one}" for one in check.not_checked)]
    return visible("\n".join(" ".join(line.split("\r")) for line in lines)) + "\n"


def data_check_markdown(check: DataCheck, *, most: int = 20) -> str:
    """Return the result as Markdown.

    Parameters
    ----------
    check : DataCheck
        What was found.
    most : int, default 20
        Findings to show of each kind; the counts are of all.

    Returns
    -------
    str
        Every text of the data is escaped: none can add markup, a link or a column.
    """
    parts = [f"# Check of {plain_markdown(check.training)}", plain_markdown(_sizes(check))]
    if check.leakage:
        rows = [
            f"| {plain_markdown(_leaked(one))} | {'passed' if one.passed else '**failed**'} |"
            for one in check.leakage
        ]
        parts.append("\n".join(["## Leakage", "", "| what | verdict |", "| --- | --- |", *rows]))
    for kind, count, found in _kinds(check, most):
        rows = [
            " | ".join(
                [
                    "",
                    *map(_cell, (", ".join(_ids(one)), one.detail, one.example, one.suggestion)),
                    "",
                ]
            ).strip()
            for one in found
        ]
        head = ["| ids | found | example | do |", "| --- | --- | --- | --- |"]
        parts.append("\n".join([f"## {kind}: {count:,}", "", *head, *rows]))
    left = "\n".join(f"- {plain_markdown(one)}" for one in check.not_checked)
    if left:
        parts.append(f"## Not checked\n\n{left}")
    return "\n\n".join(parts) + "\n"


def _cell(text: str) -> str:
    return plain_markdown(" ".join(text.split()))


def _ids(finding: Finding) -> list[str]:
    ids = [shortened(" ".join(one.split()), _ID) for one in finding.ids[:_IDS]]
    more = len(finding.ids) - len(ids)
    return [*ids, f"and {more:,} more"] if more else ids


_ONE = {
    "queries": "query",
    "passages": "passage",
    "positive pairs": "positive pair",
    "negative pairs": "negative pair",
}


def _sizes(check: DataCheck) -> str:
    sizes = ", ".join(counted(count, _ONE[what], what) for what, count in check.sizes.items())
    found = counted(len(check.findings), "finding")
    return f"{sizes}; {_covered(check.coverage)}; {found}"


def _covered(coverage: Coverage) -> str:
    text = f"{coverage.positive:.1%} of the passages are a positive"
    if coverage.touched > coverage.positive:
        text += f", {coverage.touched:.1%} are in some pair"
    if coverage.near is not None:
        text += (
            f", {coverage.near:.1%} have a positive at cosine {coverage.cosine:g} or nearer "
            f"(median {coverage.median_cosine:.2f})"
        )
    return text


def _leaked(one: Leakage) -> str:
    limit = "no limit" if one.limit is None else f"limit {one.limit:.1%}"
    what = one.what.removeprefix("cross ")
    ways = {"equal": one.n_equal, "near": one.n_near, "by embedding": one.n_embedding}
    how = ", ".join(f"{count:,} {way}" for way, count in ways.items() if count)
    where = "training" if what == one.what else one.against
    return (
        f"{one.evaluation}: {one.n_leaked:,} of {one.n:,} {what} stand in {where} "
        f"({one.share:.1%}{f': {how}' if how else ''}; {limit})"
    )


def _kinds(check: DataCheck, most: int) -> list[tuple[str, int, list[Finding]]]:
    counts = check.counts()
    order = {kind: place for place, kind in enumerate(counts)}
    ordered = sorted(check.findings, key=lambda one: order[one.kind])
    return [
        (kind, counts[kind], list(islice(found, most)))
        for kind, found in groupby(ordered, key=lambda one: one.kind)
    ]
