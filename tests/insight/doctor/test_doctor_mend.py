"""Mends: what is exact changes no prediction; what needs data puts the statistics right; the rest is left alone."""

import numpy as np
import pytest

import foldnet as fn
from foldnet import layers
from foldnet.insight.doctor import mend
from tests.insight.doctor.doctor_networks import D, N, data, functional, network, rows, settled, stack

B = layers.BatchNormalization


def mended(model, x=None, y=None):
    return mend(model, fn.doctor(model, x, y), x, y)


@pytest.mark.parametrize("between", [(), (layers.Identity(),)])
def test_a_bias_moves_into_the_mean(between):
    model = stack(D(8, name="d"), *between, B(name="bn"), layers.ReLU(), D(3, name="out"))
    x = rows()
    before, weights = model.predict(x), [w.copy() for w in model.get_weights()]
    healthy, done = mended(model)
    assert done == ["d: bias moved into the moving mean of bn"]
    assert [s.name for s in healthy.get_layer("d").specs] == ["kernel"]
    np.testing.assert_allclose(healthy.predict(x), before, rtol=1e-5, atol=1e-6)
    for kept, was in zip(model.get_weights(), weights, strict=True):  # the network itself is not touched
        np.testing.assert_array_equal(kept, was)
    assert fn.doctor(healthy).of("useless-bias") == ()


@pytest.mark.parametrize(
    "parts",
    [
        (D(8, activation="relu"), B()),
        (D(8), layers.Dropout(0.1), layers.ReLU(), B()),
        (D(5), layers.Reshape((5, 1)), B(axis=1), layers.Flatten()),
    ],
)
def test_a_bias_that_does_something_stays(parts):
    model = stack(*parts, D(2))
    healthy, done = mended(model)
    assert done == []
    np.testing.assert_array_equal(healthy.predict(rows()), model.predict(rows()))


def test_a_bias_with_another_reader_stays():
    def build(x):
        y = D(5, name="d")(x)
        return layers.Add()([B()(y), y])

    model = functional((5,), build)
    assert fn.doctor(model).of("useless-bias") == ()
    assert mended(model)[1] == []


@pytest.mark.parametrize("said", [True, False])
def test_training_is_taken_out_of_the_call(said):
    drop = layers.Dropout(0.4, name="drop")
    model = functional((5,), lambda x: D(1)(drop(D(8, activation="relu")(x), training=said)))
    healthy, done = mended(model)
    assert done == [f"drop: training={said} removed from the call"]
    assert healthy.predict(rows()).shape == (400, 1)
    assert model.graph_calls[2].kwargs == {"training": said}


def test_statistics_are_estimated_anew():
    """Layer by layer: the second normalization must see the first one corrected."""
    x = rows()
    model = settled(
        stack(D(8, activation="relu"), N(name="a"), D(6, activation="relu"), N(name="b"), D(1)), x
    )
    right = {k: v.copy() for k, v in model.named_weights.items()}
    for name in "ab":
        bn = model.get_layer(name)
        bn.set_weight("moving_mean", bn.moving_mean + 3)
        bn.set_weight("moving_variance", bn.moving_variance * 5)
    healthy, done = mended(model, x)
    assert len(done) == 2
    for name, value in healthy.named_weights.items():
        np.testing.assert_allclose(value, right[name], rtol=1e-5, atol=1e-6)


def test_statistics_that_would_raise_the_loss_are_not_taken():
    """The targets are what the network now says, so that any change makes it worse."""
    x = rows()
    model = settled(stack(D(8, activation="relu"), N(name="a"), D(1)), x)
    model.compile("adam", "mse")
    bn = model.get_layer("a")
    bn.set_weight("moving_mean", bn.moving_mean + 3)
    y = model.predict(x)
    report = fn.doctor(model, x)
    assert report.of("statistics-differ-from-data")[0].severity != "note"
    assert fn.doctor(model, x, y).of("statistics-differ-from-data")[0].severity == "note"
    healthy, (line,) = mend(model, report, x, y)
    assert "new ones would take the loss from" in line
    np.testing.assert_array_equal(healthy.get_layer("a").moving_mean, bn.moving_mean)
    right = mend(model, report, x)[0].predict(x)
    healthy, (line,) = mend(model, report, x, right)
    assert line.startswith("a: statistics estimated again on 400 rows")
    np.testing.assert_allclose(healthy.get_layer("a").moving_mean, bn.moving_mean - 3, rtol=1e-4, atol=1e-5)


def test_a_network_with_nan_statistics_is_mended():
    x = rows()
    model = settled(stack(D(8), layers.ReLU(), N(name="a"), D(1)), x)
    right = model.get_layer("a").moving_variance.copy()
    model.get_layer("a").set_weight("moving_variance", np.full(8, np.nan))
    healthy, done = mended(model, x)
    assert len(done) == 1
    np.testing.assert_allclose(healthy.get_layer("a").moving_variance, right, rtol=1e-4)
    assert fn.doctor(healthy, x).ok


def test_a_mended_network_is_compiled_as_before():
    model = network("norm-first", "three")
    healthy, _ = mended(model)
    x, y = data("three")
    healthy.fit(x, y, epochs=1, verbose=0)
    assert healthy.trainer is not model.trainer


def test_nothing_to_mend():
    model = stack(D(4, activation="relu"), D(1))
    assert mended(model, rows())[1] == []
