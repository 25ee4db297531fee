"""Decides from file names and JSON whether a sentence-transformers folder is complete and safe.

Nothing here imports torch: a folder that cannot be used is refused in milliseconds.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from embedsmith.backends._safetensors import tensor_table
from embedsmith.exceptions import ModelError, UnsafeModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embedsmith._typing import Json

__all__ = ["ModelFolder", "Module", "read_json"]

_LIBRARY = "sentence_transformers."
_PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"})
_TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model", "*.tiktoken")
# Those of the library's modules of which it is known which files they read, and that none of them
# is a pickle where model.safetensors is there.
_WEIGHTED = frozenset({"Transformer", "StaticEmbedding", "Dense", "LayerNorm"})
_WEIGHTLESS = frozenset({"Pooling", "Normalize", "Dropout"})
# Modules whose tokenizer is in their own folder.
_TOKENIZING = frozenset({"Transformer", "StaticEmbedding"})
_BERT_CONFIGS = "sentence_*_config.json"
_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_GRAPHS_AND_WEIGHTS = frozenset({".safetensors", ".onnx", ".onnx_data", ".data"})
# What says how to load, but not which files.
_LOADING = frozenset({"attn_implementation", "torch_dtype", "dtype", "add_pooling_layer"})
# Of a module's folder; a longer name is an error of the file system's.
_LONGEST_PATH = 200
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
# Written for people.
_DOCUMENTS = frozenset({"readme", "license", "licence", "notice"})


@dataclass(frozen=True)
class Module:
    """One entry of modules.json."""

    kind: str
    """Name of the class, without its module path: two releases place it differently."""
    folder: Path
    config: Json
    weights: tuple[Path, ...]
    """The files its weights are loaded from."""


@dataclass(frozen=True)
class ModelFolder:
    """A folder whose files were found complete, and safe to load.

    Attributes
    ----------
    path : Path
        The folder.
    modules : tuple of Module
        In the order in which a text passes through them; at least one.
    settings : dict
        ``config_sentence_transformers.json``; empty if there is none.
    weights : tuple of Path
        The safetensors files that are loaded, sorted.
    files : tuple of Path
        Every other file that may have a part in a vector, sorted: what lies in the modules'
        folders, without documents, hidden files and pickles, which are not read. All of the folder
        where code is trusted, for that code may read anything.
    dtypes : tuple of str
        Their dtypes, sorted: ``("F32",)``.
    """

    path: Path
    modules: tuple[Module, ...]
    settings: Json
    weights: tuple[Path, ...]
    files: tuple[Path, ...]
    dtypes: tuple[str, ...]

    @classmethod
    def read(
        cls, path: Path, *, trust_remote_code: bool = False, torch_weights: bool = True
    ) -> ModelFolder:
        """Check a folder and return what its JSON files say.

        Parameters
        ----------
        path : Path
            Folder with a ``modules.json``.
        trust_remote_code : bool, default False
            Accept Python files, ``auto_map`` and modules of other packages. Pickles stay refused.
        torch_weights : bool, default True
            Look for the weights that torch would load; without, none are needed and none are
            listed.

        Raises
        ------
        UnsafeModelError
            If it would be unpickled, or would run code.
        ModelError
            If something is missing or damaged; names it and the fix.
        """
        _check_is_model_folder(path)
        if not trust_remote_code:
            _refuse_code(path)
        modules = _read_modules(
            path, trust_remote_code=trust_remote_code, torch_weights=torch_weights
        )
        weights = tuple(sorted({file for module in modules for file in module.weights}))
        files = _other_files(path, modules, weights, every=trust_remote_code)
        if not torch_weights:
            files = tuple(file for file in files if file.suffix not in _GRAPHS_AND_WEIGHTS)
        dtypes = {entry.dtype for file in weights for entry in tensor_table(file).values()}
        settings_file = path / "config_sentence_transformers.json"
        settings = read_json(settings_file) if settings_file.is_file() else {}
        kind = settings.get("model_type", "SentenceTransformer")
        if kind != "SentenceTransformer":
            msg = (
                f"{path} holds a {kind}, which does not give one vector per text. "
                "Name a SentenceTransformer model."
            )
            raise ModelError(msg)
        return cls(path, modules, settings, weights, files, tuple(sorted(dtypes)))


def read_json(file: Path) -> Json:
    """Return the object in a JSON file.

    Raises
    ------
    ModelError
        If it is not valid JSON, or not an object; names line and column.
    """
    value = _parse(file)
    if not isinstance(value, dict):
        msg = f"{file} holds {type(value).__name__}, an object was expected. Take it anew."
        raise ModelError(msg)
    return value


def _parse(file: Path) -> Any:
    try:
        text = file.read_text(encoding="utf-8")
        value = json.loads(text)
        if _SURROGATE.search(text):
            # Half a character, which no other file and no hash can hold.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        msg = (
            f"{file}, line {error.lineno}, column {error.colno}: not valid JSON ({error.msg}). "
            "Copy or download the file again."
        )
        raise ModelError(msg) from error
    except (OSError, ValueError, RecursionError) as error:
        # Not UTF-8, a number of thousands of digits, or nested too deeply.
        msg = f"{file} cannot be read: {error}. Copy or download the file again."
        raise ModelError(msg) from error
    return value


def _check_is_model_folder(path: Path) -> None:
    if not path.exists():
        msg = f"The model folder {path} does not exist. Check the path."
        raise ModelError(msg)
    if not path.is_dir():
        msg = f"{path} is a file; name the folder that holds modules.json."
        raise ModelError(msg)
    if (path / "modules.json").is_file():
        return
    if (path / "adapter_config.json").is_file():
        msg = (
            f"{path} holds an adapter without its base model. Merge the two first: load it with "
            "peft, call merge_and_unload(), save the result."
        )
    elif (path / "config.json").is_file():
        msg = (
            f"{path} has no modules.json: it is a bare transformer, and how its tokens become one "
            "vector is not written down. Decide it once, with SentenceTransformer(modules="
            f"[Transformer({str(path)!r}), Pooling(dim, 'mean')]).save(FOLDER), and name FOLDER."
        )
    else:
        inner = sorted(found.parent.name for found in path.glob("*/modules.json"))
        hint = (
            f"Did you mean {path / inner[0]}?"
            if inner
            else "Name a folder written by SentenceTransformer.save."
        )
        msg = f"{path} has no modules.json, so it is not a sentence-transformers model. {hint}"
    raise ModelError(msg)


def _refuse_code(path: Path) -> None:
    """Refuse all that would make the libraries run code from the folder, or fetch some."""
    scripts = sorted(file.relative_to(path).as_posix() for file in path.rglob("*.py"))
    if scripts:
        raise _unsafe(path, f"it brings Python code ({', '.join(scripts[:3])})")
    for file in sorted(path.rglob("*.json")):
        # Vocabularies and weight maps are large and hold no settings.
        if "config" not in file.name and file.name != "modules.json":
            continue
        for key, value in _walk(_parse(file)):
            name = file.relative_to(path).as_posix()
            if key == "auto_map":
                raise _unsafe(path, f"{name} maps classes to Python code (auto_map)")
            # "owner/kernel" names compiled code on a model hub.
            if key.endswith("attn_implementation") and "/" in str(value):
                raise _unsafe(path, f"{name} asks for a downloaded kernel ({key}: {value})")
            if key == "activation_function" and not str(value).startswith("torch."):
                raise _unsafe(path, f"{name} names an activation outside torch ({value})")


def _walk(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key), inner
            yield from _walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner)


def _unsafe(path: Path, reason: str) -> UnsafeModelError:
    msg = (
        f"{path} would run code that came with the model: {reason}. Read that code; if you trust "
        "it, pass trust_remote_code=True (--trust-remote-code), else use another model."
    )
    return UnsafeModelError(msg)


def _read_modules(
    path: Path, *, trust_remote_code: bool, torch_weights: bool
) -> tuple[Module, ...]:
    file = path / "modules.json"
    entries = _parse(file)
    if not isinstance(entries, list) or not entries:
        msg = f"{file} does not list any module. Copy or download the file again."
        raise ModelError(msg)
    modules = []
    for entry in entries:
        if not isinstance(entry, dict) or not {"type", "path"} <= entry.keys():
            msg = f"{file}: an entry lacks 'type' or 'path' ({entry!r:.80}). Take the file anew."
            raise ModelError(msg)
        kind, where = str(entry["type"]), str(entry["path"])
        parts = PurePosixPath(where.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or ":" in where:
            msg = (
                f"{file} points outside the model folder ({where!r}); nothing is loaded from there."
                " Correct 'path', or use another model."
            )
            raise UnsafeModelError(msg)
        if len(where) > _LONGEST_PATH:
            msg = f"{file} names a folder of {len(where)} characters. Take the file anew."
            raise ModelError(msg)
        folder = path / parts
        config_file = folder / "config.json"
        config = read_json(config_file) if config_file.is_file() else {}
        name = kind.rsplit(".", 1)[-1]
        if not kind.startswith(_LIBRARY):
            if not trust_remote_code:
                raise _unsafe(path, f"modules.json names the class {kind}")
        elif name not in _WEIGHTED | _WEIGHTLESS:
            msg = (
                f"{file} lists the module {name}, which may load modules and files that are listed "
                "nowhere, so that they can be neither checked nor fingerprinted. Use a model made "
                f"of {', '.join(sorted(_WEIGHTED | _WEIGHTLESS))}."
            )
            raise ModelError(msg)
        weights = _check_module(name, folder, torch_weights=torch_weights)
        modules.append(Module(name, folder, config, weights))
    if modules[0].kind not in _TOKENIZING and not trust_remote_code:
        msg = (
            f"{file} begins with {modules[0].kind}, which reads no texts; one of "
            f"{', '.join(sorted(_TOKENIZING))} was expected. Copy or download the file again."
        )
        raise ModelError(msg)
    return tuple(modules)


def _other_files(
    path: Path, modules: tuple[Module, ...], weights: tuple[Path, ...], *, every: bool
) -> tuple[Path, ...]:
    folders = {module.folder for module in modules if module.folder.is_dir()}
    found = path.rglob("*") if every else (file for each in folders for file in each.iterdir())
    return tuple(
        sorted(
            file
            for file in found
            if file.is_file()
            and not any(part.startswith(".") for part in file.relative_to(path).parts)
            and file.name.split(".")[0].lower() not in _DOCUMENTS
            and (every or file.suffix not in _PICKLES)
            and file not in weights
        )
    )


def _check_module(kind: str, folder: Path, *, torch_weights: bool) -> tuple[Path, ...]:
    """Check that a module's files are there and none would be unpickled; return its weights."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    pickles = [file.name for file in found if file.suffix in _PICKLES]
    # By these very names: under any other, the library falls back to the pickle beside it.
    if torch_weights and pickles and not any(file.name in (_WEIGHTS, _INDEX) for file in found):
        msg = (
            f"{folder} holds its weights as a pickle only ({pickles[0]}), and loading a pickle can "
            'run any code. Convert it where you trust it: python -c "import torch, '
            "safetensors.torch as s; w = torch.load('"
            f"{folder / pickles[0]}', map_location='cpu', weights_only=True); "
            "s.save_file({k: v.clone().contiguous() for k, v in w.items()}, '"
            f"{folder / 'model.safetensors'}', metadata={{'format': 'pt'}})\""
        )
        raise UnsafeModelError(msg)
    if kind not in _WEIGHTLESS and not folder.is_dir():
        msg = f"modules.json names {folder}, which does not exist. Copy the whole model folder."
        raise ModelError(msg)
    if kind in _TOKENIZING and not any(any(folder.glob(name)) for name in _TOKENIZERS):
        msg = (
            f"{folder} has no tokenizer: none of {', '.join(_TOKENIZERS)}. "
            "Copy the whole model folder."
        )
        raise ModelError(msg)
    weights: tuple[Path, ...] = ()
    if not torch_weights:
        return weights
    if kind in _WEIGHTED:
        weights = _weight_files(folder, sharded=kind == "Transformer")
    elif kind not in _WEIGHTLESS:
        weights = tuple(file for file in found if file.suffix == ".safetensors")
    if kind == "Transformer":
        _check_transformer(folder)
    return weights


