"""What was measured: the data, the models, the machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from embedsmith.reports._document import Facts, Fold, Section
from embedsmith.reports._numbers import moment, size
from embedsmith.reports._subject import TASKS, contents
from embedsmith.reports._visible import shortened

if TYPE_CHECKING:
    from embedsmith.evaluation import EvaluationResult, ModelResult
    from embedsmith.reports._document import Block

__all__ = ["identity_section", "model_facts"]

_PROMPT = 500


def identity_section(result: EvaluationResult) -> Section:
    """Return what an auditor compares: hashes, fingerprints, prompts, versions, hardware.

    Parameters
    ----------
    result : EvaluationResult
        What was found.

    Returns
    -------
    Section
        One list for the data, one per model, one for the machine.
    """
    data = result.data
    blocks: list[Block] = [
        Facts(
            (
                ("Data", data.title),
                ("Split", data.split),
                ("SHA-256 of ids, texts, judgements", data.hash),
                ("Task", TASKS.get(result.task, result.task)),
                ("Contents", contents(result)),
                *_when(result),
            )
        )
    ]
    blocks += [
        Fold(f"{model.name}: fingerprint {model.fingerprint.short}", (model_facts(model),), place)
        for place, model in enumerate(result.models)
    ]
    machine = Facts(
        tuple(
            (name.replace("_", " "), _value(name, value)) for name, value in _flat(result.hardware)
        )
    )
    versions = Facts(tuple((name, _value(name, value)) for name, value in _flat(result.versions)))
    if machine.pairs:
        blocks.append(Fold("Hardware", (machine,)))
    if versions.pairs:
        blocks.append(Fold("Versions of software", (versions,)))
    return Section("identity", "What was measured", tuple(blocks))


def _when(result: EvaluationResult) -> tuple[tuple[str, str], ...]:
    started = result.timing.get("started")
    return (("Evaluated", moment(started)),) if isinstance(started, str) else ()


def model_facts(model: ModelResult) -> Facts:
    """Return what identifies a model, and how it ran."""
    pairs = [("Name on the command line", model.spec), ("Fingerprint", model.fingerprint.digest)]
    if model.dim is not None:
        pairs.append(("Dimensions", f"{model.dim:,}"))
    if model.encoder is not None:
        encoder = model.encoder
        pairs += [
            ("Prompt before a query", _prompt(encoder.query_prompt)),
            ("Prompt before a document", _prompt(encoder.document_prompt)),
            (
                "Most tokens read",
                "all" if encoder.max_tokens is None else f"{encoder.max_tokens:,}",
            ),
            *([] if encoder.chosen is None else [("Backend", f"chosen: {encoder.chosen}")]),
            ("Device", encoder.device or "not told"),
            ("Batch size", "not told" if encoder.batch_size is None else f"{encoder.batch_size:,}"),
        ]
    pairs += [
        (f"In the fingerprint: {name}", _value(name, value))
        for name, value in _flat(model.fingerprint.fields)
    ]
    return Facts(tuple(pairs))


def _prompt(text: str) -> str:
    return f"“{shortened(text, _PROMPT)}”" if text else "none"


def _flat(values: Mapping[str, object]) -> list[tuple[str, object]]:
    """Return the pairs by name: a result that was read back has them in another order."""
    found: list[tuple[str, object]] = []
    for name in sorted(values):
        value = values[name]
        if isinstance(value, Mapping):
            found += [(f"{name}, {inner}", one) for inner, one in _flat(value)]
        else:
            found.append((name, value))
    return found


def _value(name: str, value: object) -> str:
    if name.endswith("_bytes") and isinstance(value, int):
        return size(value)
    if isinstance(value, str):
        return shortened(value, _PROMPT) or "none"
    return shortened(json.dumps(value, sort_keys=True, ensure_ascii=False), _PROMPT)
