"""Negatives for training pairs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from embedsmith._validate import as_count, as_progress
from embedsmith.backends import Bm25
from embedsmith.exceptions import ShapeError
from embedsmith.mining._block import Block, Miner
from embedsmith.mining._checkpoint import Checkpoint
from embedsmith.mining._data import as_mining_data
from embedsmith.mining._embeddings import Prompts, as_embeddings
from embedsmith.mining._excluded import excluded_rows
from embedsmith.mining._found import ENDED, FILTERS
from embedsmith.mining._like_st import st_block
from embedsmith.mining._report import identity_of, report_of
from embedsmith.mining._result import MinedNegatives
from embedsmith.mining._scan import PLACES, Scan, first_width
from embedsmith.mining._settings import MarginTo, Pool, Settings, Strategy, choice
from embedsmith.mining._teacher import Teacher
from embedsmith.mining._texts import Shingles, keys_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from embedsmith._typing import I64Array, Metric, Progress
    from embedsmith.mining._data import MiningData
    from embedsmith.mining._embeddings import Embeddings
    from embedsmith.mining._excluded import Excluded

__all__ = ["mine_hard_negatives"]

_RETRIEVERS = ("dense", "bm25")
# Queries that are searched together: the corpus is read and coded once for each block.
_BLOCK = 20_480


def mine_hard_negatives(
    data: Any,
    encoder: Any = None,
    *,
    corpus: Any = None,
    query_embeddings: Any = None,
    corpus_embeddings: Any = None,
    anchor_column_name: str | None = None,
    positive_column_name: str | None = None,
    split: str = "train",
    add_positives: bool = False,
    num_negatives: int = 3,
    range_min: int = 0,
    range_max: int | None = None,
    max_score: float | None = None,
    min_score: float | None = None,
    absolute_margin: float | None = None,
    relative_margin: float | None = 0.05,
    margin_to: MarginTo = "min",
    near_duplicate: float | None = 0.95,
    shingle_similarity: float | None = 0.8,
    sampling_strategy: Strategy = "top",
    temperature: float = 0.05,
    seed: int = 0,
    include_positives: bool = False,
    retrievers: Sequence[str] = ("dense",),
    cross_encoder: Any = None,
    pool: Pool = "full",
    prompts: Prompts | None = None,
    metric: Metric | None = None,
    batch_size: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> MinedNegatives:
    """Return hard negatives for each query: passages like its positives that are none.

    Searches exactly, and filters while it searches: a query that is short goes on alone, so it gets
    its negatives whenever the corpus holds them. Changes no data and drops no query silently.

    Parameters
    ----------
    data : Dataset, path, columns, pairs, or sequence of lists of rows
        A retrieval set (its relevant documents are the positives) or its path; a file of pairs
        (JSONL, CSV, TSV, parquet); a ``datasets.Dataset``, a frame or a dict of columns; pairs of
        strings. With embeddings also the rows of each query's positives in the corpus. Equal
        anchors are one query with several positives.
    encoder : str, Encoder or SentenceTransformer, optional
        What embeds the texts that have no embeddings.
    corpus : Corpus, path, mapping of id to text, or sequence of str, optional
        Passages; by default all positives. A path is read as by ``embedsmith embed``.
    query_embeddings : array_like of shape (n_queries, dim), path or EmbeddingFolder, optional
        One row for each query, in the order of their first appearance.
    corpus_embeddings : array_like of shape (n_passages, dim), path or EmbeddingFolder, optional
        Memory maps and folders may be larger than memory.
    anchor_column_name, positive_column_name : str, optional
        By default the first two columns; of a file ``anchor`` and ``positive``.
    split : str, default "train"
        Which judgements of a folder.
    add_positives : bool, default False
        Add positives that ``corpus`` lacks, where the default is an error.
    num_negatives : int, default 3
        For each query.
    range_min : int, default 0
        Best ranks to leave out, positives not counted.
    range_max : int, optional
        Last rank to look at; by default as far as it takes.
    max_score, min_score : float, optional
        Limits of a negative's score.
    absolute_margin : float, optional
        How far below the positive's score a negative has to be.
    relative_margin : float, default 0.05
        Likewise, as a share of the magnitude of the positive's score; None for no such margin.
    margin_to : {"min", "mean", "max", "each"}, default "min"
        Which positive margins are counted from, if a query has several. ``"each"``: every positive
        has its own negatives.
    near_duplicate : float, default 0.95
        Drop passages with at least this cosine to a positive; None for none.
    shingle_similarity : float, default 0.8
        Drop passages that share this much of their shingles of five characters (Jaccard) with a
        positive; None for none. Needs texts.
    sampling_strategy : {"top", "window", "random", "softmax", "stratified"}, default "top"
        The best; evenly spaced over the candidates; drawn from them alike; by the softmax of their
        scores; one from each of ``num_negatives`` equal parts. Candidates are the ranks from
        ``range_min`` to ``range_max``, by default 10 for each negative, that pass all filters.
    temperature : float, default 0.05
        Of the softmax.
    seed : int, default 0
        Of the draws. They do not depend on the order of queries, threads or blocks.
    include_positives : bool, default False
        Let positives be found too, as for evaluation sets of rerankers.
    retrievers : sequence of {"dense", "bm25"}, default ("dense",)
        BM25 adds what shares the query's words; merged by the better rank.
    cross_encoder : object, optional
        A CrossEncoder, or a callable of a list of (query, passage) pairs: its scores, not the
        embeddings', count for margins and limits, and order the candidates. Up to eight times as
        many candidates as at first are scored.
    pool : {"full", "st"}, default "full"
        ``"st"``: look at the candidates that sentence-transformers looks at, and apply its filters
        only; for reproducing earlier sets.
    prompts : Prompts, optional
        Of a SentenceTransformer object.
    metric : {"cosine", "dot"}, optional
        By default the encoder's, else cosine.
    batch_size : int, optional
        Texts, or pairs of a cross-encoder, per forward pass.
    checkpoint : path, optional
        Folder that keeps finished blocks of queries; the same call goes on from there. It knows
        embeddings, texts and a cross-encoder's weights by their bytes, a function by its name.
    threads : int, optional
        As in :func:`embedsmith.topk`.
    progress : callable, optional
        Called as ``progress(done, total)``, in queries.

    Returns
    -------
    MinedNegatives

    Raises
    ------
    DataError
        If a column is not there, positives are not in the corpus, an anchor equals its positive,
        or no query got a negative; the last names how many passages each filter took.
    ShapeError
        If an argument is out of range, embeddings do not fit the data, or the corpus has fewer
        passages than negatives are wanted.
    ModelError
        If queries and corpus are of different embedding spaces.
    NonFiniteError
        If an embedding or a cross-encoder's score is NaN or infinite.
    MissingDependencyError
        If BM25 is asked for without bm25s.

    Notes
    -----
    Always excluded are the positives, passages with a positive's text and those with the query's
    own text (normalised: Unicode's compatibility form, case, blanks); and of passages with one text
    only the best-ranked is taken. Scores are canonical (see :func:`embedsmith.topk`), so a passage
    that ties with a positive is seen to tie, and results are the same for any number of threads.

    sentence-transformers' function (6.2) retrieves as many passages for every query as the query
    with most positives needs, and filters afterwards, so queries stay short whose candidates were
    all filtered; it filters nothing by default, so that copies of positives become negatives; takes
    the first column for a mistyped one; keeps its cache by the base model's name, which serves one
    local model the vectors of another; and lets embeddings with NaN rank. ``pool="st"`` reproduces
    the negatives of its ``"top"`` strategy, ties by row, and none of the last three.

    References
    ----------
    Margins as a share of the positive's score: Moreira et al., "NV-Retriever: Improving text
    embedding models with effective hard-negative mining", 2024 (TopK-PercPos).

    Examples
    --------
    >>> import embedsmith as es
    >>> pairs = [("what does a card cost", "A card costs 5 euros."), ("loan rate", "Loans: 4 %.")]
    >>> corpus = ["A card costs 5 euros.", "Loans: 4 %.", "Cards are blocked by phone."]
    >>> mined = es.mine_hard_negatives(
    ...     pairs, "fake:64", corpus=corpus, num_negatives=1, relative_margin=None
    ... )
    >>> mined
    MinedNegatives(2 queries, 2 negatives, 0 short)
    >>> sorted(next(mined.examples()))
    ['anchor', 'negative', 'positive']
    """
    settings = Settings(
        num_negatives,
        range_min,
        range_max,
        max_score,
        min_score,
        absolute_margin,
        relative_margin,
        margin_to,
        near_duplicate,
        shingle_similarity,
        sampling_strategy,
        temperature,
        seed,
        include_positives,
    )
    choice("pool", pool, get_args(Pool))
    names = tuple(retrievers)
    for name in names:
        choice("retrievers", name, _RETRIEVERS)
    if "dense" not in names or (pool == "st" and names != ("dense",)):
        msg = "retrievers begin with 'dense'; 'bm25' adds to it, and pool='st' has no other."
        raise ShapeError(msg)
    progress = as_progress(progress)
    mined = as_mining_data(
        data,
        corpus=corpus,
        anchor_column_name=anchor_column_name,
        positive_column_name=positive_column_name,
        split=split,
        add_positives=add_positives,
        refuse_equal=pool == "full",
    )
    vectors = as_embeddings(
        mined,
        encoder,
        query_embeddings,
        corpus_embeddings,
        metric=metric,
        batch_size=batch_size,
        prompts=prompts or Prompts(),
    )
    miner, excluded = _miner(
        mined,
        vectors,
        settings,
        retrievers=names,
        cross_encoder=cross_encoder,
        batch_size=batch_size,
        threads=threads,
        pool=pool,
    )
    identity = identity_of(miner, pool, names, hashed=checkpoint is not None)
    size = _block_size(miner)
    keeper = None if checkpoint is None else Checkpoint(checkpoint, {**identity, "block": size})
    queries, own = miner.units()
    parts = list(
        _blocks(
            miner,
            queries,
            own,
            size=size,
            pool=pool,
            keeper=keeper,
            threads=threads,
            progress=progress,
        )
    )
    block = Block(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0]))
    )
    result = MinedNegatives(
        queries,
        np.where(own >= 0, mined.positives.rows[own], -1),
        block,
        miner.positive_scores,
        FILTERS,
        ENDED,
        mined,
    )
    return replace(result, report=report_of(result, miner, identity, excluded))


def _miner(
    data: MiningData,
    vectors: Embeddings,
    settings: Settings,
    *,
    retrievers: tuple[str, ...],
    cross_encoder: Any,
    batch_size: int | None,
    threads: int | None,
    pool: str,
) -> tuple[Miner, Excluded]:
    if len(vectors.corpus) <= settings.num_negatives:
        msg = (
            f"the corpus has {len(vectors.corpus)} passages, the positive among them, and "
            f"num_negatives={settings.num_negatives}. Pass a larger corpus, or ask for fewer."
        )
        raise ShapeError(msg)
    texts = data.doc_texts
    doc_keys = None if texts is None else keys_of(texts)
    asked = None if data.query_texts is None else keys_of(data.query_texts)
    excluded = excluded_rows(data, asked, doc_keys, include_positives=settings.include_positives)
    bm25 = None
    if "bm25" in retrievers:
        if texts is None or data.query_texts is None:
            msg = "BM25 needs texts, and the data holds rows. Pass texts, or leave 'bm25' out."
            raise ShapeError(msg)
        bm25 = Bm25()
        bm25.build(texts)
    teacher = None
    if cross_encoder is not None:
        if texts is None or data.query_texts is None:
            msg = "a cross-encoder needs texts, and the data holds rows. Pass texts."
            raise ShapeError(msg)
        teacher = Teacher(cross_encoder, as_count("batch_size", batch_size or 32))
    if settings.include_positives:
        settings = replace(settings, near_duplicate=None, shingle_similarity=None)
    shingles = None if texts is None else Shingles(texts)
    scan = Scan(vectors.corpus, settings, doc_keys, shingles, threads)
    by_id = None if data.query_ids is None else keys_of(data.query_ids, as_they_are=True)
    miner = Miner(
        settings=settings,
        data=data,
        embeddings=vectors,
        scan=scan,
        excluded=excluded.rows,
        positives=data.positives,
        positive_scores=vectors.corpus.pair_scores(
            vectors.queries, data.positives, threads=threads
        ),
        query_keys=np.arange(len(data), dtype=np.uint64) if by_id is None else by_id,
        doc_keys=doc_keys,
        bm25=bm25,
        teacher=teacher,
    )
    if teacher is not None and (pool == "full" or settings.limits_scores):
        owners = np.repeat(np.arange(len(data)), data.positives.counts)
        miner = replace(miner, positive_scores=miner._taught(owners, data.positives.rows))  # noqa: SLF001
    return miner, excluded


def _block_size(miner: Miner) -> int:
    """Return how many queries are searched together, so that their rows fit in little memory."""
    width = first_width(miner.settings, miner.most)
    return max(1, min(_BLOCK, PLACES // width))


def _blocks(
    miner: Miner,
    queries: I64Array,
    own: I64Array,
    *,
    size: int,
    pool: str,
    keeper: Checkpoint | None,
    threads: int | None,
    progress: Progress | None,
) -> Iterator[Block]:
    for number, first in enumerate(range(0, len(queries), size)):
        part = slice(first, min(first + size, len(queries)))
        block = None if keeper is None else keeper.read(number)
        if block is None:
            if pool == "st":
                block = st_block(miner, queries[part], threads=threads)
            else:
                block = miner.block(queries[part], own[part])
            if keeper is not None:
                keeper.write(number, block)
        if progress is not None:
            progress(part.stop, len(queries))
        yield block
