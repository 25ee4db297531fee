"""Folders of sentence-transformers whose parts contradict each other: refused before any text."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from embedsmith.backends.sentence_transformers import SentenceTransformerEncoder
from embedsmith.exceptions import ModelError
from tests.unit.backends.export.conftest import make_export_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_export_model(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def spoiled(whole: Path, tmp_path: Path) -> Callable[[str, Callable[[Any], Any]], Path]:
    """Return a function that copies the folder and changes one of its JSON files."""

    def spoil(name: str, change: Callable[[Any], Any]) -> Path:
        folder = shutil.copytree(whole, tmp_path / "model")
        content = json.loads((folder / name).read_text())
        change(content)
        (folder / name).write_text(json.dumps(content))
        return folder

    return spoil


def test_the_folder_runs_as_it_is(whole: Path) -> None:
    SentenceTransformerEncoder(whole).load()


def more_words(tokenizer: Any) -> None:
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["unheard"] = max(vocabulary.values()) + 1


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        (
            "config.json",
            lambda config: config.update(intermediate_size="x"),
            "cannot be loaded: .*intermediate_size",
        ),
        ("config.json", lambda config: config.update(num_attention_heads=7), "cannot be loaded"),
        (
            "2_Normalize/config.json",
            lambda config: config.update(module_input_name=["sentence_embedding"]),
            "does not run: TypeError",
        ),
        ("modules.json", lambda modules: modules.pop(0), "begins with Pooling, which reads no"),
        ("tokenizer.json", more_words, "ids up to 400, its table of words only 400 rows"),
        (
            "sentence_bert_config.json",
            lambda config: config.update(modality_config={"text": {"method": "forward"}}),
            "does not run|cannot be loaded",
        ),
    ],
)
def test_what_does_not_fit_is_refused_when_it_is_loaded(
    spoiled: Callable[[str, Callable[[Any], Any]], Path],
    name: str,
    change: Callable[[Any], Any],
    said: str,
) -> None:
    folder = spoiled(name, change)
    with pytest.raises(ModelError, match=said):
        SentenceTransformerEncoder(folder).load()
