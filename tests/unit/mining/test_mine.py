"""Mining with texts, bad input, strategies, BM25, cross-encoders, and what a run tells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import embedsmith as es
from embedsmith.exceptions import DataError, ModelError, NonFiniteError, ShapeError
from embedsmith.integrations.sentence_transformers import mine_hard_negatives as drop_in
from embedsmith.mining import _mine
from embedsmith.mining._vectors import CorpusVectors

if TYPE_CHECKING:
    from pathlib import Path

PAIRS = [
    ("what does a card cost", "A card costs 5 euros."),
    ("what does a card cost", "Cards are 5 euros a year."),
    ("rate of a loan", "A loan has a rate of 4 percent."),
]
CORPUS = [
    "A card costs 5 euros.",
    "Cards are 5 euros a year.",
    "A loan has a rate of 4 percent.",
    "a CARD  costs 5 euros.",
    "what does a card cost",
    "Cards are blocked by phone.",
    "A loan takes three days.",
    "The branch opens at nine.",
    "A lost card is reported by phone.",
    "A rate may change once a year.",
]
LOOSE: dict[str, Any] = {"relative_margin": None, "near_duplicate": None}


def mine(data: Any = PAIRS, encoder: Any = "fake:64", **how: Any) -> es.MinedNegatives:
    return es.mine_hard_negatives(data, encoder, **{"corpus": CORPUS, **LOOSE, **how})


def vectors(rows: int, dim: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32)


def test_copies_of_a_positive_and_the_querys_own_text_are_never_negatives() -> None:
    mined = mine(num_negatives=5, shingle_similarity=None)
    first = [CORPUS[row] for row in mined.rows[0]]
    assert not {CORPUS[0], CORPUS[1], CORPUS[3], CORPUS[4]} & set(first)
    assert mined.report["excluded"] == {
        "positive": 3,
        "same_text_as_positive": 1,
        "same_text_as_query": 1,
    }


def test_a_text_that_repeats_in_the_corpus_is_taken_once() -> None:
    corpus = es.Corpus(tuple(f"d{n}" for n in range(12)), (*CORPUS, CORPUS[8], CORPUS[5].upper()))
    mined = mine(corpus=corpus, num_negatives=6, shingle_similarity=None)
    texts = [corpus.texts[row].casefold() for row in mined.rows[0] if row >= 0]
    assert len(texts) == len(set(texts)) == 6


def test_shingles_take_what_a_positive_nearly_says() -> None:
    corpus = [*CORPUS, "A loan has a rate of 4 percent!"]
    with_filter = mine(corpus=corpus, num_negatives=4)
    without = mine(corpus=corpus, num_negatives=4, shingle_similarity=None)
    assert 10 in without.rows[1]
    assert 10 not in with_filter.rows[1]
    assert with_filter.report["taken"]["shingle_similarity"] >= 1


def test_every_negative_tells_its_rank_score_and_reason() -> None:
    mined = mine(num_negatives=2, max_score=0.9)
    negatives = list(mined.negatives())
    assert len(negatives) == 4
    for one in negatives:
        assert one["rank"] >= 1
        assert f"{one['score']:.4f} is at most 0.9000, the limit by max_score" in one["kept"]


def test_a_short_query_tells_why_and_which_filter_took_how_many() -> None:
    docs = np.array([[1, 0], [0.99, 0.14], [0.98, 0.2], [0, 1], [-1, 0]], dtype=np.float32)
    mined = es.mine_hard_negatives(
        [[0]],
        query_embeddings=docs[:1],
        corpus_embeddings=docs,
        num_negatives=3,
        relative_margin=0.05,
        near_duplicate=None,
    )
    (short,) = mined.short()
    assert (short.found, short.wanted) == (2, 3)
    assert str(short) == ("0: 2 of 3; all of the corpus was looked at; relative_margin took 2")
    assert mined.report["short"][0]["taken"] == {"relative_margin": 2}


def test_impossible_margins_name_what_took_how_many() -> None:
    with pytest.raises(DataError, match=r"absolute_margin took 15; excluded were 3 by positive"):
        mine(absolute_margin=3.0, shingle_similarity=None)


@pytest.mark.parametrize(
    ("data", "how", "error", "said"),
    [
        ([("a", "a b"), ("c", " C ")], {"corpus": None}, DataError, "anchor that equals its pos"),
        (PAIRS, {"corpus": CORPUS[1:]}, DataError, "1 positive of 3 are not in the corpus"),
        ([], {}, DataError, "no pairs"),
        (PAIRS, {"num_negatives": 10}, ShapeError, "10 passages, the positive among them"),
        (PAIRS, {"range_max": 2}, ShapeError, "leave 2 ranks for num_negatives=3"),
        (PAIRS, {"max_score": 0.1, "min_score": 0.2}, ShapeError, "Exchange them"),
        (PAIRS, {"sampling_strategy": "tpo"}, ShapeError, "did you mean 'top'"),
        (PAIRS, {"retrievers": ("dense", "bm52")}, ShapeError, "did you mean 'bm25'"),
        (PAIRS, {"encoder": None}, ShapeError, "neither an encoder nor query_embeddings"),
        (PAIRS, {"metric": "l2"}, ShapeError, "pass 'cosine' or 'dot'"),
        ([("a", None)], {}, DataError, "which is no text"),
    ],
)
def test_bad_input_is_refused_with_the_fix(
    data: Any, how: dict[str, Any], error: type[Exception], said: str
) -> None:
    encoder = how.pop("encoder", "fake:64")
    with pytest.raises(error, match=said):
        mine(data, encoder, **how)


def test_a_mistyped_column_offers_the_nearest(tmp_path: Path) -> None:
    columns = {"question": ["q"], "answer": ["a"], "other": ["x"]}
    with pytest.raises(DataError, match="Did you mean 'answer'"):
        mine(columns, anchor_column_name="question", positive_column_name="anwser")
    file = tmp_path / "pairs.jsonl"
    file.write_text('{"question": "q", "answer": "a"}\n')
    with pytest.raises(DataError, match=r"Did you mean 'answer'\? .*--positive"):
        mine(file, anchor_column_name="question", positive_column_name="anwser")


def test_embeddings_that_do_not_fit_are_refused() -> None:
    good: dict[str, Any] = {"query_embeddings": vectors(2), "corpus_embeddings": vectors(9, seed=1)}
    rows = [[0], [1]]
    assert es.mine_hard_negatives(rows, **good).rows.shape == (2, 3)
    for wrong, error, said in (
        ({"query_embeddings": vectors(3)}, ShapeError, "query_embeddings has 3 rows"),
        ({"query_embeddings": vectors(2, dim=4)}, ModelError, "4 columns but corpus_embeddings 8"),
        ({"corpus_embeddings": vectors(1)}, DataError, "a positive is row 1"),
    ):
        with pytest.raises(error, match=said):
            es.mine_hard_negatives(rows, **{**good, **wrong})
    for name, array in good.items():
        odd = array.copy()
        odd[1, 3] = np.nan
        with pytest.raises(NonFiniteError, match=f"{name} row 1"):
            es.mine_hard_negatives(rows, **{**good, name: odd})


def test_two_embedding_spaces_are_never_mixed(tmp_path: Path) -> None:
    corpus = es.Corpus(tuple(f"d{n}" for n in range(len(CORPUS))), tuple(CORPUS))
    es.embed_corpus(corpus, "fake:64", tmp_path / "docs", cache=False)
    folder = es.EmbeddingFolder(tmp_path / "docs")
    same = mine(corpus=corpus, corpus_embeddings=folder)
    assert (same.rows == mine(corpus=corpus).rows).all()
    assert same.report["fingerprint"] == folder.fingerprint.digest
    with pytest.raises(ModelError, match="Embed both with one model"):
        mine(encoder="fake:32", corpus=corpus, corpus_embeddings=folder)
    with pytest.raises(DataError, match=r"row 0 of .* is of 'd0', and the data has"):
        mine(corpus=CORPUS, corpus_embeddings=folder)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_folders_and_memory_maps_give_what_arrays_give(tmp_path: Path, dtype: Any) -> None:
    corpus = es.Corpus(
        tuple(f"d{n}" for n in range(60)), tuple(f"clause {n} of {n % 7}" for n in range(60))
    )
    es.embed_corpus(corpus, "fake:16", tmp_path / "docs", dtype=dtype, shard_rows=16, cache=False)
    folder = es.EmbeddingFolder(tmp_path / "docs")
    array = np.concatenate([batch.vectors for batch in folder.batches()])
    np.save(tmp_path / "docs.npy", array)
    how: dict[str, Any] = {
        "data": [[n] for n in range(5)],
        "query_embeddings": vectors(5, 16),
        "near_duplicate": 0.9,
        "relative_margin": 0.05,
    }
    wanted = es.mine_hard_negatives(corpus_embeddings=array, **how).rows
    assert (es.mine_hard_negatives(corpus_embeddings=folder, **how).rows == wanted).all()
    mapped = tmp_path / "docs.npy"
    assert (es.mine_hard_negatives(corpus_embeddings=mapped, **how).rows == wanted).all()


def test_one_query_with_many_positives_makes_no_other_search_deeper(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    docs = vectors(3000)
    positives = [list(range(2000)), *([n] for n in range(2000, 2040))]
    widths: list[int] = []
    search = CorpusVectors.search_below

    def counted(self: Any, queries: Any, k: int, *rest: Any, **how: Any) -> Any:
        widths.append(k)
        return search(self, queries, k, *rest, **how)

    monkeypatch.setattr("embedsmith.mining._vectors.CorpusVectors.search_below", counted)
    mined = es.mine_hard_negatives(
        positives,
        query_embeddings=vectors(41, seed=3),
        corpus_embeddings=docs,
        relative_margin=None,
        near_duplicate=None,
    )
    assert mined.n_short == 0
    assert widths == [8]
    assert not set(range(2000)) & set(mined.rows[0].tolist())


@pytest.mark.parametrize("strategy", ["window", "random", "softmax", "stratified"])
def test_strategies_draw_from_the_candidates_by_their_seed(strategy: Any) -> None:
    def run(seed: int) -> np.ndarray:
        return es.mine_hard_negatives(
            [[n] for n in range(50)],
            query_embeddings=vectors(50, seed=5),
            corpus_embeddings=vectors(500),
            sampling_strategy=strategy,
            seed=seed,
            range_min=2,
            range_max=22,
            **LOOSE,
        ).ranks

    ranks = run(1)
    assert ((ranks > 2) & (ranks <= 22)).all()
    assert (np.diff(ranks, axis=1) > 0).all()
    assert (run(1) == ranks).all()
    assert (run(2) == ranks).all() == (strategy == "window")
    if strategy == "stratified":
        assert ((ranks[:, 0] <= 9) & (ranks[:, 2] > 15)).all()


def test_bm25_adds_what_shares_the_words() -> None:
    pytest.importorskip("bm25s")
    mined = mine(retrievers=("dense", "bm25"), num_negatives=4)
    found = [one for one in mined.negatives() if "lexical_rank" in one]
    assert found
    assert all("by BM25" in one["kept"] for one in found)
    for query, rows in enumerate(mined.rows):
        assert not set(rows.tolist()) & set(mined.data.positives.at(query).tolist())
    dense = mine(num_negatives=4)
    assert (dense.rows != mined.rows).any()


def test_a_cross_encoder_decides_and_is_asked_once_for_each_pair() -> None:
    asked: list[tuple[str, str]] = []

    def judge(pairs: list[tuple[str, str]]) -> list[float]:
        asked.extend(pairs)
        return [1.0 if "card" in passage.lower() else 0.1 for _, passage in pairs]

    mined = mine(cross_encoder=judge, num_negatives=2, absolute_margin=0.5)
    assert len(asked) == len(set(asked))
    texts = [CORPUS[row] for row in mined.rows[0]]
    assert all("card" not in text.lower() for text in texts)
    assert all(one["teacher_score"] == 0.1 for one in list(mined.negatives())[:2])
    with pytest.raises(NonFiniteError, match="NaN or infinity for the query"):
        mine(cross_encoder=lambda pairs: [float("nan")] * len(pairs))


def test_a_run_that_was_stopped_goes_on_and_ends_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_mine, "_BLOCK", 10)
    how: dict[str, Any] = {
        "data": [[n] for n in range(50)],
        "query_embeddings": vectors(50, seed=5),
        "corpus_embeddings": vectors(500),
        "checkpoint": tmp_path / "blocks",
    }

    def stop(done: int, _total: int) -> None:
        if done >= 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        es.mine_hard_negatives(**how, progress=stop)
    assert len(list((tmp_path / "blocks").glob("*.npz"))) == 3
    wanted = es.mine_hard_negatives(**{**how, "checkpoint": None})
    found = es.mine_hard_negatives(**how)
    assert (found.rows == wanted.rows).all()
    assert (found.scores == wanted.scores).all()
    with pytest.raises(DataError, match="another run; they differ in settings"):
        es.mine_hard_negatives(**how, num_negatives=2)


def test_another_cross_encoder_of_the_same_class_gets_no_block_of_the_first(
    tmp_path: Path,
) -> None:
    torch = pytest.importorskip("torch")

    class Judge:
        def __init__(self, model: Any) -> None:
            self.model = model

        def predict(self, pairs: list[tuple[str, str]], **_: object) -> list[float]:
            lengths = torch.tensor([[float(len(passage))] for _, passage in pairs])
            scores = self.model(lengths.to(self.model.weight.dtype)).detach()[:, 0]
            return [float(score) for score in scores]

    torch.manual_seed(0)
    first, second, half = (Judge(torch.nn.Linear(1, 1)) for _ in range(3))
    half.model = half.model.bfloat16()
    how: dict[str, Any] = {"num_negatives": 1, "checkpoint": tmp_path / "blocks"}
    wanted = mine(cross_encoder=first, **how)
    assert (mine(cross_encoder=first, **how).rows == wanted.rows).all()
    with pytest.raises(DataError, match="another run; they differ in cross_encoder_sha256"):
        mine(cross_encoder=second, **how)
    with pytest.raises(DataError, match="cross_encoder_sha256"):
        mine(cross_encoder=half, **how)


_KILLED = """
import os, signal, sys
import numpy as np
import embedsmith as es
from embedsmith.mining import _mine

