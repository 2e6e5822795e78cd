"""Layers in tf.keras's files that represent a TensorFlow function: ``TFOpLambda`` and similar classes.

A file has the function's name, and its arguments in the call. When the call is made, it becomes operations of
``foldnet.ops`` between the network's layers, and the layer itself is dropped.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from foldnet.errors import FileFormatError, UnsupportedError
from foldnet.files import strict_json
from foldnet.files.dialects import Record
from foldnet.layers.base import Layer
from foldnet.layers.operation import Operation
from foldnet.layers.tensors import Call, SymbolicTensor

FUNCTION_CLASSES = frozenset({"TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer"})
RAGGED_CLASSES = {
    "ClassMethod": "method_name",
    "InstanceProperty": "attr_name",
    "InstanceMethod": "attr_name",
}
"""Layer classes for methods of ragged and sparse tensors, and the setting with the method's name."""


@dataclass(frozen=True)
class Known:
    """A value computed from constants, such as the size of an axis; calls may refer to it like a tensor."""

    value: Any


class FunctionLayer(Layer):
    """A TensorFlow function stored as a layer, until its calls are made.

    Args:
        name: of the layer.
        kind: the class in the file.
        function: TensorFlow's name for the function.
        fixed: arguments from the layer's settings, by parameter name.

    Raises:
        UnsupportedError: a function that is not in the table.
    """

    def __init__(self, name: str, kind: str, function: str, fixed: Mapping[str, Any] | None = None) -> None:
        super().__init__(name=name)
        self.kind = kind
        from foldnet.files.tf import functions

        found = functions.found(function)
        if found is None:
            raise UnsupportedError(
                f"layer {name!r} calls TensorFlow's {function}, which foldnet does not have; it has "
                f"{', '.join(sorted(functions.FUNCTIONS))}. Write the step with these, or with layers, and save again."
            )
        self.key, self._function = found
        self._signature = inspect.signature(self._function)
        self._fixed = dict(fixed or {})
        self.operations: list[Operation] = []
        self.tensors = False
        """Whether any call returned tensors."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Raises FileFormatError: its calls are made by ``made``, in a Functional network."""
        raise FileFormatError(
            f"{self.name!r} is a function of TensorFlow, not a layer that is called on one tensor"
        )

    @property
    def first(self) -> str:
        """The name of the first parameter."""
        return next(iter(self._signature.parameters))

    def made(self, arguments: Mapping[str, Any]) -> Call:
        """Make a call; its outputs are tensors of operations, or known values.

        Args:
            arguments: tensors, constants, and lists of them, by TensorFlow's parameter names.

        Raises:
            UnsupportedError: an unknown argument, or a value that foldnet cannot compute.
        """
        given = {**self._fixed, **self._kept({k: _plain(v) for k, v in arguments.items()})}
        missing = [
            p.name
            for p in self._signature.parameters.values()
            if p.default is p.empty and p.name not in given
        ]
        if missing:
            raise FileFormatError(
                f"layer {self.name!r} ({self.key}) has no argument {missing[0]}, which the file does not hold"
            )
        from foldnet.files.tf import functions, shapes

        if self.key not in functions.OF_SIZES and any(shapes.has_rows(v) for v in given.values()):
            raise UnsupportedError(
                f"layer {self.name!r} computes with the number of rows in the batch; a prediction must not depend on "
                "other rows. Use only the sizes of other axes, or -1 in a shape."
            )
        result = self._function(**given)
        results = tuple(result) if isinstance(result, tuple) else (result,)
        call = Call(self, tuple(_tensors(list(given.values()))))
        call.outputs = tuple(v if isinstance(v, SymbolicTensor) else _known(v) for v in results)  # type: ignore[misc]
        self._take(call)
        return call

    def _kept(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments under their current names, without those that have no effect."""
        from foldnet.files.tf import functions

        kept = {}
        for name, value in arguments.items():
            own = name if name in self._signature.parameters else functions.RENAMED.get(name, name)
            if own in self._signature.parameters:
                if value is not None or own not in kept:
                    kept[own] = value
            elif name not in functions.WITHOUT_EFFECT and value is not None and value is not False:
                raise UnsupportedError(
                    f"layer {self.name!r} calls {self.key} with {name}={value!r}, which foldnet does not know"
                )
        return kept

    def _take(self, call: Call) -> None:
        """Name the operations of a call after the layer; the last one gets the layer's name."""
        ends = [t for t in call.outputs if isinstance(t, SymbolicTensor)]
        self.tensors = self.tensors or bool(ends)
        made: dict[Operation, None] = {}
        stack = list(ends)
        while stack:
            tensor = stack.pop()
            if tensor in call.inputs or tensor.call is None or tensor.call.layer in made:
                continue
            assert isinstance(tensor.call.layer, Operation)  # the functions of the table only use foldnet.ops
            made[tensor.call.layer] = None
            stack += tensor.call.inputs
        own = self.name.replace("/", ".")
        for k, operation in enumerate(made):
            count = len(self.operations) + k
            operation.name = own if count == 0 else f"{own}.{operation.record.name}_{count}"
        self.operations += reversed(made)


def _plain(value: object) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, Known) else value


def _known(value: object) -> Known:
    return Known(value.tolist() if hasattr(value, "tolist") else value)


def _tensors(value: object) -> list[SymbolicTensor]:
    if isinstance(value, list):
        return [t for item in value for t in _tensors(item)]
    return [value] if isinstance(value, SymbolicTensor) else []


def read(record: Record) -> FunctionLayer | None:
    """The layer of a record; None if it is not a TensorFlow function.

    Raises:
        UnsupportedError: a function that foldnet does not have.
    """
    kind, config = record.class_name, record.config
    if kind in RAGGED_CLASSES:
        raise UnsupportedError(
            f"layer {record.name!r} is a {kind}: {config.get('cls_symbol', 'a tensor')}."
            f"{config.get(RAGGED_CLASSES[kind])} of TensorFlow's ragged or sparse tensors, which foldnet "
            "does not have. Give the network dense tensors, with a mask where rows are shorter, and save again."
        )
    if kind not in FUNCTION_CLASSES:
        return None
    if kind == "TensorFlowOpLayer":
        from foldnet.files.tf.nodes import read_node_def

        return read_node_def(record)
    return FunctionLayer(
        record.name, kind, strict_json.text(config.get("function"), f"the function of layer {record.name!r}")
    )
