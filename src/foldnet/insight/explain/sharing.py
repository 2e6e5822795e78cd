"""Which values of its input share a statistic, for every kind of normalization and every choice of axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from foldnet.errors import ConfigError
from foldnet.insight.explain.explanation import Block, Code, Words
from foldnet.insight.explain.normalization import axis_blocks, axis_words
from foldnet.layers.base import Layer
from foldnet.layers.configured import settings_of
from foldnet.layers.normalization import BatchNormalization
from foldnet.layers.tensors import Shape
from foldnet.layers.traits import NormalizationRule
from foldnet.literals import DataFormat

_CARRIED = ("epsilon", "momentum", "center", "scale", "groups", "rms_scaling", "invert")


def is_normalization(layer: Layer) -> bool:
    """Whether the layer divides values by a statistic of several of them."""
    return layer.normalizes_by is not None


def axis_keeps(layer: Layer) -> bool:
    """Whether the layer's ``axis`` names the axes that keep separate statistics, not those averaged over."""
    return layer.normalizes_by in ("batch", "data")


@dataclass(frozen=True)
class Sharing:
    """The rule for which values share a statistic.

    Attributes:
        own: axes (0 is the batch) along which every position has its own statistic.
        split: an axis and how many neighbouring positions on it share a statistic; None for no such axis.
    """

    own: tuple[int, ...]
    split: tuple[int, int] | None = None

    def statistic(self, place: Sequence[int]) -> tuple[int, ...]:
        """The key of the statistic used for the value at a position: equal keys mean the same statistic."""
        found = tuple(place[a] for a in self.own)
        return found if self.split is None else (*found, place[self.split[0]] // self.split[1])


def axes_of(layer: Layer, rank: int) -> tuple[int, ...]:
    """The axes that the layer's ``axis`` names, counted from the front, in order."""
    return _rule(layer, (None,) * rank).axes


def sharing(layer: Layer, shape: Shape) -> Sharing:
    """The rule of a built normalization for inputs of a shape."""
    found = _rule(layer, shape)
    if axis_keeps(layer):
        return Sharing(found.axes)
    if found.groups is not None:
        (axis,) = found.axes
        return Sharing((0,), (axis, (shape[axis] or 1) // found.groups))
    return Sharing(tuple(a for a in range(len(shape)) if a not in found.axes))


def _rule(layer: Layer, shape: Shape) -> NormalizationRule:
    found = layer.normalization_rule(shape)
    assert found is not None, "only for normalizations"
    return found


def with_axis(layer: Layer, axes: Sequence[int], shape: Shape) -> Layer:
    """A normalization like this one, with another ``axis`` and input shape; its weights are new.

    Raises:
        FoldnetError: the layer cannot have this axis.
    """
    kind = type(layer)
    axis: Any = axes[0] if len(axes) == 1 else list(axes)
    if _rule(layer, shape).groups is not None and len(axes) != 1:
        raise ConfigError(f"{kind.__name__} has its channels on one axis: choose one.")
    if layer.normalizes_by == "data" and not axes:
        axis = None
    carried = {n: getattr(layer, n) for n in _CARRIED if n in settings_of(kind)}
    other = kind(axis=axis, name=layer.name, trainable=layer.trainable, **carried)
    other.build(shape)
    other.compute_output_shape(shape)
    return other


def sharing_blocks(
    layer: Layer, shape: Shape, said: DataFormat | None = None, masked: bool = False
) -> list[Block]:
    """The rule as text and as NumPy code, for any kind of built normalization.

    Args:
        layer: built.
        shape: of its input, batch axis first.
        said: where the layers around it have their channels, if they say so.
        masked: whether its input has a mask.
    """
    if isinstance(layer, BatchNormalization):
        return axis_blocks(layer, shape, said, masked)
    found = layer.normalization_rule(shape)
    if found is None:
        return []
    write = _of_data if found.source == "data" else _of_rows if found.groups is None else _of_groups
    return write(layer, shape, found)


# -- kinds ----------------------------------------------------------------------------------------------------


_SHARED = {
    "deviation": "one mean and one variance",
    "spread": "one mean and one variance",
    "mean square": "one mean square",
    "length": "one length",
}


def _of_rows(layer: Layer, shape: Shape, found: NormalizationRule) -> list[Block]:
    """Layer, RMS and unit normalization: each row by its own values."""
    axes, what = found.axes, _SHARED[found.measure]
    own = tuple(a for a in range(len(shape)) if a not in axes)
    each = "each row has" if own == (0,) else f"each place along {axis_words(shape, own)} has"
    sizes = ", ".join("1" if a in axes else _size(shape, a) for a in range(len(shape)))
    return [
        Words(
            f"axis={layer.axis!r} names what is AVERAGED OVER, as NumPy's axis does: {axis_words(shape, axes)}. "
            "(BatchNormalization's axis names the axes that keep separate statistics, the complement.)"
        ),
        Words(
            f"So {each} {what} of its own, in shape ({sizes}). They are computed from the row itself "
            f"each time, in "
            "training and at prediction time; no other row is used, and nothing is stored."
        ),
        Code("The same numbers in NumPy:", _row_lines(layer, shape, found)),
    ]


def _row_lines(layer: Layer, shape: Shape, found: NormalizationRule) -> tuple[str, ...]:
    over, epsilon = f"axis={found.axes}, keepdims=True", f"{found.epsilon:g}"
    end = _gamma_beta(layer, shape, found.axes)
    match found.measure:
        case "length":
            return (f"length = np.sqrt(np.square(x).sum({over}))", f"y = x / np.maximum(length, {epsilon})")
        case "mean square":
            return (f"square = np.square(x).mean({over})", f"y = x / np.sqrt(square + {epsilon}) * scale")
        case "spread":
            return (f"variance = x.var({over})", f"y = x / np.sqrt(variance + {epsilon}){end}")
        case "deviation":
            return (
                f"mean = x.mean({over})",
                f"variance = x.var({over})",
                f"y = (x - mean) / np.sqrt(variance + {epsilon}){end}",
            )


def _of_groups(layer: Layer, shape: Shape, found: NormalizationRule) -> list[Block]:
    """Group normalization: each row's channels in groups."""
    (axis,) = found.axes
    groups, size = found.groups or 1, shape[axis] or 1
    laid = [_size(shape, a, "x") for a in range(len(shape))]
    laid[axis : axis + 1] = [str(groups), str(size // groups)]
    over = tuple(a for a in range(1, len(laid)) if a != axis)
    end = _gamma_beta(layer, shape, (axis,))
    channels = "one channel" if size == groups else f"{size // groups} neighbouring channels"
    return [
        Words(
            f"axis={layer.axis!r} names the channels: {axis_words(shape, (axis,))}, in {groups} groups of "
            f"{channels}. A group's mean and variance are taken over its channels and every position of the row."
        ),
        Words(
            f"So each row has {groups} means and {groups} variances of its own. They are computed from "
            f"the row itself each time, in training and at prediction time; no other row is used."
        ),
        Code(
            "The same numbers in NumPy:",
            (
                f"g = x.reshape({', '.join(laid)})",
                f"mean = g.mean(axis={over}, keepdims=True)",
                f"variance = g.var(axis={over}, keepdims=True)",
                f"y = ((g - mean) / np.sqrt(variance + {found.epsilon:g})).reshape(x.shape){end}",
            ),
        ),
    ]


def _of_data(layer: Layer, shape: Shape, found: NormalizationRule) -> list[Block]:
    """The preprocessing layer: statistics computed once."""
    kept = found.axes
    reduced = tuple(a for a in range(len(shape)) if a not in kept)
    spread = ", ".join(_size(shape, a) if a in kept else "1" for a in range(len(shape)))
    keeps = f"the axes that KEEP separate statistics: {axis_words(shape, kept)}" if kept else "nothing"
    divide = f"np.maximum(np.sqrt(variance), {found.epsilon:g})"
    line = f"y = x * {divide} + mean" if getattr(layer, "invert", False) else f"y = (x - mean) / {divide}"
    laid = f".reshape({spread})"
    return [
        Words(
            f"axis={layer.axis!r} names {keeps}. Mean and variance are taken over all the rest: "
            f"{axis_words(shape, reduced)}. They were taken once, from the training data before training, as "
            "StandardScaler takes them; no training step and no prediction changes them."
        ),
        Code(
            "The same numbers in NumPy:",
            (line if kept in ((), (len(shape) - 1,)) else _laid_out(line, laid),),
        ),
    ]


def _gamma_beta(layer: Layer, shape: Shape, axes: tuple[int, ...]) -> str:
    """The code after the division; weights that are not along the last axes are reshaped."""
    names = {w.name for w in layer.specs}
    last = axes == tuple(range(len(shape) - len(axes), len(shape)))
    # Sizes follow the order of axes in the setting, which may differ from the input's.
    last = last and all(s.shape == tuple(shape[a] for a in axes) for s in layer.specs)
    sizes = ", ".join(str(shape[a]) if a in axes else "1" for a in range(len(shape)))
    laid = "" if last else f".reshape({sizes})"
    return f" * gamma{laid}" * ("gamma" in names) + f" + beta{laid}" * ("beta" in names)


def _laid_out(line: str, laid: str) -> str:
    return line.replace("variance", f"variance{laid}").replace("mean", f"mean{laid}")


def _size(shape: Shape, axis: int, array: str = "") -> str:
    if axis and shape[axis] is not None:
        return str(shape[axis])
    return f"{array}.shape[{axis}]" if array else "rows" if axis == 0 else "any"
