"""The network under examination: its calls and how they are joined, its compile settings, and the caller's data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from foldnet import activations
from foldnet.errors import ConfigError, FoldnetError, UnsupportedError
from foldnet.layers import activation as activation_layers
from foldnet.layers.base import Array, Layer
from foldnet.layers.core import Activation, Identity
from foldnet.layers.normalization import BatchNormalization
from foldnet.layers.regularization import Noise
from foldnet.layers.tensors import Call, Shape, SymbolicTensor
from foldnet.lowering.lower import call_name
from foldnet.network import Network


@dataclass(frozen=True)
class Place:
    """One call of a layer; values are named by the path of the call that makes them.

    Attributes:
        path: ``layer``, ``inner/layer`` in a nested network, ``layer@1`` for a second call.
        call: the call.
        inputs: paths of the calls whose results it reads.
        input_shapes: of those, batch axis first.
        shape: of the result.
    """

    path: str
    call: Call
    inputs: tuple[str, ...]
    input_shapes: tuple[Shape, ...]
    shape: Shape

    @property
    def layer(self) -> Layer:
        """What is called."""
        return self.call.layer


@dataclass
class LossSetting:
    """A loss by the name of its Keras function, and its settings."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def from_logits(self) -> bool:
        """Whether it takes logits and not probabilities."""
        return bool(self.settings.get("from_logits"))


class Patient:
    """Everything a check may look at.

    Args:
        network: built.
        x: rows of data, or None.
        y: targets, or None.
        steps: training steps made, if known better than the optimizer knows.
        script: path or text of the training script, or None.
        candidate: a prediction function said to equal the network, or None.
    """

    def __init__(
        self,
        network: Network,
        x: Any = None,
        y: Any = None,
        *,
        steps: int | None = None,
        script: Any = None,
        candidate: Any = None,
    ) -> None:
        self.network, self.x, self.y = network, x, y
        self.script, self.candidate = script, candidate
        self._trainer = (
            network._trainer
        )  # not the one that a file's settings would be made into: they may be foreign
        self.steps = steps or self._counted()
        values: dict[SymbolicTensor, str] = {t: t.name for t in network.inputs}
        self.places: list[Place] = [*_inputs(network), *_walk(network, values, "")]
        self.place = {p.path: p for p in self.places}
        self.outputs = [self.place[values[t]] for t in network.outputs]

    def _counted(self) -> int | None:
        """The optimizer's own count of steps, live or in the file."""
        if self._trainer is not None:
            return int(self._trainer.compiled.optimizer.steps) or None
        saved = self.network.saved_training
        counters = [] if saved is None or saved.state is None else [
            a for a in saved.state if a.shape == () and a.dtype.kind in "iu"
        ]  # fmt: skip
        return int(counters[0]) or None if counters else None

    @cached_property
    def _readers(self) -> dict[str, list[Place]]:
        readers: dict[str, list[Place]] = {}
        for place in self.places:
            for path in place.inputs:
                readers.setdefault(path, []).append(place)
        return readers

    def readers(self, path: str) -> list[Place]:
        """The calls that read a result."""
        return self._readers.get(path, [])

    def of(self, *kinds: type[Layer]) -> list[Place]:
        """The calls of layers of these classes."""
        return [p for p in self.places if isinstance(p.layer, kinds)]

    @property
    def normalizations(self) -> list[Place]:
        """The calls of BatchNormalization."""
        return self.of(BatchNormalization)

    def back(self, place: Place, through: Iterable[type[Layer]]) -> Place | None:
        """The nearest call before this one that is of none of these classes, on a path without branches."""
        kinds = tuple(through)
        while len(place.inputs) == 1 and place.inputs[0] in self.place:
            place = self.place[place.inputs[0]]
            if not isinstance(place.layer, kinds):
                return place
        return None

    @cached_property
    def trained(self) -> bool:
        """Whether anything shows that the network was trained: steps, or a bias or gain off its usual start."""
        if self.steps:
            return True
        starts = {"bias": 0.0, "beta": 0.0, "gamma": 1.0}
        return any(
            bool((value != starts[name]).any())
            for place in self.places
            for name, value in place.layer.named_weights.items()
            if name in starts
        )

    # -- compile settings -----------------------------------------------------------------------------------

    @cached_property
    def losses(self) -> list[LossSetting | None]:
        """The loss of each output; None where there is none, or one of the user's own."""
        count = len(self.network.outputs)
        if self._trainer is not None:
            return [_live(loss) for loss in self._trainer.compiled.losses]
        stored = (self.network.compile_config or {}).get("loss")
        names = [t.name for t in self.network.outputs]
        if isinstance(stored, Mapping) and "class_name" not in stored:
            return [_stored(stored.get(n)) for n in names]
        if isinstance(stored, Sequence) and not isinstance(stored, str):
            return [_stored(entry) for entry in stored] if len(stored) == count else [None] * count
        return [_stored(stored)] * count

    @cached_property
    def optimizer_settings(self) -> Mapping[str, Any]:
        """The optimizer's settings, as far as known."""
        if self._trainer is not None:
            optimizer = self._trainer.compiled.optimizer
            return {"use_ema": bool(getattr(optimizer, "use_ema", False))}
        stored = self.network.compile_config or {}
        for key in ("optimizer", "optimizer_config"):
            entry = stored.get(key)
            if isinstance(entry, Mapping):
                config = entry.get("config")
                return config if isinstance(config, Mapping) else {}
        return {}

    # -- data -----------------------------------------------------------------------------------------------

    @cached_property
    def measurement(self) -> Any:
        """The network computed on the data, layer by layer; None without data or where it cannot be computed."""
        if self.x is None:
            return None
        from foldnet.insight.doctor.measure import Measurement

        try:
            return Measurement(self)
        except UnsupportedError as error:
            self.unmeasured = str(error)
            return None

    unmeasured = ""
    """Why the network could not be computed on the data."""

    @cached_property
    def targets(self) -> Array | None:
        """Targets of the first output as float64, if they are numbers, one row for each row of data."""
        if self.y is None or len(self.network.outputs) != 1:
            return None
        try:
            return np.asarray(self.y).astype(np.float64)
        except (TypeError, ValueError):
            return None


