"""Whether synthetic queries rank models as labelled ones do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.stats import kendalltau

import embedsmith as es
from embedsmith.cli import main
from embedsmith.datasets import Corpus, Dataset, Qrels, Queries
from embedsmith.evaluation._agreement import kendall_tau_b
from embedsmith.exceptions import DataError, MeasureError

if TYPE_CHECKING:
    from pathlib import Path

MODELS = ["fake:64", "fake:32", "fake:16", "bm25"]


def data(name: str, *, synthetic: bool, seed: int) -> Dataset:
    """Return queries of some words of their documents, so that models differ."""
    rng = np.random.default_rng(seed)
    words = [f"w{n}" for n in range(60)]
    texts = [" ".join(rng.choice(words, 12)) for _ in range(40)]
    asked = [" ".join(rng.choice(text.split(), 3)) for text in texts]
    ids = tuple(f"d{n}" for n in range(len(texts)))
    return Dataset.build(
        name,
        Corpus(ids, tuple(texts)),
        Queries(tuple(f"q{n}" for n in range(len(texts))), tuple(asked)),
        Qrels({f"q{n}": {f"d{n}": 1} for n in range(len(texts))}),
        synthetic=synthetic,
    )


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    return {
        name: es.evaluate(
            MODELS,
            data(name, synthetic=name == "made", seed=seed),
            latency_queries=0,
            latency_seconds=0,
            cache=False,
        )
        for seed, name in enumerate(("made", "real", "other"))
    }


def test_tau_b_is_that_of_scipy_with_ties() -> None:
    rng = np.random.default_rng(0)
    for n_models in (2, 3, 5, 9):
        first, second = rng.integers(0, 4, (2, 50, n_models)).astype(float)
        ours = kendall_tau_b(first, second)
        for one, two, tau in zip(first, second, ours, strict=True):
            np.testing.assert_allclose(tau, kendalltau(one, two).statistic, atol=1e-12)


def test_a_set_agrees_with_itself_and_is_seeded(results: dict[str, Any]) -> None:
    found = es.ranking_agreement(results["made"], results["real"], seed=1)
    again = es.ranking_agreement(results["made"], results["real"], seed=1)
    assert found == again
    assert -1 <= found.ci[0] <= found.tau <= found.ci[1] <= 1
    assert list(found.human) == sorted(found.human, reverse=True)
    means = {m.name: m.table.mean[found.measure] for m in results["made"].models}
    np.testing.assert_allclose(found.synthetic, [means[name] for name in found.models])
    assert "made [synthetic queries]" in found.sentence
    assert found.to_dict()["schema"] == "embedsmith.agreement/1"
    assert json.loads(json.dumps(found.to_dict()))


def test_more_queries_make_the_interval_narrower() -> None:
    class Table:
        def __init__(self, per_query: Any) -> None:
            self.per_query = {"nDCG@10": per_query}

    class Print:
        def __init__(self, digest: str) -> None:
            self.digest = digest

    class Model:
        def __init__(self, name: str, values: Any) -> None:
            self.name, self.table, self.fingerprint = name, Table(values), Print(name)

    class Data:
        def __init__(self, n_synthetic: int) -> None:
            self.n_synthetic, self.name, self.title = n_synthetic, "d", "d"

    class Result:
        def __init__(self, n_queries: int, n_synthetic: int) -> None:
            rng = np.random.default_rng(n_queries + n_synthetic)
            self.data = Data(n_synthetic)
            self.models = [Model(f"m{n}", rng.normal(n * 0.2, 1.0, n_queries)) for n in range(5)]

    def width(n_queries: int) -> float:
        one: Any = Result(n_queries, n_queries)
        two: Any = Result(n_queries, 0)
        found = es.ranking_agreement(one, two)
        return found.ci[1] - found.ci[0]

    assert width(4000) < width(40)
    # Equal models: no order, and that is said rather than guessed.
    one: Any = Result(10, 10)
    for model in one.models:
        model.table.per_query = {"nDCG@10": np.ones(10)}
    two: Any = Result(10, 0)
    found = es.ranking_agreement(one, two)
    assert np.isnan(found.tau)
    assert found.undefined == 1.0
    assert found.to_dict()["tau"] is None


def test_few_models_are_called_few(results: dict[str, Any]) -> None:
    from dataclasses import replace

    for count, words in ((2, "one order or the other"), (3, "four values at most")):
        cut = replace(results["made"], models=results["made"].models[:count])
        assert words in es.ranking_agreement(cut, results["real"]).sentence


def test_what_cannot_be_compared_says_why(results: dict[str, Any]) -> None:
    from dataclasses import replace

    with pytest.raises(DataError, match="not marked as synthetic"):
        es.ranking_agreement(results["real"], results["other"])
    with pytest.raises(DataError, match="no set that people labelled"):
        es.ranking_agreement(results["made"], results["made"])
    with pytest.raises(MeasureError, match="there are nDCG@10"):
        es.ranking_agreement(results["made"], results["real"], measure="P@3")
    alone = replace(results["made"], models=results["made"].models[:1])
    with pytest.raises(DataError, match="share 1 of 1 and 4"):
        es.ranking_agreement(alone, results["real"])


def test_the_command_shows_it(
    results: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("made", "real"):
        results[name].save(tmp_path / name)
    made, real = str(tmp_path / "made"), str(tmp_path / "real")
    for extra, code in (((), 0), (("--json",), 0), ((made,), 2)):
        with pytest.raises(SystemExit) as ended:
            main(["compare", "--synthetic", made, "--human", real, *extra])
        assert (ended.value.code or 0) == code
    shown = capsys.readouterr()
    assert "Kendall's tau-b" in shown.out
    assert "and nothing else" in " ".join(shown.err.split())
    with pytest.raises(SystemExit) as ended:
        main(["compare"])
    assert ended.value.code == 2
