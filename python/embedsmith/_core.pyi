# Types of the native extension; mypy.stubtest compares them with the built module.

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

__version__: str

# Search

PLANE_FACTS: int

def topk(
    queries: NDArray[np.float32],
    corpus: NDArray[np.float32] | NDArray[np.uint16],
    k: int,
    metric: str,
    exclude: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
    allowed: NDArray[np.bool_] | None = None,
    norms: NDArray[np.float64] | None = None,
    threads: int | None = None,
    at_least: NDArray[np.float64] | None = None,
    half: str | None = None,
    plane: tuple[
        NDArray[np.int8], NDArray[np.float32], NDArray[np.int32], NDArray[np.float32], bool
    ]
    | None = None,
    progress: Callable[[int, int], object] | None = None,
    precision: str | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float64], dict[str, Any]]: ...
def topk_below(
    queries: NDArray[np.float32],
    corpus: NDArray[np.float32] | NDArray[np.uint16],
    k: int,
    metric: str,
    at_most: NDArray[np.float64],
    exclude: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
    at_least: NDArray[np.float64] | None = None,
    threads: int | None = None,
    half: str | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]: ...
def pair_scores(
    queries: NDArray[np.float32],
    corpus: NDArray[np.float32] | NDArray[np.uint16],
    metric: str,
    pairs: tuple[NDArray[np.int64], NDArray[np.int64]],
    threads: int | None = None,
    half: str | None = None,
) -> NDArray[np.float64]: ...
def pairs_above(
    corpus: NDArray[np.float32] | NDArray[np.uint16],
    threshold: float,
    max_pairs: int,
    metric: str,
    norms: NDArray[np.float64] | None = None,
    plane: tuple[
        NDArray[np.int8], NDArray[np.float32], NDArray[np.int32], NDArray[np.float32], bool
    ]
    | None = None,
    threads: int | None = None,
    half: str | None = None,
    progress: Callable[[int, int], object] | None = None,
    precision: str | None = None,
    argument: str = "corpus",
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], NDArray[np.float64]]: ...
def topk_self(
    corpus: NDArray[np.float32] | NDArray[np.uint16],
    k: int,
    metric: str,
    norms: NDArray[np.float64] | None = None,
    plane: tuple[
        NDArray[np.int8], NDArray[np.float32], NDArray[np.int32], NDArray[np.float32], bool
    ]
    | None = None,
    threads: int | None = None,
    half: str | None = None,
    progress: Callable[[int, int], object] | None = None,
    precision: str | None = None,
    argument: str = "corpus",
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float64], dict[str, Any]]: ...
def row_norms(
    corpus: NDArray[np.float32] | NDArray[np.uint16],
    threads: int | None = None,
    half: str | None = None,
    argument: str = "corpus",
) -> NDArray[np.float64]: ...
def code_stride(dim: int) -> int: ...
def fit_transform(
    corpus: NDArray[np.float32] | NDArray[np.uint16], metric: str, half: str | None = None
) -> tuple[NDArray[np.float32], bool]: ...
def build_plane(
    corpus: NDArray[np.float32] | NDArray[np.uint16],
    metric: str,
    centre: NDArray[np.float32],
    rotated: bool,
    codes: NDArray[np.int8],
    facts: NDArray[np.float32],
    sums: NDArray[np.int32],
    norms: NDArray[np.float64],
    threads: int | None = None,
    half: str | None = None,
    progress: Callable[[int, int], object] | None = None,
    argument: str = "corpus",
) -> None: ...
def isa() -> str: ...
def available_isas() -> list[str]: ...
def peak_rates() -> dict[str, float]: ...
def thread_count(threads: int | None = None) -> int: ...

# Formats: (query ids, document ids, offsets, rows, numbers), see ``datasets._grouped``

@final
class DocumentStream:
    def __new__(cls, path: Path, fields: tuple[str, str, str] | None = None) -> DocumentStream: ...
    def next(self, most: int, text_bytes: int) -> tuple[list[int], list[str], list[str]]: ...

@final
class QrelsLists:
    @property
    def query_ids(self) -> tuple[str, ...]: ...
    @property
    def n_pairs(self) -> int: ...
    def columns(
        self,
    ) -> tuple[
        tuple[str, ...], tuple[str, ...], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]
    ]: ...

