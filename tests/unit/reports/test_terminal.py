import dataclasses
import re

import pytest

from embedsmith.datasets import Corpus, Dataset, Qrels, Queries
from embedsmith.evaluation import evaluate
from embedsmith.reports import evaluation_report, evaluation_summary


@pytest.fixture(scope="module")
def result():
    data = Dataset.build(
        "policies",
        Corpus(
            tuple(f"d{i}" for i in range(40)),
            tuple(f"word{i} word{i % 7} common" for i in range(40)),
        ),
        Queries(tuple(f"q{i}" for i in range(40)), tuple(f"word{i} common" for i in range(40))),
        Qrels({f"q{i}": {f"d{i}": 1, f"d{(i + 7) % 40}": 2} for i in range(40)}),
    )
    return evaluate(
        ["bm25", "fake:16", "fake:64"],
        data,
        cache=False,
        measures="ndcg@10,r@10,rr@10,ap,p@5",
        max_tokens=2,
    )


@pytest.mark.parametrize("width", [60, 80, 100, 140, 200])
def test_no_line_is_wider_than_asked(result, width):
    lines = evaluation_report(result, width=width).splitlines()
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("width", [60, 80, 100, 140, 200])
def test_every_number_is_there_at_every_width(result, width):
    text = " ".join(evaluation_report(result, width=width).split())
    for model in result.models:
        for name, mean in model.table.mean.items():
            low, high = model.table.ci[name]
            assert f"{mean:.4f}" in text
            assert f"[{low:.3f}, {high:.3f}]" in text
    for pair in result.comparison.pairs:
        assert f"{pair.difference:+.4f}" in text
        assert f"{pair.wins}/{pair.ties}/{pair.losses}" in text


def test_verdicts_stand_as_whole_sentences(result):
    text = " ".join(evaluation_report(result, width=70).split())
    for model in result.models:
        assert model.statement in text


def test_pairs_stand_side_by_side_on_a_line_of_80(result):
    text = evaluation_report(result, width=80)
    heads = [line for line in text.splitlines() if line.startswith("measure ")]
    assert len(heads) == 3
    assert all("difference" in head and "verdict" in head for head in heads)


def test_what_was_cut_is_said_in_words(result):
    text = " ".join(evaluation_report(result).split())
    assert "fake:16 reads 2 tokens: 40 of 40 documents and 0 of 40 queries are longer" in text
    # Three words per document and two per query, and all documents lose one.
    assert "longer and were cut: 40 of 200 tokens." in text


def test_nothing_controls_the_terminal(result):
    text = evaluation_report(result)
    assert text.isascii()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)


def test_speeds_of_an_earlier_run_are_marked_and_dated(result):
    first, *others = result.models
    timing = dataclasses.replace(
        others[0].timing, earlier={"throughput": "2026-03-04T05:06:07+00:00"}
    )
    marked = dataclasses.replace(
        result, models=(first, dataclasses.replace(others[0], timing=timing))
    )
    text = evaluation_report(marked)
    assert "*: measured on 2026-03-04 05:06 UTC" in text
    assert len(re.findall(r"\d\*", text)) == 1


def test_a_speed_that_nobody_measured_is_a_dash_with_its_reason(result):
    model = result.models[1]
    timing = dataclasses.replace(model.timing, throughput=None)
    alone = dataclasses.replace(
        result, models=(dataclasses.replace(model, timing=timing),), comparison=None
    )
    text = " ".join(evaluation_report(alone).split())
    assert "texts/s is - where embeddings came from the cache" in text
    assert "texts/s is -" not in evaluation_report(result)


def test_blank_and_repeated_texts_are_said_in_words(result):
    data = dataclasses.replace(
        result.data, n_blank_documents=3, n_blank_queries=2, n_repeated_documents=5
    )
    text = " ".join(evaluation_report(dataclasses.replace(result, data=data)).split())
    for said in (
        "3 of 40 documents are blank",
        "2 of 40 queries are blank",
        "5 of 40 documents repeat the text of another",
    ):
        assert said in text
    assert "blank" not in evaluation_report(result)


def test_the_family_of_the_correction_is_named(result):
    text = " ".join(evaluation_report(result).split())
    assert "after Holm over all pairs of models, each measure on its own" in text


def test_a_single_model_has_no_differences(result):
    alone = dataclasses.replace(result, models=result.models[:1], comparison=None)
    assert "Paired" not in evaluation_report(alone)


def test_the_summary_carries_means_intervals_and_verdicts(result):
    summary = evaluation_summary(result)
    model = summary["models"][1]
    assert model["name"] == "fake:16"
    assert model["measures"]["AP"]["mean"] == result.models[1].table.mean["AP"]
    assert model["verdict"] in {"FINE_TUNE", "KEEP", "UNDECIDED"}
    assert len(summary["differences"]) == 3 * 5
    assert summary["data"]["n_blank_documents"] == 0
    assert model["encoder"]["batch_size"] == 32
    assert summary["models"][0]["encoder"] is None


def test_the_depth_is_told_by_what_was_really_kept(result):
    text = " ".join(evaluation_report(result).split())
    assert "Kept for each query: all 40 documents." in text
    shallow = dataclasses.replace(result, settings=dataclasses.replace(result.settings, depth=20))
    text = " ".join(evaluation_report(shallow).split())
    assert "Kept for each query: the best 20 documents." in text


def test_one_is_no_plural(result):
    data = dataclasses.replace(
        result.data,
        n_documents=1,
        n_queries=1,
        n_judgements=1,
        n_unjudged=1,
        n_dropped=1,
        n_blank_documents=1,
        n_repeated_documents=1,
    )
    text = " ".join(evaluation_report(dataclasses.replace(result, data=data)).split())
    assert "1 query, 1 document, 1 judgement " in text
    assert "Kept for each query: all 1 document." in text
    assert not re.search(r"(?<!of )\b1 (queries|documents|judgements|tokens|texts)\b", text)


def test_every_dash_in_the_table_has_its_reason(result):
    models = tuple(
        dataclasses.replace(
            model, timing=dataclasses.replace(model.timing, throughput=None, latency=None)
        )
        for model in result.models
    )
    text = " ".join(evaluation_report(dataclasses.replace(result, models=models)).split())
    for reason in (
        "texts/s is - where",
        "p50, p95 are - where",
        "dim is - for",
        "texts cut is - for",
    ):
        assert reason in text
    assert "p50, p95 are -" not in evaluation_report(result)
    limited = dataclasses.replace(result, models=result.models[1:], comparison=None)
    assert not re.search(r"(is|are) - ", evaluation_report(limited))
