"""Layers of a file that are of one's own: functions of their settings give foldnet's layers and networks for them."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

import foldnet
from foldnet import layers
from foldnet.errors import ConfigError, FileFormatError, UnsupportedError
from tests.files.keras_models import L, assert_same, keras, outputs, randomize, rows
from tests.support.recorded import assert_recorded

FOLDER = Path(__file__).parent.parent / "fixtures" / "own_layers"
ENDINGS = (".keras", ".h5")


class Excite(L.Layer):
    """A squeeze-and-excite: each channel times a number that all channels decide."""

    def __init__(self, ratio=2, **kwargs):
        super().__init__(**kwargs)
        self.ratio = ratio

    def build(self, shape):
        self.wide = L.Dense(shape[-1], activation="sigmoid")
        self.narrow = L.Dense(shape[-1] // self.ratio, activation="relu")
        self.narrow.build((None, shape[-1]))
        self.wide.build((None, shape[-1] // self.ratio))

    def call(self, x):
        means = keras.ops.mean(x, axis=(1, 2), keepdims=True)
        return x * self.wide(self.narrow(means))

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return {**super().get_config(), "ratio": self.ratio}


def excite(config, channels=4):
    x = layers.Input((None, None, channels))
    means = layers.GlobalAveragePooling2D(keepdims=True)(x)
    narrow = layers.Dense(channels // config["ratio"], activation="relu", name="narrow")(means)
    return foldnet.Model(
        x, layers.Multiply()([x, layers.Dense(channels, activation="sigmoid", name="wide")(narrow)])
    )


class Block(L.Layer):
    """A block of a TCN: two dilated convolutions of equal shape, and a path around them."""

    def __init__(self, filters, dilation=1, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.dilation = filters, dilation
        how = {"padding": "causal", "dilation_rate": dilation, "activation": "relu"}
        self.before, self.norm = L.Conv1D(filters, 3, **how), L.BatchNormalization()
        self.after, self.around = L.Conv1D(filters, 3, **how), L.Conv1D(filters, 1)

    def build(self, shape):
        inner = (*shape[:-1], self.filters)
        for layer, own in (
            (self.before, shape),
            (self.norm, inner),
            (self.after, inner),
            (self.around, shape),
        ):
            layer.build(own)

    def call(self, x):
        return self.after(self.norm(self.before(x))) + self.around(x)

    def compute_output_shape(self, shape):
        return (*shape[:-1], self.filters)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "dilation": self.dilation}


def block(config, size=3, names=("before", "norm", "after", "around")):
    filters, channels = config["filters"], 4
    how = {"padding": "causal", "dilation_rate": config["dilation"], "activation": "relu"}
    before, norm, after, around = names
    x = layers.Input((None, channels))
    y = layers.BatchNormalization(name=norm)(layers.Conv1D(filters, 3, name=before, **how)(x))
    y = layers.Conv1D(filters, size, name=after, **how)(y)
    return foldnet.Model(x, layers.Add()([y, layers.Conv1D(filters, 1, name=around)(x)]))


class Squeeze(L.Layer):
    def __init__(self, axis, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, x):
        return keras.ops.squeeze(x, self.axis)

    def compute_output_shape(self, shape):
        return (*shape[: self.axis], *shape[self.axis + 1 :])

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}


def squeeze(config):
    assert config["axis"] == 1
    return layers.Reshape((-1, 4))


OWN = {"Excite": excite, "Block": block, "Squeeze": squeeze}


def images():
    model = keras.Sequential([
        L.Input((6, 5, 3)), L.Conv2D(4, 3, name="conv"), Excite(2, name="excite"),
        L.Conv2D(4, (4, 1), name="rows"), Squeeze(1, name="squeeze"), L.Dense(2, name="out"),
    ])  # fmt: skip
    return randomize(model), rows(3, 6, 5, 3)


def sequences():
    steps, first = L.Input((9, 4), name="steps"), Block(4, name="first")
    inner = L.Input((9, 4))
    nested = keras.Model(inner, Block(4, 2, name="deep")(inner), name="nested")
    x = nested(first(steps))
    return randomize(keras.Model(steps, L.Dense(2, name="out")(first(x)))), rows(3, 9, 4)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("make", [images, sequences])
def test_predictions_are_kerass(tmp_path, make, ending):
    model, x = make()
    model.save(tmp_path / f"m{ending}")
    network = foldnet.load_model(tmp_path / f"m{ending}", custom_objects=OWN)
    assert_same(network, model, x)
    assert [layer.name for layer in network.layers] == [layer.name for layer in model.layers]
    expected = model.predict(x, verbose=0)
    np.testing.assert_allclose(
        foldnet.freeze(network)(x), expected, rtol=0, atol=2e-5 * np.abs(expected).max()
    )


@pytest.mark.parametrize("make", [images, sequences])
def test_live_models(make):
    model, x = make()
    assert_same(foldnet.from_keras(model, custom_objects=OWN), model, x)


@pytest.mark.parametrize("ending", [".weights.h5", ".h5"])
@pytest.mark.parametrize("make", [images, sequences])
def test_architecture_and_weights(tmp_path, make, ending):
    model, x = make()
    (tmp_path / "m.json").write_text(model.to_json())
    (model.save_weights if ending == ".weights.h5" else model.save)(tmp_path / f"m{ending}")
    files = {"architecture": tmp_path / "m.json", "weights": tmp_path / f"m{ending}"}
    assert_same(foldnet.load_model(**files, custom_objects=OWN), model, x)


def test_what_was_read_can_be_saved_and_opened_by_keras(tmp_path):
    model, x = sequences()
    model.save(tmp_path / "m.keras")
    foldnet.load_model(tmp_path / "m.keras", custom_objects=OWN).save(tmp_path / "ours.keras")
    opened = keras.saving.load_model(tmp_path / "ours.keras")
    np.testing.assert_allclose(opened(x), model(x), atol=2e-5 * np.abs(model(x)).max())


class Mixed(L.Layer):
    """Several inputs in a list, and several results."""

    def call(self, xs):
        return [xs[0] * xs[1], xs[0] + xs[1]]

    def compute_output_shape(self, shapes):
        return [shapes[0], shapes[0]]


class Apart(L.Layer):
    """Two arguments."""

    def build(self, left_shape, right_shape):
        pass

    def call(self, left, right):
        return left - 2 * right

    def compute_output_shape(self, left_shape, right_shape):
        return left_shape


def joining(make):
    a, b = layers.Input((4,)), layers.Input((4,))
    return lambda config: foldnet.Model([a, b], make(a, b))


@pytest.mark.parametrize("ending", ENDINGS)
def test_several_inputs_and_results(tmp_path, ending):
    a, b = L.Input((4,), name="a"), L.Input((4,), name="b")
    product, total = Mixed(name="mixed")([a, b])
    model = randomize(keras.Model([a, b], L.Dense(2)(L.Concatenate()([product, total, Apart()(b, a)]))))
    model.save(tmp_path / f"m{ending}")
    given = {
        "Mixed": joining(lambda a, b: [layers.Multiply()([a, b]), layers.Add()([a, b])]),
        "Apart": joining(lambda a, b: layers.Subtract()([a, layers.Add()([b, b])])),
    }
    network = foldnet.load_model(tmp_path / f"m{ending}", custom_objects=given)
    assert_same(network, model, rows(3, 4), rows(3, 4, seed=2))


@pytest.mark.parametrize("scope", [True, False])
def test_by_name_of_the_layer_and_from_a_scope(tmp_path, scope):
    model, x = sequences()
    model.save(tmp_path / "m.keras")
    if scope:
        with foldnet.saving.custom_object_scope({"Block": block}):
            network = foldnet.load_model(tmp_path / "m.keras")
    else:
        network = foldnet.load_model(tmp_path / "m.keras", custom_objects={"first": block, "deep": block})
    assert_same(network, model, x)


# -- files of Keras 2 -----------------------------------------------------------------------------------------------


def mixing(config):
    return layers.Dense(config["units"])


def test_a_first_layer_without_an_input_layer():
    stem = "keras-2.2.4-tensor-own_first"
    path = FOLDER / f"{stem}.h5"
    with pytest.raises(UnsupportedError, match=r"'mixing' is a Mixing.*not one of Keras's.*custom_objects"):
        foldnet.load_model(path)
    assert_recorded(foldnet.load_model(path, custom_objects={"Mixing": mixing}), FOLDER / stem)
    doubled = foldnet.load_model(path, custom_objects={"Mixing": lambda c: foldnet.Sequential([mixing(c)])})
    assert_recorded(doubled, FOLDER / stem)


def test_a_class_of_foldnets_in_a_file_without_modules():
    """Files of Keras 2 do not say where a class comes from, so the caller's classes are known by name alone."""
    stem = "keras-2.2.4-tensor-own_first"

    class Mixing(layers.Dense):
        pass

    network = foldnet.load_model(FOLDER / f"{stem}.h5", custom_objects={"Mixing": Mixing})
    assert type(network.layers[0]) is Mixing
    assert_recorded(network, FOLDER / stem)


