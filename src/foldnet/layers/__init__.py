"""Keras's layers: ``from foldnet.layers import Dense, BatchNormalization, Input``."""

from collections.abc import Mapping
from typing import Any

from foldnet.errors import ConfigError
from foldnet.layers.activation import ELU, LeakyReLU, PReLU, ReLU, Softmax, ThresholdedReLU
from foldnet.layers.adaptive_pooling import (
    AdaptiveAveragePooling1D,
    AdaptiveAveragePooling2D,
    AdaptiveAveragePooling3D,
    AdaptiveMaxPooling1D,
    AdaptiveMaxPooling2D,
    AdaptiveMaxPooling3D,
)
from foldnet.layers.attention import AdditiveAttention, Attention
from foldnet.layers.auto_contrast import (
    AutoContrast,
)
from foldnet.layers.base import Layer
from foldnet.layers.bidirectional import Bidirectional
from foldnet.layers.borders import (
    Cropping1D,
    Cropping2D,
    Cropping3D,
    UpSampling1D,
    UpSampling2D,
    UpSampling3D,
    ZeroPadding1D,
    ZeroPadding2D,
    ZeroPadding3D,
)
from foldnet.layers.cells import GRUCell, LSTMCell, SimpleRNNCell
from foldnet.layers.convolution import (
    Conv1D,
    Conv2D,
    Conv3D,
    Convolution1D,
    Convolution2D,
    Convolution3D,
)
from foldnet.layers.core import Activation, Dense, Embedding, Identity
from foldnet.layers.depthwise_convolution import (
    DepthwiseConv1D,
    DepthwiseConv2D,
    SeparableConv1D,
    SeparableConv2D,
    SeparableConvolution1D,
    SeparableConvolution2D,
)
from foldnet.layers.einsum_dense import EinsumDense
from foldnet.layers.encoding import (
    CategoryEncoding,
    Discretization,
)
from foldnet.layers.grouped_query_attention import GroupQueryAttention
from foldnet.layers.hashing import (
    Hashing,
)
from foldnet.layers.input_layer import Input, InputLayer
from foldnet.layers.lookup import (
    IntegerLookup,
)
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
from foldnet.layers.multi_head_attention import MultiHeadAttention
from foldnet.layers.normalization import BatchNormalization
from foldnet.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    AvgPool1D,
    AvgPool2D,
    AvgPool3D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
    GlobalAvgPool1D,
    GlobalAvgPool2D,
    GlobalAvgPool3D,
    GlobalMaxPool1D,
    GlobalMaxPool2D,
    GlobalMaxPool3D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    GlobalMaxPooling3D,
    MaxPool1D,
    MaxPool2D,
    MaxPool3D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
)
from foldnet.layers.preprocessing import Normalization, Rescaling
from foldnet.layers.random_colors import (
    RandomBrightness,
    RandomColorDegeneration,
    RandomColorJitter,
    RandomContrast,
    RandomErasing,
    RandomGaussianBlur,
    RandomGrayscale,
    RandomHue,
    RandomInvert,
    RandomPosterization,
    RandomSaturation,
    RandomSharpness,
    Solarization,
)
from foldnet.layers.random_images import (
    RandomCrop,
    RandomElasticTransform,
    RandomFlip,
    RandomPerspective,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
)
from foldnet.layers.random_mixes import (
    AugMix,
    CutMix,
    MaxNumBoundingBoxes,
    MixUp,
    RandAugment,
)
from foldnet.layers.recurrent import GRU, LSTM, RNN, SimpleRNN
from foldnet.layers.refusals import NOT_HERE
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
from foldnet.layers.resizing import (
    CenterCrop,
    Resizing,
)
from foldnet.layers.reversible_embedding import ReversibleEmbedding
from foldnet.layers.row_normalization import (
    GroupNormalization,
    LayerNormalization,
    RMSNormalization,
    UnitNormalization,
)
from foldnet.layers.spectral import SpectralNormalization
from foldnet.layers.stacked_cells import StackedRNNCells
from foldnet.layers.string_lookup import (
    StringLookup,
)
from foldnet.layers.time_distributed import TimeDistributed
from foldnet.layers.transposed_convolution import (
    Conv1DTranspose,
    Conv2DTranspose,
    Conv3DTranspose,
    Convolution1DTranspose,
    Convolution2DTranspose,
    Convolution3DTranspose,
)
from foldnet.layers.wrapping import Wrapper

