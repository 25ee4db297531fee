"""From a model's name to its folder, without a network unless asked."""

from __future__ import annotations

import difflib
import importlib.util
import os
from pathlib import Path
from typing import NamedTuple

from embedsmith._deps import require
from embedsmith._files import nearest_name
from embedsmith.backends._model_folder import ModelFolder
from embedsmith.backends._offline import refuse_offline
from embedsmith.backends._packaged import PACKAGED, PackagedModel, find_packaged
from embedsmith.exceptions import ModelError

__all__ = ["ResolvedModel", "folder_of", "locate_model", "resolve_model"]

_ORGANISATION = "sentence-transformers"
# Weights in safetensors, tokenizers and JSON; never pickles or code.
_DOWNLOADED = ("*.json", "*.txt", "*.safetensors", "*.model", "*.tiktoken", "*.jinja", "*.md")


class ResolvedModel(NamedTuple):
    """A model's folder and the name to show for it."""

    path: Path
    name: str
    packaged: PackagedModel | None = None


def resolve_model(name: str | os.PathLike[str], *, allow_download: bool = False) -> Path:
    """Return the folder of a model: a path, an installed package, or the local hub cache.

    Looks at no network unless ``allow_download`` is true. Does not check what is in the folder.

    Parameters
    ----------
    name : str or path
        A folder, or a name such as ``"all-MiniLM-L6-v2"`` or ``"owner/model"``. A folder of that
        name wins.
    allow_download : bool, default False
        Fetch ``owner/model`` from the model hub if it is nowhere on this machine.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ModelError
        If nothing is found; names the command that installs or downloads the model.
    """
    return locate_model(name, allow_download=allow_download).path


def locate_model(name: str | os.PathLike[str], *, allow_download: bool = False) -> ResolvedModel:
    """Return the folder as `resolve_model` does, with a name for tables."""
    if allow_download:
        refuse_offline("allow_download=True (--allow-download)")
    text = os.fspath(name)
    if not text.strip():
        msg = "The model's name is empty. Write a folder or a name, e.g. all-MiniLM-L6-v2."
        raise ModelError(msg)
    path = Path(text).expanduser()
    if path.exists():
        return ResolvedModel(path, path.resolve().name)
    if _is_path(text):
        raise _no_such_folder(path)
    bare = text.removeprefix(f"{_ORGANISATION}/")
    installed = find_packaged(bare)
    if installed is not None:
        return ResolvedModel(installed, bare, PACKAGED[bare])
    repository = text if "/" in text else f"{_ORGANISATION}/{text}"
    if not allow_download and importlib.util.find_spec("huggingface_hub") is None:
        raise _unknown(text, repository, looked=False)
    cached = _hub_snapshot(repository, allow_download=allow_download)
    if cached is not None:
        return ResolvedModel(cached, text.rsplit("/", 1)[-1])
    raise _unknown(text, repository)


def folder_of(text: str) -> Path:
    """Return the folder that a path names.

    Raises
    ------
    ModelError
        If there is none; names the nearest one.
    """
    path = Path(text).expanduser()
    if text.strip() and path.exists():
        return path
    near = difflib.get_close_matches(text.removeprefix(f"{_ORGANISATION}/"), PACKAGED, n=1)
    if near and not nearest_name(path):
        msg = (
            f"There is no folder {text!r}. Write one with: embedsmith export st:{near[0]} --to "
            "FOLDER, and name it."
        )
        raise ModelError(msg)
    raise _no_such_folder(path)


def _is_path(text: str) -> bool:
    return text.startswith((".", "~", "/", "\\")) or "\\" in text or text.count("/") > 1


def _no_such_folder(path: Path) -> ModelError:
    near = nearest_name(path)
    hint = f"Did you mean {near}?" if near else "Check the path."
    return ModelError(f"The model folder {path} does not exist. {hint}")


def _hub_snapshot(repository: str, *, allow_download: bool) -> Path | None:
    """Return the snapshot of a repository in the local hub cache, downloading it if allowed."""
    hub = require("huggingface_hub", extra="st", feature="Looking a model up by name")
    errors = require("huggingface_hub.errors", extra="st", feature="Looking a model up by name")
    try:
        folder = hub.snapshot_download(repository, local_files_only=True)
        # A cache filled by single look-ups, or by a download that was stopped, holds a part.
        if not allow_download or _is_complete(Path(folder)):
            return Path(folder)
    except errors.LocalEntryNotFoundError:
        if not allow_download:
            return None
    except errors.HFValidationError as error:
        msg = f"{repository!r} is neither a folder nor a model's name: {error}. Check the spelling."
        raise ModelError(msg) from error
    try:
        return Path(hub.snapshot_download(repository, allow_patterns=list(_DOWNLOADED)))
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, OSError) as error:
        msg = (
            f"{repository} could not be downloaded: {error}. Check the name and the network, or "
            "copy the model's folder here and name its path."
        )
        raise ModelError(msg) from error


def _is_complete(folder: Path) -> bool:
    try:
        # Code is no matter here: the encoder refuses it unless it is trusted.
        ModelFolder.read(folder, trust_remote_code=True)
    except ModelError:
        return False
    return True


def _unknown(text: str, repository: str, *, looked: bool = True) -> ModelError:
    bare = text.removeprefix(f"{_ORGANISATION}/")
    start = f"There is no model {text!r}: no such folder, package, or entry of the local hub cache"
    start += "." if looked else " (which was not looked at: pip install 'embedsmith[st]')."
    known = PACKAGED.get(bare)
    if known is not None:
        return ModelError(f"{start} Install it with: pip install 'embedsmith[{known.extra}]'")
    near = difflib.get_close_matches(bare, PACKAGED, n=1, cutoff=0.7)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return ModelError(
        f"{start}{hint} Name a folder; or, with a network: hf download {repository}, or "
        "allow_download=True (--allow-download)."
    )
