"""Networks of foldnet's layers as ONNX, with the channels first, as its runtimes want them.

Only the layers and settings of the benchmarks. Dropout is nothing at prediction time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

ACTIVATIONS = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "softmax": "Softmax"}


@dataclass(frozen=True)
class Value:
    """A name, and whether channels come right after the batch axis (in Keras they come last)."""

    name: str
    rank: int
    first: bool = False


class Graph:
    """Nodes and constants as far as they are written."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, array: Any, dtype: Any = np.float32) -> str:
        """A constant's name."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array, dtype), name))
        return name

    def add(self, kind: str, *operands: str, outputs: Sequence[str] | None = None, **settings: Any) -> str:
        """A node's result."""
        made = [f"v{len(self.nodes)}"] if outputs is None else list(outputs)
        self.nodes.append(helper.make_node(kind, list(operands), made, **settings))
        return made[-1]

    def moved(self, x: Value, first: bool) -> Value:
        """The value with channels first, or last."""
        if x.first == first or x.rank < 3:
            return x
        others = range(1, x.rank - 1)
        order = [0, x.rank - 1, *others] if first else [0, *(n + 1 for n in others), 1]
        return Value(self.add("Transpose", x.name, perm=order), x.rank, first)

    def activated(self, name: str, x: Value) -> Value:
        """An activation, by its name in Keras."""
        if name == "linear":
            return x
        axis = {"axis": 1 if x.first else -1} if name == "softmax" else {}
        return Value(self.add(ACTIVATIONS[name], x.name, **axis), x.rank, x.first)

    def product(self, x: str, kernel: Any, bias: Any) -> str:
        """``x @ kernel + bias``."""
        made = self.add("MatMul", x, self.constant(kernel))
        return made if bias is None else self.add("Add", made, self.constant(bias))


