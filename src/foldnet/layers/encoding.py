"""Whole numbers as rows of 0 and 1: CategoryEncoding, and Discretization, which makes whole numbers of intervals."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from foldnet.errors import ConfigError, InputError, UnsupportedError
from foldnet.layers.adaption import Quantiles, tables
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Shape
from foldnet.operations.along.op import Reduce
from foldnet.operations.elementwise.op import Binary
from foldnet.operations.search.op import Digitize
from foldnet.operations.structure.op import OneHot, reshape_to
from foldnet.setting_types import COUNT, FLAG, Kind, choice, number, whole

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering

OutputMode = Literal["int", "one_hot", "multi_hot", "count"]


def _dense(value: object) -> bool:
    if FLAG.read(value):
        raise UnsupportedError("True makes sparse tensors, which foldnet does not have; set sparse=False")
    return False


DENSE = Kind("False", _dense)
"""Of ``sparse``, which foldnet does not have."""


OLDER = {"binary": "multi_hot", "tf-idf": "tf_idf"}


def mode(*names: str) -> Kind:
    """One of these forms, or its name in older releases of Keras."""
    kind = choice(*names)
    return Kind(
        kind.words, lambda value: kind.read(OLDER.get(value, value) if isinstance(value, str) else value)
    )


def encoded_shape(shape: Shape, form: str, depth: int) -> Shape:
    """The shape of whole numbers of a shape in this form, as Keras computes it.

    Raises:
        ConfigError: it would mix rows.
    """
    if form == "int":
        return shape
    if form == "one_hot":
        return (*(shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape), depth)
    if len(shape) < 2:
        raise ConfigError(
            f'output_mode="{form}" of data of shape {shape} would be one result for all rows; give the data a second '
            "axis, whose values are put together"
        )
    return (shape[0], *shape[2:], depth)


def encode(b: Lowering, x: str, form: str, depth: int) -> str:
    """Emit whole numbers in one of the forms; numbers outside the depth give only 0.

    ``"one_hot"`` has a row of 0 and 1 for each; the others put those along the first axis together.
    """
    if form == "int":
        return b.int(x)
    shape = encoded_shape(b.shape(x), form, depth)
    rows = b.emit(OneHot(depth), x)
    if form == "one_hot":
        given = b.shape(rows)
        return rows if given == shape else b.emit(reshape_to(given, shape[1:]), rows)
    return b.emit(Reduce("sum" if form == "count" else "max", (1,)), rows)


class CategoryEncoding(Layer):
    """Whole numbers as rows of 0 and 1, or as how often each occurs. Numbers outside give only 0.

    Args:
        num_tokens: how many numbers there are, from 0.
        output_mode: ``"multi_hot"``: 1 for each number that occurs along the axis after the batch axis; ``"count"``:
            how often it does; ``"one_hot"``: a row for each number, in place of a last axis of size 1.
        sparse: False.

    A call takes ``count_weights``, too: how much each number counts for, with ``output_mode="count"``.
    """

    tensor_arguments = ("inputs", "count_weights")
    kinds: ClassVar[dict[str, Kind]] = {
        "num_tokens": COUNT,
        "output_mode": mode("multi_hot", "one_hot", "count"),
        "sparse": DENSE,
    }

    def __init__(
        self,
        num_tokens: int | None = None,
        output_mode: str = "multi_hot",
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_tokens = num_tokens
        self.output_mode = output_mode
        self.sparse = sparse

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names; it does not store ``sparse``."""
        return {name: value for name, value in super().get_config().items() if name != "sparse"}

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The shape in the chosen form.

        Raises:
            ConfigError: ``count_weights`` for another form, or of another shape than the numbers.
        """
        shape, *weights = input_shapes
        if weights and (self.output_mode != "count" or weights[0][1:] != shape[1:]):
            raise ConfigError(
                'count_weights are for output_mode="count" and have the shape of the numbers; here they have shape '
                f"{weights[0]}, the numbers {shape}, and output_mode is {self.output_mode!r}"
            )
        return encoded_shape(shape, self.output_mode, int(self.num_tokens or 0))

    def lower(self, b: Lowering, *inputs: str) -> str:
        """Comparisons; only ``"multi_hot"`` takes numbers with a fraction, which it cuts off, as in Keras."""
        if len(inputs) > 1:
            rows = b.emit(OneHot(int(self.num_tokens or 0)), inputs[0])
            given = b.shape(inputs[1])
            weights = b.emit(reshape_to(given, (*given[1:], 1)), b.float(inputs[1]))
            return b.emit(Reduce("sum", (1,)), b.emit(Binary(kind="multiply"), rows, weights))
        x = b.int(inputs[0]) if self.output_mode == "multi_hot" else inputs[0]
        return encode(b, x, self.output_mode, int(self.num_tokens or 0))


def _boundaries(value: Any) -> list[float]:
    if isinstance(value, str | bytes | Mapping):
        raise TypeError
    found = [float(number().read(n)) for n in value]
    if not found or any(a > b for a, b in pairwise(found)):
        raise ValueError
    return found


class Discretization(Layer):
    """The interval in which each value lies: 0 below the first boundary, 1 from there up to the second, and so on.

    Args:
        bin_boundaries: ascending numbers, each of which belongs to the interval above it.
        num_bins: how many intervals ``adapt`` makes, in place of ``bin_boundaries``.
        epsilon: one divided by how many numbers ``adapt`` keeps of the data.
        output_mode: ``"int"``, or as rows of 0 and 1: ``"one_hot"``, ``"multi_hot"``, ``"count"``; see
            ``CategoryEncoding``.
        sparse: False.
    """

    kinds: ClassVar[dict[str, Kind]] = {
        "bin_boundaries": Kind("ascending numbers, at least one", _boundaries).or_none(),
        "num_bins": whole(0).or_none(),
        "epsilon": number(0, above=True),
        "output_mode": choice("int", "one_hot", "multi_hot", "count"),
        "sparse": DENSE,
    }

    def __init__(
        self,
        bin_boundaries: Any = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.bin_boundaries: list[float] | None = self.checked("bin_boundaries", bin_boundaries)
        self.num_bins = num_bins
        if (bin_boundaries is None) == (num_bins is None):
            raise ConfigError(f"{self.described()} needs either bin_boundaries or num_bins")
        self.epsilon = epsilon
        self.output_mode = output_mode
        self.sparse = sparse

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Create a layer from its settings; an adapted one has the boundaries and ``num_bins``."""
        if config.get("num_bins") is None or config.get("bin_boundaries") is None:
            return super().from_config(config)
        layer = super().from_config({**config, "bin_boundaries": None})
        layer.bin_boundaries = config["bin_boundaries"]
        return layer

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Set the boundaries so that each of ``num_bins`` intervals holds about as many values of the data.

        Args:
            data: an array or table, a dataset with numbered batches (a ``PyDataset``), or an iterable of batches. A
                list is one, too, as in Keras.
            steps: how many batches to take, for an endless iterable; None for all.

        Raises:
            ConfigError: the layer was given its boundaries, or ``num_bins`` is below 2.
            InputError: the data is not numbers, or has fewer than two.

        >>> layer = Discretization(num_bins=4)
        >>> layer.adapt(np.arange(8.0))
        >>> layer.bin_boundaries
        [1.0, 3.0, 5.0]
        """
        who = self.described()
        if (self.num_bins or 0) < 2:
            raise ConfigError(
                f"{who} has num_bins={self.num_bins}, so that adapt has nothing to do; give it num_bins of 2 or more "
                "in place of bin_boundaries"
            )
        steps = COUNT.or_none()(steps, who, "steps")
        found = Quantiles(self.epsilon)
        try:
            for batch in tables(map(np.asarray, data) if isinstance(data, list | tuple) else data, steps):
                if not np.isfinite(batch).all():
                    raise InputError("the data holds NaN or infinity, which lies in no interval")
                found.add(batch)
        except InputError as error:
            raise type(error)(f"{who}: {error}") from None
        boundaries = found.boundaries(int(self.num_bins or 0)).tolist()
        if not boundaries:
            raise InputError(f"{who}: adapt needs data of two values or more")
        self.bin_boundaries = boundaries

    @property
    def depth(self) -> int:
        """The number of intervals."""
        return int(self.num_bins or 0) if self.bin_boundaries is None else len(self.bin_boundaries) + 1

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The shape in the chosen form."""
        return encoded_shape(input_shapes[0], self.output_mode, self.depth)

    def compute_output_dtype(self, *input_dtypes: str) -> str:
        """Whole numbers, or rows of 0 and 1."""
        return "int32" if self.output_mode == "int" else "float32"

    def lower(self, b: Lowering, *inputs: str) -> str:
        """How many boundaries are not above the value."""
        if self.bin_boundaries is None:
            raise UnsupportedError(
                f"layer {self.name!r} has no bin_boundaries yet: call its adapt on data, or give them"
            )
        boundaries = b.layer_constant(self, "boundaries", np.array(self.bin_boundaries, np.float64))
        x = b.emit(Digitize(), b.float(inputs[0]), boundaries)
        return encode(b, x, self.output_mode, self.depth)
