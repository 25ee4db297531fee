"""What an encoder is, for those who call one and for those who write one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from embedsmith._typing import BoolArray, F32Array, I64Array, Json, Metric
    from embedsmith.backends._fingerprint import Fingerprint

__all__ = [
    "DEFAULT_BATCH_SIZE",
    "BatchModel",
    "Embedded",
    "Encoder",
    "Progress",
    "Role",
    "TokenizedTexts",
]

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


@dataclass(frozen=True)
class TokenizedTexts:
    """Texts as a model reads them, so that nothing is tokenised twice.

    Attributes
    ----------
    texts : sequence of str
        The texts, without the prompt.
    role : {"query", "document"}
        What they are; it chose the prompt.
    n_tokens : ndarray of shape (n_texts,), int64
        Tokens of prompt and text before anything was cut, special tokens included.
    inputs : object
        Whatever the model that made this needs to run any of the texts; None if the texts
        themselves are enough.
    """

    texts: Sequence[str]
    role: Role
    n_tokens: I64Array
    inputs: Any = None

    def __len__(self) -> int:
        return len(self.texts)


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

    @property
    def token_budget(self) -> int | None:
        """Most tokens in one forward pass, padding included: texts times the longest of them.

        A text that is longer runs alone. None: only the batch size counts.
        """
        ...

    @property
    def batch_invariant(self) -> bool:
        """Whether a text gives the same bits in every batch.

        Then neither batch size nor token budget is part of `producer`.
        """
        ...

    @property
    def in_flight(self) -> int:
        """How many batches run at once, each in a thread: 1, unless several devices share them."""
        ...

    @property
    def tokenize_ahead(self) -> bool:
        """Whether to tokenise further texts while a batch runs.

        It pays where batches run elsewhere than on the processor that tokenises.
        """
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

    def tokenize(self, texts: Sequence[str], role: Role) -> TokenizedTexts:
        """Return the texts with their token counts, ready for `encode_tokenized`.

        May be called from a thread of its own while batches run, if `tokenize_ahead` says so.

        Parameters
        ----------
        texts : sequence of str
            Distinct.
        role : {"query", "document"}
            Chooses the prompt.

        Returns
        -------
        TokenizedTexts
        """
        ...

    def encode_tokenized(self, tokenized: TokenizedTexts, positions: I64Array) -> F32Array:
        """Return the vectors of one forward pass over some of the tokenised texts.

        Called from up to `in_flight` threads at once.

        Parameters
        ----------
        tokenized : TokenizedTexts
            What `tokenize` of this model returned.
        positions : ndarray of shape (n_batch,), int64
            Which of its texts make up the batch.

        Returns
        -------
        ndarray of shape (n_batch, dim), float32
            In the order of ``positions``.

        Raises
        ------
        DeviceMemoryError
            If the batch does not fit; smaller ones are tried then.
        """
        ...

    def encode_batch(self, texts: Sequence[str], role: Role) -> F32Array:
        """Return the vectors of one forward pass over texts that are not tokenised yet.

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

    def encode(
        self,
        texts: Sequence[str],
        *,
        role: Role,
        batch_size: int | None = None,
        progress: Progress | None = None,
        token_progress: Progress | None = None,
    ) -> Embedded:
        """Embed texts; see `Encoder.encode`.

        Parameters
        ----------
        texts : sequence of str
            As for `Encoder.encode`.
        role : {"query", "document"}
            Chooses the prompt.
        batch_size : int, optional
            Texts per forward pass.
        progress : callable, optional
            Called with the number of texts done.
        token_progress : callable, optional
            Called beside ``progress``, with the number of tokens that the model has looked at so
            far, those of cached and repeated texts included.

        Returns
        -------
        Embedded
            In the order of ``texts``.
        """
        ...
