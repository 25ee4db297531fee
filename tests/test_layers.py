"""Imports point down, never up or sideways; the Rust side keeps its two borders.

Every import counts, wherever it stands: at the top, inside a function, under ``TYPE_CHECKING``, or
as a literal given to ``import_module``. A type named only for the checker is knowledge of that
layer all the same; what two layers share is a Protocol or an alias in ``embedsmith._typing``.
``embedsmith/__init__.py`` stands above all layers: it is the list of public names.
"""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "python" / "embedsmith"
RUST = ROOT / "rust"

# Top to bottom. A module of one row may import the rows below it, and its own package.
LAYERS = (
    ("cli",),
    ("reports", "integrations"),
    ("selection", "registry", "rollout", "reindex", "serving"),
    ("training", "mining", "synthesis", "labelling"),
    ("evaluation", "diagnosis", "bulk", "hygiene"),
    ("backends", "datasets"),
    ("search", "metrics", "text"),
    ("_shard_file",),
    ("_core", "_validate", "_deps", "_cgroup", "_files", "_phrases", "_processor", "_provided"),
    ("exceptions", "_typing"),
)
DEPTH = {name: depth for depth, row in enumerate(LAYERS) for name in row}
DEPTH["__main__"] = -1


def imported(source: str, module: str, modules: frozenset[str]) -> list[tuple[int, str]]:
    """Return line and target of every import of the package's own modules in ``source``.

    ``from embedsmith.search import topk`` is an import of the submodule if there is one of that
    name in ``modules``, else of the package that the name comes from. A relative import is
    resolved, and reported by its dots in front.
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "")
            for alias in node.names:
                submodule = f"{origin}.{alias.name}"
                found.append((node.lineno, submodule if submodule in modules else origin))
        elif isinstance(node, ast.Call) and _is_dynamic_import(node.func):
            literal = node.args[0] if node.args else None
            if isinstance(literal, ast.Constant) and isinstance(literal.value, str):
                found.append((node.lineno, literal.value))
    own = [one for one in found if re.match(r"embedsmith(\.|$)|\.", one[1])]
    return [one for one in own if one[1] != module]


def _is_dynamic_import(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in {"import_module", "__import__"}


def layer(module: str) -> str:
    """Return the name in ``LAYERS`` that a dotted module belongs to; "" for the package itself."""
    return module.partition(".")[2].partition(".")[0]


def breaks(sources: dict[str, str]) -> list[str]:
    """Return one line for each import that the layers forbid."""
    modules = frozenset(sources)
    found = []
    for module, source in sorted(sources.items()):
        own = layer(module)
        if own and own not in DEPTH:
            found.append(f"{module}: '{own}' is in no layer; add it to LAYERS and to DESIGN")
            continue
        for line, target in imported(source, module, modules):
            reason = _reason(own, target)
            if reason:
                found.append(f"{module}:{line}: imports {target}: {reason}")
    return found


def _reason(own: str, target: str) -> str | None:
    if target.startswith("."):
        return "write the absolute import"
    other = layer(target)
    if not own:
        return None
    if not other:
        return "name the module that defines it, not the package above"
    if other not in DEPTH:
        return f"'{other}' is in no layer"
    if other == own or DEPTH[own] < DEPTH[other]:
        return None
    return "that is beside it" if DEPTH[own] == DEPTH[other] else "that is above it"


def cycle(sources: dict[str, str]) -> list[str] | None:
    """Return the modules of one import cycle, or None."""
    modules = frozenset(sources)
    graph = {
        # The package's face imports everything for the type checker, and is imported by all.
        module: {target for _, target in imported(source, module, modules) if target in modules}
        for module, source in sources.items()
        if layer(module)
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return None


def package_sources() -> dict[str, str]:
    sources = {}
    for path in [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.pyi")]:
        parts = ("embedsmith", *path.relative_to(PACKAGE).with_suffix("").parts)
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        sources[name] = path.read_text(encoding="utf-8")
    return sources


def rust_code(source: str) -> str:
    """Return Rust source without its comments and literals."""
    pattern = re.compile(
        r"""//[^\n]*|/\*.*?\*/|r(?P<hash>\#*)".*?"(?P=hash)|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])'""",
        re.DOTALL,
    )
    return pattern.sub(" ", source)


def unsafe_outside_kernels(sources: dict[str, str]) -> list[str]:
    """Return the files, by path under ``rust/``, that say ``unsafe`` and may not."""
    return sorted(
        path
        for path, source in sources.items()
        if re.search(r"\bunsafe\b", rust_code(source)) and "core/src/kernels/" not in path
    )


def rust_sources() -> dict[str, str]:
    return {
        path.relative_to(RUST).as_posix(): path.read_text(encoding="utf-8")
        for path in RUST.rglob("*.rs")
    }


def test_imports_point_down_only() -> None:
    assert breaks(package_sources()) == []


