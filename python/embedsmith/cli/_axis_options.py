"""Options that ask further questions of a retrieval: smaller vectors, groups, worst queries."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from embedsmith.cli._options import numbers

__all__ = [
    "Dims",
    "ExcerptChars",
    "Excerpts",
    "Precisions",
    "RescoreDepth",
    "Slices",
    "SmallSlice",
    "Worst",
]

Dims: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="LIST",
        callback=numbers,
        help="Measure again with the first columns only: 256,128,64. Default: none.",
        show_default=False,
    ),
]
Precisions: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="LIST",
        help="Measure again with smaller vectors: int8, binary, binary+f32, binary+int8. "
        "Default: none.",
        show_default=False,
    ),
]
RescoreDepth: TypeAlias = Annotated[
    int,
    typer.Option(metavar="N", min=1, help="Documents of a binary search that are scored again."),
]
Slices: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--slice",
        metavar="FIELD",
        help="Measure by groups of this field of the queries (length: their characters); give "
        "it once per field.",
    ),
]
SmallSlice: TypeAlias = Annotated[
    int, typer.Option(metavar="N", min=1, help="Warn of groups of fewer queries.")
]
Worst: TypeAlias = Annotated[
    int,
    typer.Option(
        metavar="N", min=0, help="Worst queries to keep with what was found instead; 0: none."
    ),
]
Excerpts: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--excerpts/--no-excerpts",
        help="Keep the beginnings of their texts in result.json, or ids only.",
    ),
]
ExcerptChars: TypeAlias = Annotated[
    int, typer.Option(metavar="N", min=1, help="Most characters of such a text.")
]
