"""From a model folder to an accepted export."""

from __future__ import annotations

import datetime as dt
import logging
import shutil
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedsmith._core import __version__
from embedsmith._deps import require
from embedsmith.backends._export_manifest import ExportManifest
from embedsmith.backends._resolve import locate_model
from embedsmith.backends._sample_texts import sample_texts
from embedsmith.backends._texts import checked_texts
from embedsmith.backends._token_rows import TokenReader, reading_with
from embedsmith.backends._transformer_folder import TransformerFolder
from embedsmith.backends.export._folder import (
    check_target,
    folder_aside,
    hashed_files,
    write_graph_file,
)
from embedsmith.backends.export._gate import batch_invariance, check_parity, failures
from embedsmith.backends.export._graph import FEATURE, OPSET, GraphWriter
from embedsmith.backends.export._layers import Layers
from embedsmith.backends.export._modernbert import write_modernbert
from embedsmith.backends.export._plan import plan_for
from embedsmith.backends.export._post_norm import write_post_norm
from embedsmith.backends.export._result import ExportResult
from embedsmith.backends.export._runner import ExportRunner, checking_device
from embedsmith.backends.export._tail import write_tail
from embedsmith.backends.export._tolerance import Tolerance
from embedsmith.backends.export._weights import Weights
from embedsmith.backends.sentence_transformers import SentenceTransformerEncoder
from embedsmith.exceptions import DataError, ParityError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from embedsmith._typing import F32Array, Json
    from embedsmith.backends._fingerprint import Fingerprint
    from embedsmith.backends._protocol import Role
    from embedsmith.backends._resolve import ResolvedModel
    from embedsmith.backends.export._layers import Plan
    from embedsmith.backends.export._retrieval import RetrievalSet

__all__ = ["export_model", "write_export", "write_model"]

_LOG = logging.getLogger(__name__)
_LIBRARIES = (
    "onnx",
    "onnxruntime",
    "onnxruntime-gpu",
    "tokenizers",
    "torch",
    "transformers",
    "sentence-transformers",
)
_F32 = {"F32", "F64"}


def export_model(
    model: str | os.PathLike[str],
    to: str | os.PathLike[str],
    *,
    precision: str = "fp32",
    target: str = "cpu",
    texts: Sequence[str] | None = None,
    data: RetrievalSet | None = None,
    tolerance: Mapping[str, float] | None = None,
    max_tokens: int | None = None,
    query_prompt: str | None = None,
    document_prompt: str | None = None,
    truncate_dim: int | None = None,
    force: bool = False,
    allow_download: bool = False,
    progress: Callable[[str], object] | None = None,
) -> ExportResult:
    """Write a sentence-transformers model as ONNX, and accept it only if it is as good.

    The graph is written straight from the weights, with pooling, normalisation and the cut to
    fewer columns inside. It is then run beside the original: a folder appears only if all numbers
    are within the tolerance. No code of the model is run, and the original is not changed.

    Parameters
    ----------
    model : str or path
        A sentence-transformers folder, or a name as `load_encoder` takes it, without ``st:``.
        BERT, RoBERTa, XLM-RoBERTa, CamemBERT, MPNet, DistilBERT and ModernBERT can be exported.
    to : str or path
        The folder to write; it must not exist, or be empty.
    precision : {"fp32", "int8", "fp16", "bf16"}, default "fp32"
        ``"int8"`` has 8-bit weights with a scale for each block of 32, and tokens scaled by
        themselves: about a quarter of the size at about the speed of fp32. The last two are for
        ``target="cuda"``.
    target : {"cpu", "cuda"}, default "cpu"
        What the graph is written for: plain operators, or onnxruntime's fused ones.
    texts : sequence of str, optional
        On which the two are compared; a sample in many languages and lengths if None.
    data : Dataset, optional
        A labelled set, of `load_dataset`, on which both search: nDCG@10 and Recall@10 must not
        differ by more than a point. None compares no retrieval.
    tolerance : mapping of str to float, optional
        Changes by name: ``cosine_min``, ``cosine_p1``, ``cosine_mean``, ``batch``, ``retrieval``.
        The defaults depend on the precision, and all stand in the manifest.
    max_tokens, query_prompt, document_prompt, truncate_dim : optional
        As `load_encoder` takes them; they become part of the export.
    force : bool, default False
        Replace an export that is there.
    allow_download : bool, default False
        Fetch a model that is not on this machine from the model hub.
    progress : callable, optional
        Called with a line for each step.

    Returns
    -------
    ExportResult
        The folder and its manifest; ``str`` of it is a summary.

    Raises
    ------
    ParityError
        If the export is outside the tolerance; says by how much. Nothing is left behind.
    ModelError
        If the model cannot be exported; names the module or family, and what runs it instead.
    DeviceError
        If only a CUDA device could check it and there is none.
    OutputError
        If the folder is taken or cannot be written.
    DataError, ShapeError
        If ``texts`` or a tolerance is none.
    MissingDependencyError
        If ``embedsmith[onnx,st]`` is not installed.

    Notes
    -----
    Retrieval is judged by two one-sided tests (`equivalence`). A difference beyond the margin is
    refused, one that the test shows to be within it accepted. Where the labelled set is too small
    for either, the verdict is "not enough evidence", which is said, and the cosines decide.

    Examples
    --------
    >>> import embedsmith as es
    >>> result = es.export_model("all-MiniLM-L6-v2", "minilm-onnx")  # doctest: +SKIP
    >>> print(result)  # doctest: +SKIP
    """
    tell = progress or _LOG.info
    plan = plan_for(precision, target)
    device = checking_device(precision, target)
    folder = Path(to)
    check_target(folder, force=force)
    # As load_encoder takes it, if it comes so.
    named = model.removeprefix("st:") if isinstance(model, str) else model
    found = locate_model(named, allow_download=allow_download)
    changes = {
        "max_tokens": max_tokens,
        "query_prompt": query_prompt,
        "document_prompt": document_prompt,
        "truncate_dim": truncate_dim,
    }
    source = TransformerFolder.read(found.path, **changes)
    _check_tokenizer(source)
    original = _Original(found, device, changes)
    stored = {"BF16": "bf16", "F16": "fp16"}.get(_stored(source), precision)
    asked = Tolerance.of(stored if precision == "fp32" else precision, tolerance)
    compared = sample_texts() if texts is None else checked_texts(texts)
    if not compared:
        msg = "texts is empty. Pass some texts like those that will be embedded."
        raise DataError(msg)
    with folder_aside(folder) as aside:
        tell(f"writing {found.name} as {precision} for {target}")
        written = write_export(source, plan, aside, found.name, original.encoder.fingerprint)
        runner = ExportRunner(aside, device)
        tell("comparing texts alone and in batches")
        invariance = {**batch_invariance(runner, compared), "device": device}
        parity = check_parity(
            original, runner, compared, data, tolerance=asked, metric=source.space.metric, tell=tell
        )
        parity["device"] = device
        runner.close()
        wrong = failures(parity, invariance, asked)
        if wrong:
            raise ParityError(_refusal(found.name, precision, wrong, parity))
        manifest = replace(written, batch_invariance=invariance, parity=parity)
        manifest.write(aside)
    original.encoder.close()
    return ExportResult(folder, manifest)


