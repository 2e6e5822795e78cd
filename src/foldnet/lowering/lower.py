"""Lower a network to a graph for one mode; each layer emits its own ops."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import UnsupportedError
from foldnet.graph.check import check, check_prediction
from foldnet.graph.graph import Graph
from foldnet.graph.op import FLOAT, INT, Dtype
from foldnet.layers.base import Layer
from foldnet.layers.operation import Operation
from foldnet.layers.tensors import Call, Shape, SymbolicTensor
from foldnet.lowering.along import AlongBuilder
from foldnet.lowering.masks import Mask, Masks
from foldnet.lowering.texts import holds_texts, text_tables
from foldnet.network import Network
from foldnet.operations.structure.op import Cast, Part
from foldnet.optional_inputs import Absent, is_optional

_CALL_NUMBER = re.compile(r"@\d+(?=/|$)")


class Mode(Enum):
    """Which of a network's two programs to make."""

    PREDICT = "predict"
    TRAIN = "train"


@dataclass(frozen=True)
class Normalized:
    """A call of a BatchNormalization in a prediction.

    Attributes:
        layer: that is called.
        path: of the call; inside TimeDistributed that of the wrapper, or of the call in its network.
        value: the name of what it normalizes.
        output: the name of its result.
        along: the sizes of the axes after the batch axis that the layer does not see, those of TimeDistributed.
        mask: the name of the mask that comes with the value, or None.
    """

    layer: Layer
    path: str
    value: str
    output: str
    along: tuple[int | None, ...]
    mask: str | None