def _moving(config: dict[str, Any], kind: str = "kernel_size") -> dict[str, Any]:
    """Settings of a window."""
    found = {"kernel_shape": list(config[kind]), "strides": list(config["strides"])}
    if "dilation_rate" in config:
        found["dilations"] = list(config["dilation_rate"])
    if config["padding"] == "valid":
        return found
    if any(n > 1 for n in found["strides"]):
        return found | {"auto_pad": "SAME_UPPER"}
    over = [(n - 1) * d for n, d in zip(found["kernel_shape"], found.get("dilations", [1, 1]), strict=False)]
    return found | {"pads": [*(n // 2 for n in over), *(n - n // 2 for n in over)]}


def conv(g: Graph, layer: Any, config: dict[str, Any], x: Value) -> Value:
    """A convolution."""
    kernel, *bias = layer.get_weights()
    turned = np.moveaxis(kernel, (-1, -2), (0, 1))
    operands = [g.moved(x, True).name, g.constant(turned), *map(g.constant, bias)]
    return g.activated(config["activation"], Value(g.add("Conv", *operands, **_moving(config)), x.rank, True))


def separable(g: Graph, layer: Any, config: dict[str, Any], x: Value) -> Value:
    """A depthwise convolution, and one at single positions."""
    depthwise, pointwise, *bias = layer.get_weights()
    own = np.moveaxis(depthwise, (-2, -1), (0, 1))
    groups = own.shape[0]
    y = g.add("Conv", g.moved(x, True).name, g.constant(own), group=groups, **_moving(config))
    turned = np.moveaxis(pointwise, (-1, -2), (0, 1))
    y = g.add("Conv", y, g.constant(turned), *map(g.constant, bias))
    return g.activated(config["activation"], Value(y, x.rank, True))


def norm(g: Graph, layer: Any, config: dict[str, Any], x: Value) -> Value:
    """BatchNormalization of channels."""
    weights = dict(zip([w.name.rpartition("/")[2] for w in layer.weights], layer.get_weights(), strict=True))
    mean, variance = weights["moving_mean"], weights["moving_variance"]
    gamma, beta = weights.get("gamma", np.ones_like(mean)), weights.get("beta", np.zeros_like(mean))
    names = map(g.constant, (gamma, beta, mean, variance))
    y = g.add("BatchNormalization", g.moved(x, True).name, *names, epsilon=config["epsilon"])
    return Value(y, x.rank, x.rank > 2)


def pool(g: Graph, layer: Any, config: dict[str, Any], x: Value) -> Value:
    """The largest value of windows."""
    return Value(g.add("MaxPool", g.moved(x, True).name, **_moving(config, "pool_size")), x.rank, True)


def mean(g: Graph, layer: Any, config: dict[str, Any], x: Value) -> Value:
    """The mean over all positions."""
    y = g.add("GlobalAveragePool", g.moved(x, True).name)
    return Value(g.add("Flatten", y), 2)


def mean_of_steps(g: Graph, layer: Any, config: dict[str, Any], x: Value) -> Value:
    """The mean over the steps of a sequence."""
    return Value(g.add("ReduceMean", x.name, axes=[1], keepdims=0), 2)


def dense(g: Graph, layer: Any, config: dict[str, Any], x: Value) -> Value:
    """A Dense layer."""
    kernel, bias = layer.get_weights()
    if x.rank == 2:
        y = g.add("Gemm", x.name, g.constant(kernel), g.constant(bias))
    else:
        y = g.product(g.moved(x, False).name, kernel, bias)
    return g.activated(config["activation"], Value(y, x.rank))


def activation(g: Graph, layer: Any, config: dict[str, Any], x: Value) -> Value:
    """An activation alone."""
    return g.activated(config["activation"], x)


def added(g: Graph, layer: Any, config: dict[str, Any], x: Value, y: Value) -> Value:
    """The sum of two values."""
    return Value(g.add("Add", x.name, g.moved(y, x.first).name), x.rank, x.first)


def flatten(g: Graph, layer: Any, config: dict[str, Any], x: Value) -> Value:
    """A row as a vector, in Keras's order."""
    return Value(g.add("Flatten", g.moved(x, False).name), 2)


def cropped(g: Graph, layer: Any, config: dict[str, Any], x: Value) -> Value:
    """Steps without some at the ends."""
    before, after = config["cropping"]
    numbers = ([before], [-after if after else 2**31 - 1], [2 if x.first else 1])
    return Value(g.add("Slice", x.name, *(g.constant(n, np.int64) for n in numbers)), x.rank, x.first)


def lstm(g: Graph, layer: Any, config: dict[str, Any], x: Value) -> Value:
    """An LSTM's last output. ONNX has the gates in the order i, o, f, c; Keras i, f, c, o."""
    kernel, recurrent, bias = layer.get_weights()
    units = config["units"]
    order = np.concatenate([np.arange(units) + units * k for k in (0, 3, 1, 2)])
    biases = np.concatenate([bias[order], np.zeros_like(bias)])
    weights = [g.constant(a[None]) for a in (kernel[:, order].T, recurrent[:, order].T, biases)]
    steps = g.add("Transpose", x.name, perm=[1, 0, 2])
    y = g.add("LSTM", steps, *weights, outputs=["", f"h{len(g.nodes)}"], hidden_size=units)
    return Value(g.add("Squeeze", y, g.constant([0], np.int64)), 2)


def layer_norm(g: Graph, layer: Any, config: dict[str, Any], x: Value) -> Value:
    """LayerNormalization of the last axis."""
    names = map(g.constant, layer.get_weights())
    return Value(g.add("LayerNormalization", x.name, *names, axis=-1, epsilon=config["epsilon"]), x.rank)


def attention(g: Graph, layer: Any, config: dict[str, Any], x: Value, *_: Value) -> Value:
    """Attention of a sequence to itself."""
    query, query_bias, key, key_bias, value, value_bias, out, out_bias = layer.get_weights()
    wide, heads, size = query.shape

    def parts(kernel: Any, bias: Any, order: Sequence[int], scale: float = 1.0) -> str:
        flat = g.product(x.name, kernel.reshape(wide, -1) * scale, bias.reshape(-1) * scale)
        shaped = g.add("Reshape", flat, g.constant([0, 0, heads, size], np.int64))
        return g.add("Transpose", shaped, perm=list(order))

    q, k = parts(query, query_bias, (0, 2, 1, 3), size**-0.5), parts(key, key_bias, (0, 2, 3, 1))
    weights = g.add("Softmax", g.add("MatMul", q, k), axis=-1)
    mixed = g.add("MatMul", weights, parts(value, value_bias, (0, 2, 1, 3)))
    back = g.add("Transpose", mixed, perm=[0, 2, 1, 3])
    flat = g.add("Reshape", back, g.constant([0, 0, heads * size], np.int64))
    return Value(g.product(flat, out.reshape(heads * size, -1), out_bias), 3)


WRITERS: dict[str, Callable[..., Value]] = {
    "Activation": activation,
    "Add": added,
    "BatchNormalization": norm,
    "Conv1D": conv,
    "Conv2D": conv,
    "Cropping1D": cropped,
    "Dense": dense,
    "Flatten": flatten,
    "GlobalAveragePooling1D": mean_of_steps,
    "GlobalAveragePooling2D": mean,
    "LayerNormalization": layer_norm,
    "LSTM": lstm,
    "MaxPooling2D": pool,
    "MultiHeadAttention": attention,
    "SeparableConv2D": separable,
}


def onnx_of(model: Any, rows: int) -> bytes:
    """A network with one input and one output, for so many rows."""
    g = Graph()
    (given,), (result,) = model.inputs, model.outputs
    values = {given: Value("x", len(given.shape))}
    for call in model.graph_calls:
        if call.outputs[0] in values:
            continue
        config = call.layer.get_config()
        operands = [values[t] for t in call.inputs]
        values[call.outputs[0]] = WRITERS[type(call.layer).__name__](g, call.layer, config, *operands)
    g.add("Identity", g.moved(values[result], False).name, outputs=["y"])
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, *t.shape[1:]])
        for name, t in (("x", given), ("y", result))
    ]
    graph = helper.make_graph(g.nodes, "network", ports[:1], ports[1:], g.constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(made.SerializeToString())
