"""From ``openai:MODEL`` and ``cohere:MODEL`` to an encoder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

from embedsmith._validate import as_count
from embedsmith.backends._fingerprint import Fingerprint
from embedsmith.backends._offline import refuse_offline
from embedsmith.backends.api._budget import Budget, Meter
from embedsmith.backends.api._cohere import CohereService
from embedsmith.backends.api._encoder import ApiEncoder
from embedsmith.backends.api._endpoint import Endpoint
from embedsmith.backends.api._limits import cohere_limits, openai_limits
from embedsmith.backends.api._openai import OpenAIService
from embedsmith.backends.api._options import ApiOptions
from embedsmith.backends.api._price import PRICES_VARIABLE, find_price
from embedsmith.backends.api._secret import Secret
from embedsmith.backends.api._tokens import ByteBound, token_counter
from embedsmith.exceptions import ModelError

if TYPE_CHECKING:
    from decimal import Decimal

    from embedsmith.backends._protocol import Role
    from embedsmith.backends.api._service import Service
    from embedsmith.backends.api._tokens import TokenCounter

__all__ = ["OPENAI_HOST", "OPENAI_KEYS", "OPENAI_URL", "VENDORS", "Vendor", "load_api_encoder"]

Vendor = Literal["openai", "cohere"]
VENDORS: tuple[Vendor, ...] = ("openai", "cohere")

OPENAI_HOST = "api.openai.com"
# The variable that names another, and the vendor's own.
OPENAI_URL = ("OPENAI_BASE_URL", f"https://{OPENAI_HOST}/v1")
OPENAI_KEYS = ("OPENAI_API_KEY",)
_BASE_URLS: dict[Vendor, tuple[str, str]] = {
    "openai": OPENAI_URL,
    "cohere": ("CO_API_URL", "https://api.cohere.com"),
}
_KEYS: dict[Vendor, tuple[str, ...]] = {
    "openai": OPENAI_KEYS,
    "cohere": ("CO_API_KEY", "COHERE_API_KEY"),
}
_COHERE_INPUT_TYPES: dict[Role, str] = {"query": "search_query", "document": "search_document"}


def load_api_encoder(
    vendor: Vendor,
    model: str,
    *,
    base_url: str | None = None,
    dimensions: int | None = None,
    max_tokens: int | None = None,
    query_prompt: str | None = None,
    document_prompt: str | None = None,
    batch_size: int | None = None,
    max_cost: Budget | float | str | Decimal | None = None,
    offline: bool = False,
    options: ApiOptions | None = None,
) -> ApiEncoder:
    """Return the encoder of a service; see `load_encoder`. Sends nothing."""
    spec = f"{vendor}:{model}"
    if not model.strip():
        msg = f"{spec!r} names no model. Write, for example, 'openai:text-embedding-3-small'."
        raise ModelError(msg)
    refuse_offline(spec, offline=offline)
    options = options or ApiOptions()
    variable, default = _BASE_URLS[vendor]
    named = base_url if base_url is not None else os.environ.get(variable, "").strip() or None
    endpoint = Endpoint.of(named or default, allow_http=options.allow_http)
    own_host = vendor == "openai" and endpoint.host == OPENAI_HOST
    for name, value in (("dimensions", dimensions), ("max_tokens", max_tokens)):
        if value is not None:
            as_count(name, value)
    counter: TokenCounter = token_counter(model) if own_host else ByteBound()
    if vendor == "openai" and max_tokens is not None and not counter.exact:
        msg = (
            f"max_tokens={max_tokens} needs the model's own tokenizer, which is not here "
            f"({counter.how}). Leave it out: {endpoint.host} refuses or cuts texts by its own "
            "limit."
        )
        raise ModelError(msg)
    budget = max_cost if isinstance(max_cost, Budget) else Budget(max_cost)
    price = find_price(endpoint.host, model, options.prices)
    if price is None and budget.max_cost is not None:
        msg = (
            f"max_cost needs a price, and none is known of {model} at {endpoint.host}. Write it "
            f"into a table of your own: ApiOptions(prices=FILE) (--prices) or {PRICES_VARIABLE}; "
            "load_encoder's documentation shows one. Or leave max_cost out."
        )
        raise ModelError(msg)
    secret = Secret(
        (options.key_variable,) if options.key_variable else _KEYS[vendor],
        # A server of one's own mostly asks for none.
        required=named is None or options.key_variable is not None,
    )
    input_types: dict[Role, str | None] = {
        "query": options.query_input_type,
        "document": options.document_input_type,
    }
    prompts: dict[Role, str] = {"query": query_prompt or "", "document": document_prompt or ""}
    fields: dict[str, Any] = {
        "schema": "embedsmith.fingerprint/1",
        "backend": vendor,
        "endpoint": endpoint.place,
        "model": model,
        "dimensions": dimensions,
        "max_tokens": max_tokens,
        "query_prompt": prompts["query"],
        "document_prompt": prompts["document"],
        "similarity": "cosine",
    }
    service: Service
    if vendor == "openai":
        limits = openai_limits(model, own_host=own_host)
        service = OpenAIService(
            endpoint,
            model,
            secret,
            dimensions=dimensions,
            input_types=input_types,
            encoding_format=options.encoding_format,
            timeout_s=options.timeout_s,
        )
    else:
        limits = cohere_limits(model)
        told = {role: input_types[role] or word for role, word in _COHERE_INPUT_TYPES.items()}
        input_types = dict(told)
        fields["truncate"] = options.truncate
        if max_tokens is not None and options.truncate == "NONE":
            # A limit that is asked for is one to cut at.
            fields["truncate"] = "END"
        cut_at = limits.text_tokens if fields["truncate"] != "NONE" else None
        if fields["truncate"] != "NONE" and max_tokens is None and cut_at is None:
            msg = (
                f"truncate={options.truncate!r} cuts texts where {model} ends, which is not known "
                "here, so that nothing could be counted. Name it: max_tokens=512."
            )
            raise ModelError(msg)
        service = CohereService(
            endpoint,
            model,
            secret,
            dimensions=dimensions,
            max_tokens=max_tokens,
            input_types=told,
            truncate=fields["truncate"],
            timeout_s=options.timeout_s,
        )
        max_tokens = max_tokens or cut_at
    fields["query_input_type"], fields["document_input_type"] = (
        input_types["query"],
        input_types["document"],
    )
    return ApiEncoder(
        service,
        spec=spec,
        name=model,
        fingerprint=Fingerprint(fields),
        counter=counter,
        limits=limits,
        meter=Meter(price, budget),
        prompts=prompts,
        options=options,
        batch_size=None if batch_size is None else as_count("batch_size", batch_size),
        dimensions=dimensions,
        max_tokens=max_tokens,
    )
