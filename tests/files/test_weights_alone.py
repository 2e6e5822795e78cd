"""Files with weights alone, onto networks that foldnet built: by Keras's order, by name, and from Theano."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import foldnet
from foldnet import Input, Model, Sequential
from foldnet.errors import ConfigError, FileFormatError, UnsupportedError
from foldnet.layers import BatchNormalization, Conv1D, Conv2D, Conv2DTranspose, Dense, Flatten
from tests.files.keras_models import outputs
from tests.files.test_releases import FOLDER, assert_recorded
from tests.support.arrays import arrays_of

ROWS = [
    "keras-1.2.2-convolved_row.old-weights.h5", "keras-2.2.4-tensor-convolved_row.old-weights.h5",
    "tf-2.4-convolved_row.old-weights.h5", "tf_keras-2.21-convolved_row.old-weights.h5",
    "tf_keras-2.21-convolved_row.weights.h5",
]  # fmt: skip


def row(*names, outputs=3):
    """The architecture of the files as a user writes it, with other names or none."""
    one, two, three = names or (None,) * 3
    return Sequential([
        Input((9, 3)),
        Conv1D(4, 3, activation=foldnet.activations.hard_sigmoid_keras2, name=one),
        BatchNormalization(name=two),
        Flatten(),
        Dense(outputs, activation="softmax", name=three),
    ])  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_by_order(name):
    network = row()
    network.load_weights(FOLDER / name)
    assert_recorded(network, name.split(".old-")[0].removesuffix(".weights.h5"))


@pytest.mark.parametrize("name", ROWS[:4])
def test_by_name(name):
    network = row("block/conv", "own", "out")
    before = network.get_layer("own").get_weights()
    network.load_weights(FOLDER / name, by_name=True)
    for now, old in zip(network.get_layer("own").get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, old)
    other = row("block/conv", "block/norm", "out")
    other.load_weights(FOLDER / name)
    for layer in ("block/conv", "out"):
        for one, two in zip(
            network.get_layer(layer).get_weights(), other.get_layer(layer).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(one, two)
    assert_recorded(other, name.split(".old-")[0])


@pytest.mark.parametrize("how", [{"by_name": True}, {}])
def test_skipping_what_does_not_fit(how):
    network = row("block/conv", "block/norm", "out", outputs=2)
    with pytest.raises(FileFormatError, match="shape"):
        network.load_weights(FOLDER / ROWS[2], **how)
    with pytest.warns(UserWarning, match="layer 'out' keeps its weights"):
        network.load_weights(FOLDER / ROWS[2], skip_mismatch=True, **how)
    good = row()
    good.load_weights(FOLDER / ROWS[2])
    np.testing.assert_array_equal(network.layers[0].kernel, good.layers[0].kernel)
    np.testing.assert_array_equal(network.layers[1].moving_variance, good.layers[1].moving_variance)


def test_names_come_before_order(tmp_path):
    """Where the file has all names of the network, these decide, and not the order."""
    source = Sequential([Input((3,)), Dense(3, name="a"), Dense(3, name="b")])
    source.save_weights(tmp_path / "w.h5")
    turned = Sequential([Input((3,)), Dense(3, name="b"), Dense(3, name="a")])
    turned.load_weights(tmp_path / "w.h5")
    np.testing.assert_array_equal(turned.get_layer("a").kernel, source.get_layer("a").kernel)
    renamed = Sequential([Input((3,)), Dense(3, name="b"), Dense(3, name="c")])
    renamed.load_weights(tmp_path / "w.h5")
    np.testing.assert_array_equal(renamed.get_layer("b").kernel, source.get_layer("a").kernel)
    np.testing.assert_array_equal(renamed.get_layer("c").kernel, source.get_layer("b").kernel)


def test_another_number_of_layers_is_refused_with_names(tmp_path):
    Sequential([Input((3,)), Dense(3, name="a"), Dense(3, name="b")]).save_weights(tmp_path / "w.h5")
    three = Sequential([Input((3,)), *(Dense(3, name=n) for n in "abc")])
    with pytest.raises(FileFormatError, match=r"no weights for layer 'c'; it has \['a', 'b'"):
        three.load_weights(tmp_path / "w.h5")
    one = Sequential([Input((3,)), Dense(3, name="a")])
    with pytest.raises(FileFormatError, match="layer 'b', which the network does not have"):
        one.load_weights(tmp_path / "w.h5")


def test_a_nested_network_by_order(tmp_path):
    """The names of weights in it are not the network's own, either."""

    def nested(inner, outer):
        block = Sequential(
            [Input((3,)), Dense(3, name=inner[0]), BatchNormalization(name=inner[1])], name=outer
        )
        x = Input((3,))
        return Model(x, Dense(2, name=f"{outer}_end")(block(x)))

    source, target = nested(("d", "n"), "one"), nested(("e", "m"), "two")
    for layer in source.single_layers():
        layer.set_weights([np.random.default_rng(0).uniform(0.5, 2, w.shape) for w in layer.get_weights()])
    source.save_weights(tmp_path / "w.h5")
    target.load_weights(tmp_path / "w.h5")
    for now, old in zip(target.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(now, old)


def test_by_name_needs_names(tmp_path):
    network = row()
    network.save_weights(tmp_path / "w.weights.h5")
    (tmp_path / "w").write_bytes((tmp_path / "w.weights.h5").read_bytes())
    for name in ("w.weights.h5", "w"):
        with pytest.raises(ConfigError, match="by_name only supports legacy"):
            network.load_weights(tmp_path / name, by_name=True)


# -- kernels of Keras 1 and of Theano --------------------------------------------------------------------------------


def weights_of(tmp_path, name):
    """The weights of a whole file of Theano, alone."""
    path = tmp_path / "w.h5"
    with h5py.File(FOLDER / name) as whole, h5py.File(path, "w") as alone:
        for key in whole["model_weights"]:
            whole["model_weights"].copy(key, alone)
        for key, value in whole["model_weights"].attrs.items():
            alone.attrs[key] = value
    return path


def test_a_network_of_theano_is_not_what_keras_reads():
    """Kernels are turned and zeros put elsewhere: without that, the numbers are others."""
    stem = "keras-2.2.4-convolved"
    network = foldnet.load_model(FOLDER / f"{stem}.h5")
    assert_recorded(network, stem)
    assert [layer.name for layer in network.get_layer("strided").layers] == ["strided_zeros", "strided"]
    assert type(network.get_layer("odd")) is Conv2D
    kernel = network.get_layer("odd").kernel
    with h5py.File(FOLDER / f"{stem}.h5") as file:
        stored = file["model_weights/odd/odd/kernel"][()]
    np.testing.assert_array_equal(np.asarray(kernel)[::-1, ::-1], stored)
    network.get_layer("odd").kernel = stored
    with pytest.raises(AssertionError):
        assert_recorded(network, stem)


@pytest.mark.parametrize("name", ["keras-1.2.2-convolved.h5", "keras-2.2.4-convolved_first.h5"])
def test_networks_of_theano_save_as_they_are(tmp_path, name):
    network = foldnet.load_model(FOLDER / name)
    network.save(tmp_path / "now.keras", include_optimizer=False)
    assert_recorded(foldnet.load_model(tmp_path / "now.keras"), name.removesuffix(".h5"))


def test_padding_of_theano_onto_a_network_built_here(tmp_path):
    path = weights_of(tmp_path, "keras-2.2.4-convolved.h5")
    network = Sequential([Input((8, 7, 2)), Conv2D(2, 3, strides=2, padding="same", name="strided")])
    with pytest.raises(UnsupportedError, match=r"Theano.*padding='same'.*'strided'"):
        network.load_weights(path, by_name=True)
    network = Sequential([Input((8, 7, 2)), Conv2D(2, 3, strides=2, name="strided")])
    network.load_weights(path, by_name=True)
    whole = foldnet.load_model(FOLDER / "keras-2.2.4-convolved.h5").get_layer("strided").layers[1]
    np.testing.assert_array_equal(network.layers[0].kernel, whole.kernel)


def test_a_transposed_convolution_of_theano_is_refused(tmp_path):
    network = Sequential([Input((4, 4, 1)), Conv2DTranspose(2, 3, strides=2, padding="same", name="up")])
    network.save(tmp_path / "m.h5", include_optimizer=False)
    mark_as_theanos(tmp_path / "m.h5")
    with pytest.raises(UnsupportedError, match=r"'up' \(Conv2DTranspose\).*Theano"):
        foldnet.load_model(tmp_path / "m.h5")


def test_optimizers_of_theano_start_anew(tmp_path):
    """Their state belongs to the kernels as they were."""
    network = Sequential([Input((5, 5, 1)), Conv2D(1, 3, name="c"), Flatten()])
    network.compile("adam", "mse")
    network.fit(np.ones((4, 5, 5, 1)), np.ones((4, 9)), verbose=0)
    network.save(tmp_path / "m.h5", include_optimizer="tf_keras")
    assert foldnet.load_model(tmp_path / "m.h5").saved_training.state is not None
    mark_as_theanos(tmp_path / "m.h5")
    saved = foldnet.load_model(tmp_path / "m.h5").saved_training
    assert saved.state is None
    assert "Theano" in saved.problem


def mark_as_theanos(path):
    with h5py.File(path, "r+") as file:
        for place in (file, file["model_weights"]):
            place.attrs["backend"], place.attrs["keras_version"] = b"theano", b"2.2.4"


def test_the_oldest_kernels_of_one_dimension(tmp_path):
    """Up to Keras 1.1 they were (filters, channels, length, 1)."""
    name = ROWS[0]
    path = tmp_path / "w.h5"
    path.write_bytes((FOLDER / name).read_bytes())
    with h5py.File(path, "r+") as file:
        group = file["block/conv"]
        (kernel,) = [n for n in group.attrs["weight_names"] if b"_W" in np.bytes_(n)]
        kernel = kernel.decode() if isinstance(kernel, bytes) else kernel
        old = group[kernel][()].transpose(3, 2, 0, 1)
        del group[kernel]
        group[kernel] = old
    architecture = FOLDER / "keras-1.2.2-convolved_row.json"
    assert_recorded(foldnet.load_model(architecture=architecture, weights=path), "keras-1.2.2-convolved_row")
    with h5py.File(path, "r+") as file:
        del file["block/conv"][kernel]
        file["block/conv"][kernel] = old[:, :, :, :, None]
    with pytest.raises(FileFormatError, match=r"has shape .*configuration asks for \(3, 1, 3, 4\)"):
        foldnet.load_model(architecture=architecture, weights=path)


def test_both_backends_of_keras_1_are_told_apart():
    """The file does not name it, but TensorFlow's weights have other names; the inputs of both files are equal."""
    one, two = (foldnet.load_model(FOLDER / f"keras-1.2.2{b}-convolved.h5") for b in ("", "-tf"))
    assert isinstance(one.get_layer("strided"), Sequential)
    assert isinstance(two.get_layer("strided"), Conv2D)
    recorded = arrays_of(FOLDER / "keras-1.2.2-convolved.npz")
    x = [recorded[k] for k in ("x0", "x1", "x2")]
    assert not np.allclose(outputs(one, *x)[0], outputs(two, *x)[0])
