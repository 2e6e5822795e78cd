"""Axes of free length that get a known one, or a multiple: as live Keras 3 does it at each length."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import foldnet
from foldnet import Input, Model, Sequential, layers
from foldnet.errors import InputError, UnsupportedError
from foldnet.export import to_numpy
from foldnet.insight.explain import explain
from foldnet.layers import LAYERS
from foldnet.lowering.lower import lower
from foldnet.operations.resampling.op import Mix
from foldnet.operations.resampling.weights import as_matrix
from tests.export.export_stranger import predictions
from tests.support.keras_pairs import Case, keras_answers, keras_layer
from tests.support.same_as_keras import assert_close, pair, results

LENGTHS = {
    1: [(3,), (5,), (11,), (1,)],
    2: [(3, 4), (5, 7), (11, 6), (1, 9), (1, 1), (9, 30)],
    3: [(2, 5, 1), (4, 3, 7)],
}
SIZE = {"height": 5, "width": 7}

FORMS: dict[str, tuple[str, dict, int]] = {
    **{f"resizing {k}": ("Resizing", SIZE | {"interpolation": k}, 2) for k in ("nearest", "bilinear", "bicubic")},
    **{
        f"antialias {k}": ("Resizing", SIZE | {"interpolation": k, "antialias": True}, 2)
        for k in ("bilinear", "lanczos3", "lanczos5")
    },
    "crop": ("Resizing", SIZE | {"crop_to_aspect_ratio": True}, 2),
    "crop nearest": ("Resizing", SIZE | {"crop_to_aspect_ratio": True, "interpolation": "nearest"}, 2),
    "pad": ("Resizing", SIZE | {"pad_to_aspect_ratio": True, "fill_value": -2.5, "interpolation": "bicubic"}, 2),
    "pad with zeros": ("Resizing", {"height": 9, "width": 4, "pad_to_aspect_ratio": True}, 2),
    "center": ("CenterCrop", SIZE, 2),
    "center of few": ("CenterCrop", {"height": 2, "width": 1}, 2),
    "center of many": ("CenterCrop", {"height": 8, "width": 6}, 2),
    "upsampling": ("UpSampling2D", {"size": (3, 2), "interpolation": "bilinear"}, 2),
    "upsampling by 1": ("UpSampling2D", {"size": (1, 3), "interpolation": "lanczos5"}, 2),
    **{
        f"{kind} {dims}": (f"Adaptive{kind}Pooling{dims}D", {"output_size": size}, dims)
        for kind in ("Max", "Average")
        for dims, size in enumerate((4, (3, 4), (2, 1, 3)), start=1)
    },
}  # fmt: skip

GRID = [(name, data_format) for name in FORMS for data_format in ("channels_last", "channels_first")]


def shaped(lengths, data_format, channels=3):
    return (*lengths, channels) if data_format == "channels_last" else (channels, *lengths)


def cases(name, data_format):
    class_name, config, dims = FORMS[name]
    full = config | {"data_format": data_format}
    return [Case(class_name, full, (shaped(lengths, data_format),)) for lengths in LENGTHS[dims]]


@functools.cache
def answers():
    return keras_answers([case for form in GRID for case in cases(*form)])


def free_network(class_name, config, dims, data_format="channels_last", dtype="float32", channels=3):
    x = Input(shaped((None,) * dims, data_format, channels), dtype=dtype)
    return Model(x, LAYERS[class_name](**config, data_format=data_format)(x))


def assert_near(ours, exact, what):
    assert ours.shape == exact.shape, what
    assert np.abs(ours - exact).max() <= 2e-5 * np.abs(exact).max(), what


@pytest.mark.parametrize(("name", "data_format"), GRID)
def test_every_length_is_kerass_by_one_code(name, data_format, made):
    class_name, config, dims = FORMS[name]
    network = free_network(class_name, config, dims, data_format)
    native, reference = (foldnet.freeze(network, engine=engine) for engine in ("native", "reference"))
    for case in cases(name, data_format):
        answer = answers()[str(case)]
        (x,) = answer.rows
        for predict in (native, reference):
            assert_near(predict(x), answer.truth, case)
            assert_near(predict(x), answer.keras, case)
        fixed = Model(y := Input(case.shapes[0]), LAYERS[class_name](**case.config)(y))
        assert_near(native(x), foldnet.freeze(fixed, engine="reference")(x), case)
    assert len(made) == 1


def test_exported_to_numpy_a_stranger_computes_the_same(tmp_path):
    files, expected = {}, {}
    for number, name in enumerate(FORMS):
        predict = foldnet.freeze(free_network(*FORMS[name]), engine="reference")
        for lengths in LENGTHS[FORMS[name][2]][:3]:
            path = tmp_path / f"net_{number}_{'_'.join(map(str, lengths))}.py"
            to_numpy(predict.graph, path)
            x = np.random.default_rng(number).normal(size=(2, *lengths, 3)).astype(np.float32)
            files[path], expected[path] = [x], (name, predict(x))
    for path, (y,) in predictions(files).items():
        name, exact = expected[path]
        assert y.dtype == np.float32, name
        assert_near(y, exact, path)


def test_one_axis_may_be_free_and_the_other_known():
    rng = np.random.default_rng(3)
    for name in FORMS:
        class_name, config, dims = FORMS[name]
        if dims != 2:
            continue
        for known in (0, 1):
            x = rng.normal(size=(2, 6, 8, 3)).astype(np.float32)
            shape = [6, 8, 3]
            shape[1 - known] = None
            network = Model(z := Input(tuple(shape)), LAYERS[class_name](**config)(z))
            whole = Model(z := Input((6, 8, 3)), LAYERS[class_name](**config)(z))
            exact = foldnet.freeze(whole, engine="reference")(x)
            assert_near(foldnet.freeze(network, engine="reference")(x), exact, name)
            if known:
                assert_near(foldnet.freeze(network, engine="native")(x), exact, name)


def over_two_axes(kit, given, model):
    x = given((None, None, 3))
    return model(x, [kit.Softmax(axis=[1, 2])(x), kit.Softmax(axis=[2, 1])(kit.Permute((2, 1, 3))(x))])


def over_all_axes(kit, given, model):
    x, mask = given((None, None, 2)), given((None, None, 2), dtype="bool")
    return model([x, mask], kit.Softmax(axis=[1, 2, 3])(x, mask=mask))


def attending_over_two_axes(kit, given, model):
    x, y = given((None, None, 6)), given((None, None, 5))
    return model([x, y], kit.MultiHeadAttention(2, 3, attention_axes=(1, 2))(x, y))


@pytest.mark.parametrize("build", [over_two_axes, over_all_axes, attending_over_two_axes])
def test_softmax_over_several_free_axes_is_kerass_by_one_code(build, made, tmp_path):
    theirs, ours = pair(build)
    predict, rng, files, expected = foldnet.freeze(ours, engine="native"), np.random.default_rng(5), {}, {}
    for lengths in LENGTHS[2]:
        rows = [
            (rng.normal(0, 3, size=(2, *lengths, int(t.shape[-1]))) > 0)
            if t.dtype == "bool"
            else rng.normal(0, 3, size=(2, *lengths, int(t.shape[-1]))).astype(np.float32)
            for t in theirs.inputs
        ]
        exact = results(theirs, rows)
        for run in (predict, foldnet.freeze(ours, engine="reference")):
            assert_close(run.results(rows), exact)
        path = tmp_path / f"net_{'_'.join(map(str, lengths))}.py"
        to_numpy(predict.graph, path)
        files[path], expected[path] = (
            [np.asarray(x, np.int32 if x.dtype == bool else np.float32) for x in rows],
            exact,
        )
    assert len(made) == 1
    for path, found in predictions(files).items():
        assert_close(found, expected[path])


def test_at_each_step_of_time_distributed():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(2, 3, 6, 8, 2)).astype(np.float32)
    own = [
        layers.CenterCrop(5, 9), layers.Resizing(4, 5, crop_to_aspect_ratio=True),
        layers.Resizing(4, 5, pad_to_aspect_ratio=True, fill_value=1.5), layers.AdaptiveMaxPooling2D(3),
        layers.AdaptiveAveragePooling2D((1, 4)), layers.Resizing(4, 5, interpolation="nearest"),
    ]  # fmt: skip
    y = Input((None, None, None, 2))
    network = Model(y, [layers.TimeDistributed(layer)(y) for layer in own])
    for engine in ("native", "reference"):
        results = foldnet.freeze(network, engine=engine).results(x)
        for layer, found in zip(own, results, strict=True):
            alone = Sequential([Input((6, 8, 2)), layer])
            steps = x.reshape(6, *x.shape[2:])
            exact = foldnet.freeze(alone, engine="reference")(steps)
            assert_near(found, exact.reshape(2, 3, *exact.shape[1:]), (engine, layer.name))


@pytest.mark.parametrize("more", [{}, {"crop_to_aspect_ratio": True}])
def test_whole_numbers_are_picked(more):
    config = {"height": 5, "width": 2, "interpolation": "nearest"} | more
    network = free_network("Resizing", config, 2, dtype="int32")
    x = np.random.default_rng(0).integers(-9, 2**31, (2, 4, 7, 3)).astype(np.int32)
    fixed = Model(y := Input((4, 7, 3), dtype="int32"), layers.Resizing(**config)(y))
    exact = foldnet.freeze(fixed, engine="reference")(x)
    for engine in ("native", "reference"):
        found = foldnet.freeze(network, engine=engine)(x)
        assert found.dtype == np.int32
        np.testing.assert_array_equal(found, exact)


SPECIAL = [np.nan, np.inf, -np.inf]


@pytest.mark.parametrize(
    "config",
    [
        {"interpolation": "bilinear"}, {"interpolation": "bicubic"}, {"interpolation": "nearest"},
        {"interpolation": "lanczos3"}, {"interpolation": "bilinear", "antialias": True},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_number_reaches_only_what_it_counts_for(config):
    network = free_network("Resizing", config | {"height": 9, "width": 1}, 2, channels=1)
    predicts = [foldnet.freeze(network, engine=engine) for engine in ("native", "reference")]
    for n in (3, 4, 9, 20):
        if config["interpolation"] == "nearest":
            reached = np.eye(n)[np.floor((np.arange(9) + 0.5) * n / 9).astype(int)] != 0
        else:
            kind, antialias = config["interpolation"], config.get("antialias", False)
            reached = as_matrix(Mix(1, 9, kind, antialias), n) != 0
        for special in SPECIAL:
            x = np.random.default_rng(n).normal(size=(n, n, 1, 1)).astype(np.float32)
            x[np.arange(n), np.arange(n)] = special
            for predict in predicts:
                y = predict(x)[:, :, 0, 0]
                np.testing.assert_array_equal(np.isfinite(y), ~reached.T, err_msg=f"{n} {special}")
            assert reached.any(axis=1).all()
    assert not reached.all()


def test_where_the_length_is_known_and_short_one_nan_fills_its_axis_as_in_keras():
    case = Case("Resizing", {"height": 5, "width": 4, "interpolation": "bicubic"}, ((7, 4, 2),))
    x = np.random.default_rng(5).normal(size=(2, 7, 4, 2)).astype(np.float32)
    x[0, 2, 1, 0] = np.nan
    expected = np.isnan(np.asarray(keras_layer(case)(x)))
    assert expected[0, :, 1, 0].all()
    assert not expected[1].any()
    network = Model(y := Input(case.shapes[0]), layers.Resizing(**case.config)(y))
    for engine in ("native", "reference"):
        np.testing.assert_array_equal(np.isnan(foldnet.freeze(network, engine=engine)(x)), expected)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"])
def test_as_many_positions_are_copied_bit_by_bit(interpolation):
    config = {"height": 12, "width": 7, "interpolation": interpolation, "antialias": True}
    network = free_network("Resizing", config, 2)
    x = np.random.default_rng(1).normal(size=(2, 12, 7, 3)).astype(np.float32)
    x[0, :4, 2, 0] = [np.nan, np.inf, -np.inf, -0.0]
    for engine in ("native", "reference"):
        y = foldnet.freeze(network, engine=engine)(x)
        np.testing.assert_array_equal(y, x)
        np.testing.assert_array_equal(np.signbit(y)[~np.isnan(x)], np.signbit(x)[~np.isnan(x)])


def test_what_is_no_number_stays_in_its_windows():
    for kind in ("Max", "Average"):
        network = free_network(f"Adaptive{kind}Pooling1D", {"output_size": 3}, 1, channels=1)
        x = np.random.default_rng(2).normal(size=(5, 5, 1)).astype(np.float32)
        x[np.arange(5), np.arange(5)] = np.nan
        inside = [[k in window for k in range(5)] for window in ((0, 1), (1, 2, 3), (3, 4))]
        for engine in ("native", "reference"):
            y = foldnet.freeze(network, engine=engine)(x)[:, :, 0]
            np.testing.assert_array_equal(np.isnan(y), np.transpose(inside))


def test_saved_and_explained(tmp_path):
    x = Input((None, None, 3), name="image")
    y = layers.Conv2D(4, 3, padding="same", name="conv")(layers.Resizing(6, 5, crop_to_aspect_ratio=True)(x))
    y = layers.AdaptiveAveragePooling2D(2)(
        layers.UpSampling2D(2, interpolation="bicubic")(layers.CenterCrop(9, 4)(y))
    )
    network = Model(x, y)
    predict = foldnet.freeze(network, engine="native")
    predict.save(tmp_path / "net.foldnet")
    again = foldnet.load_predictor(tmp_path / "net.foldnet")
    rows = np.random.default_rng(0).normal(size=(3, 8, 13, 3)).astype(np.float32)
    np.testing.assert_array_equal(again(rows), predict(rows))
    steps = "\n".join(predict.steps())
    assert "middle(image, axes=(1,2), shape=(6,5))" in steps
    assert "bilinear(#1, axis=1, count=6)" in steps
    assert "Resizing" in str(explain(network))


def test_axes_without_positions_are_refused_by_name():
    network = Model(x := Input((None, 2)), layers.AdaptiveMaxPooling1D(3, name="mine")(x))
    for engine in ("native", "reference"):
        predict = foldnet.freeze(network, engine=engine)
        with pytest.raises(InputError, match=r"mine.*without positions"):
            predict(np.ones((2, 0, 2), np.float32))
        assert predict(np.ones((0, 5, 2), np.float32)).shape == (0, 3, 2)


def test_whole_numbers_are_still_refused_where_keras_rounds():
    with pytest.raises(UnsupportedError, match="whole numbers"):
        lower(free_network("Resizing", SIZE, 2, dtype="int32"))


def test_long_axes_have_no_weights_among_the_constants():
    network = Sequential(
        [Input((300, 4, 1)), layers.Resizing(40, 3, interpolation="bicubic", antialias=True)]
    )
    graph = lower(network)
    assert sum(array.size for array in graph.constants.values()) < 100
    case = Case(
        "Resizing", {"height": 40, "width": 3, "interpolation": "bicubic", "antialias": True}, ((300, 4, 1),)
    )
    answer = keras_answers([case], 2)[str(case)]
    assert_near(foldnet.freeze(network, engine="native")(answer.rows[0]), answer.truth, case)
