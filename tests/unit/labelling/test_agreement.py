"""``label_agreement`` and its command: known values, the libraries' values, and honest words."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import embedsmith as es
from embedsmith.cli import main
from embedsmith.exceptions import DataError, ShapeError
from embedsmith.labelling._alpha import LEVELS, _alpha_of, _coincidences

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

krippendorff: Any = pytest.importorskip("krippendorff", reason="the extra label is not installed")

# Three observers and fifteen units, with gaps: the example of Wikipedia's article on the measure,
# whose alpha is 0.691 nominal and 0.811 interval.
KNOWN = (
    "*****3412113 3*3".replace(" ", ""),
    "1*213343*******",
    "**21344*21133*4",
)


def labels(path: Path, *columns: Sequence[object], per_query: int = 1) -> es.Labels:
    """Return labels of annotators a, b, c ..., by their columns; "*" and "" are no judgement."""
    names = "abcdefgh"[: len(columns)]
    lines = [f"query,text,{','.join(f'grade {name}' for name in names)}"]
    for n, row in enumerate(zip(*columns, strict=True)):
        cells = ",".join("" if cell == "*" else str(cell) for cell in row)
        lines.append(f"q{n // per_query},d{n},{cells}")
    file = path / "labels.csv"
    file.write_text("\n".join(lines) + "\n")
    return es.read_labels(file)


def drawn(count: int, kept: float, grades: int, seed: int) -> list[list[int]]:
    """Return three annotators who see the truth with this probability, else a random grade."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(grades, size=count)
    guess = generator.integers(grades, size=(3, count))
    sees = generator.random((3, count)) < kept
    return [[int(grade) for grade in row] for row in np.where(sees, truth, guess)]


def test_alpha_has_its_known_value(tmp_path: Path) -> None:
    assert {len(row) for row in KNOWN} == {15}
    found = es.label_agreement(labels(tmp_path, *KNOWN))
    assert found.alpha["nominal"].value == pytest.approx(0.691, abs=5e-4)
    assert found.alpha["interval"].value == pytest.approx(0.811, abs=5e-4)
    assert (found.n_pairs, found.n_overlap, found.level) == (13, 12, "ordinal")


@pytest.mark.parametrize("level", LEVELS)
def test_alpha_of_a_draw_is_the_library_s(level: Any) -> None:
    """Draws are weighted sums of coincidences; the library sees the drawn pairs themselves."""
    generator = np.random.default_rng(4)
    counts = generator.integers(3, size=(40, 4)) + np.array([1, 0, 1, 0])
    grades = [0, 1, 3, 7]
    coincidences = _coincidences(counts, np.arange(40))
    for _ in range(20):
        rows = generator.integers(40, size=40)
        ours = _alpha_of(coincidences[rows].sum(axis=0)[None], grades, level)[0]
        theirs = krippendorff.alpha(
            value_counts=counts[rows], value_domain=grades, level_of_measurement=level
        )
        assert ours == pytest.approx(theirs, abs=1e-12)


def test_the_interval_covers_the_truth_as_often_as_it_says(tmp_path: Path) -> None:
    """Of 60 samples of 150 pairs, 95 % intervals miss the alpha of a large one in 3 or so."""
    large = es.label_agreement(labels(tmp_path, *drawn(20_000, 0.8, 3, 1)), draws=100)
    truth = large.alpha["nominal"].value
    assert truth is not None
    missed = 0
    for seed in range(60):
        found = es.label_agreement(labels(tmp_path, *drawn(150, 0.8, 3, 100 + seed)), draws=400)
        one = found.alpha["nominal"]
        assert one.low is not None
        assert one.high is not None
        missed += not one.low <= truth <= one.high
    assert missed <= 8


def test_the_interval_is_seeded(tmp_path: Path) -> None:
    given = labels(tmp_path, *drawn(60, 0.8, 3, 1))
    assert es.label_agreement(given).alpha == es.label_agreement(given).alpha
    assert es.label_agreement(given, seed=1).alpha != es.label_agreement(given).alpha


