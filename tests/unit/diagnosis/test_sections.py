"""What is made of answers: the sentences, the levels, the commands."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from embedsmith import _core
from embedsmith._cgroup import ControlGroup
from embedsmith.backends._onnxruntime_packages import RuntimePackage, RuntimePackages
from embedsmith.diagnosis import _machine, _storage
from embedsmith.diagnosis._apart import Ended
from embedsmith.diagnosis._gpu import Cards, cards_of, gpu_section
from embedsmith.diagnosis._guard import guarded_findings, guarded_section
from embedsmith.diagnosis._libraries import libraries_section
from embedsmith.diagnosis._native import native_section
from embedsmith.diagnosis._onnxruntime import Trial, onnxruntime_section, trial_of
from embedsmith.diagnosis._parts import Finding, Section, can
from embedsmith.diagnosis._result import Diagnosis
from embedsmith.diagnosis._torch import torch_section

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
NO_CARDS = Cards(None, None, None, (), library=False)
CARD = {"name": "NVIDIA H100", "capability": "9.0", "memory_bytes": 80 << 30}
CARDS = Cards("580.65", "13.0", None, (CARD,), library=True)


def ended(*answers: Any, how: Any = "done", reason: str = "", said: str = "") -> Ended:
    return Ended(how, answers, said, reason, 0.1)


def codes(section: Section) -> dict[str, str]:
    return {finding.code: finding.level for finding in section.findings}


def finding(section: Section, code: str) -> Finding:
    return next(each for each in section.findings if each.code == code)


def ability(section: Section, name: str) -> Any:
    return next(each for each in section.abilities if each.name == name)


# ONNX Runtime


def packages(name: str, tmp_path: Path, cuda: str | None = None) -> RuntimePackages:
    return RuntimePackages((RuntimePackage(name, "1.28.0", tmp_path, 4, 4, 0),), name, cuda)


RAN = {"used": [CPU], "exact": True, "right": True, "error": 1e-8}
MISSING = "Failed to load library: libcublasLt.so.13: cannot open shared object file: No such file"


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (ended({"version": "1"}, RAN), "fell back to CPUExecutionProvider"),
        (ended({"version": "1"}, RAN | {"used": [CUDA], "right": False}), "numbers are wrong"),
        (ended({"version": "1"}, how="crashed", reason="(SIGSEGV)"), "SIGSEGV"),
        (ended({"version": "1"}, how="timed out", reason="not within 9 s"), "9 s"),
        (ended(how="failed", reason="RuntimeError: x", said=MISSING), "libcublasLt.so.13: cannot"),
        # It answered, and then its library crashed the process.
        (ended({}, RAN | {"used": [CUDA]}, how="crashed", reason="(SIGSEGV)"), "SIGSEGV"),
    ],
)
def test_a_provider_works_only_if_its_own_numbers_are_right(end: Ended, why: str) -> None:
    trial = trial_of(CUDA, end)
    assert not trial.works
    assert why in trial.why


def test_of_several_missing_libraries_the_providers_own_is_named() -> None:
    said = (
        "Failed to load libcurand.so.10: libcurand.so.10: cannot open shared object file\n"
        "Failed to load library providers_cuda.so with error: libcudnn.so.9: cannot open shared "
        "object file: No such file or directory\n"
    )
    end = ended(how="failed", reason="Fail: nodes on the CPU", said=said)
    assert trial_of(CUDA, end).why == "libcudnn.so.9: cannot open shared object file"


def test_a_provider_with_right_numbers_works() -> None:
    assert trial_of(CUDA, ended({}, RAN | {"used": [CUDA, CPU]})).works


def section_of(tmp_path: Path, why: str, cards: Cards, cuda: str = "13.0") -> Section:
    trials = {
        CUDA: Trial(works=False, why=why, seconds=1.0),
        CPU: Trial(works=True, why="", seconds=1),
    }
    return onnxruntime_section(packages("onnxruntime-gpu", tmp_path, cuda), trials, cards)


def test_a_card_that_cannot_be_used_is_a_problem_only_where_there_is_one(tmp_path: Path) -> None:
    assert codes(section_of(tmp_path, MISSING, CARDS)) == {"cuda-provider-fails": "problem"}
    assert codes(section_of(tmp_path, MISSING, NO_CARDS)) == {"cuda-provider-fails": "note"}


@pytest.mark.parametrize(
    ("why", "cuda", "command"),
    [
        (MISSING, "13.0", "nvidia-cublas"),
        (MISSING.replace(".13", ".12"), "12.8", "nvidia-cublas-cu12"),
        (MISSING.replace("libcublasLt.so.13", "libcudnn.so.9"), "13.0", "nvidia-cudnn-cu13"),
        (MISSING.replace("libcublasLt.so.13", "libcurand.so.10"), "13.0", "nvidia-curand"),
        (MISSING.replace("libcublasLt.so.13", "libcurand.so.10"), "12.8", "nvidia-curand-cu12"),
        (MISSING.replace("libcublasLt.so.13", "libnvinfer.so.10"), "13.0", "tensorrt-cu13"),
        ("something else", "13.0", "'onnxruntime-gpu[cuda,cudnn]'"),
    ],
)
def test_the_remedy_names_the_package_of_the_missing_library(
    tmp_path: Path, why: str, cuda: str, command: str
) -> None:
    found = finding(section_of(tmp_path, why, CARDS, cuda), "cuda-provider-fails")
    assert found.command is not None
    assert found.command.split()[-1] == command


def test_a_driver_too_old_for_the_runtime_is_told_the_last_version_that_fits(
    tmp_path: Path,
) -> None:
    old = CARDS._replace(cuda="12.4")
    section = section_of(tmp_path, "CUDA failure 35", old)
    found = finding(section, "cuda-provider-fails")
    assert "up to CUDA 12.4" in found.fix
    assert str(found.command).endswith("'onnxruntime-gpu[cuda,cudnn]<1.27'")
    assert ability(section, "onnx-cuda").command == found.command
    assert not ability(section, "onnx-cuda").works
    assert ability(section, "onnx").works


def test_the_package_for_cpus_beside_a_card_is_a_warning(tmp_path: Path) -> None:
    trials = {CPU: Trial(works=True, why="", seconds=1.0)}
    section = onnxruntime_section(packages("onnxruntime", tmp_path), trials, CARDS)
    assert codes(section) == {"onnxruntime-without-cuda": "warning"}
    assert "has no CUDAExecutionProvider" in ability(section, "onnx-cuda").why


@pytest.mark.parametrize(("cards", "kept"), [(CARDS, "onnxruntime-gpu"), (NO_CARDS, "onnxruntime")])
def test_of_two_packages_the_one_that_fits_the_machine_is_kept(
    tmp_path: Path, cards: Cards, kept: str
) -> None:
    both = RuntimePackages(
        tuple(
            RuntimePackage(name, "1.28.0", tmp_path, 4, own, 0)
            for name, own in (("onnxruntime", 1), ("onnxruntime-gpu", 4))
        ),
        "onnxruntime-gpu",
        "13.0",
    )
    trials = {CPU: Trial(works=True, why="", seconds=1.0)}
    found = finding(onnxruntime_section(both, trials, cards), "onnxruntime-overwritten")
    assert found.level == "problem"
    assert str(found.command).endswith(f" {kept}==1.28.0")


# Cards and PyTorch


def test_a_driver_that_does_not_answer_is_told() -> None:
    first = {
        "library": True,
        "driver": "580.65",
        "cuda": None,
        "error": "no device (CUDA error 100)",
    }
    section = gpu_section(cards_of(ended(first)))
    assert codes(section) == {"driver-fails": "problem"}
    assert "CUDA error 100" in section.findings[0].seen


def test_hidden_cards_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert codes(gpu_section(CARDS._replace(cards=()))) == {"cards-hidden": "warning"}


TORCH = {"version": "2.15.0", "cuda": "13.0", "threads": 2, "capability": "AVX512", "devices": 0}
ON_CPU = {"device": "cpu", "right": True, "name": None}


@pytest.mark.parametrize(
    ("cuda", "code", "level"),
    [(None, "torch-without-cuda", "warning"), ("13.0", "torch-sees-no-card", "problem")],
)
def test_a_card_that_torch_does_not_use_is_told(cuda: str | None, code: str, level: str) -> None:
    section = torch_section(ended(TORCH | {"cuda": cuda}, ON_CPU), CARDS)
    assert codes(section) == {code: level}
    assert not ability(section, "st-cuda").works


def test_torch_that_fails_to_load_is_a_problem_with_its_reason() -> None:
    section = torch_section(ended(how="failed", reason="OSError: libcudart.so.13"), NO_CARDS)
    assert codes(section) == {"torch-fails": "problem"}
    assert "libcudart.so.13" in section.findings[0].seen
    assert ability(section, "st").works is False


def test_a_device_that_multiplies_wrongly_is_a_problem() -> None:
    on_card = {"device": "cuda:0", "right": False, "name": "NVIDIA H100"}
    section = torch_section(ended(TORCH | {"devices": 1}, ON_CPU, on_card), CARDS)
    assert codes(section) == {"torch-wrong": "problem"}
    assert "cuda:0" in section.findings[0].seen


# The search core, threads and memory


def test_an_instruction_set_that_crashes_is_named_with_the_one_below() -> None:
    names = _core.available_isas()
    if len(names) < 2:
        pytest.skip("this processor has the reference only")
    answers = [{"trying": names[0]}, {"isa": names[0], "agrees": True}, {"trying": names[1]}]
    section = _machine.core_section(ended(*answers, how="crashed", reason="it crashed (SIGILL)"))
    assert codes(section) == {"isa-crashes": "problem"}
    found = section.findings[0]
    assert f"by {names[1]}" in found.seen
    assert found.command == f"export EMBEDSMITH_ISA={names[0]}"
    assert not ability(section, "search").works


def test_an_instruction_set_that_differs_from_the_reference_is_a_problem() -> None:
    section = _machine.core_section(ended({"trying": "scalar"}, {"isa": "scalar", "agrees": False}))
    assert codes(section) == {"isa-wrong": "problem"}


@pytest.mark.parametrize(
    ("value", "code", "level"),
    [("scalar", "isa-forced", "warning"), ("avx1024", "isa-refused", "problem")],
)
def test_a_forced_instruction_set_is_told(
    monkeypatch: pytest.MonkeyPatch, value: str, code: str, level: str
) -> None:
    if value == _core.available_isas()[-1]:
        pytest.skip("this processor has the reference only")
    monkeypatch.setenv("EMBEDSMITH_ISA", value)
    section = _machine.core_section(ended({"trying": "scalar"}, {"isa": "scalar", "agrees": True}))
    assert codes(section) == {code: level}


@pytest.mark.parametrize(
    ("variable", "value", "code"),
    [
        ("OMP_NUM_THREADS", "1", "threads-limited"),
        ("OMP_NUM_THREADS", "64", "threads-too-many"),
        ("OMP_NUM_THREADS", "many", "threads-unreadable"),
        ("EMBEDSMITH_NUM_THREADS", "0", "threads-refused"),
    ],
)
def test_variables_of_threads_are_compared_with_what_is_granted(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, code: str
) -> None:
    for each in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)), raising=False)
    monkeypatch.setattr(_machine, "control_group", lambda: ControlGroup(None, None))
    assert codes(_machine.machine_section()) == {}
    monkeypatch.setenv(variable, value)
    assert code in codes(_machine.machine_section())


def test_a_quota_below_the_processors_is_told_with_the_number_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for each in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(each, raising=False)
    group = ControlGroup(2.5, None)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(_machine, "control_group", lambda: group)
    section = _machine.machine_section()
    assert finding(section, "quota-below-processors").command == "export OMP_NUM_THREADS=2"
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert codes(_machine.machine_section()) == {}


def test_a_small_limit_of_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    group = ControlGroup(None, 1 << 29)
    monkeypatch.setattr(_machine, "control_group", lambda: group)
    assert codes(_machine.memory_section()) == {"little-memory": "warning"}


# Cache, models, network

STORED = {
    "exists": True, "at": "/c", "filesystem": "ext4", "free_bytes": 9 << 30,
    "writable": True, "wal": True, "error": None, "files": 2, "bytes": 4096, "complete": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"filesystem": "nfs4"}, {"cache-on-network": "warning"}),
        ({"wal": False}, {"cache-on-network": "warning"}),
        ({"free_bytes": 5 << 20}, {"disk-full": "warning"}),
        ({"writable": False, "error": "Permission denied"}, {"cache-not-writable": "problem"}),
    ],
)
def test_a_cache_folder_is_judged(
    tmp_path: Path, changes: dict[str, Any], expected: dict[str, str]
) -> None:
    section = _storage.cache_section(tmp_path, ended(STORED | changes))
    assert codes(section) == expected
    assert ability(section, "cache").works == (changes.get("writable") is not False)


def test_a_cache_folder_that_does_not_answer_is_a_problem(tmp_path: Path) -> None:
    end = ended({"exists": True, "at": "/c"}, how="timed out", reason="it did not end within 9 s")
    section = _storage.cache_section(tmp_path, end)
    assert codes(section) == {"cache-does-not-answer": "problem"}
    assert section.findings[0].command == "export EMBEDSMITH_CACHE=/a/local/folder"


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "sk-planted-1234"  # noqa: S105 - planted, to be looked for
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    monkeypatch.setenv(
        "OPENAI_BASE_URL", f"https://user:{secret}@llm.example.com:8443/v1?k={secret}"
    )
    monkeypatch.setenv("HTTPS_PROXY", f"user:{secret}@proxy.example.com:3128")
    section = _storage.network_section()
    diagnosis = Diagnosis("0", (section,), section.abilities, 0.0)
    everything = json.dumps(diagnosis.to_dict()) + diagnosis.text(full=True)
    assert secret not in everything
    assert "llm.example.com:8443" in everything
    assert "proxy.example.com:3128" in everything
    assert "OPENAI_API_KEY is set" in everything


def test_missing_certificates_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file.pem")
    assert codes(_storage.network_section())["certificates-missing"] == "problem"


@pytest.mark.parametrize("value", ["1", "TRUE"])
def test_the_offline_switch_forbids_the_vendors(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    pytest.importorskip("openai")
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    monkeypatch.setenv("EMBEDSMITH_OFFLINE", value)
    section = _storage.network_section()
    assert not ability(section, "openai").works
    assert ability(section, "openai").command == "unset EMBEDSMITH_OFFLINE"


# Libraries, planted


def plant(site: Path, name: str, version: str, *requires: str, module: bool = True) -> None:
    information = site / f"{name.replace('-', '_')}-{version}.dist-info"
    information.mkdir(parents=True)
    lines = "".join(f"Requires-Dist: {each}\n" for each in requires)
    extras = "Provides-Extra: st\n" if name == "embedsmith" else ""
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{extras}{lines}"
    )
    if module:
        (site / name.replace("-", "_")).mkdir(exist_ok=True)
        (site / name.replace("-", "_") / "__init__.py").write_text("")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of packages that comes before all others."""
    for name in ("bm25s", "cohere"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def found_of(section: Section, name: str) -> list[tuple[str, str]]:
    return [(each.code, each.level) for each in section.findings if name in each.seen]


def test_a_requirement_out_of_range_is_a_problem_with_the_command(site: Path) -> None:
    # A version that our own extra takes: its word on another would be a third finding.
    plant(site, "cohere", "7.9", "numpy<1.0", "no-such-package>=2")
    section = libraries_section()
    assert found_of(section, "cohere 7.9") == [
        ("out-of-range", "problem"),
        ("requirement-missing", "problem"),
    ]
    assert str(finding(section, "out-of-range").command).endswith("'numpy<1.0'")


def test_what_our_own_extras_ask_for_is_a_warning(site: Path) -> None:
    plant(site, "embedsmith", "0.1.0", 'cohere<5; extra == "st"', module=False)
    plant(site, "cohere", "9.9")
    section = libraries_section()
    assert finding(section, "out-of-range").level == "warning"
    assert str(finding(section, "out-of-range").command).endswith("'embedsmith[st]'")


def test_a_module_from_elsewhere_than_its_package_is_a_problem(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(site / "packages", "cohere", "9.9", module=False)
    (site / "cohere.py").write_text("")
    monkeypatch.setattr(sys, "path", [str(site), str(site / "packages"), *sys.path])
    seen = finding(libraries_section(), "shadowed").seen
    assert str(site / "cohere.py") in seen


def test_two_registrations_and_vanished_files_are_problems(site: Path) -> None:
    plant(site, "cohere", "9.8")
    plant(site, "cohere", "9.9")
    assert "9.8 and 9.9" in finding(libraries_section(), "registered-twice").seen


def test_unreadable_metadata_spoils_its_own_check_only(site: Path) -> None:
    plant(site, "cohere", "9.9", "numpy (((")
    plant(site, "bm25s", "9.9", "numpy<1.0")
    section = libraries_section()
    assert ("check-failed", "warning") in found_of(section, "check of cohere")
    assert ("out-of-range", "problem") in found_of(section, "bm25s 9.9")


# The guard, and the text


def test_a_check_that_raises_is_a_finding_and_no_error() -> None:
    def build() -> Section:
        raise IndexError(7)

    section = guarded_section("x", "X", build)
    assert codes(section) == {"check-failed": "warning"}
    assert "IndexError" in section.findings[0].seen
    assert "(build, line " in section.findings[0].seen


def test_findings_before_a_failure_are_kept() -> None:
    def find(name: str) -> Iterator[Finding]:
        yield Finding("first", "note", name)
        raise OSError(name)

    assert [each.code for each in guarded_findings("x", find)] == ["first", "check-failed"]


def test_commands_are_never_broken_and_the_worst_comes_first() -> None:
    command = "pip install " + " ".join(f"package-{at}" for at in range(30))
    section = Section(
        "a",
        "A",
        "summary",
        findings=(
            Finding("w", "warning", "a warning.", "Mend it.", command),
            Finding("p", "problem", "a problem.", "Do this.", "do this"),
        ),
        abilities=(can("search", "tried"),),
    )
    diagnosis = Diagnosis("1.0", (section,), section.abilities, 1.0)
    lines = diagnosis.text(width=60).splitlines()
    assert lines[0] == "embedsmith 1.0  1 problem  1 warning"
    assert f"    {command}" in lines
    assert lines.index(" 1. Do this.") < lines.index(" 2. Mend it.")
    assert not diagnosis.healthy
    assert json.loads(json.dumps(diagnosis.to_dict()))["schema"] == "embedsmith.doctor/1"


# The native encoder


def rate(precision: str, alone: float, peak: float | None, close: float = 1.0) -> dict[str, Any]:
    return {
        "precision": precision,
        "alone": alone,
        "together": 2 * alone,
        "threads": 2,
        "peak": peak,
        "close": close,
    }


def test_the_native_encoder_is_told_in_shares_of_the_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_core, "isa", lambda: "avx512bf16")
    section = native_section(
        ended({"trying": "f32"}, rate("f32", 150, 240), rate("int8", 300, 960, close=0.9993))
    )
    assert section.summary == (
        "f32 150 GFLOP/s by one thread (62% of the peak), 300 by 2; "
        "int8 300 GOP/s by one thread (31% of the peak), 600 by 2"
    )
    assert not section.findings
    assert ability(section, "native").works
    assert section.to_dict()["facts"]["int8"]["share"] == 300 / 960


def test_a_poor_share_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_core, "isa", lambda: "avx512bf16")
    section = native_section(ended(rate("f32", 40, 240), rate("bf16", 400, 470)))
    assert codes(section) == {"native-slow": "warning"}
    slow = finding(section, "native-slow")
    assert "17% of what this processor can multiply in f32, 40 of 240 billion" in slow.seen
    assert "EMBEDSMITH_NUM_THREADS" in slow.fix
    assert "power saving" in slow.fix
    # Tiles multiply faster than memory delivers, and no set without a known peak is judged.
    monkeypatch.setattr(_core, "isa", lambda: "amx")
    assert not native_section(ended(rate("bf16", 600, 3500))).findings
    assert not native_section(ended(rate("f32", 5, None))).findings


def test_a_native_encoder_that_errs_or_crashes_is_a_problem_and_no_ability() -> None:
    wrong = native_section(ended(rate("f32", 150, 240), rate("bf16", 400, 470, close=0.5)))
    assert codes(wrong) == {"native-wrong": "problem"}
    assert "--precision fp32" in ability(wrong, "native").fix
    gone = native_section(ended({"trying": "bf16"}, how="crashed", reason="illegal instruction"))
    assert codes(gone) == {"native-stopped": "problem"}
    assert "in bf16 did not end well: illegal instruction" in finding(gone, "native-stopped").seen
    assert not ability(gone, "native").works
