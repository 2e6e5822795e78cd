"""LiteRT, with its XNNPACK kernels; rows are copied into its own memory and results read there."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from tflite_file import dense_file

from peers import Predictors

CONVERT = Path(__file__).parents[1] / "convert_tflite.py"


def file_of(case: Any) -> bytes:
    """The case's network as .tflite, converted by TensorFlow for so many rows if it has other layers than Dense."""
    if case.network is not None:
        return dense_file(case.network)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "network.keras", Path(folder) / "network.tflite"
        case.model().save(source)
        subprocess.run(
            [sys.executable, CONVERT, source, target, str(case.rows)], check=True, capture_output=True
        )
        return target.read_bytes()


def caller(data: bytes, x: np.ndarray, threads: int) -> Callable[[], np.ndarray]:
    """A call with so many threads."""
    interpreter = Interpreter(model_content=data, num_threads=threads)
    into, out = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    interpreter.resize_tensor_input(into, x.shape)
    interpreter.allocate_tensors()
    inputs, outputs = interpreter.tensor(into), interpreter.tensor(out)

    def call() -> np.ndarray:
        inputs()[...] = x
        interpreter.invoke()
        return outputs().copy()

    return call


def predictor(case: Any, threads: int) -> Predictors:
    data, x = file_of(case), case.x()
    for count in {threads, 1}:
        yield f"num_threads={count}", caller(data, x, count)
