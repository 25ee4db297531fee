"""Every public name resolves, is documented in numpydoc, and its documentation is true.

What a machine can check: the sections that a callable needs, and that ``Parameters`` names the
arguments of the signature in their order. Whether the words are right is for the reader.
"""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import embedsmith

# The packages whose own __all__ is part of the interface.
PUBLIC = (
    "embedsmith.backends",
    "embedsmith.backends.api",
    "embedsmith.bulk",
    "embedsmith.datasets",
    "embedsmith.diagnosis",
    "embedsmith.evaluation",
    "embedsmith.exceptions",
    "embedsmith.hygiene",
    "embedsmith.integrations.mteb",
    "embedsmith.integrations.sentence_transformers",
    "embedsmith.integrations.sklearn",
    "embedsmith.labelling",
    "embedsmith.metrics",
    "embedsmith.mining",
    "embedsmith.reports",
    "embedsmith.search",
    "embedsmith.synthesis",
    "embedsmith.text",
)
HEADING = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}$", re.MULTILINE)


def public_objects() -> list[tuple[str, Any]]:
    """Return (dotted name, object) of every public class and function, each once."""
    found: dict[int, tuple[str, Any]] = {}
    for home in ("embedsmith", *PUBLIC):
        module = importlib.import_module(home)
        for name in getattr(module, "__all__", ()):
            # A name that does not resolve fails the tests below, not the collection of all tests.
            value = getattr(module, name, None)
            if inspect.isclass(value) or inspect.isroutine(value):
                found.setdefault(id(value), (f"{home}.{name}", value))
    return sorted(found.values(), key=lambda pair: pair[0])


def public_methods() -> list[tuple[str, Any]]:
    """Return the public methods that the public classes define themselves."""
    return [
        (f"{name}.{own}", function)
        for name, value in public_objects()
        if inspect.isclass(value)
        for own, member in vars(value).items()
        if not own.startswith("_") and inspect.isfunction(function := _function(member))
        # What a base class or Protocol documents is documented there.
        if not any(own in vars(base) for base in value.__mro__[1:])
    ]


def _function(member: object) -> object:
    return member.__func__ if isinstance(member, (staticmethod, classmethod)) else member


def complaints(value: Any) -> list[str]:
    """Return what the documentation of a class, function or method lacks."""
    # A class would inherit the docstring of its base.
    own = vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__
    document = inspect.cleandoc(own or "")
    if not document:
        return ["no docstring"]
    found = []
    if not re.match(r"[A-Z`].*\.$", document.partition("\n")[0]):
        found.append("the first line is not a sentence")
    # An exception is raised by us, and a Protocol is not called: neither has arguments to explain.
    if inspect.isclass(value) and (
        issubclass(value, (BaseException, enum.Enum)) or getattr(value, "_is_protocol", False)
    ):
        return found
    has = sections(document)
    names = argument_names(value)
    if inspect.isclass(value):
        # A record documents its fields, which are its arguments, as the one or the other.
        section = has.get("Parameters", has.get("Attributes"))
    else:
        section = has.get("Parameters")
        returns = value.__annotations__.get("return")
        if names and returns not in {None, "None"} and not {"Returns", "Yields"} & set(has):
            found.append("takes arguments and returns something, without a Returns section")
    if names and section is None:
        found.append(f"takes {names}, without a Parameters section")
    elif names and section is not None and documented_names(section)[: len(names)] != names:
        found.append(f"documents {documented_names(section)}, and takes {names}")
    return found


def sections(document: str) -> dict[str, str]:
    """Return the numpydoc sections of a docstring by their headings."""
    parts = HEADING.split(document)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def documented_names(section: str) -> list[str]:
    """Return the names that a Parameters section documents, without their stars."""
    heads = [line.partition(" : ")[0] for line in section.splitlines() if line and line[0] != " "]
    return [name.strip().lstrip("*\\") for head in heads for name in head.split(",")]


def argument_names(value: Any) -> list[str]:
    """Return the arguments of a callable in the order of its signature."""
    if inspect.isclass(value) and value.__init__ is _replaced_init(value):
        return []
    return [name for name in inspect.signature(value).parameters if name not in {"self", "cls"}]


def _replaced_init(value: type) -> object:
    """Return the constructor that a Protocol among the bases lends to a class without its own."""
    protocols = [base for base in value.__mro__ if getattr(base, "_is_protocol", False)]
    return next((vars(base)["__init__"] for base in protocols if "__init__" in vars(base)), None)


@pytest.mark.parametrize("name", embedsmith.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(embedsmith, name) is not None
    assert name in dir(embedsmith)


@pytest.mark.parametrize("home", PUBLIC)
def test_every_name_of_a_public_package_resolves(home: str) -> None:
    module = importlib.import_module(home)
    absent = [name for name in getattr(module, "__all__", ()) if not hasattr(module, name)]
    assert absent == []


def test_the_lists_of_public_names_agree() -> None:
    tree = ast.parse(Path(str(embedsmith.__file__)).read_text(encoding="utf-8"))
    checked = {
        alias.asname or alias.name
        for block in tree.body
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert checked | {"__version__"} == set(embedsmith.__all__)
    assert sorted(set(embedsmith.__all__)) == sorted(embedsmith.__all__)
    assert set(embedsmith._HOMES) <= set(embedsmith.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'topq'"):
        _ = embedsmith.topq  # type: ignore[attr-defined, unused-ignore]


@pytest.mark.parametrize("value", [pytest.param(v, id=name) for name, v in public_objects()])
def test_public_object_is_documented(value: Any) -> None:
    assert complaints(value) == []


@pytest.mark.parametrize("value", [pytest.param(v, id=name) for name, v in public_methods()])
def test_public_method_is_documented(value: Any) -> None:
    assert complaints(value) == []


def test_every_public_exception_is_in_the_tree() -> None:
    exceptions = importlib.import_module("embedsmith.exceptions")
    drawn = set(re.findall(r"\b[A-Z]\w+Error\b", exceptions.__doc__ or ""))
    assert set(exceptions.__all__) <= drawn
    for name in exceptions.__all__:
        assert issubclass(getattr(exceptions, name), exceptions.EmbedsmithError)


def _bare(k: int) -> int:
    return k


def _without_parameters(k: int) -> int:
    """Return k."""
    return k


def _misnamed(k: int, depth: int) -> None:
    """Do nothing.

    Parameters
    ----------
    depth, k : int
        Anything.
    """


def _documented(k: int, *more: int) -> int:
    """Return k.

    Parameters
    ----------
    k : int
        Anything.
    *more : int
        Added.

    Returns
    -------
    int
        The sum.
    """
    return k + sum(more)


class _Record(NamedTuple):
    """A record.

    Attributes
    ----------
    rows : int
        Count.
    """

    rows: int


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (_bare, ["no docstring"]),
        (
            _without_parameters,
            [
                "takes arguments and returns something, without a Returns section",
                "takes ['k'], without a Parameters section",
            ],
        ),
        (_misnamed, ["documents ['depth', 'k'], and takes ['k', 'depth']"]),
        (_documented, []),
        (_Record, []),
    ],
)
def test_a_gap_in_the_documentation_is_found(value: Any, expected: list[str]) -> None:
    assert complaints(value) == expected
