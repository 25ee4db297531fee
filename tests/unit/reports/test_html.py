"""The page is whole, harmless whatever the data say, and the same for equal results."""

from __future__ import annotations

import dataclasses
import re
import time
from html.parser import HTMLParser

import pytest

from embedsmith.datasets import Corpus, Dataset, Qrels, Queries
from embedsmith.evaluation import EvaluationResult, evaluate
from embedsmith.reports._build import build_document
from embedsmith.reports._html import _environment, html_document
from tests.unit.reports.conftest import HOSTILE, bank, enriched, renamed

VOID = {"meta", "link", "br", "path", "rect", "polyline", "hr"}


class Page(HTMLParser):
    """Every tag with its attributes; open tags must close in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in {"script", "style"}:
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(result: EvaluationResult) -> Page:
    return Page(html_document(build_document(result)))


@pytest.fixture(scope="module")
def page(full_result):
    return page_of(full_result)


def test_tags_are_balanced_and_ids_unique(page):
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_verdict_is_the_first_section_and_says_who_leads(page, full_result):
    assert page.of("section")[0]["id"] == "verdict"
    best = max(full_result.models, key=lambda model: model.table.mean["nDCG@10"])
    assert f"{best.name} is the best of 3 models by nDCG@10" in page.words or (
        f"{best.name} has the highest mean nDCG@10 of 3 models" in page.words
    )


def test_every_section_is_there_when_its_data_are(page):
    ids = [attributes["id"] for attributes in page.of("section")]
    assert ids == [
        "verdict",
        "models",
        "differences",
        "cost",
        "recall",
        "groups",
        "worst",
        "identity",
        "method",
    ]


def test_a_section_without_data_is_left_out_with_a_word_why(plain_result):
    page = page_of(plain_result)
    ids = [attributes["id"] for attributes in page.of("section")]
    assert not {"recall", "groups", "worst"} & set(ids)
    assert ids[-1] == "absent"
    for said in ("Recall curves: this result holds none", "(--slice)", "(--worst)"):
        assert said in page.words


def test_every_mean_interval_and_p_is_on_the_page(page, full_result):
    for model in full_result.models:
        for measure, mean in model.table.mean.items():
            low, high = model.table.ci[measure]
            assert f"{mean:.4f}" in page.words
            assert f"[{low:.3f}, {high:.3f}]" in page.words
        assert model.fingerprint.digest in page.words
        assert model.statement in page.words
    for pair in full_result.comparison.pairs:
        assert f"{pair.wins} / {pair.ties} / {pair.losses}" in page.words
    assert full_result.data.hash in page.words


def test_a_difference_is_drawn_where_its_number_says(full_result):
    """The forest's mark, read back through the ticks of its axis, is the difference."""
    text = html_document(build_document(full_result))
    (plot,) = re.findall(r'<svg class="plot"[^>]*"forest-0-t.*?</svg>', text, re.DOTALL)
    ticks = [
        (float(x), float(label.replace("\u2212", "-")))
        for x, label in re.findall(r'<text class="tick" x="([\d.]+)"[^>]*>([^<]+)<', plot)
    ]
    (x0, v0), (x1, v1) = ticks[0], ticks[-1]
    marks = re.findall(r'translate\(([\d.]+) [\d.]+\)"[^>]*><title>[^<]*: (\S+) \[', plot)
    assert len(marks) == 2
    for x, told in marks:
        value = v0 + (float(x) - x0) * (v1 - v0) / (x1 - x0)
        assert value == pytest.approx(float(told.replace("\u2212", "-")), abs=0.002)


def test_nothing_is_fetched_and_no_attribute_runs(page):
    names = {tag for tag, _ in page.tags}
    assert not {"img", "iframe", "object", "embed", "form", "base", "audio", "video"} & names
    for tag, attributes in page.tags:
        assert not {name for name in attributes if name.startswith("on")}, tag
        assert not {"src", "style", "srcset", "action"} & set(attributes), tag
        target = attributes.get("href", "#")
        assert target.startswith("#") or (tag, target) == ("link", "data:,")


