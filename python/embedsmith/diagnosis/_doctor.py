"""Puts the checks together: those that may crash or hang first, each in a process of its own."""

from __future__ import annotations

import dataclasses
import difflib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from embedsmith import _core
from embedsmith._deps import pip_command
from embedsmith.backends._folders import user_cache_folder
from embedsmith.backends._onnxruntime_packages import RuntimePackages, onnxruntime_packages
from embedsmith.diagnosis._apart import Ended, Runner
from embedsmith.diagnosis._gpu import Cards, cards_of, gpu_section
from embedsmith.diagnosis._guard import guarded_section
from embedsmith.diagnosis._libraries import installed_version, libraries_section, python_section
from embedsmith.diagnosis._machine import core_section, machine_section, memory_section
from embedsmith.diagnosis._native import native_section
from embedsmith.diagnosis._onnxruntime import CPU, NOT_TRIED, Trial, onnxruntime_section, trial_of
from embedsmith.diagnosis._parts import Ability, Section, can, cannot
from embedsmith.diagnosis._result import Diagnosis
from embedsmith.diagnosis._storage import cache_section, models_section, network_section
from embedsmith.diagnosis._torch import torch_section
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

__all__ = ["ABILITIES", "doctor"]

_CHECKS = "embedsmith.diagnosis._run_"
# In the order in which they are shown.
ABILITIES = (
    "search",
    "cache",
    "offline-model",
    "native",
    "st",
    "onnx",
    "cuda",
    "st-cuda",
    "onnx-cuda",
    "tensorrt",
    "openai",
    "cohere",
    "ray",
    "bm25",
)
_NEEDS_TORCH = frozenset({"st"})
# A tiny engine takes TensorRT longer than everything else together.
_PATIENCE = {"TensorrtExecutionProvider": 3.0}


def doctor(*, require: Sequence[str] = (), timeout_s: float = 60.0) -> Diagnosis:
    """Return what is installed, what really runs here, what is wrong, and what to do about it.

    Every provider of ONNX Runtime and every device of PyTorch computes a small product whose answer
    is known, and every instruction set of the search core is compared with the reference; what may
    crash or hang does so in a process of its own. Uses no network, changes nothing, and reports a
    check that fails as a finding.

    Parameters
    ----------
    require : sequence of str, default ()
        What has to work: ``"search"``, ``"cache"``, ``"offline-model"``, ``"st"``, ``"onnx"``,
        ``"cuda"`` (PyTorch or ONNX Runtime), ``"st-cuda"``, ``"onnx-cuda"``, ``"tensorrt"``,
        ``"openai"``, ``"cohere"``, ``"ray"``, ``"bm25"``. ``"st"`` loads sentence-transformers,
        which is not tried otherwise.
    timeout_s : float, default 60
        Seconds that one check may take; the checks run side by side. TensorRT has three times as
        long.

    Returns
    -------
    Diagnosis
        ``healthy`` is False if there is a problem or something required does not work.

    Raises
    ------
    DataError
        If ``require`` names what there is not, or ``timeout_s`` is not positive.

    Examples
    --------
    >>> import embedsmith as es
    >>> diagnosis = es.doctor(require=["search"])
    >>> diagnosis.ability("search").works
    True
    """
    _check_arguments(require, timeout_s)
    begun = time.monotonic()
    runner = Runner()
    pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="embedsmith-doctor")
    try:
        sections = _sections(_Started(runner, pool, frozenset(require), timeout_s))
    finally:
        # Nothing runs any more unless this was interrupted.
        runner.stop()
        pool.shutdown(cancel_futures=True)
    return Diagnosis(
        _core.__version__,
        tuple(sections),
        _abilities(sections, frozenset(require)),
        time.monotonic() - begun,
    )


