"""MultiHeadAttention: each position of a query gets a mean of values, weighted by how well their keys fit it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from foldnet.errors import ConfigError, UnsupportedError
from foldnet.layers.base import Layer
from foldnet.layers.einsum_dense import EinsumDense
from foldnet.layers.headed_attention import HeadedAttention, check_positions
from foldnet.layers.tensors import Shape
from foldnet.setting_types import AXES_LISTED, COUNT, Kind, sizes

_SIZES = sizes(1, free=False)


def _listed(kind: Kind) -> Kind:
    """A kind of list that one number may stand for, too."""
    return Kind(
        f"a whole number, or {kind.words}",
        lambda value: tuple(kind.read(value if hasattr(value, "__iter__") else [value])),
    )


class MultiHeadAttention(HeadedAttention):
    """Each position of a query gets a mean of values, weighted by how well their keys fit it (Vaswani et al., 2017).

    For each head, query, key and value are projected; the scores are
    ``softmax(query @ key.T / sqrt(key_dim))`` over the positions of the values; the results of all heads are projected
    to the size of the query.

    Args:
        num_heads: number of heads.
        key_dim: size of each head's query and key.
        value_dim: size of each head's value; None for ``key_dim``.
        dropout: share of the scores that training drops.
        use_bias: whether the projections add a bias.
        output_shape: size, or sizes, of the result's last axes; None for the query's last size.
        attention_axes: axes of the positions; None for all axes but the first and the last. As in Keras, it has no
            effect on inputs of rank 3 unless there is dropout or the scores are returned.
        sliding_window: if given, positions attend only to positions less than so far away.
        flash_attention: accepted as in Keras; results do not depend on it.
        use_gate: whether each head's result is multiplied by a sigmoid of a projection of the query.
        seed: of the dropout.

    >>> from foldnet import Input, layers
    >>> x = Input((10, 16))
    >>> layers.MultiHeadAttention(num_heads=4, key_dim=8)(x, x, use_causal_mask=True).shape
    (None, 10, 16)
    """

    removes_masks = True
    kept_as: ClassVar[Mapping[str, str]] = {"output_shape": "partial_output_shape"}
    ignored_settings = frozenset({"query_shape", "key_shape", "value_shape"})
    kinds = {  # noqa: RUF012 - typed in the base
        "num_heads": COUNT, "key_dim": COUNT, "value_dim": COUNT.or_none(),
        "partial_output_shape": _listed(_SIZES).or_none(), "attention_axes": _listed(AXES_LISTED).or_none(),
    }  # fmt: skip

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: int | Sequence[int] | None = None,
        attention_axes: int | Sequence[int] | None = None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.value_dim = key_dim if value_dim is None else value_dim
        self.dropout = dropout
        self.use_bias = use_bias
        self.partial_output_shape: Any = output_shape or None
        self.attention_axes: Any = attention_axes
        self.sliding_window = sliding_window
        self.use_gate = use_gate
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer
        self.kernel_regularizer = kernel_regularizer
        self.bias_regularizer = bias_regularizer
        self.kernel_constraint = kernel_constraint
        self.bias_constraint = bias_constraint
        self.seed = seed
        self.check_flash(flash_attention)

    @property
    def heads(self) -> int:
        """The number of heads."""
        return int(self.num_heads)

    @property
    def key_size(self) -> int:
        """The size of each head's query and key."""
        return int(self.key_dim)

    @property
    def value_size(self) -> int:
        """The size of each head's value."""
        return int(self.value_dim)

    def penalized(self, results: Sequence[str]) -> Sequence[str]:
        """None again: Keras gives its activity regularizer to the projections alone, the last one included."""
        return ()

    def arranged(self, given: dict[str, Any]) -> dict[str, Any]:
        """The tensors of a call; ``query_mask`` is refused, because Keras 3 ignores it in this layer.

        Raises:
            UnsupportedError: there is a ``query_mask``.
        """
        if "query_mask" in given:
            raise UnsupportedError(
                f"layer {self.name!r}: Keras 3 ignores query_mask= in MultiHeadAttention and uses the mask that comes "
                "with the query. Leave it out, or combine it with attention_mask"
            )
        return super().arranged(given)

    def make_parts(self, *input_shapes: Shape) -> Mapping[str, tuple[Layer, Shape]]:
        """The projections of query, key, value, gate and result."""
        query, value, *rest = input_shapes
        key = rest[0] if rest else value
        self._check(query, value, key)
        heads, size, result = self.num_heads, self.value_dim, self.partial_output_shape or (query[-1],)
        parts: dict[str, tuple[Layer, Shape]] = {
            "query_dense": (self._to_heads("query", query, self.key_dim), query),
            "key_dense": (self._to_heads("key", key, self.key_dim), key),
        }
        if self.use_gate:
            parts["_gate_dense"] = (self._to_heads("gate", query, size, activation="sigmoid"), query)
        parts["value_dense"] = (self._to_heads("value", value, size), value)
        new = "uvwxyz"[: len(result)] if len(result) <= 6 else _too_many(result)
        spaces = "abcdefgh"[: len(query) - 1]
        equation = f"{spaces}st,st{new}->{spaces}{new}"
        of_result = self.projection("attention_output", equation, (*query[1:-1], *result), new)
        parts["output_dense"] = (of_result, (*query[:-1], heads, size))
        return parts

    def _check(self, query: Shape, value: Shape, key: Shape) -> None:
        if min(len(query), len(value)) < 3:
            raise ConfigError(
                f"MultiHeadAttention takes inputs of rank 3 or more, (rows, positions, features); got {query} and "
                f"{value}"
            )
        if len(query) != len(value) or len(query) > 9:
            raise ConfigError(f"query and value must have the same rank, up to 9; got {query} and {value}")
        check_positions(value, key)

    def _to_heads(self, name: str, shape: Shape, size: int, **kwargs: Any) -> EinsumDense:
        spaces = "abcdefgh"[: len(shape) - 1]
        equation = f"{spaces}s,stu->{spaces}tu"
        return self.projection(name, equation, (*shape[1:-1], self.num_heads, size), "tu", **kwargs)

    @property
    def query_dense(self) -> Layer:
        """The projection of the query."""
        return self.part("query")

    @property
    def key_dense(self) -> Layer:
        """The projection of the key."""
        return self.part("key")

    @property
    def value_dense(self) -> Layer:
        """The projection of the value."""
        return self.part("value")

    @property
    def output_dense(self) -> Layer:
        """The projection of the result."""
        return self.part("attention_output")

    def axes_of_positions(self, rank: int) -> tuple[int, ...]:
        """The axes along which inputs of a rank attend, counted from the front.

        Raises:
            ConfigError: there is no such axis.
        """
        if self.attention_axes is None:
            return tuple(range(1, rank - 1))
        axes = tuple(a if a >= 0 else rank + a for a in self.attention_axes)
        if not axes or any(not 0 < a < rank for a in axes) or len(set(axes)) != len(axes):
            raise ConfigError(
                f"attention_axes={self.attention_axes} must be axes of inputs of rank {rank}, each once, and not that "
                "of the rows"
            )
        return axes

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The query's, with ``output_shape`` in place of its last size."""
        query, value, *rest = input_shapes
        self._check(query, value, rest[0] if rest else value)
        self.axes_of_positions(len(query))
        return query if self.partial_output_shape is None else (*query[:-1], *self.partial_output_shape)


def _too_many(sizes: Sequence[int | None]) -> str:
    raise ConfigError(f"output_shape may have up to 6 sizes, got {tuple(sizes)}")
