"""What a spec may say: which kind of model, and which one."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from embedsmith.backends._packaged import PACKAGED
from embedsmith.exceptions import ModelError

__all__ = ["bare_name", "unknown_spec"]

_LEXICAL = "bm25"
_KINDS = ("native", "st", "onnx", "openai", "cohere")
_VALID = (
    f"{_LEXICAL}; NAME or FOLDER, which runs natively where it can; native:NAME or native:FOLDER; "
    "st:NAME or st:FOLDER (sentence-transformers); onnx:FOLDER (an export); openai:MODEL, "
    "cohere:MODEL (services)"
)


def bare_name(spec: str) -> str | None:
    """Return the name or folder of a spec that names no kind of model; None if it names one.

    What stands before a colon is a kind, unless it is part of a path.

    Raises
    ------
    ModelError
        If the spec is BM25's, or nearly so, and no folder.

    Examples
    --------
    >>> bare_name("all-MiniLM-L6-v2"), bare_name("./a:b"), bare_name("st:all-MiniLM-L6-v2")
    ('all-MiniLM-L6-v2', './a:b', None)
    """
    kind, colon, rest = spec.partition(":")
    drive = len(kind) == 1 and rest[:1] in ("/", "\\")
    if colon and not drive and not any(mark in kind for mark in ("/", "\\", os.sep)):
        return None
    known = spec.strip() and Path(spec).expanduser().exists()
    if not known and difflib.get_close_matches(spec.lower(), [_LEXICAL], n=1):
        raise unknown_spec(spec)
    return spec


def unknown_spec(spec: str) -> ModelError:
    """Return the error of a spec that names nothing to embed with."""
    kind, colon, name = spec.partition(":")
    if spec.lower() == _LEXICAL:
        msg = "bm25 is not an encoder: it ranks without vectors. Use embedsmith.backends.Bm25."
        return ModelError(msg)
    if difflib.get_close_matches(kind.lower(), [_LEXICAL], n=1):
        meant = _LEXICAL
    elif near := difflib.get_close_matches(kind.lower(), _KINDS, n=1, cutoff=0.75):
        meant = f"{near[0]}:{name}"
    else:
        # A name that is known is offered as it is written.
        bare = name.strip() or next(iter(PACKAGED))
        meant = next(iter(difflib.get_close_matches(bare, PACKAGED, n=1, cutoff=0.7)), bare)
    wrong = f"there is no kind of model {kind!r}" if colon else "there is no such model"
    return ModelError(f"{spec!r}: {wrong}. Valid: {_VALID}. Did you mean {meant!r}?")