def _weight_files(folder: Path, *, sharded: bool) -> tuple[Path, ...]:
    whole, index = folder / _WEIGHTS, folder / _INDEX
    if whole.is_file():
        return (whole,)
    if not (sharded and index.is_file()):
        named = f"neither {_WEIGHTS} nor {_INDEX}" if sharded else f"no {_WEIGHTS}"
        msg = f"{folder} has no weights: {named} is there. Copy or download the whole model folder."
        raise ModelError(msg)
    shards = sorted({str(name) for name in dict(read_json(index).get("weight_map", {})).values()})
    foreign = [
        name for name in shards if "/" in name or "\\" in name or not name.endswith(".safetensors")
    ]
    if foreign:
        msg = (
            f"{index} names {foreign[0]!r}, which is no safetensors file of its folder. Save the "
            "model anew with safe_serialization, or use another one."
        )
        raise UnsafeModelError(msg)
    missing = [shard for shard in shards if not (folder / shard).is_file()]
    if missing or not shards:
        named = ", ".join(missing[:3]) or "all"
        msg = (
            f"{folder}: {len(missing)} of {len(shards)} weight files named in {index.name} are "
            f"missing ({named}). Copy or download the whole model folder."
        )
        raise ModelError(msg)
    return tuple(folder / shard for shard in shards)