def test_pairs_of_one_query_are_drawn_together(tmp_path: Path) -> None:
    # Each query has ten pairs that are judged alike: it is the queries that were sampled.
    one = [n // 10 % 2 for n in range(300)]
    given = labels(tmp_path, one, [0] * 100 + one[100:], per_query=10)
    by_pair = es.label_agreement(given).alpha["nominal"]
    by_query = es.label_agreement(given, resample="query").alpha["nominal"]
    assert by_pair.value == by_query.value
    assert by_query.high - by_query.low > 2 * (by_pair.high - by_pair.low)  # type: ignore[operator]


def test_kappa_is_scikit_learn_s(tmp_path: Path) -> None:
    metrics: Any = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    columns = drawn(80, 0.6, 4, 3)
    found = es.label_agreement(labels(tmp_path, *columns))
    assert [(one.first, one.second) for one in found.annotator_pairs] == [
        ("grade a", "grade b"),
        ("grade a", "grade c"),
        ("grade b", "grade c"),
    ]
    first = found.annotator_pairs[0]
    assert first.n == 80
    assert first.agreement == np.mean(np.equal(columns[0], columns[1]))
    for ours, weights in ((first.kappa, None), (first.weighted_kappa, "quadratic")):
        theirs = metrics.cohen_kappa_score(columns[0], columns[1], weights=weights)
        assert ours == pytest.approx(theirs, abs=1e-12)


def test_where_nothing_can_differ_there_is_no_alpha(tmp_path: Path) -> None:
    found = es.label_agreement(labels(tmp_path, [1] * 10, [1] * 10))
    assert found.alpha["nominal"].value is None
    assert "no alpha" in found.reading
    assert found.annotator_pairs[0].kappa is None
    assert "none" in str(found)
    json.loads(json.dumps(found.to_dict(), allow_nan=False))


def test_a_single_other_grade_leaves_no_interval(tmp_path: Path) -> None:
    found = es.label_agreement(labels(tmp_path, [1] * 30, [1] * 29 + [0]))
    alpha = found.alpha["nominal"]
    assert alpha.value == pytest.approx(0.0, abs=1e-12)
    # A draw of 30 lacks that pair with probability (29/30)^30, a third.
    assert math.isclose(alpha.n_undefined / found.draws, (29 / 30) ** 30, abs_tol=0.05)
    assert alpha.low is None
    assert "no interval" in found.reading
    assert any("98% of these judgements are one grade" in note for note in found.notes)


@pytest.mark.parametrize(
    ("kept", "count", "reading"),
    [
        (1.0, 100, "at .800 or above"),
        (0.88, 3000, "at .667 or above"),
        (0.5, 300, "below .667"),
        (0.82, 80, "holds .667"),
    ],
)
def test_an_alpha_is_read_by_its_interval(
    tmp_path: Path, kept: float, count: int, reading: str
) -> None:
    found = es.label_agreement(labels(tmp_path, *drawn(count, kept, 3, 2)), level="nominal")
    assert reading in found.reading
    assert "custom" in found.reading


def test_few_pairs_judged_twice_are_said(tmp_path: Path) -> None:
    found = es.label_agreement(labels(tmp_path, *drawn(20, 0.9, 2, 2)))
    assert any("only 20 pairs judged by two or more" in note for note in found.notes)
    assert found.level == "nominal"


def test_without_overlap_there_is_nothing_to_compare(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no pair .* judged by two annotators .*grade a, grade b"):
        es.label_agreement(labels(tmp_path, ["1", "*"], ["*", "1"]))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"level": "ratio"}, "level='ratio' is unknown"),
        ({"resample": "item"}, "resample='item' is unknown"),
        ({"confidence": 95}, "between 0 and 1"),
        ({"draws": 10}, "draws"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, arguments: dict[str, Any], why: str) -> None:
    given = labels(tmp_path, *drawn(20, 0.9, 2, 2))
    with pytest.raises(ShapeError, match=why):
        es.label_agreement(given, **arguments)


def test_the_command_prints_alpha_and_kappa(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels(tmp_path, *drawn(100, 0.9, 3, 2))
    file = str(tmp_path / "labels.csv")

    def command(*words: str) -> int:
        with pytest.raises(SystemExit) as ended:
            main(["label", "agreement", file, *words])
        return int(ended.value.code or 0)

    assert command() == 0
    said = capsys.readouterr().out
    assert "> ordinal" in said
    assert "Cohen's kappa" in said
    assert command("--level", "nominal", "--resample", "query", "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["format"], content["level"]) == ("embedsmith.label-agreement/1", "nominal")
    assert command("--level", "ratio") == 2
    assert command("--column", "grade=grade a") == 3
