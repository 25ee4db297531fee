"""Hard negatives that follow the model while it is trained."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith._deps import require
from embedsmith._phrases import counted
from embedsmith._validate import as_count
from embedsmith.exceptions import DataError, ShapeError
from embedsmith.integrations.sentence_transformers._negative_table import NegativeTable
from embedsmith.mining import mine_hard_negatives

if TYPE_CHECKING:
    from embedsmith.mining import MinedNegatives, ShortQuery

__all__ = ["HardNegativeRefresh", "Refresh"]

_log = logging.getLogger(__name__)
_THEIRS: Any = require("transformers", extra="train", feature="HardNegativeRefresh")


@dataclass(frozen=True)
class Refresh:
    """What one round of mining changed.

    Attributes
    ----------
    step : int
        Optimizer steps that the weights had behind them; 0: before training.
    changed : float
        Share of the examples that have other negatives than before, from 0 to 1.
    n_short : int
        Examples that got too few negatives and kept their former ones.
    negative_mean : float
        Mean score of the new negatives.
    seconds : float
        Embedding included.
    """

    step: int
    changed: float
    n_short: int
    negative_mean: float
    seconds: float


class HardNegativeRefresh(_THEIRS.TrainerCallback):  # type: ignore[misc]
    """A training set whose negatives are mined anew every few steps, with the current weights.

    Give :attr:`dataset` to the trainer as ``train_dataset`` and this object as one of its
    ``callbacks``. The data that it was made of stay as they are.

    Parameters
    ----------
    data : Dataset, path, columns, or pairs
        As :func:`embedsmith.mine_hard_negatives` takes them; texts are needed.
    encoder : SentenceTransformer, Encoder or str
        What the first negatives are mined with; mostly the model that will be trained.
    corpus : optional
        As :func:`embedsmith.mine_hard_negatives` takes it.
    every_steps : int
        Optimizer steps from one round to the next. A round embeds all queries and all of the
        corpus, so it is worth thousands of steps for a large one.
    batch_size : int, default 32
        Texts per forward pass.
    seed : int, default 0
        Of strategies that draw; each round draws with ``seed`` plus its step.
    **mining : object
        Further arguments of :func:`embedsmith.mine_hard_negatives`.

    Attributes
    ----------
    dataset : datasets.Dataset
        One example for each query and positive, as ``"n-tuple"`` has them: anchor, positive,
        ``negative_1`` and so on, looked up whenever an example is asked for.
    rounds : list of Refresh
        What each round changed, the first one before training.
    left_out : list of ShortQuery
        Queries that have no examples: the first round found too few negatives for them.

    Raises
    ------
    DataError
        If the data holds no texts, or no query has all its negatives.
    MissingDependencyError
        If datasets is not installed.

    Notes
    -----
    The number of examples stays, since the trainer's schedule rests on it: an example that a later
    round leaves short keeps its former negatives, and is counted. New negatives reach the trainer
    in the middle of an epoch too, also in worker processes of a data loader, which read them from
    a shared file. Batches that were fetched in advance still have the former ones: one without
    workers, ``prefetch_factor`` for each worker.

    A run that is resumed mines first, with the weights that it goes on from. Several processes
    that train one model mine each for itself, and alike. Models whose weights are
    sharded (FSDP, DeepSpeed stage 3) cannot embed in between, and are not supported.

    References
    ----------
    Xiong et al., "Approximate nearest neighbor negative contrastive learning for dense text
    retrieval", ICLR 2021 (ANCE). There the negatives come from an older state of the model, on
    another machine; here training waits for them.

    Examples
    --------
    >>> from embedsmith.integrations.sentence_transformers import HardNegativeRefresh
    >>> pairs = [("card fee", "A card costs 5 euros."), ("loan rate", "Loans: 4 %.")]
    >>> refresh = HardNegativeRefresh(
    ...     pairs, "fake:64", every_steps=100, num_negatives=1, relative_margin=None
    ... )
    >>> refresh.dataset[0]
    {'anchor': 'card fee', 'positive': 'A card costs 5 euros.', 'negative_1': 'Loans: 4 %.'}

    Then ``SentenceTransformerTrainer(model, train_dataset=refresh.dataset, callbacks=[refresh],
    ...)``.
    """

    def __init__(
        self,
        data: Any,
        encoder: Any,
        *,
        corpus: Any = None,
        every_steps: int,
        batch_size: int = 32,
        seed: int = 0,
        **mining: Any,
    ) -> None:
        self._every = as_count("every_steps", every_steps)
        self._seed = as_count("seed", seed, least=0)
        self._batch_size = as_count("batch_size", batch_size)
        for name in ("query_embeddings", "corpus_embeddings", "checkpoint"):
            if mining.get(name) is not None:
                msg = f"{name} is of one state of the model; leave it out, all is embedded anew."
                raise ShapeError(msg)
        start = time.perf_counter()
        mined = mine_hard_negatives(
            data, encoder, corpus=corpus, batch_size=self._batch_size, seed=self._seed, **mining
        )
        self._data = mined.data
        if mined.data.query_texts is None or mined.data.doc_texts is None:
            msg = "the data holds rows, and a model in training embeds texts. Pass texts."
            raise DataError(msg)
        # What says how data are read has done its work; the metric has to stay.
        for name in ("anchor_column_name", "positive_column_name", "split", "add_positives"):
            mining.pop(name, None)
        self._mining = {**mining, "metric": mined.report["metric"]}
        self.left_out: list[ShortQuery] = list(mined.short())
        units, rows = _per_example(mined)
        full = (rows >= 0).all(axis=1)
        if not full.any():
            msg = (
                f"no query has all of its {rows.shape[1]} negatives; {self.left_out[0]}. Ask for "
                "fewer, or loosen what took most."
            )
            raise DataError(msg)
        self._kept = np.flatnonzero(full)
        self._table = NegativeTable(rows[full], mined.data.doc_texts)
        self.rounds = [_round(0, 1.0, mined, units[full], start=start)]
        self.dataset = _dataset(mined, self._kept, self._table)
        if self.left_out:
            _log.warning(
                "%s left out, with fewer than %d negatives, such as %s",
                counted(len(self.left_out), "query"),
                rows.shape[1],
                self.left_out[0],
            )

    def on_train_begin(
        self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any
    ) -> None:
        """Mine for a run that is resumed."""
        del args, control, kwargs
        if state.global_step > 0:
            self.refresh(model, step=state.global_step)

    def on_step_end(
        self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any
    ) -> None:
        """Mine whenever it is due and steps are left."""
        del args, control, kwargs
        if state.global_step % self._every == 0 and state.global_step < state.max_steps:
            self.refresh(model, step=state.global_step)

    def refresh(self, model: Any, *, step: int) -> Refresh:
        """Mine with these weights now, and let :attr:`dataset` have the negatives.

        Parameters
        ----------
        model : SentenceTransformer or Encoder
            What embeds; it is left in the mode, training or not, that it was in.
        step : int
            Optimizer steps that it has behind it.

        Returns
        -------
        Refresh

        Raises
        ------
        NonFiniteError
            If the model embeds texts as NaN: it has diverged.
        DataError
            If no query got a negative.
        """
        start = time.perf_counter()
        training = bool(getattr(model, "training", False))
        try:
            mined = mine_hard_negatives(
                self._data,
                model,
                batch_size=self._batch_size,
                seed=self._seed + step,
                **self._mining,
            )
        finally:
            if training:
                # Embedding puts a model into the mode for use.
                model.train()
        units, rows = _per_example(mined)
        units, rows = units[self._kept], rows[self._kept]
        short = (rows < 0).any(axis=1)
        before = self._table.rows()
        rows[short] = before[short]
        self._table.replace(rows)
        changed = float((np.sort(rows, axis=1) != np.sort(before, axis=1)).any(axis=1).mean())
        done = _round(step, changed, mined, units, start=start)
        self.rounds.append(done)
        _log.info("negatives after step %d: %s", step, done)
        return done


def _per_example(mined: MinedNegatives) -> tuple[np.ndarray, np.ndarray]:
    """Return the unit and the negatives of each query and positive."""
    counts = mined.data.positives.counts
    units = np.arange(len(mined.rows))
    if len(units) == len(counts) and (mined.unit_positives < 0).all():
        units = np.repeat(units, counts)
    return units, mined.rows[units]


def _round(
    step: int, changed: float, mined: MinedNegatives, units: np.ndarray, *, start: float
) -> Refresh:
    rows, scores = mined.rows[units], mined.scores[units]
    return Refresh(
        step=step,
        changed=changed,
        n_short=int((rows < 0).any(axis=1).sum()) if step else 0,
        negative_mean=float(scores[rows >= 0].mean()),
        seconds=time.perf_counter() - start,
    )


def _dataset(mined: MinedNegatives, kept: np.ndarray, table: NegativeTable) -> Any:
    library: Any = require("datasets", extra="train", feature="HardNegativeRefresh")
    data = mined.data
    owners = np.repeat(np.arange(len(data)), data.positives.counts)[kept].tolist()
    positives = data.positives.rows[kept].tolist()
    anchor, positive = data.columns
    asked, texts = data.query_texts or (), data.doc_texts or ()
    made = library.Dataset.from_dict(
        {
            anchor: [asked[owner] for owner in owners],
            positive: [texts[row] for row in positives],
            table.column: list(range(len(kept))),
        }
    )
    return made.with_transform(table)
