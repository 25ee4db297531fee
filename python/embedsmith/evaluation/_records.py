"""Frozen records from JSON that somebody may have edited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from embedsmith.exceptions import DataError

__all__ = ["ADDED", "plain", "read_added", "read_key", "record", "within"]

T = TypeVar("T")

# Metadata of a field that results written before it was thought of lack: its default stands in.
ADDED: Mapping[str, bool] = {"added": True}

_FIX = "Take the file from where it was written, or evaluate again."


@contextmanager
def within(where: str) -> Iterator[None]:
    """Put a place before whatever the block finds wrong with a value.

    Parameters
    ----------
    where : str
        A file, or a key in it.

    Raises
    ------
    DataError
        If a key is missing, or a value is of another kind than the block expects.
    """
    try:
        yield
    except KeyError as error:
        msg = f"{where}: {error} is missing. {_FIX}"
        raise DataError(msg) from error
    except DataError as error:
        msg = f"{where}: {error}"
        raise DataError(msg) from error
    except (AttributeError, TypeError, ValueError) as error:
        msg = f"{where}: {error}. {_FIX}"
        raise DataError(msg) from error


def record(kind: type[T], value: object) -> T:
    """Return a dataclass whose fields a JSON object holds, all of them and no others.

    Only a field with the metadata ``ADDED`` may be absent; it takes its default.

    Parameters
    ----------
    kind : type
        A dataclass of plain values, tuples, mappings and such dataclasses.
    value : object
        Read from JSON.

    Returns
    -------
    kind
        Lists have become tuples.

    Raises
    ------
    DataError
        If a key is missing or unknown, or its value is of the wrong type; names the key.

    Examples
    --------
    >>> from dataclasses import make_dataclass
    >>> record(make_dataclass("Cut", [("documents", int)]), {"documents": "many"})
    Traceback (most recent call last):
    embedsmith.exceptions.DataError: documents: 'many' is not int. Take the file ...
    """
    given = _read(value, Mapping[str, Any])
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # of any dataclass
    unknown = sorted(given.keys() - set(names))
    if unknown:
        msg = f"{unknown[0]!r} is not known to this version. {_FIX}"
        raise DataError(msg)
    # An older file lacks what was added since, and nothing else.
    absent = {
        field.name
        for field in fields(kind)  # type: ignore[arg-type]  # of any dataclass
        if field.metadata.get("added") and field.name not in given
    }
    return kind(**{n: read_key(given, n, hints[n]) for n in names if n not in absent})


def read_key(value: Mapping[str, Any], key: str, hint: Any) -> Any:
    """Return what a JSON object holds under a key.

    Parameters
    ----------
    value : dict
        Read from JSON.
    key : str
        Its key.
    hint : type
        What is expected there, as a field of a record would say it.

    Returns
    -------
    object
        As ``hint`` says.

    Raises
    ------
    DataError
        If the key is missing, or its value is of the wrong type; names the key.
    """
    if key not in value:
        msg = f"{key!r} is missing. {_FIX}"
        raise DataError(msg)
    with within(key):
        return _read(value[key], hint)


def read_added(value: Mapping[str, Any], key: str, hint: Any, default: Any) -> Any:
    """Return what a JSON object holds under a key that older files lack.

    Parameters
    ----------
    value : dict
        Read from JSON.
    key : str
        Its key.
    hint : type
        What is expected there.
    default : object
        What stands for an absent key.

    Returns
    -------
    object
        As ``hint`` says, or the default.

    Raises
    ------
    DataError
        If the value is of the wrong type; names the key.
    """
    return read_key(value, key, hint) if key in value else default


def plain(value: Any) -> Any:
    """Return a record as JSON holds it: objects for dataclasses, lists for tuples.

    Parameters
    ----------
    value : dataclass, mapping, tuple or scalar
        What ``record`` reads.

    Returns
    -------
    object
        Dicts, lists and scalars, nothing of it shared with ``value``.

    Examples
    --------
    >>> plain({"ends": (0.25, 0.5)})
    {'ends': [0.25, 0.5]}
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


def _read(value: Any, hint: Any) -> Any:  # noqa: PLR0911 - one for each kind of type
    """Return a JSON value as a field of this type holds it."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in {Union, UnionType}:
        # Only "X | None" is used.
        return None if value is None else _read(value, *(t for t in inner if t is not NoneType))
    if is_dataclass(hint):
        return record(hint, value)  # type: ignore[arg-type]  # it is a class, not an instance
    if origin is tuple and isinstance(value, list):
        kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else inner
        return tuple(_read(item, kind) for item, kind in zip(value, kinds, strict=True))
    if origin is Mapping and isinstance(value, dict):
        return {key: _read(item, inner[1]) for key, item in value.items()}
    if origin is Literal and value in inner:
        return value
    # A JSON number without a point is a float too, but true and false are no numbers.
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is hint:
        return value
    name = hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")
    msg = f"{value!r:.60} is not {name}"
    raise TypeError(msg)
