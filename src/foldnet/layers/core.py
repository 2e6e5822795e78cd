"""Dense, Activation, Embedding, Identity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from foldnet import activations
from foldnet.errors import ConfigError
from foldnet.graph.op import Elementwise, Op
from foldnet.layers.axes import positive_axis
from foldnet.layers.base import Layer
from foldnet.layers.masking import not_zero
from foldnet.layers.tensors import Shape
from foldnet.layers.traits import Ending
from foldnet.layers.weight import WeightSpec
from foldnet.operations.along.op import Glu, Softmax, Sparsemax
from foldnet.operations.elementwise.op import Unary
from foldnet.operations.matrix.op import Dense as DenseOp
from foldnet.operations.structure.op import Gather
from foldnet.operations.structure.op import Identity as IdentityOp
from foldnet.setting_types import COUNT, FLAG

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering


class Dense(Layer):
    """``activation(x @ kernel + bias)`` over the last axis of an input of any rank.

    Args:
        units: size of the last axis of the result.
        activation: name, function or Keras configuration; None is linear.
        use_bias: whether a bias is added.
    """

    supports_masking = True
    features_last = True
    unit_axis = -1
    kinds = {"units": COUNT, "use_bias": FLAG}  # noqa: RUF012 - typed in the base
    fixed_settings: ClassVar[dict[str, tuple[Any, ...]]] = {
        "lora_rank": (), "lora_alpha": (), "quantization_config": (),
    }  # fmt: skip

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.units = units
        self.activation = activation
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer
        self.kernel_regularizer = kernel_regularizer
        self.bias_regularizer = bias_regularizer
        self.kernel_constraint = kernel_constraint
        self.bias_constraint = bias_constraint

    def weight_specs(self, *input_shapes: Shape) -> Sequence[WeightSpec]:
        """Kernel (inputs, units), and bias (units,) if used."""
        (shape,) = input_shapes
        if len(shape) < 2 or shape[-1] is None:
            raise ConfigError(f"Dense needs an input whose last axis has a known size, got {shape}")
        specs = [WeightSpec("kernel", (shape[-1], self.units), self.kernel_initializer)]
        if self.use_bias:
            specs.append(WeightSpec("bias", (self.units,), self.bias_initializer))
        return specs

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The input's shape with ``units`` last; the activation ``glu`` halves that."""
        return activation_shape(self.activation, (*input_shapes[0][:-1], self.units))

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        return {**super().get_config(), "activation": activations.serialize(self.activation)}

    @property
    def ends_with(self) -> Ending:
        """Its activation."""
        return named_activation(self.activation)

    def lower(self, b: Lowering, *inputs: str) -> str:
        """Dense, then the activation."""
        y = b.emit(DenseOp(), b.float(inputs[0]), *b.weights(self))
        return lower_activation(b, self.activation, y)


