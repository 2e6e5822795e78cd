"""Kernels of convolutions as Keras 1 and Theano stored them.

Keras 1 had the axes of some kernels in another order. Theano's convolution is the one of mathematics, which goes
through the kernel backwards, so all kernels of networks that ran on Theano are turned, whichever Keras saved them.
Since Keras 2 a file says which backend it came from. In one of Keras 1, TensorFlow's weights have names that end in
``:0``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import FileFormatError
from foldnet.files.hdf5 import Group
from foldnet.files.releases import NEWEST, Release
from foldnet.layers.base import Layer
from foldnet.layers.weight import WeightSpec

TURNED = {
    **dict.fromkeys((f"Conv{d}D{end}" for d in (1, 2, 3) for end in ("", "Transpose")), "kernel"),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), "kernel"),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), "depthwise_kernel"),
}
"""The weight that Theano goes through backwards, by class."""

KERAS_1_AXES = {
    ("Conv2D", "channels_first"): (3, 2, 0, 1),
    ("Conv3D", "channels_first"): (4, 3, 0, 1, 2),
    ("Conv2DTranspose", "channels_last"): (0, 1, 3, 2),
    ("Conv2DTranspose", "channels_first"): (2, 3, 0, 1),
    ("SeparableConv2D", "channels_first"): (3, 2, 0, 1),
}
"""The order in which Keras 1 stored the axes of today's kernels, by class and data format."""


@dataclass(frozen=True)
class Origin:
    """Where weights come from.

    Attributes:
        release: of Keras that wrote them.
        theano: whether the network ran on Theano.
    """

    release: Release = NEWEST
    theano: bool = False

    def turns(self, layer: Layer, weight: str) -> bool:
        """Whether a weight is stored backwards."""
        return self.theano and TURNED.get(type(layer).__name__) == weight


MODERN = Origin()


def is_theano(keras: int, backend: object, names: Iterable[str]) -> bool:
    """Whether a network ran on Theano.

    Args:
        keras: major version that saved it.
        backend: its name in the file; None if the file does not have it.
        names: of the weights in the file.
    """
    if backend is not None:
        return backend == "theano"
    listed = list(names)
    return keras == 1 and bool(listed) and not any(re.search(r":\d+$", name) for name in listed)


def read_weight(group: Group, name: str, layer: Layer, spec: WeightSpec, origin: Origin) -> Array:
    """A weight in today's shape and direction.

    Raises:
        FileFormatError: it has another shape than the layer needs.
    """
    array = _keras_1(group, name, layer, spec) if origin.release.keras == 1 else group.array(name, spec.shape)
    if origin.turns(layer, spec.name):
        space = tuple(range(len(spec.shape) - 2))
        array = np.ascontiguousarray(np.flip(array, space))
    return array


def _keras_1(group: Group, name: str, layer: Layer, spec: WeightSpec) -> Array:
    if len(spec.shape) < 3:
        return group.array(name, spec.shape)
    kind = type(layer).__name__
    if kind == "Conv1D" and spec.name == "kernel":
        return _steps(group, name, spec)
    order = KERAS_1_AXES.get((kind, getattr(layer, "data_format", "")))
    if order is None:
        return group.array(name, spec.shape)
    stored = group.array(name, tuple(spec.shape[a] for a in order))
    return np.ascontiguousarray(stored.transpose(np.argsort(order)))


def _steps(group: Group, name: str, spec: WeightSpec) -> Array:
    """The kernel of a one-dimensional convolution, which Keras 1 stored as one of two dimensions."""
    length, channels, filters = spec.shape
    if group.shape(name) == (filters, channels, length, 1) != (length, 1, channels, filters):  # up to 1.1
        return np.ascontiguousarray(group.array(name, group.shape(name))[..., 0].transpose(2, 1, 0))
    if group.shape(name) != (length, 1, channels, filters):
        raise FileFormatError(
            f"{group.path}/{name} has shape {group.shape(name)}, and the configuration asks for "
            f"{(length, 1, channels, filters)}"
        )
    return group.array(name, group.shape(name))[:, 0]
