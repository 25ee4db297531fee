"""Options of models at services: where they are, what they may cost, how they are asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeAlias, cast

import typer

from embedsmith.backends.api import ApiOptions

__all__ = [
    "AllowHttp",
    "BaseUrl",
    "Dimensions",
    "DocumentInputType",
    "DryRun",
    "InFlight",
    "MaxCost",
    "Offline",
    "Prices",
    "QueryInputType",
    "Truncate",
    "api_options",
]

_TRUNCATE = ("NONE", "START", "END")


def _truncate(word: str) -> str:
    if word.upper() not in _TRUNCATE:
        msg = f"{word!r} is none of {', '.join(_TRUNCATE)}."
        raise typer.BadParameter(msg)
    return word.upper()


BaseUrl: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Where openai: or cohere: models are: http://localhost:8000/v1. Default: "
        "$OPENAI_BASE_URL or $CO_API_URL, else the vendor.",
        show_default=False,
    ),
]
Dimensions: TypeAlias = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Columns to ask a service for. Default: all.",
        show_default=False,
    ),
]
MaxCost: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="DOLLARS",
        help="Stop before services have cost more than this, all models together; what was "
        "embedded is kept. Default: no limit.",
        show_default=False,
    ),
]
Prices: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Prices of your own, before those in the package. Default: $EMBEDSMITH_PRICES.",
        show_default=False,
    ),
]
Offline: TypeAlias = Annotated[
    bool,
    typer.Option("--offline", help="Refuse services and downloads; so does EMBEDSMITH_OFFLINE=1."),
]
DryRun: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Print texts, tokens and price of each model, and send, embed and write nothing.",
    ),
]
InFlight: TypeAlias = Annotated[
    int, typer.Option(metavar="N", min=1, help="Requests to a service at once.")
]
AllowHttp: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="HOST",
        help="The one other host to which texts and key may go unencrypted. Default: none.",
        show_default=False,
    ),
]
QueryInputType: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="What a service is told about queries. Default: search_query for Cohere.",
        show_default=False,
    ),
]
DocumentInputType: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="What a service is told about documents. Default: search_document for Cohere.",
        show_default=False,
    ),
]
Truncate: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        callback=_truncate,
        help="NONE, START or END: what Cohere does to texts that are too long.",
    ),
]


def api_options(
    *,
    in_flight: int,
    prices: Path | None,
    allow_http: str | None,
    query_input_type: str | None,
    document_input_type: str | None,
    truncate: str,
) -> ApiOptions:
    """Return how services are asked, as it was typed.

    Parameters
    ----------
    in_flight, prices, allow_http, query_input_type, document_input_type, truncate
        As ``ApiOptions`` takes them.
    """
    return ApiOptions(
        in_flight=in_flight,
        prices=prices,
        allow_http=allow_http,
        query_input_type=query_input_type,
        document_input_type=document_input_type,
        truncate=cast("Any", truncate),
    )
