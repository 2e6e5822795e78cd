"""Fits of 20 epochs against live Keras: convolutions, recurrence and attention by optimizers, axes, formats and masks.

Each case is a network of its own with an output of its own. Those with the same optimizer are trained as one network
with several outputs: no optimizer here mixes weights, so each case goes as it would go alone, and Keras compiles once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from foldnet import Model, layers, optimizers
from tests.support.keras_pairs import random_weights

EPOCHS, ROWS, BATCH = 20, 48, 16
Make = Callable[[Any, Any], Any]

SHAPES = {
    "steps": (6, 3), "image": (5, 4, 2), "image first": (2, 5, 4), "volume": (3, 3, 4, 2), "tokens": (6,),
    "masked": (6, 3), "film": (2, 4, 5, 2), "pages": (2, 4, 3), "books": (2, 2, 4, 3),
}  # fmt: skip
"""Rows by kind: some of the steps of what is masked are zeros, and some tokens are 0."""


def layer(class_name: str, *args: Any, **settings: Any) -> Make:
    """One layer; settings that are made by ``layer`` themselves are layers."""

    def made(lib: Any, value: Any) -> Any:
        if isinstance(value, list):
            return [made(lib, v) for v in value]
        return value.of(lib) if hasattr(value, "of") else value

    def of(lib: Any) -> Any:
        own = {name: made(lib, value) for name, value in settings.items()}
        return getattr(lib, class_name)(*(made(lib, a) for a in args), **own)

    def apply(lib: Any, x: Any) -> Any:
        return of(lib)(x)

    apply.of = of
    return apply


def chain(*makers: Make) -> Make:
    def apply(lib: Any, x: Any) -> Any:
        for make in makers:
            x = make(lib, x)
        return x

    return apply


def norm(axis: Any, rank: int, **settings: Any) -> Make:
    """BatchNormalization that keeps several axes; for Keras 3, which has none, these axes as one axis in front."""
    kept = list(axis)
    rest = [a for a in range(1, rank) if a not in kept]

    def apply(lib: Any, x: Any) -> Any:
        row = x.shape[1:]
        own = lib is layers
        order = [*kept, *rest]
        size = int(np.prod([row[a - 1] for a in kept]))
        turned = tuple(row[a - 1] for a in order)
        back = tuple(order.index(a) + 1 for a in range(1, rank))
        x = lib.Identity()(x) if own else lib.Permute(tuple(order))(x)
        x = lib.Identity()(x) if own else lib.Reshape((size, *(row[a - 1] for a in rest)))(x)
        x = lib.BatchNormalization(axis=axis if own else 1, **settings)(x)
        x = lib.Identity()(x) if own else lib.Reshape(turned)(x)
        return lib.Identity()(x) if own else lib.Permute(back)(x)

    return apply


def coder(lib: Any, x: Any) -> Any:
    """An encoder whose states a decoder starts from."""
    _, h, c = lib.LSTM(3, return_state=True)(x)
    return lib.LSTM(3, return_sequences=True)(x, initial_state=[h, c])


def states(lib: Any, x: Any) -> Any:
    y, *found = lib.Bidirectional(lib.GRU(2, return_sequences=True, return_state=True), merge_mode="ave")(x)
    return lib.Concatenate()([lib.Flatten()(y), *found])


def unmerged(lib: Any, x: Any) -> Any:
    return lib.Concatenate()(lib.Bidirectional(lib.SimpleRNN(2, return_sequences=True), merge_mode=None)(x))


def inner_network(lib: Any, x: Any) -> Any:
    inside = lib.Input(x.shape[2:])
    y = lib.GlobalAveragePooling2D()(lib.Conv2D(3, 2, activation="tanh")(inside))
    model = Model if lib is layers else keras.Model
    return lib.TimeDistributed(model(inside, y))(x)


def block(lib: Any, x: Any) -> Any:
    """A transformer's: attention and Dense layers, each added to what it was given."""
    x = lib.Dense(4)(x)
    x = lib.LayerNormalization()(
        lib.Add()([x, lib.MultiHeadAttention(2, 2, use_bias=False)(x, x, use_causal_mask=True)])
    )
    return lib.Add()([x, lib.Dense(4)(lib.Dense(5, activation="gelu")(x))])


def twice(lib: Any, x: Any) -> Any:
    return lib.Concatenate(axis=1)([x, x])


