"""What a sentence-transformers folder says about its embedding space, read from its JSON files.

Reading it here keeps torch out of a run in which every vector comes from the cache. What is read is
compared with the loaded model as soon as there is one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from embedsmith._files import sha256_of
from embedsmith._validate import as_count
from embedsmith.backends._fingerprint import Fingerprint, canonical_json
from embedsmith.backends._model_folder import ModelFolder, Module, read_json
from embedsmith.backends._safetensors import tensor_table
from embedsmith.exceptions import ModelError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from embedsmith._typing import Json, Metric

__all__ = ["NO_TOKEN_LIMIT", "SpaceConfig", "pooling_modes", "read_space"]

_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "*.model",
    "*.tiktoken",
    "chat_template*",
)
# In the order in which the library looks for them.
_BERT_CONFIGS = ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
_POOLING_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
# Tokenizers without a limit say 1e30.
NO_TOKEN_LIMIT = 10**9
_METRICS: dict[str, Metric] = {"cosine": "cosine", "dot": "dot", "euclidean": "l2"}
# Written by whoever saved the model; they do not change a vector.
_HISTORY = frozenset({"_name_or_path", "transformers_version", "__version__"})
# Their content is in fields of its own, after the caller's changes.
_SPOKEN_FOR = frozenset({"modules.json", "config_sentence_transformers.json"})
# What the library writes its history into.
_CONFIG_FILES = ("config.json", "sentence_*_config.json")
# Tables of positions, not weights.
_INDEX_DTYPES = frozenset({"I64", "I32", "BOOL"})
# Far wider than any model; a row of it takes 4 MB.
_WIDEST = 1 << 20
# The two special tokens and one of the text.
_LEAST_TOKENS = 3


@dataclass(frozen=True)
class SpaceConfig:
    """The declared properties of an embedding space."""

    dim: int
    max_tokens: int | None
    query_prompt: str
    document_prompt: str
    metric: Metric
    truncation_side: str
    pooling: tuple[str, ...]
    normalize: bool

    def fingerprint(self, folder: ModelFolder) -> Fingerprint:
        """Return the identity of the space: this, and the hashes of weights and tokenizer."""
        return Fingerprint(
            {
                "schema": "embedsmith.fingerprint/1",
                "backend": "sentence-transformers",
                "modules": [module.kind for module in folder.modules],
                "weights": _hashes(folder.path, folder.weights),
                **_hashes_by_role(folder),
                "pooling": list(self.pooling),
                "normalize": self.normalize,
                "max_tokens": self.max_tokens,
                "truncation_side": self.truncation_side,
                "query_prompt": self.query_prompt,
                "document_prompt": self.document_prompt,
                "dim": self.dim,
                "precision": [dtype for dtype in folder.dtypes if dtype not in _INDEX_DTYPES],
                "quantization": folder.modules[0].config.get("quantization_config"),
                "similarity": self.metric,
            }
        )


def read_space(
    folder: ModelFolder,
    *,
    max_tokens: int | None = None,
    query_prompt: str | None = None,
    document_prompt: str | None = None,
    truncate_dim: int | None = None,
) -> SpaceConfig:
    """Return the space a folder declares, with the caller's changes.

    Raises
    ------
    ModelError
        If a needed property is not declared, or the similarity is not one that search knows.
    ShapeError
        If ``max_tokens`` or ``truncate_dim`` is out of range.
    """
    first, settings = folder.modules[0], folder.settings
    full = _declared_dim(folder)
    cut = _number(settings.get("truncate_dim"), "truncate_dim", folder.path)
    if truncate_dim is not None:
        cut = as_count("truncate_dim", truncate_dim)
    if cut is not None and not 1 <= cut <= full:
        msg = f"truncate_dim is {cut}; this model's vectors have 1 to {full} columns."
        raise ShapeError(msg)
    similarity = settings.get("similarity_fn_name") or "cosine"
    if not isinstance(similarity, str) or similarity not in _METRICS:
        msg = (
            f"{folder.path} is made for the similarity {similarity!r}; search knows "
            f"{', '.join(_METRICS)}. Set similarity_fn_name in config_sentence_transformers.json "
            "to the one it was trained for, or use another model."
        )
        raise ModelError(msg)
    pooling = [module for module in folder.modules if module.kind == "Pooling"]
    return SpaceConfig(
        dim=full if cut is None else cut,
        max_tokens=_token_limit(first, max_tokens),
        query_prompt=_prompt(folder, ("query",), query_prompt),
        document_prompt=_prompt(folder, ("document", "passage", "corpus"), document_prompt),
        metric=_METRICS[similarity],
        truncation_side=_truncation_side(first.folder),
        pooling=tuple(mode for module in pooling for mode in pooling_modes(module.config)),
        normalize=any(module.kind == "Normalize" for module in folder.modules),
    )


def _prompt(folder: ModelFolder, names: tuple[str, ...], override: str | None) -> str:
    """Return a role's prompt: the caller's, else the first that is named so, else the default's."""
    if override is not None:
        return override
    prompts = _object(folder.settings, "prompts", folder.path)
    for name in (*names, folder.settings.get("default_prompt_name")):
        prompt = prompts.get(name) if isinstance(name, str) else None
        # Newer releases write "" for a role that has none, beside the one the author named.
        if prompt:
            if not isinstance(prompt, str):
                raise _damaged(folder.path, f"the prompt {name!r}", prompt, "a text")
            return prompt
    return ""


