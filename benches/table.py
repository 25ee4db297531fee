"""Markdown tables from the newest records, so that no number is typed by hand.

``python -m benches.table`` prints them all, ``python -m benches.table speedups`` one of them, and
``--into README.md`` replaces what stands there between ``<!-- table: speedups CPU -->`` and the
next ``<!-- end -->``, where CPU is a folder of ``benches/record``.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benches import quality, records

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

RECORD_FOLDER = Path(__file__).parent / "record"
BLOCK = re.compile(r"(<!-- table: ([\w-]+) ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
NONE = "-"
ISA_NAMES = {
    "avx2": "AVX2",
    "avx512": "AVX-512",
    "avxvnni": "AVX-VNNI",
    "avx512vnni": "AVX-512 VNNI",
    "amx": "AMX",
}
# Peers: what to show, and the library whose version belongs to it.
PEERS = {
    "faiss": ("faiss {} `IndexFlatIP`", "faiss-cpu"),
    "faiss-skylakex": ("the same, OPENBLAS_CORETYPE=SkylakeX", None),
    "faiss-panorama": ("faiss {} `IndexFlatIPPanorama`", "faiss-cpu"),
    "faiss-panorama-pca": ("faiss {} PCA, `IndexFlatL2Panorama`", "faiss-cpu"),
    "torch": ("torch {}, matrix product and `topk`", "torch"),
    "sentence-transformers": (
        "sentence-transformers {} `semantic_search`",
        "sentence-transformers",
    ),
    "numpy": ("numpy {}, matrix product and `argpartition`", "numpy"),
    "memory-pass": ("one pass of memory: `torch.sum` of the vectors", None),
}
SHORT = {
    "faiss": "faiss",
    "faiss-skylakex": "faiss, SkylakeX",
    "faiss-panorama": "faiss panorama",
    "faiss-panorama-pca": "panorama, PCA",
    "torch": "torch",
    "sentence-transformers": "semantic_search",
    "numpy": "numpy",
}
# A corpus against itself, by case.
ITSELF: dict[str, dict[str, tuple[str, str | None]]] = {
    "pairs": {
        "embedsmith": ("**embedsmith `pairs_above`**", None),
        "faiss": ("faiss {} `range_search`", "faiss-cpu"),
        "sentence-transformers": (
            "sentence-transformers {} `paraphrase_mining_embeddings`",
            "sentence-transformers",
        ),
    },
    "neighbours": {
        "embedsmith": ("**embedsmith `topk_self`**", None),
        "embedsmith-topk": ("embedsmith `topk`, each row excluded for itself", None),
        "faiss": ("faiss {} `search`", "faiss-cpu"),
    },
}
OURS = ("embedsmith-index", "embedsmith", "embedsmith-avx2")
MEASURING = {
    "ranx": ("ranx {}", "ranx"),
    "ranx own types": ("ranx {}, its Qrels and Run made beforehand", "ranx"),
    "pytrec_eval": ("pytrec_eval {}", "pytrec-eval-terrier"),
    "ir_measures": ("ir_measures {}", "ir-measures"),
    "numpy": ("numpy {}, by hand", "numpy"),
    "scipy": ("scipy {}", "scipy"),
    "pandas": ("pandas {}, by hand", "pandas"),
    "trec_eval": ("trec_eval", None),
    "reading": ("reading the bytes", None),
    "sentence-transformers": ("sentence-transformers {}", "sentence-transformers"),
}
# Suite, case, and its title.
MEASURED = (
    ("measures", "arrays", "arrays, {queries:,} x {depth}"),
    ("measures", "dicts", "dicts, {queries:,} x {depth}"),
    ("run_files", "run_file", "TREC file, {queries:,} x {depth}"),
    ("statistics", "randomisation_test", "{permutations:,} permutations of {queries:,} queries"),
    ("statistics", "bca_interval", "BCa interval, {resamples:,} resamples of {queries:,}"),
    ("evaluators", "information_retrieval", "IR evaluator, {queries:,} x {docs:,} x {dim}"),
)


ENCODERS = {
    "sentence-transformers": ("sentence-transformers {}, float32", "sentence-transformers"),
    "sentence-transformers-bf16": (
        "sentence-transformers {}, autocast to bfloat16",
        "sentence-transformers",
    ),
    "sentence-transformers-onnx": (
        "sentence-transformers {}, its onnx backend",
        "sentence-transformers",
    ),
    "fastembed": ("fastembed {}", "fastembed"),
    "embedsmith": ("**embedsmith** `st:`, float32", None),
    "embedsmith-bf16": ("**embedsmith** `st:`, bfloat16", None),
    "embedsmith-onnx": ("**embedsmith** `onnx:`, float32", None),
    "embedsmith-onnx-int8": ("**embedsmith** `onnx:`, int8", None),
    "embedsmith-native": ("**embedsmith** `native:`, float32", None),
    "embedsmith-native-bf16": ("**embedsmith** `native:`, bfloat16", None),
    "embedsmith-native-int8": ("**embedsmith** `native:`, int8", None),
}


class Column(NamedTuple):
    """One case of the suite ``topk``: its heading, and what its entries say."""

    title: str
    case: str
    data: str
    queries: int
    docs: int
    dim: int = 384
    k: int = 10

    def entries(self, record: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Return the entries by engine; empty if the case was not measured."""
        shape = {"queries": self.queries, "docs": self.docs, "dim": self.dim}
        return records.select(record, self.case, shape, data=self.data, k=self.k)

    @property
    def full_title(self) -> str:
        """What was searched, without a neighbour to lean on."""
        data = "" if self.data == "clustered" else f"{self.data}, "
        return f"{data}{self.queries:,} x {self.docs:,} x {self.dim}, k = {self.k}"


