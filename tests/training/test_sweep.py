"""sweep: every setting, seed and fold is a fit of its own, and the table says which is best."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold, ParameterGrid

from foldnet import Input, Model, Sequential, layers, optimizers, sweep
from foldnet.callbacks import EarlyStopping
from foldnet.errors import ConfigError
from foldnet.training.folds import folds_of
from foldnet.training.sweep_result import SweepResult, SweepRow
from foldnet.utils import set_random_seed

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4)).astype("f4")
Y = (X[:, :1] * X[:, 1:2] > 0).astype("f4")
WEIGHT = RNG.uniform(0.2, 2, 90)
GRID = {"units": [2, 7], "rate": [1e-6, 0.02]}


def build(units=3, rate=0.01):
    model = Sequential(
        [Input((4,)), layers.Dense(units, activation="relu"), layers.Dropout(0.1), layers.Dense(1)]
    )
    model.compile(optimizers.Adam(rate), "mse", metrics=["mae"])
    return model


@pytest.mark.parametrize("threads", [1, 3])
def test_each_fit_is_the_network_s_own(threads):
    folds = list(KFold(3, shuffle=True, random_state=1).split(X))
    result = sweep(
        build, GRID, X, Y, cv=KFold(3, shuffle=True, random_state=1), seeds=[5, 6], epochs=3, sample_weight=WEIGHT,
        threads=threads,
    )  # fmt: skip
    assert [row.settings for row in result] == [{"units": u, "rate": r} for u in (2, 7) for r in (1e-6, 0.02)]
    for row in result:
        scores, errors = [], []
        for seed in (5, 6):
            for train, test in folds:
                set_random_seed(seed)
                model = build(**row.settings)
                model.fit(X[train], Y[train], sample_weight=WEIGHT[train], epochs=3, verbose=0)
                loss, error = model.evaluate(X[test], Y[test], sample_weight=WEIGHT[test], verbose=0)
                scores.append(loss)
                errors.append(error)
        assert row.scores == scores
        assert row.score == pytest.approx(np.mean(scores))
        assert row.logs == pytest.approx({"loss": np.mean(scores), "mae": np.mean(errors)})
        assert row.seconds > 0
    assert result.best is min(result, key=lambda row: row.score)
    assert result.best.settings["rate"] == 0.02


def test_ways_to_say_settings_and_rows():
    usual = [row.scores for row in sweep(build, GRID, X, Y, cv=3, epochs=2)]
    ways = [
        sweep(build, list(ParameterGrid(GRID))[::-1], X, Y, cv=3, epochs=2),
        sweep(build, GRID | {"epochs": [2]}, pd.DataFrame(X), pd.DataFrame(Y), cv=3),
        sweep(build, GRID, X.tolist(), Y.tolist(), cv=3, epochs=2),
        sweep(lambda **given: build(**given), GRID, (X,), Y, cv=3, epochs=2),
    ]
    for number, result in enumerate(ways):
        found = {tuple(sorted(row.settings.items())): row.scores for row in result}
        for i, settings in enumerate({"units": u, "rate": r} for u in (2, 7) for r in (1e-6, 0.02)):
            settings |= {"epochs": 2} if number == 1 else {}
            assert found[tuple(sorted(settings.items()))] == usual[i], number
    one = {"units": [7]}
    last = sweep(build, one, X, Y, validation_split=0.2, epochs=2)[0].scores
    assert last == sweep(build, one, X[:72], Y[:72], validation_data=(X[72:], Y[72:]), epochs=2)[0].scores
    assert last == sweep(build, one, X, Y, cv=[(range(72), range(72, 90))], epochs=2)[0].scores
    assert last != sweep(build, one, X, Y, cv=[(range(18, 90), range(18))], epochs=2)[0].scores


def test_every_fold_is_judged_once_by_rows_that_were_not_seen():
    for train, held in folds_of(X, Y, WEIGHT, 4, 0.0, None):
        assert len(train["x"]) in (67, 68)
        both = np.concatenate([train["x"], held["x"]])
        np.testing.assert_array_equal(both[np.lexsort(both.T)], X[np.lexsort(X.T)])
        rows = [int(np.flatnonzero((row == X).all(1))[0]) for row in held["x"]]
        np.testing.assert_array_equal(held["y"], Y[rows])
        np.testing.assert_array_equal(held["sample_weight"], WEIGHT[rows])
    seen = []

    def folds():
        for train, test in KFold(4).split(X):
            seen.append((train, test))
            yield train, test

    result = sweep(build, {"units": [2]}, X, Y, cv=folds(), epochs=1)
    assert len(result[0].scores) == len(seen) == 4
    shuffled = sweep(build, {"units": [2]}, X, Y, cv=4, epochs=1)
    assert shuffled[0].scores != result[0].scores


def test_callbacks_see_the_rows_to_judge_by_and_are_made_for_each_fit():
    made = []

    def callbacks():
        made.append(EarlyStopping("val_mae", patience=1, restore_best_weights=True))
        return made[-1:]

    result = sweep(build, {"rate": [0.5, 0.01]}, X, Y, cv=2, epochs=30, callbacks=callbacks)
    assert len(made) == 4
    assert all(c.stopped_epoch > 0 or c.best < np.inf for c in made)
    best = [float(c.best) for c in made]
    found = [row.logs["mae"] * 2 for row in result]
    assert sum(best) == pytest.approx(sum(found), rel=1e-5)


def test_the_best_is_by_what_a_metric_means():
    def classifier(rate):
        model = Sequential(
            [Input((4,)), layers.Dense(16, activation="relu"), layers.Dense(1, activation="sigmoid")]
        )
        model.compile(optimizers.Adam(rate), "binary_crossentropy", metrics=["accuracy"])
        return model

    result = sweep(classifier, {"rate": [1e-7, 0.05]}, X, Y, cv=3, epochs=20, score="accuracy")
    assert result.best.settings["rate"] == 0.05
    assert result.ranked()[0].score > result.ranked()[1].score
    other = sweep(classifier, {"rate": [1e-7, 0.05]}, X, Y, cv=3, epochs=20, score="accuracy", mode="min")
    assert other.best.settings["rate"] == 1e-7


def test_several_inputs():
    def two(units):
        a, b = Input((1,), name="a"), Input((3,), name="b")
        model = Model([a, b], layers.Dense(1)(layers.Dense(units, "relu")(layers.Concatenate()([a, b]))))
        model.compile("adam", "mse")
        return model

    ways = [[X[:, :1], X[:, 1:]], {"a": X[:, :1], "b": X[:, 1:]}]
    found = [sweep(two, {"units": [3]}, x, Y, cv=3, epochs=1)[0].scores for x in ways]
    assert found[0] == found[1]


def test_what_is_refused():
    refused = [
        ("give one of cv=5", {}),
        ("give one of cv=5", {"cv": 3, "validation_split": 0.2}),
        ("cv must be a whole number, at least 2", {"cv": 1}),
        ("cv=100 folds need as many rows, and there are 90", {"cv": 100}),
        ("no log 'mse' to compare by", {"cv": 3, "score": "mse"}),
        ('mode must be "auto"', {"cv": 3, "mode": "up"}),
        ("neither build nor fit has an argument 'unit'.*units", {"cv": 3, "settings": {"unit": [2]}}),
        (r"settings\['units'\] must be a list of values", {"cv": 3, "settings": {"units": 3}}),
        ("a setting is a dict", {"cv": 3, "settings": [3]}),
        ("no setting to try", {"cv": 3, "settings": []}),
        ("fit has no argument 'epoch'", {"cv": 3, "epoch": 3}),
        ("callbacks is a function", {"cv": 3, "callbacks": [EarlyStopping()]}),
        (r"setting \{'units': 0\}: .*units", {"cv": 3, "settings": {"units": [0]}}),
        (r"setting \{'units': 2, 'epochs': 0\}: epochs", {"cv": 3, "settings": {"units": [2], "epochs": [0]}}),
        ("build must return a compiled network", {"cv": 3, "build": lambda units: units}),
        ("validation_data must be", {"validation_data": X}),
    ]  # fmt: skip
    for message, given in refused:
        given = {"build": build, "settings": {"units": [2]}, "epochs": 1} | given
        with pytest.raises(ConfigError, match=message):
            sweep(given.pop("build"), given.pop("settings"), X, Y, **given)


def test_the_table():
    rows = [
        SweepRow(
            i, {"units": i, "name": f"n{i}\x1b"}, [value, value + 1], {"loss": value, "mae": 2 * value}, 0.5
        )
        for i, value in enumerate([3.0, float("nan"), 1.0])
    ]
    result = SweepResult(rows, "loss")
    assert [row.number for row in result.ranked()] == [2, 0, 1]
    assert [row.number for row in SweepResult(rows, "loss", largest=True).ranked()] == [0, 2, 1]
    assert [len(result), result[1].number] == [3, 1]
    assert str(result).splitlines() == [
        "3 settings, best loss 1.5:",
        "units    name  loss  spread  seconds",
        "    2  n2\\x1b   1.5     0.5     0.50",
        "    0  n0\\x1b   3.5     0.5     0.50",
        "    1  n1\\x1b   nan     nan     0.50",
    ]
    table = result.to_pandas()
    assert list(table) == ["units", "name", "loss", "mae", "score", "spread", "seconds"]
    assert table["mae"].tolist()[0] == 6.0
    many = SweepResult(rows * 10, "loss")
    assert str(many).endswith("... 10 more")
