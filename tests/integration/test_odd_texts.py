"""Hostile and odd texts, through every kind of encoder: embedded, or refused with their position.

Each kind reads the same table. What a model makes of a script it never saw is its own affair; that
the text comes through whole, in its place, and the same at every call is ours.
"""

from __future__ import annotations

import contextlib
import unicodedata
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import embedsmith as es
from benches.paraphrase import onnx_folder
from embedsmith.exceptions import DataError
from tests.loopback import loopback

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from embedsmith.backends import Encoder

# Names of letters that begin with one of these tell their script by the second word.
_TWO_WORDS = frozenset({"INSCRIPTIONAL", "LINEAR", "NEW", "OLD", "TAI"})
_LETTERS_A_LINE = 40
SMALL = "st:all-MiniLM-L6-v2"
NATIVE = "native:all-MiniLM-L6-v2"


def lines_of_scripts() -> dict[str, str]:
    """Return a line of letters for each script that Python's Unicode knows.

    Letters name their script first: ``GREEK SMALL LETTER ALPHA``. Letterlike symbols make a few
    more lines than there are scripts.
    """
    lines: dict[str, list[str]] = {}
    for number in range(0x110000):
        letter = chr(number)
        if unicodedata.category(letter)[0] != "L":
            continue
        # Ideographs of later blocks have names too; what has none is no letter that one types.
        words = unicodedata.name(letter, "").split(" ")
        script = " ".join(words[: 2 if words[0] in _TWO_WORDS else 1])
        letters = lines.setdefault(script, [])
        if len(letters) < _LETTERS_A_LINE:
            letters.append(letter)
    lines.pop("", None)
    # Words of seven letters, as text has them: one long word is one unknown word to a tokenizer.
    return {
        script: " ".join("".join(letters[at : at + 7]) for at in range(0, len(letters), 7))
        for script, letters in lines.items()
    }


SCRIPTS = lines_of_scripts()

# Texts that any encoder has to take.
ODD = {
    "empty": "",
    "a blank": " ",
    "line breaks only": "\r\n\r\n",
    "no-break and other spaces": "a\u00a0b\u2003c\u3000d\u1680e",
    "NUL": "\0",
    "NUL inside": "interest\0rate",
    "control characters": "".join(map(chr, range(0x20))) + "\x7f\x85\x9f",
    "terminal escapes": "\x1b[31mred\x1b[0m \x1b]0;title\x07",
    "right to left": "الفائدة السنوية 5% على القرض",
    "right and left mixed": "rate ריבית 5% الفائدة IBAN DE89",
    "order overridden": "pay \u202e1001\u202c to \u2066account\u2069",
    "combining marks": "Zinsen" + "\u0301\u0323\u0308" * 40,
    "marks without a letter": "\u0301\u0302\u0303",
    "decomposed": unicodedata.normalize("NFD", "Überweisungsgebühr für Ångström"),
    "family emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 family",
    "flags and skin tones": "\U0001f1e9\U0001f1ea \U0001f44d\U0001f3fd \u2764\ufe0f",
    "emoji only": "\U0001f600" * 300,
    "zero width": "a\u200bb\u200cc\u200dd\u2060e\ufeff",
    "zero width only": "\u200b" * 100,
    "byte order mark": "\ufefftext",
    "private use": "\ue000\uf8ff\U000f0000",
    "noncharacters": "\uffff\ufffe\U0010ffff",
    "replacement characters": "\ufffd" * 10,
    "tags": "\U000e0041\U000e0042",
    "mathematical letters": "\U0001d400\U0001d41a \ufb01 \u2460",
    "special tokens": "[CLS] [SEP] [PAD] [MASK] <s> </s> <unk> <|endoftext|>",
    "one long word": "x" * 20_000,
    "one long number": "1234567890" * 2_000,
    "no spaces in Chinese": "人工智能与银行监管" * 500,
    "Thai without spaces": "อัตราดอกเบี้ยเงินฝาก" * 200,
    "punctuation": "!?.,;:" * 500,
    "markup": "<script>alert('x')</script>" * 50,
    "SQL": "'; DROP TABLE vectors; --",
    "format": "%s %d {0} {name} ${HOME} $(id)",
    "path": "../../etc/passwd\\\\server\\share",
}

# What no encoder can take, and what its error has to say besides the position.
REFUSED: dict[str, tuple[Any, str]] = {
    "high surrogate": ("rate \ud83d cut", "lone surrogate U+D83D at character 5"),
    "low surrogate": ("\ude00", "lone surrogate U+DE00 at character 0"),
    "surrogates in the wrong order": ("a\ude00\ud83d", "lone surrogate U+DE00 at character 1"),
    "bytes": (b"text", "is bytes"),
    "missing": (None, "is NoneType"),
    "not a number": (float("nan"), "is float"),
    "a list": (["text"], "is list"),
}

TEN_MEGABYTES = ("the notice period for savings accounts is three months " * 200_000)[:10_000_000]
# The same length in words that a tokenizer gives up on: it takes a third of the time.
LONG_WORDS = (("x" * 119 + " ") * 100_000)[:10_000_000]


KINDS = (
    "fake",
    "openai",
    "cohere",
    pytest.param("st", marks=pytest.mark.model),
    pytest.param("onnx", marks=pytest.mark.model),
    pytest.param("native", marks=pytest.mark.model),
)


