"""fit, evaluate, predict and single batches: Keras's arguments, results, names and order."""

import inspect

import keras
import numpy as np
import pandas as pd
import polars as pl
import pytest

from foldnet import Input, Model, Sequential, callbacks, layers, losses, metrics, optimizers
from foldnet.errors import ConfigError, InputError

RNG = np.random.default_rng(5)
X = RNG.normal(size=(40, 4)).astype(np.float32)
Y = (X[:, :1] + X[:, 1:2] > 0).astype(np.float32)
ONE_HOT = np.eye(3, dtype=np.float32)[RNG.integers(0, 3, 40)]


def small(lib=layers, model=Model, outputs=1):
    inputs = lib.Input((4,))
    x = lib.BatchNormalization(momentum=0.8)(lib.Dense(5, activation="relu")(inputs))
    heads = [lib.Dense(1, activation="sigmoid", name="a")(x), lib.Dense(3, activation="softmax", name="b")(x)]
    return model(inputs, heads[0] if outputs == 1 else heads)


def pair(outputs=1):
    theirs, ours = small(keras.layers, keras.Model, outputs), small(outputs=outputs)
    ours.set_weights(theirs.get_weights())
    return theirs, ours


def quick():
    model = Sequential(
        [Input((4,)), layers.Dense(3, activation="relu"), layers.Dense(1, activation="sigmoid")]
    )
    model.compile("sgd", "mse", metrics=["mae"])
    return model


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict", "train_on_batch", "test_on_batch"])
def test_arguments_come_in_kerass_order(method):
    theirs = [p for p in inspect.signature(getattr(keras.Model, method)).parameters if p != "kwargs"]
    ours = list(inspect.signature(getattr(Model, method)).parameters)
    assert ours[: len(theirs)] == theirs  # what foldnet adds comes after


@pytest.mark.parametrize(
    "given", [{}, {"metrics": ["accuracy", "mse"]}, {"metrics": ["mae"], "weighted_metrics": ["mse"]}]
)
def test_one_output(given):
    theirs, ours = pair()
    weight = RNG.uniform(0.5, 2, 40).astype(np.float32)
    for model in (theirs, ours):
        model.compile("sgd", "binary_crossentropy", **given)
    same(
        ours.evaluate(X, Y, sample_weight=weight, verbose=0),
        theirs.evaluate(X, Y, sample_weight=weight, verbose=0),
    )
    same(ours.train_on_batch(X[:8], Y[:8], weight[:8]), theirs.train_on_batch(X[:8], Y[:8], weight[:8]))
    same(
        ours.train_on_batch(X, Y, class_weight={0: 0.5, 1: 2.0}, return_dict=True),
        theirs.train_on_batch(X, Y, class_weight={0: 0.5, 1: 2.0}, return_dict=True),
    )
    same(ours.test_on_batch(X, Y), theirs.test_on_batch(X, Y))
    same(ours.predict(X), theirs.predict(X, verbose=0))
    same(ours.predict_on_batch(X), theirs.predict_on_batch(X))
    same(ours.get_weights(), theirs.get_weights())
    common = {"epochs": 2, "batch_size": 16, "shuffle": False, "verbose": 0, "class_weight": {1: 3.0}}
    a, b = ours.fit(X, Y, validation_split=0.25, **common), theirs.fit(X, Y, validation_split=0.25, **common)
    same(a.history, b.history)
    assert (a.params, a.epoch) == (b.params, b.epoch)
    assert ours.history is a


MULTI = [
    {"loss": ["mse", "categorical_crossentropy"], "metrics": [["mae"], ["accuracy", "mae"]]},
    {
        "loss": {"a": "mse", "b": "categorical_crossentropy"},
        "loss_weights": {"a": 0.5, "b": 2.0},
        "metrics": {"b": ["accuracy"]},
        "weighted_metrics": {"a": ["mae"]},
    },
]


