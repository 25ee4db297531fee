"""What a folder with an ONNX graph says of its embedding space: an export of ours, or another's."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from embedsmith._files import sha256_of
from embedsmith._validate import as_count
from embedsmith.backends._export_manifest import (
    GRAPH_FILE,
    MANIFEST_FILE,
    ExportedSpace,
    ExportManifest,
)
from embedsmith.backends._fingerprint import Fingerprint
from embedsmith.backends._model_folder import ModelFolder, read_json
from embedsmith.backends._st_config import read_space
from embedsmith.backends.onnx._graph import GraphFacts, read_graph
from embedsmith.backends.onnx._pooling import POOLINGS
from embedsmith.exceptions import ModelError, ShapeError, UnsafeModelError

if TYPE_CHECKING:
    from pathlib import Path

    from embedsmith._typing import Json
    from embedsmith.backends._st_config import SpaceConfig

__all__ = ["OnnxFolder"]

# Where the graph of a sentence-transformers folder lies, in the library's own order.
_PLACES = ("onnx/model.onnx", "model.onnx")
_LEAST_TOKENS = 3


@dataclass(frozen=True)
class OnnxFolder:
    """A folder whose files were found whole, and safe to load.

    Attributes
    ----------
    path, graph_file, tokenizer_file : Path
        The folder, and the two files that are loaded.
    space : ExportedSpace
        How texts become vectors, with the caller's changes.
    pooling : tuple of str
        What is made of the token vectors outside the graph; empty if the graph does it.
    normalize : bool
        Whether vectors are scaled to length 1 outside the graph.
    lowercase : bool
        Whether texts are put into lower case before the tokenizer.
    truncate_dim : int or None
        Columns that are kept, if not all.
    graph_sha256 : str
        Of the graph's file as it was checked.
    identity : dict
        The fields of the fingerprint.
    precision : str
        Of the weights.
    """

    path: Path
    graph_file: Path
    tokenizer_file: Path
    space: ExportedSpace
    pooling: tuple[str, ...]
    normalize: bool
    lowercase: bool
    truncate_dim: int | None
    graph_sha256: str
    facts: GraphFacts
    identity: Json
    precision: str

    @property
    def fingerprint(self) -> Fingerprint:
        """Identity of the embedding space."""
        return Fingerprint(self.identity)

    @property
    def output(self) -> str:
        """Name of the output that is asked for."""
        output = self.facts.tokens if self.pooling else self.facts.sentence
        if output is None:
            msg = f"{self.graph_file} has no such output"
            raise AssertionError(msg)
        return output.name

    def is_graph(self, content: bytes) -> bool:
        """Tell whether these are the bytes that were checked."""
        return hashlib.sha256(content).hexdigest() == self.graph_sha256

    @classmethod
    def read(
        cls,
        path: Path,
        *,
        max_tokens: int | None = None,
        query_prompt: str | None = None,
        document_prompt: str | None = None,
        truncate_dim: int | None = None,
    ) -> OnnxFolder:
        """Check a folder and return what it says.

        Parameters
        ----------
        path : Path
            An export of embedsmith, or a sentence-transformers folder with a graph.
        max_tokens : int, optional
            Cut texts here rather than where the folder says.
        query_prompt, document_prompt : str, optional
            In place of the folder's.
        truncate_dim : int, optional
            Keep the first columns only.

        Raises
        ------
        UnsafeModelError
            If it would load code or a file outside its folder.
        ModelError
            If something is missing, damaged or changed; names it and the fix.
        """
        changes: dict[str, Any] = {
            "max_tokens": max_tokens,
            "query_prompt": query_prompt,
            "document_prompt": document_prompt,
            "truncate_dim": truncate_dim,
        }
        if (path / MANIFEST_FILE).is_file():
            return _read_export(path, changes)
        return _read_plain(path, changes)


def _read_export(path: Path, changes: dict[str, Any]) -> OnnxFolder:
    manifest = ExportManifest.read(path)
    manifest.check_files(path)
    space = _changed(manifest.space, changes)
    file = path / GRAPH_FILE
    content = file.read_bytes()
    facts = read_graph(content, file)
    foreign = sorted(set(facts.external) - manifest.files.keys())
    if foreign:
        msg = (
            f"{file} takes weights from {foreign[0]}, which {MANIFEST_FILE} does not list. "
            "Export the model again."
        )
        raise UnsafeModelError(msg)
    if facts.sentence is None or facts.sentence.width not in (None, manifest.space.dim):
        msg = (
            f"{file} has no output 'embedding' of {manifest.space.dim} columns, though "
            f"{MANIFEST_FILE} says so. Export the model again."
        )
        raise ModelError(msg)
    return OnnxFolder(
        path=path,
        graph_file=file,
        tokenizer_file=path / "tokenizer.json",
        space=space,
        pooling=(),
        normalize=False,
        # Whatever is done to a text is in the tokenizer of an export.
        lowercase=False,
        truncate_dim=changes["truncate_dim"],
        graph_sha256=manifest.files[GRAPH_FILE].sha256,
        facts=facts,
        identity=dict(manifest.fingerprint(space).fields),
        precision=manifest.precision,
    )


def _changed(space: ExportedSpace, changes: dict[str, Any]) -> ExportedSpace:
    """Return an export's space with the caller's changes."""
    wanted = {name: value for name, value in changes.items() if value is not None}
    cut = wanted.pop("truncate_dim", None)
    if cut is not None:
        wanted["dim"] = as_count("truncate_dim", cut)
        if wanted["dim"] > space.dim:
            msg = f"truncate_dim is {cut}; this model's vectors have 1 to {space.dim} columns."
            raise ShapeError(msg)
    if "max_tokens" in wanted:
        wanted["max_tokens"] = as_count("max_tokens", wanted["max_tokens"])
        top = space.max_tokens
        if wanted["max_tokens"] < _LEAST_TOKENS or (top is not None and wanted["max_tokens"] > top):
            msg = (
                f"max_tokens is {wanted['max_tokens']}; this export can look at {_LEAST_TOKENS} to "
                f"{top} tokens."
            )
            raise ShapeError(msg)
    return replace(space, **wanted)


def _read_plain(path: Path, changes: dict[str, Any]) -> OnnxFolder:
    """Read a sentence-transformers folder: modules.json says what follows the graph."""
    folder = ModelFolder.read(path, torch_weights=False)
    space: SpaceConfig = read_space(folder, **changes)
    _refuse_modules(folder)
    if len(space.pooling) != 1 or space.pooling[0] not in POOLINGS:
        msg = (
            f"{path} pools by {' and '.join(space.pooling)}; the ONNX backend knows one of "
            f"{', '.join(sorted(POOLINGS))}. Use st: for it."
        )
        raise ModelError(msg)
    transformer = folder.modules[0].folder
    found = [transformer / place for place in _PLACES if (transformer / place).is_file()]
    if not found:
        msg = (
            f"{path} has no ONNX graph: neither {' nor '.join(_PLACES)} is there. Write one with: "
            f"embedsmith export {path} --to DIR"
        )
        raise ModelError(msg)
    file, tokenizer = found[0], transformer / "tokenizer.json"
    if not tokenizer.is_file():
        msg = f"{transformer} has no tokenizer.json. Save it with a fast tokenizer."
        raise ModelError(msg)
    content = file.read_bytes()
    facts = read_graph(content, file)
    pooling: tuple[str, ...] = space.pooling
    if facts.tokens is None:
        # The graph pools by itself; modules.json says how, and scaling twice does no harm.
        pooling = ()
        if facts.sentence is None:
            msg = (
                f"{file} has neither an output of token vectors (last_hidden_state) nor one of text"
                f" vectors (sentence_embedding). Export it anew: embedsmith export {path} --to DIR"
            )
            raise ModelError(msg)
    digest = hashlib.sha256(content).hexdigest()
    declared = space.fingerprint(folder).fields
    identity = {
        **declared,
        "backend": "onnx",
        "weights": {},
        "graph": {
            file.relative_to(path).as_posix(): digest,
            **{name: sha256_of(file.parent / name) for name in facts.external},
        },
        "precision": ["as in the graph"],
    }
    return OnnxFolder(
        path=path,
        graph_file=file,
        tokenizer_file=tokenizer,
        space=ExportedSpace(
            dim=space.dim,
            max_tokens=space.max_tokens,
            truncation_side=space.truncation_side,
            query_prompt=space.query_prompt,
            document_prompt=space.document_prompt,
            metric=space.metric,
            pooling=space.pooling,
            normalize=space.normalize,
            pad_token_id=_pad_token_id(folder),
        ),
        pooling=pooling,
        normalize=space.normalize,
        lowercase=_do_lower_case(transformer),
        truncate_dim=changes["truncate_dim"] or folder.settings.get("truncate_dim"),
        graph_sha256=digest,
        facts=facts,
        identity=identity,
        precision="as in the graph",
    )


def _refuse_modules(folder: ModelFolder) -> None:
    kinds = [module.kind for module in folder.modules]
    if kinds[0] != "Transformer" or kinds.count("Pooling") != 1:
        msg = (
            f"{folder.path} is made of {', '.join(kinds)}; the ONNX backend runs a Transformer, one"
            " Pooling, and Normalize. Use st: for it."
        )
        raise ModelError(msg)
    for module in folder.modules[1:]:
        if module.kind not in {"Pooling", "Normalize", "Dropout"}:
            msg = (
                f"{folder.path} has the module {module.kind}, which is not part of the ONNX graph. "
                "Use st: for it."
            )
            raise ModelError(msg)
        if module.kind == "Pooling" and module.config.get("include_prompt") is False:
            msg = f"{folder.path} leaves the prompt out when pooling. Use st: for it."
            raise ModelError(msg)


def _pad_token_id(folder: ModelFolder) -> int:
    value = folder.modules[0].config.get("pad_token_id")
    return int(value) if isinstance(value, int) and value >= 0 else 0


def _do_lower_case(folder: Path) -> bool:
    return any(
        bool(read_json(file).get("do_lower_case")) for file in folder.glob("sentence_*_config.json")
    )