def itself(class_name: str, *args: Any, **settings: Any) -> Make:
    """Attention of a sequence to itself."""
    heads = "Head" in class_name or "Group" in class_name

    def apply(lib: Any, x: Any) -> Any:
        made = getattr(lib, class_name)(*args, **settings)
        return made(x, x) if heads else made([x, x])

    return apply


MASKING = layer("Masking", 0.0)
EMBEDDING = layer("Embedding", 7, 3, mask_zero=True)
MEAN = layer("GlobalAveragePooling1D")
FIRST = {"data_format": "channels_first"}
SEQUENCES = {"return_sequences": True}
STILL = {"momentum": 0.8}

GRID: dict[tuple[str, tuple[tuple[str, Any], ...]], dict[str, tuple[str, Make]]] = {}


def on(optimizer: str, **settings: Any) -> Callable[[dict[str, tuple[str, Make]]], None]:
    return lambda cases: GRID.update({(optimizer, tuple(settings.items())): cases})


on("SGD", learning_rate=0.05)({
    "conv2d, channels": (
        "image", chain(layer("Conv2D", 3, 2, activation="tanh"), layer("BatchNormalization", **STILL)),
    ),
    "conv2d first, axis 1": (
        "image first", chain(layer("Conv2D", 3, 2, **FIRST), layer("BatchNormalization", axis=1, **STILL)),
    ),
    "conv2d, axes 1 and 2": ("image", chain(layer("Conv2D", 3, 2), norm([1, 2], 4, **STILL))),
    "conv2d, axes 1 and 3": ("image", chain(layer("Conv2D", 2, 3, padding="same"), norm([1, 3], 4, **STILL))),
    "conv2d, axes 1, 2 and 3": ("image", chain(layer("Conv2D", 2, 2), norm([1, 2, 3], 4, scale=False, **STILL))),
    "conv1d, axis 1": ("steps", chain(layer("Conv1D", 3, 2), layer("BatchNormalization", axis=1, center=False))),
})  # fmt: skip
on("SGD", learning_rate=0.02, momentum=0.9)({
    "masked norm": ("masked", chain(MASKING, layer("BatchNormalization", **STILL), layer("GRU", 3))),
    "masked norm, axis 1": (
        "masked", chain(MASKING, layer("GRU", 3, **SEQUENCES), layer("BatchNormalization", axis=1, **STILL), MEAN),
    ),
    "embedded norm": (
        "tokens", chain(EMBEDDING, layer("LSTM", 3, **SEQUENCES), layer("BatchNormalization", epsilon=0.01), MEAN),
    ),
    "norm at every step": ("steps", layer("TimeDistributed", layer("BatchNormalization", **STILL))),
    "masked norm at every step": (
        "masked", chain(MASKING, layer("TimeDistributed", layer("BatchNormalization", **STILL)), layer("GRU", 2)),
    ),
    "norm at every step of what is joined": (
        "masked",
        chain(MASKING, twice, layer("TimeDistributed", layer("BatchNormalization", **STILL)), layer("GRU", 2)),
    ),
    "norm at every step of steps": (
        "pages", layer("TimeDistributed", layer("TimeDistributed", layer("BatchNormalization", **STILL))),
    ),
    "groups of channels first": (
        "image first", chain(layer("Conv2D", 4, 2, **FIRST), layer("GroupNormalization", 2, axis=1)),
    ),
})  # fmt: skip
on("SGD", learning_rate=0.005, momentum=0.8, nesterov=True, weight_decay=0.01)({
    "conv3d": ("volume", layer("Conv3D", 3, 2, strides=(2, 1, 2), padding="same", activation="tanh")),
    "conv3d first": ("volume", layer("Conv3D", 2, 2, dilation_rate=(1, 1, 1), **FIRST)),
    "conv3d transposed": ("volume", layer("Conv3DTranspose", 2, 2, strides=2, output_padding=1)),
    "conv2d of a film": ("film", layer("TimeDistributed", layer("Conv2D", 3, 2, strides=2, padding="same"))),
    "network at every step": ("film", inner_network),
    "max of volumes": ("volume", chain(layer("Conv3D", 3, 2, padding="same"), layer("MaxPooling3D", 2))),
})  # fmt: skip
on("Adam", learning_rate=0.01)({
    "simple": ("steps", layer("SimpleRNN", 4)),
    "lstm": ("steps", layer("LSTM", 3, kernel_regularizer="l2", recurrent_regularizer="l2")),
    "gru": ("steps", layer("GRU", 3)),
    "gru before": ("steps", layer("GRU", 3, reset_after=False, **SEQUENCES)),
    "lstm backwards": ("steps", layer("LSTM", 2, go_backwards=True, activation="softsign", **SEQUENCES)),
    "cells": ("steps", layer("RNN", [layer("LSTMCell", 3), layer("GRUCell", 2)])),
    "decoder": ("steps", coder),
})  # fmt: skip
on("AdamW", learning_rate=0.004, weight_decay=0.02)({
    "both ways": ("steps", layer("Bidirectional", layer("LSTM", 2))),
    "both ways, sum": ("steps", layer("Bidirectional", layer("GRU", 2, **SEQUENCES), merge_mode="sum")),
    "both ways, product": ("steps", layer("Bidirectional", layer("SimpleRNN", 3), merge_mode="mul")),
    "both ways, mean and states": ("steps", states),
    "both ways, apart": ("steps", unmerged),
    "two layers": (
        "steps", layer("Bidirectional", layer("LSTM", 2), backward_layer=layer("GRU", 2, go_backwards=True)),
    ),
})  # fmt: skip
on("Nadam", learning_rate=0.005)({
    "masked simple": ("masked", chain(MASKING, layer("SimpleRNN", 3, go_backwards=True))),
    "masked lstm": ("masked", chain(MASKING, layer("LSTM", 3, zero_output_for_mask=True, **SEQUENCES), MEAN)),
    "masked gru": ("tokens", chain(EMBEDDING, layer("GRU", 3, reset_after=False))),
    "masked both ways": ("tokens", chain(EMBEDDING, layer("Bidirectional", layer("LSTM", 2, **SEQUENCES)), MEAN)),
    "masked cells": ("masked", chain(MASKING, layer("RNN", [layer("GRUCell", 2), layer("SimpleRNNCell", 3)]))),
    "masked steps": ("masked", chain(MASKING, layer("TimeDistributed", layer("Dense", 3, activation="tanh")), MEAN)),
})  # fmt: skip
on("RMSprop", learning_rate=0.003, epsilon=1e-4)({
    "heads": ("steps", itself("MultiHeadAttention", 2, 2, use_bias=False)),
    "masked heads": ("masked", chain(MASKING, itself("MultiHeadAttention", 2, 3, use_bias=False), MEAN)),
    "groups of heads": ("steps", itself("GroupQueryAttention", 2, 4, 2, use_bias=False)),
    "attention": ("steps", chain(layer("Dense", 3, activation="tanh"), itself("Attention", use_scale=True))),
    "additive": ("steps", chain(layer("Dense", 3), itself("AdditiveAttention"))),
    "einsum": ("steps", layer("EinsumDense", "abc,bcd->abd", output_shape=(6, 2), bias_axes="bd", activation="tanh")),
})  # fmt: skip
on("Adamax", learning_rate=0.01)({
    "depthwise 1d": ("steps", layer("DepthwiseConv1D", 3, depth_multiplier=2, padding="same", activation="softplus")),
    "depthwise 2d": ("image", layer("DepthwiseConv2D", 2, dilation_rate=2)),
    "depthwise first": ("image first", layer("DepthwiseConv2D", (3, 2), strides=1, padding="same", **FIRST)),
    "separable 1d": ("steps", layer("SeparableConv1D", 3, 2, strides=2, padding="same")),
    "separable 2d": ("image", layer("SeparableConv2D", 3, 2, depth_multiplier=2, activation="tanh")),
    "separable first": ("image first", layer("SeparableConv2D", 2, 2, **FIRST)),
})  # fmt: skip
on("Adagrad", learning_rate=0.05)({
    "conv1d same": ("steps", layer("Conv1D", 3, 3, strides=2, padding="same", activation="tanh")),
    "conv1d causal": ("steps", layer("Conv1D", 2, 2, padding="causal", dilation_rate=2)),
    "conv1d groups first": ("image first", chain(layer("Reshape", (4, 10)), layer("Conv1D", 4, 3, groups=2, **FIRST))),
    "conv2d dilated": ("image", layer("Conv2D", 3, 2, dilation_rate=2, kernel_regularizer="l2")),
    "conv2d groups": ("image", layer("Conv2D", 4, 3, groups=2, padding="same")),
    "conv1d at every step": (
        "pages", layer("TimeDistributed", layer("Conv1D", 2, 2, padding="causal", activation="tanh")),
    ),
})  # fmt: skip
on("Adadelta", learning_rate=1.0)({
    "conv1d transposed": ("steps", layer("Conv1DTranspose", 2, 2, strides=3)),
    "conv2d transposed": ("image", layer("Conv2DTranspose", 2, 3, strides=2, padding="same")),
    "transposed first": ("image first", layer("Conv2DTranspose", 2, 2, strides=2, output_padding=1, **FIRST)),
    "lstm at every step": ("pages", layer("TimeDistributed", layer("LSTM", 2))),
    "gru at every step": ("books", layer("TimeDistributed", layer("TimeDistributed", layer("GRU", 2)))),
    "transposed at every step": ("pages", layer("TimeDistributed", layer("Conv1DTranspose", 2, 2, strides=3))),
})  # fmt: skip
on("Lion", learning_rate=0.0003)({
    "means 1d": ("steps", chain(layer("Conv1D", 3, 2), layer("AveragePooling1D", 2, 1, padding="same"))),
    "means first": ("image", chain(layer("Conv2D", 5, 2, padding="same"), layer("AveragePooling2D", 2, **FIRST))),
    "largest of all": ("image", chain(layer("Conv2D", 3, 2), layer("GlobalMaxPooling2D", keepdims=True))),
    "adaptive means": ("image", chain(layer("Conv2D", 3, 2), layer("AdaptiveAveragePooling2D", (3, 2)))),
    "adaptive largest": ("steps", chain(layer("Conv1D", 3, 2), layer("AdaptiveMaxPooling1D", 2))),
    "largest at every step": ("film", layer("TimeDistributed", layer("MaxPooling2D", 2))),
})  # fmt: skip
on("Ftrl", learning_rate=0.05)({
    "borders": ("image", chain(layer("Conv2D", 3, 2), layer("ZeroPadding2D", ((1, 0), (0, 2))), layer("Conv2D", 2, 2))),
    "cropped": ("image", chain(layer("Conv2D", 3, 2), layer("Cropping2D", ((1, 0), (0, 1))))),
    "larger": (
        "image",
        chain(layer("Conv2D", 2, 2), layer("UpSampling2D", 2, interpolation="bilinear"), layer("Conv2D", 2, 2)),
    ),
    "repeated": ("steps", chain(layer("UpSampling1D", 2), layer("Cropping1D", (1, 2)), layer("Conv1D", 2, 2))),
    "larger volumes": (
        "volume", chain(layer("Conv3D", 2, 2), layer("UpSampling3D", (1, 2, 1)), layer("ZeroPadding3D", 1)),
    ),
    "dense at every step": (
        "pages", layer("TimeDistributed", layer("TimeDistributed", layer("Dense", 3, activation="tanh"))),
    ),
})  # fmt: skip
on("Adam", learning_rate=0.002, amsgrad=True, clipvalue=0.2)({
    "transformer": ("steps", block),
    "rows of images": ("image", chain(layer("Conv2D", 3, 2, use_bias=False), layer("LayerNormalization", axis=[1, 3]))),
    "root mean square": ("steps", chain(layer("Conv1D", 3, 2), layer("RMSNormalization"))),
    "lengths": ("steps", chain(layer("Conv1D", 3, 2), layer("UnitNormalization", axis=1))),
    "lstm of a film": ("film", chain(layer("TimeDistributed", layer("Flatten")), layer("LSTM", 3, unroll=True))),
    "own activations": ("pages", layer("TimeDistributed", layer("PReLU"))),
})  # fmt: skip
on("Lamb", learning_rate=0.003)({
    "conv1d, then lstm": (
        "steps", chain(layer("Conv1D", 3, 2, activation="tanh"), layer("MaxPooling1D", 2), layer("LSTM", 3)),
    ),
    "conv1d, then both ways": (
        "steps", chain(layer("Conv1D", 3, 2, padding="causal"), layer("Bidirectional", layer("GRU", 2))),
    ),
    "embedded attention": ("tokens", chain(EMBEDDING, itself("MultiHeadAttention", 1, 3, use_bias=False), MEAN)),
    "spectral": (
        "image",
        chain(
            layer("SpectralNormalization", layer("Conv2D", 3, 2, activation="tanh"), 2), layer("Flatten"),
            layer("SpectralNormalization", layer("Dense", 4, activation="tanh")),
            layer("SpectralNormalization", layer("EinsumDense", "ab,bc->ac", 3, bias_axes="c")),
        ),
    ),
    "lenet": (
        "image",
        chain(layer("Conv2D", 3, 2, activation="tanh"), layer("AveragePooling2D", 2), layer("Flatten")),
    ),
})  # fmt: skip


