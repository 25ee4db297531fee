"""``check_data`` with a model, a teacher, a corpus apart, several sets, and languages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import embedsmith as es
from embedsmith.cli import main
from embedsmith.exceptions import DataError, NonFiniteError, ParseError, ShapeError
from embedsmith.hygiene import TrainingData

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FEE = "The monthly fee of the current account is five euros, debited on the first."
FEE_AGAIN = "Each month five euros are debited as the fee of the current account."
CARD = "A lost card is blocked by a call to the hotline, at any hour of any day."
LOAN = "Loans are paid back in equal parts over at most ten years, or earlier for a charge."
SAVE = "Savings books bear interest of one percent a year, paid at its end."


def lines(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def ids_of(check: es.DataCheck, kind: str) -> list[tuple[str, ...]]:
    return [one.ids for one in check.findings if one.kind == kind]


@pytest.mark.model
def test_a_real_model_sees_paraphrases_that_letters_do_not(tmp_path: Path) -> None:
    train = lines(
        tmp_path / "a.jsonl",
        {"query": "How do I block a stolen card?", "positive": CARD, "negative": LOAN},
        {"query": "what does the account cost", "positive": FEE, "negative": [FEE_AGAIN, CARD]},
        {"query": "fee of the current account", "positive": LOAN, "negative": FEE},
    )
    test = lines(
        tmp_path / "b.jsonl",
        {"query": "What must I do to block my card after it was stolen?", "positive": CARD},
        {"query": "interest of savings", "positive": SAVE},
    )
    corpus = lines(
        tmp_path / "corpus.jsonl",
        *({"_id": f"d{i}", "text": text} for i, text in enumerate([FEE, CARD, LOAN, SAVE])),
        {"_id": "long", "text": "word " * 600},
    )
    encoder = es.load_encoder("native:all-MiniLM-L6-v2", cache=False)
    stages: list[str] = []
    check = es.check_data(
        train,
        [test],
        corpus=corpus,
        encoder=encoder,
        cosine=0.9,
        coverage_cosine=0.9,
        progress=lambda stage, *_: stages.append(stage),
    )
    by_what = {one.what: one for one in check.leakage}
    assert (by_what["queries"].n_leaked, by_what["queries"].n_embedding) == (1, 1)
    # The pair is as sure as its less sure part; its passage is the same text.
    assert (by_what["pairs"].n_embedding, by_what["passages"].n_equal) == (1, 1)
    assert not check.passed
    assert ids_of(check, "paraphrased passage") == [("line 2 negative 1", "d0")]
    assert ids_of(check, "passage not in corpus") == [("line 2 negative 1",)]
    wrong = {
        one.ids: (one.suggestion, one.detail.split(" ")[0])
        for one in check.findings
        if one.kind == "likely false negative"
    }
    assert wrong == {
        ("line 2", "line 2 negative 1"): ("relabel as positive", "cosine"),
        ("line 3", "line 3 negative 1"): ("expert", "score"),
    }
    (long,) = [one for one in check.findings if one.kind == "long passage"]
    assert long.ids == ("long",)
    assert long.detail == "602 tokens; all-MiniLM-L6-v2 reads 256"
    coverage = check.coverage
    assert (coverage.n_passages, coverage.n_positive, coverage.n_touched) == (6, 3, 4)
    # The paraphrase of a positive is near it.
    assert coverage.n_near == 4
    assert {one[0] for one in ids_of(check, "far from training")} == {"d3", "long"}
    assert not [one for one in check.not_checked if "leakage" in one or "paraphrase" in one]
    assert {"coverage", "near-duplicates, passage"} <= set(stages)
    assert check.settings["fingerprint"] == encoder.fingerprint.digest


def teacher(pairs: Sequence[tuple[str, str]]) -> list[float]:
    table = {LOAN: -1.0, FEE: -0.5, SAVE: -3.0}
    return [table.get(passage, -2.0) for _, passage in pairs]


def test_a_teacher_judges_negatives_by_its_own_scale(tmp_path: Path) -> None:
    train = lines(
        tmp_path / "a.jsonl",
        # Scores of the data would say otherwise: the teacher is asked.
        {"query": "q", "positive": LOAN, "negative": [FEE, SAVE], "scores": [0.1, 0.0, 0.9]},
        {"query": "r", "positive": SAVE},
    )
    check = es.check_data(train, teacher=teacher)
    (found,) = [one for one in check.findings if one.kind == "likely false negative"]
    assert found.ids == ("line 1", "line 1 negative 1")
    assert found.detail == "score -0.5 by teacher, the positive's is -1"
    assert found.suggestion == "expert"
    assert check.settings["scores_by"] == "teacher"

    class Broken:
        def predict(self, pairs: Sequence[tuple[str, str]]) -> Any:
            return np.full(len(pairs), np.nan)

    with pytest.raises(NonFiniteError, match="the teacher answered NaN"):
        es.check_data(train, teacher=Broken())
    with pytest.raises(ShapeError, match=r"shape \(1,\) to 3 pairs"):
        es.check_data(train, teacher=lambda _: [1.0])
    with pytest.raises(ShapeError, match="neither predict nor be called"):
        es.check_data(train, teacher=5)


def test_evaluation_sets_that_share_texts_are_named_and_limited(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = lines(tmp_path / "a.jsonl", {"query": "what is a loan", "positive": LOAN})
    folders = [tmp_path / "x", tmp_path / "y"]
    for folder in folders:
        folder.mkdir()
    dev = lines(
        folders[0] / "set.jsonl",
        {"query": "What does an account cost in a month?", "positive": FEE},
        {"query": "Is a lost card blocked?", "positive": CARD},
    )
    test = lines(
        folders[1] / "set.jsonl",
        {"query": "what does an account cost in a month", "positive": FEE},
        {"query": "how much is the interest", "positive": CARD},
    )
    check = es.check_data(train, [dev, test])
    assert check.passed
    crossed = {one.what: one for one in check.leakage if one.what.startswith("cross")}
    assert {what: one.n_leaked for what, one in crossed.items()} == {
        "cross queries": 1,
        "cross pairs": 1,
        "cross passages": 2,
    }
    # Two sets of one file name are told apart by their paths.
    assert crossed["cross pairs"].evaluation == str(test)
    assert crossed["cross pairs"].against == str(dev)
    assert ids_of(check, "shared evaluation query") == [("line 1", "line 1")]
    command = ["check-data", str(train), "--eval", str(dev), "--eval", str(test)]
    for limit, code in (("cross queries=0.5", 0), ("cross queries=0.4", 1), ("passages=0", 0)):
        with pytest.raises(SystemExit) as end:
            main([*command, "--max-leakage", limit])
        assert end.value.code == code, limit
    out = capsys.readouterr().out
    assert f"{test}: 1 of 2 queries stand in {dev} (50.0%: 1 near; limit 40.0%)" in out
    with pytest.raises(ShapeError, match="Did you mean 'cross queries'"):
        es.check_data(train, [dev, test], max_leakage={"cros queries": 0.1})
    for wrong in ("queries", "0.1.2", "queries="):
        with pytest.raises(SystemExit) as end:
            main([*command, "--max-leakage", wrong])
        assert end.value.code == 2
        assert "has no share" in capsys.readouterr().err


def test_copies_on_both_sides_are_counted_and_not_multiplied() -> None:
    n = 3000
    train = TrainingData.of_pairs("train", ["What is the fee?"] * n, [FEE] * n)
    test = TrainingData.of_pairs("test", ["what is the fee"] * n, [FEE.upper()] * n)
    check = es.check_data(train, [test])
    assert [(one.n_leaked, one.n) for one in check.leakage] == [(n, n)] * 3
    assert [(one.n_equal, one.n_near) for one in check.leakage] == [(0, n), (0, n), (n, 0)]
    first, second = [one for one in check.findings if one.kind == "leaked query"][:2]
    # All that has to leave training is said once.
    assert (len(first.ids), len(second.ids)) == (n + 1, 2)


def test_a_repeated_query_or_passage_of_lines_is_no_duplicate(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"query": "what is the fee", "positive": FEE, "negative": LOAN},
        {"query": "what is the fee", "positive": CARD, "negative": LOAN},
        {"query": "What is the fee?", "positive": SAVE, "negative": LOAN},
    ]
    check = es.check_data(lines(tmp_path / "a.jsonl", *rows))
    assert check.counts() == {"near-duplicate query": 1}
    rows[0]["negative"] = [LOAN, LOAN]
    check = es.check_data(lines(tmp_path / "a.jsonl", *rows))
    first, second = ("line 1", "line 1 negative 1"), ("line 1", "line 1 negative 2")
    assert ids_of(check, "repeated pair") == [(*second, *first)]
    # Where texts have ids, two of them with one text are.
    pairs = [("a", "x", "one text of two ids"), ("b", "y", "one text of two ids")]
    data = TrainingData(
        "named",
        tuple(one[0] for one in pairs),
        ("first question", "something else"),
        tuple(one[1] for one in pairs),
        tuple(one[2] for one in pairs),
        TrainingData.of_pairs("", ["a", "b"], ["x", "y"]).pairs,
    )
    assert ids_of(es.check_data(data), "duplicate passage") == [("y", "x")]


def test_languages_of_one_script_are_told_apart_where_that_is_sure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("py3langid")
    german = "Kann ich mein Darlehen vorzeitig zurückzahlen?"
    rows = [
        {"query": "Can I pay my loan back early?", "positive": LOAN},
        {"query": german, "positive": "Der Kunde muss die Gebühr bis zum Monatsende zahlen."},
        {"query": "IBAN 12345", "positive": FEE},
        {"query": "", "positive": CARD},
    ]
    path = lines(tmp_path / "a.jsonl", *rows)
    assert not [one for one in es.check_data(path).findings if "language" in one.kind]
    check = es.check_data(path, languages=["en"])
    assert ids_of(check, "other language, query") == [("line 2",)]
    assert ids_of(check, "other language, passage") == [("line 2 positive 1",)]
    assert not ids_of(es.check_data(path, languages=["en", "de"]), "other language, query")
    with pytest.raises(DataError, match="Did you mean 'de'"):
        es.check_data(path, languages=["deutsch"])
    with pytest.raises(SystemExit) as end:
        main(["check-data", str(path), "--languages", "en, de"])
    assert end.value.code == 0
    assert "name languages" not in capsys.readouterr().out


def test_real_english_passages_are_taken_for_english(shared_data: Path) -> None:
    pytest.importorskip("py3langid")
    corpus = es.load_dataset(shared_data / "obliqa", split="train").corpus
    texts = corpus.texts[::10]
    data = TrainingData.of_pairs("obliqa", ["q"] * len(texts), texts)
    found = [one for one in es.check_data(data, languages=["en"]).findings if "lang" in one.kind]
    assert len(found) <= 1


def test_a_corpus_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    train = lines(tmp_path / "a.jsonl", {"query": "q", "positive": FEE})
    twice = lines(tmp_path / "c.jsonl", *[{"_id": "x", "text": FEE}] * 2)
    with pytest.raises(DataError, match="'x' more than once"):
        es.check_data(train, corpus=twice)
    (tmp_path / "d.jsonl").write_text('{"_id": "x", "text": 5}')
    with pytest.raises(ParseError, match="d.jsonl:1"):
        es.check_data(train, corpus=tmp_path / "d.jsonl")


def test_the_command_takes_a_model_and_a_corpus(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from embedsmith.backends.fake import FakeEncoder

    train = lines(tmp_path / "a.jsonl", {"query": "fee of the account", "positive": FEE})
    corpus = lines(tmp_path / "c.jsonl", {"_id": "1", "text": FEE}, {"_id": "2", "text": LOAN})
    monkeypatch.setattr(
        "embedsmith.cli._open_model.load_encoder", lambda *_, **__: FakeEncoder(64, max_tokens=8)
    )
    command = ["check-data", str(train), "--corpus", str(corpus), "--model", "native:any", "-q"]
    with pytest.raises(SystemExit) as end:
        main([*command, "--format", "json"])
    assert end.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert told["coverage"]["positive"] == 0.5
    assert told["settings"]["encoder"] == "fake:64"
    assert [one["ids"] for one in told["findings"] if one["kind"] == "long passage"] == [
        ["1"],
        ["2"],
    ]
    with pytest.raises(SystemExit) as end:
        main([*command, "--format", "md"])
    assert "50.0% of the passages are a positive" in capsys.readouterr().out.replace("\\", "")
