"""Pooling: the largest value, or the mean, of each window along the spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from foldnet.layers.spatial import SpatialLayer, sizes
from foldnet.layers.tensors import Shape
from foldnet.operations.along.op import Reduce, ReduceKind
from foldnet.operations.elementwise.op import Binary, Where
from foldnet.operations.structure.op import Reshape
from foldnet.operations.windows.op import Padding, Pool, PoolKind
from foldnet.setting_types import DATA_FORMAT, FLAG, Kind, choice

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering


class _Pooling(SpatialLayer):
    """Base class of pooling with windows."""

    pool: ClassVar[PoolKind]

    def __init__(
        self,
        pool_size: Any,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.pool_size: Any = pool_size
        self.strides: Any = pool_size if strides is None else strides
        self.padding: Padding = self.checked("padding", padding)
        self.data_format = self.checked("data_format", data_format)

    @property
    def window(self) -> tuple[Sequence[int], Sequence[int]] | None:
        """Its size and strides."""
        return self.pool_size, self.strides

    def pooled_axes(self, shape: Shape) -> tuple[int, ...]:
        """Those that one window covers."""
        after = self.compute_output_shape(shape)
        pairs = zip(self.axes(shape), self.pool_size, strict=True)
        return tuple(a for a, size in pairs if after[a] == 1 and 1 < (shape[a] or 0) <= size)

    def op(self, shape: Shape) -> Pool:
        """The operation for an input of this shape."""
        return Pool(self.pool, self.axes(shape), self.pool_size, self.strides, self.padding)


def _kinds(dims: int) -> dict[str, Kind]:
    return {
        "pool_size": sizes(dims),
        "strides": sizes(dims),
        "padding": choice(*get_args(Padding), any_case=True),
        "data_format": DATA_FORMAT,
    }


class MaxPooling1D(_Pooling):
    """The largest value of each window along steps: (batch, steps, features).

    Args:
        pool_size: of the window.
        strides: of the window; by default its size.
        padding: ``"valid"``, or ``"same"``: one window per stride, which may extend beyond the ends.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
    """

    dims, pool, kinds = 1, "max", _kinds(1)

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)


class MaxPooling2D(_Pooling):
    """The largest value of each window of images: (batch, height, width, channels).

    Args:
        pool_size: of the window, one number or two.
        strides: of the window; by default its size.
        padding: ``"valid"``, or ``"same"``: one window per stride, which may extend beyond the ends.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
    """

    dims, pool, kinds = 2, "max", _kinds(2)

    def __init__(
        self,
        pool_size: Any = (2, 2),
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)


class MaxPooling3D(_Pooling):
    """The largest value of each window of volumes: (batch, depth, height, width, channels).

    Args:
        pool_size: of the window, one number or three.
        strides: of the window; by default its size.
        padding: ``"valid"``, or ``"same"``: one window per stride, which may extend beyond the ends.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
    """

    dims, pool, kinds = 3, "max", _kinds(3)

    def __init__(
        self,
        pool_size: Any = (2, 2, 2),
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)


class AveragePooling1D(_Pooling):
    """The mean of each window along steps: (batch, steps, features). Only values inside count.

    Args:
        pool_size: of the window.
        strides: of the window; by default its size.
        padding: ``"valid"``, or ``"same"``: one window per stride, which may extend beyond the ends.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
    """

    dims, pool, kinds = 1, "average", _kinds(1)


class AveragePooling2D(_Pooling):
    """The mean of each window of images: (batch, height, width, channels). Only values inside count.

    Args:
        pool_size: of the window, one number or two.
        strides: of the window; by default its size.
        padding: ``"valid"``, or ``"same"``: one window per stride, which may extend beyond the ends.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
    """

    dims, pool, kinds = 2, "average", _kinds(2)


class AveragePooling3D(_Pooling):
    """The mean of each window of volumes: (batch, depth, height, width, channels).

    Args:
        pool_size: of the window, one number or three.
        strides: of the window; by default its size.
        padding: ``"valid"``, or ``"same"``: one window per stride, which may extend beyond the ends.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
    """

    dims, pool, kinds = 3, "average", _kinds(3)


class _GlobalPooling(SpatialLayer):
    """Base class of pooling over whole axes. Equal largest values share the gradient equally.

    Args:
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
        keepdims: whether to keep the spatial axes with size 1.
    """

    kinds: ClassVar[dict[str, Kind]] = {"data_format": DATA_FORMAT, "keepdims": FLAG}
    reduction: ClassVar[ReduceKind]

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = self.checked("data_format", data_format)
        self.keepdims = keepdims

    def pooled_axes(self, shape: Shape) -> tuple[int, ...]:
        """The spatial axes."""
        return self.axes(shape)

    def op(self, shape: Shape) -> Reduce:
        """The operation for an input of this shape."""
        return Reduce(self.reduction, self.axes(shape), self.keepdims)


class GlobalMaxPooling1D(_GlobalPooling):
    """The largest value along all steps.

    Args:
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
        keepdims: whether to keep the spatial axes with size 1.
    """

    dims, reduction = 1, "max"


class GlobalMaxPooling2D(_GlobalPooling):
    """The largest value of each channel of an image.

    Args:
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
        keepdims: whether to keep the spatial axes with size 1.
    """

    dims, reduction = 2, "max"


class GlobalMaxPooling3D(_GlobalPooling):
    """The largest value of each channel of a volume.

    Args:
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
        keepdims: whether to keep the spatial axes with size 1.
    """

    dims, reduction = 3, "max"


class GlobalAveragePooling2D(_GlobalPooling):
    """The mean of each channel of an image.

    Args:
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
        keepdims: whether to keep the spatial axes with size 1.
    """

    dims, reduction = 2, "mean"


class GlobalAveragePooling3D(_GlobalPooling):
    """The mean of each channel of a volume.

    Args:
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
        keepdims: whether to keep the spatial axes with size 1.
    """

    dims, reduction = 3, "mean"


class GlobalAveragePooling1D(_GlobalPooling):
    """The mean along all steps; with a mask, only of the steps that count.

    Args:
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
        keepdims: whether to keep the axis of steps with size 1.
    """

    dims, reduction = 1, "mean"
    takes_mask = True
    supports_masking = True

    def output_mask(self, *masked: bool) -> bool:
        """False: the result has no steps."""
        return False

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The mean; with a mask, the sum over counted steps divided by their number."""
        mask = b.mask()
        if mask is None:
            return super().lower(b, *inputs)
        x = b.float(inputs[0])
        shape = b.shape(x)
        (axis,) = self.axes(shape)
        counts = b.emit(Reshape((-1, 1) if axis == 1 else (1, -1)), b.float(mask))
        kept = b.emit(Where(), counts, x, b.number(self, "zero", 0))
        total, number = (b.emit(Reduce("sum", (axis,), self.keepdims), v) for v in (kept, counts))
        return b.emit(Binary(kind="divide"), total, number)


MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
GlobalMaxPool1D, GlobalMaxPool2D, GlobalMaxPool3D = GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D
GlobalAvgPool1D, GlobalAvgPool2D = GlobalAveragePooling1D, GlobalAveragePooling2D
GlobalAvgPool3D = GlobalAveragePooling3D
