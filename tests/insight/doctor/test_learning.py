"""Fits in closed form against the long way, and what a doctor with data costs."""

import time

import numpy as np
import pytest

from foldnet import Model, Sequential, layers, optimizers
from foldnet.insight.doctor import judgement, measure, simple_fits
from foldnet.insight.doctor.checks.rates import rate_of
from foldnet.insight.doctor.comparison import learned
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.measure import Measurement
from foldnet.insight.doctor.run import examine
from foldnet.insight.doctor.simple_fits import (
    MOST_COLUMNS,
    STRENGTHS,
    input_columns,
    left_out,
    ranking,
    with_bends,
)
from tests.insight.doctor import doctor_learning as made
from tests.insight.doctor.doctor_networks import D, N, filled, functional, rows, stack

R = np.random.default_rng(5)
OURS = ["learns-less-than-a-simple-fit", "training-not-finished", "learning-rate"]


@pytest.mark.parametrize(("count", "width"), [(40, 7), (12, 30)])
def test_each_row_is_predicted_without_itself(count, width, monkeypatch):
    """Against a regression for each row that was left out, the best strength for each column."""
    if width > count:  # with less, the row itself decides, and its prediction is the mean
        monkeypatch.setattr(simple_fits, "STRENGTHS", STRENGTHS[-4:])
    x, y = R.normal(size=(count, width)), R.normal(size=(count, 3)) + 4
    y[:, 0] += 2 * x[:, 0]
    found = left_out(x, y)
    best, wanted = np.full(3, np.inf), np.zeros_like(y)
    for strength in simple_fits.STRENGTHS:
        guess = np.zeros_like(y)
        for k in range(count):
            kept = np.arange(count) != k
            mean, middle = x[kept].mean(axis=0), y[kept].mean(axis=0)
            a = x[kept] - mean
            weights = np.linalg.solve(a.T @ a + strength * count * np.eye(width), a.T @ (y[kept] - middle))
            guess[k] = middle + (x[k] - mean) @ weights
        error = ((guess - y) ** 2).sum(axis=0)
        wanted[:, error < best] = guess[:, error < best]
        best = np.minimum(best, error)
    np.testing.assert_allclose(found, wanted, atol=1e-8)


def test_a_row_that_decides_its_own_prediction_is_predicted_by_the_mean():
    x = np.zeros((20, 1))
    x[3] = 1.0
    y = R.normal(size=(20, 1))
    y[3] = 50
    assert abs(left_out(x, y)[3, 0] - y.mean()) < abs(50 - y.mean()) / 2


def test_the_ranking_is_the_share_of_pairs():
    values, positive = R.integers(0, 6, 60).astype(float), R.random(60) < 0.3
    pairs = values[positive][:, None] - values[~positive]
    assert ranking(values, positive)[0] == pytest.approx((pairs > 0).mean() + 0.5 * (pairs == 0).mean())
    many = [ranking(R.normal(size=60), positive) for _ in range(400)]
    assert np.std([share for share, _ in many]) == pytest.approx(many[0][1], rel=0.15)


def codes(shape):
    return R.integers(0, 9, (50, *shape)).astype(np.int32)


def columns_of(model, x, y):
    context = Context(model, x, y, steps=100)
    return input_columns(context, context.task)


def test_columns_of_all_kinds_of_inputs():
    """Every kind gives columns of mean 0 and deviation 1, a row for each sample or step, and never too many."""
    y, flat = R.normal(size=(50, 1)), rows(50, 3000)
    a, b = layers.Input((4,)), layers.Input((6,), dtype="int32")
    embedded = layers.Flatten()(layers.Embedding(9, 3)(b))
    both = Model([a, b], D(1)(layers.Concatenate()([a, embedded])))
    tags = functional((7, 2), lambda x: D(2)(layers.LSTM(3, return_sequences=True)(x)))
    for model, x, targets, width in [
        (stack(D(1), shape=(4,)), rows(50, 4), y, 4),
        (stack(D(1), shape=(3000,)), flat, y, MOST_COLUMNS),
        (stack(layers.Flatten(), D(1), shape=(32, 32, 3)), rows(50, 3072).reshape(50, 32, 32, 3), y, 192),
        (stack(layers.Flatten(), D(1), shape=(300, 3)), rows(50, 900).reshape(50, 300, 3), y, 225),
        (both, [rows(50, 4), codes((6,))], y, 13),
        (tags, rows(50, 14).reshape(50, 7, 2), R.normal(size=(50, 7, 2)), 2),
    ]:
        found = columns_of(model, x, targets)
        assert found.shape == (targets.size // targets.shape[-1], width)
        np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-2)
        np.testing.assert_allclose(found.std(axis=0), 1, atol=1e-2)
    x = rows(50, 4)
    x[:, 2] = 3
    assert columns_of(stack(D(1), shape=(4,)), x, y).shape == (50, 3)
    np.testing.assert_array_equal(with_bends(x), with_bends(x))


