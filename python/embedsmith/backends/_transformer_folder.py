"""A model folder whose transformer and modules are known: what is exported, and runs natively."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedsmith.backends._export_manifest import ExportedSpace
from embedsmith.backends._model_folder import ModelFolder, read_json
from embedsmith.backends._post_norm_names import POST_NORM
from embedsmith.backends._sentence_modules import check_modules
from embedsmith.backends._st_config import SpaceConfig, read_space
from embedsmith.backends._transformer_config import TransformerConfig
from embedsmith.exceptions import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from embedsmith._typing import Json

__all__ = ["TransformerFolder"]


@dataclass(frozen=True)
class TransformerFolder:
    """A checked model folder with its transformer's sizes and its space."""

    folder: ModelFolder
    config: TransformerConfig
    declared: SpaceConfig
    space: ExportedSpace

    @classmethod
    def read(cls, path: Path, **changes: Any) -> TransformerFolder:
        """Check a folder.

        Parameters
        ----------
        path : Path
            A sentence-transformers folder.
        **changes
            As `read_space` takes them.

        Raises
        ------
        ModelError
            If something in it cannot be exported; names it, and what runs it instead.
        """
        folder = ModelFolder.read(path)
        check_modules(folder.modules)
        first = folder.modules[0]
        if first.config.get("quantization_config"):
            msg = (
                f"{path} holds quantised weights (quantization_config), which cannot be exported. "
                "Export the model it was made from, with the precision you want."
            )
            raise ModelError(msg)
        config = TransformerConfig.read(first.config, where=str(first.folder))
        declared = read_space(folder, **changes)
        _check_tokenizer(first.folder, config.vocabulary)
        return cls(folder, config, declared, _space(declared, config))

    @property
    def tokenizer_files(self) -> tuple[Path, ...]:
        """What is copied beside the graph."""
        home = self.folder.modules[0].folder
        files = (home / "tokenizer.json", home / "tokenizer_config.json")
        return tuple(file for file in files if file.is_file())


def _space(declared: SpaceConfig, config: TransformerConfig) -> ExportedSpace:
    names = POST_NORM.get(config.family)
    padding, room = config.padding_id, config.places
    if names is not None and names.counts_tokens:
        padding = config.padding_id if names.padding_id is None else names.padding_id
        # Places are counted from the one after the padding's.
        room -= padding + 1
    longest = declared.max_tokens
    return ExportedSpace(
        dim=declared.dim,
        max_tokens=room if longest is None else min(longest, room),
        truncation_side=declared.truncation_side,
        query_prompt=declared.query_prompt,
        document_prompt=declared.document_prompt,
        metric=declared.metric,
        pooling=declared.pooling,
        normalize=declared.normalize,
        pad_token_id=padding,
    )


def _check_tokenizer(home: Path, vocabulary: int) -> None:
    file = home / "tokenizer.json"
    if not file.is_file():
        msg = (
            f"{home} has no tokenizer.json, which runs without transformers. Write it once: "
            f"transformers.AutoTokenizer.from_pretrained({str(home)!r}).save_pretrained("
            f"{str(home)!r})"
        )
        raise ModelError(msg)
    content = read_json(file)
    largest = _largest_id(content)
    if largest >= vocabulary:
        msg = (
            f"{file} has ids up to {largest}, and config.json promises weights for {vocabulary} "
            "ids, from 0 on: they are of two models. Copy both from the same one."
        )
        raise ModelError(msg)
    normaliser = json.dumps(content.get("normalizer"))
    lowers = '"lowercase": true' in normaliser or '"Lowercase"' in normaliser
    for settings in home.glob("sentence_*_config.json"):
        if read_json(settings).get("do_lower_case") and not lowers:
            msg = (
                f"{settings} writes texts in lower case before they are tokenised (do_lower_case), "
                "and tokenizer.json does not. Save the model anew with a tokenizer that does, or "
                "run it with the torch backend: st:MODEL."
            )
            raise ModelError(msg)


def _largest_id(tokenizer: Json) -> int:
    """Return the largest id of a tokenizer's file; -1 where it shows none.

    Whoever reads it with the library finds what else is wrong with it.
    """
    model, added = tokenizer.get("model"), tokenizer.get("added_tokens")
    words = model.get("vocab") if isinstance(model, dict) else None
    ids: list[Any] = [-1]
    if isinstance(words, dict):
        ids += words.values()
    elif isinstance(words, list):
        # A list's ids are its places.
        ids.append(len(words) - 1)
    if isinstance(added, list):
        ids += [one.get("id") for one in added if isinstance(one, dict)]
    return max(one for one in ids if isinstance(one, int))