LAYERS: dict[str, type[Layer]] = {
    cls.__name__: cls
    for cls in (
        Activation, ActivityRegularization, Add, AlphaDropout, Average, AveragePooling1D, AveragePooling2D,
        AveragePooling3D, BatchNormalization, Concatenate, Conv1D, Conv1DTranspose, Conv2D, Conv2DTranspose, Conv3D,
        Conv3DTranspose, DepthwiseConv1D, DepthwiseConv2D, SeparableConv1D, SeparableConv2D, Dense,
        ZeroPadding1D, ZeroPadding2D, ZeroPadding3D, Cropping1D, Cropping2D,
        Cropping3D, UpSampling1D, UpSampling2D, UpSampling3D,
        AdditiveAttention, Attention, GroupQueryAttention, MultiHeadAttention,
        Dot, Dropout, ELU, EinsumDense, Embedding, Flatten, GaussianDropout, GaussianNoise, GroupNormalization,
        Identity, InputLayer, LayerNormalization, LeakyReLU, Masking, Maximum, Minimum, Multiply, Normalization, PReLU,
        Permute, RMSNormalization, ReversibleEmbedding, ReLU, RepeatVector, Rescaling, Reshape, Softmax,
        SpatialDropout1D, SpatialDropout2D, SpatialDropout3D, SpectralNormalization, Subtract, ThresholdedReLU,
        UnitNormalization, GlobalAveragePooling1D, GlobalAveragePooling2D, GlobalAveragePooling3D, GlobalMaxPooling1D,
        GlobalMaxPooling2D, GlobalMaxPooling3D, MaxPooling1D, MaxPooling2D, MaxPooling3D,
        AdaptiveAveragePooling1D, AdaptiveAveragePooling2D, AdaptiveAveragePooling3D, AdaptiveMaxPooling1D,
        AdaptiveMaxPooling2D, AdaptiveMaxPooling3D,
        CenterCrop, Resizing,
        CategoryEncoding, Discretization,
        IntegerLookup, StringLookup,
        RandomFlip, RandomRotation, RandomTranslation, RandomZoom, RandomShear, RandomPerspective,
        RandomElasticTransform, RandomErasing, RandomGaussianBlur, RandomBrightness, RandomContrast,
        RandomSaturation, RandomHue, RandomSharpness, RandomColorDegeneration, RandomColorJitter, RandomGrayscale,
        RandomInvert, RandomPosterization, Solarization, CutMix, MixUp, AugMix, RandAugment, MaxNumBoundingBoxes,
        RandomCrop,
        AutoContrast,
        Hashing,
        Bidirectional, GRU, GRUCell, LSTM, LSTMCell, RNN, SimpleRNN, SimpleRNNCell, StackedRNNCells,
        TimeDistributed,
    )
}  # fmt: skip
"""The allow-list: every layer class that a file may name."""


