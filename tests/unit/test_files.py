"""Files appear whole or not at all: whoever kills the process, and whenever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedsmith._files import atomic_writer
from embedsmith._shard_file import read_shard, write_shard
from embedsmith.exceptions import OutputError

# Half of the bytes are in the file, on the disk even, when the process is gone.
KILLED = """
import os, signal, sys
from embedsmith._files import atomic_writer
with atomic_writer(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    os.fsync(file.fileno())
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends signals as POSIX has them")
@pytest.mark.parametrize("before", [None, b"what stood there"])
def test_a_file_whose_writer_is_killed_never_has_its_name(
    tmp_path: Path, before: bytes | None
) -> None:
    target = tmp_path / "file"
    if before is not None:
        target.write_bytes(before)
    done = subprocess.run([sys.executable, "-c", KILLED, str(target)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (target.read_bytes() if target.exists() else None) == before


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, steps = tmp_path / "shard", []
    synced, replaced = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        inode = os.fstat(descriptor).st_ino
        steps.append("folder" if inode == tmp_path.stat().st_ino else "file")
        # All of it: what is still in a buffer of Python's would not be.
        if steps == ["file"]:
            (aside,) = tmp_path.iterdir()
            assert read_shard(aside).map("vectors").sum() == 15
        synced(descriptor)

    def replace(self: Path, to: Any) -> Path:
        steps.append("name")
        return replaced(self, to)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    write_shard(target, {"vectors": np.arange(6, dtype=np.float32)}, {})
    expected = ["file", "name", "folder"] if os.name == "posix" else ["file", "name"]
    assert steps == expected


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_writer_that_fails_leaves_what_stood_there_and_nothing_beside_it(
    tmp_path: Path, error: BaseException
) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"before")

    def fail() -> None:
        with atomic_writer(target) as file:
            file.write(b"half")
            raise error

    with pytest.raises(OutputError if isinstance(error, OSError) else KeyboardInterrupt):
        fail()
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("file", b"before")]
