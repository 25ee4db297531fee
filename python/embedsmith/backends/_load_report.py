"""Turns the model library's load report into an error where weights are missing.

transformers fills weights that a file lacks with random numbers and only logs it: every vector
would be noise, another one in each run.
"""

from __future__ import annotations

import contextlib
import logging
import re
from typing import TYPE_CHECKING

from embedsmith.exceptions import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["strict_loading"]

_log = logging.getLogger(__name__)

_REPORTER = "transformers.modeling_utils"
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_MISSING = re.compile(r"^\s*(\S+)\s*\|\s*MISSING\b", re.MULTILINE)
# Embeddings are pooled from token vectors; the model's own pooler is never run.
_UNUSED = re.compile(r"(^|\.)pooler\.")


class _ReportFilter(logging.Filter):
    """Keeps load reports from the log and remembers which weights they call missing."""

    def __init__(self) -> None:
        super().__init__()
        self.missing: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        text = _COLOUR.sub("", record.getMessage())
        if "LOAD REPORT" not in text:
            return True
        self.missing += [name for name in _MISSING.findall(text) if not _UNUSED.search(name)]
        _log.debug("%s", text)
        return False


@contextlib.contextmanager
def strict_loading(folder: str) -> Iterator[None]:
    """Load a model inside this block; missing weights become an error.

    The library's logger and progress bar are as before when the block ends.

    Raises
    ------
    ModelError
        Naming the weights that are not in the file.
    """
    from transformers.utils import logging as library_logging  # noqa: PLC0415 - heavy

    logger = logging.getLogger(_REPORTER)
    report, level = _ReportFilter(), logger.level
    bar = library_logging.is_progress_bar_enabled()
    logger.addFilter(report)
    if not logger.isEnabledFor(logging.WARNING):
        logger.setLevel(logging.WARNING)
    library_logging.disable_progress_bar()
    try:
        yield
    finally:
        logger.removeFilter(report)
        logger.setLevel(level)
        if bar:
            library_logging.enable_progress_bar()
    if report.missing:
        msg = (
            f"{folder} lacks {len(report.missing)} weights of its model "
            f"({', '.join(report.missing[:3])}); they would be random numbers. "
            "Copy or download the whole model folder."
        )
        raise ModelError(msg)
