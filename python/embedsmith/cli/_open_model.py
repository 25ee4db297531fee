"""The model that was typed, opened as it was typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedsmith._deps import require
from embedsmith.backends import EmbeddingCache, load_encoder, resolve_spec
from embedsmith.backends.api import ApiOptions
from embedsmith.backends.api._estimate import estimate
from embedsmith.evaluation import CostEstimate
from embedsmith.exceptions import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from embedsmith.backends import Encoder, Role
    from embedsmith.cli._model_options import ModelOptions
    from embedsmith.cli._service_options import ServiceOptions

__all__ = [
    "asked_options",
    "estimate_model",
    "kept_embeddings",
    "open_cross_encoder",
    "open_model",
    "resolved",
]

_RESOLVING = ("device", "precision", "trust_remote_code", "allow_download")


def asked_options(models: ModelOptions, services: ServiceOptions) -> dict[str, Any]:
    """Return what ``load_encoder`` is to be told.

    What is as it would be anyway is left out: not every option is for every kind of model.

    Parameters
    ----------
    models, services
        As they were typed.
    """
    typed: dict[str, Any] = {
        "device": models.device,
        "batch_size": models.batch_size,
        "max_tokens": models.max_tokens,
        "truncate_dim": models.truncate_dim,
        "precision": models.precision,
        "query_prompt": models.query_prompt,
        "document_prompt": models.document_prompt,
        "trust_remote_code": models.trust_remote_code,
        "allow_download": models.allow_download,
        "cache": models.cache,
        "base_url": services.base_url,
        "dimensions": services.dimensions,
        "max_cost": services.max_cost,
        "offline": services.offline,
        "api": services.api,
    }
    usual = (None, False, "cpu", ApiOptions())
    options = {name: value for name, value in typed.items() if value not in usual}
    return {**options, "cache": False} if models.no_cache else options


def resolved(
    spec: str, options: Mapping[str, Any], note: Callable[[str], None] | None = None
) -> str:
    """Return the spec with its backend; says which one runs a model that was named without.

    Parameters
    ----------
    spec : str
        As it was typed.
    options : mapping
        Of `asked_options`.
    note : callable, optional
        Told in one line which backend it is, and why.
    """
    chosen = resolve_spec(spec, **{name: options[name] for name in _RESOLVING if name in options})
    if chosen is None:
        return spec
    if note is not None:
        note(f"{spec} runs as {chosen.spec}: {chosen.reason}")
    return chosen.spec


def open_model(spec: str, options: Mapping[str, Any], note: Callable[[str], None]) -> Encoder:
    """Open a model, and say what runs it; its weights are read when the first text needs them.

    Parameters
    ----------
    spec, options, note
        As for `resolved`.
    """
    return load_encoder(resolved(spec, options, note), **options)


def estimate_model(encoder: Encoder, texts: Mapping[Role, Sequence[str]]) -> CostEstimate:
    """Return what embedding texts would take of a model: nothing is sent, embedded or written.

    Parameters
    ----------
    encoder : Encoder
        Closed afterwards.
    texts : mapping of role to sequence of str
        Repeated texts count once.
    """
    try:
        found = estimate(encoder, texts)
        return CostEstimate(name=encoder.name, spec=encoder.spec, **vars(found))
    finally:
        encoder.close()


def kept_embeddings(models: ModelOptions) -> str:
    """Return what an interrupted command that writes at its end leaves, and how to go on.

    Parameters
    ----------
    models : ModelOptions
        As they were typed.
    """
    if models.no_cache:
        return "Nothing was written: --no-cache keeps no embeddings."
    folder = EmbeddingCache(models.cache).folder
    return f"Embeddings made so far are kept in {folder}; the same command goes on from there."


def open_cross_encoder(name: str) -> Any:
    """Open a CrossEncoder of sentence-transformers that is on this machine.

    Parameters
    ----------
    name : str
        A folder, or a name in the local hub cache.
    """
    library: Any = require("sentence_transformers", extra="st", feature="A cross-encoder")
    try:
        return library.CrossEncoder(name, device="cpu", local_files_only=True)
    except OSError as error:
        msg = (
            f"There is no cross-encoder {name!r}: no such folder or entry of the local hub cache. "
            f"Name a folder; or, with a network: hf download {name}."
        )
        raise ModelError(msg) from error
