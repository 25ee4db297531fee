"""Which modules after the transformer can be written as a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedsmith.backends._st_config import pooling_modes
from embedsmith.exceptions import ModelError

if TYPE_CHECKING:
    from embedsmith.backends._model_folder import Module

__all__ = ["DENSE_OPERATORS", "check_modules"]

POOLINGS = ("mean", "cls", "max", "lasttoken", "mean_sqrt_len_tokens", "weightedmean")
# torch.nn.modules.activation.Tanh and torch.nn.Tanh are the same class.
DENSE_OPERATORS = {"Identity": "", "Tanh": "Tanh", "ReLU": "Relu", "Sigmoid": "Sigmoid"}
DENSE_OPERATORS["GELU"] = "Gelu"


def check_modules(modules: tuple[Module, ...]) -> None:
    """Refuse by name, before anything is read, what no graph is written of.

    Raises
    ------
    ModelError
        Naming the module and the backend that runs it.
    """
    kinds = [module.kind for module in modules]
    if kinds[0] != "Transformer":
        raise _refused(modules[0], "no transformer comes first")
    if kinds[1:2] != ["Pooling"]:
        raise _refused(modules[min(1, len(kinds) - 1)], "a Pooling has to follow the Transformer")
    for module in modules[1:]:
        if module.kind == "Pooling":
            _check_pooling(module)
        elif module.kind == "Dense":
            _check_dense(module)
        elif module.kind not in ("Normalize", "Dropout", "LayerNorm"):
            raise _refused(module, "this module is not known")
    if kinds.count("Pooling") != 1:
        raise _refused(modules[-1], "there are two Poolings")


def _check_pooling(module: Module) -> None:
    for mode in pooling_modes(module.config):
        if mode not in POOLINGS:
            raise _refused(module, f"the pooling {mode!r} is not known")
    if module.config.get("include_prompt", True) is False:
        raise _refused(module, "it leaves the prompt's tokens out (include_prompt)")


def _check_dense(module: Module) -> None:
    named = str(module.config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    config = module.config
    if named.rsplit(".", 1)[-1] not in DENSE_OPERATORS:
        raise _refused(module, f"its activation {named} is not known")
    names = {config.get("module_input_name"), config.get("module_output_name")}
    if not names <= {None, "sentence_embedding"}:
        raise _refused(module, "it works on token vectors (module_input_name)")
    if config.get("use_residual"):
        raise _refused(module, "it adds its input (use_residual)")


def _refused(module: Module, reason: str) -> ModelError:
    msg = (
        f"{module.folder}: the module {module.kind} cannot be exported: {reason}. "
        "Run the model with the torch backend: st:MODEL."
    )
    return ModelError(msg)
