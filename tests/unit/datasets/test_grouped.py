"""Qrels and Run as mappings, from arrays, and on their way to files."""

from __future__ import annotations

import copy
import gzip
import pickle
import stat
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embedsmith.datasets import Qrels, Run
from embedsmith.exceptions import (
    DataError,
    NonFiniteError,
    OutputError,
    ParseError,
    ShapeError,
)

if TYPE_CHECKING:
    from pathlib import Path

RUN = {"q2": {"d1": 0.25, "d3": -1.5}, "q1": {"d3": 0.1}}


def test_a_run_is_a_mapping_of_mappings() -> None:
    run = Run(RUN)
    assert run == RUN
    assert list(run) == ["q2", "q1"]
    assert (len(run), "q1" in run, "q9" in run, run.get("q9")) == (2, True, False, None)
    run["q1"]["d3"] = 7.0
    assert run["q1"] == {"d3": 0.1}, "a changed copy changes nothing"
    with pytest.raises(KeyError):
        run["q9"]
    with pytest.raises(ValueError, match="read-only"):
        run.scores[0] = 1.0
    assert Run({}) == {}
    assert Run({"q": {}}) == {"q": {}}


def test_copies_and_pickles_are_equal() -> None:
    for value in (Run(RUN), Qrels({"q": {"d": 1}})):
        assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301 - bytes made here
        assert copy.deepcopy(value) == value


@pytest.mark.parametrize("grade", [1.5, "1", None, np.nan])
def test_a_grade_that_is_no_whole_number_is_refused(grade: Any) -> None:
    with pytest.raises(DataError, match="whole number"):
        Qrels({"q": {"d1": 1, "d2": grade}})


@pytest.mark.parametrize("score", ["1", None, [1.0]])
def test_a_score_that_is_no_number_is_refused(score: Any) -> None:
    with pytest.raises(DataError, match="is no number"):
        Run({"q": {"d1": score}})


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
def test_a_score_without_a_place_in_an_order_names_query_and_document(score: float) -> None:
    with pytest.raises(NonFiniteError, match=r"query 'q' has the score .* for document 'd2'"):
        Run({"p": {"d1": 1.0}, "q": {"d1": 1.0, "d2": score}})


def test_ids_are_strings() -> None:
    with pytest.raises(DataError, match=r"document id 3 is int, .* Write str\(3\)"):
        Run({"q": {3: 1.0}})  # type: ignore[dict-item]
    with pytest.raises(DataError, match="query id 3 is int"):
        Qrels({3: {"d": 1}})  # type: ignore[dict-item]


def test_topk_arrays_become_a_run() -> None:
    scores = np.array([[0.9, 0.1], [0.5, -np.inf], [-np.inf, -np.inf]], dtype=np.float32)
    rows = np.array([[2, 0], [1, -1], [-1, -1]])
    run = Run.from_topk(scores, rows, ["a", "b", "c"], ("d0", "d1", "d2"))
    first, second = float(np.float32(0.9)), float(np.float32(0.1))
    assert run == {"a": {"d2": first, "d0": second}, "b": {"d1": 0.5}, "c": {}}


def test_distances_are_negated_and_not_taken_for_similarities() -> None:
    args: tuple[Any, ...] = ([[0.5, 2.0, np.inf]], [[1, 0, -1]], ["q"], ["d0", "d1"])
    assert Run.from_topk(*args, metric="l2") == {"q": {"d1": -0.5, "d0": -2.0}}
    with pytest.raises(DataError, match="metric='l2' if they are distances"):
        Run.from_topk(*args)
    with pytest.raises(DataError, match="not best first under metric='l2'"):
        Run.from_topk([[2.0, 0.5]], [[0, 1]], ["q"], ["d0", "d1"], metric="l2")


