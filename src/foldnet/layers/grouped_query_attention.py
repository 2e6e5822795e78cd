"""GroupQueryAttention: MultiHeadAttention in which several heads of the query share one head of key and value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from foldnet.errors import ConfigError
from foldnet.layers.base import Layer
from foldnet.layers.einsum_dense import EinsumDense
from foldnet.layers.headed_attention import HeadedAttention, check_positions
from foldnet.layers.tensors import Shape
from foldnet.operations.elementwise.op import Binary
from foldnet.operations.structure.op import Stretch
from foldnet.setting_types import COUNT

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering


class GroupQueryAttention(HeadedAttention):
    """Attention in which groups of the query's heads share a head of key and value (Ainslie et al., 2023).

    With as many heads of key and value as of the query it is a ``MultiHeadAttention``.

    Args:
        head_dim: size of each head.
        num_query_heads: number of heads of the query.
        num_key_value_heads: number of heads of key and value; it divides ``num_query_heads``.
        dropout: share of the scores that training drops.
        use_bias: whether the projections add a bias.
        sliding_window: if given, positions attend only to positions less than so far away.
        flash_attention: accepted as in Keras; results do not depend on it.
        use_gate: whether each head's result is multiplied by a sigmoid of a projection of the query.
        seed: of the dropout.

    >>> from foldnet import Input, layers
    >>> x = Input((10, 16))
    >>> layers.GroupQueryAttention(head_dim=8, num_query_heads=4, num_key_value_heads=2)(x, x).shape
    (None, 10, 16)
    """

    kinds = {  # noqa: RUF012 - typed in the base
        "head_dim": COUNT, "num_query_heads": COUNT, "num_key_value_heads": COUNT,
    }  # fmt: skip

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
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
        self.head_dim = head_dim
        self.num_query_heads = num_query_heads
        self.num_key_value_heads = num_key_value_heads
        if self.num_query_heads % self.num_key_value_heads:
            raise ConfigError(
                f"{self.described()}: `num_query_heads` must be divisible by `num_key_value_heads`, got "
                f"{num_query_heads} and {num_key_value_heads}"
            )
        self.dropout = dropout
        self.use_bias = use_bias
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

    @classmethod
    def _keras_name(cls) -> str:
        return "GroupedQueryAttention" if cls is GroupQueryAttention else cls.__name__

    @property
    def heads(self) -> int:
        """The number of heads of the query."""
        return int(self.num_query_heads)

    @property
    def key_value_heads(self) -> int:
        """The number of heads of key and value."""
        return int(self.num_key_value_heads)

    @property
    def key_size(self) -> int:
        """The size of each head."""
        return int(self.head_dim)

    def make_parts(self, *input_shapes: Shape) -> Mapping[str, tuple[Layer, Shape]]:
        """The projections of query, key, value, gate and result."""
        query, value, *rest = input_shapes
        key = rest[0] if rest else value
        self._check(query, value, key)
        many, few, features = self.num_query_heads, self.num_key_value_heads, query[-1]
        parts: dict[str, tuple[Layer, Shape]] = {
            "_query_dense": (self._to_heads("query", many), query),
            "_key_dense": (self._to_heads("key", few), key),
        }
        if self.use_gate:
            parts["_gate_dense"] = (self._to_heads("gate", many, activation="sigmoid"), query)
        parts["_value_dense"] = (self._to_heads("value", few), value)
        of_result = self.projection("attention_output", "bquh,uhm->bqm", (None, features), "m")
        parts["_output_dense"] = (of_result, (*query[:-1], many, self.head_dim))
        return parts

    def _check(self, query: Shape, value: Shape, key: Shape) -> None:
        if {len(query), len(value)} != {3}:
            raise ConfigError(
                "GroupQueryAttention takes inputs of rank 3, (rows, positions, features); got "
                f"{query} and {value}"
            )
        if query[-1] != value[-1]:
            raise ConfigError(
                "The last dimension of `query_shape` and `value_shape` must be equal, but are "
                f"{query[-1]}, {value[-1]}. Received: query_shape={query}, value_shape={value}"
            )
        check_positions(value, key)

    def _to_heads(self, name: str, heads: int, **kwargs: Any) -> EinsumDense:
        return self.projection(name, "bqm,muh->bquh", (None, heads, self.head_dim), "uh", **kwargs)

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The query's."""
        query, value, *rest = input_shapes
        self._check(query, value, rest[0] if rest else value)
        return query

    def read_attention_mask(self, b: Lowering, value: str, alone: bool) -> str:
        """A mask that counts where this one is not 0; alone and not fused, where it is above 0.5, as in Keras."""
        if alone and not self.is_fused(b, 3):
            return b.emit(Binary(kind="greater"), b.float(value), b.number(self, "half", 0.5))
        return super().read_attention_mask(b, value, alone)

    def shared(self, b: Lowering, x: str) -> str:
        """Each head of key or value as often as heads of the query share it."""
        times = self.num_query_heads // self.num_key_value_heads
        return x if times == 1 else b.emit(Stretch((1, times, 1)), x)
