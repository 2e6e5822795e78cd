"""Recurrent layers: RNN with any cell, SimpleRNN, LSTM, GRU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from foldnet.errors import ConfigError, UnsupportedError
from foldnet.layers.base import Layer
from foldnet.layers.cells import Cell, GRUCell, LSTMCell, SimpleRNNCell
from foldnet.layers.composite import Composite
from foldnet.layers.stacked_cells import StackedRNNCells
from foldnet.layers.stepping import Steps
from foldnet.layers.tensors import Call, Shape
from foldnet.naming import snake_case
from foldnet.setting_types import FLAG, Kind, shown

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering

FLAGS: dict[str, Kind] = {
    "return_sequences": FLAG, "return_state": FLAG, "go_backwards": FLAG, "stateful": FLAG, "unroll": FLAG,
    "zero_output_for_mask": FLAG,
}  # fmt: skip


class RNN(Composite):
    """A cell applied to every step of a sequence (rows, steps, features), with a state that goes from step to step.

    It is called as ``layer(sequences, initial_state=None)``; ``initial_state`` is a list of tensors (rows, size of the
    state). With ``return_state`` it returns a tuple: its output, then its states after the last step.

    A step that a mask leaves out keeps the states, and its output is the first of them. As in Keras 3, a mask that
    comes with the sequences has no effect where ``initial_state`` is given; hand it over as ``mask=``.

    Args:
        cell: what it computes in a step; a list of cells is computed one after the other.
        return_sequences: whether it returns the output of every step (rows, steps, units), or only the last
            (rows, units).
        return_state: whether it returns the last states, too.
        go_backwards: whether the last step comes first; the outputs are then in that order.
        stateful: not supported, because a frozen network remembers nothing from one call to the next.
        unroll: accepted as in Keras; results do not depend on it.
        zero_output_for_mask: whether the output of a step that a mask leaves out is 0.

    >>> from foldnet import Input, layers
    >>> layers.RNN(layers.LSTMCell(8), return_sequences=True)(Input((10, 3))).shape
    (None, 10, 8)
    """

    tensor_arguments = ("sequences", "initial_state")
    takes_mask = True
    takes_states_in_list = True
    is_recurrent = True
    supports_masking = True
    layers_in_settings: ClassVar[tuple[str, ...]] = ("cell",)
    kinds = FLAGS
    ignored_settings = frozenset({"implementation", "use_cudnn"})
    fixed_settings: ClassVar[Mapping[str, tuple[Any, ...]]] = {"time_major": (False,)}
    return_sequences: bool
    return_state: bool
    go_backwards: bool
    stateful: bool
    zero_output_for_mask: bool

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        vars(self)["name"] = kwargs.get("name")  # for error messages; the base class checks and sets it
        if isinstance(cell, list | tuple) and cell and all(getattr(c, "is_cell", False) for c in cell):
            cell = StackedRNNCells(cell)
        if not getattr(cell, "is_cell", False):
            raise ConfigError(
                f"{self.described()}: cell must be a SimpleRNNCell, LSTMCell or GRUCell, or a list of them, not "
                f"{shown(cell)}"
            )
        super().__init__(**kwargs)
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.zero_output_for_mask = zero_output_for_mask

    def make_parts(self, *input_shapes: Shape) -> Mapping[str, tuple[Layer, Shape]]:
        """The cell."""
        shape = input_shapes[0]
        if len(shape) != 3:
            raise ConfigError(
                f"{type(self).__name__} takes sequences (rows, steps, features), got shape {shape}"
            )
        return {"cell": (self.cell, (shape[0], shape[2]))}

    @property
    def state_size(self) -> Any:
        """The sizes of the states: a number, or a list if there are several."""
        return self.cell.state_size

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """(rows, steps, units), or (rows, units)."""
        shape, *states = input_shapes
        expected = [(shape[0], n) for n in self.cell.state_sizes]
        if states and [s[1:] for s in states] != [s[1:] for s in expected]:
            raise ConfigError(f"initial_state has the shapes {states}, expected {expected}")
        size = self.cell.output_size
        return (*shape[:-1], size) if self.return_sequences else (shape[0], size)

    def other_output_shapes(self, call: Call) -> Sequence[Shape]:
        """The states, if they are returned."""
        if not self.return_state:
            return ()
        return [(call.inputs[0].shape[0], n) for n in self.cell.state_sizes]

    def output_mask(self, *masked: bool) -> bool:
        """Whether there is an output for every step of masked sequences."""
        return masked[0] and self.return_sequences

    def differs_in_training(self) -> bool:
        """Whether the cell drops values in training."""
        found: bool = self.cell.differs_in_training()
        return found

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The first result."""
        return self.lower_all(b, *inputs)[0]

    def lower_all(self, b: Lowering, *inputs: str) -> Sequence[str]:
        """All steps of the cell."""
        if self.stateful:
            raise UnsupportedError(
                f"{self.described()} is stateful: it goes on from the states that the call before left, and a frozen "
                "network remembers nothing. Set stateful=False, and where you need the states, return_state=True and "
                "initial_state"
            )
        cells = [self.cell, *self.cell.inner_layers.values()]
        if b.trains and any(cell.activity_regularizer is not None for cell in cells):
            raise UnsupportedError(
                f"{self.described()}: its cell has an activity_regularizer, with which Keras on JAX cannot train "
                f"either. Give it to {type(self).__name__} instead, where it applies to all outputs"
            )
        steps = Steps(self.go_backwards, self.return_sequences, self.return_state, self.zero_output_for_mask)
        x, *states = map(b.float, inputs)
        mask = b.mask() if keeps_mask(b.call) else None
        y, found = self.cell.lower_steps(b, x, states, mask, steps)
        return (y, *found)


