"""Identity of an embedding space."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Fingerprint", "canonical_json"]


def canonical_json(value: Any) -> str:
    """Return the one JSON text of a value: sorted keys, no blanks, no NaN, non-ASCII kept.

    Examples
    --------
    >>> canonical_json({"b": 1, "a": "é"})
    '{"a":"é","b":1}'
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """SHA-256 over all that decides a text's vector; two that differ are never mixed.

    It does not depend on where the model's files lie, on the device, the batch size or the
    versions of the libraries: those change the last bits of a vector, not its space. They are
    `Encoder.producer`, by which a cache keeps vectors apart within a space.

    Parameters
    ----------
    fields : Mapping[str, Any]
        JSON values: hashes of weights and tokenizer, pooling, normalisation, prompts and so on.

    Examples
    --------
    >>> a = Fingerprint({"weights": "00", "dim": 384})
    >>> b = Fingerprint({"dim": 384, "weights": "00"})
    >>> a == b, a.short
    (True, '80d2d5032d61')
    """

    fields: Mapping[str, Any]

    def __post_init__(self) -> None:
        # Round trip: what is hashed is what is kept, and no caller can change it afterwards.
        frozen = json.loads(canonical_json(dict(self.fields)))
        object.__setattr__(self, "fields", MappingProxyType(frozen))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, 64 hexadecimal digits."""
        return hashlib.sha256(self.canonical.encode("utf-8")).hexdigest()

    @property
    def canonical(self) -> str:
        """The canonical JSON that is hashed."""
        return canonical_json(dict(self.fields))

    @property
    def short(self) -> str:
        """First 12 digits, for people."""
        return self.digest[:12]

    def differences(self, other: Fingerprint) -> tuple[str, ...]:
        """Return the names of the fields in which two spaces differ.

        Parameters
        ----------
        other : Fingerprint
            The other space.

        Returns
        -------
        tuple of str
            Sorted; empty if the spaces are the same.

        Examples
        --------
        >>> Fingerprint({"dim": 384}).differences(Fingerprint({"dim": 256}))
        ('dim',)
        """
        names = {*self.fields, *other.fields}
        missing = object()
        return tuple(
            sorted(
                name
                for name in names
                if self.fields.get(name, missing) != other.fields.get(name, missing)
            )
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fingerprint) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __str__(self) -> str:
        return self.digest
