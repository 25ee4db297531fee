"""Mining hard negatives as sentence-transformers does, with this package's search."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal

from embedsmith.mining import Prompts
from embedsmith.mining import mine_hard_negatives as mine

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["mine_hard_negatives"]

_log = logging.getLogger(__name__)


def mine_hard_negatives(  # noqa: PLR0917  # their arguments, in their order
    dataset: Any,
    model: Any,
    anchor_column_name: str | None = None,
    positive_column_name: str | None = None,
    corpus: Sequence[str] | None = None,
    cross_encoder: Any = None,
    range_min: int = 0,
    range_max: int | None = None,
    max_score: float | None = None,
    min_score: float | None = None,
    absolute_margin: float | None = None,
    relative_margin: float | None = None,
    num_negatives: int = 3,
    sampling_strategy: Literal["random", "top"] = "top",
    query_prompt_name: str | None = None,
    query_prompt: str | None = None,
    corpus_prompt_name: str | None = None,
    corpus_prompt: str | None = None,
    include_positives: bool = False,
    output_format: Literal[
        "triplet", "n-tuple", "n-tuple-scores", "labeled-pair", "labeled-list"
    ] = "triplet",
    output_scores: bool = False,
    batch_size: int = 32,
    faiss_batch_size: int = 16384,
    use_faiss: bool = False,
    use_multi_process: Any = False,
    verbose: bool = True,
    cache_folder: str | None = None,
    as_triplets: bool | None = None,
    margin: float | None = None,
    *,
    pool: Literal["full", "st"] = "full",
    seed: int = 0,
) -> Any:
    """Return a data set with hard negatives, as sentence-transformers' function of this name does.

    Takes its arguments; :func:`embedsmith.mine_hard_negatives` has more, and tells more.

    Parameters
    ----------
    dataset : datasets.Dataset
        Anchors and positives; anchors that repeat are one query with several positives.
    model : SentenceTransformer or Encoder
        What embeds.
    anchor_column_name, positive_column_name : str, optional
        By default the first two columns. A name that is not there is an error.
    corpus : sequence of str, optional
        Candidates beside the positives.
    cross_encoder : CrossEncoder, optional
        Its scores decide in the model's place.
    range_min, range_max : int, optional
        Ranks to look at.
    max_score, min_score : float, optional
        Limits of a negative's score.
    absolute_margin, relative_margin : float, optional
        How far below the positive a negative has to score.
    num_negatives : int, default 3
        For each query.
    sampling_strategy : {"top", "random"}, default "top"
        Which candidates are taken.
    query_prompt_name, query_prompt, corpus_prompt_name, corpus_prompt : str, optional
        Put before the texts.
    include_positives : bool, default False
        Let positives be found too; the format is then ``"n-tuple"``.
    output_format : str, default "triplet"
        As :meth:`embedsmith.MinedNegatives.examples` takes it.
    output_scores : bool, default False
        Add scores.
    batch_size : int, default 32
        Texts per forward pass.
    faiss_batch_size, use_faiss, use_multi_process : optional
        Without effect: the search is exact and needs neither.
    verbose : bool, default True
        Log what was found.
    cache_folder : str, optional
        Not used, and a warning says so: theirs is keyed by the base model's name. Pass an encoder
        of :func:`embedsmith.load_encoder`, whose cache is keyed by its fingerprint.
    as_triplets, margin : optional
        Older words for ``output_format`` and ``absolute_margin``.
    pool : {"full", "st"}, default "full"
        ``"st"``: their candidates and nothing else, for the rows and scores that they give.
    seed : int, default 0
        Of ``"random"``.

    Returns
    -------
    datasets.Dataset

    Raises
    ------
    DataError
        If a column is not there, or no query got a negative.
    ShapeError
        If an argument is out of range.

    Examples
    --------
    >>> from datasets import Dataset
    >>> import embedsmith as es
    >>> from embedsmith.integrations.sentence_transformers import mine_hard_negatives
    >>> pairs = Dataset.from_dict({"query": ["card fee", "loan"], "answer": ["5 euros", "4 %"]})
    >>> found = mine_hard_negatives(pairs, es.load_encoder("fake:8"), num_negatives=1)
    >>> found.column_names
    ['query', 'answer', 'negative']
    """
    del faiss_batch_size, use_faiss, use_multi_process
    if cache_folder is not None:
        _log.warning(
            "cache_folder is not used: pass embedsmith.load_encoder(...) as the model, whose cache "
            "is keyed by its fingerprint."
        )
    if as_triplets is not None:
        output_format = "triplet" if as_triplets else "n-tuple"
    if include_positives and output_format != "n-tuple":
        _log.warning("with include_positives the output_format is 'n-tuple', which keeps the order")
        output_format = "n-tuple"
    mined = mine(
        dataset,
        model,
        corpus=None if corpus is None else list(corpus),
        anchor_column_name=anchor_column_name,
        positive_column_name=positive_column_name,
        add_positives=True,
        num_negatives=num_negatives,
        range_min=range_min,
        range_max=range_max,
        max_score=max_score,
        min_score=min_score,
        absolute_margin=absolute_margin if margin is None else margin,
        relative_margin=relative_margin,
        sampling_strategy=sampling_strategy,
        seed=seed,
        include_positives=include_positives,
        cross_encoder=cross_encoder,
        pool=pool,
        prompts=Prompts(query_prompt_name, query_prompt, corpus_prompt_name, corpus_prompt),
        batch_size=batch_size,
    )
    if verbose:
        _log.info("%s", mined)
        for one in mined.short():
            _log.info("%s", one)
    return mined.to_dataset(output_format, output_scores=output_scores)
