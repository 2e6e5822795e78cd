"""Keras's layers: ``from foldnet.layers import Dense, BatchNormalization, Input``."""

from typing import Any

from foldnet.layers.activation import ELU, LeakyReLU, PReLU, ReLU, Softmax, ThresholdedReLU
from foldnet.layers.base import Layer
from foldnet.layers.core import Activation, Dense, Embedding, Identity, Input, InputLayer
from foldnet.layers.masking import Masking
from foldnet.layers.merging import (
    Add,
    Average,
    Concatenate,
    Dot,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    dot,
    maximum,
    minimum,
    multiply,
    subtract,
)
from foldnet.layers.normalization import BatchNormalization
from foldnet.layers.preprocessing import Normalization, Rescaling
from foldnet.layers.regularization import (
    ActivityRegularization,
    AlphaDropout,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)
from foldnet.layers.reshaping import Flatten, Permute, RepeatVector, Reshape
from foldnet.layers.row_normalization import (
    GroupNormalization,
    LayerNormalization,
    RMSNormalization,
    UnitNormalization,
)

LAYERS: dict[str, type[Layer]] = {
    cls.__name__: cls
    for cls in (
        Activation, ActivityRegularization, Add, AlphaDropout, Average, BatchNormalization, Concatenate, Dense,
        Dot, Dropout, ELU, Embedding, Flatten, GaussianDropout, GaussianNoise, GroupNormalization, Identity,
        InputLayer, LayerNormalization, LeakyReLU, Masking, Maximum, Minimum, Multiply, Normalization, PReLU, Permute,
        RMSNormalization, ReLU, RepeatVector, Rescaling, Reshape, Softmax, SpatialDropout1D, SpatialDropout2D,
        SpatialDropout3D, Subtract, ThresholdedReLU, UnitNormalization,
    )
}  # fmt: skip
"""The allow-list: every layer class that a file may name."""

INSTEAD = {
    "Lambda": "; it would be Python code: use Rescaling, Activation with a function of foldnet.activations, or merges",
}


def __getattr__(name: str) -> Any:
    known = f"; it has {', '.join(sorted(LAYERS))}" if name[:1].isupper() else ""
    raise AttributeError(f"module 'foldnet.layers' has no attribute {name!r}{INSTEAD.get(name, known)}")


__all__ = [
    "ELU",
    "LAYERS",
    "Activation",
    "ActivityRegularization",
    "Add",
    "AlphaDropout",
    "Average",
    "BatchNormalization",
    "Concatenate",
    "Dense",
    "Dot",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "GroupNormalization",
    "Identity",
    "Input",
    "InputLayer",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Masking",
    "Maximum",
    "Minimum",
    "Multiply",
    "Normalization",
    "PReLU",
    "Permute",
    "RMSNormalization",
    "ReLU",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "Softmax",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "Subtract",
    "ThresholdedReLU",
    "UnitNormalization",
    "add",
    "average",
    "concatenate",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "subtract",
]
