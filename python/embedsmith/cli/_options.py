"""Checks of what was typed, before anything is loaded."""

from __future__ import annotations

import re
from pathlib import Path

import typer

from embedsmith.datasets._load_task import check_task
from embedsmith.exceptions import DataError

__all__ = [
    "device_name",
    "folder_path",
    "not_empty",
    "numbers",
    "renamed_columns",
    "separator",
    "task_name",
    "words",
]

# Whether the machine has it is said later, with another exit code: that is no wrong word.
_DEVICE = re.compile(r"cpu|cuda(:\d+)?")


def device_name(device: str) -> str:
    """Return a device, if it can be one."""
    if _DEVICE.fullmatch(device) is None:
        msg = f"{device!r} is no device; use cpu, cuda or cuda:N."
        raise typer.BadParameter(msg)
    return device


def not_empty(text: str) -> str:
    """Return a path, if there is one."""
    if not text.strip():
        # An unset variable in a script, which would otherwise mean the folder one is in.
        msg = "it is empty; name a path, or '.' for the current folder."
        raise typer.BadParameter(msg)
    return text


def separator(text: str | None) -> str | None:
    """Return a separator, if there is one."""
    if text == "":
        msg = "it is empty; name what stands between document and passage in an id, such as '#'."
        raise typer.BadParameter(msg)
    return text


def task_name(task: str) -> str:
    """Return a task, if it is one."""
    try:
        check_task(task)
    except DataError as error:
        raise typer.BadParameter(str(error)) from None
    return task


def renamed_columns(pairs: list[str] | None) -> list[str] | None:
    """Return pairs of column names, if they are pairs."""
    for pair in pairs or ():
        name, mark, own = pair.partition("=")
        if not (name and mark and own):
            msg = f"{pair!r} renames nothing; write NAME=ITS_NAME, such as sentence1=premise."
            raise typer.BadParameter(msg)
    return pairs


def folder_path(text: str) -> Path:
    """Return a folder."""
    return Path(not_empty(text))


def words(text: str) -> list[str]:
    """Return what stands between commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def numbers(text: str) -> str:
    """Return numbers with commas between them, if they are."""
    wrong = [word for word in words(text) if not word.isascii() or not word.isdecimal()]
    if wrong:
        msg = f"{wrong[0]!r} is no number; give numbers with commas between them, such as 256,128."
        raise typer.BadParameter(msg)
    return text
