"""Weights: their specification, and Keras-like variables that read like arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from foldnet.arrays import Array
from foldnet.escaping import escaped_name

if TYPE_CHECKING:
    from foldnet.layers.base import Layer


@dataclass(frozen=True)
class WeightSpec:
    """Name, shape and initializer of a weight. Shapes follow from settings, so files are checked before reading."""

    name: str
    shape: tuple[int, ...]
    initializer: Any = "zeros"
    trainable: bool = True


class Weight(NDArrayOperatorsMixin):
    """One weight of a layer. It always shows the current values, also after training or ``set_weights``.

    It reads like an array (``w + 1``, ``w[0]``, ``w.shape``, ``np.asarray(w)``), and ``assign`` sets it. For an
    copy that does not change, use ``w.numpy()``.

    Args:
        layer: that has the weight.
        name: such as ``"kernel"``.
        shown: the shape in which it is shown, if it differs from the stored one.

    >>> from foldnet import Sequential, layers
    >>> bias = Sequential([layers.Input((2,)), layers.Dense(3, name="d")]).layers[0].bias
    >>> bias.assign([1.0, 2.0, 3.0]).numpy().tolist(), bias.shape, bias.path
    ([1.0, 2.0, 3.0], (3,), 'd/bias')
    """

    __slots__ = ("layer", "name", "shown")
    __hash__ = object.__hash__  # by identity, because == compares element by element

    def __init__(self, layer: Layer, name: str, shown: tuple[int, ...] | None = None) -> None:
        self.layer, self.name, self.shown = layer, name, shown

    @property
    def value(self) -> Array:
        """The layer's own array."""
        array = self.layer.named_weights[self.name]
        return array if self.shown is None else array.reshape(self.shown)

    def numpy(self) -> Array:
        """A copy of the values."""
        return self.value.copy()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the values; to ask for it draws no initial values."""
        if self.shown is not None:
            return self.shown
        return next(spec.shape for spec in self.layer.specs if spec.name == self.name)

    @property
    def path(self) -> str:
        """Layer and name, such as ``dense/kernel``."""
        return f"{self.layer.name}/{self.name}"

    @property
    def place(self) -> tuple[Layer, str]:
        """The innermost layer that has it, and its name there: the same wherever that layer is used."""
        return self.layer.holder_of(self.name)

    @property
    def trainable(self) -> bool:
        """Whether training changes it."""
        return self.layer.trains(self.name)

    @property
    def regularizer(self) -> Any:
        """The weight's regularizer, or None."""
        return self._changed_by("regularizer")

    @property
    def constraint(self) -> Any:
        """The weight's constraint, or None."""
        return self._changed_by("constraint")

    def _changed_by(self, what: str) -> Any:
        layer, name = self.place
        own = name.rpartition("/")[2]
        # The settings of a recurrent_kernel are called recurrent_regularizer and recurrent_constraint.
        return getattr(layer, f"{own}_{what}", getattr(layer, f"{own.removesuffix('_kernel')}_{what}", None))

    def assign(self, value: Any) -> Weight:
        """Set the values.

        Raises:
            InputError: another shape.
        """
        # A new array each time, so that programs notice that a weight they hold as a constant has changed.
        array = np.array(value, np.float32)
        self.layer.set_weight(
            self.name,
            array if self.shown is None else array.reshape(self.layer.named_weights[self.name].shape),
        )
        return self

    def assign_add(self, value: Any) -> Weight:
        """Add to the values."""
        return self.assign(self.value + value)

    def assign_sub(self, value: Any) -> Weight:
        """Subtract from the values."""
        return self.assign(self.value - value)

    # -- as an array ----------------------------------------------------------------------------------------

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        array = self.value if dtype is None else self.value.astype(dtype, copy=False)
        return array.copy() if copy else array

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        targets = kwargs.pop("out", ())
        plain = [i.value if isinstance(i, Weight) else i for i in inputs]
        if not any(isinstance(t, Weight) for t in targets):
            given = {"out": targets} if targets else {}
            return getattr(ufunc, method)(*plain, **given, **kwargs)
        (target,) = targets  # `w += 1`
        return target.assign(getattr(ufunc, method)(*plain, **kwargs))

    def __getitem__(self, key: Any) -> Any:
        return self.value[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        array = self.numpy()
        array[key] = value
        self.assign(array)

    def __len__(self) -> int:
        return len(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __getattr__(self, name: str) -> Any:
        # Array attributes such as shape, dtype, mean(), tolist(); not private names, which copy and pickle look up.
        if name.startswith("_"):
            raise AttributeError(f"a weight has no attribute {name!r}")
        return getattr(self.value, name)

    def __str__(self) -> str:
        return str(self.value)

    def __repr__(self) -> str:
        return f"<Weight {escaped_name(self.path)}, shape={self.shape}>\n{self.value!r}"


def distinct(weights: Iterable[Weight]) -> list[Weight]:
    """Each weight once, as Keras lists them: a layer may be used by itself and inside several others."""
    found: dict[tuple[Layer, str], Weight] = {}
    for weight in weights:
        found.setdefault(weight.place, weight)
    return list(found.values())
