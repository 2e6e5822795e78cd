"""The layers that grow on each kind of value, with the choices for their settings."""

from __future__ import annotations

from math import prod
from typing import Any

from tests.layers.cases import ACTIVATIONS
from tests.soak.draw import Dice, Settings, Shape, an_axis, pairs, per_dim, settings_of, some_axes

FORMATS = ("channels_last", "channels_last", "channels_first")
YES_NO = (True, False)
USUAL = ("linear", "relu", "tanh", "sigmoid")
SMALL = range(1, 7)
ANY_ACTIVATION = [*USUAL * 6, *(a for a in ACTIVATIONS if a not in ("glu", "exponential"))]
RATES = (0.0, 0.2, 0.5)
EPSILONS = (1e-5, 1e-3, 0.1)


def some_numbers(low: float, high: float, length_of: int = -1) -> Any:
    """Numbers as many as an axis is long, exact in float32."""

    def choose(dice: Dice, shape: Shape) -> list[float]:
        return [dice.randint(int(64 * low), int(64 * high)) / 64 for _ in range(shape[length_of] or 1)]

    return choose


def permuted(dice: Dice, shape: Shape) -> list[int]:
    return dice.sample(range(1, len(shape) + 1), len(shape))


def reshaped(dice: Dice, shape: Shape) -> list[int]:
    """Other sizes with the same product, one of them perhaps left to be found."""
    if None in shape:
        return [-1, shape[-1] or 1]
    left, target = prod(n for n in shape if n is not None), []
    for _ in range(dice.randint(0, 3)):
        part = dice.choice([n for n in range(1, left + 1) if left % n == 0][:6])
        target.append(part)
        left //= part
    target.append(left)
    dice.shuffle(target)
    if dice.often(0.4):
        target[dice.randrange(len(target))] = -1
    return target


def divisor(dice: Dice, shape: Shape) -> int:
    channels = shape[-1] or 1
    return dice.choice([-1, *(n for n in range(1, channels + 1) if channels % n == 0)])


def groups_and_filters(dice: Dice, shape: Shape) -> int:
    return dice.choice([1, 1, 2, 3])


NORMALIZATIONS: dict[str, Settings] = {
    "BatchNormalization": {"axis": an_axis, "epsilon": EPSILONS, "center": YES_NO, "scale": YES_NO},
    "LayerNormalization": {"axis": some_axes, "epsilon": EPSILONS, "center": YES_NO, "scale": YES_NO},
    "GroupNormalization": {"groups!": divisor, "axis": (-1,), "epsilon": EPSILONS, "center": YES_NO, "scale": YES_NO},
    "RMSNormalization": {"axis": (-1,), "epsilon": EPSILONS},
    "UnitNormalization": {"axis": some_axes},
    "Normalization": {
        "axis!": (-1,), "mean!": some_numbers(-2, 2), "variance!": some_numbers(0.1, 4), "invert": (False, False, True),
    },
}  # fmt: skip
ANYWHERE: dict[str, Settings] = NORMALIZATIONS | {
    "Dense": {"units": SMALL, "activation": ANY_ACTIVATION, "use_bias": YES_NO},
    "Activation": {"activation": ANY_ACTIVATION},
    "ReLU": {"max_value": (1.0, 6.0), "negative_slope": (0.0, 0.2), "threshold": (0.0, 0.4)},
    "LeakyReLU": {"negative_slope": (0.05, 0.5)},
    "ELU": {"alpha": (0.3, 1.5)},
    "PReLU": {"shared_axes": lambda dice, shape: list(range(1, len(shape))) or None},
    "Softmax": {"axis": an_axis},
    "Rescaling": {"scale": (0.5, -2.0), "offset": (0.0, 0.75)},
    "Dropout": {"rate": RATES},
    "AlphaDropout": {"rate": RATES},
    "GaussianDropout": {"rate": RATES},
    "GaussianNoise": {"stddev": RATES},
    "ActivityRegularization": {"l1": (0.1,), "l2": (0.1,)},
    "Identity": {},
    "Flatten": {"data_format": FORMATS},
    "Reshape": {"target_shape": reshaped},
    "Permute": {"dims": permuted},
}
POOLING = {
    "pool_size!": per_dim(1, 3),
    "strides": per_dim(1, 3),
    "padding": ("valid", "same"),
    "data_format": FORMATS,
}
CONVOLUTION = {
    "kernel_size": per_dim(1, 3), "strides": per_dim(1, 2), "padding": ("valid", "same"), "data_format": FORMATS,
    "dilation_rate": per_dim(1, 2), "use_bias": YES_NO, "activation": ANY_ACTIVATION,
}  # fmt: skip


