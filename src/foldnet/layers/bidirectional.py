"""Bidirectional: a recurrent layer from the first step to the last, and another one from the last to the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from foldnet.errors import ConfigError
from foldnet.layers.base import Layer
from foldnet.layers.composite import Composite
from foldnet.layers.inner import again
from foldnet.layers.recurrent import RNN
from foldnet.layers.tensors import Call, Shape
from foldnet.operations.affine.op import Affine
from foldnet.operations.elementwise.op import Binary
from foldnet.operations.structure.op import Concatenate, Slice
from foldnet.setting_types import choice, shown

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering

MergeMode = Literal["concat", "sum", "mul", "ave"]
MERGES: Mapping[str, str] = {"sum": "add", "ave": "add", "mul": "multiply"}


class Bidirectional(Composite):
    """A recurrent layer applied from the first step to the last, and a second one from the last to the first.

    With ``return_sequences`` the outputs of the second are turned round, so that both belong to the same step.

    Args:
        layer: a recurrent layer; the new one has its settings, not its weights.
        merge_mode: how both outputs become one: ``"concat"``, ``"sum"``, ``"mul"``, ``"ave"`` (mean); None returns
            both.
        weights: initial weights: those of the first layer, then those of the second.
        backward_layer: the second layer; None for one with the settings of the first.

    Raises:
        ConfigError: it is no recurrent layer, or the layers do not go in different directions or return different
            things.

    >>> from foldnet import Input, layers
    >>> layers.Bidirectional(layers.GRU(4, return_sequences=True))(Input((10, 3))).shape
    (None, 10, 8)
    """

    tensor_arguments = ("sequences", "initial_state")
    takes_mask = True
    takes_states_in_list = True
    supports_masking = True
    layers_in_settings = ("layer", "backward_layer")
    kept_as = {"layer": "forward_layer"}  # noqa: RUF012 - typed in the base
    unstored_settings = frozenset({"weights"})
    kinds = {"merge_mode": choice("concat", "sum", "mul", "ave").or_none()}  # noqa: RUF012 - typed in the base

    def __init__(
        self,
        layer: Any,
        merge_mode: MergeMode | None = "concat",
        weights: Sequence[Any] | None = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ) -> None:
        vars(self)["name"] = kwargs.get("name")  # for error messages; the base class checks and sets it
        for setting, given in (
            ("layer", layer),
            ("backward_layer", layer if backward_layer is None else backward_layer),
        ):
            if not getattr(given, "is_recurrent", False):
                raise ConfigError(
                    f"{self.described()}: {setting} must be a recurrent layer, such as LSTM(32), not {shown(given)}"
                )
        super().__init__(**kwargs)
        forward: RNN = again(layer, _named("forward_", layer))
        turned = not layer.go_backwards
        backward: RNN = (
            again(layer, _named("backward_", layer), go_backwards=turned)
            if backward_layer is None
            else backward_layer
        )
        self._check(forward, backward)
        forward.zero_output_for_mask = backward.zero_output_for_mask = forward.return_sequences
        self.forward_layer, self.backward_layer = forward, backward
        self.merge_mode = merge_mode
        self._start = weights

    def _check(self, forward: RNN, backward: RNN) -> None:
        if forward.go_backwards == backward.go_backwards:
            raise ConfigError(
                f"{self.described()}: both layers have go_backwards={forward.go_backwards}; they must go in different "
                "directions"
            )
        for name in ("stateful", "return_sequences", "return_state"):
            values = getattr(forward, name), getattr(backward, name)
            if values[0] != values[1]:
                raise ConfigError(
                    f"{self.described()}: {name} is {values[0]} for the forward layer and {values[1]} for the backward "
                    "layer; it must be the same"
                )

    @property
    def return_sequences(self) -> bool:
        """Whether it returns the output of every step."""
        return self.forward_layer.return_sequences

    @property
    def return_state(self) -> bool:
        """Whether it returns the last states, too."""
        return self.forward_layer.return_state

    def make_parts(self, *input_shapes: Shape) -> Mapping[str, tuple[Layer, Shape]]:
        """Both layers."""
        shape = input_shapes[0]
        return {"forward_layer": (self.forward_layer, shape), "backward_layer": (self.backward_layer, shape)}

    def build(self, *input_shapes: Shape, input_shape: Shape | None = None) -> None:
        """Create both layers' weights, with initial values if they were given."""
        super().build(*input_shapes, input_shape=input_shape)
        if self._start is not None:
            self.set_weights(self._start)
            self._start = None

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """That of the first layer; twice as wide if both outputs are joined."""
        shape, *states = input_shapes
        half = len(states) // 2
        found = self.forward_layer.compute_output_shape(shape, *states[:half])
        other = self.backward_layer.compute_output_shape(shape, *states[half:])
        if self.merge_mode != "concat" and self.merge_mode is not None and found != other:
            raise ConfigError(
                f"outputs of the shapes {found} and {other} cannot be merged by {self.merge_mode!r}"
            )
        width = found[-1] if self.merge_mode != "concat" else (found[-1] or 0) + (other[-1] or 0)
        return (*found[:-1], width)

    def other_output_shapes(self, call: Call) -> Sequence[Shape]:
        """The second output if they are not merged, and the states of both layers if they are returned."""
        second = (
            [self.backward_layer.compute_output_shape(call.inputs[0].shape)]
            if self.merge_mode is None
            else []
        )
        both = self.forward_layer, self.backward_layer
        return [*second, *(shape for layer in both for shape in layer.other_output_shapes(call))]

    def output_mask(self, *masked: bool) -> bool:
        """Whether there is an output for every step of masked sequences."""
        return masked[0] and self.return_sequences

    @property
    def masked_results(self) -> int:
        """Both outputs, if they are not merged."""
        return 2 if self.merge_mode is None else 1

    def differs_in_training(self) -> bool:
        """Whether a layer drops values in training."""
        return self.forward_layer.differs_in_training() or self.backward_layer.differs_in_training()

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The first result."""
        return self.lower_all(b, *inputs)[0]

    def lower_all(self, b: Lowering, *inputs: str) -> Sequence[str]:
        """Both layers, the second one's outputs turned round, merged."""
        x, *states = inputs
        half = len(states) // 2
        first, *new = self.forward_layer.lower_all(b, x, *states[:half])
        second, *others = self.backward_layer.lower_all(b, x, *states[half:])
        b.penalize(self.forward_layer, [first, *new])
        b.penalize(self.backward_layer, [second, *others])
        if self.return_sequences:
            kept = (None, None, 1)
            ahead = len(b.shape(second)) - 3
            second = b.emit(Slice((*(kept,) * ahead, (None, None, -1), kept)), second)
        if self.merge_mode is None:
            return (first, second, *new, *others)
        return (self._merged(b, first, second), *new, *others)

    def _merged(self, b: Lowering, first: str, second: str) -> str:
        assert self.merge_mode is not None
        rank = len(b.shape(first))
        if self.merge_mode == "concat":
            return b.emit(Concatenate(rank - 1), first, second)
        y = b.emit(Binary(kind=MERGES[self.merge_mode]), first, second)
        if self.merge_mode != "ave":
            return y
        ones = (1,) * (rank - 1)
        half = b.layer_constant(self, "scale", np.full(ones, 0.5))
        return b.emit(Affine(), y, half, b.layer_constant(self, "offset", np.zeros(ones)))


def _named(prefix: str, layer: Layer) -> str:
    return prefix + layer.name.removeprefix(prefix)
