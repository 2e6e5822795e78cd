"""``same`` padding as Keras had it on Theano.

There the middle of the first window was always at the first position. TensorFlow puts it so that all windows together
reach as far beyond both ends, which for strides above 1 and for windows of even size is elsewhere.
"""

from __future__ import annotations

from typing import Any

from foldnet.errors import UnsupportedError
from foldnet.files.old_kernels import TURNED
from foldnet.layers import LAYERS
from foldnet.layers.base import Layer
from foldnet.network import Network
from foldnet.operations.windows.op import reach
from foldnet.sequential import Sequential


def differs(layer: Layer) -> bool:
    """Whether Theano computed something else than Keras does today."""
    settings: Any = layer
    if type(layer).__name__ not in TURNED or settings.padding != "same":
        return False
    return max(settings.strides) > 1 or any(n % 2 == 0 for n in _covers(layer))


def _covers(layer: Layer) -> list[int]:
    """How many positions a window covers on each axis."""
    settings: Any = layer
    return [reach(k, d) for k, d in zip(settings.kernel_size, settings.dilation_rate, strict=True)]


def padded(layer: Layer) -> Layer:
    """A layer as Theano computed it: itself, or if its padding differs, a network of zeros around and the layer.

    Raises:
        UnsupportedError: a transposed convolution whose padding differs.
    """
    if not differs(layer):
        return layer
    settings: Any = layer
    kind = type(layer).__name__
    covers = _covers(layer)
    if kind.endswith("Transpose"):
        raise UnsupportedError(
            f"layer {layer.name!r} ({kind}): the file is of Keras on Theano, whose padding='same' of a transposed "
            f"convolution with kernel_size={settings.kernel_size} and strides={settings.strides} gives other positions "
            "than Keras has today, and foldnet does not compute it"
        )
    ends = [(n // 2, (n - 1) // 2) for n in covers]
    around: Any = LAYERS[f"ZeroPadding{len(covers)}D"]
    zeros = around(
        ends if len(ends) > 1 else ends[0], data_format=settings.data_format, name=f"{layer.name}_zeros"
    )
    settings.padding = "valid"
    network = Sequential([zeros, layer], name=layer.name)
    network.declared_input_shape, layer.declared_input_shape = layer.declared_input_shape, None
    return network


def check(network: Network) -> None:
    """Check that a network computes with weights of Theano what it did there.

    Raises:
        UnsupportedError: a layer's padding was another there.
    """
    if wrong := [layer.name for layer in network.single_layers() if differs(layer)]:
        raise UnsupportedError(
            f"the weights are of Keras on Theano, whose padding='same' is another than today's in layer {wrong[0]!r}. "
            "Open the file of the whole network, or load_model(architecture=..., weights=...), which give it zeros "
            "around and padding='valid'; or build it so"
        )
