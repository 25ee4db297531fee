"""What an exported model says about itself, and whether its files are still those it speaks of.

One JSON file in the folder of the export. It is written last, so a folder that has it is whole.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, cast, get_args

from embedsmith._files import atomic_writer, sha256_of
from embedsmith._typing import Metric
from embedsmith.backends._fingerprint import Fingerprint
from embedsmith.backends._model_folder import read_json
from embedsmith.exceptions import ModelError, UnsafeModelError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import NoReturn, TypeVar

    from embedsmith._typing import Json

    _T = TypeVar("_T")

__all__ = [
    "GRAPH_FILE",
    "MANIFEST_FILE",
    "PRECISIONS",
    "TARGETS",
    "WEIGHTS_FILE",
    "ExportManifest",
    "ExportedFile",
    "ExportedSpace",
]

MANIFEST_FILE = "embedsmith_export.json"
GRAPH_FILE = "model.onnx"
# Beside the graph where the weights are too large to be in it.
WEIGHTS_FILE = "model.onnx_data"
PRECISIONS = ("fp32", "bf16", "fp16", "int8")
TARGETS = ("cpu", "cuda")
_SCHEMA = "embedsmith.export/1"
_NEEDED_FILES = (GRAPH_FILE, "tokenizer.json")
# A name in the folder itself: no path, nothing hidden.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_AGAIN = "Export the model again, or take the whole folder from its source."


@dataclass(frozen=True)
class ExportedFile:
    """Size and hash of one file of an export."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class ExportedSpace:
    """How texts become vectors in an export; what `SpaceConfig` is to a model folder.

    Attributes
    ----------
    dim : int
        Width of a vector.
    max_tokens : int or None
        Most tokens the model looks at, special tokens included; None means all.
    truncation_side : str
        ``"right"`` or ``"left"``: which end of a long text is cut off.
    query_prompt, document_prompt : str
        Put before each text of the role.
    metric : str
        ``"cosine"``, ``"dot"`` or ``"l2"``.
    pooling : tuple of str
        What the graph makes of the token vectors.
    normalize : bool
        Whether the graph scales each vector to length 1.
    pad_token_id : int
        Fills short texts of a batch; such places are masked.
    """

    dim: int
    max_tokens: int | None
    truncation_side: str
    query_prompt: str
    document_prompt: str
    metric: Metric
    pooling: tuple[str, ...]
    normalize: bool
    pad_token_id: int


