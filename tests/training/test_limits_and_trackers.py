"""``config.set_max_epochs`` and its kin, ``config.set_epsilon`` in constraints, and ``model.metrics``."""

import keras
import numpy as np
import pytest

from foldnet import Input, Model, Sequential, backend, callbacks, constraints, layers, metrics
from foldnet.errors import ConfigError

RNG = np.random.default_rng(2)
X, Y = RNG.normal(size=(48, 4)).astype("f"), RNG.normal(size=(48, 1)).astype("f")


@pytest.fixture
def limits():
    yield backend
    for module in (backend, keras.config):
        module.set_max_epochs(None)
        module.set_max_steps_per_epoch(None)
        module.set_epsilon(1e-7)


def compiled(**settings):
    model = Sequential([Input((4,)), layers.Dense(1)])
    model.compile("sgd", "mse", **settings)
    return model


class Counted(callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.epochs = self.steps = self.judged = self.predicted = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epochs += 1

    def on_train_batch_begin(self, batch, logs=None):
        self.steps += 1

    def on_test_batch_begin(self, batch, logs=None):
        self.judged += 1

    def on_predict_batch_begin(self, batch, logs=None):
        self.predicted += 1


@pytest.mark.parametrize("streamed", [False, True])
def test_limits_hold_in_fit_evaluate_and_predict(limits, streamed):
    data = [(X[i : i + 8], Y[i : i + 8]) for i in range(0, 48, 8)]
    given = {"x": data} if streamed else {"x": X, "y": Y, "batch_size": 8}
    limits.set_max_epochs(2)
    limits.set_max_steps_per_epoch(3)
    model, seen = compiled(), Counted()
    with pytest.warns(UserWarning, match="Limiting epochs to 2|Limiting steps_per_epoch to 3"):
        history = model.fit(**given, epochs=4, callbacks=[seen], verbose=0, validation_data=(X, Y))
    # Validation is in batches of 8, too, of which three count; beside a stream in batches of 32.
    assert (seen.epochs, seen.steps, seen.judged) == (2, 6, 4 if streamed else 6)
    assert len(history.history["val_loss"]) == 2
    with pytest.warns(UserWarning, match="Limiting steps_per_epoch to 3"):
        assert np.isfinite(model.evaluate(**given, callbacks=[judged := Counted()], verbose=0))
    assert judged.judged == 3
    with pytest.warns(UserWarning, match="Limiting steps_per_epoch to 3"):
        found = model.predict(iter(b[0] for b in data)) if streamed else model.predict(X, batch_size=8)
    assert found.shape == (24, 1)


def test_limits_that_are_wide_enough_change_nothing(limits, recwarn):
    limits.set_max_epochs(9)
    limits.set_max_steps_per_epoch(9)
    assert len(compiled().fit(X, Y, batch_size=8, epochs=3, verbose=0).history["loss"]) == 3
    assert not [w for w in recwarn if "Limiting" in str(w.message)]
    assert (limits.max_epochs(), limits.max_steps_per_epoch()) == (9, 9)
    for bad in (0, -1, 1.5, True, "3"):
        with pytest.raises(ConfigError, match="max_epochs is a whole number, at least 1"):
            limits.set_max_epochs(bad)


@pytest.mark.parametrize(
    "make",
    [lambda kit: kit.UnitNorm(), lambda kit: kit.MaxNorm(0.5), lambda kit: kit.MinMaxNorm(0.2, 0.6, 0.7)],
)
def test_constraints_divide_by_the_epsilon_that_is_set(limits, make):
    w = RNG.normal(size=(4, 3)).astype("f")
    backend.set_epsilon(0.25)
    keras.config.set_epsilon(0.25)
    expected = np.asarray(make(keras.constraints)(w))
    np.testing.assert_allclose(make(constraints)(w), expected, rtol=1e-6)
    model = Sequential([Input((4,)), layers.Dense(3, kernel_constraint=make(constraints))])
    model.set_weights([w, np.zeros(3)])
    model.compile("sgd", "mse")
    model.optimizer.learning_rate = 0.0
    model.train_on_batch(X, np.zeros((48, 3)))
    np.testing.assert_allclose(model.layers[0].kernel.numpy(), expected, rtol=1e-6)


def test_metrics_are_trackers_that_read_what_was_logged():
    model = Sequential([Input((4,)), layers.Dense(1)])
    assert model.metrics == []
    model.compile("sgd", "mse", metrics=["mae", metrics.MeanSquaredError()])
    loss, both = model.metrics
    assert [m.name for m in model.metrics] == ["loss", "compile_metrics"]
    assert [m.name for m in both.metrics] == ["mae", "mean_squared_error"]
    assert (loss.result(), both.result()) == (0.0, {})
    logs = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert loss.result() == logs.pop("loss")
    assert both.result() == logs
    assert model.metrics == [loss, both]
    model.reset_metrics()
    assert (loss.result(), both.result()) == (0.0, {})
    history = model.fit(X, Y, epochs=2, verbose=0).history
    assert loss.result() == history["loss"][-1]
    loss.reset_state()
    assert (loss.result(), both.result()["mae"]) == (0.0, history["mae"][-1])
    both.reset_state()
    assert both.result() == {}


def test_a_nested_network_keeps_its_own_trackers():
    inner = Sequential([layers.Dense(3)])
    inner.compile("sgd", "mse", metrics=["mae"])
    assert [m.name for m in inner.metrics] == ["loss", "compile_metrics"]
    x = Input((4,))
    outer = Model(x, [layers.Dense(8, name="a")(inner(x)), layers.Dense(2, name="b")(x)])
    outer.compile("sgd", "mse")
    assert [m.name for m in outer.metrics] == ["loss", "a_loss", "b_loss"]
    assert [m.name for m in inner.metrics] == ["loss", "compile_metrics"]