def network(lib: Any, cases: dict[str, tuple[str, Make]]) -> tuple[Any, list[Any]]:
    """All cases as one network, and each as one."""
    model = Model if lib is layers else keras.Model
    inputs, outputs = [], []
    for k, (kind, make) in enumerate(cases.values()):
        x = lib.Input(SHAPES[kind], dtype="int32" if kind == "tokens" else "float32", name=f"in{k}")
        y = lib.Dense(2, activation="tanh", name=f"out{k}")(lib.Flatten()(make(lib, x)))
        inputs.append(x)
        outputs.append(y)
    alone = [model(x, y) for x, y in zip(inputs, outputs, strict=True)]
    return model(inputs, outputs), alone


def rows_of(kind: str, rng: np.random.Generator) -> np.ndarray:
    shape = (ROWS, *SHAPES[kind])
    ends = rng.integers(1, shape[1] + 1, (ROWS, 1))
    counts = np.arange(shape[1]) < ends
    if kind == "tokens":
        return (rng.integers(1, 7, shape) * counts).astype(np.int32)
    x = rng.normal(0.3, 1.2, shape).astype(np.float32)
    return x * counts[..., None] if kind == "masked" else x


def test_the_grid_is_wide_enough():
    names = [name for cases in GRID.values() for name in cases]
    assert len(set(names)) == len(names) >= 75
    by_optimizer: dict[str, int] = {}
    for (name, _), cases in GRID.items():
        by_optimizer[name] = by_optimizer.get(name, 0) + len(cases)
    assert len(by_optimizer) >= 11
    assert min(by_optimizer.values()) >= 2


