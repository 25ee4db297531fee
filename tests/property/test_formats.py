"""Laws of the file formats: what is written reads back, and no bytes crash a reader."""

from __future__ import annotations

import contextlib
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedsmith.datasets import Qrels, Run, load_dataset
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from pathlib import Path

# One folder serves all examples: each overwrites the file.
LAWS = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def ids(*, blanks: bool) -> st.SearchStrategy[str]:
    """Ids that a format can hold: no control characters, blanks only where tabs part columns."""
    kept = st.characters(exclude_categories=("Cs", "Cc", "Z"), include_characters=" " * blanks)
    return st.text(kept, min_size=1, max_size=8)


def tables(
    values: st.SearchStrategy[object], *, blanks: bool = False
) -> st.SearchStrategy[dict[str, dict[str, object]]]:
    documents = st.dictionaries(ids(blanks=blanks), values, min_size=1, max_size=8)
    return st.dictionaries(ids(blanks=blanks), documents, min_size=1, max_size=5)


FINITE = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.sampled_from([0.0, -0.0, 0.1, 1.0]),
)
GRADES = st.integers(-(2**31), 2**31 - 1)


def bits(run: Run) -> dict[str, dict[str, bytes]]:
    return {q: {d: struct.pack("<d", s) for d, s in docs.items()} for q, docs in run.items()}


@LAWS
@given(results=tables(FINITE))
def test_a_run_reads_back_bit_for_bit_and_in_trec_order(tmp_path: Path, results: object) -> None:
    run = Run(results)  # type: ignore[arg-type]
    file = tmp_path / "a.run"
    run.write(file)
    back = Run.read(file)
    assert bits(back) == bits(run)
    for query, docs in run.items():
        order = sorted(docs, key=lambda doc: (docs[doc], doc.encode()), reverse=True)
        assert list(back[query]) == order
    lines = file.read_text(encoding="utf-8").split("\n")[:-1]
    place = iter(lines)
    for docs in run.values():
        assert [next(place).split(" ")[3] for _ in docs] == [str(i + 1) for i in range(len(docs))]


@LAWS
@given(judgements=tables(GRADES))
def test_trec_qrels_read_back(tmp_path: Path, judgements: object) -> None:
    qrels = Qrels(judgements)  # type: ignore[arg-type]
    qrels.write(tmp_path / "a.qrels")
    back = Qrels.read(tmp_path / "a.qrels")
    assert back == qrels
    assert [(q, list(d)) for q, d in back.items()] == [(q, list(d)) for q, d in qrels.items()]


@LAWS
@given(judgements=tables(GRADES, blanks=True))
def test_beir_qrels_read_back(tmp_path: Path, judgements: object) -> None:
    qrels = Qrels(judgements)  # type: ignore[arg-type]
    qrels.write(tmp_path / "a.tsv", format="beir")
    assert Qrels.read(tmp_path / "a.tsv") == qrels


PIECES = st.sampled_from(
    [
        b'{"_id": "', b'"text": "', b'"query": "', b'"positive": ["', b'"', b"\\ud83d", b"{", b"}",
        b"[", b"]", b",", b":", b" ", b"\t", b"\r\n", b"\n", b"q1 Q0 d1 1 0.5 t\n", b"q1 0 d1 1\n",
        b"query-id\tcorpus-id\tscore\n", b"\x1f\x8b\x08\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\x00",
    ]
)  # fmt: skip


@LAWS
@given(content=st.one_of(st.binary(max_size=300), st.lists(PIECES, max_size=30).map(b"".join)))
def test_hostile_bytes_are_read_or_refused_and_nothing_else(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "set"
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv", "pairs.jsonl"):
        (folder / name).write_bytes(content)
    for read in (
        lambda: Run.read(folder / "pairs.jsonl"),
        lambda: Qrels.read(folder / "pairs.jsonl"),
        lambda: load_dataset(folder / "pairs.jsonl"),
        lambda: load_dataset(folder),
    ):
        with contextlib.suppress(DataError):
            read()


@LAWS
@given(content=st.one_of(st.binary(max_size=300), st.lists(PIECES, max_size=30).map(b"".join)))
@pytest.mark.parametrize("part", ["corpus.jsonl", "queries.jsonl"])
def test_hostile_texts_beside_good_judgements_are_read_or_refused(
    tmp_path: Path, part: str, content: bytes
) -> None:
    (tmp_path / "qrels").mkdir(exist_ok=True)
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d1", "text": "x"}')
    (tmp_path / "queries.jsonl").write_text('{"_id": "q1", "text": "x"}')
    (tmp_path / "qrels" / "test.tsv").write_text("q1 0 d1 1")
    (tmp_path / part).write_bytes(content)
    with contextlib.suppress(DataError):
        load_dataset(tmp_path)