@contextlib.contextmanager
def _opened(kind: str, folder: Path) -> Iterator[Encoder]:
    if kind in {"openai", "cohere"}:
        pytest.importorskip(kind, reason="the extra 'api' is not installed")
        with loopback() as server:
            url = server.url if kind == "openai" else server.url.removesuffix("/v1")
            encoder = es.load_encoder(f"{kind}:m", base_url=url, cache=False)
            yield encoder
            encoder.close()
    else:
        spec = {"fake": "fake:16", "st": SMALL, "native": NATIVE}.get(kind)
        if spec is None:
            pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")
            spec = f"onnx:{onnx_folder(folder / 'paraphrase')}"
        encoder = es.load_encoder(spec, cache=False)
        yield encoder
        encoder.close()


@pytest.fixture(scope="module", params=KINDS)
def encoder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Encoder]:
    """Open one encoder of each kind; services are the test suite's own, on this machine."""
    folder = tmp_path_factory.mktemp("model")
    with pytest.MonkeyPatch.context() as patch, _opened(request.param, folder) as opened:
        patch.delenv("EMBEDSMITH_OFFLINE", raising=False)
        yield opened


def test_there_is_a_line_for_every_script() -> None:
    # Unicode 13, which Python 3.10 knows, has 154 scripts.
    assert len(SCRIPTS) >= 150
    assert {"ARABIC", "DEVANAGARI", "HANGUL", "OLD PERSIAN", "CJK", "TAI LE"} <= SCRIPTS.keys()


def test_odd_texts_and_all_scripts_are_embedded_in_their_places(encoder: Encoder) -> None:
    texts = [*ODD.values(), *SCRIPTS.values()]
    done = encoder.encode(texts, role="document")
    assert done.vectors.shape == (len(texts), encoder.dim)
    assert np.isfinite(done.vectors).all()
    assert done.vectors.any(axis=1).all()
    limit = encoder.max_tokens
    np.testing.assert_array_equal(
        done.truncated, done.n_tokens > limit if limit else np.zeros(len(texts), dtype=bool)
    )
    if not encoder.spec.startswith(("st:", "onnx:", "native:")):
        # Also a service's texts arrive as they are: its vectors are those of the fake encoder.
        fake = es.load_encoder("fake:16", cache=False).encode(texts, role="document")
        np.testing.assert_array_equal(done.vectors, fake.vectors)
    # Alone, each is what it was among the others: nothing leaks from row to row, nothing moved.
    for at in range(0, len(texts), 32):
        alone = encoder.encode([texts[at]], role="document")
        np.testing.assert_allclose(alone.vectors[0], done.vectors[at], atol=2e-6)
        assert alone.n_tokens[0] == done.n_tokens[at]


def test_a_text_of_ten_megabytes_is_embedded_beside_short_ones(encoder: Encoder) -> None:
    text = LONG_WORDS if encoder.spec == SMALL else TEN_MEGABYTES
    done = encoder.encode(["a", text, ""], role="document")
    assert np.isfinite(done.vectors).all()
    # Counted in full, so that whoever asks learns how little of it the model saw.
    assert done.n_tokens[1] >= len(text.split())
    assert done.truncated.tolist() == [False, encoder.max_tokens is not None, False]
    first = encoder.encode(["a"], role="document")
    np.testing.assert_allclose(first.vectors[0], done.vectors[0], atol=2e-6)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("place", [0, 2])
def test_what_cannot_be_embedded_is_refused_with_its_position(
    encoder: Encoder, name: str, place: int
) -> None:
    text, said = REFUSED[name]
    texts = ["fine", "also fine", "the third"]
    texts[place] = text
    with pytest.raises(DataError) as error:
        encoder.encode(texts, role="query")
    assert f"texts[{place}] " in str(error.value)
    assert said in str(error.value)
    # The message itself can be printed anywhere.
    str(error.value).encode("ascii")


@pytest.mark.parametrize("texts", ["one text", b"one text"])
def test_one_text_in_place_of_a_list_is_refused(encoder: Encoder, texts: Any) -> None:
    with pytest.raises(DataError, match=r"Pass \[text\]"):
        encoder.encode(texts, role="query")


def test_strings_of_numpy_are_strings(encoder: Encoder) -> None:
    array = np.array(["a rate", "", "\u0627"])
    done = encoder.encode(array, role="query")  # type: ignore[arg-type]
    plain = encoder.encode([str(text) for text in array], role="query")
    np.testing.assert_array_equal(done.vectors, plain.vectors)


def test_no_texts_are_no_vectors(encoder: Encoder) -> None:
    done = encoder.encode([], role="query")
    assert done.vectors.shape == (0, encoder.dim)
    assert done.n_tokens.shape == done.truncated.shape == (0,)


def test_odd_texts_come_back_from_a_cache_as_they_went_in(tmp_path: Path) -> None:
    texts = [*ODD.values(), *SCRIPTS.values()]
    with_cache = es.load_encoder("fake:16", cache=tmp_path)
    first = with_cache.encode(texts, role="document")
    with_cache.close()
    again = es.load_encoder("fake:16", cache=tmp_path)
    second = again.encode(texts, role="document")
    assert (first.n_cached, second.n_cached) == (0, len(texts))
    np.testing.assert_array_equal(first.vectors, second.vectors)
    np.testing.assert_array_equal(first.n_tokens, second.n_tokens)
    again.close()


@pytest.mark.parametrize("side", ["query_prompt", "document_prompt"])
@pytest.mark.parametrize("spec", ["fake:8", "openai:m", SMALL])
def test_a_prompt_that_cannot_be_encoded_is_refused_when_it_is_given(spec: str, side: str) -> None:
    with pytest.raises(DataError, match=rf"{side} holds a lone surrogate U\+D800 at character 2"):
        es.load_encoder(spec, cache=False, **{side: "a \ud800"})  # type: ignore[arg-type]
