"""What attention with several heads has in common: projections, products of heads, masks, dropout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from foldnet.errors import ConfigError, InputError, UnsupportedError
from foldnet.layers.activation import masked_softmax
from foldnet.layers.attention_masks import all_of, by_position, check_fits, with_axes
from foldnet.layers.composite import Composite
from foldnet.layers.einsum_dense import EinsumDense
from foldnet.layers.tensors import Call, Shape
from foldnet.operations.affine.op import Affine
from foldnet.operations.batch.op import Drop
from foldnet.operations.elementwise.op import Binary
from foldnet.operations.matrix.op import Product
from foldnet.setting_types import COUNT, FLAG, FRACTION, INITIALIZER, SEED, Kind

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering


def _given(value: Any) -> Any:
    if value is None:
        raise TypeError
    return INITIALIZER.read(value)


_GIVEN = Kind(INITIALIZER.words, _given)


@dataclass(frozen=True)
class Letters:
    """A letter for each axis of what attention multiplies, without the batch axis.

    Attributes:
        query: of the projected query: positions, heads, channels.
        key: of the projected key and value.
        scores: other axes, heads, positions of the query that attend, positions of the values.
        attended: how many axes of the query attend.
    """

    query: str
    key: str
    scores: str
    attended: int

    @staticmethod
    def of(rank: int, axes: Sequence[int]) -> Letters:
        """For a projected query of so many axes, batch and channels included, that attends along some of them."""
        letters = "abcdefghijklmnopqrstuvwxyz"
        query = letters[: rank - 1]
        own = {axis: letters[rank - 1 + i] for i, axis in enumerate(axes)}
        key = "".join(own.get(a, letter) for a, letter in enumerate(query, 1))
        others = "".join(letter for a, letter in enumerate(query[:-1], 1) if a not in own)
        scores = others + "".join(query[a - 1] for a in axes) + "".join(own.values())
        return Letters(query, key, scores, len(own))


class HeadedAttention(Composite):
    """Base class of attention with several heads.

    It is called as ``layer(query, value, key=None)`` with symbolic tensors or arrays; ``key`` is ``value`` if it is
    not given.
    """

    supports_masking = True
    tensor_arguments = ("query", "value", "key", "query_mask", "value_mask", "key_mask", "attention_mask")
    mask_arguments = frozenset({"query_mask", "value_mask", "key_mask", "attention_mask"})
    own_arguments = frozenset({"return_attention_scores", "use_causal_mask"})
    unstored_settings = frozenset({"flash_attention"})
    kinds = {  # noqa: RUF012 - typed in the base
        "kernel_initializer": _GIVEN, "bias_initializer": _GIVEN,
        "dropout": FRACTION, "use_bias": FLAG, "use_gate": FLAG, "sliding_window": COUNT.or_none(), "seed": SEED,
    }  # fmt: skip
    dropout: float
    use_bias: bool
    use_gate: bool
    sliding_window: int | None

    @property
    def heads(self) -> int:
        """The number of heads of the query."""
        raise TypeError(f"{type(self).__name__} has no number of heads")  # every subclass defines it

    @property
    def key_value_heads(self) -> int:
        """The number of heads of key and value."""
        return self.heads

    @property
    def key_size(self) -> int:
        """The size of each head's query and key."""
        raise TypeError(f"{type(self).__name__} has no size of keys")  # every subclass defines it

    @property
    def value_size(self) -> int:
        """The size of each head's value."""
        return self.key_size

    def check_flash(self, flash_attention: bool | None) -> None:
        """Refuse dropout together with ``flash_attention``, as Keras does.

        Raises:
            ConfigError: both were asked for.
        """
        if flash_attention and self.dropout > 0:
            raise ConfigError(
                f"{self.described()}: Dropout is not supported when flash attention is enabled. Please set dropout to "
                "0.0 to use flash attention."
            )

    # -- calling --------------------------------------------------------------------------------------------

    def arranged(self, given: dict[str, Any]) -> dict[str, Any]:
        """The tensors of a call, after a check that there is one value.

        Raises:
            InputError: there is no value, or an argument is a list.
        """
        given = {
            name: value[0] if _is_list(value) and len(value) == 1 else value for name, value in given.items()
        }
        lists = [name for name, value in given.items() if _is_list(value)]
        if "value" not in given or lists:
            raise InputError(
                f"{self.described()} is called with a query, a value and, if it is not the value, a key: "
                "layer(query, value, key)"
                + (f"; its {lists[0]} is a {type(given[lists[0]]).__name__}" if lists else "")
            )
        return given

    def other_output_shapes(self, call: Call) -> Sequence[Shape]:
        """With ``return_attention_scores``, the shape of the scores."""
        if not call.kwargs.get("return_attention_scores"):
            return ()
        query, value = (t.shape for t in call.data[:2])
        heads, axes = self.heads, self.axes_of_positions(len(query))
        others = [n for a, n in enumerate(query[1:-1], 1) if a not in axes]
        return [(query[0], *others, heads, *(query[a] for a in axes), *(value[a] for a in axes))]

    # -- parts ----------------------------------------------------------------------------------------------

    def projection(
        self, name: str, equation: str, shape: Sequence[int | None], axes: str, **kwargs: Any
    ) -> EinsumDense:
        """One of its products with a kernel."""
        common = {
            f"{weight}_{what}": getattr(self, f"{weight}_{what}")
            for weight in ("kernel", "bias")
            for what in ("initializer", "regularizer", "constraint")
        }
        bias_axes = axes if self.use_bias else None
        return EinsumDense(
            equation,
            output_shape=shape,
            bias_axes=bias_axes,
            name=name,
            dtype=self.dtype_policy,
            **common,
            **kwargs,
        )

    def project(self, b: Lowering, name: str, x: str) -> str:
        """The result of a part, to which the activity regularizer applies, too."""
        y = self.part(name).lower(b, x)
        b.penalize(self, [y])
        return y

    # -- masks ----------------------------------------------------------------------------------------------

    def output_mask(self, *masked: bool) -> bool:
        """Whether the query has a mask."""
        return masked[0]

    def attention_mask(
        self, b: Lowering, given: Mapping[str, str], scores: str, letters: Letters
    ) -> str | None:
        """All masks of a call, in the shape of its scores; None if there are none."""
        rank = len(b.shape(scores))
        causal = bool(_call(b).kwargs.get("use_causal_mask"))
        by_row = [
            self._input_mask(b, given, name, index, [rank - 3, place])
            for index, (name, place) in enumerate(
                (("query", rank - 1), ("value", rank - 2), ("key", rank - 2))
            )
            if name in given
        ]
        masks = [
            *by_row,
            by_position(b, self, given["query"], given["value"], rank, causal, self.sliding_window),
        ]
        if letters.attended > 1 and any(m is not None for m in masks):
            raise UnsupportedError(
                f"layer {self.name!r} attends along {letters.attended} axes, and there Keras lays masks of the query "
                "and the values, causal masks and sliding windows along wrong axes. Pass a whole attention_mask instead"
            )
        own = given.get("attention_mask")
        if own is not None:
            masks.append(self._own_attention_mask(b, own, rank, letters, by_row, masks[-1]))
        for mask in masks:
            if mask is not None:
                check_fits(self, b, mask, scores)
        return all_of(b, masks)

    def _input_mask(
        self, b: Lowering, given: Mapping[str, str], name: str, index: int, places: Sequence[int]
    ) -> str | None:
        """The mask given for an input, or the one that comes with it, with axes of size 1 at these places."""
        own = given.get(f"{name}_mask")
        mask = b.mask(index) if own is None else b.float(own)
        return None if mask is None else with_axes(b, mask, places)

    def _own_attention_mask(
        self,
        b: Lowering,
        given: str,
        rank: int,
        letters: Letters,
        by_row: Sequence[str | None],
        by_place: str | None,
    ) -> str:
        """The argument ``attention_mask``, with an axis for the heads if it has none."""
        missing, others = rank - len(b.shape(given)), any(m is not None for m in by_row)
        if not 0 <= missing <= 1 or (missing == 0 and others):
            raise UnsupportedError(
                f"layer {self.name!r}: Keras would lay an attention_mask of shape {b.shape(given)}, for scores of "
                f"{rank} axes{' and with other masks' if others else ''}, along wrong axes, so that rows would be "
                "mixed. Give it the shape (rows, positions of the query, positions of the values)"
            )
        mask = self.read_attention_mask(b, given, alone=not others and by_place is None)
        return with_axes(b, mask, [rank - 2 * letters.attended - 1]) if missing else mask

    def read_attention_mask(self, b: Lowering, value: str, alone: bool) -> str:
        """A mask that counts where an attention mask is not 0; ``alone`` says whether there is no other mask."""
        return b.float(value)

    # -- attending ------------------------------------------------------------------------------------------

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The first result."""
        return self.lower_all(b, *inputs)[0]

    def lower_all(self, b: Lowering, *inputs: str) -> Sequence[str]:
        """Projections, scores, softmax, weighted sums, projection; then the scores, if they are asked for."""
        given = dict(zip(_call(b).roles, inputs, strict=True))
        query, value = b.float(given["query"]), b.float(given["value"])
        key = b.float(given.get("key", value))
        rank = len(b.shape(query))
        fused = self.is_fused(b, rank)
        letters = Letters.of(rank + 1, (1,) if fused else self.axes_of_positions(rank))
        gate = self.project(b, "gate", query) if self.use_gate else None
        projected = self.project(b, "query", query)
        scores = self.scores(b, projected, self.shared(b, self.project(b, "key", key)), letters)
        values = self.shared(b, self.project(b, "value", value))
        mask = self.attention_mask(b, given, scores, letters)
        last = len(b.shape(scores))
        axes = range(last - letters.attended, last)
        scores = masked_softmax(b, self, scores, axes, mask, zero=not fused)
        y = self.attend(b, scores, values, letters)
        if gate is not None:
            y = b.emit(Binary(kind="multiply"), y, gate)
        y = self.project(b, "attention_output", y)
        return (y, scores) if _call(b).kwargs.get("return_attention_scores") else (y,)

    def axes_of_positions(self, rank: int) -> tuple[int, ...]:
        """The axes along which inputs of a rank attend, counted from the front."""
        return tuple(range(1, rank - 1))

    def shared(self, b: Lowering, x: str) -> str:
        """A projected key or value with as many heads as the query."""
        return x

    def is_fused(self, b: Lowering, rank: int) -> bool:
        """Whether Keras computes a call by one function, which attends to everything where a mask allows nothing."""
        return self.dropout == 0 and not _call(b).kwargs.get("return_attention_scores") and rank == 3

    def scores(self, b: Lowering, query: str, key: str, letters: Letters) -> str:
        """The products of the projected query and key, divided by the root of their size."""
        size = b.shape(query)[-1]
        assert size is not None  # a projection's size is known
        return b.emit(
            Product(letters.query, letters.key, letters.scores), self._scaled(b, query, 1 / sqrt(size)), key
        )

    def attend(self, b: Lowering, scores: str, value: str, letters: Letters) -> str:
        """The sum of the projected values, weighted by scores, some of which are dropped in training."""
        if b.trains and b.call_training is not False and self.dropout > 0:
            scores = b.emit(Drop(self.dropout, "dropout", b.random_stream(), (), None), scores)
        return b.emit(Product(letters.scores, letters.key, letters.query), scores, value)

    def _scaled(self, b: Lowering, x: str, scale: float) -> str:
        ones = (1,) * (len(b.shape(x)) - 1)
        zero = b.layer_constant(self, "offset", np.zeros(ones))
        return b.emit(Affine(), x, b.layer_constant(self, "scale", np.full(ones, scale)), zero)

    def differs_in_training(self) -> bool:
        """Whether ``dropout`` is above 0."""
        return self.dropout > 0


def check_positions(value: Shape, key: Shape) -> None:
    """Check that value and key have the same positions.

    Raises:
        ConfigError: they do not.
    """
    if len(value) != len(key) or any(
        None not in (m, n) and m != n for m, n in zip(value[1:-1], key[1:-1], strict=True)
    ):
        raise ConfigError(
            "All dimensions of `value` and `key`, except the last one, must be equal. Received: "
            f"value_shape={value} and key_shape={key}"
        )


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple | dict)


def _call(b: Lowering) -> Call:
    assert b.call is not None, "a layer is lowered in a call"
    return b.call