def spatial(dims: int) -> dict[str, Settings]:
    """The layers that exist in one, two and three dimensions."""
    where = {"data_format": FORMATS}
    d = f"{dims}D"
    return {
        f"Conv{d}": {"filters": SMALL, **CONVOLUTION, "groups": groups_and_filters},
        f"Conv{d}Transpose": {"filters": SMALL, **CONVOLUTION, "output_padding": (None, None, 0)},
        f"MaxPooling{d}": POOLING,
        f"AveragePooling{d}": POOLING,
        f"GlobalMaxPooling{d}": {**where, "keepdims": YES_NO},
        f"GlobalAveragePooling{d}": {**where, "keepdims": YES_NO},
        f"AdaptiveMaxPooling{d}": {"output_size": per_dim(1, 4), **where},
        f"AdaptiveAveragePooling{d}": {"output_size": per_dim(1, 4), **where},
        f"ZeroPadding{d}": {"padding!": pairs(0, 2), **(where if dims > 1 else {})},
        f"Cropping{d}": {"cropping!": pairs(0, 2), **(where if dims > 1 else {})},
        f"UpSampling{d}": {"size!": (1, 2, 3) if dims == 1 else per_dim(1, 3), **(where if dims > 1 else {})},
        f"SpatialDropout{d}": {"rate": RATES, **(where if dims > 1 else {})},
    }


def separable(dims: int) -> dict[str, Settings]:
    plain = {k: v for k, v in CONVOLUTION.items() if k not in ("strides", "dilation_rate")}
    either = {**plain, "strides": (1, 2), "dilation_rate": (1, 1, 2), "depth_multiplier": (1, 2)}
    return {f"DepthwiseConv{dims}D": either, f"SeparableConv{dims}D": {"filters": SMALL, **either}}


GATES = ("sigmoid", "sigmoid", "hard_sigmoid", "relu")
CELL = {
    "units": SMALL, "activation": ("tanh", "tanh", "relu", "softsign"), "use_bias": YES_NO, "dropout": RATES,
    "recurrent_dropout": RATES,
}  # fmt: skip
CELLS: dict[str, Settings] = {
    "SimpleRNNCell": CELL,
    "LSTMCell": {**CELL, "recurrent_activation": GATES},
    "GRUCell": {**CELL, "recurrent_activation": GATES, "reset_after": YES_NO},
}
LOOP = {
    "return_sequences": YES_NO,
    "go_backwards": YES_NO,
    "unroll": (False, False, True),
    "return_state": (False, False, True),
}
RECURRENT: dict[str, Settings] = {
    "SimpleRNN": {**CELL, **LOOP},
    "LSTM": {**CELLS["LSTMCell"], **LOOP},
    "GRU": {**CELLS["GRUCell"], **LOOP},
}


def some_cell(dice: Dice, shape: Shape) -> dict[str, Any]:
    name = dice.choice(list(CELLS))
    return {"class_name": name, "config": settings_of(name, CELLS[name], dice, shape)}


def cells(dice: Dice, shape: Shape) -> Any:
    """One cell, a list of them, or a stack."""
    several = [some_cell(dice, shape) for _ in range(dice.randint(1, 3))]
    stack = {"class_name": "StackedRNNCells", "config": {"cells": several}}
    return dice.choice([several[0], several, stack])


def recurrent_layer(dice: Dice, shape: Shape) -> dict[str, Any]:
    name = dice.choice([*RECURRENT, "RNN"])
    table = RECURRENT.get(name, {"cell": cells, "return_sequences": YES_NO})
    return {"class_name": name, "config": settings_of(name, table, dice, shape)}


def backward_layer(dice: Dice, forward: dict[str, Any]) -> dict[str, Any]:
    """A layer of its own for the way back, of the same sizes."""
    config = dict(forward["config"])
    config["go_backwards"] = not config.get("go_backwards", False)
    config["use_bias"] = dice.choice(YES_NO)
    return {"class_name": forward["class_name"], "config": config}


def inner_layer(dice: Dice, shape: Shape) -> dict[str, Any]:
    """A layer for each step of a sequence of flat vectors, sequences or images."""
    table = {1: FLAT, 2: SEQUENCE, 3: IMAGE}.get(len(shape) - 1, ANYWHERE)
    entry = dice.choice([name for name in table if name not in ("TimeDistributed", "Masking", "RNN")])
    return {"class_name": entry.strip(), "config": settings_of(entry.strip(), table[entry], dice, shape[1:])}


