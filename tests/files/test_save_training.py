"""Training goes on in Keras where foldnet stopped, and in foldnet where Keras stopped."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import foldnet
from foldnet import callbacks, layers, losses, metrics, optimizers
from foldnet.errors import FoldnetError, UnsupportedError
from foldnet.layers import Input
from foldnet.optimizers.schedules import ExponentialDecay
from foldnet.sequential import Sequential
from foldnet.training.optimizer_state import state_of

OPTIMIZERS = {
    "adam": ("Adam", {"learning_rate": 0.01}),
    "amsgrad": ("Adam", {"learning_rate": 0.01, "amsgrad": True}),
    "adamw": ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.05}),
    "adamax": ("Adamax", {"learning_rate": 0.01}),
    "nadam": ("Nadam", {"learning_rate": 0.01}),
    "rmsprop-all": ("RMSprop", {"learning_rate": 0.003, "momentum": 0.5, "centered": True}),
    "sgd": ("SGD", {"learning_rate": 0.05}),
    "momentum": ("SGD", {"learning_rate": 0.003, "momentum": 0.9, "nesterov": True}),
    "adagrad": ("Adagrad", {"learning_rate": 0.1, "initial_accumulator_value": 0.2}),
    "adadelta": ("Adadelta", {"learning_rate": 1.0}),
    "lion": ("Lion", {"learning_rate": 0.001}),
    "ftrl": ("Ftrl", {"learning_rate": 0.1, "initial_accumulator_value": 0.2}),
    "lamb": ("Lamb", {"learning_rate": 0.01}),
    "schedule-free": ("ScheduleFreeAdamW", {"learning_rate": 0.01, "warmup_steps": 12}),
    "accumulated": (
        "Adam",
        {"learning_rate": 0.01, "use_ema": True, "gradient_accumulation_steps": 2, "loss_scale_factor": 4.0},
    ),
    "ema": (
        "Nadam",
        {"learning_rate": 0.01, "use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 3},
    ),
}
SETTINGS = {"batch_size": 8, "shuffle": False, "verbose": 0}
X = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
Y = np.sin(X[:, :1] * 2) + X[:, 1:2]


def network_of(library, frozen=False):
    parts = [library.Dense(5, activation="tanh"), library.BatchNormalization(momentum=0.8), library.Dense(3)]
    parts[-1].trainable = not frozen
    return [library.Input((4,)), *parts, library.Dense(1)]


def foldnet_network(frozen=False):
    network = Sequential(network_of(layers, frozen), name="net")
    rng = np.random.default_rng(1)
    network.set_weights([rng.uniform(0.2, 0.8, w.shape) for w in network.get_weights()])
    return network


def fitted(model, epochs):
    model.fit(X, Y, epochs=epochs, **SETTINGS)
    return model.get_weights()


def assert_close(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_foldnet_then_keras_then_foldnet(tmp_path, name):
    cls, config = OPTIMIZERS[name]
    network = foldnet_network()
    network.compile(getattr(optimizers, cls)(**config), "mse", metrics=["mae"])
    fitted(network, 3)
    network.save(tmp_path / "x.keras")
    whole = fitted(network, 3)

    live = keras.models.load_model(tmp_path / "x.keras")
    updates = 9 // config.get("gradient_accumulation_steps", 1)
    assert int(live.optimizer.iterations) == updates
    assert_close(whole, fitted(live, 3))

    # The same from Keras's own files of the same moment.
    again = keras.models.load_model(tmp_path / "x.keras")
    for own in ("y.keras", "y.h5"):
        again.save(tmp_path / own)
        back = foldnet.load_model(tmp_path / own)
        assert back.optimizer.iterations == updates
        assert_close(fitted(back, 3), whole)

    # And from foldnet's own: bit for bit.
    mine = foldnet.load_model(tmp_path / "x.keras")
    assert all(a.tobytes() == b.tobytes() for a, b in zip(fitted(mine, 3), whole, strict=True))


def test_reductions_and_ignored_classes(tmp_path):
    """How a loss makes one number of many is kept, by foldnet and by Keras."""
    labels = np.random.default_rng(5).integers(0, 4, len(X))
    config = {"reduction": "sum", "ignore_class": 2, "from_logits": True}
    network = Sequential([Input((4,)), layers.Dense(4)])
    network.compile("sgd", losses.SparseCategoricalCrossentropy(**config))
    network.save(tmp_path / "x.keras")
    live = keras.models.load_model(tmp_path / "x.keras")
    assert {k: live.loss.get_config()[k] for k in config} == config
    expected = live.evaluate(X, labels, batch_size=8, verbose=0)
    live.save(tmp_path / "y.keras")
    for path in ("x.keras", "y.keras"):
        back = foldnet.load_model(tmp_path / path)
        assert back.evaluate(X, labels, batch_size=8, verbose=0) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["adam", "nadam", "sgd", "rmsprop-all", "ema", "accumulated"])
def test_through_h5(tmp_path, name):
    cls, config = OPTIMIZERS[name]
    network = foldnet_network()
    network.compile(
        getattr(optimizers, cls)(**config), losses.Huber(0.3), metrics=[metrics.RootMeanSquaredError()]
    )
    fitted(network, 3)
    network.save(tmp_path / "x.h5")
    whole = fitted(network, 3)
    mine = foldnet.load_model(tmp_path / "x.h5")
    assert all(a.tobytes() == b.tobytes() for a, b in zip(fitted(mine, 3), whole, strict=True))

    # Keras 3 cannot take an optimizer's state from a .h5, its own neither; settings and weights it takes.
    live = keras.models.load_model(tmp_path / "x.h5")
    assert type(live.optimizer).__name__ == cls
    for key, value in type(live.optimizer)(**config, name=live.optimizer.name).get_config().items():
        assert live.optimizer.get_config()[key] == (
            pytest.approx(value) if isinstance(value, float) else value
        )
    assert float(live.loss([[3.0]], [[0.0]])) == pytest.approx(0.3 * (3 - 0.15))
    if name == "adam":
        fitted(live, 1)


@pytest.mark.parametrize("kind", ["frozen", "schedule", "never fitted"])
def test_other_states(tmp_path, kind):
    network = foldnet_network(frozen=kind == "frozen")
    rate = ExponentialDecay(0.02, 4, 0.5) if kind == "schedule" else 0.02
    network.compile(optimizers.Adam(rate), "mse")
    if kind != "never fitted":
        fitted(network, 3)
    network.save(tmp_path / "x.keras")
    whole = fitted(network, 3)
    assert_close(whole, fitted(keras.models.load_model(tmp_path / "x.keras"), 3))
    assert_close(whole, fitted(foldnet.load_model(tmp_path / "x.keras"), 3))


def test_a_lowered_learning_rate_is_kept(tmp_path):
    network = foldnet_network()
    network.compile("adam", "mse")
    network.fit(X, Y, epochs=2, callbacks=[callbacks.LearningRateScheduler(lambda e, r: 0.004)], **SETTINGS)
    network.save(tmp_path / "x.keras")
    assert float(keras.models.load_model(tmp_path / "x.keras").optimizer.learning_rate) == pytest.approx(
        0.004
    )
    assert foldnet.load_model(tmp_path / "x.keras").optimizer.learning_rate == pytest.approx(0.004)


ALL_METRICS = [
    "accuracy",
    "mae",
    metrics.AUC(num_thresholds=20),
    metrics.AUC(curve="PR", thresholds=[0.2, 0.7], name="pr"),
    metrics.Precision(thresholds=0.4),
    metrics.F1Score(threshold=0.5),
    metrics.BinaryAccuracy(threshold=0.3),
    metrics.MeanAbsoluteError(name="off"),
    metrics.TruePositives(),
    metrics.SensitivityAtSpecificity(0.5),
    metrics.RecallAtPrecision(precision=0.4),
    metrics.R2Score(),
    losses.mean_squared_error,
]
ALL_LOSSES = [
    "binary_crossentropy", losses.BinaryCrossentropy(label_smoothing=0.1), losses.BinaryFocalCrossentropy(gamma=1.5),
    losses.MeanSquaredError(), losses.Huber(0.5), losses.mean_absolute_error, losses.Hinge(), losses.LogCosh(),
    losses.Poisson(), losses.KLDivergence(), losses.MeanAbsolutePercentageError(), losses.SquaredHinge(),
]  # fmt: skip


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_metrics_and_losses_mean_the_same(tmp_path, ending):
    target = (Y > 0).astype(np.float32)
    for loss in ALL_LOSSES if ending == "keras" else ALL_LOSSES[:3]:
        network = Sequential([Input((4,)), layers.Dense(1, activation="sigmoid")])
        network.compile("sgd", loss, metrics=ALL_METRICS if loss is ALL_LOSSES[0] else None)
        network.save(tmp_path / f"x.{ending}")
        ours = network.evaluate(X, target, verbose=0, return_dict=True)
        # Keras spells the names of metrics out that a .h5 gives in short.
        ours = {"mean_absolute_error" if k == "mae" and ending == "h5" else k: v for k, v in ours.items()}
        live = keras.models.load_model(tmp_path / f"x.{ending}")
        live.run_eagerly, live.jit_compile = True, False  # compiling takes longer than the whole evaluation
        theirs = live.evaluate(X, target, verbose=0, return_dict=True)
        assert set(ours) == set(theirs)
        for key, value in theirs.items():
            np.testing.assert_allclose(
                np.asarray(ours[key]).ravel(), np.asarray(value).ravel(), rtol=1e-4, atol=1e-5
            )
        back = foldnet.load_model(tmp_path / f"x.{ending}")
        again = back.evaluate(X, target, verbose=0, return_dict=True)
        for key, value in network.evaluate(X, target, verbose=0, return_dict=True).items():
            np.testing.assert_array_equal(again[key], value)


def test_several_outputs(tmp_path):
    x = Input((4,))
    body = layers.Dense(3, activation="tanh")(x)
    network = foldnet.Model(x, [layers.Dense(1, name="a")(body), layers.Dense(1, name="b")(body)])
    network.compile("adam", {"a": "mse", "b": losses.Huber()}, {"a": 1.0, "b": 0.3}, metrics={"b": ["mae"]})
    network.fit(X, [Y, -Y], epochs=2, **SETTINGS)
    network.save(tmp_path / "x.keras")
    whole = [network.fit(X, [Y, -Y], epochs=2, **SETTINGS), network.get_weights()][1]
    for load in (keras.models.load_model, foldnet.load_model):
        other = load(tmp_path / "x.keras")
        other.fit(X, [Y, -Y], epochs=2, **SETTINGS)
        assert_close(whole, other.get_weights())


def test_what_is_code_is_refused_and_can_be_left_out(tmp_path):
    wrapped = metrics.MeanMetricWrapper(losses.huber, "huber_small", delta=0.1)
    network = foldnet_network()
    network.compile("adam", "mse", metrics=[wrapped])
    for name in ("x.keras", "x.h5"):
        with pytest.raises(UnsupportedError, match=r"your own code.*include_optimizer=False"):
            network.save(tmp_path / name)
        network.save(tmp_path / name, include_optimizer=False)
        assert foldnet.load_model(tmp_path / name).optimizer is None
    network.compile(optimizers.SGD(lambda step: 0.1), "mse")
    with pytest.raises(UnsupportedError, match="learning rate is a function"):
        network.save(tmp_path / "x.keras")


def test_loading_for_prediction_keeps_nothing_of_the_training(tmp_path):
    network = foldnet_network()
    network.compile("adam", "mse")
    fitted(network, 1)
    network.save(tmp_path / "x.keras")
    back = foldnet.load_model(tmp_path / "x.keras", compile=False)
    assert back.saved_training is None
    assert back.trainer is None
    assert back.compile_config["loss"] == "mse"


def test_a_state_that_does_not_fit_starts_afresh_and_says_so(tmp_path):
    live = keras.Sequential(network_of(keras.layers))
    live.compile("adam", "mse")
    live.fit(X, Y, **SETTINGS)
    live.save(tmp_path / "x.h5")
    import h5py

    with h5py.File(tmp_path / "x.h5", "r+") as file:
        group = file["optimizer_weights"]
        group.attrs["weight_names"] = group.attrs["weight_names"][:-2]
    back = foldnet.load_model(tmp_path / "x.h5")
    with pytest.warns(UserWarning, match="new optimizer"):
        assert back.optimizer.iterations == 0


def test_compile_settings_foldnet_lacks_leave_prediction_alone(tmp_path):
    live = keras.Sequential(network_of(keras.layers))
    live.compile(keras.optimizers.Adafactor(), "mse")
    live.save(tmp_path / "x.keras")
    back = foldnet.load_model(tmp_path / "x.keras")
    np.testing.assert_allclose(back.predict(X), live.predict(X, verbose=0), rtol=1e-5, atol=1e-6)
    with pytest.raises(FoldnetError, match="Adafactor"):
        back.fit(X, Y, **SETTINGS)
    back.compile("sgd", "mse")
    fitted(back, 1)


def test_every_variable_of_an_optimizer_is_keras_own(tmp_path):
    # After two steps Nadam's product still weighs, and an average is far from its weight.
    live = keras.Sequential(network_of(keras.layers))
    live.compile(keras.optimizers.Nadam(0.01, use_ema=True), "mse")
    live.fit(X[:16], Y[:16], **SETTINGS)
    live.save(tmp_path / "x.keras")
    state = state_of(foldnet.load_model(tmp_path / "x.keras").trainer)
    theirs = [np.asarray(v) for v in live.optimizer.variables]
    assert len(state) == len(theirs)
    for ours, value in zip(state, theirs, strict=True):
        np.testing.assert_allclose(ours, value, rtol=1e-6)
