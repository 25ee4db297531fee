"""Measures of runs as tables of text."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from embedsmith._typing import Json
    from embedsmith.metrics import MetricTable

__all__ = ["MeasuredRun", "measures_csv", "measures_json", "measures_markdown"]

_SCHEMA = "embedsmith.measures/1"


@dataclass(frozen=True, eq=False)
class MeasuredRun:
    """A run and its measures.

    Attributes
    ----------
    name : str
        What tells it from the others, such as its file.
    tag : str
        The name that the file itself gives it.
    searched : container of str
        The queries that the run has.
    table : MetricTable
        Its measures.
    """

    name: str
    tag: str
    searched: Container[str]
    table: MetricTable


def measures_markdown(runs: Sequence[MeasuredRun], *, per_query: bool = False) -> str:
    """Return a table with a line for each run, or for each query of each run.

    Means stand with their intervals, where there are any.

    Parameters
    ----------
    runs : sequence of MeasuredRun
        With the same measures.
    per_query : bool, default False
        A line for each query before that of all.

    Returns
    -------
    str
        Markdown, with four digits after the point; counts are whole.
    """
    names = runs[0].table.measures
    head = ["run", *(["query"] if per_query else []), *names]
    rows = []
    for run in runs:
        table, tail = run.table, []
        if per_query:
            tail = ["all"]
            for i, query in enumerate(table.query_ids):
                values = (_value(name, table.per_query[name][i]) for name in names)
                rows.append([run.name, query, *values])
        rows.append([run.name, *tail, *(_mean(table, name) for name in names)])
    lines = [head, ["---"] * (len(head) - len(names)) + ["---:"] * len(names)]
    lines += [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _value(name: str, value: float) -> str:
    """Write a value with four digits after the point, and a count with none."""
    return f"{value:.0f}" if name.startswith("Num") else f"{value:.4f}"


def _mean(table: MetricTable, name: str) -> str:
    shown = _value(name, table.mean[name])
    if name in table.ci:
        low, high = table.ci[name]
        shown += f" [{low:.4f}, {high:.4f}]"
    return shown


def measures_csv(runs: Sequence[MeasuredRun], *, per_query: bool = False) -> str:
    """Return a line for each value, with all digits: run, query, measure, value, low, high.

    Parameters
    ----------
    runs : sequence of MeasuredRun
        Any number.
    per_query : bool, default False
        Lines for each query too; that of all has "all" as its query.

    Returns
    -------
    str
        CSV with a header and line feeds.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["run", "query_id", "measure", "value", "low", "high"])
    for run in runs:
        table = run.table
        for name in table.measures:
            if per_query:
                values = table.per_query[name].tolist()
                for query, value in zip(table.query_ids, values, strict=True):
                    writer.writerow([run.name, query, name, repr(value), "", ""])
            low, high = map(repr, table.ci[name]) if name in table.ci else ("", "")
            writer.writerow([run.name, "all", name, repr(table.mean[name]), low, high])
    return out.getvalue()


def measures_json(runs: Sequence[MeasuredRun], *, per_query: bool = False) -> Json:
    """Return the tables as JSON-ready values.

    Parameters
    ----------
    runs : sequence of MeasuredRun
        Any number.
    per_query : bool, default False
        Keep the values of each query.

    Returns
    -------
    dict
        ``"schema"`` is ``"embedsmith.measures/1"``; each of ``"runs"`` has its name, tag and the
        fields of :meth:`MetricTable.to_dict`.
    """
    tables = []
    for run in runs:
        fields = run.table.to_dict()
        if not per_query:
            del fields["per_query"], fields["query_ids"]
        tables.append({"name": run.name, "tag": run.tag, **fields})
    return {"schema": _SCHEMA, "runs": tables}
