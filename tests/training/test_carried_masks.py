"""Masks in a training program: each tensor's mask is the one that Keras hangs on it."""

import keras
import numpy as np
import pytest

from foldnet import layers
from foldnet.engines.reference.training import forward
from foldnet.errors import UnsupportedError
from foldnet.lowering.lower import Lowering, Mode, lower_into
from foldnet.network import Model
from foldnet.operations.kernels import StepContext
from foldnet.training.eager import _values

FIRST = np.int32([[0, 1, 2, 0], [0, 0, 0, 3], [0, 0, 0, 0]])
SECOND = np.int32([[0, 0, 2, 5], [1, 0, 0, 3], [0, 0, 4, 0]])


def nested(kit, model, x):
    inside = kit.Input((4, 3))
    return model(inside, kit.Dropout(0.0)(kit.ReLU()(inside)))(x)


RESULTS = {
    "its own": lambda k, m, a, c, d: a,
    "Dense": lambda k, m, a, c, d: k.Dense(2)(a),
    "BatchNormalization": lambda k, m, a, c, d: k.BatchNormalization(trainable=False)(a),
    "Add": lambda k, m, a, c, d: k.Add()([a, c]),
    "Average of three": lambda k, m, a, c, d: k.Average()([a, c, a]),
    "Add of one mask": lambda k, m, a, c, d: k.Add()([a, d]),
    "joined on the last axis": lambda k, m, a, c, d: k.Concatenate()([a, c]),
    "joined on the last axis with one that has none": lambda k, m, a, c, d: k.Concatenate()([a, d]),
    "joined on another axis": lambda k, m, a, c, d: k.Concatenate(axis=1)([a, c]),
    "joined on another axis with one that has none": lambda k, m, a, c, d: k.Concatenate(axis=1)([d, a]),
    "Flatten": lambda k, m, a, c, d: k.Flatten()(a),
    "none": lambda k, m, a, c, d: d,
    "a nested network": lambda k, m, a, c, d: nested(k, m, a),
}


def network(kit, model, dtype, result):
    first, second = (kit.Input((4,), dtype=dtype, name=n) for n in ("first", "second"))
    a, c = (kit.Embedding(7, 3, mask_zero=True)(x) for x in (first, second))
    return model([first, second], result(kit, model, a, c, kit.Embedding(7, 3)(second)))


def carried(ours, data):
    """The mask of our network's output."""
    b = Lowering(Mode.TRAIN)
    outputs = lower_into(b, ours)
    (mask,) = b.output_masks
    name = None if mask is None else mask.value()
    graph = b.build(outputs)
    values = _values(graph, data)
    forward(graph, values, StepContext(training=True), np.dtype(np.float32))
    return None if name is None else values[name]


@pytest.mark.filterwarnings("ignore:Layer .* does not support masking", "ignore:__array__")
@pytest.mark.parametrize("dtype", ["int32", "float32"])
@pytest.mark.parametrize("name", RESULTS)
def test_a_mask_is_keras_s(name, dtype):
    data = [FIRST.astype(dtype), SECOND.astype(dtype)]
    if dtype == "float32":
        data[0][0, 0] = 0.5  # counts, though it is cut to the index 0
    theirs = network(keras.layers, keras.Model, dtype, RESULTS[name])
    ours = network(layers, Model, dtype, RESULTS[name])
    expected = getattr(theirs([keras.ops.convert_to_tensor(x) for x in data]), "_keras_mask", None)
    found = carried(ours, data)
    if expected is None:
        assert found is None
    else:
        np.testing.assert_array_equal(found, np.asarray(expected).astype(np.float32))


def test_a_mask_that_is_no_tensor_of_the_network_is_refused():
    x, elsewhere = layers.Input((4, 3)), np.ones((2, 4))
    model = Model(x, layers.Flatten()(layers.BatchNormalization(name="norm")(x, mask=elsewhere)))
    with pytest.raises(UnsupportedError, match=r"'norm'.*no tensor of the network"):
        lower_into(Lowering(Mode.TRAIN), model)
