"""A model folder as the extension takes it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from embedsmith import _core
from embedsmith.backends._sample_texts import sample_digest
from embedsmith.backends._st_config import pooling_modes
from embedsmith.backends._transformer_folder import TransformerFolder
from embedsmith.exceptions import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from embedsmith._typing import F32Array
    from embedsmith.backends._fingerprint import Fingerprint
    from embedsmith.backends._model_folder import Module

__all__ = ["FAMILIES", "NativeSource", "why_not_native"]

FAMILIES = ("bert", "roberta", "xlm-roberta", "camembert", "mpnet", "distilbert", "modernbert")
_DENSE_ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU", "SiLU")


@dataclass(frozen=True)
class NativeSource:
    """A checked model folder whose layers run natively."""

    path: Path
    source: TransformerFolder

    @classmethod
    def read(cls, path: Path, **changes: Any) -> NativeSource:
        """Check a folder.

        Parameters
        ----------
        path : Path
            A sentence-transformers folder.
        **changes
            As `read_space` takes them.

        Raises
        ------
        ModelError
            If something in it does not run natively; names it, and what runs it instead.
        """
        source = TransformerFolder.read(path, **changes)
        if source.config.family not in FAMILIES:
            msg = (
                f"{path} is of the family {source.config.family!r}; {', '.join(FAMILIES)} run "
                f"natively. Load it with st:{path} instead."
            )
            raise ModelError(msg)
        _core.check_native_config(_config(source))
        kinds = [module.kind for module in source.folder.modules[2:]]
        after = kinds.index("Normalize") if "Normalize" in kinds else len(kinds)
        left = [kind for kind in kinds[:after] if kind not in ("Dense", "Dropout")]
        left += [kind for kind in kinds[after + 1 :] if kind != "Dropout"]
        if left:
            msg = (
                f"{path}: the module {left[0]} at this place does not run natively (Pooling, then "
                f"any Dense, then Normalize do). Load it with st:{path} instead."
            )
            raise ModelError(msg)
        for module in source.folder.modules:
            if module.kind == "Dense" and _activation(module) not in _DENSE_ACTIVATIONS:
                msg = (
                    f"{module.folder}: the activation {_activation(module)} does not run natively; "
                    f"{', '.join(_DENSE_ACTIVATIONS)} do. Load it with st:{path} instead."
                )
                raise ModelError(msg)
        return cls(path, source)

    @cached_property
    def _declared(self) -> Fingerprint:
        """The identity that the folder declares; hashes the weights."""
        return self.source.declared.fingerprint(self.source.folder)

    def fingerprint(self, precision: str) -> Fingerprint:
        """Return the identity of the space at a precision.

        Not that of the folder under torch: a store never mixes the vectors of two implementations.
        """
        own = self._declared
        return type(own)(
            {
                **own.fields,
                "backend": "native",
                # The texts that int8 evens out its ranges by are part of what it is.
                "precision": [precision, *([sample_digest()] if precision == "int8" else [])],
                "max_tokens": self.source.space.max_tokens,
            }
        )

    def load(self, precision: str, ranges: F32Array | None = None) -> _core.NativeModel:
        """Read the weights, and pack them for this processor.

        Parameters
        ----------
        precision : {"f32", "bf16", "int8"}
            Format of the products.
        ranges : ndarray of shape (2 * layers, hidden), float32, optional
            Sizes of inputs, of the model in f32, by which int8 evens out its own.

        Raises
        ------
        ModelError
            If a file is damaged, or the weights do not fit the configuration or the tokenizer.
        """
        source, first = self.source, self.source.folder.modules[0]
        pooling, *rest = source.folder.modules[1:]
        return _core.NativeModel(
            config=_config(source),
            weights=list(first.weights),
            tokenizer=first.folder / "tokenizer.json",
            poolings=list(pooling_modes(pooling.config)),
            dense=[
                (
                    module.weights[0],
                    int(module.config["in_features"]),
                    int(module.config["out_features"]),
                    _activation(module),
                )
                for module in rest
                if module.kind == "Dense"
            ],
            normalize=source.space.normalize,
            columns=source.space.dim,
            # Exports name a limit always; the type is that of models that have none.
            max_tokens=source.space.max_tokens or source.config.places,
            truncation_side=source.space.truncation_side,
            precision=precision,
            ranges=ranges,
        )


def why_not_native(path: Path) -> str | None:
    """Return what keeps a model folder from running natively; None if nothing does.

    Reads its JSON files, not its weights.

    Parameters
    ----------
    path : Path
        A sentence-transformers folder.
    """
    try:
        NativeSource.read(path)
    except ModelError as error:
        # The last sentence says what to do about it, which is done.
        return str(error).rpartition(". ")[0] or str(error)
    return None


def _config(source: TransformerFolder) -> str:
    return (source.folder.modules[0].folder / "config.json").read_text(encoding="utf-8")


def _activation(module: Module) -> str:
    named = module.config.get("activation_function", "torch.nn.modules.activation.Tanh")
    return str(named).rsplit(".", 1)[-1]