GLOSSES = 117_659
BATCHES = (
    Column("1,000 x 100,000 x 384", "batch", "clustered", 1_000, 100_000),
    Column("the same, k = 100", "batch", "clustered", 1_000, 100_000, k=100),
    Column("1,000 x 1,000,000 x 384", "batch", "clustered", 1_000, 1_000_000),
    Column("10,000 x 100,000 x 768", "batch", "clustered", 10_000, 100_000, 768),
    Column("WordNet, 1,000 x 117,659 x 384", "batch", "wordnet", 1_000, GLOSSES),
    Column("the same, k = 100", "batch", "wordnet", 1_000, GLOSSES, k=100),
    Column("anisotropic, 1,000 x 100,000 x 384", "batch", "anisotropic", 1_000, 100_000),
)
FEW = (
    Column("1 x 1,000", "few_queries", "clustered", 1, 1_000),
    Column("1 x 100,000", "few_queries", "clustered", 1, 100_000),
    Column("1 x 1,000,000", "few_queries", "clustered", 1, 1_000_000),
    Column("8 x 1,000,000", "few_queries", "clustered", 8, 1_000_000),
    Column("32 x 1,000,000", "few_queries", "clustered", 32, 1_000_000),
    Column("WordNet, 1 x 117,659", "few_queries", "wordnet", 1, GLOSSES),
    Column("anisotropic, 1 x 1,000,000", "few_queries", "anisotropic", 1, 1_000_000),
)


class Records:
    """The newest records of one processor, read when a table asks for them."""

    def __init__(self, folder: Path = RECORD_FOLDER, cpu: str | None = None) -> None:
        self._folder = folder
        self._cpu = cpu or str(records.newest(folder, "topk")["cpu"])

    def __getitem__(self, suite: str) -> dict[str, Any]:
        return records.newest(self._folder, suite, self._cpu)


def batch(found: Records) -> str:
    """Return the times of batches: one row per engine."""
    return _times(found["topk"], BATCHES[:4], "queries x documents x width, k = 10")


def few(found: Records) -> str:
    """Return the times of one and a few queries."""
    return _times(found["topk"], FEW[:5], "queries x documents, width 384, k = 10")


def real(found: Records) -> str:
    """Return the times on real and on anisotropic vectors."""
    columns = (*BATCHES[4:], *FEW[5:])
    return _times(found["topk"], columns, "queries x documents, width 384, k = 10")


def speedups(found: Records) -> str:
    """Return how many times longer each peer takes than each of ours, one row per case and ours."""
    record = found["topk"]
    rows = []
    for column in (*BATCHES, *FEW):
        entries = column.entries(record)
        for ours in OURS:
            if ours in entries:
                ratios = [_ratio(entries.get(peer), entries[ours]) for peer in SHORT]
                rows.append([column.full_title, _label(ours, record), *ratios])
    return _caption(record) + _markdown(["", "", *SHORT.values()], rows)


def index(found: Records) -> str:
    """Return what building an index takes, beside one pass of memory, and opening one."""
    record = found["index"]
    rows = []
    build = records.select(record, "build", {"docs": 1_000_000, "dim": 384})
    for engine, entry in build.items():
        times = f"{entry['median_s'] / build['memory-pass']['median_s']:.1f}"
        row = [_label(engine, record), _time(entry), times, _memory(entry)]
        rows.append(row)
    opened = records.select(record, "open", {"docs": 100_000, "dim": 384})
    heading = ["building, 1,000,000 x 384", "time", "memory passes", "memory"]
    text = _caption(record) + _markdown(heading, rows)
    rows = [[_label(engine, record), _time(entry)] for engine, entry in opened.items()]
    return text + "\n" + _markdown(["opening a file, 100,000 x 384", "time"], rows)