def _check_tokenizer(source: TransformerFolder) -> None:
    """Refuse a tokenizer that cannot be used, by the name of the model's own file."""
    file, space = source.tokenizer_files[0], source.space
    library = require("tokenizers", extra="onnx", feature=FEATURE)
    with reading_with(str(file)):
        tokenizer = library.Tokenizer.from_file(str(file))
    TokenReader(tokenizer, max_tokens=space.max_tokens, side=space.truncation_side, where=str(file))


def write_export(
    source: TransformerFolder, plan: Plan, folder: Path, name: str, identity: Fingerprint
) -> ExportManifest:
    """Write graph, tokenizer and a manifest that claims nothing yet; return the manifest."""
    graph = write_model(source, plan, folder)
    for file in source.tokenizer_files:
        shutil.copyfile(file, folder / file.name)
    manifest = ExportManifest(
        source={"name": name, "fingerprint": identity.digest, "fields": dict(identity.fields)},
        space=source.space,
        precision=plan.precision,
        target=plan.target,
        graph=graph,
        files=hashed_files(folder),
        batch_invariance={},
        parity={},
        versions=_versions(),
        made_at=dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
    )
    manifest.write(folder)
    return manifest


def write_model(source: TransformerFolder, plan: Plan, folder: Path) -> Json:
    """Write the graph of a model into a folder; return what the manifest says of it."""
    writer = GraphWriter()
    layers = Layers(writer, plan)
    config = source.config
    weights = Weights(source.folder.modules[0].weights)
    write = write_modernbert if config.family == "modernbert" else write_post_norm
    hidden = write(layers, config, weights)
    # A family that keeps what passes by its layers in float32 hands it over so.
    half = config.family != "modernbert"
    modules, dim = source.folder.modules, source.space.dim
    output = write_tail(layers, hidden, config.hidden, modules, dim, half=half)
    model = writer.model(output, dim)
    require("onnx", extra="onnx", feature=FEATURE).checker.check_model(model)
    write_graph_file(model, folder)
    return {
        "family": config.family,
        "opset": OPSET,
        "layers": config.layers,
        "fused_layers": layers.fused_layers,
        "operators": writer.operators,
        "float32": _islands(plan, config.family),
    }


def _islands(plan: Plan, family: str) -> list[str]:
    """Return what stays float32 in a graph of another precision."""
    always = ["pooling", "dense", "normalisation of the vector"]
    if plan.precision == "fp16":
        return always if family != "modernbert" else ["residual sums", "layer norms", *always]
    if plan.precision == "bf16":
        return ["embeddings", "residual sums", "layer norms", "activations", "attention", *always]
    if plan.precision == "int8":
        return ["all but the weights of products and the table of words"]
    return []


class _Original:
    """The model as sentence-transformers runs it, in batches of its default size."""

    def __init__(self, found: ResolvedModel, device: str, changes: dict[str, Any]) -> None:
        self.encoder = SentenceTransformerEncoder(
            found.path, name=found.name, device=device, packaged=found.packaged, **changes
        )

    def encode(self, texts: Sequence[str], role: Role) -> F32Array:
        """Return the vectors of texts."""
        return self.encoder.encode(texts, role=role).vectors


def _stored(source: TransformerFolder) -> str:
    """Return the only type of the weights, if all are in half precision."""
    kinds = {dtype for dtype in source.folder.dtypes if dtype in _F32 | {"F16", "BF16"}}
    return next(iter(kinds)) if len(kinds) == 1 else "F32"


def _refusal(name: str, precision: str, wrong: list[str], parity: Json) -> str:
    worst = parity["worst"]
    return (
        f"{name} as {precision} is too far from its original, and was not written: "
        f"{'; '.join(wrong)}. The worst text starts: {worst!r}. Take a finer precision, or, if "
        "this is good enough for you, loosen the tolerance that is named in brackets: "
        "--tolerance NAME=VALUE (tolerance={...})."
    )


def _versions() -> Json:
    found = {"embedsmith": __version__}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
