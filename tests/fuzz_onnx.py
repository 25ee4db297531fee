"""Spoils the files of a folder with an ONNX graph, one way per number, and opens it each time.

``python -m tests.fuzz_onnx FOLDER FIRST COUNT`` writes what became of each to stdout, a line
before it is tried and one after it: the last line of a process that crashed names the number.
"""

from __future__ import annotations

import json
import random
import resource
import shutil
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import onnx

from embedsmith.backends.onnx import OnnxEncoder
from embedsmith.exceptions import EmbedsmithError
from tests.unit.backends import onnx_folders

NUMBERS = (0, 1, -1, 7, 255, 2**31 - 1, -(2**31), 2**31, 2**40, 2**63 - 1, -(2**63))
WORDS = (
    "", "Gather", "MatMul", "Reshape", "Loop", "Cast", "Expand", "Tile", "ConstantOfShape",
    "Concat", "ai.onnx", "com.microsoft", "input_ids", "attention_mask", "table",
    "last_hidden_state", "x" * 5000,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, -1, 0, 2**31, 2**63, 1e308, "", "x", [], {}, True, "a" * 3000, [[]], {"type": "x"},
    "\ud800",
)  # fmt: skip
FILES = (
    *["onnx/model.onnx"] * 6,
    *["tokenizer.json"] * 4,
    "config.json",
    "modules.json",
    "1_Pooling/config.json",
    "sentence_bert_config.json",
    "tokenizer_config.json",
)
TEXTS = ["w1 w2", "w3 " + "w4 " * 30, "", "another word"]
# A declared tensor of many gigabytes has to end in an error and not in the machine's memory.
MEMORY_BYTES = 8 << 30
SLOW_S = 10.0


def spoiled_bytes(chance: random.Random, content: bytes) -> bytes:
    """Flip, cut, repeat or insert bytes, mostly near the beginning, where the structure is."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        if not changed:
            break
        at = chance.randrange(chance.choice((len(changed), min(len(changed), 600))))
        kind = chance.randrange(6)
        if kind == 0:
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            changed[at] = chance.randrange(256)
        elif kind == 2:
            del changed[at:]
        elif kind == 3:
            del changed[at : at + chance.randrange(1, 40)]
        elif kind == 4:
            changed[at:at] = changed[at : at + chance.randrange(1, 60)]
        else:
            changed[at:at] = b"\xff" * chance.randrange(1, 11)
    return bytes(changed)


def spoiled_graph(chance: random.Random, content: bytes) -> bytes:
    """Change fields of the graph, so that it is still read as one."""
    model = onnx.load_model_from_string(content)
    for _ in range(chance.choice((1, 1, 2, 4))):
        message, name = chance.choice(_fields(model))
        value = getattr(message, name)
        try:
            if isinstance(value, (int, float, str, bytes)):
                setattr(message, name, _other(chance, value))
            elif chance.randrange(3) == 0:
                del value[:]
            else:
                value[chance.randrange(len(value))] = _other(chance, value[0])
        except (ValueError, TypeError):
            # A value that the field cannot hold, or a list of messages: not spoiled this time.
            continue
    return bytes(model.SerializeToString())


def _fields(message: Any) -> list[tuple[Any, str]]:
    found = []
    for field, value in message.ListFields():
        found.append((message, field.name))
        if field.message_type is not None:
            inner = [value] if hasattr(value, "ListFields") else list(value)
            found += [each for one in inner for each in _fields(one)]
    return found


def _other(chance: random.Random, value: Any) -> Any:
    if isinstance(value, str):
        return chance.choice((*WORDS, value + "x"))
    if isinstance(value, bytes):
        return chance.choice((value[: chance.randrange(len(value) + 1)], value + value, b""))
    return chance.choice(NUMBERS)


def spoiled_json(chance: random.Random, content: bytes) -> bytes:
    """Replace or drop values at any depth, or spoil the text itself."""
    if chance.random() < 0.25:
        return spoiled_bytes(chance, content)
    whole = json.loads(content)
    for _ in range(chance.choice((1, 1, 2, 3))):
        holder = whole
        while holder:
            key = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
            inner = holder[key]
            if isinstance(inner, (dict, list)) and inner and chance.random() < 0.75:
                holder = inner
                continue
            if chance.random() < 0.2:
                del holder[key]
            else:
                holder[key] = chance.choice(VALUES)
            break
    return json.dumps(whole).encode()


def spoil(number: int, files: dict[str, bytes]) -> tuple[str, bytes]:
    """Return which file is spoiled under this number, and its new content."""
    chance = random.Random(number)  # noqa: S311 - the same for the same number
    name = chance.choice(FILES)
    if not name.endswith(".onnx"):
        return name, spoiled_json(chance, files[name])
    change = spoiled_graph if chance.random() < 0.7 else spoiled_bytes
    return name, change(chance, files[name])


def main(folder: Path, first: int, count: int) -> None:
    """Try a range of numbers; ends with a line of counts."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    base = onnx_folders.write(folder / "base")
    files = {
        file.relative_to(base).as_posix(): file.read_bytes()
        for file in base.rglob("*")
        if file.is_file()
    }
    ends: Counter[str] = Counter()
    spoiled = folder / "spoiled"
    for number in range(first, first + count):
        name, content = spoil(number, files)
        print(f"trying {number}: {name}", flush=True)  # noqa: T201
        shutil.copytree(base, spoiled, dirs_exist_ok=True)
        (spoiled / name).write_bytes(content)
        begun = time.monotonic()
        try:
            encoder = OnnxEncoder(spoiled, threads=1)
            encoder.encode(TEXTS, role="query")
            encoder.close()
            end = "embedded"
        except EmbedsmithError as error:
            end = type(error).__name__
        except BaseException:  # noqa: BLE001 - it is what is looked for
            end = "unnamed"
            print(f"unnamed {number}: {traceback.format_exc()}")  # noqa: T201
        if time.monotonic() - begun > SLOW_S:
            ends["slow"] += 1
            print(f"slow {number}: {time.monotonic() - begun:.1f} s")  # noqa: T201
        ends[end] += 1
        (spoiled / name).write_bytes(files[name])
    print("counts " + json.dumps(ends))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
