"""Metrics of a user's own: run in Python between the steps, or compiled where only the result is their own."""

import pickle

import keras
import numpy as np
import pytest

from foldnet import Input, Sequential, layers, losses, metrics, ops
from foldnet.errors import ConfigError
from foldnet.training import python_metrics
from foldnet.training.losses import CLASSES as LOSSES
from foldnet.training.metric_names import CLASSES as METRICS

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(50, 4)).astype(np.float32), RNG.integers(0, 2, (50, 1)).astype(np.float32)


pytestmark = pytest.mark.filterwarnings("ignore:.*runs in Python between the steps:RuntimeWarning")


class Positives(metrics.Metric):
    """Counts true positives, as Keras's guide has it."""

    def __init__(self, name="positives", **kwargs):
        super().__init__(name=name, **kwargs)
        self.found = self.add_weight(name="found", initializer="zeros")
        self.inner = metrics.Mean()

    def update_state(self, y_true, y_pred, sample_weight=None):
        hits = (y_true > 0) & (y_pred > 0.5)
        self.found.assign_add(hits.sum() if sample_weight is None else (hits[:, 0] * sample_weight).sum())

    def result(self):
        return self.found


class Doubled(metrics.Precision):
    def result(self):
        return 2 * super().result()


class Never(metrics.TruePositives):
    def reset_state(self):
        """Goes on counting."""


def trained(asked, **settings):
    model = Sequential(
        [Input((4,)), layers.Dense(8, activation="relu"), layers.Dropout(0.4), layers.Dense(1, "sigmoid")]
    )
    model.compile("sgd", "binary_crossentropy", metrics=asked, **settings)
    return model


def test_a_metric_in_python_sees_what_the_steps_see():
    python_metrics._warned.clear()
    with pytest.warns(RuntimeWarning, match="Positives: a metric with an update_state") as told:
        model = trained([Positives, metrics.TruePositives(), Doubled(), metrics.Precision()])
    assert told[0].filename == __file__
    found = model.fit(X, Y, epochs=3, batch_size=16, validation_data=(X, Y), verbose=0).history
    for part in ("", "val_"):
        assert found[f"{part}positives"] == found[f"{part}true_positives"]
        assert found[f"{part}doubled"] == pytest.approx([2 * v for v in found[f"{part}precision"]])
    judged = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert judged["positives"] == judged["true_positives"] == found["val_positives"][-1]


def test_weights_count_in_weighted_metrics():
    model = trained(None, weighted_metrics=[Positives(), metrics.TruePositives()])
    judged = model.evaluate(X, Y, sample_weight=np.full(50, 0.5), verbose=0, return_dict=True)
    assert judged["positives"] == judged["true_positives"]


def test_a_reset_of_ones_own_is_honoured():
    model = trained([Never(), metrics.TruePositives(name="plain")])
    found = model.fit(X, Y, epochs=2, verbose=0).history
    assert found["never"][1] == sum(found["plain"])


def test_a_metric_that_fails_is_named():
    class Broken(Positives):
        def update_state(self, y_true, y_pred, sample_weight=None):
            raise KeyError("nothing there")

    with pytest.raises(
        ConfigError, match=r"'positives' \(Broken\) fails on targets of shape \(32, 1\).*KeyError"
    ):
        trained([Broken()]).fit(X, Y, verbose=0)
    with pytest.raises(ConfigError, match=r"must call super\(\).__init__"):
        type("Bare", (metrics.Metric,), {"__init__": lambda self: self.add_weight(name="w")})()
    with pytest.raises(ConfigError, match="takes values"):
        trained([metrics.Mean()]).fit(X, Y, verbose=0)


def test_variables_are_found_as_in_keras():
    metric = Positives()
    assert [v.name for v in metric.variables] == ["found", "total", "count"]
    metric.more = {"a": [Positives(name="b")]}
    assert len(metric.variables) == 6
    metric.found.assign(3.0)
    metric.reset_state()
    assert float(metric.result()) == 0.0


def numpy_loss(y_true, y_pred):
    return np.mean(np.square(y_true - y_pred))


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (
            numpy_loss,
            r"in test_own_metrics.py, line \d+, at `return np.mean\(np.square\(y_true - y_pred\)\)`",
        ),
        (lambda y_true, y_pred: None, "returns nothing"),
        (lambda y_true, y_pred: y_pred if y_pred else y_true, "foldnet.ops.where"),
    ],
)
def test_code_of_another_library_is_named_with_its_line(own, said):
    for settings in ({"loss": own}, {"loss": "mse", "metrics": [own]}):
        model = Sequential([Input((4,)), layers.Dense(1)])
        model.compile("sgd", **settings)
        with pytest.raises(ConfigError, match=said):
            model.fit(X, Y, verbose=0)


def test_constants():
    model = trained([lambda y_true, y_pred: 3.0])
    assert model.evaluate(X, Y, verbose=0)[1] == 3.0
    model.compile("sgd", lambda y_true, y_pred: 1.0)
    with pytest.raises(ConfigError, match=r"gives the number 1\.0 for all outputs"):
        model.fit(X, Y, verbose=0)


class Cubed(losses.Loss):
    def call(self, y_true, y_pred):
        return ops.mean(ops.abs(y_true - y_pred) ** 3, axis=-1)


def test_a_loss_with_a_call():
    model = trained(None)
    model.compile("sgd", Cubed("named", reduction="sum"))
    on_arrays = Cubed(reduction="sum")(Y, model.predict(X, verbose=0))
    assert model.evaluate(X, Y, batch_size=50, verbose=0) == pytest.approx(
        50 * float(on_arrays) / 50, rel=1e-5
    )


AT = ("SensitivityAtSpecificity", "SpecificityAtSensitivity", "PrecisionAtRecall", "RecallAtPrecision")


@pytest.mark.parametrize(
    ("kind", "name"), [("losses", n) for n in LOSSES] + [("metrics", n) for n in METRICS]
)
def test_configurations_are_kerass(kind, name):
    theirs_of, ours_of = getattr(keras, kind), {"losses": losses, "metrics": metrics}[kind]
    arguments = (0.4,) if name in AT else ()
    theirs, ours = (
        getattr(theirs_of, name)(*arguments, name="own"),
        getattr(ours_of, name)(*arguments, name="own"),
    )
    assert ours.get_config() == theirs.get_config()
    assert type(ours).from_config(ours.get_config()).get_config() == ours.get_config()
    assert ours.dtype == theirs.dtype
    stored = ours_of.serialize(ours)
    assert stored == theirs_of.serialize(theirs) or name in ("Huber", "CosineSimilarity") or "Sparse" in name
    assert ours_of.deserialize(stored).get_config() == ours.get_config()
    again = pickle.loads(pickle.dumps(ours))
    assert type(again) is type(ours)
    assert again.get_config() == ours.get_config()


@pytest.mark.parametrize("module", ["losses", "metrics"])
def test_get(module):
    ours, theirs = {"losses": losses, "metrics": metrics}[module], getattr(keras, module)
    assert ours.get(None) is None
    assert type(ours.get("mse")).__name__ == type(theirs.get("mse")).__name__
    with pytest.raises(ValueError, match="did you mean 'poisson'"):
        ours.get("poison")
