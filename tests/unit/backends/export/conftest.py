"""Small models of every family with random weights: numerical parity, no meaning.

The weights are larger than a fresh model's, so that an attention that is scaled wrongly, a bias
that is left out or a place that is off by one moves a vector far beyond rounding.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from embedsmith.backends._sample_texts import sample_texts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 200,
}
POSITIONS_FROM_2 = {**SIZES, "max_position_embeddings": 202, "pad_token_id": 1}
CONFIGS: dict[str, dict[str, Any]] = {
    "bert": {**SIZES, "pad_token_id": 0},
    "roberta": {**POSITIONS_FROM_2, "type_vocab_size": 1, "layer_norm_eps": 1e-5},
    "xlm-roberta": {**POSITIONS_FROM_2, "type_vocab_size": 1, "hidden_act": "gelu_new"},
    "camembert": {**POSITIONS_FROM_2, "type_vocab_size": 1},
    "mpnet": POSITIONS_FROM_2,
    "distilbert": {
        "dim": 32,
        "n_layers": 3,
        "n_heads": 4,
        "hidden_dim": 48,
        "max_position_embeddings": 200,
        "pad_token_id": 0,
    },
    "modernbert": {
        **SIZES,
        # Shorter than most texts, so that near and far differ.
        "local_attention": 16,
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "cls_token_id": 2,
        "sep_token_id": 3,
    },
}
SPECIAL = ["<pad0>", "<pad>", "<s>", "</s>", "<unk>", "<mask>"]
MAX_TOKENS = 120


def make_export_model(
    folder: Path,
    family: str = "bert",
    *,
    pooling: str | list[str] = "mean",
    after: list[Any] | None = None,
    settings: dict[str, Any] | None = None,
    dtype: str | None = None,
    **config: Any,
) -> Path:
    """Save a sentence-transformers model of a family with seeded random weights."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import (
        Normalize,
        Pooling,
        Transformer,
    )
    from transformers import AutoConfig, AutoModel

    tokenizer = _tokenizer(pad=1 if CONFIGS[family]["pad_token_id"] == 1 else 0)
    plain = folder / "plain"
    own = AutoConfig.for_model(family, vocab_size=len(tokenizer), **{**CONFIGS[family], **config})
    torch.manual_seed(7)
    model = AutoModel.from_config(own)
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            spread = 0.4 if weight.ndim > 1 else 0.2
            base = 1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0
            weight.copy_(base + spread * torch.randn(weight.shape) / max(1, weight.ndim - 0.5))
    if dtype is not None:
        model = model.to(getattr(torch, dtype))
    model.save_pretrained(plain)
    tokenizer.save_pretrained(plain)
    transformer = Transformer(str(plain), max_seq_length=MAX_TOKENS)
    width = own.hidden_size
    modules = [transformer, Pooling(width, pooling_mode=pooling), *(after or [Normalize()])]
    whole = SentenceTransformer(modules=modules, device="cpu")
    target = folder / "model"
    whole.save(str(target), create_model_card=False)
    if settings:
        file = target / "config_sentence_transformers.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))
    return target


def _tokenizer(*, pad: int) -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    own = Tokenizer(models.BPE(unk_token=SPECIAL[4]))
    own.normalizer = normalizers.Lowercase()
    own.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=SPECIAL, show_progress=False, min_frequency=2
    )
    own.train_from_iterator(sample_texts()[:20], trainer)
    own.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 3)]
    )
    named = {
        "pad_token": SPECIAL[pad],
        "bos_token": "<s>",
        "cls_token": "<s>",
        "eos_token": "</s>",
        "sep_token": "</s>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
    }
    return PreTrainedTokenizerFast(tokenizer_object=own, model_max_length=MAX_TOKENS, **named)


@pytest.fixture(scope="session")
def families(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function from a family to its model folder; do not write into it."""
    made: dict[str, Path] = {}

    def find(family: str) -> Path:
        if family not in made:
            made[family] = make_export_model(tmp_path_factory.mktemp(family), family)
        return made[family]

    return find