@final
class RunLists:
    @property
    def query_ids(self) -> tuple[str, ...]: ...
    @property
    def n_pairs(self) -> int: ...
    @property
    def tag(self) -> tuple[str | None, bool]: ...
    def columns(
        self,
    ) -> tuple[
        tuple[str, ...], tuple[str, ...], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]
    ]: ...

def read_qrels(path: Path, threads: int | None = None) -> QrelsLists: ...
def read_run(path: Path, threads: int | None = None) -> RunLists: ...
def read_corpus(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]: ...
def read_queries(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]: ...
def read_pairs(
    path: Path,
) -> tuple[tuple[str, ...], tuple[str, ...], NDArray[np.int64], NDArray[np.int64]]: ...
def write_run(
    path: Path,
    tag: str,
    query_ids: tuple[str, ...],
    doc_ids: tuple[str, ...],
    offsets: NDArray[np.int64],
    rows: NDArray[np.int64],
    scores: NDArray[np.float64],
) -> None: ...
def write_qrels(
    path: Path,
    beir: bool,
    query_ids: tuple[str, ...],
    doc_ids: tuple[str, ...],
    offsets: NDArray[np.int64],
    rows: NDArray[np.int64],
    grades: NDArray[np.int64],
) -> None: ...
def check_file(
    path: Path, holds: str | None, most: int
) -> tuple[str, str, str | None, int, int, list[tuple[int, int, str, str, str, str]]]: ...
def write_run_table(
    path: Path,
    table_format: str,
    query_ids: tuple[str, ...],
    doc_ids: tuple[str, ...],
    offsets: NDArray[np.int64],
    rows: NDArray[np.int64],
    scores: NDArray[np.float64],
) -> None: ...
def write_qrels_table(
    path: Path,
    table_format: str,
    query_ids: tuple[str, ...],
    doc_ids: tuple[str, ...],
    offsets: NDArray[np.int64],
    rows: NDArray[np.int64],
    grades: NDArray[np.int64],
) -> None: ...

# Encoders

def has_fast_bf16() -> bool: ...
def has_fast_int8() -> bool: ...
def check_native_config(config: str) -> None: ...

