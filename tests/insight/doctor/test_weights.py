"""Sample weights: a row of weight 2 counts as two rows do, and a row of weight 0 as none."""

import numpy as np
import pytest

import foldnet as fn
from foldnet import Model, Sequential, layers, optimizers
from foldnet.errors import ConfigError, InputError
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.run import examine
from foldnet.insight.doctor.simple_fits import STRENGTHS, left_out, ranking
from foldnet.insight.doctor.weights import Weights, mean_one
from foldnet.utils import set_random_seed
from tests.insight.doctor.doctor_cases import CASES
from tests.insight.doctor.doctor_labels import FREE, NUMBERS, given
from tests.insight.doctor.doctor_networks import D, N, rows
from tests.insight.doctor.doctor_rows import codes, with_rows

R = np.random.default_rng(11)
TIMES = R.integers(1, 4, 40)
CODES = R.integers(0, 3, 40)
TASKS = {
    "numbers": (2, None, "mae", R.normal(size=(40, 2))),
    "two classes": (1, "sigmoid", "binary_crossentropy", CODES > 0),
    "classes": (3, "softmax", "sparse_categorical_crossentropy", CODES),
    "labels": (3, "sigmoid", "binary_crossentropy", R.integers(0, 2, (40, 3))),
}


@pytest.mark.parametrize("kind", TASKS)
def test_a_row_counts_as_often_as_its_weight_says(kind):
    """Every score, and what constants and fits have, as of rows that are there so often."""
    units, activation, loss, y = TASKS[kind]
    model = Sequential([layers.Input((5,)), D(units, activation=activation)])
    model.compile("sgd", loss)
    model.layers[0].set_weights([R.normal(size=(5, units)), np.zeros(units)])
    x = rows(40)
    weighted = Context(model, x, y, sample_weight=TIMES)
    repeated = Context(model, np.repeat(x, TIMES, axis=0), np.repeat(y, TIMES, axis=0))
    assert weighted.measured.loss() == pytest.approx(repeated.measured.loss())
    guess = {
        context: context.task.predicted(context.measured.outputs()[0]) for context in (weighted, repeated)
    }
    for made in (
        lambda context: context.task.score(guess[context]).value,
        lambda context: context.task.score(guess[context]).constant,
        lambda context: context.task.gain(context.task.targets, guess[context])[0],
        lambda context: np.ravel(context.task.constant_answer()),
        lambda context: context.task.balanced(guess[context]) if kind != "numbers" else 0,
        lambda context: context.task.distance(guess[context]),
        lambda context: context.task.mean(context.task.targets),
    ):
        assert made(weighted) == pytest.approx(made(repeated))
    assert weighted.task.samples_of_equal_weight == pytest.approx(TIMES.sum() ** 2 / (TIMES**2).sum())


def test_ranks_of_pairs_count_by_their_weights():
    values, positive = R.integers(0, 6, 40).astype(float), R.random(40) < 0.4
    weighted = ranking(values, positive, mean_one(TIMES.astype(float)))[0]
    repeated = ranking(np.repeat(values, TIMES), np.repeat(positive, TIMES))[0]
    assert weighted == pytest.approx(repeated)


def test_each_row_is_predicted_by_a_weighted_regression_without_itself():
    x, weights = R.normal(size=(40, 6)), mean_one(R.uniform(0.1, 5, 40))
    y = x[:, :1] * 2 + R.normal(size=(40, 1)) + 3
    found, best, wanted = left_out(x, y, weights), np.inf, None
    for strength in STRENGTHS:
        guess = np.zeros_like(y)
        for k in range(40):
            kept = np.arange(40) != k
            w = weights[kept]
            mean, middle = np.average(x[kept], axis=0, weights=w), np.average(y[kept], axis=0, weights=w)
            a = x[kept] - mean
            matrix = (a * w[:, None]).T @ a + strength * 40 * np.eye(6)
            guess[k] = middle + (x[k] - mean) @ np.linalg.solve(
                matrix, a.T @ (w[:, None] * (y[kept] - middle))
            )
        if (error := (weights[:, None] * (guess - y) ** 2).sum()) < best:
            best, wanted = error, guess
    np.testing.assert_allclose(found, wanted, atol=1e-8)


def between(rows, others):
    """After each row another."""
    return np.stack([rows, others], axis=1).reshape(-1, *rows.shape[1:])


