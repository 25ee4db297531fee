"""Decides from file names and JSON whether a sentence-transformers folder is complete and safe.

Nothing here imports torch: a folder that cannot be used is refused in milliseconds.
"""

from __future__ import annotations

import json
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
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle")
_TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model", "*.tiktoken")
# Modules without parameters of their own, which may not even have a folder.
_WEIGHTLESS = frozenset({"Pooling", "Normalize", "Dropout", "Router", "Asym"})
# Modules whose tokenizer is in their own folder.
_TOKENIZING = frozenset({"Transformer", "StaticEmbedding"})
_BERT_CONFIGS = "sentence_*_config.json"


@dataclass(frozen=True)
class Module:
    """One entry of modules.json."""

    kind: str
    """Name of the class, without its module path: two releases place it differently."""
    folder: Path
    config: Json


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
        Every safetensors file of the folder, sorted.
    dtypes : tuple of str
        Their dtypes, sorted: ``("F32",)``.
    """

    path: Path
    modules: tuple[Module, ...]
    settings: Json
    weights: tuple[Path, ...]
    dtypes: tuple[str, ...]

    @classmethod
    def read(cls, path: Path, *, trust_remote_code: bool = False) -> ModelFolder:
        """Check a folder and return what its JSON files say.

        Parameters
        ----------
        path : Path
            Folder with a ``modules.json``.
        trust_remote_code : bool, default False
            Accept Python files, ``auto_map`` and modules of other packages. Pickles stay refused.

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
        modules = _read_modules(path, trust_remote_code=trust_remote_code)
        for module in modules:
            _check_module(module)
        weights = tuple(sorted(path.rglob("*.safetensors")))
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
        return cls(path, modules, settings, weights, tuple(sorted(dtypes)))


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
        return json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        msg = (
            f"{file}, line {error.lineno}, column {error.colno}: not valid JSON ({error.msg}). "
            "Copy or download the file again."
        )
        raise ModelError(msg) from error
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{file} cannot be read: {error}. Copy or download the file again."
        raise ModelError(msg) from error


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
        "it, pass trust_remote_code=True, else use another model."
    )
    return UnsafeModelError(msg)


def _read_modules(path: Path, *, trust_remote_code: bool) -> tuple[Module, ...]:
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
        folder = path / parts
        config_file = folder / "config.json"
        config = read_json(config_file) if config_file.is_file() else {}
        router_file = folder / "router_config.json"
        if router_file.is_file():
            config = read_json(router_file)
        classes = [kind, *map(str, dict(config.get("types", {})).values())]
        for named in classes:
            if not named.startswith(_LIBRARY) and not trust_remote_code:
                raise _unsafe(path, f"modules.json names the class {named}")
        modules.append(Module(kind.rsplit(".", 1)[-1], folder, config))
    return tuple(modules)


def _check_module(module: Module) -> None:
    """Check that a module's files are there, and that none of them would be unpickled."""
    folder = module.folder
    pickles = sorted(file.name for kind in _PICKLES for file in folder.glob(kind))
    safe = any(folder.glob("*.safetensors"))
    if pickles and not safe:
        msg = (
            f"{folder} holds its weights as a pickle only ({pickles[0]}), and loading a pickle can "
            'run any code. Convert it where you trust it: python -c "import torch, '
            "safetensors.torch as s; w = torch.load('"
            f"{folder / pickles[0]}', map_location='cpu', weights_only=True); "
            "s.save_file({k: v.clone().contiguous() for k, v in w.items()}, '"
            f"{folder / 'model.safetensors'}', metadata={{'format': 'pt'}})\""
        )
        raise UnsafeModelError(msg)
    if module.kind not in _WEIGHTLESS and not folder.is_dir():
        msg = f"modules.json names {folder}, which does not exist. Copy the whole model folder."
        raise ModelError(msg)
    if module.kind in _TOKENIZING:
        _check_weights(folder)
        if not any(file for kind in _TOKENIZERS for file in folder.glob(kind)):
            msg = (
                f"{folder} has no tokenizer: none of {', '.join(_TOKENIZERS)}. "
                "Copy the whole model folder."
            )
            raise ModelError(msg)
    if module.kind == "Transformer":
        _check_transformer(folder)


def _check_weights(folder: Path) -> None:
    index = folder / "model.safetensors.index.json"
    if (folder / "model.safetensors").is_file():
        return
    if not index.is_file():
        msg = (
            f"{folder} has no weights: neither model.safetensors nor model.safetensors.index.json "
            "is there. Copy or download the whole model folder."
        )
        raise ModelError(msg)
    shards = sorted(set(dict(read_json(index).get("weight_map", {})).values()))
    missing = [shard for shard in shards if not (folder / str(shard)).is_file()]
    if missing or not shards:
        named = ", ".join(map(str, missing[:3])) or "all"
        msg = (
            f"{folder}: {len(missing)} of {len(shards)} weight files named in {index.name} are "
            f"missing ({named}). Copy or download the whole model folder."
        )
        raise ModelError(msg)


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
    for file in folder.glob(_BERT_CONFIGS):
        elsewhere = read_json(file).get("tokenizer_name_or_path")
        if elsewhere:
            msg = (
                f"{file} takes its tokenizer from {elsewhere!r}, outside the folder. Copy the "
                "tokenizer's files into the folder and delete 'tokenizer_name_or_path'."
            )
            raise ModelError(msg)