def shapes(found: Records) -> str:
    """Return widths, long lists and half-precision corpora: one row per case."""
    record = found["shapes"]
    engines = ("embedsmith-index", "embedsmith", "faiss")
    cases: dict[str, dict[str, dict[str, Any]]] = {}
    for one in record["entries"]:
        size = " x ".join(f"{one['shape'][part]:,}" for part in ("queries", "docs", "dim"))
        kind = "" if one["dtype"] == "float32" else f", {one['dtype']}"
        cases.setdefault(f"{size}, k = {one['k']:,}{kind}", {})[one["engine"]] = one
    rows = [
        [
            title,
            *(f"{_time(entries.get(name))}, {_memory(entries.get(name))}" for name in engines),
        ]
        for title, entries in cases.items()
    ]
    heading = ["queries x documents x width", *(_label(name, record) for name in engines)]
    return _caption(record) + _markdown(heading, rows)


def itself(found: Records) -> str:
    """Return what a corpus against itself takes: one row per data, case and engine."""
    record = found["self_join"]
    rows = []
    for data in dict.fromkeys(one["data"] for one in record["entries"]):
        for case, names in ITSELF.items():
            entries = {
                one["engine"]: one
                for one in record["entries"]
                if (one["case"], one["data"]) == (case, data)
            }
            for engine in (engine for engine in names if engine in entries):
                one = entries[engine]
                what = f"{case}, {data}, {one['shape']['docs']:,} x {one['shape']['dim']}"
                times = _ratio(one, entries["embedsmith"])
                rows.append([what, _named(*names[engine], record), _time(one), times, _memory(one)])
    return _caption(record) + _markdown(["", "", "time", "times ours", "memory"], rows)


def measures(found: Records) -> str:
    """Return what measuring takes: one row per input and engine, ours first."""
    text, rows = "", []
    for suite, case, title in MEASURED:
        record = found[suite]
        text = text or _caption(record)
        groups: dict[str, dict[str, dict[str, Any]]] = {}
        for one in record["entries"]:
            if one["case"] == case:
                groups.setdefault(title.format(**one["shape"]), {})[one["engine"]] = one
        if not groups:
            msg = f"the record of {record['date']} has no {case!r}: run {suite} of make bench."
            raise ValueError(msg)
        for of_case, entries in groups.items():
            ours = entries["embedsmith"]
            for engine, one in sorted(
                entries.items(), key=lambda pair: (not pair[0].startswith("embedsmith"), pair[0])
            ):
                named = MEASURING.get(engine, (f"**{engine}**", None))
                rows.append(
                    [
                        of_case,
                        _named(*named, record),
                        _time(one),
                        _ratio(one, ours),
                        _time({"median_s": one["first_s"]}),
                        _memory(one),
                    ]
                )
    return text + _markdown(["", "", "time", "times ours", "first call", "memory"], rows)


def encoders(found: Records) -> str:
    """Return what embedding takes: one row per engine, for passages and for one query alone."""
    record = found["encoders"]
    cases: dict[str, dict[str, dict[str, Any]]] = {}
    for one in record["entries"]:
        cases.setdefault(one["case"], {})[one["engine"]] = one
    passages, queries = cases["passages"], cases["single_query"]
    larger = cases.get("passages_of_mpnet", {})
    rows = []
    for engine in (engine for engine in ENCODERS if engine in passages):
        one, alone = passages[engine], queries.get(engine)
        shape = one["shape"]
        rate = f"{shape['texts'] / _seconds(one):,.0f}"
        times = _digits(_seconds(passages["sentence-transformers"]) / _seconds(one), 2)
        query = NONE
        if alone is not None:
            query = _time({"median_s": _seconds(alone) / alone["shape"]["queries"]})
        mpnet = NONE
        if engine in larger:
            ratio = _seconds(larger["sentence-transformers"]) / _seconds(larger[engine])
            mpnet = f"{_digits(ratio, 2)}x"
        named = _named(*ENCODERS[engine], record)
        rows.append([named, rate, f"{times}x", mpnet, query, _memory(one)])
    heading = ["", "texts/s", "against the first", "the same, mpnet", "one query", "memory"]
    return _caption(record) + _markdown(heading, rows)


def precisions(found: Records) -> str:
    """Return what lower precision costs in quality: one row per set, model and engine."""
    record = found["precisions"]
    # Its times are not what it tells.
    return _caption(record).replace(", medians", "") + _markdown(*quality.grid(record))


TABLES: dict[str, Callable[[Records], str]] = {
    "batch": batch,
    "few": few,
    "real": real,
    "speedups": speedups,
    "index": index,
    "shapes": shapes,
    "itself": itself,
    "measures": measures,
    "encoders": encoders,
    "precisions": precisions,
}


