"""Optimizers and schedules as objects: settings there and back, variables, names, and what they refuse."""

import copy
import json
import pickle

import h5py
import keras
import numpy as np
import pytest

import foldnet
from foldnet import FoldnetError, Sequential, layers, optimizers
from foldnet.errors import ConfigError, InputError
from foldnet.naming import clear_session
from foldnet.training.optimizers import OPTIMIZERS
from foldnet.training.schedules import SCHEDULES

X = np.random.default_rng(3).normal(size=(24, 3)).astype(np.float32)
Y = X @ np.array([[1.0], [-2.0], [0.5]], np.float32)
SCHEDULE_ARGUMENTS = {
    "ExponentialDecay": (0.1, 7, 0.9, True),
    "PiecewiseConstantDecay": ([2, 5], [0.1, 0.05, 0.01]),
    "PolynomialDecay": (0.1, 9, 0.001, 2.0, True),
    "InverseTimeDecay": (0.1, 3, 0.5, True),
    "CosineDecay": (0.1, 11, 0.2, "mine", 0.3, 4),
    "CosineDecayRestarts": (0.1, 5, 1.5, 0.8, 0.1),
}


def network() -> Sequential:
    return Sequential([layers.Input((3,)), layers.Dense(2, activation="tanh"), layers.Dense(1)])


@pytest.mark.parametrize("name", [cls.__name__ for cls in OPTIMIZERS.values()])
def test_settings_are_kerass_and_come_back(name):
    kwargs = {"learning_rate": 0.03, "weight_decay": 0.02, "clipnorm": 1.5, "name": "mine"}
    ours = getattr(optimizers, name)(**kwargs)
    theirs = getattr(keras.optimizers, name)(**kwargs)
    assert ours.get_config() == theirs.get_config()
    assert getattr(optimizers, name)().get_config() | {"name": 0} == (
        getattr(keras.optimizers, name)().get_config() | {"name": 0}
    )
    again = type(ours).from_config(ours.get_config())
    assert type(again) is type(ours)
    assert again.get_config() == ours.get_config()
    stored = json.loads(json.dumps(optimizers.serialize(ours)))
    assert optimizers.deserialize(stored).get_config() == ours.get_config()
    assert stored["config"] == keras.optimizers.serialize(theirs)["config"]


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_comes_back(name):
    arguments = SCHEDULE_ARGUMENTS[name]
    ours = getattr(optimizers.schedules, name)(*arguments)
    theirs = getattr(keras.optimizers.schedules, name)(*arguments)
    assert ours.get_config() == theirs.get_config()
    again = optimizers.schedules.deserialize(json.loads(json.dumps(optimizers.schedules.serialize(ours))))
    assert again.get_config() == type(ours).from_config(ours.get_config()).get_config() == ours.get_config()
    assert [again(s) for s in range(12)] == [ours(s) for s in range(12)]


def test_names_are_numbered():
    clear_session()
    found = [optimizers.get(n).name for n in ("adam", "adam", "sgd", "adamw", "adamw")]
    assert found == ["adam", "adam_1", "sgd", "adam_w", "adam_w_1"]


def test_variables_show_and_set_the_state():
    optimizer = optimizers.Adam(0.005)
    assert [v.name for v in optimizer.variables] == ["iteration", "learning_rate"]
    assert optimizer.learning_rate.value == 0.005
    model = network()
    model.compile(optimizer, "mse")
    model.fit(X, Y, batch_size=8, epochs=2, verbose=0)
    variables = optimizer.variables
    assert len(variables) == 2 + 2 * 4
    assert variables[0] == 6
    assert variables[0].dtype == "int32"
    assert variables[2].path == "adam/dense_kernel_momentum".replace("adam", optimizer.name).replace(
        "dense", model.layers[0].name
    )
    assert np.any(variables[2].numpy())
    assert variables[2].shape == (3, 2)

    store: dict[str, np.ndarray] = {}
    optimizer.save_own_variables(store)
    other = optimizers.Adam()
    with pytest.raises(InputError, match="compile"):
        other.set_weights(variables)
    twin = foldnet.models.clone_model(model)
    twin.set_weights(model.get_weights())
    twin.compile(other, "mse")
    other.load_own_variables(store)
    assert other.iterations == 6
    assert other.learning_rate.value == 0.005
    for m in (model, twin):
        m.fit(X, Y, batch_size=24, verbose=0, shuffle=False)
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(InputError, match="shape"):
        other.variables[2].assign(np.zeros(3))
    with pytest.raises(InputError, match="variables"):
        other.set_weights(variables[:3])


def test_a_copy_has_variables_of_its_own():
    model = network()
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        twin.fit(X, Y, verbose=0)
        assert twin.optimizer.variables[0] == 2
        assert model.optimizer.variables[0] == 1
        assert not np.array_equal(twin.optimizer.variables[2], model.optimizer.variables[2])


