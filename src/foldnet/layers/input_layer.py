"""InputLayer and Input: the inputs of a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from foldnet.errors import ConfigError, UnsupportedError
from foldnet.layers.base import Layer
from foldnet.layers.dtypes import policy_name
from foldnet.layers.tensors import Call, Shape, SymbolicTensor
from foldnet.setting_types import COUNT, FLAG, SHAPE
from foldnet.warn import warn


class InputLayer(Layer):
    """An input of a network; ``Input`` creates one and returns its tensor.

    Args:
        shape: of one row; None for a free size.
        batch_size: a fixed batch size, if any.
        dtype: of the data, ``"float32"`` by default.
        sparse: accepted as in Keras, without effect.
        ragged: must be False.
        batch_shape: the shape with the batch axis first, instead of ``shape`` and ``batch_size``.
        input_tensor: a tensor from ``Input`` to use instead of a new one.
        optional: whether its data may be None; a ``mask=`` read from it is then ignored.

    Raises:
        ConfigError: no shape, two shapes, or settings that contradict the tensor.
    """

    is_input = True
    kinds = {"sparse": FLAG, "ragged": FLAG, "optional": FLAG}  # noqa: RUF012 - typed in the base
    fixed_settings: ClassVar[dict[str, tuple[Any, ...]]] = {"ragged": (False,)}

    def __init__(
        self,
        shape: Sequence[int | None] | None = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Sequence[int | None] | None = None,
        input_tensor: SymbolicTensor | None = None,
        optional: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if "input_shape" in kwargs:
            warn("Argument `input_shape` is deprecated. Use `shape` instead.")
            shape = kwargs.pop("input_shape")
        batch_shape = kwargs.pop("batch_input_shape", batch_shape)
        super().__init__(dtype="float32", name=name, **kwargs)
        self.sparse, self.ragged, self.optional = sparse or False, ragged or False, optional or False
        if self.ragged:
            raise UnsupportedError(f"{self.described()}: foldnet has no inputs with ragged=True")
        given = self._given(shape, batch_size, batch_shape)
        if input_tensor is not None:
            self._use_tensor(input_tensor, given, batch_size, dtype)
        elif given is None:
            raise ConfigError(f"{self.described()} needs a shape, such as Input((4,))")
        else:
            self.shape: Shape = given
            self.dtype = self._dtype(dtype)
            input_tensor = SymbolicTensor(self.shape, self.dtype)
        self.batch_shape: Shape = self.shape
        self.build()
        call = input_tensor.call = Call(self, (), {}, (input_tensor,))
        self.calls.append(call)

    def _given(self, shape: Any, batch_size: Any, batch_shape: Any) -> Shape | None:
        who = self.described()
        if batch_shape is not None:
            for other, value in (("shape", shape), ("batch_size", batch_size)):
                if value is not None:
                    raise ConfigError(f"{who} cannot take both {other} and batch_shape: give one of them")
            found: Shape = SHAPE(batch_shape, who, "batch_shape")
            return found
        size = COUNT.or_none()(batch_size, who, "batch_size")
        if shape is None:
            return None
        one = isinstance(shape, int) and not isinstance(shape, bool)
        return (size, *SHAPE((shape,) if one else shape, who, "shape"))

    def _dtype(self, dtype: Any) -> str:
        try:
            return policy_name(dtype)
        except ConfigError as error:
            raise ConfigError(f"{self.described()}: {error}") from None

    def _use_tensor(self, tensor: Any, given: Shape | None, batch_size: int | None, dtype: Any) -> None:
        who = self.described()
        if not isinstance(tensor, SymbolicTensor):
            raise ConfigError(f"{who}: input_tensor must be what Input gives, not {type(tensor).__name__}")
        if tensor.call is not None and tensor.call.inputs:
            raise ConfigError(
                f"{who}: input_tensor is the result of layer {tensor.name!r}; to start a network there, make an "
                "Input of its shape"
            )
        wrong = given is not None and given[given[0] is None :] != tensor.shape[given[0] is None :]
        if wrong or batch_size not in (None, tensor.shape[0]):
            raise ConfigError(f"{who}: the shape does not fit that of input_tensor, {tensor.shape}")
        if dtype is not None and self._dtype(dtype) != tensor.dtype:
            raise ConfigError(f"{who}: dtype {dtype!r} is not that of input_tensor, {tensor.dtype!r}")
        self.shape, self.dtype = tensor.shape, tensor.dtype

    def call(self) -> None:
        """Does nothing."""

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        return {
            "name": self.name, "batch_shape": list(self.batch_shape), "dtype": self.dtype, "sparse": self.sparse,
            "ragged": self.ragged, "optional": self.optional,
        }  # fmt: skip


def Input(  # noqa: N802 - Keras's name
    shape: Sequence[int | None] | None = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Sequence[int | None] | None = None,
    name: str | None = None,
    tensor: SymbolicTensor | None = None,
    optional: bool = False,
) -> SymbolicTensor:
    """Create a symbolic tensor for data of this shape.

    Args:
        shape: of one row, such as ``(4,)``; None for a free size.
        batch_size: a fixed batch size, if any.
        dtype: of the data, ``"float32"`` by default.
        sparse: accepted as in Keras, without effect.
        ragged: must be False.
        batch_shape: the shape with the batch axis first, instead of ``shape`` and ``batch_size``.
        name: of the input layer.
        tensor: a tensor to use instead of a new one.
        optional: whether its data may be None; a ``mask=`` read from it is then ignored.

    >>> Input((4,)).shape
    (None, 4)
    """
    layer = InputLayer(shape, batch_size, dtype, sparse, ragged, batch_shape, tensor, optional, name)
    return layer.output