def a_dense(dice: Dice, shape: Shape) -> dict[str, Any]:
    return {"class_name": "Dense", "config": settings_of("Dense", ANYWHERE["Dense"], dice, shape)}


def equation(dice: Dice, shape: Shape) -> str:
    rows = "abcde"[: len(shape) + 1]
    return dice.choice([f"{rows},{rows[-1]}z->{rows[:-1]}z", f"...{rows[-1]},{rows[-1]}z->...z"])


def einsum_shape(dice: Dice, shape: Shape) -> list[int | None]:
    return [*(None for _ in shape[:-1]), dice.choice(SMALL)]


FLAT: dict[str, Settings] = ANYWHERE | {
    "RepeatVector": {"n": range(2, 6)},
    "EinsumDense": {
        "equation": ("ab,bz->az", "...b,bz->...z"), "output_shape": einsum_shape, "bias_axes": ("z",),
        "activation": USUAL,
    },
    "Discretization": {"bin_boundaries!": ([-0.5, 0.2, 1.0],), "output_mode": ("int", "multi_hot", "count")},
    "Dense ": {"units": SMALL, "activation": ANY_ACTIVATION},
    "SpectralNormalization": {"layer": a_dense},
    "BatchNormalization ": NORMALIZATIONS["BatchNormalization"],
}  # fmt: skip
SEQUENCE: dict[str, Settings] = (
    ANYWHERE
    | spatial(1)
    | separable(1)
    | RECURRENT
    | {
        "Conv1D ": {"filters": SMALL, "kernel_size": SMALL, "padding!": ("causal",), "dilation_rate": (1, 2)},
        "RNN": {
            "cell": cells,
            "return_sequences": YES_NO,
            "go_backwards": YES_NO,
            "return_state": (False, True),
        },
        "Bidirectional": {"layer": recurrent_layer, "merge_mode": ("concat", "sum", "mul", "ave")},
        "TimeDistributed": {"layer": inner_layer},
        "Masking": {"mask_value!": (0.0,)},
        "EinsumDense": {
            "equation": equation,
            "output_shape": einsum_shape,
            "bias_axes": ("z",),
            "activation": USUAL,
        },
        "LSTM ": {"units": SMALL, "return_sequences!": (True,)},
        "GRU ": {"units": SMALL, "return_sequences!": (True,)},
    }
)
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
IMAGE: dict[str, Settings] = (
    ANYWHERE
    | spatial(2)
    | separable(2)
    | {
        "UpSampling2D": {"size!": per_dim(1, 3), "interpolation": INTERPOLATIONS, "data_format": FORMATS},
        "Resizing": {
            "height": range(2, 9), "width": range(2, 9), "interpolation": INTERPOLATIONS, "antialias": YES_NO,
            "crop_to_aspect_ratio": (False, False, True), "data_format": FORMATS,
        },
        "CenterCrop": {"height": range(2, 7), "width": range(2, 7), "data_format": FORMATS},
        "TimeDistributed": {"layer": inner_layer},
        "RandomFlip": {}, "RandomContrast": {"factor": (0.3,)}, "RandomRotation": {"factor": (0.2,)},
        "Conv2D ": {"filters": SMALL, "kernel_size": (3,), "activation": USUAL, "padding": ("same",)},
        "BatchNormalization ": {"axis": (1, -1, 3)},
    }
)  # fmt: skip
VOLUME: dict[str, Settings] = ANYWHERE | spatial(3) | {"TimeDistributed": {"layer": inner_layer}}
TOKENS: dict[str, Settings] = {
    "Embedding": {"input_dim": (12,), "output_dim": SMALL, "mask_zero": YES_NO},
    "Embedding ": {"input_dim": (12,), "output_dim": SMALL, "mask_zero!": (True,)},
    "CategoryEncoding": {"num_tokens!": (12,), "output_mode": ("multi_hot", "count", "one_hot")},
    "ReversibleEmbedding": {"input_dim": (12,), "output_dim": SMALL},
    "Flatten": {},
}
BY_RANK = {2: FLAT, 3: SEQUENCE, 4: IMAGE, 5: VOLUME}
"""By the rank of a value, the batch axis counted. A name with a space at its end is a second entry of a layer."""
