"""What a model wrote, taken at no word of its own."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import Json

__all__ = ["BrokenAnswer", "read_object", "read_queries"]

_FENCE = re.compile(r"\A```[A-Za-z]*\s*\n(.*?)\n?```\s*\Z", re.DOTALL)
_BULLET = re.compile(r"\A\s*(?:[-*•]|\(?\d{1,2}[.):])\s+")
_QUOTES = "\"'“”„«»`"


class BrokenAnswer(Exception):  # noqa: N818 - it says what the answer is, and ends in this package
    """An answer that holds no queries as they were asked for; says why."""


def read_queries(
    text: str, finish: str | None, form: str, kinds: Sequence[str]
) -> list[tuple[str, str]]:
    """Return kind and text of each query in an answer.

    Parameters
    ----------
    text : str
        What the model wrote.
    finish : str or None
        Why it ended, as the server says.
    form : str
        How it was to answer: ``"json_schema"`` is held to the letter; ``"json"`` may stand between
        fences or in prose; ``"lines"`` is one query per line.
    kinds : sequence of str
        Of the queries that were asked for.

    Raises
    ------
    BrokenAnswer
        If it is something else.

    Examples
    --------
    >>> read_queries("1. What is due?", "stop", "lines", ["question"])
    [('question', 'What is due?')]
    """
    if not text.strip():
        msg = "empty answer" if finish != "content_filter" else "withheld by the server's filter"
        raise BrokenAnswer(msg)
    if form == "lines":
        return _lines(text, kinds)
    content = read_object(text, finish, loose=form == "json", needs="queries")
    found = content.get("queries")
    if not isinstance(found, list) or (form == "json_schema" and set(content) != {"queries"}):
        msg = "not of the schema: no list 'queries', or more beside it"
        raise BrokenAnswer(msg)
    return [_query(item, kinds) for item in found]


def _query(item: Any, kinds: Sequence[str]) -> tuple[str, str]:
    if (
        not isinstance(item, dict)
        or set(item) != {"kind", "query"}
        or not isinstance(item["query"], str)
    ):
        msg = "not of the schema: a query is no object of kind and query"
        raise BrokenAnswer(msg)
    if item["kind"] not in kinds:
        msg = "not of the schema: a kind that was not asked for"
        raise BrokenAnswer(msg)
    return item["kind"], item["query"]


def read_object(text: str, finish: str | None, *, loose: bool, needs: str) -> Json:
    """Return the JSON object in an answer.

    Parameters
    ----------
    text, finish
        As for `read_queries`.
    loose : bool
        Whether fences and prose may stand around it.
    needs : str
        A key that it has.

    Raises
    ------
    BrokenAnswer
        If there is none.
    """
    stripped = text.strip()
    if loose and (fenced := _FENCE.match(stripped)):
        stripped = fenced.group(1).strip()
    try:
        content = json.loads(stripped)
    except (ValueError, RecursionError):
        content = _inside(stripped, needs) if loose else None
        if content is None:
            msg = "cut off at its limit of tokens" if finish == "length" else "no JSON"
            raise BrokenAnswer(msg) from None
    if not isinstance(content, dict):
        msg = "not of the schema: no object"
        raise BrokenAnswer(msg)
    return content


def _inside(text: str, needs: str) -> Json | None:
    decoder = json.JSONDecoder()
    # A hostile answer of many braces is not to cost a decoding each.
    for start in [match.start() for match in re.finditer(r"\{", text)][:20]:
        try:
            content, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if isinstance(content, dict) and needs in content:
            return content
    return None


def _lines(text: str, kinds: Sequence[str]) -> list[tuple[str, str]]:
    found = [_BULLET.sub("", line).strip() for line in text.splitlines()]
    bare = [_unquoted(line) for line in found if line]
    # What is beyond the number asked for is told by its kind: there is none left.
    return [(kinds[min(at, len(kinds) - 1)], line) for at, line in enumerate(bare)]


def _unquoted(line: str) -> str:
    if len(line) > 1 and line[0] in _QUOTES and line[-1] in _QUOTES:
        return line[1:-1].strip()
    return line
