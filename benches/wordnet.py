"""Real embeddings for the suites: WordNet's glosses by all-MiniLM-L6-v2, computed once and kept.

``python -m benches.wordnet`` embeds them with the project's own encoder and shows how far it is;
interrupted, it goes on where it stopped. ``make bench`` runs it first. The glosses come from the
folder of real data sets that the tests use too, and the vectors go to ``benches/.cache``, or
where EMBEDSMITH_BENCH_CACHE says.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import embedsmith as es
from embedsmith._files import atomic_writer

if TYPE_CHECKING:
    from embedsmith.backends import Embedded, Encoder

ROOT = Path(__file__).resolve().parent.parent
MODEL = "st:all-MiniLM-L6-v2"
N_DOCS = 117_659
N_QUERIES = 1_000
PARTS = ("documents", "queries")
COMMAND = "python -m benches.wordnet"
SHOW_EVERY_S = 10.0


def data_folder() -> Path:
    """Return where WordNet should lie: beside the checkout, or in EMBEDSMITH_TEST_DATA."""
    named = os.environ.get("EMBEDSMITH_TEST_DATA")
    return (Path(named) if named else ROOT.parent / "shared" / "data") / "wordnet"


def cache_folder() -> Path:
    """Return where the vectors are kept."""
    named = os.environ.get("EMBEDSMITH_BENCH_CACHE")
    folder = Path(named) if named else ROOT / "benches" / ".cache"
    return folder / "wordnet-all-MiniLM-L6-v2"


def absent() -> str | None:
    """Return why there are no vectors, or None if there are."""
    if (cache_folder() / "about.json").is_file():
        return None
    if not data_folder().is_dir():
        return f"no WordNet in {data_folder()}; EMBEDSMITH_TEST_DATA names another folder"
    return f"no vectors in {cache_folder()}; {COMMAND} makes them"


def path(part: str) -> Path:
    """Return the file of the ``documents`` or ``queries``: float32 rows of length 1."""
    return cache_folder() / f"{part}.npy"


def make() -> None:
    """Embed the glosses and a sample of the example sentences, unless that was done."""
    folder = cache_folder()
    data = es.load_dataset(data_folder(), split="test")
    texts = {"documents": data.corpus.texts, "queries": data.queries.texts}
    # A sample from all of WordNet: the sentences stand in the order of their synsets.
    step = len(texts["queries"]) // N_QUERIES
    texts["queries"] = texts["queries"][::step][:N_QUERIES]
    if len(texts["documents"]) != N_DOCS:
        msg = f"{data_folder()} has {len(texts['documents'])} glosses; WordNet 3.0 has {N_DOCS}."
        raise SystemExit(msg)
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / "unfinished"
    encoder = es.load_encoder(MODEL, cache=unfinished)
    about: dict[str, object] = {
        "model": MODEL,
        "fingerprint": encoder.fingerprint.digest,
        "data": data.name,
    }
    for part in PARTS:
        embedded = _encode(encoder, part, texts[part])
        with atomic_writer(path(part)) as file:
            np.save(file, embedded.vectors)
        about[f"n_{part}"] = len(embedded.vectors)
        about[f"n_{part}_cut"] = embedded.n_truncated
    encoder.close()
    # Last: this file says that the others are whole.
    with atomic_writer(folder / "about.json") as file:
        file.write((json.dumps(about, indent=1, sort_keys=True) + "\n").encode())
    shutil.rmtree(unfinished)


def _encode(encoder: Encoder, part: str, texts: tuple[str, ...]) -> Embedded:
    start = shown = time.monotonic()
    first: int | None = None

    def progress(done: int) -> None:
        nonlocal shown, first
        now = time.monotonic()
        first = done if first is None else first
        if now - shown < SHOW_EVERY_S and done < len(texts):
            return
        shown = now
        rate = (done - first) / (now - start)
        left = f", {(len(texts) - done) / rate / 60:.0f} min left" if rate else ""
        print(f"wordnet: {done:,} of {len(texts):,} {part} embedded{left}", file=sys.stderr)

    return encoder.encode(
        texts, role="query" if part == "queries" else "document", progress=progress
    )


def main() -> None:
    """Make the vectors, or say why there is nothing to do."""
    reason = absent()
    if reason is None:
        print(f"wordnet: the vectors are in {cache_folder()}", file=sys.stderr)
    elif data_folder().is_dir():
        make()
    else:
        print(f"wordnet: {reason}; its benchmarks will be skipped", file=sys.stderr)


if __name__ == "__main__":
    main()
