"""Comparisons as Markdown, LaTeX and HTML, and what their captions say."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from embedsmith.exceptions import MeasureError, ShapeError
from embedsmith.metrics import RunComparison, compare_tables, evaluate_run

N = 40
QRELS = {f"q{i}": {"a": 1} for i in range(N)}
GOOD = {q: {"a": 2.0, "b": 1.0} for q in QRELS}
FAIR = {q: {"a": 2.0 if i % 2 else 0.5, "b": 1.0} for i, q in enumerate(QRELS)}
HOSTILE = "a|b <script>x</script> & 50% $x_1$ {\\y} ~#^ `c` *d* [e](f)\n--\u202eg\ud800"


def _comparison(names=("good", "fair", "same"), **options) -> RunComparison:
    runs = dict(zip(names, (GOOD, FAIR, FAIR), strict=True))
    tables = {
        name: evaluate_run(QRELS, run, "rr,r@1", confidence=None) for name, run in runs.items()
    }
    return compare_tables(tables, n_resamples=200, **options)


class _Text(HTMLParser):
    """Collect tags and the text of every cell."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.cells: list[str] = []

    def handle_starttag(self, tag, attrs):  # noqa: ARG002 - the signature of the base class
        self.tags.append(tag)
        if tag in {"th", "td", "caption"}:
            self.cells.append("")

    def handle_data(self, data):
        if self.cells:
            self.cells[-1] += data


def test_letters_mark_who_is_significantly_better_than_whom():
    lines = _comparison().to_markdown().splitlines()
    assert lines[:5] == [
        "|  | Run | RR | R@1 |",
        "| :--- | :--- | ---: | ---: |",
        "| a | good | 1.000<sup>b,c</sup> | 1.000<sup>b,c</sup> |",
        "| b | fair | 0.750 | 0.500 |",
        "| c | same | 0.750 | 0.500 |",
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "paired randomisation test, two-sided, exact where counting is quick, else 10,000"),
        ({"seed": 7}, "seed 7; Holm's correction over the 3 pairs of each measure; level 0.05"),
        ({"correction": "none"}, "not corrected for the 3 pairs"),
        ({"correction": "bh"}, "Benjamini and Hochberg's correction (false discovery rate)"),
        (
            {"correction": "bonferroni", "confidence": 0.9},
            "Bonferroni's correction over the 3 pairs",
        ),
        ({"test": "t"}, "Student's paired t-test, two-sided; Holm's"),
        (
            {"test": "wilcoxon"},
            "Wilcoxon's signed-rank test (queries without a difference left out)",
        ),
        ({"test": "sign"}, "exact sign test, two-sided;"),
        ({"test": "tukey"}, "randomised Tukey HSD test, values exchanged within each query"),
    ],
)
def test_the_caption_states_test_correction_and_sample(options, said):
    comparison = _comparison(**options)
    assert said in comparison.procedure
    assert comparison.procedure.endswith("40 queries")
    assert said.replace("'", "&#x27;") in comparison.to_html()


def test_the_pairs_show_all_that_was_computed():
    text = _comparison(equivalence_margin=0.1).to_markdown(layout="pairs", digits=2)
    head, _, first, _, third, *_ = text.splitlines()
    assert head.count("|") == first.count("|") == 12
    # 20 of 40 queries lose 1/2: d = 0.25 / 0.2532, p = 2 / 2**20.
    assert first.startswith("| RR | fair | good | -0.25 | [-0.3")
    assert "| <0.0001 | <0.0001 | -0.99 | 0/20/20 | worse | 1.0000 |" in first
    # Equal on 40 queries: no effect size, and equivalent.
    assert "| 1.0000 | 1.0000 | - | 0/40/0 | not enough evidence | <0.0001 |" in third
    assert "differ by less than 0.1, corrected likewise" in text


@pytest.mark.parametrize("layout", ["means", "pairs"])
def test_no_name_can_add_markup_to_any_format(layout):
    plain, hostile = (_comparison((name, "fair", "same")) for name in ("good", HOSTILE))
    markdown = hostile.to_markdown(layout=layout)
    assert len(markdown.splitlines()) == len(plain.to_markdown(layout=layout).splitlines())
    # Every row has as many cells as the head: pipes of the name are escaped.
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    assert "<script" not in markdown

    found, expected = _Text(), _Text()
    found.feed(hostile.to_html(layout=layout))
    expected.feed(plain.to_html(layout=layout))
    assert found.tags == expected.tags
    shown = HOSTILE.replace("\n", " ").replace("\u202e", " ").replace("\ud800", "\ufffd")
    assert shown in found.cells

    latex, other = (one.to_latex(layout=layout) for one in (hostile, plain))
    assert len(re.findall(r"(?<!\\)&", latex)) == len(re.findall(r"(?<!\\)&", other))
    # Nothing special is left unescaped, and groups are balanced.
    body = re.sub(r"\\[a-z]+|\$<\$", "", latex.partition(r"\midrule")[2])
    assert not re.search(r"(?<!\\)[%#_~^<>|]", body)
    assert len(re.findall(r"(?<!\\)\{", latex)) == len(re.findall(r"(?<!\\)\}", latex))
    for text in (markdown, latex, hostile.to_html(layout=layout)):
        text.encode()


def test_more_runs_than_letters_go_on_with_two():
    values = evaluate_run(QRELS, FAIR, "rr", confidence=None)
    tables = {f"run {i}": values for i in range(28)}
    lines = compare_tables(tables, n_resamples=2).to_markdown().splitlines()
    assert [line.split(" | ")[0] for line in lines[26:30]] == ["| y", "| z", "| aa", "| ab"]


def test_minus_signs_of_latex_are_no_hyphens():
    latex = _comparison().to_latex(layout="pairs")
    assert "$-$0.250 & [$-$0.3" in latex
    assert r"95 \% interval" in latex


def test_digits_round_for_reading_only_and_notebooks_get_html():
    comparison = _comparison()
    pairs = tuple(replace(pair, mean_a=0.30000000000000004) for pair in comparison.pairs)
    shown = replace(comparison, pairs=pairs).to_markdown(digits=17)
    assert "0.30000000000000004" in shown
    assert comparison._repr_html_() == comparison.to_html()
    with pytest.raises(ShapeError, match="digits=18 is too large"):
        comparison.to_html(digits=18)
    with pytest.raises(MeasureError, match="did you mean 'means'"):
        comparison.to_latex(layout="mean")  # type: ignore[arg-type]
