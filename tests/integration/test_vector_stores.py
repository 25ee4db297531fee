"""The lines that ``EmbeddingFolder`` documents, with the libraries they are for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import embedsmith as es

if TYPE_CHECKING:
    from pathlib import Path

IDS = tuple(f"clause-{n}" for n in range(500))
TEXTS = tuple(f"clause {n} of agreement {n % 9}" + " penalty" * (5 * (n == 77)) for n in range(500))
QUERY = "penalty"


@pytest.fixture(scope="module", params=["float32", "int8"])
def folder(request: Any, tmp_path_factory: pytest.TempPathFactory) -> es.EmbeddingFolder:
    path: Path = tmp_path_factory.mktemp("stores") / "out"
    es.embed_corpus(
        es.Corpus(IDS, TEXTS), "fake:64", path, dtype=request.param, shard_rows=200, cache=False
    )
    return es.EmbeddingFolder(path)


@pytest.fixture
def query() -> np.ndarray:
    return es.load_encoder("fake:64", cache=False).encode([QUERY], role="query").vectors


@pytest.fixture
def best(folder: es.EmbeddingFolder, query: np.ndarray) -> str:
    """Return the id that an exact search by inner product finds first, far before the next."""
    hits = es.topk(query, folder.path, k=2, metric="dot")
    assert hits.scores[0, 0] > hits.scores[0, 1]
    found: str = folder.ids_at(hits.rows)[0][0]
    return found


def test_faiss(folder: es.EmbeddingFolder, query: np.ndarray, best: str) -> None:
    faiss = pytest.importorskip("faiss", reason="needs faiss-cpu")
    index = faiss.IndexFlatIP(folder.dim)
    for batch in folder.batches():
        index.add(batch.vectors)
    assert index.ntotal == 500
    _, rows = index.search(query, 1)
    assert folder.ids_at(rows) == [[best]]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_lancedb(folder: es.EmbeddingFolder, query: np.ndarray, best: str, tmp_path: Path) -> None:
    lancedb = pytest.importorskip("lancedb", reason="lancedb, of 70 MB, is not installed")
    table = lancedb.connect(tmp_path / "db").create_table("docs", folder.arrow_reader())
    assert table.count_rows() == 500
    found = table.search(query[0], vector_column_name="vector").distance_type("dot").limit(1)
    assert found.to_list()[0]["id"] == best


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_qdrant(folder: es.EmbeddingFolder, query: np.ndarray, best: str) -> None:
    qdrant = pytest.importorskip("qdrant_client", reason="qdrant-client is not installed")
    client = qdrant.QdrantClient(":memory:")
    distance = qdrant.models.VectorParams(size=folder.dim, distance=qdrant.models.Distance.DOT)
    client.create_collection("docs", vectors_config=distance)
    client.upload_collection(
        "docs",
        folder.rows(),
        ids=range(len(folder)),
        payload=({"id": own} for own in folder.ids()),
    )
    assert client.count("docs").count == 500
    (found,) = client.query_points("docs", query=query[0].tolist(), limit=1).points
    assert found.payload == {"id": best}


def test_pgvector_gets_rows_as_its_copy_takes_them(folder: es.EmbeddingFolder) -> None:
    class Copy:
        """What psycopg's ``cursor.copy`` yields; no server runs here."""

        def __init__(self) -> None:
            self.rows: list[tuple[str, str]] = []

        def write_row(self, row: tuple[str, str]) -> None:
            self.rows.append(row)

    copy = Copy()
    for pair in zip(folder.ids(), folder.rows(), strict=True):
        copy.write_row((pair[0], str(pair[1].tolist())))
    assert [own for own, _ in copy.rows] == list(IDS)
    vector = np.array(copy.rows[7][1].strip("[]").split(","), dtype=np.float32)
    np.testing.assert_array_equal(vector, list(folder.rows())[7])
