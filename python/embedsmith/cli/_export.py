"""``embedsmith export``: a model as ONNX, accepted only if it is as good as the original."""

from __future__ import annotations

import enum
import json
import sys
from pathlib import Path  # noqa: TC003 - typer reads the types of a command
from typing import Annotated

import typer

from embedsmith.backends import export_model
from embedsmith.backends.export import read_texts
from embedsmith.cli._exit import EXIT_CODES_HELP, guarded, to_stdout
from embedsmith.cli._options import not_empty
from embedsmith.datasets import load_dataset

__all__ = ["EXPORT_EPILOG", "export_command"]

EXPORT_EPILOG = (
    """\b
Example:
  embedsmith export all-MiniLM-L6-v2 --to minilm-int8 --precision int8
  embedsmith export ./our-model --to our-model-gpu --precision fp16 --target cuda \\
      --calibration letters.txt --data ./our-questions

The graph is written straight from the weights; no code of the model runs. Then the export and the
original embed the same texts (a sample in many languages and lengths, or --calibration) and search
the same labelled set (--data). The folder appears only if the cosines, the nDCG@10 and Recall@10
(two one-sided tests, within a point), and the independence of a text from its batch are within the
tolerance; all numbers go into its embedsmith_export.json. Where the labelled set is too small to
tell, that is said, and the cosines decide.

\b
Which precision:
  fp32   the same vectors to the sixth digit; the fastest on most CPUs
  int8   a quarter of the size at about the speed of fp32; for CPU and CUDA
  fp16   for CUDA: half the size, attention fused
  bf16   for CUDA: where fp16 overflows; products in bfloat16, all else in fp32

\b
Loosen the tolerance by name, as often as needed:
  --tolerance cosine_min=0.99 --tolerance retrieval=0.02
  names: cosine_min, cosine_p1, cosine_mean, batch, retrieval

\b
"""
    + EXIT_CODES_HELP
)


class _Precision(str, enum.Enum):
    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"
    int8 = "int8"


class _Target(str, enum.Enum):
    cpu = "cpu"
    cuda = "cuda"


def _named_numbers(pairs: list[str] | None) -> dict[str, float]:
    """Return NAME=VALUE pairs as a mapping, if they are some."""
    found = {}
    for pair in pairs or ():
        name, mark, value = pair.partition("=")
        try:
            found[name.strip().replace("-", "_")] = float(value)
        except ValueError:
            mark = ""
        if not (name and mark):
            msg = f"{pair!r} is no tolerance; write NAME=VALUE, such as cosine_min=0.99."
            raise typer.BadParameter(msg, param_hint="--tolerance")
    return found


def export_command(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A sentence-transformers folder, or the name of a model on this machine.",
            callback=not_empty,
        ),
    ],
    *,
    to: Annotated[
        str,
        typer.Option("--to", metavar="DIR", help="The folder to write.", callback=not_empty),
    ],
    precision: Annotated[
        _Precision, typer.Option(help="Of the weights and products.", case_sensitive=False)
    ] = _Precision.fp32,
    target: Annotated[
        _Target,
        typer.Option(
            help="What it shall run on: plain operators for cpu, fused ones for cuda.",
            case_sensitive=False,
        ),
    ] = _Target.cpu,
    calibration: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Texts to compare on: one a line, or .jsonl with a field 'text'. Default: a "
            "sample that comes with embedsmith.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str,
        typer.Option(
            metavar="DIR",
            help="Labelled set to compare retrieval on, as eval takes it; 'none' leaves it out.",
        ),
    ] = "sample:bank",
    tolerance: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Loosen (or tighten) what is asked of the export; again for more.",
            show_default=False,
        ),
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Cut texts here. Default: the model's.", show_default=False
        ),
    ] = None,
    truncate_dim: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Keep the first columns only.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an export in DIR.")] = False,
    allow_download: Annotated[
        bool, typer.Option("--allow-download", help="Fetch the model if it is not here.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest as JSON.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; so does EMBEDSMITH_DEBUG=1.")
    ] = False,
) -> None:
    """Write a model as ONNX, and accept it only if it is as good as the original."""
    loosened = _named_numbers(tolerance)
    with guarded(debug=debug, kept="Nothing was written."):
        result = export_model(
            model,
            to,
            precision=precision.value,
            target=target.value,
            texts=None if calibration is None else read_texts(calibration),
            data=None if data == "none" else load_dataset(data),
            tolerance=loosened,
            max_tokens=max_tokens,
            truncate_dim=truncate_dim,
            force=force,
            allow_download=allow_download,
            progress=_tell_nothing if quiet else _tell,
        )
        with to_stdout():
            if as_json:
                typer.echo(json.dumps(result.to_dict(), indent=2, ensure_ascii=False))
            else:
                typer.echo(str(result))


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _tell_nothing(line: str) -> None:
    """Take a step's line and say nothing."""