def test_means_of_neighbours_keep_what_varies_slowly():
    x = np.repeat(np.repeat(rows(50, 16).reshape(50, 4, 4, 1), 8, axis=1), 8, axis=2)
    found = columns_of(stack(layers.Flatten(), D(1), shape=(32, 32, 1)), x, R.normal(size=(50, 1)))
    wanted = np.repeat(np.repeat(x[:, ::8, ::8], 4, axis=1), 4, axis=2).reshape(50, -1).astype(np.float64)
    np.testing.assert_allclose(found, (wanted - wanted.mean(axis=0)) / wanted.std(axis=0), atol=1e-6)


def test_others_are_told_whether_the_network_learned_its_task():
    assert learned(made.learned(1)) is True
    assert learned(made.learned(0.3)) is False
    assert learned(made.rare(0)) is False
    many = filled(Sequential([layers.Input((3,)), D(6, activation="relu"), D(100, activation="softmax")]))
    assert learned(Context(many, made.X, np.arange(400) % 100, steps=9)) is None
    for unknown in (made.few(1), made.copying(0.2), made.compiled(0.1), made.learned(0, steps=0)):
        assert learned(unknown) is None


def test_class_weights_are_no_fault():
    """They cost accuracy, and rare classes are found."""
    network = made.through_bends(made.W * 6, "sigmoid", bias=-5.5)
    weighted = made.Context(network, made.X, made.RARE, steps=1000)
    assert weighted.comparison.gain > 0.05
    assert learned(weighted) is True


def test_a_ranking_by_chance_is_told_as_one():
    (found,) = examine(made.rare(0), ["learns-less-than-a-simple-fit"])
    assert "(AUC 0.50)" in found.message
    assert found.evidence["fit_AUC"] > 0.95
    (found,) = examine(made.learned(0), ["learns-less-than-a-simple-fit"])
    assert "(R2 0.00)" in found.message


def test_far_targets_that_a_network_leaves_alone_are_no_fault():
    """A third of them far away: R2 is better with a compromise, the mean distance without."""
    y = made.Y.copy()
    y[::3] += 9 * made.X[::3, :1]
    found = made.learned(1, y=y)
    assert found.comparison.gain > max(0.1, 3 * found.comparison.error)
    assert learned(found) is True


def test_the_loss_that_a_network_was_trained_for_counts():
    """Logarithms: small targets are right, and the large ones, which make R2 and the mean distance, are not."""
    y = np.exp(2 * made.X[:, :1])
    network = made.through_bends(np.array([[1.4], [0], [0]]), "exponential")
    assert learned(made.Context(network, made.X, y, steps=1000)) is False
    network.compile("adam", "msle")
    assert learned(made.Context(network, made.X, y, steps=1000)) is True


def test_few_rows_of_which_a_rare_class_is_found():
    """No better than a constant by accuracy, and yet not one."""
    x = np.zeros((8, 3), np.float32)
    x[:, 0] = 1, 1, 1, 1, 1, 1, -1, -1
    y = np.array([1, 1, 1, 0, 0, 0, 0, 0])
    for weight, count in ((1.0, 0), (0.0, 1)):
        network = made.through_bends(made.W * weight, "sigmoid")
        assert len(examine(made.Context(network, x, y, steps=1000), OURS)) == count


