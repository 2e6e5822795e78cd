"""``.h5`` files for tf_keras have the layers, settings and calls that it takes.

``scripts/check_tf_keras_reads.py`` has recorded the settings of files that tf_keras opened and computed the same from.
"""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

import foldnet
from foldnet import Input, Model, layers
from foldnet.errors import UnsupportedError
from foldnet.files.for_tf_keras import NOT_THERE
from tests.files.test_save import EVERY_LAYER, one_layer

OPENS = Path(__file__).parent.parent / "fixtures" / "tf_keras_opens.json"


def unlike_tf_keras(name, settings):
    """What tf_keras computes otherwise, and is no part of a training; a single shift must be positive there."""
    one_way = name == "RandomTranslation" and settings.get("width_factor") == -0.1
    return one_way or name in ("CategoryEncoding", "Discretization")


def attends(**settings):
    def make():
        query, value, key = Input((5, 4)), Input((6, 4)), Input((6, 3))
        return Model([query, value, key], layers.MultiHeadAttention(2, 3, **settings)(query, value, key=key))

    return make


def attends_to_itself():
    x = Input((5, 4))
    y = layers.MultiHeadAttention(2, 3, value_dim=2, output_shape=5, use_bias=False)(
        x, x, use_causal_mask=True
    )
    return Model(x, y)


def from_states(layer, count):
    def make():
        x, states = Input((5, 4)), [Input((3,)) for _ in range(count)]
        return Model([x, *states], layer()(x, initial_state=states))

    return make


OTHERS = {
    "CenterCrop": lambda: one_layer("CenterCrop", {"height": 3, "width": 2}, (4, 5, 3)),
    "RandomTranslation": lambda: one_layer(
        "RandomTranslation", {"height_factor": 0.2, "width_factor": 0.1}, (4, 5, 3)
    ),
    "MultiHeadAttention": attends(),
    "MultiHeadAttention_axes": attends(attention_axes=(1,), dropout=0.2),
    "MultiHeadAttention_itself": attends_to_itself,
    "LSTM_states": from_states(lambda: layers.LSTM(3), 2),
    "Bidirectional_states": from_states(lambda: layers.Bidirectional(layers.GRU(3)), 2),
}


def stored(network, path, **settings):
    network.compile("sgd", "mse")
    network.save(path, **settings)
    with h5py.File(path) as file:
        return json.loads(file.attrs["model_config"])["config"]["layers"]


def test_every_layer_is_written_with_settings_that_tf_keras_takes(tmp_path):
    opens, written, refused = json.loads(OPENS.read_text()), set(), set()
    for name, settings, shape in EVERY_LAYER:
        try:
            found = stored(one_layer(name, settings, shape), tmp_path / "x.h5", include_optimizer="tf_keras")
        except UnsupportedError:
            refused.add(name)
            continue
        for layer in found:
            kind = layer["class_name"]
            assert unlike_tf_keras(kind, settings) or set(layer["config"]) <= set(opens[kind]), layer
            written.add(kind)
    # What it lacks is refused, and of the rest something is written, here or below.
    assert refused - written - {"CenterCrop"} == NOT_THERE & {name for name, _, _ in EVERY_LAYER}
    assert not NOT_THERE & set(opens)


@pytest.mark.parametrize("name", OTHERS)
def test_further_settings_and_calls_on_several_tensors(name, tmp_path):
    network = OTHERS[name]()
    rng = np.random.default_rng(0)
    network.set_weights([rng.normal(size=w.shape) for w in network.get_weights()])
    found = stored(network, tmp_path / "x.h5", include_optimizer="tf_keras")
    opens = json.loads(OPENS.read_text())
    assert all(set(layer["config"]) <= set(opens[layer["class_name"]]) for layer in found)
    again = foldnet.load_model(tmp_path / "x.h5")
    rows = [rng.normal(size=(3, *t.shape[1:])).astype(np.float32) for t in network.inputs]
    rows = rows if len(rows) > 1 else rows[0]
    np.testing.assert_array_equal(again.predict(rows), network.predict(rows))


def test_an_attention_is_written_as_tf_keras_writes_it(tmp_path):
    path = OPENS.parent / "layer_states" / "words.h5"
    with h5py.File(path) as file:
        theirs = json.loads(file.attrs["model_config"])["config"]["layers"]
    network = foldnet.load_model(path)
    network.save(tmp_path / "x.h5", include_optimizer="tf_keras")
    with h5py.File(tmp_path / "x.h5") as file:
        ours = json.loads(file.attrs["model_config"])["config"]["layers"]
    (a,), (b,) = ([x for x in found if x["class_name"] == "MultiHeadAttention"] for found in (ours, theirs))
    assert a["inbound_nodes"] == b["inbound_nodes"]
    shapes = ("query_shape", "key_shape", "value_shape")
    assert [a["config"][key] for key in shapes] == [b["config"][key] for key in shapes]


@pytest.mark.parametrize(("layer", "shape", "words"), [
    (lambda: layers.Resizing(3, 4, pad_to_aspect_ratio=True), (6, 5, 3), "Resizing has no pad_to_aspect_ratio.*True"),
    (lambda: layers.ZeroPadding1D(1, data_format="channels_first"), (6, 5), "ZeroPadding1D has no data_format"),
    (lambda: layers.RMSNormalization(), (4,), "opens no RMSNormalization"),
    (lambda: layers.TimeDistributed(layers.RMSNormalization(name="inside")), (2, 4), "'inside'.*RMSNormalization"),
])  # fmt: skip
def test_what_tf_keras_lacks_is_refused_for_it_alone(layer, shape, words, tmp_path):
    x = Input(shape)
    network = Model(x, layer()(x))
    network.compile("adam", "mse")
    with pytest.raises(UnsupportedError, match=rf"{words}.*as \.keras"):
        network.save(tmp_path / "x.h5", include_optimizer="tf_keras")
    assert not list(tmp_path.iterdir())
    network.save(tmp_path / "x.h5", include_optimizer=False)
    rows = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    live = keras.models.load_model(tmp_path / "x.h5", compile=False)
    np.testing.assert_allclose(live.predict(rows, verbose=0), network.predict(rows), rtol=1e-5, atol=1e-6)
