"""Targets that a loss or a metric would misread are refused; where Keras spreads them, so does foldnet."""

import itertools

import keras
import numpy as np
import pytest

from foldnet import Input, Sequential, layers, losses, metrics, utils
from foldnet.errors import ConfigError, InputError

X = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
LABELS = np.random.default_rng(1).integers(0, 3, 20)
BAD = {"nan": np.nan, "fraction": 1.5, "above": 3, "below": -1}


def classifier(loss="sparse_categorical_crossentropy", **settings):
    model = Sequential([Input((4,)), layers.Dense(3, activation="softmax", name="out")])
    model.compile("sgd", loss, **settings)
    return model


def spoilt(value):
    labels = LABELS.astype(float)
    labels[7] = value
    return labels


@pytest.mark.parametrize("value", BAD.values(), ids=BAD)
def test_numbers_that_are_no_class_are_refused(value):
    y = spoilt(value)
    names_it = rf"target of row \d+ is {value:g}, .* 3 classes, 0 to 2"
    for loss, asked in (
        ("sparse_categorical_crossentropy", []),
        ("crossentropy", []),
        ("mse", ["sparse_categorical_accuracy"]),
        ("mse", [metrics.SparseTopKCategoricalAccuracy(2)]),
    ):
        model = classifier(loss, metrics=asked)
        with pytest.raises(InputError, match=names_it):
            model.fit(X, y, verbose=0)
        with pytest.raises(InputError, match=names_it):
            model.evaluate(X, y, verbose=0)
    model = classifier()
    with pytest.raises(InputError, match=names_it):
        model.fit(X, LABELS, validation_data=(X, y), verbose=0)
    with pytest.raises(InputError, match=names_it):
        model.fit(iter([(X, y)]), verbose=0)
    outputs = np.full((20, 3), 1 / 3, np.float32)
    for taker in (losses.SparseCategoricalCrossentropy(), losses.CategoricalGeneralizedCrossEntropy(),
                  metrics.SparseCategoricalAccuracy(), metrics.sparse_categorical_accuracy,
                  metrics.SparseCategoricalCrossentropy(), metrics.SparseTopKCategoricalAccuracy(2)):  # fmt: skip
        with pytest.raises(InputError, match=names_it):
            taker(y, outputs)


def test_a_number_that_is_ignored_is_no_fault():
    model = classifier(losses.SparseCategoricalCrossentropy(ignore_class=-1), metrics=["accuracy"])
    assert np.isfinite(model.fit(X, spoilt(-1), verbose=0).history["loss"]).all()


@pytest.mark.parametrize("shape", [(20,), (20, 1)])
@pytest.mark.parametrize("loss", ["categorical_crossentropy", losses.CategoricalFocalCrossentropy()])
def test_class_numbers_for_one_hot_rows_are_the_commonest_mistake(loss, shape):
    with pytest.raises(InputError, match=r"to_categorical\(y, 3\)"):
        classifier(loss).fit(X, LABELS.reshape(shape), verbose=0)
    if loss == "categorical_crossentropy":
        with pytest.raises(InputError, match="sparse_categorical_crossentropy"):
            classifier(loss).evaluate(X, LABELS.reshape(shape), verbose=0)
    classifier(loss).fit(X, utils.to_categorical(LABELS, 3), verbose=0)


STRICT = [
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
]
SPREADING = ["MeanSquaredError", "KLDivergence", "Poisson", "CosineSimilarity", "Hinge"]
SHAPES = [(6,), (6, 1), (6, 3), (6, 2), (1, 3), (6, 3, 1)]


@pytest.mark.filterwarnings("ignore::SyntaxWarning")  # Keras's, of a crossentropy over one class
@pytest.mark.parametrize("name", STRICT + SPREADING)
def test_shapes_are_refused_and_spread_as_in_keras(name):
    rng = np.random.default_rng(0)
    theirs, ours = getattr(keras.losses, name)(), getattr(losses, name)()
    for of_true, of_pred in itertools.product(SHAPES, [(6, 1), (6, 3)]):
        # Labels of hinge are signs, so that Keras does not change them batch by batch.
        y_true = np.sign(rng.normal(size=of_true)) if name == "Hinge" else rng.integers(0, 2, of_true)
        y_true, y_pred = y_true.astype(np.float32), rng.uniform(0.1, 0.9, of_pred).astype(np.float32)
        # Keras forgets this one, and spreads labels over the classes.
        forgotten = name == "CategoricalFocalCrossentropy" and y_true.size != y_pred.size
        try:
            expected = None if forgotten else float(theirs(y_true, y_pred))
        except (ValueError, TypeError):
            expected = None
        if expected is None:
            with pytest.raises((InputError, ConfigError, ValueError)):
                ours(y_true, y_pred)
        else:
            assert ours(y_true, y_pred) == pytest.approx(expected, rel=1e-5, abs=1e-6), (of_true, of_pred)


def test_arrays_compute_in_float32_as_evaluate_does():
    model = Sequential([Input((1,)), layers.Rescaling(1.0)])
    model.compile("sgd", "binary_crossentropy", metrics=[metrics.BinaryCrossentropy(name="own")])
    y, p = np.array([[0.0], [1.0], [0.0]], np.float32), np.array([[1.0], [1.0], [0.3]], np.float32)
    on_arrays = float(losses.BinaryCrossentropy()(y, p))
    assert model.evaluate(p, y, verbose=0) == pytest.approx([on_arrays] * 2, rel=1e-6)
    assert on_arrays == pytest.approx(float(keras.losses.BinaryCrossentropy()(y, p)), rel=1e-6)
    assert losses.BinaryCrossentropy()(y.astype(float), p.astype(int)).dtype == np.float32