def test_an_output_that_overflows_on_a_row_is_another_checks():
    x = made.X.copy()
    x[0] = 1000
    assert (
        len(examine(made.Context(made.through_bends(made.W, "exponential"), x, made.Y, steps=1000), OURS))
        == 0
    )


def test_only_optimizers_with_steps_of_a_known_size_are_said_not_to_have_moved():
    for made_by, key in ((optimizers.Adam, "largest_movement"), (optimizers.SGD, "inputs")):
        sick = made.compiled(1e-5, made_by, share=0.5, steps=100)
        (found,) = examine(sick, ["training-not-finished"])
        assert key in found.evidence


schedules = optimizers.schedules


@pytest.mark.parametrize(
    ("rate", "largest"),
    [
        (schedules.PiecewiseConstantDecay([500, 2000], [0.1, 3.0, 9.0]), 3.0),
        (schedules.CosineDecay(0.0, 5000, warmup_target=2.0, warmup_steps=500), 2.0),
        (0.25, 0.25),
    ],
)
def test_of_a_schedule_the_largest_rate_so_far_counts(rate, largest):
    assert rate_of(made.compiled(rate)).value == pytest.approx(largest, rel=0.05)


def test_learning_rates_of_files():
    decay = {"initial_learning_rate": 2.0, "decay_steps": 10, "decay_rate": 0.5}
    odd = {"initial_learning_rate": "a", "decay_steps": 0, "decay_rate": "b"}
    for config, wanted in [
        ({"optimizer": "adam"}, ("Adam", 0.001)),
        ({"optimizer": {"class_name": "SGD", "config": {"learning_rate": 0.5}}}, ("SGD", 0.5)),
        ({"optimizer_config": {"class_name": "RMSprop", "config": {"lr": 3.0}}}, ("RMSprop", 3.0)),
        ({"optimizer": {"class_name": "Mine", "config": {"learning_rate": 2.0}}}, ("Mine", 2.0)),
        (
            {"optimizer": {"class_name": "Adam", "config": {
                "learning_rate": {"class_name": "ExponentialDecay", "config": decay}}}},
            ("Adam", 2.0),
        ),
        (
            {"optimizer": {"class_name": "Adam", "config": {
                "learning_rate": {"class_name": "ExponentialDecay", "config": odd}}}},
            None,
        ),
        ({"optimizer": {"class_name": "Adam", "config": {"learning_rate": "x"}}}, None),
        ({"optimizer": {"class_name": "Adam", "config": {"learning_rate": {"class_name": "Mine"}}}}, None),
        ({"optimizer": None}, None), ({"optimizer": []}, None), ({"optimizer": 5}, None), ({}, None),
    ]:  # fmt: skip
        model = made.through_bends(made.W)
        model.compile_config = config
        found = rate_of(Context(model))
        assert (None if found is None else (found.optimizer, pytest.approx(found.value))) == wanted, config


ODD = {
    "strings": ["a"] * 40, "NaN": np.full(40, np.nan), "one infinite": np.where(np.arange(40) < 1, np.inf, 2.0),
    "none": [None] * 40, "all the same": np.ones(40), "nothing": [], "a number": 1.0, "too few": [1.0],
    "another rank": np.zeros((40, 2, 2)), "huge": rows(40, 1).astype(np.float64) * 1e200,
    "dates": np.full(40, "2020", "M8[Y]"),
    "many classes": np.arange(40), "one-hot": np.eye(3)[np.arange(40) % 3], "tiny": rows(40, 1) * 1e-30,
}  # fmt: skip
ENDS = [(1, None, "mse"), (3, "softmax", "sparse_categorical_crossentropy"), (1, "sigmoid", "binary_crossentropy"),
        (1, "exponential", "poisson"), (1, None, "mape")]  # fmt: skip


@pytest.mark.parametrize(("units", "activation", "loss"), ENDS)
def test_odd_targets_and_rows_are_no_error(units, activation, loss):
    model = stack(D(6, activation="relu"), D(units, activation=activation), shape=(4,))
    model.compile("adam", loss)
    x = rows(40, 4)
    with_nan = np.where(np.arange(40)[:, None] == 3, np.float32("nan"), x)
    for y in ODD.values():
        for few in (40, 1, 5):
            examine(Context(model, x[:few], y[:few] if len(np.shape(y)) else y, steps=9), OURS)
        examine(Context(model, with_nan, y, steps=9), OURS)
    for odd in (np.zeros_like(x), x * np.float32(1e30)):
        examine(Context(model, odd, x[:, 0], steps=9), OURS)


