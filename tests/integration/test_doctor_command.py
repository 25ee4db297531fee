"""``embedsmith doctor`` in this environment, and beside a runtime that breaks in every way."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

import embedsmith as es
from embedsmith import _core
from embedsmith.cli import main
from embedsmith.diagnosis import ABILITIES, _doctor
from embedsmith.diagnosis._libraries import installed_version
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

FAKE = Path(__file__).with_name("fake_onnxruntime.py")


class Done(NamedTuple):
    stdout: str
    stderr: str


@pytest.fixture
def embedsmith(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Done]:
    """Run the command in this process, away from this user's cache and variables."""
    monkeypatch.setenv("EMBEDSMITH_CACHE", str(tmp_path / "cache"))
    for name in ("EMBEDSMITH_ISA", "EMBEDSMITH_NUM_THREADS", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: object, code: int = 0) -> Done:
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
        done = Done(*capsys.readouterr())
        assert end.value.code == code, done
        return done

    return run


GUARD = """
import pathlib, socket
def refuse(self, address):
    pathlib.Path({asked!r}).write_text(repr(address))
    raise OSError("no network in this test")
socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = lambda *words, **more: refuse(None, words)
"""


@pytest.fixture
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Refuse connections here and in every Python that is started; return where they are noted."""
    asked, guard = tmp_path / "network-asked", tmp_path / "guard"
    guard.mkdir()
    program = GUARD.format(asked=str(asked))
    (guard / "sitecustomize.py").write_text(program)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(guard), *sys.path]))
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, getattr(socket.socket, name))
    monkeypatch.setattr(socket, "getaddrinfo", socket.getaddrinfo)
    exec(program, {})  # noqa: S102 - the text above
    return asked


@pytest.fixture
def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave PyTorch out, whose import takes longer than all else together."""
    monkeypatch.setattr(
        _doctor,
        "installed_version",
        lambda name: None if name == "torch" else installed_version(name),
    )


def test_this_environment_computes_rightly_and_asks_no_network(
    embedsmith: Callable[..., Done], tmp_path: Path, no_network: Path
) -> None:
    shown = embedsmith("doctor", "--json", "--require", "search,cache").stdout
    diagnosis = json.loads(shown)
    assert diagnosis["schema"] == "embedsmith.doctor/1"
    assert tuple(diagnosis["abilities"]) == ABILITIES
    assert diagnosis["abilities"]["search"]["works"]
    sections = diagnosis["sections"]
    assert all(section["level"] != "problem" for section in sections.values()), shown
    agrees = sections["core"]["facts"]["agrees"]
    assert list(agrees) == _core.available_isas()
    assert all(agrees.values())
    native = sections["native"]["facts"]
    assert diagnosis["abilities"]["native"]["works"]
    assert native["f32"]["alone"] > 0
    assert native["f32"]["share"] is None or 0 < native["f32"]["share"] < 1.5
    assert native["seconds"] < 30
    assert sections["torch"]["facts"]["runs_on"][0] == "cpu"
    assert not no_network.exists()
    with pytest.raises(OSError, match="no network"):
        socket.create_connection(("localhost", 9), timeout=1)
    # Looking at the folder of the cache does not make it.
    assert not (tmp_path / "cache").exists()


@pytest.mark.usefixtures("without_torch")
def test_what_is_required_and_missing_ends_with_4_and_says_what_to_do(
    embedsmith: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("EMBEDSMITH_OFFLINE", raising=False)
    shown = embedsmith("doctor", "--require", "openai", code=4).stdout
    assert "required and not working: openai" in shown.splitlines()[0]
    assert " 1. Put your key into OPENAI_API_KEY." in shown
    assert "\x1b" not in shown  # a pipe gets no colours


def test_a_name_that_cannot_be_required_is_refused(embedsmith: Callable[..., Done]) -> None:
    assert (
        "'cdua' is not one of search, " in embedsmith("doctor", "--require", "cdua", code=2).stderr
    )
    with pytest.raises(DataError, match=r"Did you mean 'cuda'\?"):
        es.doctor(require=["cdua"])
    with pytest.raises(DataError, match="use a list"):
        es.doctor(require="cuda")
    with pytest.raises(DataError, match="timeout_s"):
        es.doctor(timeout_s=0)


@pytest.fixture
def broken_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Plant the fake runtime before the real one, as two packages in one folder."""
    site = tmp_path / "site"
    (site / "onnxruntime" / "capi").mkdir(parents=True)
    shutil.copy(FAKE, site / "onnxruntime" / "__init__.py")
    (site / "onnxruntime" / "capi" / "build_and_package_info.py").write_text(
        "package_name = 'onnxruntime-gpu'\ncuda_version = '13.0'\n"
    )
    for name, version in (("onnxruntime", "1.98.0"), ("onnxruntime-gpu", "1.99.0")):
        information = site / f"{name.replace('-', '_')}-{version}.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        (information / "RECORD").write_text("onnxruntime/__init__.py,,\n")
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("AZURE_WAS_ASKED", str(tmp_path / "asked"))
    return tmp_path


@pytest.mark.usefixtures("without_torch")
def test_each_broken_provider_is_told_and_none_takes_the_command_with_it(
    embedsmith: Callable[..., Done], broken_runtime: Path
) -> None:
    # The limit is for the hanging one; the others must fit into it on a busy machine too.
    begun = time.monotonic()
    shown = embedsmith("doctor", "--json", "--timeout", 8, "--require", "onnx", code=4).stdout
    assert time.monotonic() - begun < 60
    section = json.loads(shown)["sections"]["onnxruntime"]
    why = {
        name.removesuffix("ExecutionProvider"): fact["why"]
        for name, fact in section["facts"].items()
        if name.endswith("ExecutionProvider")
    }
    assert why.pop("CPU") == "its numbers agree with the reference"
    assert why == {
        "CUDA": "the process crashed (SIGABRT)",
        "Tensorrt": "libnvinfer.so.10: cannot open shared object file",
        "Hanging": "it did not end within 8 s",
        "Fallen": "the session fell back to CPUExecutionProvider",
        "Wrong": "its numbers are wrong (by 1)",
        "Loud": "its numbers agree with the reference",
    }
    # A provider that sends inputs to a service is never tried.
    assert not (broken_runtime / "asked").exists()
    codes = [each["code"] for each in section["findings"]]
    assert codes[0] == "onnxruntime-overwritten"
    assert {"cuda-provider-fails", "hanging-provider-fails", "wrong-provider-fails"} <= set(codes)
    works = json.loads(shown)["abilities"]
    assert works["onnx"]["works"]
    assert not works["onnx-cuda"]["works"]


def test_an_interruption_leaves_no_process_behind(tmp_path: Path) -> None:
    if not hasattr(os, "killpg"):
        pytest.skip("signals of POSIX")
    site = tmp_path / "site"
    (site / "onnxruntime").mkdir(parents=True)
    hanging = "import os, time\nopen({!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)\n"
    (site / "onnxruntime" / "__init__.py").write_text(hanging.format(str(tmp_path / "pid")))
    information = site / "onnxruntime-1.99.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: onnxruntime\nVersion: 1.99.0\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *sys.path])}
    process = subprocess.Popen(
        [sys.executable, "-m", "embedsmith", "doctor"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    pid = tmp_path / "pid"
    while not (pid.exists() and pid.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    child = int(pid.read_text())
    process.send_signal(2)
    assert process.wait(20) == 130
    process.communicate()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
