"""Layers that Keras 3 has dropped or changed, against recorded outputs of tf_keras."""

import json
from pathlib import Path

import numpy as np
import pytest

from foldnet import activations
from foldnet.layers import LAYERS, Activation, Input
from foldnet.network import Model
from tests.support.arrays import arrays_of

FIXTURE = Path(__file__).parents[1] / "fixtures" / "tf_keras_layers.npz"
ARRAYS = arrays_of(FIXTURE)
RECORDS = [
    json.loads(str(ARRAYS[f"config_{i}"])) for i in range(len([k for k in ARRAYS if k[:6] == "config"]))
]


def weights(i):
    return [
        ARRAYS[f"weights_{i}_{j}"] for j in range(len([k for k in ARRAYS if k.startswith(f"weights_{i}_")]))
    ]


def model(record, layer=None):
    layer = layer or LAYERS[record["class_name"]].from_config(record["config"])
    x = Input(record["input_shape"])
    return Model(x, layer(x))


@pytest.mark.parametrize(
    "i", range(len(RECORDS)), ids=[f"{r['class_name']}-{i}" for i, r in enumerate(RECORDS)]
)
def test_predicts_as_tf_keras_does(i, engine):
    record, y = RECORDS[i], ARRAYS[f"y_{i}"]
    if record["config"].get("activation") == "hard_sigmoid":
        # The name means another function in Keras 3; whoever reads an old file asks for the old one.
        ours = model(record, Activation("hard_sigmoid_keras2"))
    else:
        ours = model(record)
    assert [w.shape for w in ours.get_weights()] == [w.shape for w in weights(i)]
    ours.set_weights(weights(i))
    (result,) = engine(ours, [ARRAYS[f"x_{i}"]], "float32")
    assert result.shape == y.shape
    np.testing.assert_allclose(result, y, rtol=0, atol=1e-5 * np.abs(y).max())


def test_the_statistics_of_a_list_axis_keep_the_rank():
    shapes = {
        tuple(r["config"]["axis"]): weights(i)[0].shape
        for i, r in enumerate(RECORDS)
        if r["class_name"] == "BatchNormalization" and len(r["input_shape"]) == 3
    }
    assert shapes[1, 2, 3] == (1, 3, 4, 5)
    assert shapes[1, 3] == (1, 3, 1, 5)
    assert shapes[3,] == (5,)


def test_hard_sigmoid_means_two_functions():
    x = np.linspace(-4, 4, 9)
    assert not np.allclose(activations.hard_sigmoid(x), activations.hard_sigmoid_keras2(x), atol=0.01)
