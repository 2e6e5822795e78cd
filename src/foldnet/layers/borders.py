"""Zeros put around the spatial axes, positions cut off their ends, and positions repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from foldnet.errors import ConfigError
from foldnet.graph.op import Op
from foldnet.layers.interpolation import Interpolation, resized
from foldnet.layers.spatial import SpatialLayer, sizes
from foldnet.layers.tensors import Shape
from foldnet.operations.structure.op import Slice, Stretch
from foldnet.operations.windows.op import Pad
from foldnet.setting_types import DATA_FORMAT, Kind, choice, whole

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering

Ends = tuple[tuple[int, int], ...]
"""For each spatial axis, a number for its start and one for its end."""


def _ends(dims: int) -> Kind:
    """One number for all ends; one for each axis; or one for each end of each axis. With one axis, also two numbers."""
    number = whole(0)

    def pair(value: Any) -> tuple[int, int]:
        if isinstance(value, tuple | list):
            first, last = value
            return number.read(first), number.read(last)
        return number.read(value), number.read(value)

    def read(value: Any) -> Ends:
        if not isinstance(value, tuple | list):
            return (pair(value),) * dims
        if dims == 1:
            return (pair(value[0] if len(value) == 1 else value),)
        if len(value) != dims:
            raise ValueError
        return tuple(map(pair, value))

    words = "a whole number of 0 or more" + (
        f", or a tuple of {dims} such numbers or pairs of them" if dims > 1 else ", or a pair of them"
    )
    return Kind(words, read)


def _stored(ends: Ends) -> Any:
    """As Keras stores it."""
    return ends[0] if len(ends) == 1 else ends


class _Borders(SpatialLayer):
    """Base class of layers that work on the spatial axes alone."""

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = self.checked("data_format", data_format)

    def by_axis(self, shape: Shape, values: Sequence[Any], other: Any) -> tuple[Any, ...]:
        """A value for each axis after the batch axis, given those of the spatial axes and the one of the channels."""
        axes = self.axes(shape)
        return tuple(values[axes.index(a)] if a in axes else other for a in range(1, len(shape)))


class _ZeroPadding(_Borders):
    """Base class of layers that put zeros around the spatial axes."""

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.padding: Ends = self.checked("padding", padding)

    @property
    def window(self) -> tuple[Sequence[int], Sequence[int]]:
        """Single positions, one after the other."""
        return (1,) * self.dims, (1,) * self.dims

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        return {**super().get_config(), "padding": _stored(self.padding)}

    @property
    def identity_in_prediction(self) -> bool:
        """Whether it changes nothing."""
        return not any(map(any, self.padding))

    def op(self, shape: Shape) -> Op:
        """The zeros."""
        return Pad(self.by_axis(shape, self.padding, (0, 0)))


class ZeroPadding1D(_ZeroPadding):
    """Zeros before and after the steps: (batch, steps, features).

    Args:
        padding: how many at each end, or a pair: before, after.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
    """

    dims, kinds = 1, {"padding": _ends(1), "data_format": DATA_FORMAT}


class ZeroPadding2D(_ZeroPadding):
    """Zeros around images: (batch, height, width, channels).

    Args:
        padding: how many at each end; or for height and width one number, or a pair.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
    """

    dims, kinds = 2, {"padding": _ends(2), "data_format": DATA_FORMAT}


class ZeroPadding3D(_ZeroPadding):
    """Zeros around volumes: (batch, depth, height, width, channels).

    Args:
        padding: how many at each end; or for each axis one number, or a pair.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
    """

    dims, kinds = 3, {"padding": _ends(3), "data_format": DATA_FORMAT}


class _Cropping(_Borders):
    """Base class of layers that cut positions off."""

    def __init__(self, cropping: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.cropping: Ends = self.checked("cropping", cropping)

    @property
    def window(self) -> tuple[Sequence[int], Sequence[int]]:
        """Single positions, one after the other."""
        return (1,) * self.dims, (1,) * self.dims

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        return {**super().get_config(), "cropping": _stored(self.cropping)}

    @property
    def identity_in_prediction(self) -> bool:
        """Whether it changes nothing."""
        return not any(map(any, self.cropping))

    def op(self, shape: Shape) -> Op:
        """The cut.

        Raises:
            ConfigError: nothing would be left.
        """
        for axis, (before, after) in zip(self.axes(shape), self.cropping, strict=True):
            n = shape[axis]
            if n is not None and before + after >= n:
                raise ConfigError(
                    f"cropping={self.cropping} leaves nothing of axis {axis}, which has {n} positions"
                )
        slices = [(before or None, -after if after else None, 1) for before, after in self.cropping]
        return Slice(self.by_axis(shape, slices, (None, None, 1)))


class Cropping1D(_Cropping):
    """Steps without those at the ends: (batch, steps, features).

    Args:
        cropping: how many are cut off at each end, or a pair: before, after.
    """

    dims, kinds = 1, {"cropping": _ends(1)}

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any) -> None:
        super().__init__(cropping, **kwargs)
        self.data_format = "channels_last"

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        return {name: value for name, value in super().get_config().items() if name != "data_format"}


class Cropping2D(_Cropping):
    """Images without their borders: (batch, height, width, channels).

    Args:
        cropping: how much is cut off at each end; or for height and width one number, or a pair.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
    """

    dims, kinds = 2, {"cropping": _ends(2), "data_format": DATA_FORMAT}

    def __init__(
        self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(cropping, data_format, **kwargs)


class Cropping3D(_Cropping):
    """Volumes without their borders: (batch, depth, height, width, channels).

    Args:
        cropping: how much is cut off at each end; or for each axis one number, or a pair.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
    """

    dims, kinds = 3, {"cropping": _ends(3), "data_format": DATA_FORMAT}

    def __init__(
        self, cropping: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(cropping, data_format, **kwargs)


class _UpSampling(_Borders):
    """Base class of layers that repeat positions."""

    @property
    def moves_values(self) -> bool:  # type: ignore[override]
        """Whether it only repeats values."""
        return True

    def __init__(self, size: Any = 2, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.size: tuple[int, ...] = self.checked("size", size)

    @property
    def identity_in_prediction(self) -> bool:
        """Whether it changes nothing."""
        return all(n == 1 for n in self.size)

    def op(self, shape: Shape) -> Op:
        """The repetition."""
        return Stretch(self.by_axis(shape, self.size, 1))


class UpSampling1D(_UpSampling):
    """Each step so often in a row: (batch, steps, features).

    Args:
        size: how often.
    """

    dims = 1
    kinds: ClassVar[dict[str, Kind]] = {"size": sizes(1)}

    def __init__(self, size: Any = 2, **kwargs: Any) -> None:
        super().__init__(size, **kwargs)
        self.data_format = "channels_last"

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        own = {name: value for name, value in super().get_config().items() if name != "data_format"}
        return {**own, "size": self.size[0]}


class UpSampling2D(_UpSampling):
    """Images with each position so often along each axis, or with values between: (batch, height, width, channels).

    Args:
        size: how many times as large, one number or two.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
        interpolation: ``"nearest"``: positions are repeated; ``"bilinear"``, ``"bicubic"``, ``"lanczos3"``,
            ``"lanczos5"``: between positions, the centres of the old and of the new ones being spread over the same
            length.
    """

    dims = 2
    kinds: ClassVar[dict[str, Kind]] = {
        "size": sizes(2),
        "data_format": DATA_FORMAT,
        "interpolation": choice(*get_args(Interpolation), any_case=True),
    }

    def __init__(
        self,
        size: Any = (2, 2),
        data_format: str | None = None,
        interpolation: str = "nearest",
        **kwargs: Any,
    ) -> None:
        super().__init__(size, data_format, **kwargs)
        self.interpolation: Interpolation = self.checked("interpolation", interpolation)

    @property
    def moves_values(self) -> bool:  # type: ignore[override]
        """Whether it only repeats values, and computes none between them."""
        return self.interpolation == "nearest"

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The repetition, or the values between positions along one axis after the other."""
        if self.interpolation == "nearest":
            return super().lower(b, *inputs)
        x = b.float(inputs[0])
        for axis, count in zip(self.axes(b.shape(x)), self.size, strict=True):
            if count != 1:
                x = resized(b, self, x, axis, count, self.interpolation, relative=True)
        return x


class UpSampling3D(_UpSampling):
    """Each position of a volume so often along each axis: (batch, depth, height, width, channels).

    Args:
        size: how often, one number or three.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
    """

    dims = 3
    kinds: ClassVar[dict[str, Kind]] = {"size": sizes(3), "data_format": DATA_FORMAT}
