"""The limits of control groups, read from planted files of both versions."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from embedsmith import _core
from embedsmith._cgroup import control_group

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def plant(folder: Path, cgroup: str, mounts: str, files: Mapping[str, str]) -> Path:
    """Write a process's folder and the files of its groups; MOUNT stands for where they lie."""
    process, mount = folder / "proc", folder / "sys fs"
    process.mkdir()
    (process / "cgroup").write_text(cgroup)
    written = mounts.replace("MOUNT", str(mount).replace(" ", r"\040"))
    (process / "mountinfo").write_text(written)
    for name, content in files.items():
        path = mount / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
    return process


V2 = "30 24 0:26 / MOUNT rw,nosuid shared:9 - cgroup2 cgroup2 rw\n"
V1 = (
    "31 24 0:27 / MOUNT/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
    "32 24 0:28 / MOUNT/memory rw - cgroup cgroup rw,memory\n"
    "33 24 0:29 / MOUNT/pids rw - cgroup cgroup rw,pids\n"
)


def test_version_2_takes_the_tightest_limit_of_the_groups_above(tmp_path: Path) -> None:
    process = plant(
        tmp_path,
        "0::/a/b\n",
        V2,
        {
            "a/b/cpu.max": "max 100000",
            "a/cpu.max": "150000 100000",
            "a/b/memory.max": "2000",
            "a/memory.max": "1000",
            "elsewhere/memory.max": "1",
        },
    )
    assert control_group(process) == (1.5, 1000)


def test_version_1_reads_each_controller_in_its_own_tree(tmp_path: Path) -> None:
    process = plant(
        tmp_path,
        "4:memory:/m\n3:cpu,cpuacct:/c\n2:pids:/p\n",
        V1,
        {
            "cpu/c/cpu.cfs_quota_us": "200000",
            "cpu/c/cpu.cfs_period_us": "100000",
            "cpu/cpu.cfs_quota_us": "-1",
            "cpu/cpu.cfs_period_us": "100000",
            "memory/m/memory.limit_in_bytes": "3000",
            "memory/memory.limit_in_bytes": "9223372036854771712",
        },
    )
    assert control_group(process) == (2.0, 3000)


def test_a_mount_that_begins_at_the_containers_own_group_is_read_at_its_root(
    tmp_path: Path,
) -> None:
    mounts = V2.replace(" / MOUNT", " /docker/1234 MOUNT")
    process = plant(tmp_path, "0::/docker/1234\n", mounts, {"memory.max": "5000"})
    assert control_group(process) == (None, 5000)


@pytest.mark.parametrize("path", ["/../../outside", "/of/another/tree"])
def test_a_group_outside_of_what_is_mounted_counts_as_the_mounts_own(
    tmp_path: Path, path: str
) -> None:
    mounts = V2.replace(" / MOUNT", " /docker/1234 MOUNT")
    process = plant(tmp_path, f"0::{path}\n", mounts, {"memory.max": "5000"})
    assert control_group(process) == (None, 5000)


def test_no_limits_and_no_control_groups_are_none(tmp_path: Path) -> None:
    assert control_group(tmp_path / "nothing") == (None, None)
    process = plant(tmp_path, "0::/a\n", V2, {"a/cpu.max": "max 100000", "a/memory.max": "max"})
    assert control_group(process) == (None, None)


def test_damaged_lines_are_passed_over(tmp_path: Path) -> None:
    process = plant(tmp_path, "nonsense\n0::/\n", f"1 2 - x\n\n{V2}", {"cpu.max": "50000 0"})
    assert control_group(process) == (None, None)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity")
def test_threads_follow_the_affinity_of_the_process() -> None:
    program = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
        "from embedsmith import _core; print(_core.thread_count())"
    )
    environment = {k: v for k, v in os.environ.items() if k != "EMBEDSMITH_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1"


def test_threads_never_exceed_the_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMBEDSMITH_NUM_THREADS", raising=False)
    quota = control_group().cpu_quota
    if quota is None:
        pytest.skip("this machine sets no quota")
    assert _core.thread_count() <= max(1, int(quota))
