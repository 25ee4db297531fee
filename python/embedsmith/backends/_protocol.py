"""What an encoder is, for those who call one and for those who write one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from embedsmith._typing import BoolArray, F32Array, I64Array, Json, Metric
    from embedsmith.backends._fingerprint import Fingerprint

__all__ = ["DEFAULT_BATCH_SIZE", "BatchModel", "Embedded", "Encoder", "Progress", "Role"]

Role: TypeAlias = Literal["query", "document"]
Progress: TypeAlias = Callable[[int], None]

# The model library's own default, so that its vectors and ours come from batches of one size.
DEFAULT_BATCH_SIZE = 32


@dataclass(frozen=True)
class Embedded:
    """Embeddings of some texts, with what was cut off and what came from the cache.

    Attributes
    ----------
    vectors : ndarray of shape (n_texts, dim), float32, C-contiguous
        One row per text, in the caller's order. Owned by the receiver.
    n_tokens : ndarray of shape (n_texts,), int64
        Tokens of prompt and text before anything was cut, special tokens included.
    truncated : ndarray of shape (n_texts,), bool
        Whether the model saw only a part of the text.
    n_cached : int
        How many of the texts were not computed now but read from the cache.
    """

    vectors: F32Array
    n_tokens: I64Array
    truncated: BoolArray
    n_cached: int

    @property
    def n_truncated(self) -> int:
        """Count of texts of which the model saw only a part."""
        return int(self.truncated.sum())


@runtime_checkable
class Encoder(Protocol):
    """Turns texts into vectors of one embedding space."""

    @property
    def spec(self) -> str:
        """What ``load_encoder`` was given: ``"st:all-MiniLM-L6-v2"``."""
        ...

    @property
    def name(self) -> str:
        """Short name for tables."""
        ...

    @property
    def dim(self) -> int:
        """Width of a vector."""
        ...

    @property
    def max_tokens(self) -> int | None:
        """Most tokens the model looks at; None means all."""
        ...

    @property
    def metric(self) -> Metric:
        """Similarity the model was trained for."""
        ...

    @property
    def fingerprint(self) -> Fingerprint:
        """Identity of the embedding space."""
        ...

    @property
    def producer(self) -> Json:
        """What decides the last bits of a vector within its space, as JSON values.

        Device, batch size and versions of libraries. A cache serves no vector of another producer.
        """
        ...

    def prompt(self, role: Role) -> str:
        """Return the text that is put before each text of a role.

        Parameters
        ----------
        role : {"query", "document"}
            What the texts are.

        Returns
        -------
        str
            Empty if there is none.
        """
        ...

    def encode(
        self,
        texts: Sequence[str],
        *,
        role: Role,
        batch_size: int | None = None,
        progress: Progress | None = None,
    ) -> Embedded:
        """Embed texts.

        Parameters
        ----------
        texts : sequence of str
            Empty strings are embedded like any other. Equal texts are computed once.
        role : {"query", "document"}
            Chooses the prompt.
        batch_size : int, optional
            Texts per forward pass; the encoder's own if None.
        progress : callable, optional
            Called with the number of texts done, cached ones included; the last call is
            with ``len(texts)``.

        Returns
        -------
        Embedded
            In the order of ``texts``.

        Raises
        ------
        DataError
            If an item is not a string that UTF-8 can hold; names its position.
        NonFiniteError
            If the model answers NaN or infinity for a text; names its position.
        """
        ...

    def close(self) -> None:
        """Give the model's memory and open files back. Calling twice does no harm."""
        ...


class BatchModel(Encoder, Protocol):
    """What a backend implements: single batches. Order, duplicates and cache are not its affair."""

    @property
    def batch_size(self) -> int:
        """Texts per forward pass when the caller names none."""
        ...

    def token_limit(self, role: Role) -> int | None:
        """Return how many tokens the model looks at for this role.

        Parameters
        ----------
        role : {"query", "document"}
            Chooses the prompt.

        Returns
        -------
        int or None
            None means all.
        """
        ...

    def count_tokens(self, texts: Sequence[str], role: Role) -> I64Array:
        """Return the untruncated token count of prompt and text, special tokens included.

        Parameters
        ----------
        texts : sequence of str
            Distinct.
        role : {"query", "document"}
            Chooses the prompt.

        Returns
        -------
        ndarray of shape (n_texts,), int64
        """
        ...

    def encode_batch(self, texts: Sequence[str], role: Role) -> F32Array:
        """Return the vectors of one forward pass.

        Parameters
        ----------
        texts : sequence of str
            Distinct.
        role : {"query", "document"}
            Chooses the prompt.

        Returns
        -------
        ndarray of shape (n_texts, dim), float32
            In the order of ``texts``.
        """
        ...
