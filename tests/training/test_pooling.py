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


def network(kit, model, name, settings, shape):
    """The layer on values that are weights, so that one step of SGD at rate 1 moves them by their gradient."""
    x = kit.Input((1,), dtype="int32")
    values = kit.Reshape(shape)(kit.Embedding(1, int(np.prod(shape)))(x))
    return model(x, kit.Flatten()(getattr(kit, name)(**settings)(values)))


@pytest.mark.parametrize(
    ("name", "settings", "dims"),
    CASES,
    ids=lambda v: "-".join(map(str, v.values())) if isinstance(v, dict) else str(v),
)
def test_gradients_are_keras_s(name, settings, dims, both_engines):
    rng = np.random.default_rng(dims)
    shape = SHAPES[dims]
    theirs = network(keras.layers, keras.Model, name, settings, shape)
    ours = network(layers, Model, name, settings, shape)
    # Few different numbers: most windows have their largest several times.
    start = rng.integers(-1, 2, (1, int(np.prod(shape)))).astype(np.float32)
    rows, wanted = (
        np.zeros((1, 1), np.int32),
        rng.normal(size=(1, *theirs.output_shape[1:])).astype(np.float32),
    )
    theirs.set_weights([start])
    theirs.compile(keras.optimizers.SGD(1.0), "mse")
    theirs.fit(rows, wanted, verbose=0)
    expected = start - theirs.get_weights()[0]
    assert np.abs(expected).max() > 0
    for engine in both_engines():
        ours.set_weights([start])
        ours.compile(optimizers.SGD(1.0), "mse")
        ours.fit(rows, wanted, verbose=0)
        found = start - ours.get_weights()[0]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6, err_msg=engine)