class Activation(Layer):
    """An activation as a layer.

    Args:
        activation: name, function or Keras configuration.
    """

    supports_masking = True

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activation

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The input's shape; ``glu`` halves its axis."""
        return activation_shape(self.activation, input_shapes[0])

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        return {**super().get_config(), "activation": activations.serialize(self.activation)}

    @property
    def identity_in_prediction(self) -> bool:
        """Whether the activation is linear."""
        return self.ends_with[0] == "linear"

    @property
    def ends_with(self) -> Ending:
        """The activation."""
        return named_activation(self.activation)

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The activation."""
        return lower_activation(b, self.activation, b.float(inputs[0]))


class Identity(Layer):
    """The input itself."""

    supports_masking = True

    @property
    def identity_in_prediction(self) -> bool:
        """True."""
        return True

    def compute_output_dtype(self, *input_dtypes: str) -> str:
        """The input's."""
        return input_dtypes[0]

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The input itself."""
        return b.emit(IdentityOp(), inputs[0])


class Embedding(Layer):
    """Row ``i`` of a table for each index ``i``; adds a last axis.

    An index outside 0 to ``input_dim - 1`` is an InputError; Keras returns NaN or another row,
    depending on its backend.

    Args:
        input_dim: number of rows of the table.
        output_dim: size of a row.
        mask_zero: whether index 0 is padding. The lookup is the same. In training padding does not count in
            the statistics of a BatchNormalization or in losses; Softmax, Multiply, Maximum and Minimum ignore it.
        weights: initial values of the table, as an array or a list with one array.
    """

    features_last = True
    data_dtype = "int32"
    unstored_settings = frozenset({"weights"})
    kinds = {"input_dim": COUNT, "output_dim": COUNT, "mask_zero": FLAG}  # noqa: RUF012 - typed in the base
    ignored_settings = frozenset({"input_length", "sparse"})
    fixed_settings: ClassVar[dict[str, tuple[Any, ...]]] = Dense.fixed_settings

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("input_length", None)  # an argument of Keras 2, not needed: the input's shape is known
        super().__init__(**kwargs)
        self.input_dim = input_dim
        self.output_dim = output_dim
        self.embeddings_initializer = embeddings_initializer
        self.embeddings_regularizer = embeddings_regularizer
        self.embeddings_constraint = embeddings_constraint
        self.mask_zero = mask_zero
        self.supports_masking = self.mask_zero
        self._set_initial_weights(weights)

    def _set_initial_weights(self, weights: Any) -> None:
        if weights is not None:
            self.build()
            self.set_weights(
                weights if isinstance(weights, list) and len(weights) == len(self.specs) else [weights]
            )

    def weight_specs(self, *input_shapes: Shape) -> Sequence[WeightSpec]:
        """The table, (input_dim, output_dim)."""
        return [WeightSpec("embeddings", (self.input_dim, self.output_dim), self.embeddings_initializer)]

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The indices' shape and ``output_dim``."""
        return (*input_shapes[0], self.output_dim)

    @property
    def masked_value(self) -> float | None:
        """Index 0, with ``mask_zero``."""
        return 0.0 if self.mask_zero else None

    def output_mask(self, *masked: bool) -> bool:
        """Whether it makes a mask."""
        return self.mask_zero

    def lower_mask(self, b: Lowering, inputs: Sequence[str], masks: Sequence[str | None]) -> str:
        """Where the index is not 0, before it is truncated to a whole number, as in Keras."""
        return not_zero(b, self, b.float(inputs[0]))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Where the index is not 0; None without ``mask_zero``."""
        from foldnet.use import compute_mask

        return compute_mask(self, inputs, mask)

    def lower(self, b: Lowering, *inputs: str) -> str:
        """Rows of the table; floating-point indices are truncated to whole numbers, as in Keras."""
        return b.emit(Gather(), b.int(inputs[0]), *b.weights(self))


def named_activation(function: activations.Function) -> Ending:
    """Name and parameters of an activation; ``("custom", {})`` for a user's function."""
    try:
        return activations.known(function) or ("custom", {})
    except ConfigError:
        return "custom", {}


def activation_op(function: activations.Function, rank: int) -> Op | None:
    """The op that computes an activation on inputs of this rank; None for ``linear``."""
    named = activations.known(function)
    if named is None:
        return Unary(Elementwise(getattr(function, "__name__", "custom"), (), function))
    name, params = named
    if name == "linear":
        return None
    if name in AXIS_OPS:
        return AXIS_OPS[name](positive_axis(_one_axis(name, params["axis"]), rank))
    numbers = {k: float("inf") if v is None else float(v) for k, v in params.items()}
    return Unary(Elementwise(name, tuple(numbers.items())))


AXIS_OPS: dict[str, Callable[[int], Op]] = {
    "glu": Glu,
    "log_softmax": lambda axis: Softmax(axis, log=True),
    "softmax": Softmax,
    "sparsemax": Sparsemax,
}


def _one_axis(name: str, axis: Any) -> int:
    if isinstance(axis, list | tuple) and len(axis) == 1:
        (axis,) = axis
    if not isinstance(axis, int):
        raise ConfigError(f"activation {name} works along one axis, and was given axis={axis!r}")
    return axis


def activation_shape(function: activations.Function, shape: Shape) -> Shape:
    """Shape of an activation's result."""
    op = activation_op(function, len(shape))
    return shape if op is None else op.output_shape(shape)


def lower_activation(b: Lowering, function: activations.Function, x: str) -> str:
    """Emit an activation, unless it is linear."""
    op = activation_op(function, len(b.shape(x)))
    return x if op is None else b.emit(op, x)
