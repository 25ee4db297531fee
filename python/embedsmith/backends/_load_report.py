"""Refuses a model whose file lacks weights.

transformers fills weights that a file lacks with random numbers and only logs it: every vector
would be noise, another one in each run.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

from embedsmith._deps import require
from embedsmith.exceptions import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["quiet_loading", "refuse_missing_weights"]

_POOLER = re.compile(r"(^|\.)pooler\.")


@contextlib.contextmanager
def quiet_loading() -> Iterator[None]:
    """Load a model inside this block without the library's log and progress bar."""
    from transformers.utils import logging as library_logging  # noqa: PLC0415 - heavy

    bar, level = library_logging.is_progress_bar_enabled(), library_logging.get_verbosity()
    library_logging.disable_progress_bar()
    library_logging.set_verbosity_error()
    try:
        yield
    finally:
        library_logging.set_verbosity(level)
        if bar:
            library_logging.enable_progress_bar()


def refuse_missing_weights(transformer: Any, folder: Path) -> None:
    """Ask the library which of a model's weights its files lack, and refuse if there are any.

    The answer is the library's own, so weights that are tied, renamed or computed are no false
    alarm. The model's own pooler may be missing where it is never run: where the vectors are made
    of token vectors, not of the pooler's output.

    Parameters
    ----------
    transformer : sentence_transformers Transformer
        The loaded module.
    folder : Path
        Where it was loaded from.

    Raises
    ------
    ModelError
        Naming the weights that are not in the files.
    """
    # It lays out the model without memory for the weights ("meta").
    require("accelerate", extra="st", feature="Checking a model's weights")
    _, report = type(transformer.model).from_pretrained(
        str(folder),
        config=transformer.model.config,
        local_files_only=True,
        use_safetensors=True,
        device_map="meta",
        output_loading_info=True,
    )
    pooled = "pooler_output" in str(transformer.modality_config)
    missing = sorted(name for name in report["missing_keys"] if pooled or not _POOLER.search(name))
    if missing:
        msg = (
            f"{folder} lacks {len(missing)} weights of its model "
            f"({', '.join(missing[:3])}); they would be random numbers. "
            "Copy or download the whole model folder."
        )
        raise ModelError(msg)
