"""The mark of queries that a machine wrote, which they keep wherever they go.

It stands in two places, and each alone is enough. Every such query carries the field ``synthetic``
(in ``queries.jsonl`` inside ``metadata``, in a file of pairs on its line), so that the mark stays
with a query that is copied, split off or merged into another set: ``Queries.metadata`` holds it,
and ``Queries.take`` keeps it. And the folder's ``manifest.json`` says ``"synthetic": true`` of the
whole set. Who writes a data set passes the queries on with their metadata, or calls ``write_beir``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from embedsmith.exceptions import DataError, ParseError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from embedsmith._typing import Json

__all__ = ["MANIFEST", "SYNTHETIC", "count_marked", "is_marked", "marked_name", "read_manifest"]

MANIFEST = "manifest.json"
SYNTHETIC = "synthetic"

# What a mark looks like that says no, also after a detour through CSV.
_NOT = frozenset({"", "0", "false", "no", "none", "null"})


def is_marked(value: object) -> bool:
    """Tell whether a field ``synthetic`` says yes: in doubt it does.

    Examples
    --------
    >>> is_marked(True), is_marked("false"), is_marked(None), is_marked({"model": "m"})
    (True, False, False, True)
    """
    return str(value).strip().lower() not in _NOT


def count_marked(metadata: Mapping[str, Sequence[Any]]) -> int:
    """Return how many queries are marked.

    Parameters
    ----------
    metadata : mapping of str to sequence
        As ``Queries.metadata``.
    """
    return sum(map(is_marked, metadata.get(SYNTHETIC, ())))


def marked_name(name: str, n_synthetic: int, n_queries: int) -> str:
    """Return the name of a data set with its mark, for every title it stands in.

    Examples
    --------
    >>> marked_name("bank", 0, 9), marked_name("bank", 9, 9), marked_name("bank", 3, 9)
    ('bank', 'bank [synthetic queries]', 'bank [3 of 9 queries synthetic]')
    """
    if not n_synthetic:
        return name
    if n_synthetic == n_queries:
        return f"{name} [synthetic queries]"
    return f"{name} [{n_synthetic:,} of {n_queries:,} queries synthetic]"


def read_manifest(folder: Path) -> Json:
    """Return what the manifest of a folder says; nothing if there is none.

    Parameters
    ----------
    folder : Path
        Of a data set. Another program's manifest is read too: it may say ``synthetic``.

    Raises
    ------
    ParseError
        If it is no JSON object: it may have held the mark, so it is not passed over.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}. Check its rights."
        raise DataError(msg) from error
    except (ValueError, RecursionError) as error:
        msg = (
            f"{path} is no JSON ({error}). It may say that the queries are synthetic: mend it, or "
            "take it away if it is of something else."
        )
        raise ParseError(msg) from error
    return content if isinstance(content, dict) else {}