@pytest.mark.parametrize("check", CASES)
def test_rows_of_weight_0_change_no_finding(check):
    """Every network of the checks, with as many rows again that do not count: other targets, and where no
    normalization has seen the rows other values, too."""
    for make, _ in CASES[check]:
        made = make()
        context = made if isinstance(made, Context) else Context(made)
        x, y = with_rows(context), context.targets
        if x is None or (y is not None and len(y) != len(x)):
            continue
        more = x if context.normalizations else x[::-1] if codes(context) else x * 3 + 50
        others = {
            "steps": context.steps,
            "candidate": context.candidate,
            "validation_data": context.validation_data,
        }
        others["history"] = context.history or {"loss": [1.0]}
        counted = Context(context.network, x, y, **others)
        whole = Context(
            context.network, between(x, more), None if y is None else between(y, y * 0 + 7), **others,
            sample_weight=np.tile([2.0, 0.0], len(x)),
        )  # fmt: skip
        found = [[(f.check, f.severity, f.layers) for f in examine(c)] for c in (counted, whole)]
        assert found[0] == found[1]


def trained(x, y, **weights):
    set_random_seed(3)
    model = Sequential([layers.Input((5,)), N(momentum=0.5), D(16, activation="relu"), D(1)])
    model.compile(optimizers.SGD(0.05), "mse")
    model.fit(x, y, epochs=40, verbose=0, **weights)
    return model


def grave(report):
    return [(f.check, f.severity) for f in report if f.severity != "note"]


def test_a_network_that_was_trained_with_weights_is_judged_with_them():
    """Half of the rows have targets of the wrong sign, and values of their own, which only the normalization saw."""
    x = rows(600, 5, seed=1) * np.array([0.5, 1, 2, 0.7, 1.5], np.float32)
    x[300:] += np.array([0.7, -0.4, 1.5, 0.2, -0.9], np.float32)
    y = x @ R.normal(size=(5, 1))
    y[300:] *= -3
    weights = np.repeat([1.0, 0.0], 300)
    model = trained(x, y, sample_weight=weights)
    assert ("learns-less-than-a-simple-fit", "error") in grave(fn.doctor(model, x, y))
    assert grave(fn.doctor(model, x, y, sample_weight=weights)) == []
    assert grave(fn.doctor(model, x, y, sample_weight=list(weights[:, None]))) == []
    drift = Context(model, x, y, sample_weight=weights).measured.drifts
    whole = Context(model, x, y).measured.drifts
    for path in whole:
        np.testing.assert_allclose(drift[path].mean, whole[path].mean)


def test_class_weights_are_those_of_fit():
    x, table = rows(400, 5, seed=2), {0: 0.1, 1: 10.0}
    y = (x[:, 0] + rows(400, 1, seed=3)[:, 0] > 1.5).astype(int)
    model = Sequential([layers.Input((5,)), D(1, activation="sigmoid")])
    model.compile("sgd", "binary_crossentropy")
    model.fit(x, y, epochs=3, class_weight=table, verbose=0)
    weights = np.where(y > 0, 10.0, 0.1)
    both = [fn.doctor(model, x, y, class_weight=table), fn.doctor(model, x, y, sample_weight=weights)]
    evidence = [[f.to_dict() for f in report] for report in both]
    assert evidence[0] == evidence[1]
    hot = Context(model, x, np.eye(2)[y], class_weight=table)
    np.testing.assert_allclose(hot.weights.values, weights, rtol=1e-6)


def test_weights_of_steps():
    x, y = rows(60, 8).reshape(60, 4, 2), rows(60, 4, seed=5)[..., None]
    weights = (R.random((60, 4)) > 0.5).astype(float)
    weights[:5] = 0
    model = Sequential([layers.Input((4, 2)), layers.SimpleRNN(3, return_sequences=True), D(1)])
    model.compile("sgd", "mse")
    context = Context(model, x, y, sample_weight=weights)
    assert context.measured.rows == int((weights.sum(axis=1) > 0).sum())
    assert context.task.rows == int(weights.sum())
    squares = (model.predict(x, verbose=0) - y)[..., 0] ** 2
    assert context.measured.loss() == pytest.approx((squares * weights).sum() / weights.sum(), rel=1e-5)
    whole = Context(model, x, y, sample_weight=weights.any(axis=1)[:, None])
    assert whole.task.rows == 4 * int(weights.any(axis=1).sum())


