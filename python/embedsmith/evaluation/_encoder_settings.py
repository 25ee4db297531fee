"""How an encoder ran, whoever opened it."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003  # a stored result is read by its types
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from embedsmith.backends import CachedEncoder
from embedsmith.evaluation._records import ADDED

if TYPE_CHECKING:
    from embedsmith.backends import Encoder

__all__ = ["EncoderSettings"]


@dataclass(frozen=True)
class EncoderSettings:
    """How an encoder ran, as it says itself.

    Attributes
    ----------
    device : str or None
        Where it ran; None if it does not tell.
    batch_size : int or None
        Texts per forward pass; None if it does not tell.
    max_tokens : int or None
        Most tokens it looks at; None is all.
    query_prompt, document_prompt : str
        Put before each text.
    producer : dict
        What decides the last bits of its vectors: device, batch size, versions of libraries.
    service : dict or None
        Of a model at a service: its ``host``, how ``tokens`` were counted and whether that is
        exact (``tokens_exact``), and what becomes of texts that are ``too_long``.
    chosen : str or None
        Why this backend ran it, of a model that was named without one.
    """

    device: str | None
    batch_size: int | None
    max_tokens: int | None
    query_prompt: str
    document_prompt: str
    producer: Mapping[str, Any]
    service: Mapping[str, Any] | None = field(default=None, metadata=ADDED)
    chosen: str | None = field(default=None, metadata=ADDED)

    @classmethod
    def of(cls, encoder: Encoder) -> EncoderSettings:
        """Return the settings of an open encoder.

        Parameters
        ----------
        encoder : Encoder
            Asked, not changed; its weights are not loaded.

        Returns
        -------
        EncoderSettings
            Its own, whatever an evaluation was asked for.
        """
        # A cache stands before the model that runs.
        model = encoder.encoder if isinstance(encoder, CachedEncoder) else encoder
        return cls(
            # Not every encoder has a device or batches: one may ask a service.
            device=getattr(model, "device", None),
            batch_size=getattr(model, "batch_size", None),
            max_tokens=model.max_tokens,
            query_prompt=model.prompt("query"),
            document_prompt=model.prompt("document"),
            producer=dict(model.producer),
            service=model.describe() if hasattr(model, "describe") else None,
            chosen=getattr(model, "chosen", None),
        )
