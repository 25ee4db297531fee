#!/usr/bin/env python3
"""Make ``.venv`` ready for one of the Makefile's targets: the set-up that each of them starts with.

``python3 tools/environment.py [EXTRA]`` creates ``.venv``, installs the dependencies, with those of
that extra, and builds the extension into the checkout. Each step leaves a stamp, so a second call
does nothing. Standard library only: nothing is installed yet. The Makefile has checked the
interpreter's version. Packages come from wherever pip is configured to look on this machine.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMPS = VENV / ".embedsmith"
SCRIPTS = VENV / ("Scripts" if os.name == "nt" else "bin")
EXE = ".exe" if os.name == "nt" else ""
PYTHON = SCRIPTS / f"python{EXE}"

# What uv calls the settings of pip; a value set for uv itself wins.
UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "no-index": "UV_NO_INDEX",
    "cert": "SSL_CERT_FILE",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "timeout": "UV_HTTP_TIMEOUT",
}


class SetupError(Exception):
    """Something is missing on this machine; the message is one sentence with the fix."""


def main() -> None:
    """Check the machine, then prepare the extra named on the command line, if any."""
    extras = sys.argv[1:]
    if len(extras) > 1:
        msg = "name one extra of pyproject.toml at most, as in python3 tools/environment.py test."
        raise SetupError(msg)
    check_rust()
    create_venv()
    prepare(*extras)


def check_rust() -> None:
    """Refuse a machine without cargo, or with one older than the workspace's rust-version."""
    wanted = matched(r'^rust-version = "([\d.]+)"', text("Cargo.toml"))
    if shutil.which("cargo") is None:
        msg = (
            f"embedsmith is built with Rust, and no cargo is on PATH: install Rust {wanted} or "
            "newer (with rustup or your system's packages), open a new shell and run this again."
        )
        raise SetupError(msg)
    output = subprocess.run(["cargo", "--version"], stdout=subprocess.PIPE, check=True).stdout
    found = matched(r"^cargo ([\d.]+)", output.decode())
    if numbers(found) < numbers(wanted):
        msg = (
            f"embedsmith is built with Rust {wanted} or newer, but cargo here is {found}: update "
            "it, for example with rustup update stable."
        )
        raise SetupError(msg)


def create_venv() -> None:
    """Create ``.venv`` for this interpreter, unless it is there."""
    stamp = STAMPS / "venv"
    key = json.dumps([sys.version, sys.prefix])
    if PYTHON.is_file() and fresh(stamp, key):
        return
    if VENV.exists():
        shutil.rmtree(VENV)
    uv = shutil.which("uv")
    if uv:
        run([uv, "venv", "--quiet", "--python", sys.executable, str(VENV)], uv_environment())
    else:
        create_venv_without_uv()
    STAMPS.mkdir()
    stamp.write_text(key)


def create_venv_without_uv() -> None:
    """Create ``.venv`` with the standard library, and install uv into it."""
    command = [sys.executable, "-m", "venv", str(VENV)]
    made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if made.returncode != 0:
        sys.stderr.write(made.stdout.decode(errors="replace"))
        msg = (
            f"{sys.executable} cannot create virtual environments: install its venv module (on "
            "Debian and Ubuntu the package python3-venv), or put uv on PATH."
        )
        raise SetupError(msg)
    # uv installs in seconds what takes pip minutes; pip does as well.
    say("installing uv")
    installed = subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", "uv"], check=False)
    if installed.returncode != 0:
        say("uv cannot be installed here: going on with pip, which is slower")


def prepare(extra: str = "") -> None:
    """Install the dependencies, and build the extension if its sources changed."""
    sources = [path for path in (ROOT / "rust").rglob("*") if path.is_file()]
    sources += [ROOT / name for name in ("Cargo.toml", "Cargo.lock", "pyproject.toml")]
    wanted = digest(sources)
    build, dependencies = STAMPS / "build", STAMPS / f"extra-{extra}"
    if fresh(dependencies, wanted) and fresh(build, wanted + extension_state()):
        return
    command, env = installer()
    requires = matched(r"^requires = (\[.*\])$", text("pyproject.toml"))
    run(command + ast.literal_eval(requires), env)
    extras = f"[{extra}]" if extra else ""
    say(f"building the extension, and installing embedsmith{extras} into .venv")
    # Without isolation: in a build environment of its own, whose path is new each time, the crates
    # that look at the interpreter would be compiled anew each time.
    run([*command, "--no-build-isolation", "--editable", f".{extras}"], env)
    dependencies.write_text(wanted)
    build.write_text(wanted + extension_state())


