"""What the estimators learn and give: labels, probabilities, several outputs, early stopping, going on."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris, make_regression

import foldnet
from foldnet.errors import ConfigError, InputError
from foldnet.sklearn import FoldnetClassifier, FoldnetRegressor

SETTINGS = {"hidden_layer_sizes": (8,), "learning_rate": 0.03, "epochs": 40, "random_state": 0}


def two_classes(rows=60):
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (rows, 4))
    return x, np.where(x[:, 0] + 0.2 * x[:, 1] > 0, "up", "down")


def test_two_classes():
    x, y = two_classes()
    model = FoldnetClassifier(**SETTINGS).fit(x, y)
    assert model.classes_.tolist() == ["down", "up"]
    assert model.model_.outputs[0].shape == (None, 1)
    p = model.predict_proba(x)
    assert p.shape == (60, 2)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)
    assert model.score(x, y) > 0.95
    z = model.decision_function(x)
    assert z.shape == (60,)
    np.testing.assert_array_equal(model.predict(x), np.where(z > 0, "up", "down"))
    np.testing.assert_allclose(p[:, 1], 1 / (1 + np.exp(-z)), rtol=1e-5, atol=1e-7)


def test_three_classes():
    x, number = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])
    model = FoldnetClassifier(**SETTINGS).fit(x, names[number])
    assert model.score(x, names[number]) > 0.95
    z, p = model.decision_function(x), model.predict_proba(x)
    assert z.shape == p.shape == (150, 3)
    np.testing.assert_array_equal(model.predict(x), model.classes_[p.argmax(axis=1)])
    expected = np.exp(z - z.max(axis=1, keepdims=True))
    np.testing.assert_allclose(p, expected / expected.sum(axis=1, keepdims=True), rtol=1e-4, atol=1e-7)


def test_what_is_no_class():
    x, y = two_classes()
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        FoldnetClassifier(**SETTINGS).fit(x, x[:, 0])
    with pytest.raises(InputError, match="only one class"):
        FoldnetClassifier(**SETTINGS).fit(x, np.full(len(y), "up"))


def test_several_outputs():
    x, y = make_regression(80, 5, n_targets=3, random_state=0)
    y /= y.std(axis=0)
    model = FoldnetRegressor(**SETTINGS | {"epochs": 100}).fit(x, y)
    assert model.n_outputs_ == 3
    assert model.predict(x).shape == (80, 3)
    assert model.score(x, y) > 0.95
    assert FoldnetRegressor(**SETTINGS).fit(x, y[:, :1]).predict(x).shape == (80, 1)
    assert FoldnetRegressor(**SETTINGS).fit(x, y[:, 0]).predict(x).shape == (80,)


def test_a_loss_of_choice():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 1))
    y = np.where(rng.uniform(size=100) < 0.3, 50.0, 1.0)  # the mean is far from the median
    absolute, squared = (
        FoldnetRegressor((), loss=loss, learning_rate=0.1, epochs=150, l2=1.0, random_state=0).fit(x, y).predict(x)
        for loss in ("mae", "mse")
    )  # fmt: skip
    assert abs(np.median(absolute) - 1) < 1.5
    assert np.median(squared) > 10


def test_the_frozen_function_is_the_whole_estimator():
    x, y = two_classes()
    model = FoldnetClassifier(**SETTINGS, normalization="batch", dropout=0.2).fit(x * 30 + 100, y)
    predict = model.freeze()
    np.testing.assert_allclose(
        predict(x * 30 + 100)[:, 0], model.predict_proba(x * 30 + 100)[:, 1], rtol=1e-5, atol=1e-6
    )
    assert foldnet.verify(predict, model.model_).ok


def test_early_stopping_stops_and_keeps_the_best():
    x, y = two_classes(100)
    y = np.where(np.random.default_rng(1).uniform(size=100) < 0.3, "up", y)  # noise to overfit
    settings = SETTINGS | {"hidden_layer_sizes": (64,), "epochs": 500}
    model = FoldnetClassifier(**settings, early_stopping=True, validation_fraction=0.3, patience=5).fit(x, y)
    losses = model.history_["val_loss"]
    assert model.n_iter_ == len(losses) < 500
    assert len(losses) - 1 - int(np.argmin(losses)) == 5
    # With min_delta so large, nothing counts as better, and the first epoch's weights are put back.
    first = FoldnetClassifier(
        **settings, early_stopping=True, validation_fraction=0.3, patience=1, min_delta=1e9
    )
    first.fit(x, y)
    once = FoldnetClassifier(**settings | {"epochs": 1}, early_stopping=True, validation_fraction=0.3).fit(
        x, y
    )
    assert first.n_iter_ == 2
    np.testing.assert_array_equal(first.predict_proba(x), once.predict_proba(x))


def test_each_class_is_kept_back_by_its_share():
    x, y = two_classes()
    y[0] = "sideways"  # one row cannot be on both sides
    with pytest.raises(ValueError, match="least populated class"):
        FoldnetClassifier(**SETTINGS, early_stopping=True).fit(x, y)
    y[:2] = "sideways"
    FoldnetClassifier(**SETTINGS, early_stopping=True, validation_fraction=0.5).fit(x, y)


def test_without_early_stopping_all_epochs_are_made():
    model = FoldnetClassifier(**SETTINGS).fit(*two_classes())
    assert model.n_iter_ == len(model.loss_curve_) == 40
    assert "val_loss" not in model.history_
    assert model.loss_curve_[-1] < 0.5 * model.loss_curve_[0]


def test_warm_start_goes_on():
    x, y = two_classes()
    model = FoldnetClassifier(**SETTINGS, warm_start=True).fit(x, y)
    network, before = model.model_, model.loss_curve_[-1]
    model.set_params(epochs=10, learning_rate=0.01).fit(x, y)
    assert model.model_ is network
    assert model.n_iter_ == len(model.loss_curve_) == 50
    assert model.loss_curve_[40] < 1.1 * before
    assert network.optimizer.iterations == 100
    assert network.optimizer.learning_rate == pytest.approx(0.01)
    with pytest.raises(ConfigError, match="hidden changed"):
        model.set_params(hidden_layer_sizes=(9,)).fit(x, y)
    with pytest.raises(InputError, match="'sideways'"):
        model.set_params(hidden_layer_sizes=(8,)).fit(x, np.where(y == "up", "sideways", y))


def test_without_warm_start_a_fit_starts_anew():
    x, y = two_classes()
    model = FoldnetClassifier(**SETTINGS).fit(x, y)
    first = model.predict_proba(x)
    np.testing.assert_array_equal(model.fit(x, y).predict_proba(x), first)
    assert model.n_iter_ == 40


def test_partial_fit():
    x, y = two_classes()
    model = FoldnetClassifier(**SETTINGS)
    with pytest.raises(InputError, match="needs classes"):
        model.partial_fit(x, y)
    for epoch in range(30):
        model.partial_fit(x[:30], y[:30], classes=["up", "down"] if epoch == 0 else None)
        model.partial_fit(x[30:], y[30:])
    assert model.n_iter_ == 60
    assert model.model_.optimizer.iterations == 60
    assert model.score(x, y) > 0.95
    with pytest.raises(InputError, match="cannot change"):
        model.partial_fit(x, y, classes=["up", "left"])
    with pytest.raises(InputError, match="'left'"):
        model.partial_fit(x, np.full(len(x), "left"))
    with pytest.raises(ConfigError, match="balanced"):
        FoldnetClassifier(class_weight="balanced").partial_fit(x, y, classes=["up", "down"])


def test_a_partial_fit_of_one_class_at_a_time():
    x, y = two_classes()
    model = FoldnetClassifier(**SETTINGS).partial_fit(x[y == "up"], y[y == "up"], classes=["up", "down"])
    assert model.classes_.tolist() == ["down", "up"]
    assert model.partial_fit(x[y == "down"], y[y == "down"]).n_iter_ == 2


def test_partial_fit_of_numbers():
    x, y = make_regression(64, 3, random_state=0)
    y /= y.std()
    model = FoldnetRegressor(**SETTINGS)
    for _ in range(60):
        model.partial_fit(x, y)
    assert model.score(x, y) > 0.9


def test_tables_with_names():
    x, y = two_classes()
    frame = pd.DataFrame(x, columns=["a", "b", "c", "d"])
    model = FoldnetClassifier(**SETTINGS).fit(frame, pd.Series(y))
    assert model.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    np.testing.assert_array_equal(model.predict(frame), FoldnetClassifier(**SETTINGS).fit(x, y).predict(x))
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame.rename(columns={"a": "z"}))


def test_callbacks_are_called():
    seen = []
    callback = foldnet.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["loss"]))
    model = FoldnetClassifier(**SETTINGS | {"epochs": 3}, callbacks=[callback]).fit(*two_classes())
    assert seen == model.loss_curve_


def test_numbers_too_large_are_refused():
    x, y = make_regression(20, 3, random_state=0)
    with pytest.raises(ValueError, match="too large"):
        FoldnetRegressor(**SETTINGS).fit(x, y * 1e300)
    with pytest.raises(ValueError, match="too large"):
        FoldnetRegressor(**SETTINGS).fit(x * 1e300, y)