@final
class NativeModel:
    def __new__(
        cls,
        *,
        config: str,
        weights: Sequence[Path],
        tokenizer: Path,
        poolings: Sequence[str],
        dense: Sequence[tuple[Path, int, int, str]],
        normalize: bool,
        columns: int,
        max_tokens: int,
        truncation_side: str,
        precision: str,
        ranges: NDArray[np.float32] | None = None,
    ) -> NativeModel: ...
    def tokenize(
        self, texts: Sequence[str], threads: int | None = None
    ) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int64]]: ...
    def encode(
        self,
        ids: NDArray[np.uint32],
        offsets: NDArray[np.int64],
        threads: int | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> NDArray[np.float32]: ...
    def survey(
        self,
        ids: NDArray[np.uint32],
        offsets: NDArray[np.int64],
        threads: int | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]: ...
    @property
    def dim(self) -> int: ...
    @property
    def precision(self) -> str: ...
    @property
    def isa(self) -> str: ...
    @property
    def weight_bytes(self) -> int: ...
    @property
    def operations_per_token(self) -> int: ...

# Metrics and stats: a measure is (kind, cutoff, lowest relevant grade, whether only judged
# documents count, gain, custom gains, the kind's number); measured are (values, whether each query
# is without relevant documents, relevant documents retrieved, those of them that tie)

_Spec: TypeAlias = tuple[str, int | None, float, bool, str, list[tuple[float, float]], float | None]

@final
class JudgedArrays:
    def __new__(
        cls,
        query_ids: list[Any],
        qrels: dict[Any, Any],
        list_of: dict[Any, int],
        row_of: dict[Any, int] | None,
        *,
        irrelevant_too: bool,
    ) -> JudgedArrays: ...
    @classmethod
    def from_arrays(
        cls,
        offsets: NDArray[np.int64],
        rows: NDArray[np.int64],
        grades: NDArray[np.float64],
        *,
        irrelevant_too: bool,
    ) -> JudgedArrays: ...

def needs_irrelevant(measure_specs: Sequence[_Spec]) -> bool: ...
def measure_dicts(
    query_ids: list[Any],
    qrels: dict[Any, Any],
    run: dict[Any, Any],
    measure_specs: Sequence[_Spec],
    *,
    ties_rule: str,
    f32_scores: bool,
    ignore_self: bool,
    threads: int | None,
) -> tuple[NDArray[np.float64], NDArray[np.bool_], int, int]: ...
def measure_lists(
    query_ids: list[str],
    qrels: QrelsLists,
    run: RunLists,
    measure_specs: Sequence[_Spec],
    *,
    ties_rule: str,
    f32_scores: bool,
    ignore_self: bool,
    threads: int | None,
) -> tuple[NDArray[np.float64], NDArray[np.bool_], int, int]: ...
def measure_arrays(
    judged: JudgedArrays,
    query_ids: list[Any],
    scores: NDArray[np.float32] | NDArray[np.float64],
    rows: NDArray[np.int64],
    doc_ids: list[Any] | None,
    n_docs: int,
    measure_specs: Sequence[_Spec],
    *,
    own_rows: NDArray[np.int64] | None,
    ties_rule: str,
    threads: int | None,
) -> tuple[NDArray[np.float64], NDArray[np.bool_], int, int]: ...
def mean(values: NDArray[np.float64]) -> float: ...
def bootstrap_intervals(
    values: NDArray[np.float64],
    *,
    confidence: float,
    n_resamples: int,
    seed: int,
    threads: int | None,
    percentile: bool = False,
) -> list[tuple[float, float, str]]: ...
def randomisation_test(
    differences: NDArray[np.float64], *, n_permutations: int, seed: int, threads: int | None
) -> tuple[float, bool]: ...
def t_test(differences: NDArray[np.float64]) -> tuple[float, float, bool]: ...
def wilcoxon_test(
    differences: NDArray[np.float64], *, pratt: bool
) -> tuple[float, float, float, bool]: ...
def sign_test(wins: int, losses: int) -> float: ...
def tukey_randomised(
    columns: NDArray[np.float64],
    *,
    blocked: bool,
    n_permutations: int,
    seed: int,
    threads: int | None,
) -> list[float]: ...
def tukey_of_variance(columns: NDArray[np.float64], *, blocked: bool) -> list[float] | None: ...
def holm(p: Sequence[float]) -> list[float]: ...
def bonferroni(p: Sequence[float]) -> list[float]: ...
def benjamini_hochberg(p: Sequence[float]) -> list[float]: ...
def effect_size(
    differences: NDArray[np.float64], *, confidence: float
) -> tuple[float, float, float, float] | None: ...
def equivalence_p(differences: NDArray[np.float64], *, margin: float) -> float: ...
def wilson_interval(successes: int, n: int, *, confidence: float) -> tuple[float, float]: ...
def deviation(differences: NDArray[np.float64]) -> float: ...
def t_interval(differences: NDArray[np.float64], *, confidence: float) -> tuple[float, float]: ...
def detectable_difference(deviation: float, n: int, *, alpha: float, power: float) -> float: ...
def queries_for(deviation: float, difference: float, *, alpha: float, power: float) -> float: ...
def tilted_weights(
    differences: NDArray[np.float64], target: float
) -> NDArray[np.float64] | None: ...
def detection_shares(
    differences: NDArray[np.float64],
    weights: NDArray[np.float64],
    *,
    direction: float,
    alpha: float,
    most_queries: int,
    n_simulations: int,
    seed: int,
    threads: int | None,
) -> NDArray[np.float64]: ...
def confidence_sequence(
    values: NDArray[np.float64],
    *,
    confidence: float,
    start: int,
    tightest_at: float,
    bounds: tuple[float, float] | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]: ...
def constant_interval(value: float, n: int, *, confidence: float) -> tuple[float, float]: ...
def required_queries(
    mean: float,
    n: int,
    low: float,
    high: float,
    *,
    constant: bool,
    confidence: float,
    below: float,
    above: float,
) -> int | None: ...

# Texts

def near_duplicates(
    texts: Sequence[str],
    threshold: float,
    size: int,
    words: bool,
    recall: float,
    seed: int,
    max_pairs: int | None = None,
    border: int | None = None,
    threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]: ...
def minhash_bands(threshold: float, recall: float) -> tuple[int, int]: ...
