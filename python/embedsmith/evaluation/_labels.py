"""One short, unique name per model."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import PurePath
from typing import TYPE_CHECKING

from embedsmith.backends import Bm25
from embedsmith.exceptions import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["canonical_spec", "label_specs", "run_files"]


def canonical_spec(spec: str) -> str:
    """Return a spec as results write it: BM25 is known in any case.

    Examples
    --------
    >>> canonical_spec("BM25"), canonical_spec("st:BM25")
    ('bm25', 'st:BM25')
    """
    return Bm25.spec if spec.lower() == Bm25.spec else spec


def label_specs(specs: Sequence[str]) -> tuple[str, ...]:
    """Return the shortest names that tell models apart.

    Parameters
    ----------
    specs : sequence of str
        Model specs such as ``"st:models/bge-small"``.

    Returns
    -------
    tuple of str
        The last part of each spec's path, with as many parts before it as it takes.

    Raises
    ------
    ModelError
        If a spec is given twice, or there is none.

    Examples
    --------
    >>> label_specs(["st:all-MiniLM-L6-v2", "bm25"])
    ('all-MiniLM-L6-v2', 'bm25')
    >>> label_specs(["st:march/minilm", "st:april/minilm"])
    ('march/minilm', 'april/minilm')
    """
    if not specs:
        msg = (
            "No model to evaluate. Name one, for example 'all-MiniLM-L6-v2' "
            "(--model all-MiniLM-L6-v2)."
        )
        raise ModelError(msg)
    for spec, count in Counter(specs).items():
        if count > 1:
            msg = (
                f"The model {spec!r} is given {count} times; a model cannot be compared with "
                "itself. Name it once."
            )
            raise ModelError(msg)
    parts = [_parts(spec) for spec in specs]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names):
            return tuple(names)
    return tuple(specs)


def _parts(spec: str) -> tuple[str, ...]:
    _, _, place = spec.partition(":")
    parts = PurePath(place or spec).parts
    # "st:." has no last part, and a number alone names nothing.
    return parts if parts and not parts[-1].isdecimal() else (spec,)


def run_files(names: Sequence[str]) -> tuple[str, ...]:
    """Return the name of each model's run file: safe on every system, and unique.

    Examples
    --------
    >>> run_files(["march/minilm", "march_minilm", "bm25"])
    ('march_minilm.run', 'march_minilm-2.run', 'bm25.run')
    """
    stems: list[str] = []
    taken: set[str] = set()
    for name in names:
        stem = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip(".") or "model"
        candidate, number = stem, 1
        # Some file systems do not tell upper from lower case.
        while candidate.casefold() in taken:
            number += 1
            candidate = f"{stem}-{number}"
        taken.add(candidate.casefold())
        stems.append(f"{candidate}.run")
    return tuple(stems)