def _check_transformer(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        msg = f"{folder} has no config.json. Copy or download the whole model folder."
        raise ModelError(msg)
    if (folder / "adapter_config.json").is_file():
        msg = (
            f"{folder} holds an adapter, whose base model lies elsewhere. Merge the two first: "
            "load it with peft, call merge_and_unload(), save the result."
        )
        raise ModelError(msg)
    if "transformers_weights" in read_json(folder / "config.json"):
        msg = (
            f"{folder / 'config.json'} takes the weights from another file (transformers_weights). "
            f"Rename that file to {_WEIGHTS} and delete the entry."
        )
        raise ModelError(msg)
    for file in folder.glob(_BERT_CONFIGS):
        own = read_json(file)
        named = {*own.get("model_kwargs", {}), *own.get("model_args", {})} - _LOADING
        if named:
            msg = (
                f"{file} loads the model with {', '.join(sorted(named))}, which may choose files "
                "that are not checked. Delete these entries of model_kwargs, or use another model."
            )
            raise ModelError(msg)
        elsewhere = own.get("tokenizer_name_or_path")
        if elsewhere:
            msg = (
                f"{file} takes its tokenizer from {elsewhere!r}, outside the folder. Copy the "
                "tokenizer's files into the folder and delete 'tokenizer_name_or_path'."
            )
            raise ModelError(msg)
