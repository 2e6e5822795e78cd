"""Every argument of compile, fit, evaluate and predict, given something that it cannot be: an error that says so."""

import inspect
from dataclasses import fields

import numpy as np
import pytest

from foldnet import FoldnetError, Input, Model, Sequential, callbacks, layers, utils
from foldnet.errors import ConfigError, InputError
from foldnet.training.fit_arguments import FitArguments

RNG = np.random.default_rng(1)
X = RNG.normal(size=(10, 3)).astype(np.float32)
Y = X.sum(1, keepdims=True)
CLASSES = np.arange(10) % 2


@pytest.fixture(scope="module")
def model() -> Sequential:
    made = Sequential([layers.Input((3,)), layers.Dense(1)])
    made.compile("sgd", "mse")
    made.fit(X, Y, verbose=0)
    return made


FIT = {
    "class_weight": ["balanced", [1.0, 2.0], {"a": 1.0}, {0: "x"}, {0: None}, {-1: 1.0}, {0.5: 1.0}, 3],
    "callbacks": [[print], print, "early", [callbacks.EarlyStopping], 3, [3]],
    "epochs": [1.5, "3", 0, -1, None, [2], np.nan, True],
    "batch_size": [1.5, "8", 0, -1, [2]],
    "validation_split": ["0.2", 1.0, -0.1, 2, None, [0.2], np.nan],
    "validation_data": [X, 3, (X,), (X, Y, Y, Y), "val", (X, Y[:5]), (X[:, :2], Y), [X, Y, Y, Y]],
    "validation_steps": ["2", 0, 1.5],
    "validation_batch_size": ["2", 0, 1.5],
    "initial_epoch": ["1", -1, 0.5],
    "steps_per_epoch": ["2", 0, 1.5],
    "shuffle": ["maybe", 2.5, [1, 2]],
    "verbose": ["loud", 7, 1.5, None],
    "sample_weight": [np.ones(4), "x", np.ones((10, 2, 2)), ["a"] * 10, {"b": np.ones(10)}, 3],
    "x": [
        X[:, :2],
        X[:4],
        "data",
        3,
        [["a", "b", "c"]] * 10,
        {"y": X},
        np.array([object()] * 10),
        [],
        X[0, 0],
    ],
    "y": [Y[:4], "data", 3, [["a"]] * 10, {"z": Y}, None, np.ones((10, 4, 2))],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in FIT.items() for v in values])
def test_what_fit_cannot_take(model, name, value):
    given = {"x": X, "y": Y, "verbose": 0} | (
        {"validation_data": (X, Y)} if name == "validation_steps" else {}
    )
    with pytest.raises(FoldnetError) as caught:
        model.fit(**given | {name: value})
    assert 20 < len(str(caught.value)) < 1000


VALIDATION_FREQUENCIES = ["2", 0, 1.5, None, ["a"], [0]]


@pytest.mark.parametrize("value", VALIDATION_FREQUENCIES)
def test_what_a_frequency_of_validation_cannot_be(model, value):
    with pytest.raises(ConfigError, match="validation_freq"):
        model.fit(X, Y, validation_data=(X, Y), validation_freq=value, verbose=0)