def test_a_backend_imports_no_other_but_the_export_that_runs_what_it_wrote() -> None:
    sources = package_sources()
    folders = ("api", "export", "native", "onnx")
    crossing = {
        (own, other)
        for own in folders
        for module, source in sources.items()
        if module.startswith(f"embedsmith.backends.{own}.")
        for _, target in imported(source, module, frozenset(sources))
        for other in folders
        if other != own and f"{target}.".startswith(f"embedsmith.backends.{other}.")
    }
    assert crossing == {("export", "onnx")}


def test_imports_form_no_cycle() -> None:
    assert cycle(package_sources()) is None


def test_every_folder_of_the_package_is_in_a_layer() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert folders <= set(DEPTH)


def test_the_core_crate_never_names_python() -> None:
    manifest = (RUST / "core" / "Cargo.toml").read_text(encoding="utf-8")
    assert not re.search(r"^\s*(pyo3|numpy)\b", manifest, re.MULTILINE)
    naming = [
        path
        for path, source in rust_sources().items()
        if path.startswith("core/") and re.search(r"\b(pyo3|PyObject)\b", rust_code(source))
    ]
    assert naming == []


def test_the_binding_crate_forbids_unsafe_code() -> None:
    assert "#![forbid(unsafe_code)]" in rust_code(rust_sources()["py/src/lib.rs"])


def test_unsafe_appears_in_the_kernels_only() -> None:
    assert unsafe_outside_kernels(rust_sources()) == []


@pytest.mark.parametrize(
    ("module", "source", "why"),
    [
        ("embedsmith.search._topk", "from embedsmith.evaluation import evaluate", "above"),
        ("embedsmith.search._topk", "import embedsmith.metrics", "beside"),
        ("embedsmith.backends.st", "import embedsmith.datasets.corpus as c", "beside"),
        ("embedsmith._deps", "from embedsmith._validate import rows", "beside"),
        ("embedsmith._typing", "from embedsmith.exceptions import ShapeError", "beside"),
        ("embedsmith.metrics", "from embedsmith import topk", "not the package above"),
        ("embedsmith.metrics", "import embedsmith as es", "not the package above"),
        ("embedsmith.metrics", "from . import stats", "absolute"),
        ("embedsmith.metrics._a", "from ..search import topk", "absolute"),
        ("embedsmith.helpers", "x = 1", "no layer"),
        ("embedsmith.cli", "import embedsmith.helpers", "no layer"),
        (
            "embedsmith.datasets.qrels",
            "if TYPE_CHECKING:\n    from embedsmith.evaluation import EvaluationResult",
            "above",
        ),
        (
            "embedsmith.datasets.qrels",
            "def late():\n    from embedsmith.cli import main",
            "above",
        ),
        (
            "embedsmith.datasets.qrels",
            "import importlib\nimportlib.import_module('embedsmith.cli')",
            "above",
        ),
    ],
)
def test_a_planted_break_is_found(module: str, source: str, why: str) -> None:
    (found,) = breaks({module: source})
    assert why in found
    assert found.startswith(module)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("embedsmith", "from embedsmith.cli import main"),
        ("embedsmith.cli", "from embedsmith.evaluation import evaluate"),
        ("embedsmith.search._topk", "from embedsmith.search._index import Index"),
        ("embedsmith.search._topk", "import numpy\nfrom embedsmith._core import topk"),
        ("embedsmith.search._topk", "import embedsmith_plugins"),
    ],
)
def test_a_lawful_import_passes(module: str, source: str) -> None:
    assert breaks({module: source}) == []


def test_a_planted_cycle_is_found() -> None:
    sources = {
        "embedsmith.search": "from embedsmith.search import _a",
        "embedsmith.search._a": "def late():\n    from embedsmith.search._b import f",
        "embedsmith.search._b": "from embedsmith.search import Index",
    }
    found = cycle(sources)
    assert found is not None
    assert set(found) == set(sources)
    sources["embedsmith.search._b"] = "from embedsmith.exceptions import ShapeError"
    assert cycle(sources) is None


@pytest.mark.parametrize(
    ("path", "source", "caught"),
    [
        ("py/src/topk.rs", "fn f() { unsafe { g() } }", True),
        ("core/src/topk/pass.rs", 'let s = "a // b"; unsafe { g() }', True),
        ("core/src/topk/pass.rs", "let quote = '\"'; unsafe { g() } let t = '\"';", True),
        ("core/src/topk/pass.rs", "/// Not unsafe.\nfn f<'a>(x: &'a str) {}", False),
        ("core/src/topk/pass.rs", 'let s = "unsafe"; /* unsafe */ let r = r#"unsafe"#;', False),
        ("py/src/lib.rs", "#![forbid(unsafe_code)]", False),
        ("core/src/kernels/avx2.rs", "unsafe { g() }", False),
    ],
)
def test_unsafe_is_found_in_code_and_not_in_text(path: str, source: str, *, caught: bool) -> None:
    assert unsafe_outside_kernels({path: source}) == ([path] if caught else [])
