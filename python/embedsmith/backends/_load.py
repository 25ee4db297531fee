"""From a spec to an encoder."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

from embedsmith._validate import as_count
from embedsmith.backends._cache import EmbeddingCache
from embedsmith.backends._cached import CachedEncoder
from embedsmith.backends._choose import resolve_spec
from embedsmith.backends._offline import refuse_offline
from embedsmith.backends._protocol import DEFAULT_BATCH_SIZE, BatchModel, Encoder
from embedsmith.backends._resolve import folder_of, locate_model
from embedsmith.backends._spec import unknown_spec
from embedsmith.backends._texts import check_prompts
from embedsmith.backends.api._encoder import ApiEncoder
from embedsmith.backends.api._load import VENDORS, load_api_encoder
from embedsmith.backends.fake import FakeEncoder
from embedsmith.backends.native import KeptChoices, NativeEncoder
from embedsmith.backends.onnx import OnnxEncoder
from embedsmith.backends.sentence_transformers import SentenceTransformerEncoder
from embedsmith.exceptions import DeviceError, ModelError

if TYPE_CHECKING:
    import os
    from decimal import Decimal

    from embedsmith.backends.api import ApiOptions, Budget

__all__ = ["load_encoder"]

_log = logging.getLogger(__name__)


def load_encoder(
    spec: str,
    *,
    device: str = "cpu",
    batch_size: int | None = None,
    max_tokens: int | None = None,
    query_prompt: str | None = None,
    document_prompt: str | None = None,
    truncate_dim: int | None = None,
    precision: str | None = None,
    cache: EmbeddingCache | str | os.PathLike[str] | Literal[False] | None = None,
    trust_remote_code: bool = False,
    allow_download: bool = False,
    base_url: str | None = None,
    dimensions: int | None = None,
    max_cost: Budget | float | str | Decimal | None = None,
    offline: bool = False,
    api: ApiOptions | None = None,
) -> Encoder:
    """Return the encoder that a spec names, with a cache of what it embeds.

    Does not load the weights: that happens when the first text has to be computed. Looks at no
    network unless ``allow_download`` is true or the spec names a service, and a service only when
    the first text has to be embedded.

    Parameters
    ----------
    spec : str
        A sentence-transformers folder, or the name of an installed package or of a model in the
        local hub cache: ``"all-MiniLM-L6-v2"``, ``"models/mine"``. It runs natively where it can,
        else by sentence-transformers; ``spec`` of the encoder says which, and the log says why.
        ``"native:NAME"`` runs it in the extension itself: no torch, and the same bits for a text
        in any batch (BERT, RoBERTa, MPNet, DistilBERT and ModernBERT, on the CPU);
        ``"st:NAME"`` by sentence-transformers, on a CPU or a GPU;
        ``"onnx:FOLDER"`` an export, or a sentence-transformers folder with an ONNX graph;
        ``"openai:MODEL"`` for OpenAI or any server that speaks its protocol, ``"cohere:MODEL"``.
    device : str, default "cpu"
        ``"cpu"``, ``"cuda"`` or ``"cuda:N"``, for ``onnx:`` also ``"tensorrt"``; there is no
        fallback. A service has its own.
    batch_size : int, optional
        Texts per forward pass; by default what suits model and device. Of a native model, which
        pads nothing, texts per transaction of the cache and step of the progress: default 1024. Of
        a service, texts per request: default 128, and no more than it takes.
    max_tokens : int, optional
        Cut texts here; the model's own limit if None.
    query_prompt, document_prompt : str, optional
        In place of the model's own; ``""`` for none.
    truncate_dim : int, optional
        Keep the first columns of each vector only. A service is asked for ``dimensions`` instead.
    precision : {"fp32", "bf16", "fp16", "auto"}, optional
        What a model of sentence-transformers computes in: ``"bf16"`` on a CPU with AVX-512 BF16 or
        AMX (about three times as fast) or a GPU, ``"fp16"`` on a GPU. A native model takes
        ``"fp32"``, ``"bf16"``, ``"int8"`` or ``"auto"``, its default: the fastest on this
        processor whose vectors stay near those of fp32. Part of the fingerprint. An ONNX graph
        has its own.
    cache : path, EmbeddingCache, False or None, default None
        Folder of the embeddings; None is the user's cache folder (or ``$EMBEDSMITH_CACHE``), False
        keeps none. What ``precision="auto"`` finds out about a model is kept there too.
    trust_remote_code : bool, default False
        Run Python code that comes with the model. Pickles are refused all the same.
    allow_download : bool, default False
        Fetch a model that is not on this machine from the model hub.
    base_url : str, optional
        Where a service is: ``"http://localhost:8000/v1"``. Default: ``$OPENAI_BASE_URL`` or
        ``$CO_API_URL``, else the vendor's own. Plain http is for this machine only.
    dimensions : int, optional
        Columns to ask a service for, if its model offers fewer.
    max_cost : float, str, Decimal or Budget, optional
        US dollars that a service's requests may cost; one that could pass it is not sent, and
        `BudgetError` is raised. A `Budget` is shared by several encoders.
    offline : bool, default False
        Refuse services and downloads, as ``EMBEDSMITH_OFFLINE=1`` does.
    api : ApiOptions, optional
        How a service is asked: requests at once, patience, prices, input types.

    Returns
    -------
    Encoder
        A `CachedEncoder` unless ``cache`` is False.

    Raises
    ------
    ModelError
        If there is no such model, or its folder is incomplete. `UnsafeModelError` if it holds its
        weights as a pickle or would run code.
    DeviceError
        If the device cannot be used.
    OfflineError
        If the network is needed and forbidden.
    ShapeError
        If a number is out of range.
    DataError
        If a prompt holds what UTF-8 cannot.
    MissingDependencyError
        If a needed package is not installed.

    Notes
    -----
    Of a service: the key is read from the environment (``OPENAI_API_KEY``; ``CO_API_KEY`` or
    ``COHERE_API_KEY``) and shown nowhere. The host is logged as a warning before the first text
    leaves. The fingerprint holds vendor, host and path, model, dimensions, prompts and input types;
    what the vendor runs behind the name is not to be seen, so before a cache is added to, the
    vector of a fixed text is compared with the one that the cache was begun with, and another one
    is a `CacheError`. Each request's vectors are in the cache before the next answer is looked at:
    a run that was stopped, also by ``kill -9``, sends only what it had no answer for. Tokens are
    counted with tiktoken where its encoding is on this machine (nothing is downloaded for it), else
    bounded by the bytes of the text. Prices are in ``embedsmith/backends/api/prices.json``, each
    with its source and date; one that is not there is not guessed, and a table of one's own goes
    before it::

        {"schema": "embedsmith.prices/1", "prices": [{"host": "embed.example.com",
         "model": "e5", "usd_per_million_tokens": "0.01", "date": "2026-11", "source": "contract"}]}

    Examples
    --------
    >>> encoder = load_encoder("fake:8", cache=False)
    >>> encoder.encode(["a text", "another"], role="document").vectors.shape
    (2, 8)
    """
    # A path comes in where a folder is meant, whatever the type says.
    given: object = spec
    if not isinstance(given, str):
        msg = f"spec is {spec!r}; a string is expected. For a folder write str(folder)."
        raise ModelError(msg)
    given_size = None if batch_size is None else as_count("batch_size", batch_size)
    check_prompts(query_prompt=query_prompt, document_prompt=document_prompt)
    if allow_download:
        refuse_offline("allow_download", offline=offline)
    chosen = resolve_spec(
        spec,
        device=device,
        precision=precision,
        trust_remote_code=trust_remote_code,
        allow_download=allow_download,
    )
    spec = spec if chosen is None else chosen.spec
    kind, colon, name = spec.partition(":")
    if colon and kind in VENDORS:
        if truncate_dim is not None:
            msg = (
                f"truncate_dim={truncate_dim} is for models that run here. Ask {kind} for "
                f"dimensions={truncate_dim} (--dimensions) instead."
            )
            raise ModelError(msg)
        return _cached(
            load_api_encoder(
                kind,
                name,
                base_url=base_url,
                dimensions=dimensions,
                max_tokens=max_tokens,
                query_prompt=query_prompt,
                document_prompt=document_prompt,
                batch_size=given_size,
                max_cost=max_cost,
                offline=offline,
                options=api,
            ),
            cache,
        )
    _refuse_service_options(spec, base_url=base_url, dimensions=dimensions, api=api)
    model: SentenceTransformerEncoder | NativeEncoder | OnnxEncoder | FakeEncoder
    if colon and kind == "st":
        found = locate_model(name, allow_download=allow_download)
        model = SentenceTransformerEncoder(
            found.path,
            spec=spec,
            name=found.name,
            device=device,
            batch_size=given_size,
            precision=precision or "fp32",
            max_tokens=max_tokens,
            query_prompt=query_prompt,
            document_prompt=document_prompt,
            truncate_dim=truncate_dim,
            trust_remote_code=trust_remote_code,
            packaged=found.packaged,
        )
    elif colon and kind == "native":
        _check_native(spec, device, trust_remote_code=trust_remote_code)
        found = locate_model(name, allow_download=allow_download)
        model = NativeEncoder(
            found.path,
            spec=spec,
            name=found.name,
            batch_size=given_size,
            precision=precision or "auto",
            max_tokens=max_tokens,
            query_prompt=query_prompt,
            document_prompt=document_prompt,
            truncate_dim=truncate_dim,
            packaged=found.packaged,
            kept=None if cache is False else KeptChoices(_cache_of(cache).folder / "native"),
        )
    elif colon and kind == "onnx":
        _refuse_precision(spec, precision)
        model = OnnxEncoder(
            folder_of(name),
            spec=spec,
            device=device,
            batch_size=given_size,
            max_tokens=max_tokens,
            query_prompt=query_prompt,
            document_prompt=document_prompt,
            truncate_dim=truncate_dim,
        )
    elif colon and kind == "fake" and name.isdecimal():
        _refuse_precision(spec, precision)
        _check_on_cpu(spec, device)
        model = FakeEncoder(
            int(name),
            max_tokens=max_tokens,
            query_prompt=query_prompt or "",
            document_prompt=document_prompt or "",
            batch_size=DEFAULT_BATCH_SIZE if given_size is None else given_size,
        )
    else:
        raise unknown_spec(spec)
    if chosen is not None:
        _log.info("%s runs as %s: %s.", model.name, chosen.spec, chosen.reason)
        model.chosen = chosen.reason
    return _cached(model, cache)


def _check_on_cpu(spec: str, device: str) -> None:
    if device != "cpu":
        msg = f"{spec} runs on the CPU only. Use device='cpu' (--device cpu)."
        raise DeviceError(msg)


def _check_native(spec: str, device: str, *, trust_remote_code: bool) -> None:
    _check_on_cpu(spec, device)
    if trust_remote_code:
        msg = f"{spec} runs no code that comes with a model. Load it with st:, or leave it out."
        raise ModelError(msg)


def _refuse_precision(spec: str, precision: str | None) -> None:
    if precision is not None:
        msg = (
            f"precision={precision!r} is for st: and native: models; that of {spec} is fixed. For "
            "an ONNX graph in another one: "
            f"embedsmith export MODEL --to DIR --precision {precision}"
        )
        raise ModelError(msg)


def _refuse_service_options(spec: str, **options: object) -> None:
    for argument, value in options.items():
        if value is not None:
            msg = (
                f"{argument} is for services (openai:MODEL, cohere:MODEL), and {spec} runs here. "
                "Leave it out."
            )
            raise ModelError(msg)


def _cache_of(cache: EmbeddingCache | str | os.PathLike[str] | None) -> EmbeddingCache:
    return cache if isinstance(cache, EmbeddingCache) else EmbeddingCache(cache)


def _cached(
    model: BatchModel, cache: EmbeddingCache | str | os.PathLike[str] | Literal[False] | None
) -> Encoder:
    if cache is False:
        return model
    folder = _cache_of(cache)
    if isinstance(model, ApiEncoder) and model.known_dim is None:
        # What is stored tells the width, which a service would have to be asked for.
        model.assume_dim(folder.stored_dim(model.fingerprint, model.producer))
    return CachedEncoder(model, folder)
