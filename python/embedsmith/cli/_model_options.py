"""Options of the models that a command runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from embedsmith.cli._options import device_name, folder_path

__all__ = ["MODEL_KINDS_HELP", "ModelOptions"]

MODEL_KINDS_HELP = """\b
Models, and when to take which kind:
  NAME, FOLDER   a sentence-transformers model: native: where it can be, else st:; says which
  native:MODEL   on a CPU, by embedsmith itself: fast, no torch, the same bits in any batch
  st:MODEL       by torch: GPUs (--device cuda), any architecture, or to compare with torch
  onnx:FOLDER    what embedsmith export wrote: int8, or ONNX Runtime on GPUs
  openai:MODEL, cohere:MODEL   a service, or your own server with --base-url
NAME is an installed package (all-MiniLM-L6-v2 by the extra demo) or in the local hub cache.
"""


@dataclass(frozen=True)
class ModelOptions:
    """Where models are kept and run, and how; each field is an option of its name."""

    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            parser=folder_path,
            help="Folder of cached embeddings. Default: the user's cache folder.",
            show_default=False,
        ),
    ] = None
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Neither read nor keep embeddings.")
    ] = False
    device: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="cpu, cuda or cuda:N, where models run; never falls back. native: is for cpu.",
            callback=device_name,
        ),
    ] = "cpu"
    batch_size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Texts per forward pass. Default: what suits model and device.",
            show_default=False,
        ),
    ] = None
    max_tokens: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Cut texts here. Default: the model's own limit.",
            show_default=False,
        ),
    ] = None
    truncate_dim: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Keep the first columns of each vector. Default: all.",
            show_default=False,
        ),
    ] = None
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="fp32|bf16|fp16|auto",
            help="What st: and native: models compute in: bf16 on CPUs with AVX-512 BF16 or AMX, "
            "and GPUs; fp16 on GPUs; auto, of native:, the faster one that is near enough. "
            "Default: fp32 of st:, auto of native:.",
            show_default=False,
        ),
    ] = None
    query_prompt: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Put before each query. Default: the model's own.",
            show_default=False,
        ),
    ] = None
    document_prompt: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Put before each document. Default: the model's own.",
            show_default=False,
        ),
    ] = None
    trust_remote_code: Annotated[
        bool,
        typer.Option("--trust-remote-code", help="Let a model folder run its own Python code."),
    ] = False
    allow_download: Annotated[
        bool,
        typer.Option("--allow-download", help="Fetch a model that is not here from the model hub."),
    ] = False

    def __post_init__(self) -> None:
        if self.cache is not None and self.no_cache:
            msg = "--cache and --no-cache exclude each other; give one of them."
            raise typer.BadParameter(msg)