def test_a_learning_rate_may_be_a_function():
    rates = []

    def rate():
        rates.append(0.1)
        return 0.1

    for given in (rate, lambda step: 0.1):
        optimizer, plain = optimizers.SGD(given), optimizers.SGD(0.1)
        model = network()
        twin = foldnet.models.clone_model(model)
        twin.set_weights(model.get_weights())
        for m, o in ((model, optimizer), (twin, plain)):
            m.compile(o, "mse")
            m.fit(X, Y, batch_size=8, shuffle=False, verbose=0)
        for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    assert rates
    optimizer = optimizers.Adam(0.001)
    optimizer.learning_rate = optimizers.schedules.PolynomialDecay(0.5, 4)
    assert len(optimizer.variables) == 1
    assert optimizer.learning_rate == 0.5
    with pytest.raises(TypeError, match="schedule"):
        optimizer.learning_rate = 0.1


@pytest.mark.parametrize(
    ("kwargs", "says"),
    [
        ({"lr": 0.1}, "learning_rate"),
        ({"beta1": 0.1}, "beta_1"),
        ({"learning_rate": "fast"}, "number"),
        ({"learning_rate": np.nan}, "number"),
        ({"learning_rate": [0.1, 0.2]}, "number"),
        ({"clipnorm": "x"}, "clipnorm"),
        ({"clipvalue": -1.0}, "positive"),
        ({"weight_decay": "much"}, "weight_decay"),
        ({"use_ema": True, "ema_momentum": "x"}, "ema_momentum"),
        ({"use_ema": True, "ema_overwrite_frequency": 0}, "ema_overwrite_frequency"),
        ({"gradient_accumulation_steps": "two"}, "gradient_accumulation_steps"),
        ({"beta_1": "x"}, "beta_1"),
        ({"amsgrad": "no"}, "amsgrad"),
        ({"epsilon": None}, "epsilon"),
    ],
)
def test_settings_that_cannot_be_are_refused(kwargs, says):
    with pytest.raises(ConfigError, match=says):
        network().compile(optimizers.Adam(**kwargs), "mse")


@pytest.mark.parametrize(
    "identifier",
    ["adm", "", 3, ["adam"], {"class_name": ["Adam"]}, {"class_name": "Adam", "config": {"lr": 1}}],
)
def test_unknown_optimizers_are_refused(identifier):
    with pytest.raises(ConfigError):
        optimizers.get(identifier)
    with pytest.raises(ConfigError):
        network().compile(identifier, "mse")


def test_none_is_none_and_only_evaluates(tmp_path):
    assert optimizers.get(None) is None
    model = network()
    model.compile(None, "mse")
    loss = model.evaluate(X, Y, verbose=0)
    assert loss == pytest.approx(float(np.mean((model.predict(X) - Y) ** 2)), rel=1e-5)
    assert model.optimizer is None
    with pytest.raises(ConfigError, match="without an optimizer"):
        model.fit(X, Y)
    with pytest.raises(ConfigError, match="without an optimizer"):
        model.train_on_batch(X, Y)
    model.save(tmp_path / "m.keras")
    assert foldnet.load_model(tmp_path / "m.keras").evaluate(X, Y, verbose=0) == loss
    model.save(tmp_path / "m.h5")
    np.testing.assert_array_equal(foldnet.load_model(tmp_path / "m.h5").predict(X), model.predict(X))


def _with_optimizer(path, change):
    """The compile settings of a .h5 with another record of the optimizer."""
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["training_config"])
        change(config["optimizer_config"])
        file.attrs["training_config"] = json.dumps(config)
        if "optimizer" in file:
            del file["optimizer"]


def test_decay_of_keras_2_is_inverse_time_decay(tmp_path):
    model = network()
    model.compile(optimizers.SGD(0.1), "mse")
    model.save(tmp_path / "m.h5")
    _with_optimizer(tmp_path / "m.h5", lambda o: o["config"].update(decay=0.25))
    loaded = foldnet.load_model(tmp_path / "m.h5")
    assert loaded.evaluate(X, Y, verbose=0) == pytest.approx(model.evaluate(X, Y, verbose=0))
    rates = [float(loaded.optimizer._learning_rate(step)) for step in range(4)]
    assert rates == pytest.approx([0.1 / (1 + 0.25 * step) for step in range(4)])
    model.compile(optimizers.SGD(optimizers.schedules.InverseTimeDecay(0.1, 1, 0.25)), "mse")
    for m in (model, loaded):
        m.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    loaded.save(tmp_path / "n.keras")
    assert foldnet.load_model(tmp_path / "n.keras").optimizer.iterations == 6


@pytest.mark.parametrize("ending", [".h5", ".keras"])
def test_evaluating_and_saving_need_no_optimizer(ending, tmp_path):
    model = network()
    model.compile("sgd", "mse", metrics=["mae"])
    model.save(tmp_path / "m.h5")
    _with_optimizer(tmp_path / "m.h5", lambda o: o.update(class_name="MyOwn"))
    loaded = foldnet.load_model(tmp_path / "m.h5")
    assert loaded.evaluate(X, Y, verbose=0) == pytest.approx(model.evaluate(X, Y, verbose=0))
    loaded.save(tmp_path / f"n{ending}")
    again = foldnet.load_model(tmp_path / f"n{ending}")
    assert again.evaluate(X, Y, verbose=0) == pytest.approx(model.evaluate(X, Y, verbose=0))
    with pytest.raises(FoldnetError, match="MyOwn"):
        again.fit(X, Y, verbose=0)
