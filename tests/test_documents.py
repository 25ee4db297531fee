"""The documents say what is so: links lead somewhere, commands and lists are the real ones."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import embedsmith
from embedsmith.cli._exit import ExitCode
from tests.test_layers import LAYERS

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "benches/README.md")


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def extras() -> set[str]:
    (section,) = re.findall(
        r"^\[project\.optional-dependencies\]\n(.*?)^\[",
        text("pyproject.toml"),
        re.MULTILINE | re.DOTALL,
    )
    return set(re.findall(r"^([\w-]+) = \[", section, re.MULTILINE))


def words(block: str) -> list[str]:
    return block.replace("\\\n", " ").split()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    targets = re.findall(r"\]\(([^)#]+)", text(name))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (ROOT / name).parent.joinpath(target).exists()] == []


def test_extras_of_the_readme_exist() -> None:
    table = re.findall(r"^\| `(\w+)` \|", text("README.md"), re.MULTILINE)
    named = re.findall(r"embedsmith\[(\w+)\]", text("README.md"))
    assert table
    assert set(table) | set(named) <= extras()


def test_every_extra_named_in_an_error_exists() -> None:
    sources = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "python").rglob("*.py")
    )
    named = set(re.findall(r"\bextra=\"(\w+)\"", sources)) - {"none"}
    named |= set(re.findall(r"embedsmith\[(\w+)\]", sources))
    assert named <= extras()


def test_the_first_command_of_the_readme_is_what_make_demo_runs() -> None:
    (recipe,) = re.findall(r"\$\(VENV\)/(embedsmith eval (?:[^\n]*\\\n)*[^\n]*)", text("Makefile"))
    (first, *_) = re.findall(r"```\n(embedsmith eval .*?)```", text("README.md"), re.DOTALL)
    assert words(first) == words(recipe)


def test_public_names_in_the_readme_exist() -> None:
    named = set(re.findall(r"\bes\.(\w+)", text("README.md")))
    assert named
    assert named <= set(embedsmith.__all__)


def test_exit_codes_of_the_readme_are_those_of_the_command() -> None:
    table = re.findall(r"^\| (\d+) \| ", text("README.md"), re.MULTILINE)
    assert [int(code) for code in table] == sorted(ExitCode)


def test_layers_of_the_contributing_guide_are_those_of_the_guard() -> None:
    rows = re.findall(r"^\| \d+ \| (.+) \|$", text("CONTRIBUTING.md"), re.MULTILINE)
    assert [tuple(re.findall(r"`(\w+)`", row)) for row in rows] == list(LAYERS)


def test_changelog_has_a_section_for_what_is_not_released() -> None:
    assert re.search(r"^## \[Unreleased\]$", text("CHANGELOG.md"), re.MULTILINE)


def test_version_is_that_of_the_workspace() -> None:
    (version,) = re.findall(r'^version = "([^"]+)"', text("Cargo.toml"), re.MULTILINE)
    assert importlib.import_module("embedsmith._core").__version__ == version