_mine._BLOCK = 10
rng = np.random.default_rng(5)
queries, corpus = (rng.normal(size=(n, 8)).astype(np.float32) for n in (50, 500))

def progress(done, total):
    if sys.argv[2] == "kill" and done >= 20:
        os.kill(os.getpid(), signal.SIGKILL)

found = es.mine_hard_negatives(
    [[n] for n in range(50)],
    query_embeddings=queries,
    corpus_embeddings=corpus,
    checkpoint=sys.argv[1] or None,
    progress=progress,
)
print(found.rows.tolist())
"""


@pytest.mark.skipif(os.name != "posix", reason="sends signals as POSIX has them")
def test_a_killed_run_goes_on_and_ends_alike(tmp_path: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-c", _KILLED, *words]
        return subprocess.run(program, capture_output=True, text=True, check=False, env=os.environ)

    blocks = tmp_path / "blocks"
    assert run(str(blocks), "kill").returncode == -9
    assert 1 <= len(list(blocks.glob("*.npz"))) < 5
    again = run(str(blocks), "go on")
    assert again.returncode == 0, again.stderr
    assert again.stdout == run("", "go on").stdout


def test_the_drop_in_returns_a_data_set() -> None:
    datasets = pytest.importorskip("datasets")
    data = datasets.Dataset.from_dict(
        {"question": [a for a, _ in PAIRS], "answer": [p for _, p in PAIRS]}
    )
    found = drop_in(
        data, es.load_encoder("fake:64", cache=False), corpus=CORPUS, output_format="n-tuple"
    )
    assert found.column_names == ["question", "answer", "negative_1", "negative_2", "negative_3"]
    assert found["answer"] == [p for _, p in PAIRS]
    with pytest.raises(DataError, match="Did you mean 'question'"):
        drop_in(data, es.load_encoder("fake:64"), anchor_column_name="qestion")


def test_the_command_writes_examples_reasons_and_a_report(tmp_path: Path) -> None:
    pairs, corpus = tmp_path / "pairs.jsonl", tmp_path / "corpus.jsonl"
    pairs.write_text("".join(json.dumps({"q": a, "a": p}) + "\n" for a, p in PAIRS))
    corpus.write_text(
        "".join(json.dumps({"_id": f"d{n}", "text": text}) + "\n" for n, text in enumerate(CORPUS))
    )
    words = [sys.executable, "-m", "embedsmith", "mine", str(pairs), "--corpus", str(corpus)]
    words += ["--anchor", "q", "--model", "fake:64", "--no-cache", "--relative-margin", "-1"]
    words += ["--out", str(tmp_path / "out"), "--near-duplicate", "0"]
    done = subprocess.run(
        [*words, "--positive", "a"], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    assert "negatives   6" in done.stdout

    def lines(name: str) -> list[str]:
        return (tmp_path / "out" / f"{name}.jsonl").read_text().splitlines()

    examples = [json.loads(line) for line in lines("train")]
    assert len(examples) == 9
    assert set(examples[0]) == {"q", "a", "negative"}
    reasons = [json.loads(line) for line in lines("negatives")]
    assert all(one["negative"].startswith("d") and one["kept"] for one in reasons)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["schema"] == "embedsmith.mining/1"
    assert report["counts"]["queries"] == 2
    assert not (tmp_path / "out" / "blocks").exists()
    wrong = subprocess.run(
        [*words, "--positive", "b"], capture_output=True, text=True, check=False, env=os.environ
    )
    assert wrong.returncode == 3
    assert "there is no column 'b'" in wrong.stderr
