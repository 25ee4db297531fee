"""From a spec to an encoder."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Literal

from embedsmith._validate import as_count
from embedsmith.backends._cache import EmbeddingCache
from embedsmith.backends._cached import CachedEncoder
from embedsmith.backends._packaged import PACKAGED
from embedsmith.backends._protocol import DEFAULT_BATCH_SIZE, BatchModel, Encoder
from embedsmith.backends._resolve import locate_model
from embedsmith.backends.fake import FakeEncoder
from embedsmith.backends.sentence_transformers import SentenceTransformerEncoder
from embedsmith.exceptions import DeviceError, ModelError

if TYPE_CHECKING:
    import os

__all__ = ["load_encoder"]

_LEXICAL = "bm25"
_VALID = f"{_LEXICAL}; st:FOLDER or st:NAME (sentence-transformers)"


def load_encoder(
    spec: str,
    *,
    device: str = "cpu",
    batch_size: int = DEFAULT_BATCH_SIZE,
    max_tokens: int | None = None,
    query_prompt: str | None = None,
    document_prompt: str | None = None,
    truncate_dim: int | None = None,
    cache: EmbeddingCache | str | os.PathLike[str] | Literal[False] | None = None,
    trust_remote_code: bool = False,
    allow_download: bool = False,
) -> Encoder:
    """Return the encoder that a spec names, with a cache of what it embeds.

    Does not load the weights: that happens when the first text has to be computed. Looks at no
    network unless ``allow_download`` is true.

    Parameters
    ----------
    spec : str
        ``"st:FOLDER"``, or ``"st:NAME"`` for an installed package or the local hub cache.
    device : str, default "cpu"
        ``"cpu"``, ``"cuda"`` or ``"cuda:N"``; there is no fallback.
    batch_size : int, default 32
        Texts per forward pass.
    max_tokens : int, optional
        Cut texts here; the model's own limit if None.
    query_prompt, document_prompt : str, optional
        In place of the model's own; ``""`` for none.
    truncate_dim : int, optional
        Keep the first columns of each vector only.
    cache : path, EmbeddingCache, False or None, default None
        Folder of the embeddings; None is the user's cache folder (or ``$EMBEDSMITH_CACHE``), False
        keeps none.
    trust_remote_code : bool, default False
        Run Python code that comes with the model. Pickles are refused all the same.
    allow_download : bool, default False
        Fetch a model that is not on this machine from the model hub.

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
    ShapeError
        If a number is out of range.
    MissingDependencyError
        If a needed package is not installed.

    Examples
    --------
    >>> encoder = load_encoder("fake:8", cache=False)
    >>> encoder.encode(["a text", "another"], role="document").vectors.shape
    (2, 8)
    """
    # A path comes in where a folder is meant, whatever the type says.
    given: object = spec
    if not isinstance(given, str):
        msg = f"spec is {spec!r}; a string is expected. For a folder write f'st:{{folder}}'."
        raise ModelError(msg)
    batch_size = as_count("batch_size", batch_size)
    kind, colon, name = spec.partition(":")
    model: BatchModel
    if colon and kind == "st":
        found = locate_model(name, allow_download=allow_download)
        model = SentenceTransformerEncoder(
            found.path,
            spec=spec,
            name=found.name,
            device=device,
            batch_size=batch_size,
            max_tokens=max_tokens,
            query_prompt=query_prompt,
            document_prompt=document_prompt,
            truncate_dim=truncate_dim,
            trust_remote_code=trust_remote_code,
            packaged=found.packaged,
        )
    elif colon and kind == "fake" and name.isdecimal():
        if device != "cpu":
            msg = f"{spec} runs on the CPU only. Use device='cpu' (--device cpu)."
            raise DeviceError(msg)
        model = FakeEncoder(
            int(name),
            max_tokens=max_tokens,
            query_prompt=query_prompt or "",
            document_prompt=document_prompt or "",
            batch_size=batch_size,
        )
    else:
        raise _unknown_spec(spec)
    if cache is False:
        return model
    return CachedEncoder(
        model, cache if isinstance(cache, EmbeddingCache) else EmbeddingCache(cache)
    )


def _unknown_spec(spec: str) -> ModelError:
    kind, colon, name = spec.partition(":")
    if spec.lower() == _LEXICAL:
        msg = "bm25 is not an encoder: it ranks without vectors. Use embedsmith.backends.Bm25."
        return ModelError(msg)
    if difflib.get_close_matches(kind.lower(), [_LEXICAL], n=1):
        meant = _LEXICAL
    else:
        # The only other kind; a name that is known is offered as it is written.
        bare = (name if colon else spec).strip() or next(iter(PACKAGED))
        meant = f"st:{next(iter(difflib.get_close_matches(bare, PACKAGED, n=1, cutoff=0.7)), bare)}"
    wrong = (
        f"there is no kind of model {kind!r}" if colon else "it does not say which kind of model"
    )
    return ModelError(f"{spec!r}: {wrong}. Valid: {_VALID}. Did you mean {meant!r}?")