class Lowering(AlongBuilder):
    """The graph builder into which layers emit their ops.

    Args:
        mode: which of the two programs.
        replacements: layers to lower instead of others, such as the same layer with other statistics.
    """

    def __init__(self, mode: Mode, replacements: Mapping[Layer, Layer] | None = None) -> None:
        super().__init__(learns=mode is Mode.TRAIN)
        self.mode = mode
        self.replacements = replacements or {}
        self.instead: dict[tuple[Layer, str], str] = {}
        """The values that a training program uses instead of weights: what training makes of them."""
        self.streams = 0
        self.call_training: bool | None = None
        self.call: Call | None = None
        """The call that is being lowered."""
        self.call_masks: list[Mask | None] = []
        """The mask of each input of the call that is being lowered; see ``mask``."""
        self.output_masks: list[Mask | None] = []
        """The mask of each of the network's outputs."""
        self.activities: list[tuple[Layer, str]] = []
        """Layers with an activity regularizer, and the results to which it applies."""
        self.normalized: list[Normalized] | None = None
        """The calls of BatchNormalization so far, if they are to be noted: this also emits their masks."""

    @property
    def trains(self) -> bool:
        """Whether this is the training program."""
        return self.mode is Mode.TRAIN

    def inside(self, network: Network, *inputs: str) -> list[str]:
        """Emit a network that the layer of the current call holds, with its masks; return the names of its outputs."""
        path, call, call_masks, training = self.layer, self.call, self.call_masks, self.call_training
        values: Values = dict(zip(network.inputs, inputs, strict=True))
        masks = Masks(self, network, dict(zip(network.inputs, call_masks, strict=False)))
        _lower_calls(self, network, values, masks, training, f"{path}/")
        self.layer, self.call, self.call_masks, self.call_training = path, call, call_masks, training
        return _require_present(network.outputs, values, f"the network {network.name!r} is")

    # -- weights and masks --------------------------------------------------------------------------------------

    def weights(self, layer: Layer) -> tuple[str, ...]:
        """The layer's weights as constants, in Keras's order."""
        return tuple(self.weight(layer, name) for name in layer.named_weights)

    def weight(self, layer: Layer, name: str, shape: tuple[int, ...] | None = None) -> str:
        """One weight as a constant, reshaped if a shape is given.

        In a training program it is a variable, or that variable under this shape if it is also used under another.
        """
        array, whole = layer.named_weights[name], layer.owner_of(name)
        if whole in self.instead:
            value = self.instead[whole]
            return value if shape is None else self.shaped(value, shape)
        if shape is not None:
            array = array.reshape(shape)
        known = next((key for key, owner in self.variables.items() if owner == whole), None)
        if self.trains and known is not None:
            if self.constants[known].shape == array.shape:
                return known
            if not next(s for s in layer.specs if s.name == name).trainable:
                raise UnsupportedError(
                    f"layer {layer.name!r} is shared between inputs of different ranks; its {name} cannot be trained"
                )
            return self.shaped(known, array.shape)
        value = self.layer_constant(layer, name, array)
        self.variables[value] = whole
        return value

    def part(
        self,
        layer: Layer,
        key: str,
        name: str,
        starts: tuple[int, ...],
        ends: tuple[int, ...],
        axes: tuple[int, ...],
    ) -> str:
        """Part of a weight: a constant, or in a training program a part of its variable; see ``Part``.

        Args:
            layer: that has the weight.
            key: the name of the constant.
            name: of the weight.
            starts, ends, axes: of the part.
        """
        op = Part(starts, ends, tuple(ends[a] - starts[a] for a in axes))
        if self.trains:
            return self.of_weight(op, self.weight(layer, name))
        array = layer.named_weights[name]
        found = array[tuple(map(slice, starts, ends))].reshape(op.shape)
        return self.layer_constant(layer, key, np.array(found))

    def columns(self, weight: str, start: int, end: int) -> str:
        """Part of the last axis of a weight, or of a part of one, in a training program."""
        shape = [int(n or 0) for n in self.shape(weight)]
        starts, ends = [0] * len(shape), [*shape[:-1], 0]
        starts[-1], ends[-1] = start, end
        return self.of_weight(Part(tuple(starts), tuple(ends), (*shape[:-1], end - start)), weight)

    def penalize(self, layer: Layer, results: Sequence[str]) -> None:
        """Let a layer's activity regularizer, if it has one, apply to values in training.

        The lowering does this for every call; a layer does it for those inside it that Keras calls as layers.
        """
        if self.trains and layer.activity_regularizer is not None:
            self.activities += [(layer, value) for value in results]

    def mask(self, index: int = 0) -> str | None:
        """The mask of an input of the call that is being lowered; None if it has none.

        This emits the nodes that compute it, so call it only if the result depends on the mask.
        """
        found = self.call_masks[index] if index < len(self.call_masks) else None
        return None if found is None else found.value()

    def noted(self, layer: Layer, value: str, normalize: Callable[[], str]) -> str:
        """The result of a call of a BatchNormalization; the call is noted, if calls are. Its mask is emitted first."""
        if self.normalized is None:
            return normalize()
        mask, along = self.mask(), self.axes_along
        output = normalize()
        self.normalized.append(Normalized(layer, self.layer, value, output, along, mask))
        return output

    def number(self, layer: Layer, name: str, value: float) -> str:
        """A scalar constant of a layer, rounded to float32 like data."""
        return self.layer_constant(layer, name, np.array(np.float32(value), np.float64))

    def random_stream(self) -> int:
        """A unique number for each random op of a program, counted in the order of the calls."""
        self.streams += 1
        return self.streams - 1

    def layer_constant(self, layer: Layer, name: str, array: Array) -> str:
        """A constant that belongs to a layer; all calls of a shared layer use the same one."""
        key = f"{_CALL_NUMBER.sub('', self.layer)}/{layer.owner_of(name)[1]}"
        kept = self.constants.get(key)
        if kept is not None and kept.shape == array.shape and np.array_equal(kept, array, equal_nan=True):
            return key
        return self.constant(key, array)

    def keep_constants(self, layer: Layer, **arrays: Array) -> None:
        """Add the arrays from which a layer's constants were computed, for code that exports the unfolded graph.

        No node uses them, so the first pass that changes the graph removes them.
        """
        for name, array in arrays.items():
            self.layer_constant(layer, name, array)

    def float(self, value: str) -> str:
        """The value, cast to floating point if it is not."""
        return value if self.dtype(value) == FLOAT else self.emit(Cast(FLOAT), value)

    def require_float(self, layer: Layer, value: str) -> str:
        """Check that the value is floating point, for layers that Keras computes differently on whole numbers.

        Raises:
            UnsupportedError: the value has whole numbers.
        """
        if self.dtype(value) == INT:
            raise UnsupportedError(
                f"layer {layer.name!r} ({type(layer).__name__}) is given whole numbers, and there Keras cuts its "
                "result or its settings to whole numbers, too, which foldnet does not. Give the network's Input "
                'the dtype "float32", or put a Rescaling(1.0) before the layer.'
            )
        return value

    def int(self, value: str) -> str:
        """The value as 32-bit indices."""
        return value if self.dtype(value) == INT else self.emit(Cast(INT), value)


Values = dict[SymbolicTensor, str | None]
"""The name of each tensor's value; None for a missing optional input."""