def _token_limit(module: Module, override: int | None) -> int | None:
    """Return the limit as the library derives it: its own file first, then the tokenizer's.

    tokenizer.json may carry a truncation of its own (128 in a well-known model); it is a leftover
    of its making, and the library does not obey it either.
    """
    if module.kind != "Transformer":
        if override is not None:
            msg = "max_tokens cannot be set: this model reads texts of any length. Leave it out."
            raise ShapeError(msg)
        return None
    own = _transformer_settings(module)
    _refuse_uncountable(module, own)
    where = module.folder
    named = _object(own, "processor_kwargs", where) or _object(own, "tokenizer_args", where)
    longest = _limit(module.config, "max_position_embeddings", where)
    key, holder = ("max_seq_length", own)
    if "model_max_length" in named:
        key, holder = ("model_max_length", named)
    said = _number(holder.get(key), key, where)
    if said is not None and said < 1:
        raise _damaged(where, key, said, "a number of tokens")
    declared = _limit(holder, key, where)
    if holder.get(key) is None:
        file = where / "tokenizer_config.json"
        says = _limit(read_json(file), "model_max_length", where) if file.is_file() else None
        declared = min((n for n in (says, longest) if n is not None), default=None)
    if override is None:
        return declared
    override = as_count("max_tokens", override)
    top = declared if longest is None else longest
    if override < _LEAST_TOKENS or (top is not None and override > top):
        msg = f"max_tokens is {override}; this model can look at {_LEAST_TOKENS} to {top} tokens."
        raise ShapeError(msg)
    return override


def _refuse_uncountable(module: Module, own: Json) -> None:
    """Refuse settings under which the tokens of a text are not those of its tokenizer."""
    processing = _object(own, "processing_kwargs", module.folder)
    reasons = {
        "a chat template": "message" in _object(own, "modality_config", module.folder),
        "query expansion": bool(own.get("query_expansion")),
        "a limit per role": bool(own.get("query_length") or own.get("document_length")),
        "processing_kwargs": bool(processing.get("text") or processing.get("common")),
    }
    for reason, holds in reasons.items():
        if holds:
            msg = (
                f"{module.folder} prepares its texts with {reason} (sentence_bert_config.json), "
                "under which embedsmith cannot count what is cut off. Use another model."
            )
            raise ModelError(msg)


def _transformer_settings(module: Module) -> Json:
    for family in _BERT_CONFIGS:
        file = module.folder / f"sentence_{family}_config.json"
        if file.is_file():
            return read_json(file)
    return {}


def _truncation_side(folder: Path) -> str:
    config, backend = folder / "tokenizer_config.json", folder / "tokenizer.json"
    side = read_json(config).get("truncation_side") if config.is_file() else None
    if side is None and backend.is_file():
        side = _object(read_json(backend), "truncation", folder).get("direction")
    word = str(side or "right").lower()
    if word not in {"right", "left"}:
        raise _damaged(folder, "truncation_side", side, "'right' or 'left'")
    return word