def installer() -> tuple[list[str], dict[str, str]]:
    """Return the command that installs into ``.venv``, and its environment."""
    inside = SCRIPTS / f"uv{EXE}"
    uv = str(inside) if inside.is_file() else shutil.which("uv")
    if uv:
        command, env = [uv, "pip", "install", "--python", str(PYTHON)], uv_environment()
    else:
        command, env = [str(PYTHON), "-m", "pip", "install"], dict(os.environ)
    # A build without isolation looks for maturin on PATH.
    env["PATH"] = os.pathsep.join([str(SCRIPTS), env.get("PATH", os.defpath)])
    return [*command, "--quiet"], env


def uv_environment() -> dict[str, str]:
    """Return the environment in which uv looks for packages, and trusts, what pip does here."""
    env = dict(os.environ)
    for name, value in pip_settings(pip_listing()).items():
        if name in UV_NAMES:
            # pip separates several values by blanks or line ends, uv by blanks or commas.
            joiner = "," if name == "find-links" else " "
            env.setdefault(UV_NAMES[name], joiner.join(value.split()))
    # The machine's own certificate store, under uv's present name for it and its former one.
    env.setdefault("UV_SYSTEM_CERTS", "1")
    env.setdefault("UV_NATIVE_TLS", "1")
    env.setdefault("UV_PYTHON_DOWNLOADS", "never")
    return env


def pip_listing() -> str:
    """Return pip's configuration on this machine, from its files and the PIP_* variables."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    # A Python without pip has no configuration of pip either: the listing is empty then.
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False
    )
    return done.stdout


def pip_settings(listing: str) -> dict[str, str]:
    """Return the values of a listing by plain name, so that ``:env:.cert`` becomes ``cert``."""
    pairs = [line.partition("=") for line in listing.splitlines() if "=" in line]
    return {name.rpartition(".")[2]: str(ast.literal_eval(value)) for name, _, value in pairs}


def run(command: list[str], env: dict[str, str]) -> None:
    """Run a command in the checkout; its failure ends the set-up with its own exit status."""
    status = subprocess.run(command, cwd=ROOT, env=env, check=False)
    if status.returncode != 0:
        raise SystemExit(status.returncode)


def extension_state() -> str:
    """Return what tells one built extension from another: other builds may replace it."""
    found = (ROOT / "python" / "embedsmith").glob("_core.*")
    return json.dumps(
        sorted((path.name, path.stat().st_mtime_ns) for path in found if path.suffix != ".pyi")
    )


def digest(paths: list[Path]) -> str:
    """Hash files by name and content."""
    found = hashlib.sha256()
    for path in sorted(paths):
        found.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


def fresh(stamp: Path, key: str) -> bool:
    """Tell whether a step was done for exactly this state."""
    return stamp.is_file() and stamp.read_text() == key


def text(name: str) -> str:
    """Return a file of the checkout."""
    return (ROOT / name).read_text(encoding="utf-8")


def matched(pattern: str, where: str) -> str:
    """Return the group of a pattern that must be there."""
    found = re.search(pattern, where, re.MULTILINE)
    if found is None:
        msg = f"no line matches {pattern} in:\n{where}"
        raise SetupError(msg)
    return found.group(1)


def numbers(version: str) -> list[int]:
    """Return the parts of a version for comparison."""
    return [int(part) for part in version.split(".")]


def say(line: str) -> None:
    """Report progress."""
    sys.stderr.write(f"environment: {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    try:
        main()
    except SetupError as error:
        sys.exit(f"error: {error}")
