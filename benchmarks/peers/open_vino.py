"""OpenVINO in float32: one request with all threads, and for many rows a request for each thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino
from onnx_graphs import onnx_of

from peers import Predictors

SETTINGS = {"INFERENCE_PRECISION_HINT": "f32"}


def one_request(core: Any, case: Any, threads: int) -> Callable[[], Any]:
    """The fastest answer to one request."""
    own = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": threads}
    compiled = core.compile_model(
        core.read_model(onnx_of(case.model(), case.rows), b""), "CPU", SETTINGS | own
    )
    request, output, x = compiled.create_infer_request(), compiled.output(0), case.x()
    return lambda: request.infer([x], share_inputs=True, share_outputs=True)[output]


def streams(core: Any, case: Any, count: int) -> Callable[[], Any]:
    """The most rows in a time: as many requests at once as threads, each with its part of the rows."""
    own = {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": count, "INFERENCE_NUM_THREADS": count}
    model = core.read_model(onnx_of(case.model(), case.rows // count), b"")
    compiled, x = core.compile_model(model, "CPU", SETTINGS | own), case.x()
    y = np.empty((case.rows, *list(compiled.output(0).shape)[1:]), np.float32)
    requests = []
    for xs, ys in zip(np.split(x, count), np.split(y, count), strict=True):
        request = compiled.create_infer_request()
        request.set_input_tensor(openvino.Tensor(xs, shared_memory=True))
        request.set_output_tensor(openvino.Tensor(ys, shared_memory=True))
        requests.append((request, xs))  # the tensors do not keep the arrays

    def call() -> Any:
        for request, _ in requests:
            request.start_async()
        for request, _ in requests:
            request.wait()
        return y

    return call


def predictor(case: Any, threads: int) -> Predictors:
    core = openvino.Core()
    yield "LATENCY", one_request(core, case, threads)
    if threads > 1 and case.rows >= 32 and case.rows % threads == 0:
        yield f"THROUGHPUT, {threads} streams", streams(core, case, threads)
