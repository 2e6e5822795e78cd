"""ReversibleEmbedding: a lookup that also works in reverse, from vectors to a score for each index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from foldnet.errors import ConfigError, UnsupportedError
from foldnet.graph.op import Elementwise
from foldnet.layers.core import Embedding
from foldnet.layers.dtypes import policy_name
from foldnet.layers.tensors import Call, Shape, SymbolicTensor
from foldnet.layers.weight import WeightSpec
from foldnet.operations.affine.op import Affine
from foldnet.operations.elementwise.op import Unary
from foldnet.operations.matrix.op import Dense, TurnedDense
from foldnet.operations.structure.op import Gather
from foldnet.setting_types import FLAG, number

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering


class ReversibleEmbedding(Embedding):
    """An Embedding that computes ``x @ embeddings.T`` if called with ``reverse=True``: a score for each index.

    Args:
        input_dim: number of rows of the table.
        output_dim: size of a row.
        tie_weights: whether both directions use one table; else the reverse uses the weight ``reverse_embeddings``.
        mask_zero: whether index 0 is padding, as in Embedding.
        reverse_dtype: None or float32.
        logit_soft_cap: if given, scores become ``tanh(scores / logit_soft_cap) * logit_soft_cap``.

    >>> from foldnet import Input, layers
    >>> layer = layers.ReversibleEmbedding(100, 8)
    >>> layer(layer(Input((5,), dtype="int32")), reverse=True).shape
    (None, 5, 100)
    """

    kinds = {  # noqa: RUF012 - typed in the base
        "tie_weights": FLAG, "logit_soft_cap": number(0, above=True).or_none(),
    }  # fmt: skip
    own_arguments = frozenset({"reverse"})

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        tie_weights: bool = True,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        reverse_dtype: Any = None,
        logit_soft_cap: float | None = None,
        **kwargs: Any,
    ) -> None:
        weights = kwargs.pop("weights", None)
        super().__init__(
            input_dim,
            output_dim,
            embeddings_initializer=embeddings_initializer,
            embeddings_regularizer=embeddings_regularizer,
            embeddings_constraint=embeddings_constraint,
            mask_zero=mask_zero,
            **kwargs,
        )
        self.tie_weights = tie_weights
        if _policy(self.name, reverse_dtype) != "float32":
            raise UnsupportedError(
                f"layer {self.name!r} (ReversibleEmbedding): foldnet computes in float32, not with "
                f"reverse_dtype={reverse_dtype!r}; leave it out"
            )
        self.reverse_dtype = reverse_dtype
        self.logit_soft_cap = logit_soft_cap
        self._set_initial_weights(weights)

    def weight_specs(self, *input_shapes: Shape) -> Sequence[WeightSpec]:
        """The table, and ``reverse_embeddings``, (output_dim, input_dim), unless weights are tied."""
        specs = [*super().weight_specs(*input_shapes)]
        if not self.tie_weights:
            shape = (self.output_dim, self.input_dim)
            specs.append(WeightSpec("reverse_embeddings", shape, self.embeddings_initializer))
        return specs

    def compute_output_shape(self, *input_shapes: Shape, reverse: bool = False) -> Shape:
        """The indices' shape and ``output_dim``; in reverse, the input's with ``input_dim`` last."""
        (shape,) = input_shapes
        if not reverse:
            return super().compute_output_shape(shape)
        if len(shape) < 2 or shape[-1] != self.output_dim:
            raise ConfigError(
                f"layer {self.name!r}: in reverse it takes vectors of {self.output_dim} numbers, got shape {shape}"
            )
        return (*shape[:-1], self.input_dim)

    def _make_outputs(self, call: Call) -> None:
        reverse = bool(call.kwargs.get("reverse"))
        shape = self.compute_output_shape(*(t.shape for t in call.inputs), reverse=reverse)
        call.outputs = (SymbolicTensor(shape, "float32", call),)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """None, as in Keras: the mask is attached to the result."""

    def lower(self, b: Lowering, *inputs: str) -> str:
        """A lookup; in reverse the product with the transposed table, and the soft cap."""
        if b.call is None or not b.call.kwargs.get("reverse"):
            return b.emit(Gather(), b.int(inputs[0]), b.weight(self, "embeddings"))
        scores = self._scores(b, b.float(inputs[0]))
        if self.logit_soft_cap is None:
            return scores
        ones = (1,) * (len(b.shape(scores)) - 1)
        zero, cap = b.layer_constant(self, "no offset", np.zeros(ones)), float(self.logit_soft_cap)
        small = b.emit(
            Affine(), scores, b.layer_constant(self, "one over the cap", np.full(ones, 1 / cap)), zero
        )
        capped = b.emit(Unary(Elementwise("tanh")), small)
        return b.emit(Affine(), capped, b.layer_constant(self, "cap", np.full(ones, cap)), zero)

    def _scores(self, b: Lowering, x: str) -> str:
        if not self.tie_weights:
            return b.emit(Dense(), x, b.weight(self, "reverse_embeddings"))
        if b.trains:
            return b.emit(TurnedDense(), x, b.weight(self, "embeddings"))
        transposed = np.ascontiguousarray(self.named_weights["embeddings"].T)
        return b.emit(Dense(), x, b.layer_constant(self, "embeddings turned", transposed))


def _policy(name: str, dtype: Any) -> str:
    try:
        return policy_name(dtype)
    except ConfigError as error:
        raise ConfigError(f"layer {name!r} (ReversibleEmbedding): reverse_dtype: {error}") from None