@pytest.mark.parametrize("given", MULTI)
def test_several_outputs(given):
    theirs, ours = pair(2)
    y = {"a": Y, "b": ONE_HOT}
    weights = {"a": RNG.uniform(0.5, 2, 40).astype("f4"), "b": RNG.uniform(0.5, 2, 40).astype("f4")}
    for model in (theirs, ours):
        model.compile("sgd", **given)
    settings = {"verbose": 0, "return_dict": True}
    expected = theirs.evaluate(X, [*y.values()], sample_weight=[*weights.values()], **settings)
    same(ours.evaluate(X, y, sample_weight=weights, **settings), expected)
    same(ours.evaluate(X, [Y, ONE_HOT], verbose=0), theirs.evaluate(X, [Y, ONE_HOT], verbose=0))
    common = {"epochs": 2, "batch_size": 16, "shuffle": False, "verbose": 0}
    a, b = ours.fit(X, [Y, ONE_HOT], **common), theirs.fit(X, [Y, ONE_HOT], **common)
    same(a.history, b.history)
    for mine, other in zip(ours.predict(X), theirs.predict(X, verbose=0), strict=True):
        same(mine, other)


def same(a, b):
    if isinstance(b, dict):
        assert sorted(a) == sorted(b)
        for key in b:
            same(a[key], b[key])
    elif isinstance(b, list):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)


def fitted(x, y=None, **settings):
    model = quick()
    model.set_weights([np.full_like(w, 0.1) for w in model.get_weights()])
    history = model.fit(x, y, shuffle=False, verbose=0, **settings)
    return [*model.get_weights(), *history.history.values()]


def test_every_kind_of_data_gives_the_same():
    expected = fitted(X, Y, batch_size=8)
    parts = [(X[i : i + 8], Y[i : i + 8]) for i in range(0, 40, 8)]

    class Dataset:
        def __len__(self):
            return len(parts)

        def __getitem__(self, i):
            return parts[i]

    frame = pd.DataFrame(X, columns=list("abcd"))
    ways = [
        fitted(frame, pd.Series(Y[:, 0]), batch_size=8),
        fitted(X.astype(np.float64), Y[:, 0].astype(int), batch_size=8),
        fitted(X.tolist(), Y.tolist(), batch_size=8),
        fitted([X], [Y], batch_size=8),
        fitted(np.asfortranarray(X), Y, batch_size=8),
        fitted(parts),
        fitted(iter(parts)),
        fitted(p for p in parts),
        fitted(Dataset()),
        fitted((p for p in parts * 2), steps_per_epoch=5),
    ]
    for found in ways:
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)


def test_steps_per_epoch_goes_on_where_the_last_epoch_ended():
    theirs, ours = pair()
    for model in (theirs, ours):
        model.compile("sgd", "mse")
    common = {"batch_size": 8, "epochs": 4, "steps_per_epoch": 2, "shuffle": False, "verbose": 0}
    with pytest.warns(UserWarning, match="ran out of data"):
        b = theirs.fit(X, Y, **common)
    with pytest.warns(UserWarning, match="data ended"):
        a = ours.fit(X, Y, **common)
    same(a.history, b.history)
    same(ours.get_weights(), theirs.get_weights())


def test_an_unbuilt_sequential_takes_its_shape_from_the_data():
    model = Sequential([layers.Dense(3), layers.BatchNormalization(), layers.Dense(1)])
    model.compile("adam", "mse")
    assert model.optimizer.learning_rate == pytest.approx(0.001)
    model.fit(pd.DataFrame(X), Y, verbose=0)
    assert model.layers[0].kernel.shape == (4, 3)
    assert Sequential([layers.Dense(2)]).predict(X).shape == (40, 2)
    model = Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit([(X, Y)], verbose=0)
    assert model.built


def test_validation():
    model = quick()
    history = model.fit(X, Y, epochs=6, validation_data=(X, Y), validation_freq=3, verbose=0)
    assert len(history.history["val_loss"]) == 2
    assert (
        len(model.fit(X, Y, 8, 3, 0, validation_data=[(X, Y)], validation_freq=[2]).history["val_mae"]) == 1
    )
    assert model.fit(X, Y, initial_epoch=3, epochs=5, verbose=0).epoch == [3, 4]
    # Class weights are for training, not for what is held back.
    model.compile("sgd", "mse")
    held = model.fit(X, Y, verbose=0, validation_split=0.5, class_weight={0: 9.0, 1: 9.0}).history["val_loss"]
    assert held[0] == pytest.approx(model.evaluate(X[20:], Y[20:], verbose=0), rel=1e-6)


