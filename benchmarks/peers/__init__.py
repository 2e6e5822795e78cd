"""The sides that are timed. Each is a module with ``predictor`` or ``trainer``, and runs in a process of its own.

``predictor(case, threads)`` gives one or more ways to set the program up, each a text and a function without arguments
that predicts the rows of the case. ``trainer(case, threads)`` gives a text and a function ``run(epochs)`` that trains
and returns the last epoch's loss. Where there is more than one way, all are tried and the fastest is timed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

Predictors = Iterator[tuple[str, Callable[[], Any]]]
Trainers = Iterator[tuple[str, Callable[[int], float]]]


@dataclass(frozen=True)
class Peer:
    """How a side is run.

    Attributes:
        module: its full name.
        package: what is installed for it.
        environment: variables of its process.
        one_row: whether it is only there for single rows.
        close: how far its losses may be from foldnet's, as a part of them.
    """

    module: str
    package: str
    environment: dict[str, str] = field(default_factory=dict)
    one_row: bool = False
    close: float = 1e-4


OURS = "foldnet"
BOUND = "foldnet bound"
_JAX, _TF = {"KERAS_BACKEND": "jax"}, {"KERAS_BACKEND": "tensorflow"}

PREDICTING = {
    OURS: Peer("peers.ours", "foldnet"),
    BOUND: Peer("peers.ours_bound", "foldnet"),
    "LiteRT": Peer("peers.litert", "ai-edge-litert"),
    "ONNX Runtime": Peer("peers.onnx_runtime", "onnxruntime"),
    "OpenVINO": Peer("peers.open_vino", "openvino"),
    "Keras-JAX": Peer("peers.keras_jax", "keras jax", _JAX),
    "Keras-JAX predict": Peer("peers.keras_predict", "keras jax", _JAX, one_row=True),
    "Keras-TF": Peer("peers.keras_tensorflow", "tensorflow-cpu", _TF),
    "JAX jit": Peer("peers.jax_jit", "jax"),
    "NumPy": Peer("peers.numpy_by_hand", "numpy"),
}
TRAINING = {
    OURS: Peer("peers.ours", "foldnet"),
    "Keras-JAX": Peer("peers.keras_fit", "keras jax", _JAX),
    "JAX scan": Peer("peers.jax_scan", "jax"),
    "Keras-TF": Peer("peers.keras_fit", "tensorflow-cpu", _TF),
    # Otherwise the processes that compile are still there while it is timed. Its epsilon is added to a root of another
    # scale than Keras's, and scikit-learn's Adam sees the sum over outputs of which Keras takes the mean.
    "PyTorch": Peer("peers.pytorch", "torch", {"TORCHINDUCTOR_COMPILE_THREADS": "1"}, close=3e-3),
    "scikit-learn": Peer("peers.scikit_learn", "scikit-learn", close=3e-3),
}
DEEP_TRAINING = {
    **{name: TRAINING[name] for name in (OURS, "Keras-JAX", "Keras-TF")},
    "PyTorch": replace(TRAINING["PyTorch"], module="peers.pytorch_deep"),
}


def environment(peer: Peer, threads: int) -> dict[str, str]:
    """The variables of a peer's process: so many threads, for every library that reads a variable."""
    count = str(threads)
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "FOLDNET_THREADS", "NPROC")
    found = os.environ | dict.fromkeys((*names, "TF_NUM_INTRAOP_THREADS"), count)
    found |= {"TF_NUM_INTEROP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu"}
    if threads == 1:
        found["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    return found | peer.environment
