"""Gradients through pooling are Keras's, also where several positions are the largest."""

import keras
import numpy as np
import pytest

from foldnet import layers, optimizers
from foldnet.network import Model

SHAPES = {1: (7, 3), 2: (5, 6, 2), 3: (4, 3, 4, 2)}
WINDOWS = [(2, None, "valid"), (3, 2, "same"), (2, 1, "same"), (2, 3, "same"), (3, 1, "valid")]
CASES = [
    *(
        (
            f"{kind}Pooling{d}D",
            {"pool_size": size, "strides": strides, "padding": padding, "data_format": f},
            d,
        )
        for kind in ("Max", "Average")
        for d in (1, 2, 3)
        for size, strides, padding in WINDOWS
        for f in ("channels_last", "channels_first")
        if min(SHAPES[d][1:] if f == "channels_first" else SHAPES[d][:-1]) >= size
    ),
    *(
        (f"Global{kind}Pooling{d}D", {"data_format": f, "keepdims": k}, d)
        for kind in ("Max", "Average")
        for d in (1, 2, 3)
        for f, k in (("channels_last", True), ("channels_first", False))
    ),
]


TOGETHER = 8
"""Cases in one network: most of the time goes into compiling what every network has."""


def network(kit, model, cases, shape):
    """Each layer on values that are weights, so that one step of SGD at rate 1 moves them by their gradient."""
    x = kit.Input((1,), dtype="int32")
    found = []
    for name, settings in cases:
        values = kit.Reshape(shape)(kit.Embedding(1, int(np.prod(shape)))(x))
        found.append(kit.Flatten()(getattr(kit, name)(**settings)(values)))
    return model(x, kit.Concatenate()(found))


def together():
    """(dimensions, cases): so many of the same dimensions as are in one network."""
    for dims in (1, 2, 3):
        cases = [(name, settings) for name, settings, d in CASES if d == dims]
        yield from ((dims, cases[i : i + TOGETHER]) for i in range(0, len(cases), TOGETHER))


@pytest.mark.parametrize(("dims", "cases"), list(together()))
def test_gradients_are_keras_s(dims, cases, both_engines):
    rng = np.random.default_rng(dims)
    shape = SHAPES[dims]
    theirs = network(keras.layers, keras.Model, cases, shape)
    ours = network(layers, Model, cases, shape)
    # Few different numbers: most windows have their largest several times.
    start = [rng.integers(-1, 2, (1, int(np.prod(shape)))).astype(np.float32) for _ in cases]
    rows, wanted = (
        np.zeros((1, 1), np.int32),
        rng.normal(size=(1, *theirs.output_shape[1:])).astype(np.float32),
    )
    theirs.set_weights(start)
    # The mean is over the outputs of all layers: as large a step as if each had a loss of its own.
    rate = float(len(cases))
    theirs.compile(keras.optimizers.SGD(rate), "mse")
    theirs.fit(rows, wanted, verbose=0)
    expected = [a - b for a, b in zip(start, theirs.get_weights(), strict=True)]
    assert all(np.abs(e).max() > 0 for e in expected)
    for engine in both_engines():
        ours.set_weights(start)
        ours.compile(optimizers.SGD(rate), "mse")
        ours.fit(rows, wanted, verbose=0)
        for case, before, after, moved in zip(cases, start, ours.get_weights(), expected, strict=True):
            what = f"{case} on the {engine} engine"
            # Subtracting from numbers near 1 costs a unit of those.
            np.testing.assert_allclose(before - after, moved, rtol=1e-5, atol=1e-6, err_msg=what)