def test_each_epoch_and_each_fit_has_an_order_of_its_own():
    seen = []

    class Spy(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(logs["loss"])

    model = quick()
    model.compile(optimizers.SGD(0.0), "mse")
    for _ in range(2):
        model.fit(X, Y, batch_size=15, epochs=2, verbose=0, callbacks=[Spy()])
    assert len(set(seen[::3])) == 4


@pytest.mark.parametrize("shuffle", [True, False])
def test_all_at_once_by_epoch_and_by_batch_give_the_same_bits(both_engines, shuffle):
    class ByEpoch(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            pass

    class ByBatch(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            pass

    for engine in both_engines():
        results = []
        for calls in (None, [ByEpoch()], [ByBatch()]):
            model = Sequential([Input((4,)), layers.Dense(5), layers.Dropout(0.4), layers.BatchNormalization(),
                                layers.Dense(1)])  # fmt: skip
            rng = np.random.default_rng(1)
            model.set_weights([np.abs(rng.normal(size=w.shape)) for w in model.get_weights()])
            model.compile("adam", "mse", metrics=["mae"])
            model.trainer.seed = 3
            history = model.fit(X, Y, 16, 5, 0, calls, shuffle=shuffle, validation_data=(X, Y)).history
            results.append([*model.get_weights(), *(np.array(v) for v in history.values())])
        for other in results[1:]:
            for a, b in zip(results[0], other, strict=True):
                assert a.tobytes() == b.tobytes(), engine


def test_trainable(both_engines):
    for engine in both_engines():
        inner = Sequential([Input((4,)), layers.Dense(3), layers.BatchNormalization()], name="inner")
        inputs = Input((4,))
        model = Model(inputs, layers.Dense(1)(inner(inputs)))
        model.compile("sgd", "mse")
        model.fit(X, Y, verbose=0)
        before = model.get_weights()
        inner.trainable = False  # counts at once; Keras asks for compile first
        assert len(model.trainable_weights) == 2
        frozen = inner.get_weights()
        model.fit(X, Y, verbose=0)
        for a, b in zip(frozen, inner.get_weights(), strict=True):
            assert (a == b).all(), engine
        inner.layers[1].set_weight("moving_mean", np.full(3, 5.0))  # the frozen statistics are those of now
        loss = model.fit(X, Y, batch_size=40, verbose=0).history["loss"][0]
        model.set_weights(model.get_weights())
        assert len(before) == len(model.get_weights())
        assert loss != pytest.approx(model.evaluate(X, Y, verbose=0), rel=1e-9)
        inner.trainable = True
        model.fit(X, Y, verbose=0)
        assert (inner.get_weights()[0] != frozen[0]).any()


def test_a_frozen_normalization_trains_as_keras_has_it(both_engines):
    theirs, ours = pair()
    for model in (theirs, ours):
        model.layers[2].trainable = False
        model.compile("sgd", "mse")
    ours.set_weights(theirs.get_weights())
    start = ours.get_weights()
    theirs.fit(X, Y, shuffle=False, epochs=3, verbose=0)
    for _ in both_engines():
        ours.set_weights(start)
        ours.fit(X, Y, shuffle=False, epochs=3, verbose=0)
        same(ours.get_weights(), theirs.get_weights())


def test_the_same_optimizer_goes_on_after_compiling_again():
    a, b = quick(), quick()
    b.set_weights(a.get_weights())
    a.compile("adam", "mse")
    b.compile("adam", "mse")
    a.fit(X, Y, epochs=4, shuffle=False, verbose=0)
    b.fit(X, Y, epochs=2, shuffle=False, verbose=0)
    b.compile(b.optimizer, "mse")
    b.fit(X, Y, epochs=2, shuffle=False, verbose=0)
    same(a.get_weights(), b.get_weights())


def test_predict():
    model = quick()
    whole = model.predict(X)
    assert (model.predict(iter([X[:7], X[7:]])) == whole).all()
    assert (model.predict([(X[:7], Y[:7]), (X[7:], Y[7:])]) == whole).all()
    assert model.predict(X, batch_size=8, steps=2).shape == (16, 1)
    assert (model.predict(pd.DataFrame(X)) == whole).all()
    told = []
    model.predict(
        X,
        batch_size=16,
        callbacks=[callbacks.LambdaCallback(on_predict_batch_end=lambda b, logs: told.append(b))],
    )
    assert told == [0, 1, 2]
    model.layers[0].set_weight("bias", np.full(3, 9.0))
    assert (model.predict(X) != whole).any()


def test_dicts_of_inputs_and_outputs():
    a, b = Input((4,), name="first"), Input((2,), name="second")
    joined = layers.Concatenate()([a, b])
    model = Model({"p": a, "q": b}, {"u": layers.Dense(1)(joined), "v": layers.Dense(2)(joined)})
    model.compile("sgd", {"u": "mse", "v": "mae"}, metrics={"v": ["mse"]})
    x = {"q": X[:, :2], "p": X}
    history = model.fit(x, {"u": Y, "v": X[:, 2:]}, verbose=0).history
    assert sorted(history) == ["loss", "u_loss", "v_loss", "v_mse"]
    assert sorted(model.predict(x)) == ["u", "v"]
    assert model(x)["v"].shape == (40, 2)


def test_crossentropy_is_chosen_by_the_shapes():
    model = small(outputs=2)
    model.compile("sgd", ["crossentropy", "crossentropy"])
    logs = model.evaluate(X, [Y, ONE_HOT.argmax(1)], verbose=0, return_dict=True)
    a, b = model.predict(X)
    assert logs["a_loss"] == pytest.approx(losses.binary_crossentropy(Y, a).mean(), rel=1e-5)
    assert logs["b_loss"] == pytest.approx(losses.categorical_crossentropy(ONE_HOT, b).mean(), rel=1e-5)


def test_a_loss_and_a_metric_of_the_users_own():
    from foldnet import ops

    def quartic(y_true, y_pred):
        return ops.mean((y_true - y_pred) ** 4, axis=-1)

    model = quick()
    model.compile("sgd", quartic, metrics=[quartic, metrics.MeanAbsoluteError(name="other")])
    logs = model.evaluate(X, Y, return_dict=True, verbose=0)
    assert logs["quartic"] == pytest.approx(logs["loss"])
    assert logs["other"] == pytest.approx(np.abs(Y - model.predict(X)).mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda m: m.fit(X, Y[:3]), InputError, "same number of rows"),
        (lambda m: m.fit(X), InputError, "targets"),
        (lambda m: m.fit(X[:, :3], Y), InputError, "rows of shape"),
        (lambda m: m.fit(X, Y, sample_weight=np.ones((40, 2))), InputError, "one weight per row"),
        (lambda m: m.fit(X, Y, sample_weight=np.ones(40), class_weight={}), ConfigError, "not both"),
        (lambda m: m.fit(X, Y, batch_size=0), ConfigError, "batch_size"),
        (lambda m: m.fit(X, Y, validation_split=0.999), ConfigError, "validation_split"),
        (lambda m: m.fit(X[:0], Y[:0]), InputError, "no rows"),
        (lambda m: m.fit(iter([(X, Y)]), epochs=2), ConfigError, "once"),
        (lambda m: m.fit([(X, Y)], sample_weight=Y), ConfigError, "batches"),
        (lambda m: m.fit(iter([])), InputError, "no batch"),
        (lambda m: m.fit(X, np.array(["a"] * 40)), InputError, "encode"),
        (lambda m: m.compile("sgd", "mse", metrics="mae"), ConfigError, "list"),
        (lambda m: m.compile("sgd", "mse", optimiser="x"), TypeError, "optimiser"),
        (lambda m: Sequential([Input((4,)), layers.Dense(1)]).fit(X, Y), ConfigError, "compiled"),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call(quick())


def test_classes_beyond_the_output_are_refused():
    model = Sequential([Input((4,)), layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(InputError, match="row 0 is 3, and it has 3 classes, 0 to 2"):
        model.fit(X, np.full(40, 3), verbose=0)


def test_polars_tables():
    table = pl.DataFrame({name: X[:, i] for i, name in enumerate("abcd")})
    ours, same = quick(), quick()
    same.set_weights(ours.get_weights())
    settings = {"epochs": 2, "shuffle": False, "verbose": 0}
    history = ours.fit(table, pl.Series("y", Y[:, 0]), **settings)
    assert history.history == same.fit(X, Y, **settings).history
    np.testing.assert_array_equal(ours.predict(table), same.predict(X))