def test_rows_of_several_outputs_count_where_any_output_has_them():
    x = layers.Input((5,))
    two = Model(x, {"a": D(1, name="a")(x), "b": D(1, name="b")(x)})
    first, second = np.repeat([1.0, 0.0, 0.0], 20), np.repeat([0.0, 1.0, 0.0], 20)
    y = {"a": NUMBERS, "b": NUMBERS}
    for weights, count in (({"a": first, "b": second}, 40), (first, 20), ({"a": first, "b": None}, 60)):
        assert Context(two, rows(60), y, sample_weight=weights).measured.rows == count


def test_weights_are_compared_with_what_fit_reported():
    """The loss of the last epoch is that of the rows now, with weights and class weights, also of a held out part."""
    from foldnet.insight.doctor.checks.overfit import _losses, _reported

    x, y = rows(200, 5, seed=7), (rows(200, 1, seed=8)[:, 0] > 0).astype(int)
    weights = R.integers(0, 3, 200).astype(float)
    for given_ in ({"sample_weight": weights}, {"class_weight": {0: 3.0, 1: 0.5}}, {}):
        model = Sequential([layers.Input((5,)), D(1, activation="sigmoid")])
        model.compile(optimizers.SGD(0.0), "binary_crossentropy")
        history = model.fit(x, y, batch_size=200, validation_split=0.25, verbose=0, **given_).history
        context = Context(model, x, y, **given_)
        losses = _losses(context)
        assert _reported(context, losses, 150) == pytest.approx(history["val_loss"][0], rel=1e-5)
        whole = model.fit(x, y, batch_size=200, verbose=0, **given_).history["loss"][0]
        assert _reported(context, losses) == pytest.approx(whole, rel=1e-5)


def test_nan_in_a_row_that_does_not_count_is_named_only_as_a_cause():
    context = given(1, FREE, "mse", NUMBERS)
    x = np.array(context.x)
    x[-1] = np.nan
    weights = np.ones(60)
    assert (
        fn.doctor(context.network, x, NUMBERS, sample_weight=weights, checks="not-finite")[0].severity
        == "warning"
    )
    weights[-1] = 0
    assert not len(fn.doctor(context.network, x, NUMBERS, sample_weight=weights, checks="not-finite"))
    weights[:-1], weights[-1] = 0, 1
    (found,) = fn.doctor(context.network, x, NUMBERS, sample_weight=weights, checks="not-finite")
    assert found.message.startswith("Every row of the data with a weight above 0 holds NaN")


@pytest.mark.parametrize(
    ("weights", "said"),
    [({"sample_weight": np.ones(7)}, r"\(7,\), expected \(60,\)"), ({"sample_weight": "heavy"}, "not numbers"),
     ({"sample_weight": np.full(60, np.nan)}, "60 of 60 are not"),
     ({"sample_weight": -np.ones(60)}, "first is -1 in row 0"),
     ({"sample_weight": np.full(60, np.inf)}, "finite"), ({"sample_weight": np.zeros(60)}, "0 in every row"),
     ({"sample_weight": {"nope": np.ones(60)}}, "must have the entry"), ({"class_weight": {0: -1.0}}, "0 or more"),
     ({"class_weight": {0: 1.0}, "y": None}, "give y"), ({"sample_weight": np.ones(60), "x": None}, "give x"),
     ({"class_weight": {0: 0.0, 1: 0.0, 2: 0.0}, "y": np.zeros(60)}, "0 in every row"),
     ({"class_weight": {0: 1.0}, "y": np.full(60, np.nan)}, "one class each")],
)  # fmt: skip
def test_weights_that_do_not_fit_are_refused(weights, said):
    x, y = weights.pop("x", rows(60)), weights.pop("y", NUMBERS)
    with pytest.raises(InputError, match=said):
        fn.doctor(given(1, FREE, "mse", NUMBERS).network, x, y, **weights)


def test_both_kinds_of_weights_are_refused():
    with pytest.raises(ConfigError, match="not both"):
        fn.doctor(
            given(1, FREE, "mse", NUMBERS).network,
            rows(60),
            NUMBERS,
            sample_weight=np.ones(60),
            class_weight={0: 1},
        )


def test_a_row_counts_as_much_as_its_positions_on_average():
    weights = Weights(np.array([[0.0, 1.0, 5.0], [0.0, 0.0, 0.0]]))
    assert weights.by_row.tolist() == [2.0, 0.0]
    assert weights.counts.tolist() == [True, False]
