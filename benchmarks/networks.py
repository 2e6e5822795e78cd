"""The networks that are timed, as plain arrays, so that every peer gets the same numbers."""

from __future__ import annotations

import os
from itertools import pairwise

import numpy as np

TABLE = (11, 10, 8, 6, 1)
WIDE = (784, 512, 512, 10)
EPSILON = 1e-3


def weights(sizes, seed=7):
    """For each Dense layer: kernel, bias, and for all but the last gamma, beta, moving mean, moving variance."""
    rng = np.random.default_rng(seed)
    layers = []
    for k, (i, o) in enumerate(pairwise(sizes)):
        arrays = [rng.normal(size=(i, o)) / np.sqrt(i), rng.normal(size=o) * 0.3]
        if k < len(sizes) - 2:
            arrays += [
                rng.uniform(0.5, 1.5, o),
                rng.normal(size=o),
                rng.normal(size=o),
                rng.uniform(0.3, 2, o),
            ]
        layers.append([a.astype(np.float32) for a in arrays])
    return layers


def keras_model(keras, sizes, last):
    """Dense(relu), Dropout, BatchNormalization, ...: the same code for Keras and for foldnet."""
    layers = keras.layers
    made = []
    for k, units in enumerate(sizes[1:]):
        final = k == len(sizes) - 2
        shape = {"input_shape": (sizes[0],)} if k == 0 else {}
        made.append(layers.Dense(units, activation=last if final else "relu", **shape))
        if not final:
            made += [layers.Dropout(0.3), layers.BatchNormalization(epsilon=EPSILON)]
    model = keras.Sequential(made)
    dense = [layer for layer in model.layers if type(layer).__name__ == "Dense"]
    norms = [layer for layer in model.layers if type(layer).__name__ == "BatchNormalization"]
    for layer, arrays in zip(dense, weights(sizes), strict=True):
        layer.set_weights(arrays[:2])
    for layer, arrays in zip(norms, weights(sizes), strict=False):
        layer.set_weights(arrays[2:])
    return model


def onnx_bytes(sizes, last):
    """The same network in ONNX: Gemm, Relu, BatchNormalization; Dropout is nothing at prediction time."""
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants, value = [], [], "x"

    def constant(name, array):
        constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    for k, arrays in enumerate(weights(sizes)):
        final = k == len(sizes) - 2
        operands = [value, constant(f"kernel{k}", arrays[0]), constant(f"bias{k}", arrays[1])]
        nodes.append(helper.make_node("Gemm", operands, [f"dense{k}"]))
        kind = {"sigmoid": "Sigmoid", "softmax": "Softmax"}[last] if final else "Relu"
        value = "y" if final else f"active{k}"
        nodes.append(helper.make_node(kind, [f"dense{k}"], [value]))
        if not final:
            names = [
                constant(f"{n}{k}", a)
                for n, a in zip(("gamma", "beta", "mean", "var"), arrays[2:], strict=True)
            ]
            nodes.append(
                helper.make_node("BatchNormalization", [value, *names], [f"norm{k}"], epsilon=EPSILON)
            )
            value = f"norm{k}"
    graph = helper.make_graph(
        nodes, "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", sizes[0]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", sizes[-1]])],
        constants,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model.SerializeToString()


def as_installed() -> dict[str, str]:
    """The environment of a process that may keep its compiled bytecode, as pip compiles it for who installs."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
