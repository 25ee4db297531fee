"""A module ``onnxruntime`` whose providers do what broken ones were seen to do."""

# ruff: noqa: ARG002

from __future__ import annotations

import os
import sys
import time

from embedsmith.diagnosis._tiny_graph import OUTPUTS, expected

__version__ = "1.99.0"


def get_available_providers():
    names = ["CUDA", "Tensorrt", "Hanging", "Fallen", "Wrong", "Loud", "Azure", "CPU"]
    return [f"{name}ExecutionProvider" for name in names]


def preload_dlls():
    sys.stderr.write("preloaded\n")


class SessionOptions:
    def __init__(self):
        self.entries = {}

    def add_session_config_entry(self, key, value):
        self.entries[key] = value


class InferenceSession:
    def __init__(self, model, options, providers, **settings):
        (self.name,) = providers
        if self.name == "AzureExecutionProvider":
            with open(os.environ["AZURE_WAS_ASKED"], "w", encoding="ascii") as file:  # noqa: PTH123
                file.write("yes")
        if self.name == "CUDAExecutionProvider":
            os.abort()
        if self.name == "HangingExecutionProvider":
            time.sleep(60)
        if self.name == "LoudExecutionProvider":
            sys.stdout.write("{}\nnoise\n" * 50_000)
        if self.name == "TensorrtExecutionProvider":
            sys.stderr.write(
                "Failed to load library providers_tensorrt.so with error: libnvinfer.so.10: cannot "
                "open shared object file: No such file or directory\n"
            )
            msg = "nodes on the CPU"
            raise RuntimeError(msg)

    def get_providers(self):
        return ["CPUExecutionProvider" if self.name.startswith("Fallen") else self.name]

    def run(self, names, inputs):
        off = 1.0 if self.name.startswith("Wrong") else 0.0
        return [expected()[name] + off for name in OUTPUTS]