def test_blocks_of_which_one_is_frozen():
    """The file lists the weights of a frozen layer in another order than those of a layer that trains."""
    stem = "tf_keras-2.21-own_blocks"
    with h5py.File(FOLDER / f"{stem}.h5") as file:
        names = [list(file[f"model_weights/{n}"].attrs["weight_names"]) for n in ("first", "second")]
    assert ["moving" in str(n) for n in names[0]] != ["moving" in str(n) for n in names[1]]
    network = foldnet.load_model(FOLDER / f"{stem}.h5", custom_objects={"Block": lambda c: block(c, size=2)})
    assert_recorded(network, FOLDER / stem)
    assert [layer.trainable for layer in network.layers[1:3]] == [True, False]


# -- what does not fit ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (
            lambda config: config["absent"],
            ConfigError,
            r"'first'.*given for Block failed with KeyError.*activations=",
        ),
        (lambda config: np.square(3.0), ConfigError, r"'first'.*returned float64.*a foldnet layer"),
        (lambda: None, ConfigError, r"'first'.*failed with TypeError"),
        (lambda config: layers.Dense(0), ConfigError, r"'first'.*failed.*units"),
        (lambda config: layers.InputLayer((3,)), ConfigError, "returned InputLayer"),
        (
            lambda config: layers.Dense(4),
            FileFormatError,
            r"'first': its weights do not fit: .*\(3, 4, 4\).*\(4, 4\)",
        ),
        (lambda config: block(config, size=2), FileFormatError, r"'first': its weights do not fit"),
    ],
)
@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_given_is_checked(tmp_path, make, error, match, ending):
    model, _ = sequences()
    model.save(tmp_path / f"m{ending}")
    if error is FileFormatError and ending == ".h5":
        match = "'first'|/first"
    with pytest.raises(error, match=match):
        foldnet.load_model(tmp_path / f"m{ending}", custom_objects={"Block": make})


