"""Options of the models that a command runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from embedsmith.cli._options import device_name, folder_path

__all__ = [
    "MODEL_KINDS_HELP",
    "AllowDownload",
    "BatchSize",
    "CacheFolder",
    "Device",
    "DocumentPrompt",
    "MaxTokens",
    "NoCache",
    "Precision",
    "QueryPrompt",
    "TruncateDim",
    "TrustRemoteCode",
]

MODEL_KINDS_HELP = """\b
Models, and when to take which kind:
  NAME, FOLDER   a sentence-transformers model: native: where it can be, else st:; says which
  native:MODEL   on a CPU, by embedsmith itself: fast, no torch, the same bits in any batch
  st:MODEL       by torch: GPUs (--device cuda), any architecture, or to compare with torch
  onnx:FOLDER    what embedsmith export wrote: int8, or ONNX Runtime on GPUs
  openai:MODEL, cohere:MODEL   a service, or your own server with --base-url
NAME is an installed package (all-MiniLM-L6-v2 by the extra demo) or in the local hub cache.
"""

CacheFolder: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        parser=folder_path,
        help="Folder of cached embeddings. Default: the user's cache folder.",
        show_default=False,
    ),
]
NoCache: TypeAlias = Annotated[
    bool, typer.Option("--no-cache", help="Neither read nor keep embeddings.")
]
Device: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="cpu, cuda or cuda:N, where models run; never falls back. native: is for cpu.",
        callback=device_name,
    ),
]
BatchSize: TypeAlias = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Texts per forward pass. Default: what suits model and device.",
        show_default=False,
    ),
]
MaxTokens: TypeAlias = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Cut texts here. Default: the model's own limit.",
        show_default=False,
    ),
]
TruncateDim: TypeAlias = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Keep the first columns of each vector. Default: all.",
        show_default=False,
    ),
]
Precision: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="fp32|bf16|fp16|auto",
        help="What st: and native: models compute in: bf16 on CPUs with AVX-512 BF16 or AMX, and "
        "GPUs; fp16 on GPUs; auto, of native:, the faster one that is near enough. Default: fp32 "
        "of st:, auto of native:.",
        show_default=False,
    ),
]
QueryPrompt: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="Put before each query. Default: the model's own.",
        show_default=False,
    ),
]
DocumentPrompt: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="Put before each document. Default: the model's own.",
        show_default=False,
    ),
]
TrustRemoteCode: TypeAlias = Annotated[
    bool,
    typer.Option("--trust-remote-code", help="Let a model folder run its own Python code."),
]
AllowDownload: TypeAlias = Annotated[
    bool,
    typer.Option("--allow-download", help="Fetch a model that is not here from the model hub."),
]
