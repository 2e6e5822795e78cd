"""ONNX Runtime: all optimizations, arrays bound before, with threads that wait actively between layers and without."""

from __future__ import annotations

from typing import Any

import onnxruntime
from onnx_graphs import onnx_of

from peers import Predictors


def session(data: bytes, threads: int, spinning: str) -> Any:
    """A session with so many threads."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", spinning)
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def predictor(case: Any, threads: int) -> Predictors:
    data, x = onnx_of(case.model(), case.rows), case.x()
    ways = {(threads, "1"), (threads, "0"), (1, "0")} if threads > 1 else {(1, "0")}
    for count, spinning in sorted(ways):
        own = session(data, count, spinning)
        how = f"{count} threads, spinning {spinning}"
        yield f"run, {how}", lambda own=own: own.run(None, {"x": x})[0]

        binding = own.io_binding()
        binding.bind_ortvalue_input("x", onnxruntime.OrtValue.ortvalue_from_numpy(x))
        result = onnxruntime.OrtValue.ortvalue_from_numpy(own.run(None, {"x": x})[0])
        binding.bind_ortvalue_output("y", result)

        def bound(own: Any = own, binding: Any = binding, result: Any = result) -> Any:
            own.run_with_iobinding(binding)
            return result.numpy()

        yield f"IO binding, {how}", bound