def test_the_same_layer_for_two(tmp_path):
    model, _ = sequences()
    model.save(tmp_path / "m.keras")
    one = block({"filters": 4, "dilation": 1})
    with pytest.raises(ConfigError, match=r"returned the same layer twice"):
        foldnet.load_model(tmp_path / "m.keras", custom_objects={"Block": lambda config: one})


def test_parts_that_only_their_names_tell_apart(tmp_path):
    """A ``.keras`` file lists the parts of a layer by name: their order says nothing."""
    model, _ = sequences()
    model.save(tmp_path / "m.keras")
    other = ("conv_1", "norm_1", "conv_2", "conv_3")
    with pytest.raises(
        FileFormatError, match=r"same shapes.*Name the layers.*after the groups: .*after.*before"
    ):
        foldnet.load_model(
            tmp_path / "m.keras", custom_objects={"Block": lambda config: block(config, names=other)}
        )
    # Their shapes tell the parts of the other layer apart.
    pictures, y = images()
    pictures.save(tmp_path / "p.keras")

    def renamed(config):
        given = excite(config)
        for layer in given.layers:
            layer.name = f"other_{layer.name}"
        return given

    network = foldnet.load_model(tmp_path / "p.keras", custom_objects={**OWN, "Excite": renamed})
    assert_same(network, pictures, y)


def test_the_settings_belong_to_the_function():
    """What it does with them changes nothing of what else is read from them, such as the shape of the input."""
    seen = []

    def careless(config):
        seen.append(dict(config))
        given = mixing(config)
        config.clear()
        return given

    stem = "keras-2.2.4-tensor-own_first"
    assert_recorded(
        foldnet.load_model(FOLDER / f"{stem}.h5", custom_objects={"Mixing": careless}), FOLDER / stem
    )
    assert [(c["name"], c["units"], c["batch_input_shape"]) for c in seen] == [("mixing", 4, [None, 7, 3])]


def test_a_nested_network_keeps_sizes_that_its_call_knows():
    """Its own input is free; what follows it may need the size."""
    inner = excite({"ratio": 2})
    x = layers.Input((6, 5, 4))
    network = foldnet.Model(x, layers.Dense(2)(layers.Flatten()(inner(x))))
    assert inner.calls[-1].outputs[0].shape == (None, 6, 5, 4)
    assert inner.output_shape == (None, None, None, 4)
    assert outputs(network, rows(2, 6, 5, 4))[0].shape == (2, 2)


