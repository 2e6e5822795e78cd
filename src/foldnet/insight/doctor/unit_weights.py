"""The weights of each unit of a layer: what it multiplies its input by."""

from __future__ import annotations

import numpy as np

from foldnet.arrays import Array
from foldnet.layers.base import Layer


def unit_columns(layer: Layer) -> Array | None:
    """What each unit or filter multiplies its input by, in a column: ``(weights, units)``; None if it has no units.

    >>> from foldnet import Sequential, layers
    >>> model = Sequential([layers.Input((5, 5, 3)), layers.Conv2D(4, 2)])
    >>> unit_columns(model.layers[0]).shape
    (12, 4)
    """
    if layer.unit_axis is None:
        return None
    kernel = np.moveaxis(layer.named_weights["kernel"], layer.unit_axis, -1)
    return np.asarray(kernel.reshape(-1, kernel.shape[-1]))
