"""Options of models at services: where they are, what they may cost, how they are asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeAlias, cast

import typer

from embedsmith.backends.api import ApiOptions

__all__ = ["AllowHttp", "BaseUrl", "InFlight", "Offline", "Prices", "ServiceOptions"]

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


@dataclass(frozen=True)
class ServiceOptions:
    """Where services are, what they may cost, how they are asked; fields are options."""

    base_url: BaseUrl = None
    dimensions: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Columns to ask a service for. Default: all.",
            show_default=False,
        ),
    ] = None
    max_cost: Annotated[
        str | None,
        typer.Option(
            metavar="DOLLARS",
            help="Stop before services have cost more than this, all models together; what was "
            "embedded is kept. Default: no limit.",
            show_default=False,
        ),
    ] = None
    prices: Prices = None
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print texts, tokens and price of each model, and send, embed and write nothing.",
        ),
    ] = False
    offline: Offline = False
    in_flight: InFlight = ApiOptions.in_flight
    query_input_type: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What a service is told about queries. Default: search_query for Cohere.",
            show_default=False,
        ),
    ] = None
    document_input_type: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What a service is told about documents. Default: search_document for Cohere.",
            show_default=False,
        ),
    ] = None
    truncate: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            callback=_truncate,
            help="NONE, START or END: what Cohere does to texts that are too long.",
        ),
    ] = "NONE"
    allow_http: AllowHttp = None

    @property
    def api(self) -> ApiOptions:
        """How services are asked."""
        return ApiOptions(
            in_flight=self.in_flight,
            prices=self.prices,
            allow_http=self.allow_http,
            query_input_type=self.query_input_type,
            document_input_type=self.document_input_type,
            truncate=cast("Any", self.truncate),
        )