def test_operations_in_a_nested_network_know_its_sizes_too():
    """Their results depend on the constants of the call, and not only on its tensors."""
    x, y = layers.Input((None, 4)), layers.Input((None, 4))
    z = foldnet.ops.concatenate([foldnet.ops.relu(2 * x + 1 - y), x], axis=-1)[:, 1:]
    inner = foldnet.Model([x, y], [foldnet.ops.transpose(z, (0, 2, 1)), foldnet.ops.mean(x, axis=1)])
    steps = layers.Input((6, 4))
    turned, means = inner([steps, layers.Dense(4)(steps)])
    assert [t.shape for t in (turned, means)] == [(None, 8, 5), (None, 4)]
    assert inner.compute_output_shape([(None, 6, 4), (None, 6, 4)])[0] == (None, 8, 5)
    network = foldnet.Model(steps, layers.Dense(3)(layers.Flatten()(turned)))
    assert network.predict(rows(2, 6, 4)).shape == (2, 3)


# -- what is missing ------------------------------------------------------------------------------------------------


def stored(*records, kind="Sequential"):
    return json.dumps(
        {"class_name": kind, "config": {"name": "m", "layers": list(records)}, "keras_version": "2.4.0"}
    )


def record(kind, name, **config):
    return {"class_name": kind, "config": {"name": name, **config}}


def refused(*records, **known):
    with pytest.raises(UnsupportedError) as caught:
        foldnet.models.model_from_json(stored(*records), known)
    return str(caught.value)


FIRST = record("LocallyConnected1D", "first", batch_input_shape=[None, 5, 3], filters=2)


def test_all_missing_classes_are_listed_with_counts():
    wrapped = record("Unheard", "wrapped", layer=record("LocallyConnected1D", "inside"))
    nested = record("Sequential", "nested", layers=[record("Own", "deep"), record("Dense", "fine", units=2)])
    text = refused(FIRST, record("Lambda", "square"), record("Own", "own"), nested, wrapped)
    assert "LocallyConnected1D ×2 ('first', 'inside'), Lambda ×1 ('square'), Own ×2 ('own', 'deep')" in text
    assert "Unheard ×1 ('wrapped')" in text
    assert "Dense" not in text
    many = refused(*[record("Own", f"own{k}") for k in range(30)])
    assert "Own ×30 ('own0', 'own1', 'own2', ...)" in many


def test_missing_classes_in_a_saved_file(tmp_path):
    model, _ = sequences()
    for ending in ENDINGS:
        model.save(tmp_path / f"m{ending}")
        with pytest.raises(UnsupportedError, match=r"Block ×2 \('first', 'deep'\)"):
            foldnet.load_model(tmp_path / f"m{ending}")


def test_what_was_supplied_is_not_missing():
    text = refused(FIRST, record("Own", "own"), record("Other", "other"), Own=lambda config: layers.Dense(2))
    assert "Own" not in text
    assert "Other ×1" in text


def test_a_first_layer_of_keras_2_that_is_missing_is_named():
    """It was reported as a network that was saved before it had seen data."""
    text = refused(FIRST, record("Dense", "d", units=2))
    assert text.startswith("layer 'first' is a LocallyConnected1D, which foldnet cannot represent")
    assert "seen data" not in text


@pytest.mark.parametrize("kind", ["LocallyConnected1D", "ConvLSTM2D", "LocallyConnected2D", "Highway"])
def test_no_function_is_asked_for_in_place_of_a_layer_with_weights(kind):
    """Conv2D and LSTM, when they were missing, were said to be elementwise functions, perhaps."""
    text = refused(record(kind, "x"))
    assert f"layer 'x' is a {kind}" in text
    assert f"{kind} is a layer of Keras that foldnet does not have" in text
    assert "elementwise" not in text
    assert "activations=" not in text
    assert f"custom_objects={{'{kind}': make}}" in text


def test_advice_holds_for_what_it_is_about():
    text = refused(record("Lambda", "square"))
    assert "never runs" in text
    assert "activations={'square': fn}" in text
    text = refused(record("Own", "own"))
    assert "never runs" not in text
    assert "custom_objects={'Own': make}" in text
    assert "not one of Keras's layers" in text


def test_every_missing_class_of_keras_is_called_one():
    from foldnet.files.missing import KERAS_LAYERS

    aliases = {"Layer", "Wrapper", "Lambda"}
    theirs = {
        n for n, c in vars(L).items() if isinstance(c, type) and issubclass(c, L.Layer) and n == c.__name__
    }
    assert theirs - aliases <= KERAS_LAYERS | set(layers.LAYERS)