def lower(
    network: Network,
    mode: Mode = Mode.PREDICT,
    replacements: Mapping[Layer, Layer] | None = None,
    absent: Absent = frozenset(),
) -> Graph:
    """Lower a network to a checked graph.

    Args:
        network: to lower.
        mode: which of its two programs.
        replacements: layers to lower instead of others.
        absent: names of optional inputs that are missing.

    Raises:
        UnsupportedError: a layer or setting that cannot be computed exactly in this mode.
    """
    b = Lowering(mode, replacements)
    graph = b.build(lower_into(b, network, absent=absent))
    (check_prediction if mode is Mode.PREDICT else check)(graph)
    return graph


def lower_and_note(
    network: Network, replacements: Mapping[Layer, Layer] | None = None
) -> tuple[Graph, list[Normalized]]:
    """Lower a network for prediction; also return its calls of BatchNormalization, in computing order.

    The layers that are replaced are noted, not those in their place.
    """
    b = Lowering(Mode.PREDICT, replacements)
    b.normalized = []
    graph = b.build(lower_into(b, network))
    check_prediction(graph)
    replaced = {other: layer for layer, other in b.replacements.items()}
    return graph, [replace(call, layer=replaced.get(call.layer, call.layer)) for call in b.normalized]


def lower_into(
    b: Lowering,
    network: Network,
    training: bool | None = None,
    absent: Absent = frozenset(),
    shapes: Sequence[Shape] | None = None,
) -> list[str]:
    """Emit a network's program; return the names of its outputs. A training program then adds the losses.

    Args:
        b: to emit into.
        network: to lower.
        training: for calls in the network without ``training=``. With False, layers such as Dropout do nothing
            even in a training program.
        absent: names of optional inputs that are missing.
        shapes: of the data for the other inputs, batch axis first, which give free axes their sizes; None to keep them
            free.
    """
    values: Values = dict.fromkeys(network.inputs)
    masks = Masks(b, network)
    present = [tensor for tensor in network.inputs if tensor.name not in absent]
    known = [tensor.shape for tensor in present] if shapes is None else shapes
    for tensor, sizes in zip(present, known, strict=True):
        values[tensor] = b.input(tensor.name, (None, *_sized(tensor.shape, sizes)[1:]), _kind(tensor))
    for tensor, texts in text_tables(network).items():
        if (value := values[tensor]) is not None:
            b.texts[value] = texts
    _lower_calls(b, network, values, masks, training, prefix="")
    b.output_masks = masks.of(network.outputs)
    return _require_present(network.outputs, values, "an output of the network is")


def _sized(shape: Shape, given: Shape) -> Shape:
    """A shape with the sizes of data on its free axes; data of another rank is refused later."""
    if len(given) != len(shape):
        return shape
    return tuple(size if own is None else own for own, size in zip(shape, given, strict=True))


def _require_present(tensors: Sequence[SymbolicTensor], values: Values, what: str) -> list[str]:
    """The values of tensors, none of which may be a missing input."""
    found = [value for value in (values[t] for t in tensors) if value is not None]
    if len(found) != len(tensors):
        missing = next(t for t in tensors if values[t] is None)
        raise UnsupportedError(
            f"{what} computed from the input {missing.name!r}, which is None; what may be absent is what is read as "
            "mask=, or as an argument of foldnet.ops that may be None"
        )
    return found


def _lower_calls(
    b: Lowering,
    network: Network,
    values: Values,
    masks: Masks,
    training: bool | None,
    prefix: str,
) -> None:
    seen: dict[Layer, int] = {}
    for call in network.graph_calls:
        index = seen.get(call.layer, 0)
        seen[call.layer] = index + 1
        if call.outputs[0] in values:
            continue  # an input, already named
        path = prefix + _numbered(call.layer, index)
        _check_call(call, path, b.mode)
        call_training = bool(call.kwargs["training"]) if call.kwargs.get("training") is not None else training
        b.layer = path
        given = masks.of_call(call, values)
        results: Sequence[str | None]
        if isinstance(call.layer, Network):
            inside = Masks(b, call.layer, dict(zip(call.layer.inputs, given, strict=True)))
            results = _lower_nested(b, call, values, inside, call_training, path + "/")
            masks.leave(inside, call)
        elif isinstance(call.layer, Operation):
            results = call.layer.lower_call(b, call, values)
        else:
            operands = _require_present(call.inputs, values, f"layer {path!r} is")
            b.call_training, b.call_masks, b.call = call_training, given, call
            results = b.replacements.get(call.layer, call.layer).lower_all(b, *operands)
            b.penalize(call.layer, call.layer.penalized([v for v in results if v is not None]))
            masks.propagate(call, operands, given, values)
        b.layer_outputs |= {result_name(path, i): v for i, v in enumerate(results) if v is not None}
        values.update(zip(call.outputs, results, strict=True))