def keeps_mask(call: Call | None) -> bool:
    """Whether the mask that comes with the sequences has an effect.

    As in Keras 3 it has none where initial states are given by name; it has where they follow in a list, as in Keras 2.
    """
    return call is None or "initial_state" not in call.roles or call.kwargs.get("mask") is not None


class _OfCell:
    """A setting that is kept in the layer's cell."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, layer: Any, owner: type | None = None) -> Any:
        return self if layer is None else getattr(layer.cell, self._name)

    def __set__(self, layer: Any, value: Any) -> None:
        setattr(layer.cell, self._name, value)


class _WithCell(RNN):
    """Base class of recurrent layers that make their cell by themselves, from their own settings.

    Attributes:
        cell_class: of the cell.
    """

    layers_in_settings = ()
    keyword_settings = ("zero_output_for_mask",)
    unstored_settings = frozenset({"use_cudnn"})
    cell_class: ClassVar[type[Cell]]

    def __init__(self, given: Mapping[str, Any], **kwargs: Any) -> None:
        vars(self)["name"] = kwargs.get("name")
        own = set(FLAGS) | {"self", "kwargs", "__class__", "activity_regularizer", "use_cudnn"}
        cell = object.__new__(self.cell_class)
        cell.__dict__["part_of"] = self  # so that errors about its settings name this layer
        name = snake_case(self.cell_class.__name__)
        common = {k: kwargs[k] for k in ("dtype", "trainable") if k in kwargs}
        cell.__init__(name=name, **{k: v for k, v in given.items() if k not in own}, **common)  # type: ignore[misc]
        flags = {k: v for k, v in given.items() if k in FLAGS or k == "activity_regularizer"}
        super().__init__(cell, **flags, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        own = self.cell.get_config()
        return {k: own.get(k, v) if k.endswith("activation") else v for k, v in super().get_config().items()}

    units = _OfCell()
    activation = _OfCell()
    use_bias = _OfCell()
    kernel_initializer = _OfCell()
    recurrent_initializer = _OfCell()
    bias_initializer = _OfCell()
    kernel_regularizer = _OfCell()
    recurrent_regularizer = _OfCell()
    bias_regularizer = _OfCell()
    kernel_constraint = _OfCell()
    recurrent_constraint = _OfCell()
    bias_constraint = _OfCell()
    dropout = _OfCell()
    recurrent_dropout = _OfCell()
    seed = _OfCell()


class SimpleRNN(_WithCell):
    """``activation(x @ kernel + bias + state @ recurrent_kernel)`` at every step (Elman, 1990).

    Args:
        units: size of the state.
        activation: name, function or Keras configuration; None is linear.
        use_bias: whether a bias is added.
        dropout: share of the inputs that training drops.
        recurrent_dropout: share of the state that training drops.
        seed: of the dropout.
        return_sequences: whether the output of every step is returned, or only the last.
        return_state: whether the last state is returned, too.
        go_backwards: whether the last step comes first.
        stateful: not supported.
        unroll: without effect.
    """

    cell_class = SimpleRNNCell

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(locals(), **kwargs)


class LSTM(_WithCell):
    """A carried state that gates forget, add to and show at every step (Hochreiter and Schmidhuber, 1997).

    Each weight has four parts: the input gate, the forget gate, the candidate, and the output gate.

    Args:
        units: size of each of its two states.
        activation: of the candidate and the output: name, function or Keras configuration; None is linear.
        recurrent_activation: of the gates.
        use_bias: whether a bias is added.
        unit_forget_bias: whether the bias of the forget gate starts at 1.
        dropout: share of the inputs that training drops.
        recurrent_dropout: share of the state that training drops.
        seed: of the dropout.
        return_sequences: whether the output of every step is returned, or only the last.
        return_state: whether the last states are returned, too: the output, and what is carried.
        go_backwards: whether the last step comes first.
        stateful: not supported.
        unroll: without effect.
    """

    cell_class = LSTMCell
    recurrent_activation = _OfCell()
    unit_forget_bias = _OfCell()

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(locals(), **kwargs)


class GRU(_WithCell):
    """A state that an update gate mixes with a candidate at every step (Cho and others, 2014).

    Each weight has three parts: the update gate, the reset gate, and the candidate.

    Args:
        units: size of the state.
        activation: of the candidate: name, function or Keras configuration; None is linear.
        recurrent_activation: of the gates.
        use_bias: whether biases are added.
        dropout: share of the inputs that training drops.
        recurrent_dropout: share of the state that training drops.
        seed: of the dropout.
        return_sequences: whether the output of every step is returned, or only the last.
        return_state: whether the last state is returned, too.
        go_backwards: whether the last step comes first.
        stateful: not supported.
        unroll: without effect.
        reset_after: whether the reset gate comes after the product with the recurrent kernel, which then has a bias of
            its own: the second row of the bias.
    """

    cell_class = GRUCell
    recurrent_activation = _OfCell()
    reset_after = _OfCell()

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(locals(), **kwargs)