def test_outputs_that_are_not_finite_are_another_checks():
    for value in (np.nan, np.inf):
        sick = made.learned(1)
        sick.network.layers[-1].set_weight("kernel", np.full((6, 1), value))
        assert len(examine(sick, OURS)) == 0


# -- what it costs ------------------------------------------------------------------------------------------


def lenet():
    return Sequential([
        layers.Input((28, 28, 1)),
        layers.Conv2D(6, 5, padding="same", activation="relu"), layers.MaxPooling2D(),
        layers.Conv2D(16, 5, activation="relu"), layers.MaxPooling2D(), layers.Flatten(),
        D(120, activation="relu"), D(84, activation="relu"), D(10, activation="softmax"),
    ])  # fmt: skip


def wide():
    return Sequential([
        layers.Input((784,)), D(512, activation="relu"), D(512, activation="relu"), D(10, activation="softmax"),
    ])  # fmt: skip


@pytest.mark.parametrize(("build", "least"), [(wide, 8192), (lenet, 1500)])
def test_ten_thousand_rows_take_seconds(build, least, monkeypatch):
    """Processor time with a wide margin, and the network is computed once."""
    model = filled(build())
    x = R.normal(size=(10_000, *model.inputs[0].shape[1:])).astype(np.float32)
    times = []
    run = Measurement._run

    def counted(self, *arguments):
        times.append(self.rows)
        return run(self, *arguments)

    monkeypatch.setattr(Measurement, "_run", counted)
    began = time.process_time()
    report = examine(Context(model, x, R.integers(0, 10, 10_000), steps=100))
    assert time.process_time() - began < 12
    assert set(OURS[:2]) <= set(report.checks)
    assert len(times) == 1
    assert least <= times[0] <= 8192


def test_with_normalizations_the_network_is_computed_once_more_with_other_statistics(monkeypatch):
    model, times = stack(D(8), N(), layers.ReLU(), D(1)), []
    run = Measurement._run
    monkeypatch.setattr(Measurement, "_run", lambda self, *rest: (times.append(1), run(self, *rest))[1])
    began = time.process_time()
    examine(Context(model, rows(), rows(400, 1), steps=100))
    assert time.process_time() - began < 2
    assert len(times) <= 4


def test_large_networks_are_computed_on_fewer_rows(monkeypatch):
    monkeypatch.setattr(measure, "MOST_VALUES", 2000)
    model, x = stack(D(8, activation="relu"), D(1)), rows(400)
    assert Context(model, x).measured.rows == 2000 // (1 + 8 + 8 + 1)
    monkeypatch.setattr(measure, "MOST_VALUES", 400)
    assert Context(model, x).measured.rows == measure.ENOUGH_ROWS
    monkeypatch.setattr(measure, "MOST_VALUES", 18 * (measure.ENOUGH_ROWS // measure.LONGER) - 1)
    assert (
        Context(model, x).measured.rows == measure.FEW_ROWS
    )  # more, and still not enough, would help no check
    monkeypatch.setattr(measure, "MOST_WORK", 100)
    assert Context(model, x).measured.rows == measure.FEW_ROWS


def test_many_normalizations_are_corrected_together(monkeypatch):
    deep = [part for _ in range(judgement.TOGETHER + 1) for part in (D(4), N())]
    for parts, most in ((deep, 2), (deep[:6], 5)):
        model, times = stack(*parts, D(1)), []
        run = Measurement._run
        monkeypatch.setattr(
            Measurement,
            "_run",
            lambda self, *rest, run=run, times=times: (times.append(1), run(self, *rest))[1],
        )
        report = examine(Context(model, rows() * 9 + 5, steps=20))
        assert {"statistics-not-converged", "statistics-differ-from-data"} & {
            f.check for f in report.findings
        }
        assert len(times) == most
