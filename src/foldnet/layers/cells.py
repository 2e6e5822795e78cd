"""What a recurrent layer computes in one step: SimpleRNNCell, LSTMCell, GRUCell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from foldnet import activations
from foldnet.arrays import Array
from foldnet.errors import ConfigError, UnsupportedError
from foldnet.graph.op import Elementwise
from foldnet.initializers import initialize
from foldnet.layers.base import Layer
from foldnet.layers.core import activation_op
from foldnet.layers.stepping import Stepping, Steps, sliced
from foldnet.layers.tensors import Shape
from foldnet.layers.weight import WeightSpec
from foldnet.operations.batch.op import Drop
from foldnet.operations.elementwise.op import Binary
from foldnet.operations.matrix.op import Dense
from foldnet.operations.scan.op import FORMS, CellKind, Scan, TrainedScan
from foldnet.operations.structure.op import Concatenate, reshape_to
from foldnet.setting_types import COUNT, FLAG, FRACTION, SEED, Kind

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering


class Cell(Stepping):
    """Base class of what a recurrent layer computes in one step."""

    ignored_settings = frozenset({"implementation"})
    kinds = {  # noqa: RUF012 - typed in the base
        "units": COUNT, "use_bias": FLAG, "dropout": FRACTION, "recurrent_dropout": FRACTION, "seed": SEED,
        "recurrent_activation": Kind("an activation: its name, or a function", Layer.kinds["activation"].read),
    }  # fmt: skip
    units: int
    use_bias: bool
    activation: Any
    recurrent_activation: Any
    kernel_initializer: Any
    recurrent_initializer: Any
    bias_initializer: Any
    dropout: float
    recurrent_dropout: float

    @property
    def kind(self) -> CellKind:
        """What a step computes."""
        raise ConfigError(f"{type(self).__name__} must say what it computes")  # every subclass defines it

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """The sizes of the states; the first state is the output."""
        return (self.units,) * FORMS[self.kind].states

    @property
    def state_size(self) -> int | list[int]:
        """The sizes of the states: a number, or a list if there are several."""
        sizes = list(self.state_sizes)
        return sizes[0] if len(sizes) == 1 else sizes

    @property
    def output_size(self) -> int:
        """The size of the output."""
        return self.units

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        config = super().get_config()
        functions = {k: activations.serialize(v) for k, v in config.items() if k.endswith("activation")}
        return config | functions

    def differs_in_training(self) -> bool:
        """Whether it drops inputs or states in training."""
        return self.dropout > 0 or self.recurrent_dropout > 0

    # -- weights --------------------------------------------------------------------------------------------

    def weight_specs(self, *input_shapes: Shape) -> Sequence[WeightSpec]:
        """Kernel (features, gates * units), recurrent kernel (units, gates * units), and bias if used."""
        features = input_shapes[0][-1]
        if len(input_shapes[0]) < 2 or features is None:
            raise ConfigError(
                f"{type(self).__name__} needs inputs whose last axis has a known size, got {input_shapes[0]}"
            )
        width = FORMS[self.kind].gates * self.units
        specs = [
            WeightSpec("kernel", (features, width), self.kernel_initializer),
            WeightSpec("recurrent_kernel", (self.units, width), self.recurrent_initializer),
        ]
        return [*specs, WeightSpec("bias", self._bias_shape, self._bias_start)] if self.use_bias else specs

    @property
    def _bias_shape(self) -> tuple[int, ...]:
        return (FORMS[self.kind].gates * self.units,)

    @property
    def _bias_start(self) -> Any:
        return self.bias_initializer

    # -- computing ------------------------------------------------------------------------------------------

    def _elementwise(self, setting: str) -> Elementwise:
        function = getattr(self, setting)
        op = activation_op(function, 2)
        if op is None:
            return Elementwise("linear")
        found = op.as_activation
        if found is None:
            raise UnsupportedError(
                f"{self.described()}: {setting} is {getattr(function, '__name__', function)!r}, which is no function "
                "of each value alone; recurrent layers take elementwise functions"
            )
        return found

    def lower_steps(
        self, b: Lowering, x: str, states: Sequence[str], mask: str | None, steps: Steps
    ) -> tuple[str, list[str]]:
        """Emit the products with the kernel, and a Scan; see ``Stepping.lower_steps``."""
        op = Scan(
            self.kind,
            self.units,
            self._elementwise("activation"),
            self._elementwise("recurrent_activation"),
            reverse=steps.reverse,
            sequences=steps.sequences,
            states=steps.states,
            initial=bool(states),
            masked=mask is not None,
            zeros=steps.zeros,
        )
        given = [*states, *([] if mask is None else [mask])]
        y = self._trained(b, op, x, given) if b.trains else self._predicted(b, op, x, given)
        count = len(self.state_sizes) if steps.states else 0
        found = [self._position(b, y, k - count) for k in range(count)]
        if not steps.sequences:
            return self._position(b, y, 0), found
        return (sliced(b, y, (None, -count, 1)) if count else y), found

    def _position(self, b: Lowering, y: str, at: int) -> str:
        """One position of (rows, ..., positions, units)."""
        shape = b.shape(y)
        if shape[-2] != 1:
            y = sliced(b, y, (at, at + 1 if at != -1 else None, 1))
        return b.emit(reshape_to(b.shape(y), (*shape[1:-2], self.units)), y)

    def _predicted(self, b: Lowering, op: Scan, x: str, given: Sequence[str]) -> str:
        bias, weights = self._weights(b)
        z = b.emit(Dense(), x, b.weight(self, "kernel"), *bias)
        return b.emit(op, z, *given, *weights)

    def _trained(self, b: Lowering, op: Scan, x: str, given: Sequence[str]) -> str:
        """The same, with inputs and states that are dropped: the same ones in all steps of a row, as in Keras."""
        from foldnet.operations.elementwise.slopes import needs_operand

        bias, weights = self._weights(b)
        drops = b.call_training is not False
        gates = 1 if op.cell == "simple" else op.form.gates
        # Where states are dropped, each gate has its own choice, also of inputs: Keras's implementation=1.
        choices = gates if self.recurrent_dropout > 0 else 1
        if drops and 0 < self.dropout < 1:
            z = self._of_dropped_inputs(b, x, bias, choices)
        else:
            z = b.emit(Dense(), x, b.weight(self, "kernel"), *bias)
        units = []
        if drops and 0 < self.recurrent_dropout < 1:
            units = [self._dropped_units(b, z, choices)]
        sums = any(needs_operand(f) for f in (op.activation, op.recurrent_activation))
        trained = TrainedScan(**vars(op), dropped=bool(units), sums=sums)
        return b.emit_all(trained, z, *given, *units, *weights)[0]

    def _dropped_units(self, b: Lowering, z: str, gates: int) -> str:
        """By what each of so many gates multiplies the units of the state: 0, or a number above 1."""
        *ahead, _, _ = b.shape(z)[1:]
        first = b.emit(reshape_to((), (*ahead, gates * self.units)), sliced(b, z, (0, 1, 1)))
        ones = b.emit(Binary(kind="logical_or"), first, b.number(self, "one", 1))  # whatever z is
        shared = (False,) * len(b.shape(ones))
        return b.emit(Drop(self.recurrent_dropout, "dropout", b.random_stream(), shared), ones)

    def _of_dropped_inputs(self, b: Lowering, x: str, bias: Sequence[str], gates: int) -> str:
        """The products of inputs with the kernel, where each of so many groups of gates drops inputs of its own."""
        rank, width = len(b.shape(x)), FORMS[self.kind].gates * self.units // gates
        shared = tuple(axis == rank - 2 for axis in range(rank))
        parts = []
        for k in range(gates):
            kept = b.emit(Drop(self.dropout, "dropout", b.random_stream(), shared), x)
            weights = [b.weight(self, "kernel"), *bias]
            if gates > 1:
                weights = [b.columns(w, k * width, (k + 1) * width) for w in weights]
            parts.append(b.emit(Dense(), kept, *weights))
        return parts[0] if gates == 1 else b.emit(Concatenate(rank - 1), *parts)

    def _weights(self, b: Lowering) -> tuple[list[str], list[str]]:
        """The bias of the inputs, if there is one, and the weights of the steps."""
        bias = [b.weight(self, "bias")] if self.use_bias else []
        return bias, [b.weight(self, "recurrent_kernel")]


class SimpleRNNCell(Cell):
    """``activation(x @ kernel + bias + state @ recurrent_kernel)`` (Elman, 1990).

    Args:
        units: size of the state.
        activation: name, function or Keras configuration; None is linear.
        use_bias: whether a bias is added.
        dropout: share of the inputs that training drops.
        recurrent_dropout: share of the state that training drops.
        seed: of the dropout.
    """

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
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        keep(self, locals())

    @property
    def kind(self) -> CellKind:
        """``simple``."""
        return "simple"

    def _elementwise(self, setting: str) -> Elementwise:
        return super()._elementwise("activation")  # it has no gates


class LSTMCell(Cell):
    """A carried state that gates forget, add to and show (Hochreiter and Schmidhuber, 1997).

    Each weight has four parts: the input gate, the forget gate, the candidate, and the output gate.

    Args:
        units: size of each state.
        activation: of the candidate and the output: name, function or Keras configuration; None is linear.
        recurrent_activation: of the gates.
        use_bias: whether a bias is added.
        unit_forget_bias: whether the bias of the forget gate starts at 1.
        dropout: share of the inputs that training drops.
        recurrent_dropout: share of the state that training drops.
        seed: of the dropout.
    """

    kinds = {"unit_forget_bias": FLAG}  # noqa: RUF012 - typed in the base

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
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        keep(self, locals())

    @property
    def kind(self) -> CellKind:
        """``lstm``."""
        return "lstm"

    @property
    def _bias_start(self) -> Any:
        if not self.unit_forget_bias:
            return self.bias_initializer

        def start(shape: Sequence[int]) -> Array:
            n = self.units
            first, rest = (initialize(self.bias_initializer, (count,)) for count in (n, 2 * n))
            return np.concatenate([first, np.ones(n, np.float32), rest])

        return start


class GRUCell(Cell):
    """A state that an update gate mixes with a candidate (Cho and others, 2014).

    Each weight has three parts: the update gate, the reset gate, and the candidate.

    Args:
        units: size of the state.
        activation: of the candidate: name, function or Keras configuration; None is linear.
        recurrent_activation: of the gates.
        use_bias: whether biases are added.
        dropout: share of the inputs that training drops.
        recurrent_dropout: share of the state that training drops.
        seed: of the dropout.
        reset_after: whether the reset gate comes after the product with the recurrent kernel, which then has a bias of
            its own: the second row of the bias.
    """

    kinds = {"reset_after": FLAG}  # noqa: RUF012 - typed in the base

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
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        keep(self, locals())

    @property
    def kind(self) -> CellKind:
        """``gru``, or ``gru_reset_after``."""
        return "gru_reset_after" if self.reset_after else "gru"

    @property
    def _bias_shape(self) -> tuple[int, ...]:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def _weights(self, b: Lowering) -> tuple[list[str], list[str]]:
        n, width = self.units, 3 * self.units
        if not self.reset_after:
            parts = [("gates/recurrent_kernel", 0, 2 * n), ("candidate/recurrent_kernel", 2 * n, width)]
            bias = [b.weight(self, "bias")] if self.use_bias else []
            return bias, [
                b.part(self, name, "recurrent_kernel", (0, start), (n, end), (0, 1))
                for name, start, end in parts
            ]
        zeros = np.zeros(width, np.float32)
        biases = [
            b.part(self, f"{k}/bias", "bias", (i, 0), (i + 1, width), (1,))
            if self.use_bias else b.layer_constant(self, f"{k}/bias", zeros)
            for i, k in enumerate(("input", "recurrent"))
        ]  # fmt: skip
        return biases[:1], [b.weight(self, "recurrent_kernel"), biases[1]]


def keep(layer: Layer, given: Mapping[str, Any]) -> None:
    """Store the arguments of a constructor, its ``locals()``, as attributes."""
    for name, value in given.items():
        if name not in ("self", "kwargs", "__class__"):
            setattr(layer, name, value)
