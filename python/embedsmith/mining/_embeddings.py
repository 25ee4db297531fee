"""Embeddings of both sides: given, or computed by an encoder; never of two spaces."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith._validate import as_matrix
from embedsmith.backends import Encoder, load_encoder
from embedsmith.bulk import EmbeddingFolder
from embedsmith.exceptions import DataError, ModelError, ShapeError
from embedsmith.mining._vectors import CorpusVectors, not_finite, opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import F32Array, Metric
    from embedsmith.mining._data import MiningData

__all__ = ["Embeddings", "Prompts", "as_embeddings"]


@dataclass(frozen=True)
class Prompts:
    """What is put before texts that a SentenceTransformer object embeds.

    Parameters
    ----------
    query_prompt_name, query_prompt, corpus_prompt_name, corpus_prompt : str, optional
        A text put before each query or passage, or the name of one of the model's prompts.
    """

    query_prompt_name: str | None = None
    query_prompt: str | None = None
    corpus_prompt_name: str | None = None
    corpus_prompt: str | None = None

    def of(self, role: str) -> dict[str, str | None]:
        """Return the arguments of ``encode`` for one side.

        Parameters
        ----------
        role : {"query", "document"}
            Which side.

        Returns
        -------
        dict
        """
        side = "query" if role == "query" else "corpus"
        return {
            "prompt_name": getattr(self, f"{side}_prompt_name"),
            "prompt": getattr(self, f"{side}_prompt"),
        }


@dataclass(frozen=True)
class Embeddings:
    """Queries in memory, the corpus wherever it is.

    Attributes
    ----------
    queries : ndarray of shape (n_queries, dim), float32
    corpus : CorpusVectors
    model : str or None
        Name of the encoder, if one was given.
    fingerprint : str or None
        Identity of the embedding space, if it is known.
    """

    queries: F32Array
    corpus: CorpusVectors
    model: str | None
    fingerprint: str | None


def as_embeddings(
    data: MiningData,
    encoder: Any,
    query_embeddings: Any,
    corpus_embeddings: Any,
    *,
    metric: Metric | None,
    batch_size: int | None,
    prompts: Prompts,
) -> Embeddings:
    """Check what was given, and compute what was not.

    Raises
    ------
    ShapeError
        If something is missing, or the numbers of rows or columns do not fit.
    ModelError
        If both sides are of different embedding spaces.
    NonFiniteError
        If an embedding holds NaN or infinity.
    """
    queries = opened("query_embeddings", query_embeddings)
    corpus = opened("corpus_embeddings", corpus_embeddings)
    if isinstance(encoder, str):
        encoder = load_encoder(encoder, batch_size=batch_size)
    if encoder is None and (queries is None or corpus is None):
        absent = "query_embeddings" if queries is None else "corpus_embeddings"
        msg = f"there is neither an encoder nor {absent}. Pass the one or the other."
        raise ShapeError(msg)
    space = _space(queries, corpus, encoder)
    metric = metric or _metric(corpus, encoder)
    if metric == "l2":
        msg = "metric='l2' is a distance, and mining compares similarities; pass 'cosine' or 'dot'."
        raise ShapeError(msg)
    if queries is None:
        queries = _embedded(
            encoder, _texts("queries", data.query_texts), "query", batch_size, prompts
        )
    elif isinstance(queries, EmbeddingFolder):
        _check_ids("query_embeddings", queries, data.query_ids)
        queries = np.concatenate([batch.vectors for batch in queries.batches()])
    if corpus is None:
        corpus = _embedded(
            encoder, _texts("corpus", data.doc_texts), "document", batch_size, prompts
        )
    elif isinstance(corpus, EmbeddingFolder):
        _check_ids("corpus_embeddings", corpus, data.doc_ids)
    matrix = as_matrix("query_embeddings", queries)
    vectors = CorpusVectors("corpus_embeddings", corpus, metric)
    _check_rows(data, matrix, vectors)
    wrong = ~np.isfinite(matrix).all(axis=1)
    if wrong.any():
        raise not_finite("query_embeddings", int(np.argmax(wrong)))
    vectors.check_finite()
    return Embeddings(
        matrix,
        vectors,
        getattr(encoder, "name", None) or (None if encoder is None else type(encoder).__name__),
        space,
    )


def _space(queries: Any, corpus: Any, encoder: Any) -> str | None:
    """Return the one embedding space of all that knows its own."""
    spaces = [
        (name, one.fingerprint)
        for name, one in (("query_embeddings", queries), ("corpus_embeddings", corpus))
        if isinstance(one, EmbeddingFolder)
    ]
    if isinstance(encoder, Encoder):
        spaces.append((encoder.name, encoder.fingerprint))
    for name, space in spaces[1:]:
        first_name, first = spaces[0]
        if space != first:
            differing = ", ".join(first.differences(space))
            msg = (
                f"{first_name} is of the embedding space {first.short} and {name} of "
                f"{space.short}; they differ in {differing}. Embed both with one model."
            )
            raise ModelError(msg)
    return spaces[0][1].digest if spaces else None


def _metric(corpus: Any, encoder: Any) -> Metric:
    if isinstance(corpus, EmbeddingFolder):
        return corpus.metric
    return encoder.metric if isinstance(encoder, Encoder) else "cosine"


def _texts(what: str, texts: Sequence[str] | None) -> Sequence[str]:
    if texts is None:
        msg = (
            f"the data holds rows and no texts, so the {what} cannot be embedded. Pass embeddings."
        )
        raise ShapeError(msg)
    return texts


def _embedded(
    encoder: Any, texts: Sequence[str], role: str, batch_size: int | None, prompts: Prompts
) -> Any:
    if isinstance(encoder, Encoder):
        given = [name for name, value in vars(prompts).items() if value is not None]
        if given:
            msg = f"{given[0]} is for SentenceTransformer objects; an encoder has its own prompts."
            raise ShapeError(msg)
        return encoder.encode(
            texts, role="query" if role == "query" else "document", batch_size=batch_size
        ).vectors
    encode = getattr(encoder, "encode_query" if role == "query" else "encode_document", None)
    if encode is None:
        msg = (
            f"{encoder!r:.80} is no encoder. Pass a spec such as 'all-MiniLM-L6-v2', what "
            "embedsmith.load_encoder returns, or a SentenceTransformer."
        )
        raise ModelError(msg)
    return encode(
        list(texts),
        batch_size=batch_size or 32,
        convert_to_numpy=True,
        show_progress_bar=False,
        **prompts.of(role),
    )


def _check_ids(argument: str, folder: EmbeddingFolder, ids: Sequence[str] | None) -> None:
    if ids is None:
        return
    for row, (own, asked) in enumerate(zip_longest(folder.ids(), ids)):
        if own != asked:
            msg = (
                f"{argument}: row {row} of {folder.path} is of {own!r}, and the data has "
                f"{asked!r} there. Embed these texts in this order with embedsmith embed."
            )
            raise DataError(msg)


def _check_rows(data: MiningData, queries: F32Array, corpus: CorpusVectors) -> None:
    expected = len(data.doc_texts) if data.doc_texts is not None else None
    wrong = None
    if len(queries) != len(data):
        wrong = ("query_embeddings", len(queries), len(data), "queries, each once")
    elif expected is not None and len(corpus) != expected:
        wrong = ("corpus_embeddings", len(corpus), expected, "passages, each once")
    if wrong is not None:
        name, rows, needed, what = wrong
        msg = (
            f"{name} has {rows:,} rows, and the data has {needed:,} {what}, in the order of their "
            "first appearance. Embed exactly these."
        )
        raise ShapeError(msg)
    if queries.shape[1] != corpus.dim:
        msg = (
            f"query_embeddings have {queries.shape[1]} columns but corpus_embeddings "
            f"{corpus.dim}. Embed both with one model."
        )
        raise ModelError(msg)
    positives = data.positives.rows
    if len(positives) and not 0 <= positives.min() <= positives.max() < len(corpus):
        odd = int(positives.min() if positives.min() < 0 else positives.max())
        msg = (
            f"a positive is row {odd}, and the corpus has rows 0 to {len(corpus) - 1}. "
            "Positives are rows of corpus_embeddings."
        )
        raise DataError(msg)