def serialize(layer: Layer) -> dict[str, Any]:
    """The configuration of a layer in Keras's form; see ``foldnet.saving.serialize_keras_object``.

    Raises:
        UnsupportedError: a setting that it cannot represent.

    >>> serialize(Dense(3))["config"]["units"]
    3
    """
    from foldnet.files.serialization import serialize_keras_object

    stored: dict[str, Any] = serialize_keras_object(layer)
    return stored


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Create a layer from its configuration; see ``foldnet.saving.deserialize_keras_object``.

    Args:
        config: from ``serialize`` or from Keras.
        custom_objects: your own classes and functions, by name.

    Raises:
        ConfigError: it is not the configuration of a layer, or has an unknown name.
        UnsupportedError: something foldnet cannot represent.

    >>> deserialize(serialize(Dense(3))).units
    3
    """
    from foldnet.files.serialization import deserialize_keras_object

    layer = deserialize_keras_object(config, custom_objects)
    if not isinstance(layer, Layer):
        raise ConfigError(f"this is not the configuration of a layer but of {str(layer)[:100]}")
    return layer


INSTEAD = {
    "Lambda": "; it would be Python code: use Rescaling, Activation with a function of foldnet.activations, or merges",
}


def __getattr__(name: str) -> Any:
    known = f"; it has {', '.join(sorted(LAYERS))}" if name[:1].isupper() else ""
    known = f": {name} {NOT_HERE[name]}" if name in NOT_HERE else known
    raise AttributeError(f"module 'foldnet.layers' has no attribute {name!r}{INSTEAD.get(name, known)}")


__all__ = [
    "ELU",
    "GRU",
    "LAYERS",
    "LSTM",
    "RNN",
    "Activation",
    "ActivityRegularization",
    "AdaptiveAveragePooling1D",
    "AdaptiveAveragePooling2D",
    "AdaptiveAveragePooling3D",
    "AdaptiveMaxPooling1D",
    "AdaptiveMaxPooling2D",
    "AdaptiveMaxPooling3D",
    "Add",
    "AdditiveAttention",
    "AlphaDropout",
    "Attention",
    "AugMix",
    "AutoContrast",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "AvgPool1D",
    "AvgPool2D",
    "AvgPool3D",
    "BatchNormalization",
    "Bidirectional",
    "CategoryEncoding",
    "CenterCrop",
    "Concatenate",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "Convolution1D",
    "Convolution1DTranspose",
    "Convolution2D",
    "Convolution2DTranspose",
    "Convolution3D",
    "Convolution3DTranspose",
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "CutMix",
    "Dense",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "Discretization",
    "Dot",
    "Dropout",
    "EinsumDense",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalAvgPool3D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPool3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
    "GroupNormalization",
    "GroupQueryAttention",
    "Hashing",
    "Identity",
    "Input",
    "InputLayer",
    "IntegerLookup",
    "LSTMCell",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Masking",
    "MaxNumBoundingBoxes",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPool3D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "Maximum",
    "Minimum",
    "MixUp",
    "MultiHeadAttention",
    "Multiply",
    "Normalization",
    "PReLU",
    "Permute",
    "RMSNormalization",
    "RandAugment",
    "RandomBrightness",
    "RandomColorDegeneration",
    "RandomColorJitter",
    "RandomContrast",
    "RandomCrop",
    "RandomElasticTransform",
    "RandomErasing",
    "RandomFlip",
    "RandomGaussianBlur",
    "RandomGrayscale",
    "RandomHue",
    "RandomInvert",
    "RandomPerspective",
    "RandomPosterization",
    "RandomRotation",
    "RandomSaturation",
    "RandomSharpness",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
    "ReLU",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "Resizing",
    "ReversibleEmbedding",
    "SeparableConv1D",
    "SeparableConv2D",
    "SeparableConvolution1D",
    "SeparableConvolution2D",
    "SimpleRNN",
    "SimpleRNNCell",
    "Softmax",
    "Solarization",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "SpectralNormalization",
    "StackedRNNCells",
    "StringLookup",
    "Subtract",
    "ThresholdedReLU",
    "TimeDistributed",
    "UnitNormalization",
    "UpSampling1D",
    "UpSampling2D",
    "UpSampling3D",
    "Wrapper",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
    "add",
    "average",
    "concatenate",
    "deserialize",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "serialize",
    "subtract",
]
