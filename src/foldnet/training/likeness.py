"""Whether two networks have the same training program: a key of all that the program is made from.

Names of layers (they are numbered through a process), initial values and the learning rate are not in a program, so
they are not in its key. Code of the user may do anything, so a network with any of it is like no other.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from foldnet import backend
from foldnet.initializers import Initializer
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Call, SymbolicTensor
from foldnet.network import Network
from foldnet.optional_inputs import Absent
from foldnet.training.compiled import Compiled, Target


class UnlikeError(Exception):
    """Something that may differ in ways that cannot be seen."""


def likeness(
    compiled: Compiled, targets: Sequence[Target], absent: Absent, rows: Hashable
) -> tuple[Hashable, list[Layer]] | None:
    """A key that networks with the same training program share, and the network's layers by their numbers in it.

    Args:
        compiled: the network with optimizer, losses and metrics.
        targets: their shapes and kinds.
        absent: names of optional inputs for which there is no data.
        rows: shapes of the data.

    Returns:
        None if the network has code of the user.
    """
    walk, network, optimizer = _Walk(), compiled.network, compiled.optimizer
    try:
        walk.value((backend.epsilon(), network.trainable, [t.name in absent for t in network.inputs]))
        walk.network(network)
        for term in compiled.terms:
            walk.value((term.loss, term.weight, term.at))
        walk.value((compiled.metrics, compiled.weighted_metrics))
        walk.attributes(optimizer, _NOT_IN_RULES)
    except UnlikeError:
        return None
    layers = list(walk.layers)
    if optimizer.weight_decay:
        walk.value([optimizer.decay_applies(layer, name) for layer in layers for name in layer.named_weights])
    walk.found.append(tuple((t.shape, t.integer, t.weight) for t in targets))
    walk.found.append(rows)
    return tuple(walk.found), layers


_NOT_IN_PROGRAMS = frozenset({"name", "calls", "activity_losses", "_values", "given_settings"})
"""Attributes of layers that no program depends on. Which of a layer's weights are part of a program, only it knows."""

_NOT_IN_RULES = frozenset({
    "name", "_learning_rate", "steps", "trainer", "excluded_from_decay", "_excluded_arrays", "_excluded_places",
})  # fmt: skip
"""Attributes of optimizers that their rule does not depend on; what decays is asked for each weight."""


class _Walk:
    """Goes through values and writes down what they are.

    Attributes:
        found: the parts of the key so far. Each value begins with its type, and a collection with its length, so
            that no two different walks write the same.
        layers: the layers met so far.
    """

    def __init__(self) -> None:
        self.found: list[Any] = []
        self.layers: dict[Layer, None] = {}
        self._numbers: dict[int, int] = {}
        self._kept: list[object] = []  # so that no number of an object is given again

    def value(self, value: Any) -> None:
        """Write down a value of any kind.

        Raises:
            UnlikeError: it is none of a kind that is known to be the same whenever it looks the same.
        """
        kind = type(value)
        if kind in _PLAIN:
            self.found.extend((kind, value))
            return
        rule = _RULES.get(kind)
        if rule is not None:
            rule(self, value)
        elif isinstance(value, np.ndarray | np.generic):
            self._array(np.asarray(value))
        elif isinstance(value, Mapping):
            self._mapping(value)
        elif isinstance(value, type):
            self._of_foldnet(value)
            self.found += (type, value)
        else:
            self._object(value)

    def network(self, network: Network) -> None:
        """Write down how its layers hang together; the settings of each are written where it comes first."""
        self.found.append(len(network.graph_calls))
        for tensor in network.inputs:
            self.value(tensor)
        for call in network.graph_calls:
            self._call(call)
        for tensor in network.outputs:
            self.value(tensor)
        self.value((network.input_structure, network.output_structure))

    def attributes(self, owner: Any, without: frozenset[str] = frozenset()) -> None:
        """Write down the class of an object and all its attributes."""
        kind = type(owner)
        self._of_foldnet(kind)
        state = getattr(owner, "__dict__", None)
        if state is None:
            slots = [name for cls in kind.__mro__ for name in cls.__dict__.get("__slots__", ())]
            state = {name: getattr(owner, name) for name in slots if hasattr(owner, name)}
        self.found.extend((kind, len(state)))
        for name, value in state.items():
            if name in without:
                continue
            kind = type(value)
            if kind in _PLAIN:  # here only because most are, and a call takes longer
                self.found.extend((name, kind, value))
            else:
                self.found.append(name)
                self.value(value)

    def _object(self, value: Any) -> None:
        if isinstance(value, Initializer):  # what weights begin with is not in a program
            self.found.append(Initializer)
            return
        known = self._numbers.get(id(value))
        self.found += ("object", known)
        if known is not None:
            return
        self._numbers[id(value)] = len(self._numbers)
        self._kept.append(value)
        if isinstance(value, Layer):
            self.layers[value] = None
        if isinstance(value, Network):
            self._of_foldnet(type(value))
            self.found.extend((type(value), value.trainable))
            self.network(value)
        elif isinstance(value, SymbolicTensor):
            self.value((value.shape, value.dtype, value.index))
            if value.call is not None and value.call.layer.is_input:
                self.value(value.call.layer)
        else:
            self.attributes(value, _NOT_IN_PROGRAMS if isinstance(value, Layer) else frozenset())

    def _call(self, call: Call) -> None:
        self.value((call.layer, call.inputs, call.kwargs, call.outputs, call.arguments, call.roles))

    def _float(self, value: float) -> None:
        self.found += (float, repr(value))  # 0.0 is not -0.0, and nan is nan

    def _list(self, values: Sequence[Any]) -> None:
        self.found += (type(values), len(values))
        for value in values:
            kind = type(value)
            if kind in _PLAIN:
                self.found.extend((kind, value))
            else:
                self.value(value)

    def _mapping(self, values: Mapping[Any, Any]) -> None:
        self.found += (dict, len(values))
        for key, value in values.items():
            self.value(key)
            self.value(value)

    def _array(self, array: Any) -> None:
        if array.dtype.hasobject:
            raise UnlikeError
        self.found += (np.ndarray, array.dtype.str, array.shape, array.tobytes())

    def _function(self, function: FunctionType) -> None:
        self._of_foldnet(function)
        self.found += (FunctionType, function)
        for cell in function.__closure__ or ():
            self.value(cell.cell_contents)

    def _partial(self, function: partial[Any]) -> None:
        self.found.append(partial)
        self.value((function.func, function.args, function.keywords))

    def _method(self, method: MethodType) -> None:
        self.found.append(MethodType)
        self.value((method.__func__, method.__self__))

    @staticmethod
    def _of_foldnet(value: Any) -> None:
        if not str(getattr(value, "__module__", "")).startswith("foldnet."):
            raise UnlikeError


_PLAIN = frozenset({type(None), bool, int, str, bytes, type(...)})
_RULES: Mapping[type, Callable[[_Walk, Any], None]] = {
    float: _Walk._float,
    list: _Walk._list,
    tuple: _Walk._list,
    dict: _Walk._mapping,
    FunctionType: _Walk._function,
    partial: _Walk._partial,
    MethodType: _Walk._method,
}
