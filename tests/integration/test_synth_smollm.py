"""A real small model behind a loopback server: what it writes goes through every filter.

SmolLM2-135M is weak, and its answers are not held to words: what is held is that every query is
accounted for, and that what was answered is not asked again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from embedsmith.backends.api import ApiOptions
from embedsmith.synthesis import synthesize_queries
from tests.loopback import loopback
from tests.smollm import smollm_writer

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.model
@pytest.mark.slow
# transformers converts the file by numpy calls of an older kind.
@pytest.mark.filterwarnings("ignore")
def test_what_a_real_model_writes_is_filtered_and_accounted_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openai", reason="the extra 'synth' is not installed")
    pytest.importorskip("py3langid", reason="the extra 'synth' is not installed")
    writer = smollm_writer()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-key-of-the-tests")
    with loopback() as server:
        server.writer = writer

        def run() -> Any:
            return synthesize_queries(
                "sample:bank",
                "openai:smollm2",
                encoder="bm25",
                prompt="completion",
                kinds=["question"],
                passages=3,
                seed=2,
                journal=tmp_path / "journal.jsonl",
                base_url=server.url,
                api=ApiOptions(in_flight=1, timeout_s=600),
            )

        made = run()
        n_sent = len(server.asked)
        assert run().pairs == made.pairs
        assert len(server.asked) == n_sent
    report = made.report
    assert report["requests"]["distinct"] == report["requests"]["answered_now"] == n_sent
    assert report["pairs"]["written"] == len(made.pairs) + len(made.rejected)
    assert report["pairs"]["written"] >= n_sent
    seen = report["pairs"]["written"]
    for one in report["filters"]:
        assert one["seen"] == seen
        assert one["kept"] + sum(one["because"].values()) == seen
        seen = one["kept"]
    assert seen == len(made.pairs)
    assert any(one["query"] for one in made.rejected) or made.pairs
