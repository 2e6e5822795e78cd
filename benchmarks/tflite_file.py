"""A network of Dense layers as a .tflite file, as TensorFlow's converter makes it.

A BatchNormalization is part of the next layer's weights there, and relu part of its own layer. Other networks are
converted by TensorFlow (``convert_tflite.py``), which takes seconds for each.
"""

from __future__ import annotations

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from networks import EPSILON, Array, Network, layer_weights

KINDS = schema.BuiltinOperator
LAST = {"linear": None, "sigmoid": KINDS.LOGISTIC, "softmax": KINDS.SOFTMAX}


def folded(network: Network) -> list[tuple[Array, Array]]:
    """Kernel and bias of each layer, the normalization before it included."""
    found, scale, shift = [], np.ones(network.units[0]), np.zeros(network.units[0])
    for kernel, bias, *norm in layer_weights(network):
        wide = kernel.astype(np.float64)
        found.append(((scale[:, None] * wide).astype(np.float32), (bias + shift @ wide).astype(np.float32)))
        scale, shift = np.ones(len(bias)), np.zeros(len(bias))
        if norm:
            gamma, beta, mean, variance = (a.astype(np.float64) for a in norm)
            scale = gamma / np.sqrt(variance + EPSILON)
            shift = beta - mean * scale
    return found


class File:
    """What is written so far."""

    def __init__(self) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.description = "Dense layers"
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes, self.graph = [], schema.SubGraphT()
        self.model.subgraphs = [self.graph]
        self.graph.tensors, self.graph.operators = [], []

    def tensor(self, shape: tuple[int, ...], data: Array | None = None) -> int:
        """A tensor's number; its first axis is that of the rows if it has no data."""
        tensor, buffer = schema.TensorT(), schema.BufferT()
        tensor.name, tensor.shape, tensor.type = f"t{len(self.graph.tensors)}", list(shape), 0
        if data is None:
            tensor.shapeSignature = [-1, *shape[1:]]
        else:
            buffer.data = np.frombuffer(np.ascontiguousarray(data, "<f4").tobytes(), np.uint8)
        tensor.buffer = len(self.model.buffers)
        self.model.buffers.append(buffer)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def operator(self, kind: int, inputs: list[int], output: int, options_type: int, options: object) -> None:
        """An operation from tensors to a tensor."""
        kinds = [code.builtinCode for code in self.model.operatorCodes]
        if kind not in kinds:
            code = schema.OperatorCodeT()
            code.builtinCode, code.deprecatedBuiltinCode, code.version = kind, kind, 1
            self.model.operatorCodes.append(code)
            kinds.append(kind)
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = kinds.index(kind), inputs, [output]
        made.builtinOptionsType, made.builtinOptions = options_type, options
        self.graph.operators.append(made)

    def packed(self) -> bytes:
        """The file."""
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def dense_file(network: Network) -> bytes:
    """The file of a network whose hidden layers have relu."""
    if network.activation != "relu":
        raise NotImplementedError("only relu can be part of a layer")
    file, layers = File(), folded(network)
    value = file.tensor((1, network.units[0]))
    file.graph.inputs = [value]
    for k, (kernel, bias) in enumerate(layers):
        options = schema.FullyConnectedOptionsT()
        options.fusedActivationFunction = schema.ActivationFunctionType.RELU if k < len(layers) - 1 else 0
        operands = [value, file.tensor(kernel.T.shape, kernel.T), file.tensor(bias.shape, bias)]
        value = file.tensor((1, len(bias)))
        kind = schema.BuiltinOptions.FullyConnectedOptions
        file.operator(KINDS.FULLY_CONNECTED, operands, value, kind, options)
    last = LAST[network.last]
    if last is not None:
        given, value, kind, options = value, file.tensor((1, network.units[-1])), 0, None
        if last == KINDS.SOFTMAX:
            kind, options = schema.BuiltinOptions.SoftmaxOptions, schema.SoftmaxOptionsT()
            options.beta = 1.0
        file.operator(last, [given], value, kind, options)
    file.graph.outputs = [value]
    return file.packed()