@pytest.mark.parametrize("key", GRID, ids=lambda key: f"{key[0]}-{next(iter(GRID[key])).replace(' ', '-')}")
def test_twenty_epochs(key, both_engines):
    cases, (optimizer, settings) = GRID[key], key
    (theirs, their_cases), (ours, our_cases) = network(keras.layers, cases), network(layers, cases)
    rng = np.random.default_rng(4)
    for mine, other in zip(our_cases, their_cases, strict=True):
        start = [w * (0.5 if w.ndim > 1 else 1) for w in random_weights(other, rng)]
        other.set_weights(start)
        mine.set_weights([w.reshape(o.shape) for w, o in zip(start, mine.get_weights(), strict=True)])
    x = [rows_of(kind, rng) for kind, _ in cases.values()]
    y = [rng.uniform(-0.9, 0.9, (ROWS, 2)).astype(np.float32) for _ in cases]
    common = {"batch_size": BATCH, "epochs": EPOCHS, "shuffle": False, "verbose": 0}
    losses = ["mse"] * len(cases)
    theirs.compile(getattr(keras.optimizers, optimizer)(**dict(settings)), losses)
    expected = theirs.fit(x, y, **common).history
    start = ours.get_weights()
    for engine in both_engines():
        ours.set_weights(start)
        ours.compile(getattr(optimizers, optimizer)(**dict(settings)), losses)
        history = ours.fit(x, y, **common).history
        for k, name in enumerate(cases):
            loss = f"out{k}_loss"
            np.testing.assert_allclose(
                history[loss], expected[loss], rtol=1e-4, atol=1e-6, err_msg=f"{engine}: {name}"
            )
        for name, mine, other in zip(cases, our_cases, their_cases, strict=True):
            for k, (a, b) in enumerate(zip(mine.get_weights(), other.get_weights(), strict=True)):
                scale = np.abs(b).max() + 1e-3  # single entries may pass through zero
                message = f"{engine}: weight {k} of {name}"
                np.testing.assert_allclose(
                    a.reshape(b.shape), b, rtol=1e-4, atol=1e-4 * scale, err_msg=message
                )
