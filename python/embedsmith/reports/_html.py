"""A document as one HTML file that asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from itertools import groupby
from typing import TYPE_CHECKING, Any

from embedsmith import _core
from embedsmith._deps import require
from embedsmith.reports._chart import SHAPES, WIDTH, model_style
from embedsmith.reports._visible import shortened, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embedsmith.reports._document import Block, Document

__all__ = ["html_document"]

_FOLDER = "templates"
# Not by colour alone.
_SIGNS = {"good": "▲", "bad": "▼", "open": "?", "": "", "warning": "!", "best": "", "guide": ""}


def html_document(document: Document) -> str:
    """Return a whole page: style, script and plots inside, nothing fetched, nothing run from data.

    Every text of the document is escaped, and characters that hide or reorder others are written
    out. The page's policy allows only its own style and script, by their hashes.

    Parameters
    ----------
    document : Document
        What to show.

    Returns
    -------
    str
        The same for equal documents; can be encoded as UTF-8.

    Raises
    ------
    MissingDependencyError
        If jinja2 is not installed.
    """
    page: str = _environment().get_template("report.html.j2").render(document=document)
    return page


@cache
def _environment() -> Any:
    jinja2: Any = require("jinja2", extra="report", feature="An HTML report")
    markup: Any = require("markupsafe", extra="report", feature="An HTML report")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Whatever a template prints goes through here, so that none can forget it.
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    style, script = _source("report.css"), _source("report.js")
    environment.filters |= {"grouped": _grouped, "model_style": model_style, "short": shortened}
    environment.globals |= {
        "policy": _policy(style, script),
        "script": markup.Markup(script),
        "shapes": SHAPES,
        "signs": _SIGNS,
        "style": markup.Markup(style),
        "version": _core.__version__,
        "width": WIDTH,
    }
    return environment


def _source(name: str) -> str:
    return (files("embedsmith.reports") / _FOLDER / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _grouped(blocks: Sequence[Block]) -> Iterator[tuple[str, list[Block]]]:
    """Yield the name of each run of blocks of one kind, and the run: plots stand side by side."""
    for kind, run in groupby(blocks, key=type):
        yield kind.__name__, list(run)