@pytest.mark.parametrize(
    ("scores", "rows", "queries", "error", "said"),
    [
        ([[0.5]], [[0.0]], ["q"], ShapeError, "positions"),
        ([0.5], [0], ["q"], ShapeError, "both are"),
        ([[0.5]], [[0, 1]], ["q"], ShapeError, "both are"),
        ([[0.5]], [[0]], ["q", "r"], ShapeError, "1 result list but 2 query ids"),
        ([[0.5]], [[2]], ["q"], ShapeError, "position 2, but there are 2 document ids"),
        ([[0.5]], [[-2]], ["q"], ShapeError, "position -2"),
        ([[np.nan]], [[0]], ["q"], NonFiniteError, "scores row 0"),
        ([[-np.inf]], [[0]], ["q"], NonFiniteError, "scores row 0"),
        ([[0.5, 0.5]], [[1, 1]], ["q"], DataError, "position 1 twice"),
        ([[0.5], [0.5]], [[1], [1]], ["q", "q"], DataError, "query id 'q' stands more than once"),
    ],
)
def test_topk_arrays_that_do_not_fit_are_refused(
    scores: Any, rows: Any, queries: list[str], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        Run.from_topk(scores, rows, queries, ["d0", "d1"])


def test_a_written_run_is_in_trec_order(tmp_path: Path) -> None:
    file = tmp_path / "a.run"
    Run({"q": {"a": 0.5, "b": 0.75, "\u00e9": 0.5, "z": 0.5}}).write(file, tag="mine")
    assert file.read_text(encoding="utf-8").splitlines() == [
        "q Q0 b 1 0.75 mine",
        "q Q0 \u00e9 2 0.5 mine",
        "q Q0 z 3 0.5 mine",
        "q Q0 a 4 0.5 mine",
    ]


def test_a_run_ending_in_gz_is_compressed_and_repeatable(tmp_path: Path) -> None:
    one, two = tmp_path / "a.run.gz", tmp_path / "b.run.gz"
    Run(RUN).write(one)
    Run(RUN).write(two)
    assert one.read_bytes() == two.read_bytes()
    assert gzip.decompress(one.read_bytes()).startswith(b"q2 Q0 d1 1 0.25 embedsmith\n")
    assert Run.read(one) == RUN


@pytest.mark.parametrize("identifier", ["a b", "a\tb", "a\nb", "", "a\u00a0b", "\ud800"])
def test_ids_that_trec_could_not_give_back_are_refused(tmp_path: Path, identifier: str) -> None:
    file = tmp_path / "a.run"
    file.write_text("kept")
    with pytest.raises(DataError, match="Rename the id"):
        Run({"q": {identifier: 1.0}}).write(file)
    with pytest.raises(DataError, match=r"Rename the id|rename the ids"):
        Qrels({identifier: {"d": 1}}).write(file)
    assert file.read_text() == "kept"
    assert [left.name for left in tmp_path.iterdir()] == ["a.run"]


def test_beir_qrels_hold_ids_with_blanks(tmp_path: Path) -> None:
    qrels = Qrels({"a q": {"a d": 2, " ": 0}})
    qrels.write(tmp_path / "test.tsv", format="beir")
    assert Qrels.read(tmp_path / "test.tsv") == qrels
    with pytest.raises(DataError, match="Choose 'trec', 'beir', .* or 'parquet'"):
        qrels.write(tmp_path / "x", format="xml")  # type: ignore[arg-type]


def test_a_run_without_results_or_a_tag_of_two_words_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no results"):
        Run({"q": {}}).write(tmp_path / "a.run")
    with pytest.raises(DataError, match="a tag of one word"):
        Run(RUN).write(tmp_path / "a.run", tag="two words")
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="Make the folder first"):
        Run(RUN).write(tmp_path / "no" / "a.run")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        Run(RUN).write(tmp_path / "folder")
    assert [left.name for left in tmp_path.iterdir()] == ["folder"], "no temporary file stays"


def test_a_written_run_has_the_rights_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    Run(RUN).write(tmp_path / "a.run")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "a.run")}
    assert len(modes) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("q1 Q0 d1 1 nan t", '1:12: found "nan" as the score; expected a finite number'),
        ("q1 Q0 d1 1 x t", '1:12: found "x" as the score'),
        ("q1 Q0 d1 1 2 t\nq1 Q0 d1 2 1 t", 'query "q1" with document "d1" again'),
        ("q1 0 d1 1", "four columns, as TREC's qrels have"),
        ("q1,Q0,d1,1,2,t", "commas between the columns"),
    ],
)
def test_a_wrong_run_names_its_place(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "a.run"
    file.write_text(text)
    with pytest.raises(ParseError) as caught:
        Run.read(file)
    assert said in str(caught.value)


def test_a_file_that_is_not_there_offers_the_nearest(tmp_path: Path) -> None:
    Run(RUN).write(tmp_path / "model.run")
    with pytest.raises(DataError, match=r"Did you mean .*model\.run"):
        Run.read(tmp_path / "modle.run")
    with pytest.raises(DataError, match="it is a folder"):
        Qrels.read(tmp_path)