@dataclass(frozen=True)
class ExportManifest:
    """The content of ``embedsmith_export.json``.

    Attributes
    ----------
    source : dict
        ``name`` of the model that was exported, ``fingerprint`` (digest) and ``fields``: the
        identity of the original's space.
    space : ExportedSpace
        How texts become vectors.
    precision : str
        ``"fp32"``, ``"bf16"``, ``"fp16"`` or ``"int8"``.
    target : str
        ``"cpu"`` or ``"cuda"``: what the graph was written for.
    graph : dict
        ``family``, ``opset``, ``layers``, ``fused_layers``, ``operators`` (their counts).
    files : mapping of str to ExportedFile
        Every file of the export but this one, by name.
    batch_invariance : dict
        ``bitwise``: whether a text gave the same bits alone and in batches; ``bound``: the largest
        difference of a component that was seen; ``texts`` and ``method``.
    parity : dict
        Cosine to the original, retrieval beside the original, and the tolerances.
    versions : dict
        Of the libraries that wrote and checked it.
    made_at : str
        ISO 8601, UTC.
    """

    source: Json
    space: ExportedSpace
    precision: str
    target: str
    graph: Json
    files: Mapping[str, ExportedFile]
    batch_invariance: Json
    parity: Json
    versions: Json
    made_at: str

    @classmethod
    def read(cls, folder: Path) -> ExportManifest:
        """Return the manifest of an export; does not look at the other files (`check_files`).

        Parameters
        ----------
        folder : Path
            The folder of the export.

        Raises
        ------
        ModelError
            If there is none, or it is damaged, or of a later release.
        UnsafeModelError
            If it names a file outside its folder.
        """
        file = folder / MANIFEST_FILE
        if not file.is_file():
            msg = (
                f"{folder} has no {MANIFEST_FILE}, so it is no finished export. Write one with: "
                "embedsmith export MODEL --to DIR"
            )
            raise ModelError(msg)
        return cls.from_json(read_json(file), where=str(file))

    @classmethod
    def from_json(cls, content: Json, *, where: str = MANIFEST_FILE) -> ExportManifest:
        """Return the manifest that `to_json` wrote; ``where`` names it in errors."""
        schema = content.get("schema")
        if schema != _SCHEMA:
            msg = (
                f"{where} is of the schema {schema!r}; this release reads {_SCHEMA!r}. Export the "
                "model again with this release, or take the release that wrote it."
            )
            raise ModelError(msg)
        reader = _Reader(where)
        own = {field.name for field in fields(cls)}
        reader.same_keys(content, own | {"schema"}, "")
        return cls(
            source=_checked_source(reader, content),
            space=_space(reader, reader.get(content, "space", dict)),
            precision=reader.one_of(content, "precision", PRECISIONS),
            target=reader.one_of(content, "target", TARGETS),
            graph=reader.get(content, "graph", dict),
            files=_files(reader, reader.get(content, "files", dict)),
            batch_invariance=reader.get(content, "batch_invariance", dict),
            parity=reader.get(content, "parity", dict),
            versions=reader.get(content, "versions", dict),
            made_at=reader.get(content, "made_at", str),
        )

    def to_json(self) -> Json:
        """Return the manifest as JSON values."""
        return cast("Json", {"schema": _SCHEMA, **asdict(self)})

    def write(self, folder: Path) -> None:
        """Write the manifest into a folder whose other files are there already.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        text = json.dumps(self.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
        with atomic_writer(folder / MANIFEST_FILE) as file:
            file.write(text.encode("utf-8") + b"\n")

    def check_files(self, folder: Path) -> None:
        """Compare size and hash of every file with what was exported.

        Raises
        ------
        ModelError
            Naming the first file that is missing or was changed.
        UnsafeModelError
            If a file is a link: what it leads to is not part of the export.
        """
        for name, known in self.files.items():
            file = folder / name
            if file.is_symlink():
                msg = (
                    f"{file} is a link; the files of an export lie in its folder. "
                    "Copy the folder with its files (cp -rL)."
                )
                raise UnsafeModelError(msg)
            if not file.is_file():
                msg = f"{file} is missing, though {MANIFEST_FILE} lists it. {_AGAIN}"
                raise ModelError(msg)
            size = file.stat().st_size
            if size != known.size_bytes:
                msg = f"{file} has {size} bytes; {known.size_bytes} were exported. {_AGAIN}"
                raise ModelError(msg)
            digest = sha256_of(file)
            if digest != known.sha256:
                msg = (
                    f"{file} was changed since it was exported (SHA-256 {digest}, exported "
                    f"{known.sha256}). {_AGAIN}"
                )
                raise ModelError(msg)

    def fingerprint(self, space: ExportedSpace | None = None) -> Fingerprint:
        """Return the identity of the export's space: the original's, and what was made of it.

        The hash of the graph is part of it, so vectors of an export are mixed neither with the
        original's nor with those of another export.

        Parameters
        ----------
        space : ExportedSpace, optional
            The space with the caller's changes; the export's own if None.
        """
        own = self.space if space is None else space
        return Fingerprint(
            {
                **self.source["fields"],
                "backend": "onnx",
                "graph": {
                    name: self.files[name].sha256
                    for name in (GRAPH_FILE, WEIGHTS_FILE)
                    if name in self.files
                },
                "precision": [self.precision],
                "max_tokens": own.max_tokens,
                "truncation_side": own.truncation_side,
                "query_prompt": own.query_prompt,
                "document_prompt": own.document_prompt,
                "dim": own.dim,
                "similarity": own.metric,
            }
        )


class _Reader:
    """Takes checked values from an object; its errors name the file."""

    def __init__(self, where: str) -> None:
        self.where = where

    def refuse(self, reason: str) -> NoReturn:
        msg = f"{self.where} is damaged: {reason}. {_AGAIN}"
        raise ModelError(msg)

    def get(self, content: Json, key: str, kind: type[_T]) -> _T:
        value: Any = content.get(key)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.refuse(f"{key!r} is {value!r:.40}, not {kind.__name__}")
        return value

    def one_of(self, content: Json, key: str, valid: tuple[str, ...]) -> str:
        value = self.get(content, key, str)
        if value not in valid:
            self.refuse(f"{key!r} is {value!r:.40}, not one of {', '.join(valid)}")
        return value

    def same_keys(self, content: Json, names: set[str], inside: str) -> None:
        for what, odd in (
            ("lacks", names - content.keys()),
            ("has an unknown", content.keys() - names),
        ):
            if odd:
                self.refuse(f"{inside or 'it'} {what} {min(odd)!r:.40}")


def _checked_source(reader: _Reader, content: Json) -> Json:
    source = reader.get(content, "source", dict)
    reader.get(source, "name", str)
    digest = reader.get(source, "fingerprint", str)
    if Fingerprint(reader.get(source, "fields", dict)).digest != digest:
        reader.refuse("the fingerprint of 'source' is not that of its fields")
    return source


def _space(reader: _Reader, content: Json) -> ExportedSpace:
    reader.same_keys(content, {field.name for field in fields(ExportedSpace)}, "'space'")
    longest = content["max_tokens"]
    pooling = reader.get(content, "pooling", list)
    for key, least in (("dim", 1), ("pad_token_id", 0)):
        if reader.get(content, key, int) < least:
            reader.refuse(f"{key!r} is {content[key]}")
    if longest is not None and reader.get(content, "max_tokens", int) < 1:
        reader.refuse(f"'max_tokens' is {longest}")
    return ExportedSpace(
        dim=content["dim"],
        max_tokens=longest,
        truncation_side=reader.one_of(content, "truncation_side", ("right", "left")),
        query_prompt=reader.get(content, "query_prompt", str),
        document_prompt=reader.get(content, "document_prompt", str),
        metric=cast("Metric", reader.one_of(content, "metric", get_args(Metric))),
        pooling=tuple(map(str, pooling)),
        normalize=reader.get(content, "normalize", bool),
        pad_token_id=content["pad_token_id"],
    )


def _files(reader: _Reader, content: Json) -> dict[str, ExportedFile]:
    found = {}
    for name, entry in content.items():
        if _PLAIN_NAME.fullmatch(name) is None or name == MANIFEST_FILE:
            msg = (
                f"{reader.where} names the file {name!r:.80}, which is none of its folder. "
                "Use an export from a source you trust."
            )
            raise UnsafeModelError(msg)
        if not isinstance(entry, dict):
            reader.refuse(f"{name!r} has no size and hash")
        reader.same_keys(entry, {"sha256", "size_bytes"}, f"{name!r}")
        digest = reader.get(entry, "sha256", str)
        if _SHA256.fullmatch(digest) is None:
            reader.refuse(f"the hash of {name!r} is {digest!r:.40}")
        found[name] = ExportedFile(digest, reader.get(entry, "size_bytes", int))
    for name in _NEEDED_FILES:
        if name not in found:
            reader.refuse(f"it lists no {name}")
    return found
