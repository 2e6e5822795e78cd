"""Keras's layers: ``from foldnet.layers import Dense, BatchNormalization, Input``."""

from foldnet.layers.base import Layer
from foldnet.layers.core import Activation, Dense, Input, InputLayer
from foldnet.layers.normalization import BatchNormalization
from foldnet.layers.regularization import Dropout

LAYERS: dict[str, type[Layer]] = {
    cls.__name__: cls for cls in (Activation, BatchNormalization, Dense, Dropout, InputLayer)
}
"""The allow-list: every layer class that a file may name."""

__all__ = ["LAYERS", "Activation", "BatchNormalization", "Dense", "Dropout", "Input", "InputLayer", "Layer"]