@pytest.mark.parametrize(
    ("name", "value"),
    [(n, v) for n in ("x", "y", "batch_size", "sample_weight", "verbose", "callbacks") for v in FIT[n]]
    + [("steps", v) for v in ("2", 0, 1.5)],
)
def test_what_evaluate_cannot_take(model, name, value):
    with pytest.raises(FoldnetError):
        model.evaluate(**{"x": X, "y": Y, "verbose": 0} | {name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [(n, v) for n in ("batch_size", "callbacks") for v in FIT[n]]
    + [("steps", v) for v in ("2", 0, 1.5)]
    + [("x", v) for v in FIT["x"] if np.shape(v) != (4, 3)],
)
def test_what_predict_cannot_take(model, name, value):
    with pytest.raises(FoldnetError):
        model.predict(**{"x": X} | {name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("optimizer", 3), ("optimizer", "adm"), ("optimizer", ["adam"]), ("loss", "mze"), ("loss", 3),
        ("loss", {"other": "mse"}), ("metrics", "mae"), ("metrics", ["mea"]),
        ("metrics", [3]), ("metrics", {"other": ["mae"]}), ("weighted_metrics", 3), ("loss_weights", "much"),
        ("loss_weights", [1.0, 2.0]), ("loss_weights", {"other": 1.0}), ("steps_per_execution", 0),
        ("steps_per_execution", "auto"), ("steps_per_execution", 1.5),
    ],
)  # fmt: skip
def test_what_compile_cannot_take(name, value):
    made = Sequential([layers.Input((3,)), layers.Dense(1)])
    with pytest.raises(FoldnetError):
        made.compile(**{"optimizer": "sgd", "loss": "mse"} | {name: value})


def test_batches_that_are_single_rows_are_refused(model):
    rows = [(x, y) for x, y in zip(X, Y, strict=True)]  # as an unbatched tf.data.Dataset gives them
    for call in (lambda: model.fit(rows, verbose=0), lambda: model.evaluate(iter(rows), verbose=0)):
        with pytest.raises(InputError, match="batch"):
            call()


def test_names_and_numbers_of_several_inputs():
    a, b = Input((2,), name="a"), Input((3,), name="b")
    made = Model([a, b], layers.Dense(1)(layers.Concatenate()([a, b])))
    made.compile("sgd", "mse")
    for x in ([X[:, :2]], {"a": X[:, :2]}, {"a": X[:, :2], "c": X}, X, [X, X[:, :2]], [X[:5, :2], X]):
        with pytest.raises(InputError):
            made.fit(x, Y, verbose=0)
        with pytest.raises(InputError):
            made.predict(x)


class Endless(utils.PyDataset):
    num_batches = None

    def __getitem__(self, index):
        return X, Y


def test_a_dataset_without_end(model):
    with pytest.raises(ConfigError, match="steps_per_epoch"):
        model.fit(Endless(), verbose=0)
    assert len(model.fit(Endless(), steps_per_epoch=2, epochs=3, verbose=0).history["loss"]) == 3

    class Stop(callbacks.Callback):
        def on_predict_batch_end(self, batch, logs=None):
            self.model.stop_predicting = batch >= 2

        def on_test_batch_end(self, batch, logs=None):
            self.model.stop_evaluating = batch >= 1

    assert model.predict(Endless(), callbacks=[Stop()]).shape == (30, 1)
    assert model.evaluate(Endless(), callbacks=[Stop()], verbose=0) == pytest.approx(
        model.evaluate(X, Y, verbose=0), rel=1e-6
    )


def test_a_dataset_hears_of_epochs(model):
    told = []

    class Told(utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return X, Y

        def on_epoch_begin(self):
            told.append("begin")

        def on_epoch_end(self):
            told.append("end")

    model.fit(Told(workers=2, use_multiprocessing=False, max_queue_size=3), epochs=2, verbose=0)
    assert told == ["begin", "end"] * 2


@pytest.mark.parametrize(("group", "seen"), [(1, range(5)), (2, [0, 2, 4]), (3, [0, 3]), (100, [0])])
@pytest.mark.parametrize("kind", ["arrays", "batches"])
def test_callbacks_hear_once_every_steps_per_execution(group, seen, kind):
    begun, ended, logged = [], [], []

    class Hear(callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            assert logs == {}
            begun.append(batch)

        def on_train_batch_end(self, batch, logs=None):
            ended.append(batch)
            logged.append(logs["loss"])

        on_test_batch_begin = on_predict_batch_begin = on_train_batch_begin

        def on_predict_batch_end(self, batch, logs=None):
            ended.append(batch)

        on_test_batch_end = on_train_batch_end

    models = [Sequential([layers.Input((3,)), layers.Dense(1, kernel_initializer="ones")]) for _ in range(2)]
    data = [(X[i : i + 2], Y[i : i + 2]) for i in range(0, 10, 2)]
    given = {"x": X, "y": Y, "batch_size": 2} if kind == "arrays" else {"x": data}
    for m, n in zip(models, (group, 1), strict=True):
        m.compile("sgd", "mse", steps_per_execution=n)
        m.fit(**given, shuffle=False, verbose=0, callbacks=[Hear()] if m is models[0] else [])
    np.testing.assert_array_equal(models[0].get_weights()[0], models[1].get_weights()[0])
    expected = [s + group - 1 for s in seen]
    assert (begun, ended) == ([*seen], expected)
    assert logged[-1] == pytest.approx(models[0].history.history["loss"][0])
    for call in (models[0].evaluate, models[0].predict):
        del begun[:], ended[:]
        extra = {"verbose": 0} if call == models[0].evaluate else {}
        data_given = given if extra or kind == "batches" else {"x": X, "batch_size": 2}
        call(**data_given, **extra, callbacks=[Hear()])
        assert (begun, ended) == ([*seen], expected)


def test_steps_that_do_not_divide_an_epoch_go_on_as_in_keras():
    begun = []
    hear = callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: begun.append(batch))
    made = Sequential([layers.Input((3,)), layers.Dense(1)])
    made.compile("sgd", "mse", steps_per_execution=2)
    x, y = np.repeat(X, 2, axis=0), np.repeat(Y, 2, axis=0)
    with pytest.warns(UserWarning, match="data ended") as caught:
        made.fit(x, y, batch_size=2, steps_per_epoch=5, epochs=2, callbacks=[hear], verbose=0)
    assert begun == [0, 2, 4, 0, 2]
    assert caught[0].filename == __file__


def _norm(trainable):
    made = Sequential([layers.Input((3,)), layers.BatchNormalization(trainable=trainable), layers.Dense(1)])
    made.compile("sgd", "mse")
    return made


@pytest.mark.parametrize("trainable", [False, True])
def test_no_program_keeps_statistics_that_were_set_since(trainable):
    made, twin = _norm(trainable), _norm(trainable)
    freeze = lambda m: __import__("foldnet").freeze(m, engine="reference")(X)  # noqa: E731
    looks = [
        lambda m: m.evaluate(X, Y, verbose=0), lambda m: m.predict(X), freeze, lambda m: m.test_on_batch(X, Y),
        lambda m: m(X), lambda m: m.fit(X, Y, verbose=0, epochs=1).history["loss"],
        lambda m: m.train_on_batch(X, Y),
    ]  # fmt: skip
    settings = [
        lambda m, v: m.layers[0].moving_mean.assign(v),
        lambda m, v: m.layers[0].set_weight("moving_variance", np.abs(v) + 0.5),
        lambda m, v: m.layers[0].set_weights([*m.layers[0].get_weights()[:2], v, np.abs(v) + 2.0]),
        lambda m, v: m.set_weights([w + 0.25 for w in m.get_weights()]),
        lambda m, v: setattr(m.layers[0], "moving_mean", v),
    ]
    start = [RNG.normal(size=w.shape).astype(np.float32) ** 2 + 0.1 for w in made.get_weights()]
    for look in looks:
        for change in settings:
            made.set_weights(start)
            look(made)
            value = RNG.normal(size=3).astype(np.float32)
            made.set_weights(start)
            change(made, value)
            fresh = [w.copy() for w in made.get_weights()]
            found = look(made)
            twin = _norm(trainable)
            twin.set_weights(fresh)
            np.testing.assert_allclose(found, look(twin), rtol=1e-6)


def test_where_validation_happens_and_what_streamed_batches_with_l2_give():
    def made():
        m = Sequential(
            [layers.Input((3,)), layers.Dense(1, kernel_initializer="ones", kernel_regularizer="l2")]
        )
        m.compile("sgd", "mse")
        return m

    data = [(X[i : i + 4], Y[i : i + 4]) for i in range(0, 10, 4)]  # 4, 4 and 2 rows
    whole, streamed = made(), made()
    a = whole.fit(
        X, Y, batch_size=4, epochs=4, shuffle=False, verbose=0, validation_data=(X, Y), validation_freq=2
    )
    seen = []

    class See(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append((epoch, logs.get("val_loss")))

    b = streamed.fit(
        data,
        epochs=4,
        verbose=0,
        validation_data=data,
        validation_freq=[2, 4],
        callbacks=[See()],
        shuffle=False,
    )
    np.testing.assert_allclose(a.history["loss"], b.history["loss"], rtol=1e-6)
    np.testing.assert_allclose(a.history["val_loss"], b.history["val_loss"], rtol=1e-6)
    assert [epoch for epoch, value in seen if value is not None] == [1, 3]
    # The penalty of each step counts by its rows, and that of an evaluation once.
    w = np.asarray(streamed.layers[0].kernel)
    plain = np.mean((streamed.predict(X) - Y) ** 2)
    assert streamed.evaluate(data, verbose=0) == pytest.approx(plain + 0.01 * np.sum(w**2), rel=1e-5)


def test_the_record_has_every_argument_of_fit_in_its_order():
    """An argument that the record lacks would be taken by ``fit`` and lost."""
    asked = [name for name in inspect.signature(Sequential.fit).parameters if name not in ("self", "monitor")]
    assert [field.name for field in fields(FitArguments)] == asked
