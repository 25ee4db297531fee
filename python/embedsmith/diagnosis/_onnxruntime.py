"""ONNX Runtime: whose files lie there, and which of its providers really run a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from embedsmith._deps import pip_command
from embedsmith._phrases import counted
from embedsmith.backends._cuda_libraries import cuda_remedy, missing_library
from embedsmith.diagnosis._gpu import NO_CARD_FIX
from embedsmith.diagnosis._libraries import installed_version
from embedsmith.diagnosis._parts import Ability, Fact, Finding, Section, can, cannot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from embedsmith.backends._onnxruntime_packages import RuntimePackages
    from embedsmith.diagnosis._apart import Ended
    from embedsmith.diagnosis._gpu import Cards

__all__ = ["CPU", "NOT_TRIED", "Trial", "onnxruntime_section", "trial_of"]

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"
# It would send the tiny graph's input to a service; embedsmith never uses it.
NOT_TRIED = frozenset({"AzureExecutionProvider"})
_INSTALL = pip_command("install", "embedsmith[onnx]")


class Trial(NamedTuple):
    """Whether a provider ran the tiny graph, and if not, why."""

    works: bool
    why: str
    seconds: float


def trial_of(provider: str, ended: Ended) -> Trial:
    """Return the verdict on one provider."""
    answer = next((each for each in ended.answers if "right" in each), None)
    if answer is None or ended.how != "done":
        # What the native library wrote says more than the exception it ends with.
        why = missing_library(ended.said) or ended.reason or "it did not answer"
        return Trial(works=False, why=why, seconds=ended.seconds)
    if provider not in answer["used"]:
        return Trial(
            works=False,
            why=f"the session fell back to {', '.join(answer['used'])}",
            seconds=ended.seconds,
        )
    if not answer["right"]:
        return Trial(
            works=False,
            why=f"its numbers are wrong (by {answer['error']:.3g})",
            seconds=ended.seconds,
        )
    return Trial(works=True, why="its numbers agree with the reference", seconds=ended.seconds)


def onnxruntime_section(
    packages: RuntimePackages, trials: Mapping[str, Trial], cards: Cards
) -> Section:
    """Tell whose files lie there and what runs.

    Parameters
    ----------
    packages : RuntimePackages
        What is installed.
    trials : mapping
        Each provider that the runtime offers, and how it did; empty if nothing is installed.
    cards : Cards
        What the driver told.
    """
    if not packages.installed:
        missing = "ONNX Runtime is not installed"
        fix = pip_command("install", "embedsmith[onnx-gpu]") if cards.cards else _INSTALL
        names = ("onnx", "onnx-cuda", "tensorrt")
        abilities = tuple(cannot(name, missing, "Install it.", fix) for name in names)
        return Section(
            "onnxruntime", "ONNX Runtime", "not installed", abilities=abilities, present=False
        )
    findings = list(_findings(packages, trials, cards))
    runs = [name for name, trial in trials.items() if trial.works]
    installed = ", ".join(str(package) for package in packages.installed)
    facts = (
        Fact("packages", [str(each) for each in packages.installed], installed),
        Fact("build", packages.build, packages.build or "unknown"),
        Fact("cuda", packages.cuda, packages.cuda or "built without CUDA"),
        *(
            Fact(
                name,
                {"works": trial.works, "why": trial.why, "seconds": trial.seconds},
                f"{'runs' if trial.works else 'does not run'}: {trial.why} ({trial.seconds:.1f} s)",
            )
            for name, trial in trials.items()
        ),
    )
    short = [name.removesuffix("ExecutionProvider") for name in runs]
    offered = counted(len(trials), "provider")
    summary = f"{installed}; of {offered} a model ran on {', '.join(short) or 'none'}"
    return Section(
        "onnxruntime",
        "ONNX Runtime",
        summary,
        facts,
        tuple(findings),
        _abilities(packages, trials, cards),
    )


def _findings(
    packages: RuntimePackages, trials: Mapping[str, Trial], cards: Cards
) -> Iterator[Finding]:
    if packages.damage is not None:
        keep = "onnxruntime-gpu" if cards.cards else "onnxruntime"
        if all(package.name != keep for package in packages.installed):
            keep = packages.installed[0].name
        because = "there is an NVIDIA card" if cards.cards else "there is no NVIDIA card"
        yield Finding(
            "onnxruntime-overwritten",
            "problem",
            packages.damage,
            f"Remove all and install one again; {keep} here, since {because}.",
            packages.keep(keep),
        )
    for package in packages.hidden:
        yield Finding(
            "onnxruntime-hidden",
            "warning",
            f"Python takes onnxruntime from {packages.folder}; {package} in {package.folder} is "
            "hidden by it.",
            "If that is not meant so, take the first folder out of PYTHONPATH.",
        )
    for name, trial in trials.items():
        if trial.works:
            continue
        if name == CPU:
            yield Finding(
                "onnxruntime-fails",
                "problem",
                f"ONNX Runtime does not run a model on the CPU: {trial.why}.",
                "Install it again.",
                packages.keep(packages.installed[0].name),
            )
            continue
        fix, command = (
            cuda_remedy(trial.why, built=packages.cuda, driver=cards.cuda)
            if name in {CUDA, TENSORRT}
            else ("Do not use it, or install what it needs.", None)
        )
        # TensorRT is offered by every build for GPUs, and installed by few.
        meant = bool(cards.cards) and name == CUDA
        yield Finding(
            f"{name.removesuffix('ExecutionProvider').lower()}-provider-fails",
            "problem" if meant else "note",
            f"ONNX Runtime offers {name}, but no model runs on it: {trial.why}. By itself it would "
            "run on the CPU and say so in a line of its log only; embedsmith refuses.",
            fix,
            command,
        )
    gpu_only = {"onnxruntime"} == {package.name for package in packages.installed}
    if cards.cards and CUDA not in trials and gpu_only:
        yield Finding(
            "onnxruntime-without-cuda",
            "warning",
            f"There is a {cards.cards[0]['name']}, and this ONNX Runtime is the package for CPUs.",
            "Replace it by the one for GPUs.",
            f"{pip_command('uninstall', 'onnxruntime')} && "
            f"{pip_command('install', 'onnxruntime-gpu[cuda,cudnn]')}",
        )


def _abilities(
    packages: RuntimePackages, trials: Mapping[str, Trial], cards: Cards
) -> tuple[Ability, ...]:
    cpu = trials.get(CPU)
    if installed_version("tokenizers") is None:
        onnx = cannot("onnx", "tokenizers is not installed", "Install it.", _INSTALL)
    elif cpu is not None and cpu.works:
        onnx = can("onnx", "ONNX Runtime ran a model on the CPU")
    else:
        why = cpu.why if cpu else "ONNX Runtime offers no provider for the CPU"
        again = packages.keep(packages.installed[0].name)
        onnx = cannot("onnx", why, "Install it again.", again)
    return (onnx, *(_on_card(*each, packages, trials, cards) for each in _ON_CARDS))


_ON_CARDS = (("onnx-cuda", CUDA), ("tensorrt", TENSORRT))


def _on_card(
    name: str,
    provider: str,
    packages: RuntimePackages,
    trials: Mapping[str, Trial],
    cards: Cards,
) -> Ability:
    trial = trials.get(provider)
    if trial is not None and trial.works:
        return can(name, f"ONNX Runtime ran a model on {provider}")
    if trial is None:
        names = ", ".join(package.name for package in packages.installed)
        why = f"the installed package ({names}) has no {provider}"
        command = (
            f"{pip_command('uninstall', *(each.name for each in packages.installed))} && "
            f"{pip_command('install', 'onnxruntime-gpu[cuda,cudnn]')}"
        )
        return cannot(name, why, "Replace it by the package for GPUs.", command)
    if not cards.cards:
        return cannot(name, "there is no NVIDIA card that can be used", NO_CARD_FIX)
    return cannot(name, trial.why, *cuda_remedy(trial.why, built=packages.cuda, driver=cards.cuda))
