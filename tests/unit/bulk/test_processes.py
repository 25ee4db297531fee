"""Worker processes that end at a bad moment, and answers that nobody took."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import embedsmith as es
from embedsmith.bulk import _processes
from embedsmith.bulk._processes import ProcessRunner
from embedsmith.bulk._runner import ModelOrder, identity_of
from embedsmith.exceptions import ClusterError

SPEC = "fake:16"


def order(**options: Any) -> ModelOrder:
    encoder = es.load_encoder(SPEC, cache=False)
    return ModelOrder(SPEC, {"cache": False, **options}, "document", identity_of(encoder))


def test_a_worker_that_ends_before_it_heard_its_order_is_started_again_and_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_processes, "_PROGRAM", "raise SystemExit(3)  # {path!r:.0}")
    # More than a pipe holds, so that the sender is there when the other end goes.
    runner = ProcessRunner(order(name="x" * 1_000_000), 1, None, lambda *_: None)
    try:
        waiting = runner.submit(0, ["a text"])
        with pytest.raises(ClusterError, match=r"shard 0 ended 3 times .*\(exit code 3\)"):
            waiting.result(timeout=60)
        assert runner.n_restarts == 2
    finally:
        runner.close()


def test_an_answer_that_was_not_taken_is_not_the_next_shard_s() -> None:
    """A caller's progress that fails leaves the answer in the pipe."""

    def told(number: int, texts: int, tokens: int) -> None:  # noqa: ARG001 - as it is called
        if number == 0:
            raise KeyboardInterrupt

    runner = ProcessRunner(order(), 1, None, told)
    try:
        with pytest.raises(KeyboardInterrupt):
            runner.submit(0, ["a text"]).result(timeout=60)
        found = runner.submit(1, ["another"]).result(timeout=60)
        expected = es.load_encoder(SPEC, cache=False).encode(["another"], role="document")
        np.testing.assert_array_equal(found.embedded.vectors, expected.vectors)
    finally:
        runner.close()