def test_the_policy_allows_this_style_and_this_script_and_nothing_else(page):
    (policy,) = [
        meta["content"]
        for meta in page.of("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert len(page.of("style")) == len(page.of("script")) == 1


@pytest.fixture(scope="module")
def hostile():
    """Return a result in which every text that a data set or a person names is hostile."""
    long = "x" * 5000
    data = bank()
    data = Dataset.build(
        f"data {HOSTILE.replace(chr(0xD800), '')}",
        Corpus(data.corpus.ids, data.corpus.texts),
        Queries(data.queries.ids, data.queries.texts),
        Qrels({query: data.qrels[query] for query in data.qrels}),
    )
    result = enriched(evaluate(["bm25", "fake:16"], data, cache=False), HOSTILE)
    first, second = result.models
    assert second.encoder is not None
    second = dataclasses.replace(
        second,
        encoder=dataclasses.replace(second.encoder, query_prompt=HOSTILE),
        worst=tuple(dataclasses.replace(one, query_id=HOSTILE + long) for one in second.worst),
    )
    result = dataclasses.replace(
        result,
        models=(first, second),
        hardware={HOSTILE: HOSTILE},
        versions={"a": {HOSTILE: [HOSTILE]}},
    )
    return renamed(result, [f"a {HOSTILE}", f"b {HOSTILE} {long}"])


def test_hostile_texts_are_shown_and_never_obeyed(hostile):
    text = html_document(build_document(hostile))
    page = Page(text)
    assert page.open == []
    assert len(page.of("script")) == 1
    assert text.count("<script") == text.count("</script") == 1
    assert text.count("</style") == 1
    assert "<script>alert('x')</script>" in page.words
    assert "{{7*7}}" in page.words
    for attributes in (attributes for _, attributes in page.tags):
        assert not {name for name in attributes if name.startswith("on") or "<" in name}


def test_characters_that_hide_or_reorder_are_written_out(hostile):
    text = html_document(build_document(hostile))
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text
    )
    assert "\\u202ee\\x00\\ud800" in text
    text.encode("utf-8")


def test_a_very_long_name_is_cut_and_says_so(hostile):
    page = page_of(hostile)
    assert "characters)" in page.words
    assert not re.search(r"x{1300}", page.words)


def test_equal_results_give_equal_bytes_also_after_a_trip_through_the_file(full_result, tmp_path):
    text = html_document(build_document(full_result))
    assert text == html_document(build_document(full_result))
    full_result.save(tmp_path / "out")
    stored = EvaluationResult.load(tmp_path / "out")
    assert html_document(build_document(stored)) == text


def test_one_model_is_reported_without_comparison(full_result):
    page = page_of(renamed(full_result, ["only"]))
    assert "differences" not in [attributes["id"] for attributes in page.of("section")]
    assert "It was compared with no other model." in page.words
    assert "there is one model only" in page.words
    assert "Bold" not in page.words


def test_words_alone_are_reported_without_dimensions(plain_result):
    bm25 = dataclasses.replace(plain_result, models=plain_result.models[:1], comparison=None)
    page = page_of(bm25)
    assert "no model here makes vectors" in page.words
    assert "Baseline" in page.words


def test_a_single_query_is_reported():
    page = page_of(evaluate(["bm25", "fake:16"], bank(n=8), cache=False))
    assert page.open == []
    data = bank(n=8)
    one = Dataset.build(
        "one", data.corpus, Queries(("q0",), ("word0 common",)), Qrels({"q0": {"d0": 1}})
    )
    page = page_of(evaluate(["bm25", "fake:16"], one, cache=False))
    assert "1 query" in page.words
    assert "not enough evidence" in page.words


def test_models_that_were_not_timed_are_left_out_of_the_plot(full_result):
    models = [
        dataclasses.replace(model, timing=dataclasses.replace(model.timing, latency=None))
        for model in full_result.models
    ]
    none = page_of(dataclasses.replace(full_result, models=tuple(models)))
    assert "no query was timed alone" in none.words
    some = page_of(dataclasses.replace(full_result, models=(full_result.models[0], *models[1:])))
    assert "no query of theirs was timed alone: 2 models" in some.words


def test_another_task_is_reported_in_its_own_words(full_result):
    models = tuple(
        dataclasses.replace(
            model, run=None, verdict=None, slices=(), curve=None, variants=(), worst=()
        )
        for model in full_result.models[1:]
    )
    data = dataclasses.replace(
        full_result.data, unit="pair", n_documents=0, n_judgements=0, n_texts=77
    )
    result = dataclasses.replace(
        full_result, task="sts", qrels=None, models=models, comparison=None, data=data
    )
    page = page_of(result)
    assert "Semantic textual similarity, split test: 40 pairs, 77 distinct texts" in page.words
    assert "over queries" not in page.words


def test_twenty_models_fit_and_each_has_its_own_mark(full_result):
    result = renamed(full_result, [f"model-{i}" for i in range(20)])
    text = html_document(build_document(result))
    (plot,) = re.findall(r'<svg class="plot"[^>]*"recall-plot-t.*?</svg>', text, re.DOTALL)
    marks = re.findall(r'class="mark (c\d)" transform="[^"]*" d="([^"]+)"', plot)
    assert len(marks) == len(set(marks)) == 20


def test_a_report_of_ten_models_and_500_queries_takes_less_than_a_second():
    names = [f"model-{i}" for i in range(10)]
    result = renamed(
        enriched(evaluate(["bm25", "fake:16"], bank(n=500), cache=False, latency_queries=0)), names
    )
    _environment()
    start = time.process_time()
    html_document(build_document(result))
    assert time.process_time() - start < 1


def test_every_smaller_form_is_told_with_its_precision_and_rescoring(full_result):
    model = full_result.models[2]
    forms = tuple(
        dataclasses.replace(model.variants[0], precision=precision, rescore=rescore)
        for precision, rescore in (
            ("f32", None),
            ("int8", None),
            ("binary", None),
            ("binary", "f32"),
        )
    )
    result = dataclasses.replace(
        full_result, models=(dataclasses.replace(model, variants=forms),), comparison=None
    )
    page = page_of(result)
    for said in ("float32", "int8", "binary", "binary, rescored by float32"):
        assert f" {said} " in page.words
    for form in forms:
        assert form.method in page.words


def test_a_task_of_pairs_really_evaluated_is_reported(tmp_path):
    """Measures over the whole set have intervals and tests, and no wins to count."""
    lines = ["sentence1\tsentence2\tscore"]
    lines += [f"word{i} common\tword{i + i % 3} common\t{5 - i % 3}" for i in range(40)]
    (tmp_path / "test.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = evaluate(
        ["fake:16", "fake:64"], tmp_path / "test.tsv", task="sts", cache=False, latency_queries=0
    )
    page = page_of(result)
    assert "Semantic textual similarity" in page.words
    assert "40 pairs" in page.words
    assert "0 / 0 / 0" not in page.words
    assert "over queries" not in page.words
