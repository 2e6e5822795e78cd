"""Files that other releases of Keras wrote, from 1.2.2 to 3.12: predictions equal those recorded then.

``scripts/make_format_fixtures.py`` made them, each with the release in its name.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

import foldnet
from foldnet.errors import FileFormatError
from tests.support import recorded

FOLDER = Path(__file__).parent.parent / "fixtures" / "formats"
MODELS = sorted(p.name for p in FOLDER.iterdir() if p.suffix in (".h5", ".keras") and "weights" not in p.name)
WEIGHTS = sorted(
    p.name
    for p in FOLDER.iterdir()
    if "weights.h5" in p.name
    and not (FOLDER / f"{p.name.split('.old-')[0].split('.weights')[0]}.json").exists()
)


def assert_recorded(network, stem):
    recorded.assert_recorded(network, FOLDER / stem)


def stem_of(name):
    return (
        name.removesuffix(".keras").removesuffix(".h5").removesuffix(".weights").removesuffix(".old-weights")
    )


@pytest.mark.parametrize("name", MODELS)
def test_model(name):
    network = foldnet.load_model(FOLDER / name)
    assert_recorded(network, stem_of(name))
    assert network.keras_version in name or network.keras_version.startswith(name.split("-")[1])
    assert network.compile_config["loss"] == "mse"


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_onto_a_network(name):
    stem = stem_of(name)
    network = foldnet.load_model(next(FOLDER / model for model in MODELS if stem_of(model) == stem))
    for layer in network.layers:
        layer.set_weights([np.full_like(w, 0.5) for w in layer.get_weights()])
    with pytest.raises(AssertionError):
        assert_recorded(network, stem)
    network.load_weights(FOLDER / name)
    assert_recorded(network, stem)


def test_every_generation_is_here():
    generations = {name.rsplit("-", 1)[0] for name in MODELS}
    assert generations >= {
        "keras-1.2.2",
        "keras-2.0.3",
        "keras-2.3.1",
        "tf-2.12",
        "tf_keras-2.21",
        "keras-3.0.5",
    }


def test_an_archive_name_may_hide_hdf5():
    """tf.keras 2.12 writes HDF5 whatever the name's ending; the bytes decide."""
    assert (FOLDER / "tf-2.12-axes.keras").read_bytes().startswith(b"\x89HDF")


def test_one_axis_stored_as_a_list_becomes_a_number_and_a_longer_list_stays():
    network = foldnet.load_model(FOLDER / "tf_keras-2.21-axes.keras")
    assert [network.get_layer(n).axis for n in ("each", "rows", "last")] == [[1, 2], 1, 1]
    assert network.get_layer("each").moving_mean.shape == (1, 3, 2)


def test_order_in_a_partly_frozen_network_is_permuted():
    """The file lists what can be trained first; read in order, kernels of equal shape would change places."""
    with h5py.File(FOLDER / "keras-2.3.1-joined.h5") as file:
        inner = file["model_weights/inner"]
        names = [n.decode() if isinstance(n, bytes) else n for n in inner.attrs["weight_names"]]
        assert names.index("open/kernel") < names.index("frozen/kernel") < names.index("bn/moving_mean")
        frozen = inner["frozen/kernel"][()]
    network = foldnet.load_model(FOLDER / "keras-2.3.1-joined.h5")
    layer = network.get_layer("inner").get_layer("frozen")
    np.testing.assert_array_equal(layer.kernel, frozen)
    assert not layer.trainable


def test_names_that_scopes_changed_are_told_by_order(tmp_path):
    """A model rebuilt in one session got scopes such as ``frozen_1/kernel``; order then decides, and must agree."""
    path = tmp_path / "m.h5"
    path.write_bytes((FOLDER / "tf_keras-2.21-joined.h5").read_bytes())

    def rename(change):
        with h5py.File(path, "r+") as file:
            inner = file["model_weights/inner"]
            names = [n.decode() if isinstance(n, bytes) else n for n in inner.attrs["weight_names"]]
            new = change(names)
            for old, name in zip(names, new, strict=True):
                inner.move(old, f"tmp/{name}")
            for name in new:
                inner.move(f"tmp/{name}", name)
            inner.attrs["weight_names"] = [n.encode() for n in new]

    rename(lambda names: [f"{n.split('/')[0]}_7/{n.split('/')[1]}" for n in names])
    assert_recorded(foldnet.load_model(path), "tf_keras-2.21-joined")
    rename(lambda names: [names[1], names[0], *names[2:]])
    with pytest.raises(FileFormatError, match="names its weights"):
        foldnet.load_model(path)


@pytest.mark.parametrize("attribute", ["layer_names", "weight_names"])
def test_long_lists_of_names_are_split(tmp_path, attribute):
    path = tmp_path / "m.h5"
    path.write_bytes((FOLDER / "tf_keras-2.21-table.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        group = file["model_weights"] if attribute == "layer_names" else file["model_weights/mybn"]
        names = list(group.attrs[attribute])
        del group.attrs[attribute]
        group.attrs[f"{attribute}0"], group.attrs[f"{attribute}1"] = names[:2], names[2:]
    assert_recorded(foldnet.load_model(path), "tf_keras-2.21-table")


def test_hard_sigmoid_means_what_it_meant():
    """0.2 x + 0.5 up to Keras 2, x / 6 + 0.5 since: the recorded outputs tell them apart."""
    network = foldnet.load_model(FOLDER / "tf_keras-2.21-table.h5")
    network.get_layer("first").activation = foldnet.activations.hard_sigmoid
    with pytest.raises(AssertionError):
        assert_recorded(network, "tf_keras-2.21-table")
