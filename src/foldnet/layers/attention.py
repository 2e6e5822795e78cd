"""Attention and AdditiveAttention: a mean of values, weighted by scores of query and key, without projections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from foldnet.errors import ConfigError, InputError, UnsupportedError
from foldnet.graph.op import Elementwise
from foldnet.layers.activation import masked_softmax
from foldnet.layers.attention_masks import all_of, by_position, check_fits, with_axes
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Call, Shape
from foldnet.layers.weight import WeightSpec
from foldnet.operations.along.op import Reduce
from foldnet.operations.batch.op import Drop
from foldnet.operations.elementwise.op import Binary, Unary, Where
from foldnet.operations.matrix.op import Product
from foldnet.setting_types import FLAG, FRACTION, SEED, choice

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering


class Attention(Layer):
    """Each position of a query gets a mean of the values, weighted by the softmax of scores of query and key.

    It is called on a list ``[query, value]`` or ``[query, value, key]``; ``key`` is ``value`` if it is not given. With
    ``mask=[query_mask, value_mask]``, masked values do not count, and results at masked positions of the query are 0.
    A row whose values are all masked gets their plain mean.

    Args:
        use_scale: whether scores are multiplied by a weight.
        score_mode: ``"dot"``: the products of query and key; ``"concat"``: a weight times the sum of
            ``tanh(query + key)``.
        dropout: share of the scores that training drops.
        seed: of the dropout.

    >>> from foldnet import Input, layers
    >>> layers.Attention()([Input((5, 8)), Input((7, 8))]).shape
    (None, 5, 8)
    """

    adds: ClassVar[bool] = False
    """Whether query and key are added up in any case."""
    joins_inputs = True
    takes_mask = True
    supports_masking = True
    own_arguments = frozenset({"return_attention_scores", "use_causal_mask"})
    kinds = {  # noqa: RUF012 - typed in the base
        "use_scale": FLAG, "score_mode": choice("dot", "concat"), "dropout": FRACTION, "seed": SEED,
    }  # fmt: skip

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.use_scale = use_scale
        self.score_mode = score_mode
        self.dropout = dropout
        self.seed = seed

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Attend to values, on symbolic tensors or arrays.

        Args:
            args: ``[query, value]`` or ``[query, value, key]``.
            kwargs: ``mask=[query_mask, value_mask]``, each (rows, positions) or None; ``use_causal_mask``: whether no
                position attends to later ones; ``return_attention_scores``; ``training``.

        Raises:
            InputError: another number of inputs or masks.
        """
        inputs, mask = kwargs.get("inputs", args[0] if args else None), kwargs.get("mask")
        if mask is not None:
            padded = [*self._checked_mask(mask), None][: len(_listed(inputs))]
            kwargs["mask"] = None if all(m is None for m in padded) else padded
        return super().__call__(*args, **kwargs)

    def arranged(self, given: dict[str, Any]) -> dict[str, Any]:
        """The inputs as one list.

        Raises:
            InputError: they are not two or three.
        """
        inputs = _listed(given["inputs"])
        if not 2 <= len(inputs) <= 3:
            raise InputError(
                f"{self.described()} must be called on a list of inputs, [query, value] or [query, value, key]"
            )
        return {"inputs": inputs}

    def _checked_mask(self, mask: Any) -> Sequence[Any]:
        if not isinstance(mask, list | tuple) or not 2 <= len(mask) <= 3:
            raise InputError(f"{self.described()}: its mask must be a list, [query_mask, value_mask]")
        return mask

    def other_output_shapes(self, call: Call) -> Sequence[Shape]:
        """With ``return_attention_scores``, the shape of the scores."""
        query, value = (t.shape for t in call.data[:2])
        return [(*query[:-1], value[-2])] if call.kwargs.get("return_attention_scores") else ()

    def weight_specs(self, *input_shapes: Shape) -> Sequence[WeightSpec]:
        """``scale`` if used, and ``concat_score_weight`` for the mode concat; both are single numbers."""
        specs = [WeightSpec("scale", (), "ones")] if self.use_scale else []
        return [
            *specs,
            *([WeightSpec("concat_score_weight", (), "ones")] if self.score_mode == "concat" else []),
        ]

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The query's, with the last size of the value.

        Raises:
            ConfigError: the inputs do not fit each other.
        """
        query, value, *rest = input_shapes
        key = rest[0] if rest else value
        if min(map(len, input_shapes)) < 3 or len({*map(len, input_shapes)}) > 1:
            raise ConfigError(
                f"{type(self).__name__} takes inputs of one rank, of 3 or more: (rows, positions, features); got "
                f"{' and '.join(map(str, input_shapes))}"
            )
        for what, a, b in (
            ("query and key need the same features", query[-1], key[-1]),
            ("value and key need the same positions", value[-2], key[-2]),
            *(
                ("all inputs need the same other axes", m, n)
                for s in (value, key)
                for m, n in zip(query[1:-2], s[1:-2], strict=True)
            ),
        ):
            if None not in (a, b) and a != b:
                raise ConfigError(
                    f"{type(self).__name__}: {what}; got {' and '.join(map(str, input_shapes))}"
                )
        return (*query[:-1], value[-1])

    def output_mask(self, *masked: bool) -> bool:
        """Whether the query has a mask."""
        return masked[0]

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The query's mask."""
        return None if mask is None else self._checked_mask(mask)[0]

    def differs_in_training(self) -> bool:
        """Whether ``dropout`` is above 0."""
        return self.dropout > 0

    # -- computing ------------------------------------------------------------------------------------------

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The first result."""
        return self.lower_all(b, *inputs)[0]

    def lower_all(self, b: Lowering, *inputs: str) -> Sequence[str]:
        """Scores, softmax, weighted sums, 0 where the query is masked; then the scores, if they are asked for."""
        query, value, key = (b.float(x) for x in (*inputs[:2], inputs[-1]))
        scores = self.scores(b, query, key)
        mask = self._mask(b, inputs, scores)
        # Keras subtracts 1e9 from masked scores, next to which their own values vanish in float32.
        scores = masked_softmax(b, self, scores, [len(b.shape(scores)) - 1], mask, zero=False)
        dropped = scores
        if b.trains and b.call_training is not False and self.dropout > 0:
            dropped = b.emit(Drop(self.dropout, "dropout", b.random_stream(), (), None), scores)
        left, right, result = self._letters(b, value)
        y = b.emit(Product(result, right, left), dropped, value)
        counts = b.mask(0)
        if counts is not None:
            counts = with_axes(b, counts, [len(b.shape(y)) - 1])
            y = b.emit(Where(), counts, y, b.number(self, "zero", 0))
        return (y, scores) if self._asked(b, "return_attention_scores") else (y,)

    @staticmethod
    def _asked(b: Lowering, argument: str) -> bool:
        return b.call is not None and bool(b.call.kwargs.get(argument))

    @staticmethod
    def _letters(b: Lowering, query: str) -> tuple[str, str, str]:
        """Letters of the axes of query, key and scores."""
        others = "abcdefghijklmnopqrstuvw"[: len(b.shape(query)) - 3]
        return f"{others}xz", f"{others}yz", f"{others}xy"

    def scores(self, b: Lowering, query: str, key: str) -> str:
        """A score for each position of the query and each of the key."""
        if self.score_mode == "dot":
            scores = b.emit(Product(*self._letters(b, query)), query, key)
            return self._times(b, scores, "scale") if self.use_scale else scores
        both = self.both(b, query, key)
        both = self._times(b, both, "scale") if self.use_scale else both
        curved = b.emit(Unary(Elementwise("tanh")), both)
        total = b.emit(Reduce("sum", (len(b.shape(curved)) - 1,)), curved)
        return self._times(b, total, "concat_score_weight")

    def both(self, b: Lowering, query: str, key: str) -> str:
        """The sum of each position of the query and each of the key."""
        rank = len(b.shape(query))
        return b.emit(Binary(kind="add"), with_axes(b, query, [rank - 1]), with_axes(b, key, [rank - 2]))

    def _times(self, b: Lowering, x: str, name: str) -> str:
        """A value times a weight that is one number."""
        return b.emit(Binary(kind="multiply"), x, b.weight(self, name, (1,) * (len(b.shape(x)) - 1)))

    def _mask(self, b: Lowering, inputs: Sequence[str], scores: str) -> str | None:
        rank, of_values = len(b.shape(scores)), b.mask(1)
        if of_values is not None:
            if len(b.shape(of_values)) != 2 or rank != 3:
                raise UnsupportedError(
                    f"layer {self.name!r}: Keras lays a mask of shape {b.shape(of_values)} along other axes of scores "
                    f"of shape {b.shape(scores)}, so that rows would be mixed. Reshape the inputs to rank 3"
                )
            of_values = with_axes(b, of_values, [1])
        causal = self._asked(b, "use_causal_mask")
        masks = [of_values, by_position(b, self, inputs[0], inputs[1], rank, causal, axis=rank - 2)]
        for mask in masks:
            if mask is not None:
                check_fits(self, b, mask, scores)
        return all_of(b, masks)


def _listed(inputs: Any) -> list[Any]:
    """Inputs out of a list, or out of a list in a list, as in files."""
    if not isinstance(inputs, list | tuple):
        return []
    return _listed(inputs[0]) if len(inputs) == 1 else list(inputs)


class AdditiveAttention(Attention):
    """Attention whose scores are sums of ``scale * tanh(query + key)`` (Bahdanau et al., 2015).

    It is called like ``Attention``.

    Args:
        use_scale: whether there is a weight ``scale``, one number for each feature.
        dropout: share of the scores that training drops.

    >>> from foldnet import Input, layers
    >>> layers.AdditiveAttention()([Input((5, 8)), Input((7, 8))]).shape
    (None, 5, 8)
    """

    adds = True

    def __init__(
        self, use_scale: bool = True, dropout: float = 0.0, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(use_scale=use_scale, dropout=dropout, seed=seed, **kwargs)

    def weight_specs(self, *input_shapes: Shape) -> Sequence[WeightSpec]:
        """``scale``, (features,), if used."""
        if not self.use_scale:
            return []
        features = input_shapes[0][-1]
        if features is None:
            raise ConfigError(f"AdditiveAttention needs a known last size, got {input_shapes[0]}")
        return [WeightSpec("scale", (features,), "glorot_uniform")]

    def scores(self, b: Lowering, query: str, key: str) -> str:
        """A score for each position of the query and each of the key."""
        curved = b.emit(Unary(Elementwise("tanh")), self.both(b, query, key))
        last = len(b.shape(curved)) - 1
        if not self.use_scale:
            return b.emit(Reduce("sum", (last,)), curved)
        scores = self._letters(b, query)[2]
        return b.emit(Product(f"{scores}z", "z", scores), curved, b.weight(self, "scale"))