def _check_arguments(require: Sequence[str], timeout_s: float) -> None:
    names = [require] if isinstance(require, str) else list(require)
    for name in names:
        if isinstance(require, str) or name not in ABILITIES:
            near = difflib.get_close_matches(str(name), ABILITIES, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            msg = f"require={require!r}: use a list of {', '.join(ABILITIES)}.{hint}"
            raise DataError(msg)
    if not timeout_s > 0:
        msg = f"timeout_s is {timeout_s}; it must be a positive number of seconds."
        raise DataError(msg)


class _Started:
    """The checks that run apart, started in an order that keeps the slowest from being last."""

    def __init__(
        self, runner: Runner, pool: ThreadPoolExecutor, require: frozenset[str], timeout_s: float
    ) -> None:
        self._runner, self._timeout_s = runner, timeout_s
        also = ["sentence_transformers", "transformers"] if require & _NEEDS_TORCH else []
        self.torch: Future[Ended] | None = None
        if installed_version("torch") is not None:
            self.torch = pool.submit(self._run, "torch", also)
        self.trials: Future[dict[str, Trial]] = pool.submit(self._try_providers)
        self.gpu: Future[Ended] = pool.submit(self._run, "gpu")
        self.core: Future[Ended] = pool.submit(self._run, "core")
        self.folder: Future[Any] = pool.submit(user_cache_folder)
        self.storage: Future[Ended] = pool.submit(
            lambda: self._run("storage", str(self.folder.result()))
        )

    def native(self) -> Ended:
        """Measure the native encoder; called when nothing else runs any more."""
        return self._run("native")

    def _run(self, check: str, arguments: Any = None, *, patience: float = 1.0) -> Ended:
        return self._runner.run(
            f"{_CHECKS}{check}", arguments, timeout_s=self._timeout_s * patience
        )

    def _try_providers(self) -> dict[str, Trial]:
        """Try the provider for CPUs, which tells the others, and then those."""
        if not onnxruntime_packages().installed:
            return {}
        first = self._run("onnxruntime", CPU)
        offered = first.answers[0]["providers"] if first.answers else [CPU]
        trials = {}
        for name in offered:
            if name in NOT_TRIED:
                continue
            patience = _PATIENCE.get(name, 1.0)
            ended = first if name == CPU else self._run("onnxruntime", name, patience=patience)
            trials[name] = trial_of(name, ended)
        return trials


def _sections(started: _Started) -> list[Section]:
    cards = _cards(started)

    def runtime() -> Section:
        packages: RuntimePackages = onnxruntime_packages()
        return onnxruntime_section(packages, started.trials.result(), cards)

    def torch() -> Section:
        ended = None if started.torch is None else started.torch.result()
        return torch_section(ended, cards)

    checks: list[tuple[str, str, Callable[[], Section]]] = [
        ("python", "Python", lambda: python_section(_core.__version__)),
        ("machine", "Processor", machine_section),
        ("memory", "Memory", memory_section),
        ("core", "Search core", lambda: core_section(started.core.result())),
        ("gpu", "Graphics card", lambda: gpu_section(cards)),
        ("torch", "PyTorch", torch),
        ("onnxruntime", "ONNX Runtime", runtime),
        ("libraries", "Libraries", libraries_section),
        (
            "cache",
            "Cache",
            lambda: cache_section(started.folder.result(), started.storage.result()),
        ),
        ("models", "Models", models_section),
        ("network", "Network", network_section),
    ]
    found = [guarded_section(name, title, build) for name, title, build in checks]
    # Measured when the others are done, and shown beside the core that it runs on.
    native = guarded_section("native", "Native encoder", lambda: native_section(started.native()))
    after = [section.name for section in found].index("core") + 1
    return [*found[:after], native, *found[after:]]


def _cards(started: _Started) -> Cards:
    try:
        return cards_of(started.gpu.result())
    except OSError as error:
        # Shown by the section of the cards; without a process nothing else runs apart either.
        return Cards(None, None, str(error), (), library=True)


def _abilities(sections: Sequence[Section], require: frozenset[str]) -> tuple[Ability, ...]:
    found = {each.name: each for section in sections for each in section.abilities}
    found["cuda"] = _any_cuda(found)
    for name, packages in (("ray", ("ray",)), ("bm25", ("bm25s", "PyStemmer"))):
        found[name] = _installed(name, packages)
    return tuple(
        dataclasses.replace(
            found.get(name) or cannot(name, "its check failed; see above"),
            required=name in require,
        )
        for name in ABILITIES
    )


def _any_cuda(found: dict[str, Ability]) -> Ability:
    """Return whether a model can be put on a card by at least one of the runtimes."""
    both = [found[name] for name in ("st-cuda", "onnx-cuda") if name in found]
    working = [each for each in both if each.works]
    if working:
        return can("cuda", "; ".join(each.why for each in working))
    why = "; ".join(dict.fromkeys(each.why for each in both)) or "its checks failed; see above"
    for each in both:
        return cannot("cuda", why, each.fix, each.command)
    return cannot("cuda", why)


def _installed(extra: str, packages: tuple[str, ...]) -> Ability:
    missing = [name for name in packages if installed_version(name) is None]
    if missing:
        install = pip_command("install", f"embedsmith[{extra}]")
        return cannot(extra, f"{', '.join(missing)} is not installed", "Install it.", install)
    versions = ", ".join(f"{name} {installed_version(name)}" for name in packages)
    return can(extra, f"{versions} installed")
