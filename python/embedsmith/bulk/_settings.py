"""What decides the bytes of an embedding folder, beside the texts."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from embedsmith._validate import as_count
from embedsmith.backends import Fingerprint
from embedsmith.exceptions import DataError, OutputError

if TYPE_CHECKING:
    from pathlib import Path

    from embedsmith._typing import Json, Metric
    from embedsmith.backends import Encoder, Role

__all__ = ["SHARD_BYTES", "SHARD_ROWS", "Settings", "VectorType"]

VectorType: TypeAlias = Literal["float32", "float16", "int8"]

# A few seconds of a GPU's work and half a minute of a CPU's: what a run without a cache can lose.
SHARD_ROWS = 16_384
# Texts of one shard: what a run holds in memory, some few times.
SHARD_BYTES = 64 << 20


@dataclass(frozen=True)
class Settings:
    """What decides the bytes of an embedding folder, beside the texts.

    Attributes
    ----------
    model : str
        Name of the model, for people; not compared.
    fingerprint : dict
        ``digest`` and ``fields`` of the embedding space.
    producer : dict
        What decides the last bits of a vector: device, batch size, versions.
    role, prompt : str
        What the texts were embedded as, and what was put before each.
    dim : int
    metric : {"cosine", "dot", "l2"}
    dtype : {"float32", "float16", "int8"}
    shard_rows, shard_bytes : int
        A shard ends with so many texts, or once its texts take so many bytes in UTF-8.
    threads : int or None
        Threads that each process was given; None for the libraries' own choice.
    """

    model: str
    fingerprint: Json
    producer: Json
    role: Role
    prompt: str
    dim: int
    metric: Metric
    dtype: VectorType
    shard_rows: int
    shard_bytes: int
    threads: int | None

    @classmethod
    def of(
        cls,
        encoder: Encoder,
        *,
        role: Role,
        dtype: VectorType,
        shard_rows: int,
        shard_bytes: int,
        threads: int | None,
    ) -> Settings:
        """Return the settings of a run.

        Raises
        ------
        ShapeError, DataError
            If a number or a name is none that there is.
        """
        if dtype not in get_args(VectorType):
            msg = f"dtype={dtype!r} is unknown. Choose one of {', '.join(get_args(VectorType))}."
            raise DataError(msg)
        return cls(
            model=encoder.name,
            fingerprint={
                "digest": encoder.fingerprint.digest,
                "fields": dict(encoder.fingerprint.fields),
            },
            producer=dict(encoder.producer),
            role=role,
            prompt=encoder.prompt(role),
            dim=encoder.dim,
            metric=encoder.metric,
            dtype=dtype,
            shard_rows=as_count("shard_rows", shard_rows),
            shard_bytes=as_count("shard_bytes", shard_bytes),
            threads=None if threads is None else as_count("threads", threads),
        )

    @classmethod
    def from_json(cls, path: Path, content: Any) -> Settings:
        """Read what `to_json` returned.

        Raises
        ------
        DataError
            If something is missing or unknown.
        """
        try:
            return cls(**content)
        except TypeError as error:
            msg = f"{path} does not say how its vectors were made ({error}). Write the folder anew."
            raise DataError(msg) from error

    def to_json(self) -> Json:
        """Return JSON values."""
        return asdict(self)

    @property
    def digest(self) -> str:
        """SHA-256 of all but the model's name; each shard carries it."""
        content = {name: value for name, value in self.to_json().items() if name != "model"}
        return hashlib.sha256(Fingerprint(content).canonical.encode()).hexdigest()

    def refuse_other(self, other: Settings, folder: Path) -> None:
        """Refuse to write into a folder of other settings, by the names of what differs.

        Raises
        ------
        OutputError
            If anything differs but the model's name.
        """
        differing = [
            phrase
            for name, there in self.to_json().items()
            if name != "model" and there != (asked := other.to_json()[name])
            for phrase in _difference(name, there, asked)
        ]
        if differing:
            msg = (
                f"{folder} holds embeddings that were made otherwise: {'; '.join(differing)}. "
                "Ask for the same, or name another folder."
            )
            raise OutputError(msg)


def _difference(name: str, there: Any, asked: Any) -> list[str]:
    """Say how two values of one setting differ, field by field where they have fields."""
    if name == "fingerprint":
        fields = Fingerprint(there["fields"]).differences(Fingerprint(asked["fields"]))
        phrase = (
            f"the embedding space is {there['digest'][:12]} there and {asked['digest'][:12]} here "
            f"({', '.join(fields)})"
        )
        return [phrase]
    if isinstance(there, dict) and isinstance(asked, dict):
        return [
            _phrase(f"{name} {key}", there.get(key), asked.get(key))
            for key in sorted({*there, *asked})
            if there.get(key) != asked.get(key)
        ]
    return [_phrase(name, there, asked)]


def _phrase(name: str, there: Any, asked: Any) -> str:
    return f"{name} is {there!r} there and {asked!r} here"