def activation_of(layer: Layer) -> tuple[str, Mapping[str, Any]] | None:
    """Name and parameters of what a layer does to each value at its end; None for a layer without activation.

    A function that foldnet does not know is ``("custom", {})``.
    """
    if hasattr(layer, "activation"):
        try:
            known = activations.known(layer.activation)
        except ConfigError:
            known = None
        return known or ("custom", {})
    name = _ACTIVATION_LAYERS.get(type(layer))
    if name is None:
        return None
    return name, {k: v for k, v in layer.get_config().items() if k not in ("name", "trainable", "dtype")}


_ACTIVATION_LAYERS: dict[type[Layer], str] = {
    activation_layers.ELU: "elu",
    activation_layers.LeakyReLU: "leaky_relu",
    activation_layers.PReLU: "prelu",
    activation_layers.ReLU: "relu",
    activation_layers.Softmax: "softmax",
    activation_layers.ThresholdedReLU: "thresholded_relu",
}

QUIET: tuple[type[Layer], ...] = (Noise, Identity)
"""Layers that do nothing at prediction time."""


def pass_through(place: Place) -> bool:
    """Whether a call does nothing at prediction time."""
    activation = activation_of(place.layer) if isinstance(place.layer, Activation) else None
    return isinstance(place.layer, QUIET) or (activation is not None and activation[0] == "linear")


def _live(loss: Any) -> LossSetting | None:
    from foldnet.training.losses import FUNCTIONS

    name = getattr(getattr(loss, "function", None), "__name__", "")
    return LossSetting(name, dict(loss.settings)) if name in FUNCTIONS else None


def _stored(entry: Any) -> LossSetting | None:
    if entry is None:
        return None
    from foldnet.training.losses import get

    try:
        return _live(get(entry))
    except (FoldnetError, TypeError):  # a loss of the user's own, or one that foldnet does not have
        return None


def _inputs(network: Network) -> Iterator[Place]:
    for tensor in network.inputs:
        if tensor.call is not None:
            yield Place(tensor.name, tensor.call, (), (), tensor.shape)


def _walk(network: Network, values: dict[SymbolicTensor, str], prefix: str) -> Iterator[Place]:
    """Calls in computing order, under the paths that lowering gives them; notes which call makes each value."""
    for call in network.graph_calls:
        if call.outputs[0] in values:
            continue
        path = prefix + call_name(network, call)
        operands = tuple(values[t] for t in call.inputs)
        if isinstance(call.layer, Network):
            inner = dict(zip(call.layer.inputs, operands, strict=True))
            yield from _walk(call.layer, inner, path + "/")
            results = [inner[t] for t in call.layer.outputs]
        else:
            yield Place(path, call, operands, tuple(t.shape for t in call.inputs), call.outputs[0].shape)
            results = [path]
        values.update(zip(call.outputs, results, strict=True))
