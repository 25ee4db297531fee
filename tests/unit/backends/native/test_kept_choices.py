import numpy as np
import pytest

from embedsmith import _core
from embedsmith.backends import load_encoder, resolve_model
from embedsmith.backends.native import KeptChoices
from embedsmith.backends.native import _precision as precision_module
from embedsmith.backends.native._choice import Choice
from embedsmith.exceptions import CacheError

RANGES = np.arange(12, dtype=np.float32).reshape(4, 3)
INT8 = Choice("int8", 0.9996, 0.9991, {"fp4": "nobody has it"})


def refuse(*_):
    raise AssertionError


def test_a_choice_comes_back_as_it_was(tmp_path):
    kept = KeptChoices(tmp_path / "native")
    assert kept.find("ab") is None
    kept.keep("ab", INT8, RANGES)
    kept.keep("cd", Choice("bf16", 0.99999, 0.9998), None)
    choice, ranges = kept.find("ab") or (None, None)
    assert choice == INT8
    assert ranges is not None
    assert ranges.dtype == np.float32
    assert np.array_equal(ranges, RANGES)
    assert kept.find("cd") == (Choice("bf16", 0.99999, 0.9998), None)
    assert kept.find("ef") is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda content: content[: len(content) // 2],
        lambda content: b"PK" + content[2:].replace(b"f4", b"O8"),
        lambda content: content.replace(b"p\x00\x00\x00r", b"q\x00\x00\x00r"),
        lambda _: b"no archive at all",
    ],
)
def test_a_damaged_file_counts_as_none(tmp_path, damage, caplog):
    kept = KeptChoices(tmp_path)
    kept.keep("ab", INT8, RANGES)
    file = tmp_path / "ab.npz"
    file.write_bytes(damage(file.read_bytes()))
    assert kept.find("ab") is None
    assert "is damaged" in caplog.text


@pytest.mark.parametrize(
    "ranges", [None, RANGES.astype("f8"), RANGES[0], np.full_like(RANGES, np.inf)]
)
def test_ranges_that_int8_cannot_use_count_as_damage(tmp_path, ranges):
    kept = KeptChoices(tmp_path)
    kept.keep("ab", INT8, ranges)
    assert kept.find("ab") is None


def test_a_place_that_is_no_file_is_an_error_that_says_so(tmp_path):
    (tmp_path / "ab.npz").mkdir()
    with pytest.raises(CacheError, match=r"cannot be read.*cache=False"):
        KeptChoices(tmp_path).find("ab")


@pytest.mark.model
@pytest.mark.skipif(not _core.has_fast_int8(), reason="needs AVX-512 VNNI or AMX")
def test_the_second_start_does_not_look_again_and_gives_the_same_bits(tmp_path, monkeypatch):
    spec = f"native:{resolve_model('all-MiniLM-L6-v2')}"
    texts = ["capital requirement", "who audits the auditor?"]
    first = load_encoder(spec, cache=tmp_path, precision="int8")
    vectors = first.encode(texts, role="query").vectors
    load_encoder(spec, cache=False, precision="auto").encode(texts, role="query")
    assert len(list((tmp_path / "native").iterdir())) == 1

    monkeypatch.setattr(precision_module, "_looked_for", refuse)
    other = tmp_path / "vectors elsewhere"
    other.mkdir()
    (tmp_path / "native").rename(other / "native")
    again = load_encoder(spec, cache=other, precision="int8")
    assert (again.encode(texts, role="query").vectors == vectors).all()
    # Another space and another question are not answered by it.
    for asked in (
        load_encoder(spec, cache=other, precision="int8", max_tokens=64),
        load_encoder(spec, cache=other, precision="auto"),
    ):
        with pytest.raises(AssertionError):
            asked.encode(texts, role="query")