def pooling_modes(config: Json) -> tuple[str, ...]:
    """Return the modes in either of the two notations the library has used."""
    mode = config.get("pooling_mode")
    if mode is None:
        modes = [name for flag, name in _POOLING_FLAGS.items() if config.get(flag)]
        return tuple(modes or ["mean"])
    if isinstance(mode, list):
        return tuple(map(str, mode))
    return (str(mode),)


def _declared_dim(folder: ModelFolder) -> int:
    """Return the width of a vector: the last module that sets one decides."""
    for module in reversed(folder.modules):
        config = module.config
        if module.kind == "Dense" and "out_features" in config:
            return _width(config["out_features"], "out_features", module.folder)
        if module.kind == "Pooling":
            width = config.get("embedding_dimension", config.get("word_embedding_dimension"))
            if width is not None:
                own = _width(width, "word_embedding_dimension", module.folder)
                return own * len(pooling_modes(config))
        if module.kind == "StaticEmbedding":
            return _static_dim(module.folder / "model.safetensors")
    kinds = ", ".join(module.kind for module in folder.modules)
    msg = (
        f"{folder.path}: the width of its vectors is not written in its files (modules: {kinds}). "
        "Use a model that ends in Pooling, Dense or StaticEmbedding (and Normalize)."
    )
    raise ModelError(msg)


def _object(holder: Json, key: str, where: Path) -> Json:
    """Return an object in a folder's settings; an empty one where there is none."""
    value = holder.get(key)
    if not value:
        return {}
    if not isinstance(value, dict):
        raise _damaged(where, key, value, "an object")
    return value


def _number(value: Any, what: str, where: Path) -> int | None:
    """Return a whole number; None stays None."""
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        # Tokenizers without a limit write 1e30.
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _damaged(where, what, value, "a whole number")
    return value


def _limit(holder: Json, key: str, where: Path) -> int | None:
    """Return a number of tokens; None where there is none, or what stands for none."""
    number = _number(holder.get(key), key, where)
    return number if number is not None and 0 < number < NO_TOKEN_LIMIT else None


def _width(value: Any, what: str, where: Path) -> int:
    number = _number(value, what, where)
    if number is None or not 1 <= number <= _WIDEST:
        raise _damaged(where, what, value, f"a number of columns, from 1 to {_WIDEST:,},")
    return number


def _damaged(where: Path, what: str, value: object, expected: str) -> ModelError:
    msg = (
        f"{where}: its settings say {what} is {value!r:.60}; {expected} was expected. "
        "Copy or download the model folder again."
    )
    return ModelError(msg)


def _static_dim(file: Path) -> int:
    table = tensor_table(file)
    for name in ("embedding.weight", "embeddings"):
        if name in table:
            return table[name].shape[1]
    msg = f"{file} holds no table of embeddings. Copy or download the file again."
    raise ModelError(msg)


def _hashes_by_role(folder: ModelFolder) -> dict[str, dict[str, str]]:
    """Return the hashes of all files beside the weights, by what they are."""
    roles: dict[str, list[Path]] = {"tokenizer": [], "code": [], "settings": []}
    for file in folder.files:
        if file.parent == folder.path and file.name in _SPOKEN_FOR:
            continue
        if any(fnmatch(file.name, name) for name in _TOKENIZER_FILES):
            roles["tokenizer"].append(file)
        else:
            # Code that was trusted computes the vectors, so it is part of the space.
            roles["code" if file.suffix == ".py" else "settings"].append(file)
    return {role: _hashes(folder.path, files) for role, files in roles.items()}


def _hashes(root: Path, files: Iterable[Path]) -> dict[str, str]:
    """Return the SHA-256 of each file by its name inside the folder."""
    return {file.relative_to(root).as_posix(): _content_hash(file) for file in files}


def _content_hash(file: Path) -> str:
    if not any(fnmatch(file.name, name) for name in _CONFIG_FILES):
        return sha256_of(file)
    kept = {key: value for key, value in read_json(file).items() if key not in _HISTORY}
    return hashlib.sha256(canonical_json(kept).encode("utf-8")).hexdigest()
