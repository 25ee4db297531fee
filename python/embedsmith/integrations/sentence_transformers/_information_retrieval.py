"""The evaluator of sentence-transformers' trainers, on this package's search and measures."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedsmith._deps import require
from embedsmith._validate import as_count, is_tensor
from embedsmith.exceptions import ShapeError
from embedsmith.integrations.sentence_transformers._best_documents import BestDocuments
from embedsmith.integrations.sentence_transformers._embeddings import matrix
from embedsmith.integrations.sentence_transformers._judgements import (
    check_judgements,
    places_of_relevant,
    sorted_ids,
)
from embedsmith.metrics import Measure, evaluate_run

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from embedsmith.integrations.sentence_transformers._score_functions import ScoreFunction
    from embedsmith.search import TopK

__all__ = ["InformationRetrievalEvaluator"]

_LOGGER = logging.getLogger(__name__)

_THEIRS: Any = require(
    "sentence_transformers.sentence_transformer.evaluation",
    extra="st",
    feature="InformationRetrievalEvaluator",
)


class InformationRetrievalEvaluator(_THEIRS.InformationRetrievalEvaluator):  # type: ignore[misc]
    """Measure how well a model retrieves, with the keys of sentence-transformers.

    A subclass of the evaluator of that name in sentence-transformers: the same arguments, results,
    ``primary_metric`` and files, in a trainer or called by hand. Only the search and the measures
    are this package's.

    Parameters
    ----------
    queries : mapping of str to str
        Texts by query id. A query without relevant documents is left out, and logged.
    corpus : mapping of str to str
        Texts by document id.
    relevant_docs : mapping of str to set of str
        Ids of the relevant documents by query id.
    corpus_chunk_size : int, default 50_000
        Documents embedded and held at once. The results do not depend on it.
    mrr_at_k, ndcg_at_k, accuracy_at_k : sequence of int, default 10; 10; 1, 3, 5 and 10
        Cutoffs of the reciprocal rank, nDCG, and whether any document found is relevant.
    precision_recall_at_k, map_at_k : sequence of int, default 1, 3, 5 and 10; 100
        Cutoffs of precision and recall, and of average precision.
    show_progress_bar : bool, default False
        While texts are embedded.
    batch_size : int, default 32
        Texts per forward pass.
    name : str, default ""
        Put before each key, and into the names of the files.
    write_csv : bool, default True
        Append the measures to a CSV file in ``output_path``.
    truncate_dim : int, optional
        Keep the first columns of each embedding.
    score_functions : mapping of str to callable, optional
        By name, what scores queries against documents; the model's own similarity by default.
    main_score_function : str or SimilarityFunction, optional
        Whose nDCG is the ``primary_metric``; that of the largest nDCG by default.
    query_prompt, query_prompt_name, corpus_prompt, corpus_prompt_name : str, optional
        A text put before each query or document, or the name of one of the model's prompts.
    write_predictions : bool, default False
        Write the documents found into a JSONL file in ``output_path``.

    Raises
    ------
    DataError
        If no query has a relevant document, the corpus is empty, or its ids cannot be sorted.
    ShapeError
        If a cutoff, ``corpus_chunk_size`` or ``batch_size`` is less than 1, or no cutoff of nDCG
        is given.

    Notes
    -----
    ``score_functions`` of sentence-transformers (``util.cos_sim``, ``dot_score``,
    ``euclidean_sim``) and the model's own ``similarity`` are searched exactly, and ranked by
    canonical scores (see :func:`embedsmith.topk`); any other function is called on blocks of
    queries with a chunk's documents, and ranked by what it returns. No matrix of all scores exists.

    Equal scores are ranked by document id, ascending, as in sentence-transformers. What is equal
    may differ: theirs are float32 products, whose last bits depend on the chunk and on the
    library, and documents that differ less than that are ranked by chance. Here they are ranked by
    the exact products, so that the results are the same for any chunk size, thread and machine.

    What differs besides: an embedding with NaN is an error, where theirs reports measures of an
    arbitrary order; relevant documents that are not in the corpus count as not found in both, and
    are logged here.

    Tested with sentence-transformers 6.2: every key agrees to 1e-9.

    Examples
    --------
    >>> from sentence_transformers import SentenceTransformer  # doctest: +SKIP
    >>> evaluator = InformationRetrievalEvaluator(
    ...     {"q": "fees"}, {"d": "Fees and charges"}, {"q": {"d"}}, name="bank"
    ... )
    >>> evaluator(SentenceTransformer("all-MiniLM-L6-v2"))["bank_cosine_ndcg@10"]  # doctest: +SKIP
    1.0
    """

    def __init__(  # noqa: PLR0917  # their arguments, in their order
        self,
        queries: Mapping[Any, str],
        corpus: Mapping[Any, str],
        relevant_docs: Mapping[Any, Collection[Any]],
        corpus_chunk_size: int = 50_000,
        mrr_at_k: Sequence[int] = (10,),
        ndcg_at_k: Sequence[int] = (10,),
        accuracy_at_k: Sequence[int] = (1, 3, 5, 10),
        precision_recall_at_k: Sequence[int] = (1, 3, 5, 10),
        map_at_k: Sequence[int] = (100,),
        show_progress_bar: bool = False,
        batch_size: int = 32,
        name: str = "",
        write_csv: bool = True,
        truncate_dim: int | None = None,
        score_functions: Mapping[str, ScoreFunction] | None = None,
        main_score_function: Any = None,
        query_prompt: str | None = None,
        query_prompt_name: str | None = None,
        corpus_prompt: str | None = None,
        corpus_prompt_name: str | None = None,
        write_predictions: bool = False,
    ) -> None:
        cutoffs = {
            "mrr_at_k": mrr_at_k,
            "ndcg_at_k": ndcg_at_k,
            "accuracy_at_k": accuracy_at_k,
            "precision_recall_at_k": precision_recall_at_k,
            "map_at_k": map_at_k,
        }
        checked = {argument: _cutoffs(argument, given) for argument, given in cutoffs.items()}
        super().__init__(
            queries,
            corpus,
            relevant_docs,
            corpus_chunk_size=as_count("corpus_chunk_size", corpus_chunk_size),
            **checked,
            show_progress_bar=show_progress_bar,
            batch_size=as_count("batch_size", batch_size),
            name=name,
            write_csv=write_csv,
            truncate_dim=truncate_dim,
            score_functions=None if score_functions is None else dict(score_functions),
            main_score_function=main_score_function,
            query_prompt=query_prompt,
            query_prompt_name=query_prompt_name,
            corpus_prompt=corpus_prompt,
            corpus_prompt_name=corpus_prompt_name,
            write_predictions=write_predictions,
        )
        check_judgements(queries, self.queries_ids, self.corpus_ids, relevant_docs)
        self._sorted_ids, self._places = sorted_ids(self.corpus_ids)
        self._judged = places_of_relevant(
            self.queries_ids, relevant_docs, dict(zip(self.corpus_ids, self._places, strict=True))
        )

    def compute_all_metrics(
        self,
        model: Any,
        corpus_model: Any = None,
        corpus_embeddings: Any = None,
        output_path: str | os.PathLike[str] | None = None,
    ) -> dict[str, dict[str, Any]]:
        """Return all measures by score function, measure and cutoff.

        What ``__call__`` runs, before it names the keys and writes the file.

        Parameters
        ----------
        model : SentenceTransformer
            Embeds the queries.
        corpus_model : SentenceTransformer, optional
            Embeds the documents; ``model`` by default.
        corpus_embeddings : tensor or ndarray of shape (n_docs, dim), optional
            Embeddings of the corpus, in its order, in place of a model's.
        output_path : path, optional
            Folder of the predictions.

        Returns
        -------
        dict
            ``result["cosine"]["ndcg@k"][10]``.

        Raises
        ------
        NonFiniteError
            If an embedding or a score is NaN or infinite.
        ShapeError
            If ``corpus_embeddings`` has another number of rows than the corpus has documents.
        """
        functions = self.score_functions or self._model_score_functions(model)
        found = self._search(
            functions, model, model if corpus_model is None else corpus_model, corpus_embeddings
        )
        if self.write_predictions and output_path is not None:
            self._write_predictions(found, Path(output_path))
        _LOGGER.info("Queries: %d", len(self.queries))
        _LOGGER.info("Corpus: %d", len(self.corpus))
        scores = {name: self._measure(hits) for name, hits in found.items()}
        for name in self.score_function_names:
            _LOGGER.info("Score-Function: %s", name)
            self.output_scores(scores[name])
        return scores

    # Their older name of the same method.
    compute_metrices = compute_all_metrics

    def _search(
        self,
        functions: Mapping[str, ScoreFunction],
        model: Any,
        corpus_model: Any,
        corpus_embeddings: Any,
    ) -> dict[str, TopK]:
        queries = _dense(
            "query embeddings",
            self.embed_inputs(
                model,
                self.queries,
                encode_fn_name="query",
                prompt_name=self.query_prompt_name,
                prompt=self.query_prompt,
            ),
        )
        if corpus_embeddings is not None:
            corpus_embeddings = _dense("corpus_embeddings", corpus_embeddings)
            if len(corpus_embeddings) != len(self.corpus):
                msg = (
                    f"corpus_embeddings has {len(corpus_embeddings)} rows and the corpus "
                    f"{len(self.corpus)} documents; pass one row per document, in their order."
                )
                raise ShapeError(msg)
        lists = (self.ndcg_at_k, self.mrr_at_k, self.accuracy_at_k, self.map_at_k)
        width = max(k for cutoffs in (*lists, self.precision_recall_at_k) for k in cutoffs)
        width = min(width, len(self.corpus))
        best = {name: BestDocuments(each, queries, width) for name, each in functions.items()}
        for chunk in self._chunks():
            documents = (
                corpus_embeddings[chunk]
                if corpus_embeddings is not None
                else _dense(
                    "corpus embeddings",
                    self.embed_inputs(
                        corpus_model,
                        self.corpus[chunk],
                        encode_fn_name="document",
                        prompt_name=self.corpus_prompt_name,
                        prompt=self.corpus_prompt,
                    ),
                )
            )
            for one in best.values():
                one.add(documents, self._places[chunk])
        return {name: one.hits() for name, one in best.items()}

    def _chunks(self) -> Iterable[slice]:
        starts = range(0, len(self.corpus), self.corpus_chunk_size)
        if self.show_progress_bar:
            tqdm: Any = require("tqdm.auto", extra="st", feature="A progress bar")
            starts = tqdm.tqdm(starts, desc="Corpus Chunks")
        return (slice(start, start + self.corpus_chunk_size) for start in starts)

    def _measure(self, hits: TopK) -> dict[str, dict[str, Any]]:
        """Return the measures of one score function, as their ``compute_metrics`` does."""
        measures = {
            "accuracy@k": {k: Measure("Success", k) for k in self.accuracy_at_k},
            "precision@k": {k: Measure("P", k) for k in self.precision_recall_at_k},
            "recall@k": {k: Measure("R", k) for k in self.precision_recall_at_k},
            "ndcg@k": {k: Measure("nDCG", k) for k in self.ndcg_at_k},
            "mrr@k": {k: Measure("RR", k) for k in self.mrr_at_k},
            "map@k": {k: Measure("AP", k, norm="min_k") for k in self.map_at_k},
        }
        # Rows are the places of documents. Where lists hold the whole corpus, say so.
        n_docs = len(self.corpus)
        table = evaluate_run(
            self._judged,
            (hits.exact, hits.rows),
            [each for by_cutoff in measures.values() for each in by_cutoff.values()],
            doc_ids=range(n_docs) if hits.rows.shape[1] == n_docs else None,
            # The hits are in their order already: by score, then by id.
            ties="input",
            confidence=None,
        )
        return {
            key: {k: table.mean[str(each)] for k, each in by_cutoff.items()}
            for key, by_cutoff in measures.items()
        }

    def _write_predictions(self, found: Mapping[str, TopK], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, hits in found.items():
            file = folder / self.predictions_file.replace(".jsonl", f"_{name}.jsonl")
            with file.open("w", encoding="utf-8") as out:
                for query_id, query, scores, rows in zip(
                    self.queries_ids, self.queries, hits.scores, hits.rows, strict=True
                ):
                    results = [
                        {"corpus_id": self._sorted_ids[row], "score": score}
                        for row, score in zip(rows.tolist(), scores.tolist(), strict=True)
                    ]
                    line = {"query_id": query_id, "query": query, "results": results}
                    out.write(json.dumps(line) + "\n")


def _cutoffs(argument: str, given: Sequence[int]) -> list[int]:
    cutoffs = [as_count(f"{argument}[{place}]", k) for place, k in enumerate(given)]
    if not cutoffs and argument == "ndcg_at_k":
        msg = "ndcg_at_k is empty, and the primary metric is an nDCG; pass ndcg_at_k=[10]."
        raise ShapeError(msg)
    return cutoffs


def _dense(argument: str, embeddings: Any) -> Any:
    """Return embeddings where they can be searched: in numpy, or torch on the CPU or CUDA."""
    embeddings = matrix(argument, embeddings)
    if is_tensor(embeddings):
        embeddings = embeddings.detach()
        if embeddings.device.type not in {"cpu", "cuda"}:
            return embeddings.cpu()
    return embeddings