def replaced(text: str, folder: Path = RECORD_FOLDER) -> str:
    """Return a document with its marked tables made from the newest records of their processors.

    Raises
    ------
    ValueError
        If a mark names no table.
    FileNotFoundError
        If its processor has no record.
    """

    def block(mark: re.Match[str]) -> str:
        return mark[1] + rendered(mark[2], Records(folder, mark[3])) + mark[4]

    return BLOCK.sub(block, text)


def rendered(name: str, found: Records) -> str:
    """Return one of the tables.

    Raises
    ------
    ValueError
        If there is none of this name, or nothing for it was measured.
    """
    if name not in TABLES:
        msg = f"no table is called {name!r}; there are {', '.join(TABLES)}."
        raise ValueError(msg)
    return TABLES[name](found)


def _times(record: Mapping[str, Any], columns: Sequence[Column], heading: str) -> str:
    by_column = [column.entries(record) for column in columns]
    measured = {engine for entries in by_column for engine in entries}
    if not measured:
        msg = f"the record of {record['date']} has none of these cases: run all of make bench."
        raise ValueError(msg)
    # Rows are ordered, and memory is told, by the largest of the columns that most engines are in.
    at, leading = max(
        zip(columns, by_column, strict=True),
        key=lambda pair: (len(pair[1]), pair[0].docs, -pair[0].k),
    )
    order = sorted(measured, key=lambda engine: (_seconds(leading.get(engine)), engine))
    rows = [
        [
            _label(engine, record),
            *(_time(entries.get(engine)) for entries in by_column),
            _memory(leading.get(engine)),
        ]
        for engine in order
    ]
    titles = [column.title for column in columns]
    return _caption(record) + _markdown([heading, *titles, f"memory, {at.title}"], rows)


def _caption(record: Mapping[str, Any]) -> str:
    machine = record["machine"]
    threads = {one["threads"] for one in record["entries"]}
    return (
        f"{machine['cpu']}, {machine['usable_cores']} cores, {'/'.join(map(str, sorted(threads)))} "
        f"threads, medians, {record['date']}, commit {machine['commit']}, "
        f"`benches/record/{record['cpu']}/{record['file']}`\n\n"
    )


def _label(engine: str, record: Mapping[str, Any]) -> str:
    if engine in PEERS:
        return _named(*PEERS[engine], record)
    if engine == "embedsmith-index":
        return "**embedsmith `Index`**"
    isa = engine.removeprefix("embedsmith").removeprefix("-")
    return (
        f"embedsmith `topk`, {ISA_NAMES.get(isa, isa)} at most" if isa else "**embedsmith `topk`**"
    )


def _named(words: str, library: str | None, record: Mapping[str, Any]) -> str:
    full = record["machine"]["libraries"].get(library, "") if library else ""
    return words.format(".".join(full.split(".")[:2]))


def _seconds(entry: Mapping[str, Any] | None) -> float:
    return float("inf") if entry is None else float(entry["median_s"])


def _time(entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return NONE
    seconds = _seconds(entry)
    if seconds >= 1:
        return f"{_digits(seconds)} s"
    return f"{_digits(seconds * 1e3)} ms" if seconds >= 1e-3 else f"{_digits(seconds * 1e6)} µs"


def _memory(entry: Mapping[str, Any] | None) -> str:
    return NONE if entry is None else f"{entry['call_peak_bytes'] / 1e6:,.0f} MB"


def _ratio(peer: Mapping[str, Any] | None, ours: Mapping[str, Any]) -> str:
    return NONE if peer is None else f"{_digits(_seconds(peer) / _seconds(ours), 2)}"


def _digits(value: float, digits: int = 3) -> str:
    """Write a positive number with so many significant digits, and all those before the point."""
    rounded = float(f"{value:.{digits - 1}e}")
    places = max(0, digits - 1 - math.floor(math.log10(rounded)))
    return f"{rounded if places else value:,.{places}f}"


def _markdown(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    """Print the tables, or put them into a document."""
    parser = argparse.ArgumentParser(prog="python -m benches.table", description=__doc__)
    parser.add_argument("tables", nargs="*", help=f"of {', '.join(TABLES)}; all if none")
    parser.add_argument("--cpu", help="a folder of benches/record; that of the newest record")
    parser.add_argument("--into", type=Path, metavar="FILE", help="replace the marked tables there")
    given = parser.parse_args()
    try:
        if given.into is None:
            found = Records(cpu=given.cpu)
            print("\n".join(rendered(name, found) for name in given.tables or TABLES), end="")
        else:
            text = replaced(given.into.read_text(encoding="utf-8"))
            given.into.write_text(text, encoding="utf-8")
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
