"""A small data set that each test may break in its own way."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

CORPUS = (
    '{"_id": "d1", "title": "Cards", "text": "Lost cards are blocked."}\n'
    '{"_id": "d2", "title": "", "text": "Fees are listed."}\n'
    '{"_id": "d3", "text": "Loans need an income."}\n'
)
QUERIES = (
    '{"_id": "q1", "text": "my card is gone"}\n'
    '{"_id": "q2", "text": "what does it cost"}\n'
    '{"_id": "q3", "text": "never judged"}\n'
)
TEST = "query-id\tcorpus-id\tscore\nq2\td2\t1\nq1\td1\t2\nq1\td3\t0\n"


class Folder:
    """A BEIR folder whose files can be replaced."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "qrels").mkdir(parents=True)
        self.put("corpus.jsonl", CORPUS)
        self.put("queries.jsonl", QUERIES)
        self.put("qrels/test.tsv", TEST)

    def put(self, name: str, content: str | bytes) -> Path:
        """Write a file; a name that ends with .gz compresses."""
        data = content.encode() if isinstance(content, str) else content
        file = self.path / name
        file.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return file

    def drop(self, name: str) -> None:
        (self.path / name).unlink()


@pytest.fixture
def beir(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "bank")
