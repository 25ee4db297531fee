"""How the models of an evaluation are opened: one set of options for all kinds of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from embedsmith.backends import Bm25, EmbeddingCache, load_encoder
from embedsmith.backends._spec import bare_name
from embedsmith.backends.api import ApiOptions, Budget
from embedsmith.backends.api._load import VENDORS
from embedsmith.exceptions import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal
    from pathlib import Path

    from embedsmith._typing import Json
    from embedsmith.backends import Encoder

__all__ = ["ModelOptions", "asks_service"]


def asks_service(spec: object) -> bool:
    """Tell whether a spec names a model at a service.

    Examples
    --------
    >>> asks_service("openai:text-embedding-3-small"), asks_service("st:openai")
    (True, False)
    """
    return isinstance(spec, str) and spec.partition(":")[0] in VENDORS and ":" in spec


def _has_precision(spec: object) -> bool:
    """Tell whether a model computes in a precision that can be chosen."""
    if not isinstance(spec, str) or spec == Bm25.spec:
        return False
    return spec.startswith(("st:", "native:")) or bare_name(spec) is not None


@dataclass(frozen=True)
class ModelOptions:
    """What ``load_encoder`` is told for every spec, each kind of model as far as it concerns it.

    Attributes
    ----------
    device, batch_size, max_tokens, truncate_dim, query_prompt, document_prompt
        As ``load_encoder`` takes them. A service has a device of its own.
    trust_remote_code, allow_download, cache, base_url, dimensions, offline, api
        Likewise; only services hear of ``base_url``, ``dimensions`` and ``api``.
    precision : str or None
        Of native models and those of sentence-transformers; no other hears of it.
    max_cost : float, str, Decimal, Budget or None
        Of all models together.
    """

    device: str = "cpu"
    batch_size: int | None = None
    max_tokens: int | None = None
    truncate_dim: int | None = None
    precision: str | None = None
    query_prompt: str | None = None
    document_prompt: str | None = None
    trust_remote_code: bool = False
    allow_download: bool = False
    cache: EmbeddingCache | str | Path | bool | None = None
    base_url: str | None = None
    dimensions: int | None = None
    max_cost: Budget | float | str | Decimal | None = None
    offline: bool = False
    api: ApiOptions = field(default_factory=ApiOptions)

    def shared(self) -> ModelOptions:
        """Return the options with one budget for all models that are opened with them."""
        budget = self.max_cost if isinstance(self.max_cost, Budget) else Budget(self.max_cost)
        return replace(self, max_cost=budget)

    def check(self, specs: Iterable[object]) -> None:
        """Refuse what no model, or more than one vendor, would be told.

        Parameters
        ----------
        specs : iterable
            All models; open ones have their own options.

        Raises
        ------
        ModelError
            Naming the option.
        """
        specs = list(specs)
        if self.precision is not None and not any(_has_precision(spec) for spec in specs):
            msg = (
                f"precision={self.precision!r} is for st: and native: models, and no model is one. "
                "Leave it out; an ONNX graph is exported in its precision."
            )
            raise ModelError(msg)
        vendors = {str(spec).partition(":")[0] for spec in specs if asks_service(spec)}
        for name in ("base_url", "dimensions"):
            if getattr(self, name) is not None and not vendors:
                msg = (
                    f"{name} is for services, and no model is one. Leave it out, or name a model "
                    "as openai:MODEL or cohere:MODEL."
                )
                raise ModelError(msg)
        if self.base_url is not None and len(vendors) > 1:
            msg = (
                "base_url would be that of two vendors. Leave it out, and name their servers by "
                "OPENAI_BASE_URL and CO_API_URL."
            )
            raise ModelError(msg)

    def load(self, spec: str) -> Encoder:
        """Open a model.

        Parameters
        ----------
        spec : str
            Not ``"bm25"``.
        """
        shared: dict[str, Any] = {
            "max_tokens": self.max_tokens,
            "query_prompt": self.query_prompt,
            "document_prompt": self.document_prompt,
            "truncate_dim": self.truncate_dim,
            "cache": None if self.cache is True else self.cache,
            "offline": self.offline,
        }
        if asks_service(spec):
            return load_encoder(
                spec,
                **shared,
                batch_size=self.batch_size,
                base_url=self.base_url,
                dimensions=self.dimensions,
                max_cost=self.max_cost,
                api=self.api,
            )
        return load_encoder(
            spec,
            **shared,
            device=self.device,
            batch_size=self.batch_size,
            precision=self.precision if _has_precision(spec) else None,
            trust_remote_code=self.trust_remote_code,
            allow_download=self.allow_download,
        )

    def settings(self, *, used: bool) -> Json:
        """Return what of this belongs into ``Settings``.

        Parameters
        ----------
        used : bool
            Whether a model was opened with it. What reached none is not to be read as if it had.
        """
        local: Json = {
            "device": self.device,
            "batch_size": self.batch_size,
            "max_tokens": self.max_tokens,
            "truncate_dim": self.truncate_dim,
            "precision": self.precision,
            "query_prompt": self.query_prompt,
            "document_prompt": self.document_prompt,
            "base_url": self.base_url,
            "dimensions": self.dimensions,
            "query_input_type": self.api.query_input_type,
            "document_input_type": self.api.document_input_type,
            "truncate": None if self.api.truncate == "NONE" else self.api.truncate,
        }
        return {
            **(local if used else dict.fromkeys(local)),
            "trust_remote_code": used and self.trust_remote_code,
        }
