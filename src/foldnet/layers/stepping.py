"""What all that a recurrent layer can compute in a step has in common: how steps are gone through, and calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import ConfigError, InputError
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Call, Shape
from foldnet.operations.structure.op import WHOLE_AXIS, Reshape, Slice

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering


@dataclass(frozen=True)
class Steps:
    """How a recurrent layer goes through its steps; see ``Scan``."""

    reverse: bool = False
    sequences: bool = True
    states: bool = False
    zeros: bool = False


class Stepping(Layer):
    """Base class of what a recurrent layer computes in a step, called as ``cell(inputs, states)``."""

    is_cell = True
    tensor_arguments = ("inputs", "states")

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """The sizes of all states, in one list."""
        raise ConfigError(f"{type(self).__name__} must say what its states are")  # every subclass defines it

    @property
    def output_size(self) -> int:
        """The size of the output."""
        raise ConfigError(
            f"{type(self).__name__} must say how large its output is"
        )  # every subclass defines it

    def lower_steps(
        self, b: Lowering, x: str, states: Sequence[str], mask: str | None, steps: Steps
    ) -> tuple[str, list[str]]:
        """Emit all steps of inputs (rows, steps, features).

        Args:
            b: to emit into.
            x: the inputs.
            states: the initial ones; none for zeros.
            mask: (rows, steps), or None.
            steps: how to go through them.

        Returns:
            The outputs (rows, steps, units), or the last one (rows, units); and the last states, if they are wanted.
        """
        raise ConfigError(f"{type(self).__name__} must say what it computes")  # every subclass defines it

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """(rows, units)."""
        if len(input_shapes[0]) != 2:
            raise ConfigError(f"{type(self).__name__} takes inputs (rows, features), got {input_shapes[0]}")
        return (input_shapes[0][0], self.output_size)

    def other_output_shapes(self, call: Call) -> Sequence[Shape]:
        """The new states."""
        return [(call.inputs[0].shape[0], n) for n in self.state_sizes]

    def lower_all(self, b: Lowering, *inputs: str) -> Sequence[str]:
        """The output and the new states after one step."""
        x, *states = map(b.float, inputs)
        if len(states) not in (0, len(self.state_sizes)):
            raise InputError(
                f"{self.described()} has {len(self.state_sizes)} states, and was given {len(states)}"
            )
        one = b.emit(Reshape((1, int(b.shape(x)[-1] or 0))), x)
        y, found = self.lower_steps(b, one, states, None, Steps(sequences=False, states=True))
        return (y, *found)

    def packed(self, results: Sequence[Any]) -> Any:
        """The output, and a list of the states."""
        output, *states = results
        return output, states

    def get_initial_state(self, batch_size: int | None = None) -> list[Array]:
        """States of zeros for so many rows."""
        return [np.zeros((batch_size or 1, n), np.float32) for n in self.state_sizes]


def sliced(b: Lowering, y: str, entry: tuple[int | None, int | None, int]) -> str:
    """Part of the axis before the last."""
    ahead = len(b.shape(y)) - 3
    return b.emit(Slice((*(WHOLE_AXIS,) * ahead, entry, WHOLE_AXIS)), y)


def in_reverse(b: Lowering, x: str, from_end: int) -> str:
    """The steps from the last to the first; their axis is counted from the end."""
    rank = len(b.shape(x))
    entries = ((None, None, -1) if axis == rank - from_end else WHOLE_AXIS for axis in range(1, rank))
    return b.emit(Slice(tuple(entries)), x)
