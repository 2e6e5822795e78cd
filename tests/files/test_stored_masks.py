"""Masks in files: those that Keras makes out of operations, and those that a call was handed."""

import json
import zipfile

import keras
import numpy as np
import pytest

import foldnet
from foldnet import Model, layers
from foldnet.errors import FileFormatError, UnsupportedError
from tests.support.keras_pairs import random_weights

pytestmark = pytest.mark.filterwarnings("ignore:Layer .* does not support masking")

RNG = np.random.default_rng(2)
WORDS = (RNG.integers(0, 6, (9, 4)) * (RNG.random((9, 4)) > 0.3)).astype(np.int32)
NUMBERS = RNG.normal(2, 3, (9, 4, 3)).astype(np.float32)
TARGETS = RNG.normal(size=(9, 2)).astype(np.float32)


def embedding(k, x):
    return k.Embedding(6, 3, mask_zero=True)(x)


def nested(k, model, x):
    inside = k.Input((4, 3))
    return model(inside, k.BatchNormalization(momentum=0.5)(k.ReLU()(inside)))(x)


MADE = {
    "one": lambda k, m, x: embedding(k, x),
    "two added": lambda k, m, x: k.Add()([embedding(k, x), k.Dropout(0.0)(embedding(k, x))]),
    "two joined": lambda k, m, x: k.Concatenate(axis=1)([embedding(k, x), embedding(k, x)]),
    "one joined to none": lambda k, m, x: k.Concatenate()([embedding(k, x), k.Embedding(6, 2)(x)]),
    "into a network": lambda k, m, x: nested(k, m, embedding(k, x)),
    "of a Masking": lambda k, m, x: k.Masking(0.5)(
        k.Maximum()([k.Rescaling(0.0, 0.5)(k.Embedding(6, 3)(x)), k.Embedding(6, 3)(x)])
    ),
    "of two Maskings": lambda k, m, x: k.Multiply()(
        [k.Masking(0.0)(k.ReLU()(k.Embedding(6, 3)(x))), embedding(k, x)]
    ),
}


def network(kit, model, made):
    x = kit.Input((4,), dtype="int32")
    y = kit.BatchNormalization(momentum=0.5)(made(kit, model, x))
    return model(x, kit.Dense(2)(kit.Flatten()(kit.ReLU()(y))))


def handed_over(kit, model):
    x, mask = kit.Input((4, 3)), kit.Input((4,), dtype="bool")
    y = kit.BatchNormalization(momentum=0.5)(x, mask=mask)
    return model([x, mask], kit.Dense(2)(kit.Flatten()(kit.ReLU()(y))))


def step(model, data):
    """Where one step of training leaves the weights."""
    lib = keras if isinstance(model, keras.Model) else foldnet
    model.compile(lib.optimizers.SGD(0.05), "mse")
    model.fit(data, TARGETS, batch_size=9, verbose=0)
    return [np.asarray(w) for w in model.get_weights()]


def same(ours, theirs, data):
    np.testing.assert_allclose(ours.predict(data), theirs.predict(data, verbose=0), rtol=1e-4, atol=1e-5)
    for a, b in zip(step(ours, data), step(theirs, data), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


READ = [
    *((name, ".keras") for name in MADE),
    ("two joined", ".h5"),
    ("into a network", ".h5"),
    ("two added", None),
]


@pytest.mark.parametrize(("name", "suffix"), READ)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_keras_s_own_masks_are_read(name, suffix, tmp_path):
    theirs = network(keras.layers, keras.Model, MADE[name])
    random_weights(theirs, RNG)
    if suffix is None:
        ours = foldnet.from_keras(theirs)
    else:
        theirs.save(tmp_path / f"net{suffix}")
        ours = foldnet.load_model(tmp_path / f"net{suffix}")
    assert [x.name for x in ours.layers] == [x.name for x in theirs.layers]
    same(ours, theirs, WORDS)


@pytest.mark.parametrize("name", ["one", "two joined"])
def test_what_foldnet_writes_has_its_masks_in_keras(name, tmp_path):
    ours = network(layers, Model, MADE[name])
    random_weights(ours, RNG)
    ours.save(tmp_path / "net.keras")
    same(ours, keras.saving.load_model(tmp_path / "net.keras"), WORDS)


def test_a_mask_handed_over_goes_both_ways(tmp_path):
    data = [NUMBERS, WORDS != 0]
    theirs = handed_over(keras.layers, keras.Model)
    random_weights(theirs, RNG)
    theirs.save(tmp_path / "theirs.keras")
    ours = foldnet.load_model(tmp_path / "theirs.keras")
    ours.save(tmp_path / "ours.keras")
    back = keras.saving.load_model(tmp_path / "ours.keras")
    again = foldnet.load_model(tmp_path / "ours.keras")
    same(ours, theirs, data)
    for a, b in zip(step(again, data), step(back, data), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    with pytest.raises(UnsupportedError, match="mask"):
        again.save(tmp_path / "ours.h5")


def edited(tmp_path, edit):
    """A file of Keras's whose mask record was changed."""
    network(keras.layers, keras.Model, MADE["one"]).save(tmp_path / "net.keras")
    with zipfile.ZipFile(tmp_path / "net.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    records = config["config"]["layers"]
    edit(next(r for r in records if r["class_name"] == "NotEqual"), records)
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return tmp_path / "other.keras"


def another_number(record, records):
    record["inbound_nodes"][0]["args"][1] = 3


def of_another_tensor(record, records):
    record["inbound_nodes"][0]["args"][0]["config"]["keras_history"][0] = "embedding"


def as_data(record, records):
    flatten = next(r for r in records if r["class_name"] == "Flatten")
    flatten["inbound_nodes"][0]["args"][0]["config"]["keras_history"][0] = record["name"]


def of_itself(record, records):
    record["inbound_nodes"][0]["args"][0]["config"]["keras_history"][0] = record["name"]


def nonsense(record, records):
    record["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = [7, "x"]


@pytest.mark.parametrize("edit", [another_number, of_another_tensor, as_data, of_itself, nonsense])
def test_another_mask_is_refused(edit, tmp_path):
    keras.utils.clear_session(free_memory=False)
    with pytest.raises((UnsupportedError, FileFormatError), match=r"mask|not_equal"):
        foldnet.load_model(edited(tmp_path, edit))
