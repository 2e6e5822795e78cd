"""``TensorFlowOpLayer``: how tf.keras 2.0 to 2.3 write operations, as a node of TensorFlow's graph with constants.

The table maps each graph op to a function, its inputs to parameters, and some attributes to arguments.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from foldnet.errors import FileFormatError, UnsupportedError
from foldnet.files import strict_json
from foldnet.files.dialects import Record
from foldnet.files.tf.layers import FunctionLayer
from foldnet.layers.tensors import Call

PREFIX = "tf_op_layer_"
"""tf.keras names the layer with this prefix and the node's name."""


@dataclass(frozen=True)
class NodeOp:
    """An op of TensorFlow graphs.

    Attributes:
        function: its name in the table of functions.
        inputs: the parameters of its inputs; one with a star takes all remaining inputs.
        attributes: attributes that are arguments, with their parameters.
    """

    function: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, str] = field(default_factory=dict)


def _ops(names: str, *inputs: str) -> dict[str, NodeOp]:
    pairs = [pair.split("=") for pair in names.split()]
    return {op: NodeOp(function, inputs) for op, function in pairs}


_REDUCED = {"keep_dims": "keepdims"}
_MASKS = {m: m for m in ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")}

OPS: dict[str, NodeOp] = {
    **_ops(
        "Abs=abs Acos=acos Acosh=acosh Asin=asin Asinh=asinh Atan=atan Atanh=atanh Ceil=ceil Cos=cos Cosh=cosh "
        "Erf=erf Exp=exp Expm1=expm1 Floor=floor IsFinite=is_finite IsInf=is_inf IsNan=is_nan Log=log Log1p=log1p "
        "LogicalNot=logical_not Neg=negative Reciprocal=reciprocal Inv=reciprocal Rint=rint Round=round Rsqrt=rsqrt "
        "Sigmoid=sigmoid Sign=sign Sin=sin Sinh=sinh Sqrt=sqrt Square=square Tan=tan Tanh=tanh Elu=elu Relu=relu "
        "Relu6=relu6 Selu=selu Softplus=softplus Softsign=softsign StopGradient=stop_gradient",
        "x",
    ),
    **_ops(
        "Add=add AddV2=add Div=truediv RealDiv=truediv DivNoNan=divide_no_nan Equal=equal "
        "FloorDiv=floordiv FloorMod=floormod Greater=greater GreaterEqual=greater_equal Less=less LessEqual=less_equal "
        "LogicalAnd=logical_and LogicalOr=logical_or Maximum=maximum Minimum=minimum Mul=multiply "
        "MulNoNan=multiply_no_nan NotEqual=not_equal Pow=pow SquaredDifference=squared_difference Sub=subtract "
        "Xlogy=xlogy",
        "x",
        "y",
    ),
    **{
        op: NodeOp(f"reduce_{op.lower()}", ("input_tensor", "axis"), _REDUCED)
        for op in ("All", "Any", "Max", "Mean", "Min", "Prod", "Sum")
    },
    **_ops("OnesLike=ones_like ZerosLike=zeros_like Identity=identity", "input"),
    "AddN": NodeOp("add_n", ("*inputs",)),
    "ArgMax": NodeOp("argmax", ("input", "axis")),
    "ArgMin": NodeOp("argmin", ("input", "axis")),
    "Atan2": NodeOp("atan2", ("y", "x")),
    "BatchMatMul": NodeOp("matmul", ("a", "b"), {"adj_x": "adjoint_a", "adj_y": "adjoint_b"}),
    "BatchMatMulV2": NodeOp("matmul", ("a", "b"), {"adj_x": "adjoint_a", "adj_y": "adjoint_b"}),
    "BiasAdd": NodeOp("bias_add", ("value", "bias"), {"data_format": "data_format"}),
    "BroadcastTo": NodeOp("broadcast_to", ("input", "shape")),
    "Cast": NodeOp("cast", ("x",), {"DstT": "dtype"}),
    "ClipByValue": NodeOp("clip_by_value", ("t", "clip_value_min", "clip_value_max")),
    "ConcatV2": NodeOp("concat", ("*values", "axis")),
    "Cumsum": NodeOp("cumsum", ("x", "axis"), {"exclusive": "exclusive", "reverse": "reverse"}),
    "EnsureShape": NodeOp("ensure_shape", ("x",), {"shape": "shape"}),
    "ExpandDims": NodeOp("expand_dims", ("input", "axis")),
    "GatherV2": NodeOp("gather", ("params", "indices", "axis"), {"batch_dims": "batch_dims"}),
    "LeakyRelu": NodeOp("leaky_relu", ("features",), {"alpha": "alpha"}),
    "LogSoftmax": NodeOp("log_softmax", ("logits",)),
    "MatMul": NodeOp("matmul", ("a", "b"), {"transpose_a": "transpose_a", "transpose_b": "transpose_b"}),
    "MirrorPad": NodeOp("pad", ("tensor", "paddings"), {"mode": "mode"}),
    "OneHot": NodeOp("one_hot", ("indices", "depth", "on_value", "off_value"), {"axis": "axis"}),
    "Pack": NodeOp("stack", ("*values",), {"axis": "axis"}),
    "Pad": NodeOp("pad", ("tensor", "paddings")),
    "PadV2": NodeOp("pad", ("tensor", "paddings", "constant_values")),
    "Reshape": NodeOp("reshape", ("tensor", "shape")),
    "ReverseV2": NodeOp("reverse", ("tensor", "axis")),
    "Roll": NodeOp("roll", ("input", "shift", "axis")),
    "Select": NodeOp("where", ("condition", "x", "y")),
    "SelectV2": NodeOp("where", ("condition", "x", "y")),
    "Shape": NodeOp("shape", ("input",)),
    "Slice": NodeOp("slice", ("input_", "begin", "size")),
    "Softmax": NodeOp("softmax", ("logits",)),
    "Split": NodeOp("split", ("axis", "value"), {"num_split": "num_or_size_splits"}),
    "SplitV": NodeOp("split", ("value", "num_or_size_splits", "axis")),
    "Squeeze": NodeOp("squeeze", ("input",), {"squeeze_dims": "axis"}),
    "StridedSlice": NodeOp("strided_slice", ("input_", "begin", "end", "strides"), _MASKS),
    "Tile": NodeOp("tile", ("input", "multiples")),
    "Transpose": NodeOp("transpose", ("a", "perm")),
    "Unpack": NodeOp("unstack", ("value",), {"axis": "axis", "num": "num"}),
}
"""Every op that a node may have."""


def read_node_def(record: Record) -> NodeLayer:
    """The layer of a graph node.

    Raises:
        UnsupportedError: an op that foldnet does not have.
    """
    name = PREFIX + record.name
    where = f"the node of layer {name!r}"
    node = strict_json.mapping(record.config.get("node_def"), where)
    op = strict_json.text(node.get("op"), f"the op of layer {name!r}")
    found = OPS.get(op)
    if found is None:
        raise UnsupportedError(
            f"layer {name!r} is TensorFlow's op {op}, which foldnet does not have; it has {', '.join(sorted(OPS))}. "
            "Write the step with these, or with layers, and save again."
        )
    stored = strict_json.mapping(node.get("attr") or {}, where)
    fixed = {
        parameter: attribute(stored[key], f"{key} of {where}")
        for key, parameter in found.attributes.items()
        if key in stored
    }
    constants = {}
    for key, value in strict_json.mapping(record.config.get("constants") or {}, where).items():
        if not key.isdecimal() or len(key) > 5:
            raise FileFormatError(f"{where} has a constant for the input {key!r}, which is not a number")
        constants[int(key)] = strict_json.numbers(value)
    return NodeLayer(name, found, fixed, constants)


class NodeLayer(FunctionLayer):
    """A graph node stored as a layer.

    Args:
        name: of the layer.
        op: what the node computes.
        fixed: arguments from its attributes.
        constants: inputs that are constants, by input index.
    """

    def __init__(self, name: str, op: NodeOp, fixed: Mapping[str, Any], constants: Mapping[int, Any]) -> None:
        super().__init__(name, "TensorFlowOpLayer", op.function, fixed)
        self._op, self._constants = op, dict(constants)

    def made(self, arguments: Mapping[str, Any]) -> Call:
        """Make a call on the tensors ``arguments["tensors"]``; see ``FunctionLayer.made``."""
        return super().made(self.arguments(arguments["tensors"]))

    def arguments(self, tensors: list[Any]) -> dict[str, Any]:
        """The arguments by parameter: tensors fill the inputs that are not constants.

        Raises:
            FileFormatError: too many or too few tensors.
        """
        inputs = list(tensors)
        for place in sorted(self._constants):
            if place > len(inputs):
                raise FileFormatError(
                    f"layer {self.name!r} has a constant for input {place}, and lacks those before"
                )
            inputs.insert(place, self._constants[place])
        names = self._op.inputs
        star = next((k for k, n in enumerate(names) if n.startswith("*")), None)
        if star is not None:
            last = len(inputs) - (len(names) - 1 - star)
            inputs = [*inputs[:star], inputs[star:last], *inputs[last:]]
        if len(inputs) != len(names):
            raise FileFormatError(
                f"layer {self.name!r} has {len(inputs)} inputs, and should have {len(names)}"
            )
        return {name.lstrip("*"): value for name, value in zip(names, inputs, strict=True)}


DTYPES = {
    "DT_FLOAT": "float32", "DT_DOUBLE": "float64", "DT_HALF": "float16", "DT_BFLOAT16": "bfloat16", "DT_BOOL": "bool",
    "DT_INT8": "int8", "DT_INT16": "int16", "DT_INT32": "int32", "DT_INT64": "int64", "DT_UINT8": "uint8",
    "DT_UINT16": "uint16", "DT_UINT32": "uint32", "DT_UINT64": "uint64",
}  # fmt: skip


def attribute(stored: object, where: str) -> Any:
    """The value of an attribute from the JSON of protobuf's ``AttrValue``, in which whole numbers are texts.

    Raises:
        FileFormatError: it is not such a value.
    """
    value = strict_json.mapping(stored, where)
    if len(value) != 1:
        raise FileFormatError(f"{where} should have one value, and has {sorted(value)}")
    ((kind, given),) = value.items()
    if kind == "list":
        items = strict_json.mapping(given, where)
        return [attribute({k: v}, where) for k, vs in items.items() for v in strict_json.listing(vs, where)]
    try:
        if kind == "i":
            return int(given)
        if kind in ("f", "b"):
            return {"f": float, "b": bool}[kind](given)
        if kind == "s":
            return base64.b64decode(given, validate=True).decode()
        if kind == "type":
            return DTYPES[given]
        if kind == "shape":
            sizes = [int(strict_json.mapping(d, where).get("size", 0)) for d in given.get("dim", [])]
            return [None if n == -1 else n for n in sizes]
    except (TypeError, ValueError, KeyError, AttributeError):
        pass
    raise FileFormatError(f"{where} has the value {kind}={given!r}, which is not valid")