def _lower_nested(
    b: Lowering, call: Call, outside: Values, masks: Masks, training: bool | None, prefix: str
) -> list[str | None]:
    inner = call.layer
    assert isinstance(inner, Network)
    required = [
        t for t, own in zip(call.inputs, inner.inputs, strict=True) if not (outside[t] or is_optional(own))
    ]
    _require_present(required, outside, f"the network {inner.name!r} is")
    values = {own: outside[t] for t, own in zip(call.inputs, inner.inputs, strict=True)}
    _lower_calls(b, inner, values, masks, training, prefix)
    return [values[t] for t in inner.outputs]


def call_name(network: Network, call: Call) -> str:
    """``layer`` for the first call of a layer, ``layer@1``, ``layer@2`` for further calls."""
    same = [c for c in network.graph_calls if c.layer is call.layer]
    return _numbered(call.layer, same.index(call))


def result_name(path: str, index: int) -> str:
    """How one of a call's results is named in ``layer_outputs``: the call's path, ``layer:1`` for its second result."""
    return f"{path}:{index}" if index else path


def _numbered(layer: Layer, index: int) -> str:
    return layer.name if index == 0 else f"{layer.name}@{index}"


def _kind(tensor: SymbolicTensor) -> Dtype:
    if tensor.dtype.startswith(("int", "uint", "bool")) or holds_texts(tensor):
        return INT
    if tensor.dtype not in ("float32", "float64"):
        raise UnsupportedError(
            f"the input {tensor.name!r} has dtype {tensor.dtype!r}, to which Keras rounds the data first; foldnet "
            "takes float32, float64, whole numbers and texts. Build the network with one of these."
        )
    return FLOAT


def _training_matters(layer: Layer) -> bool:
    if isinstance(layer, Network):
        return any(_training_matters(inner) for inner in layer.layers)
    return layer.differs_in_training()


def _trains_always(call: Call) -> bool:
    """Whether a call has ``training=True``, and its result depends on that, by the wish of who built the network.

    Keras up to 3.15 writes the default of a layer into the call, although its ``predict`` and ``evaluate`` overrule it.
    """
    return (
        bool(call.kwargs.get("training"))
        and not call.layer.trains_by_default
        and _training_matters(call.layer)
    )


def training_calls(network: Network) -> list[str]:
    """Names of layers that the network calls with ``training=True``, if that changes their result."""
    found = []
    for call in network.graph_calls:
        if _trains_always(call):
            found.append(call.layer.name)
        elif isinstance(call.layer, Network):
            found += training_calls(call.layer)
    return found


def check_can_evaluate(network: Network) -> None:
    """Refuse to evaluate or validate a network for which Keras's releases compute different results.

    Raises:
        UnsupportedError: the network calls a layer with ``training=True``, or on what it computes only in training.
    """
    for call in network.graph_calls:
        if isinstance(call.layer, Network):
            check_can_evaluate(call.layer)
        elif reason := call.layer.only_trains(*(t.shape for t in call.inputs)):
            raise UnsupportedError(f"layer {call.layer.name!r}: {reason}")
    if found := training_calls(network):
        raise UnsupportedError(
            f"layer {found[0]!r} was called with training=True in the model itself. Keras's releases differ on whether "
            "evaluation and validation follow it (up to 3.15 they do not). Leave it out of the call, or fit without "
            "validation data and judge model(x)."
        )


def _check_call(call: Call, path: str, mode: Mode) -> None:
    layer = call.layer
    if not isinstance(layer, Network) and layer.dtype_policy != "float32":
        raise UnsupportedError(
            f"layer {path!r} computes with dtype policy {layer.dtype_policy!r}; foldnet computes in float32. "
            'Load the network with load_model(path, dtype="float32") to compute it so, and compare.'
        )
    if mode is Mode.PREDICT and _trains_always(call):
        raise UnsupportedError(
            f"layer {path!r} was called with training=True in the model itself, so its prediction is random or "
            "depends on the batch, and Keras releases differ on what they compute. Remove it from the call; or call "
            "the model itself on arrays, model(x), which follows it in all of them."
        )
