"""The bundled sample as a task of mteb, in memory."""

from __future__ import annotations

from typing import Any

import embedsmith as es

N_DOCS, N_QUERIES = 24, 8


def bank(*, rerank: bool) -> Any:
    """Make an mteb task of the first documents of the bundled sample."""
    from datasets import Dataset
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
    from mteb.abstasks.task_metadata import TaskMetadata

    data = es.load_dataset("sample:bank")
    documents = dict(zip(data.corpus.ids[:N_DOCS], data.corpus.texts, strict=False))
    texts = dict(zip(data.queries.ids, data.queries.texts, strict=True))
    judged = {
        query: {doc: grade for doc, grade in grades.items() if doc in documents}
        for query, grades in data.qrels.items()
    }
    judged = {query: grades for query, grades in judged.items() if grades}
    judged = dict(list(judged.items())[:N_QUERIES])
    # Each query gets another third of the documents to rank, its relevant ones among them.
    listed = {
        query: list(dict.fromkeys([*grades, *list(documents)[start % 3 :: 3]]))
        for start, (query, grades) in enumerate(judged.items())
    }

    class Bank(AbsTaskRetrieval):  # type: ignore[misc, unused-ignore]
        metadata = TaskMetadata(
            name="Bank",
            type="Reranking" if rerank else "Retrieval",
            main_score="map_at_1000" if rerank else "ndcg_at_10",
            description="Policies of an invented bank.",
            dataset={"path": "NA", "revision": "NA"},
            category="t2t",
            modalities=["text"],
            eval_splits=["test"],
            eval_langs=["eng-Latn"],
        )

        def load_data(self, *_: Any, **__: Any) -> None:
            self.dataset = {
                "default": {
                    "test": RetrievalSplitData(
                        corpus=Dataset.from_list(
                            [{"id": i, "title": "", "text": text} for i, text in documents.items()]
                        ),
                        queries=Dataset.from_list([{"id": q, "text": texts[q]} for q in judged]),
                        relevant_docs=judged,
                        top_ranked=listed if rerank else None,
                    )
                }
            }
            self.data_loaded = True

    return Bank()
