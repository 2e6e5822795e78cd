"""Callbacks behave as Keras's: the same decisions on the same histories, hooks in the same order."""

import keras
import numpy as np
import pytest

from foldnet import Input, Sequential, callbacks, layers, metrics, optimizers
from foldnet.errors import ConfigError
from foldnet.training.standard_callbacks import NotFiniteLossError

X = np.random.default_rng(2).normal(size=(20, 3)).astype(np.float32)
Y = (X[:, :1] > 0).astype(np.float32)


def model(**settings):
    network = Sequential([Input((3,)), layers.Dense(1, activation="sigmoid")])
    network.compile(optimizers.SGD(0.1), **{"loss": "mse", "metrics": ["mae", "accuracy"], **settings})
    return network


class Fake:
    """As much of a model as a callback needs; its weights are the number of the epoch."""

    class Rate:
        def __init__(self):
            self.learning_rate = 0.5

    def __init__(self):
        self.stop_training, self.optimizer, self.now, self.metrics, self.trainer = (
            False,
            self.Rate(),
            -1,
            [],
            None,
        )

    def get_weights(self):
        return [self.now]

    def set_weights(self, weights):
        self.now = weights[0]


def played(callback, losses, monitor):
    """What a callback does to a model over a history."""
    fake, record = Fake(), []
    callback.set_model(fake)
    callback.on_train_begin()
    for epoch, loss in enumerate(losses):
        fake.now = epoch
        callback.on_epoch_begin(epoch)
        callback.on_epoch_end(epoch, {monitor: loss})
        record.append((epoch, round(float(fake.optimizer.learning_rate), 9), fake.stop_training))
        if fake.stop_training:
            break
    callback.on_train_end()
    return record, fake.now


HISTORIES = [
    np.round(np.abs(np.random.default_rng(seed).normal(1, 0.4, 14)) * np.linspace(1, 0.6, 14), 2).tolist()
    for seed in range(12)
]
STOPPING = [
    {}, {"patience": 2}, {"patience": 2, "min_delta": 0.1}, {"patience": 3, "baseline": 0.6},
    {"patience": 1, "restore_best_weights": True}, {"patience": 1, "start_from_epoch": 4},
    {"patience": 2, "mode": "max", "restore_best_weights": True}, {"baseline": 0.2, "restore_best_weights": True},
    {"patience": 30, "restore_best_weights": True},
]  # fmt: skip
PLATEAU = [
    {"patience": 1}, {"patience": 2, "factor": 0.5, "min_delta": 0.1}, {"patience": 1, "cooldown": 3},
    {"patience": 1, "min_lr": 0.02}, {"patience": 1, "mode": "max"}, {"patience": 2, "cooldown": 1, "min_delta": 0},
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "settings"),
    [*(("EarlyStopping", s) for s in STOPPING), *(("ReduceLROnPlateau", s) for s in PLATEAU)],
)
def test_the_same_decisions_as_keras(kind, settings):
    for losses in HISTORIES:
        ours = played(getattr(callbacks, kind)(**settings), losses, "val_loss")
        theirs = played(getattr(keras.callbacks, kind)(**settings), losses, "val_loss")
        assert ours == theirs


def test_early_stopping_in_a_fit_puts_the_best_weights_back():
    network, kept = model(), []
    spy = callbacks.LambdaCallback(on_epoch_end=lambda e, logs: kept.append(network.get_weights()))
    stopping = callbacks.EarlyStopping("loss", mode="max", patience=2, restore_best_weights=True)
    history = network.fit(X, Y, epochs=50, verbose=0, callbacks=[[spy, stopping]])
    assert len(history.epoch) == 3
    assert (network.get_weights()[0] == kept[0][0]).all()


@pytest.mark.parametrize(
    ("monitor", "rises"),
    [("val_loss", False), ("accuracy", True), ("val_accuracy", True), ("mae", False), ("val_mae", False)],
)
def test_the_direction_is_the_metrics(monitor, rises):
    stopping = callbacks.EarlyStopping(monitor)
    stopping.set_model(model())
    assert stopping.improves(2.0, 1.0) is rises


def test_a_direction_that_nobody_knows_is_refused_as_in_keras():
    network = model(metrics=[metrics.TruePositives(name="hits")])
    with pytest.raises(ConfigError, match="hits"):
        network.fit(X, Y, epochs=3, verbose=0, callbacks=[callbacks.EarlyStopping("hits")])
    with pytest.warns(UserWarning, match="not available"):
        network.fit(X, Y, verbose=0, callbacks=[callbacks.EarlyStopping("val_loss")])
    with pytest.warns(UserWarning, match="unknown"):
        callbacks.EarlyStopping(mode="least")


def logged(lib, network, path, validation_freq):
    network.fit(X, Y, epochs=3, verbose=0, shuffle=False, validation_data=(X, Y), validation_freq=validation_freq,
                callbacks=[lib.CSVLogger(path)])  # fmt: skip
    return path.read_text().splitlines()


@pytest.mark.parametrize("validation_freq", [1, 2])
def test_csv_logger_writes_kerass_table(tmp_path, validation_freq):
    theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, activation="sigmoid")])
    theirs.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mae"])
    ours = model(metrics=["mae"])
    ours.set_weights(theirs.get_weights())
    a = logged(callbacks, ours, tmp_path / "a.csv", validation_freq)
    b = logged(keras.callbacks, theirs, tmp_path / "b.csv", validation_freq)
    assert a[0] == b[0]
    for x, y in zip(a[1:], b[1:], strict=True):
        for u, v in zip(x.split(","), y.split(","), strict=True):
            assert u == v or float(u) == pytest.approx(float(v), rel=1e-5)
    ours.fit(X, Y, verbose=0, callbacks=[callbacks.CSVLogger(tmp_path / "a.csv", append=True)])
    assert len((tmp_path / "a.csv").read_text().splitlines()) == len(a) + 1


def test_learning_rate_scheduler():
    network = model()
    rates = callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)
    history = network.fit(X, Y, epochs=3, verbose=0, callbacks=[rates]).history
    assert history["learning_rate"] == pytest.approx([0.05, 0.025, 0.0125])
    network.fit(X, Y, epochs=2, verbose=0, callbacks=[callbacks.LearningRateScheduler(lambda epoch: 0.25)])
    assert network.optimizer.learning_rate == 0.25
    with pytest.raises(ConfigError, match="expected a float"):
        network.fit(X, Y, verbose=0, callbacks=[callbacks.LearningRateScheduler(lambda epoch: "fast")])


def hooks(base):
    class Told(base):
        def __init__(self):
            super().__init__()
            self.told = []

    def teller(name):
        return lambda self, *args, **logs: self.told.append(
            (name, args[0] if args and isinstance(args[0], int) else None)
        )

    for when in ("begin", "end"):
        for what in ("train", "epoch", "train_batch", "test", "test_batch"):
            setattr(Told, f"on_{what}_{when}", teller(f"on_{what}_{when}"))
    return Told()


def test_hooks_come_in_kerass_order():
    theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    theirs.compile("sgd", "mse")
    a, b = hooks(callbacks.Callback), hooks(keras.callbacks.Callback)
    common = {"epochs": 2, "batch_size": 8, "verbose": 0, "validation_data": (X, Y)}
    model().fit(X, Y, callbacks=[a], **common)
    theirs.fit(X, Y, callbacks=[b], **common)
    assert a.told == b.told


def test_only_batch_hooks_bring_the_fit_back_at_every_step(monkeypatch):
    def calls_of(*given):
        network, calls = model(), []
        network.fit(X, Y, verbose=0)
        engine = network.trainer._engine
        real = engine.fit
        monkeypatch.setattr(engine, "fit", lambda *a, **k: calls.append(1) or real(*a, **k))
        network.fit(X, Y, epochs=6, batch_size=5, verbose=0, callbacks=list(given))
        return len(calls)

    assert calls_of() == 1
    assert calls_of(callbacks.LambdaCallback(on_epoch_end=lambda e, logs: None)) == 6
    assert calls_of(callbacks.LambdaCallback(on_train_batch_end=lambda b, logs: None)) == 24

    class Plain:
        def on_epoch_end(self, epoch, logs=None):
            pass

    assert calls_of(Plain()) == 6


class Saved:
    def __init__(self, monkeypatch, network):
        self.paths = []
        for name in ("save", "save_weights"):
            monkeypatch.setattr(type(network), name, lambda n, path: self.paths.append(path), raising=False)


def test_model_checkpoint(monkeypatch, tmp_path):
    network = model()
    saved = Saved(monkeypatch, network)
    path = str(tmp_path / "{epoch:02d}-{loss:.1f}.keras")
    history = network.fit(X, Y, epochs=2, verbose=0, callbacks=[callbacks.ModelCheckpoint(path)]).history
    assert saved.paths == [path.format(epoch=e + 1, loss=v) for e, v in enumerate(history["loss"])]
    for settings, count in [
        ({"save_best_only": True, "monitor": "loss", "mode": "max"}, 1),
        ({"save_best_only": True, "monitor": "loss", "initial_value_threshold": -1.0}, 0),
        ({"save_best_only": True, "monitor": "loss"}, 4),
        ({"save_freq": 3}, 2),
    ]:
        saved.paths.clear()
        network.fit(X, Y, epochs=4, batch_size=10, verbose=0, shuffle=False,
                    callbacks=[callbacks.ModelCheckpoint(tmp_path / "x.keras", **settings)])  # fmt: skip
        assert len(saved.paths) == count, settings
    with pytest.raises(ConfigError, match="end in"):
        callbacks.ModelCheckpoint("x.keras", save_weights_only=True)
    with pytest.raises(ConfigError, match="not in the logs"):
        network.fit(X, Y, verbose=0, callbacks=[callbacks.ModelCheckpoint("{val_loss}.keras")])


def test_nan_is_named_with_epoch_and_batch(both_engines):
    x = X.copy()
    x[13, 1] = np.nan
    for _ in both_engines():
        network = model()
        with pytest.warns(RuntimeWarning, match="epoch 1, batch 2"):
            network.fit(x, Y, batch_size=10, epochs=3, shuffle=False, verbose=0)
        fresh = model()
        with pytest.warns(RuntimeWarning, match="epoch 4, batch 4"):
            fresh.fit(x, Y, 4, 6, 0, [hooks(callbacks.Callback)], shuffle=False, initial_epoch=3)


@pytest.mark.filterwarnings("ignore:the loss became NaN")
@pytest.mark.parametrize("how", ["whole epochs", "batch by batch", "streamed"])
def test_terminate_on_nan(how, both_engines, capsys):
    """It stops at the very batch, the epoch is validated and told, and weights are Keras's at that moment."""
    bad = X.copy()
    bad[13, 1] = np.nan  # in the third batch of six rows
    arguments = {"epochs": 5, "shuffle": False, "verbose": 0, "validation_data": (X[:6], Y[:6])}
    data = {"x": bad, "y": Y, "batch_size": 6}
    if how == "streamed":
        data = {"x": [(bad[i : i + 6], Y[i : i + 6]) for i in range(0, 20, 6)]}
    live = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, activation="sigmoid")])
    live.compile(keras.optimizers.SGD(0.1), "mse")
    start = live.get_weights()
    # The first epoch is sound, so that it is seen to go on from one to the next.
    live.fit(X, Y, batch_size=6, shuffle=False, verbose=0)
    known = live.fit(bad, Y, batch_size=6, **arguments, callbacks=[keras.callbacks.TerminateOnNaN()])
    assert "Batch 2: Invalid loss, terminating training" in capsys.readouterr().out
    for engine in both_engines():
        network = model(metrics=[])
        network.set_weights(start)
        network.fit(X, Y, batch_size=6, shuffle=False, verbose=0)
        seen = [callbacks.TerminateOnNaN()]
        if how == "batch by batch":
            seen.append(callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None))
        history = network.fit(**data, **arguments, callbacks=seen).history
        assert "Batch 2: Invalid loss, terminating training" in capsys.readouterr().out
        assert {k: len(v) for k, v in history.items()} == {k: len(v) for k, v in known.history.items()}, (
            engine
        )
        assert network.optimizer.iterations == int(live.optimizer.iterations) == 7
        for a, b in zip(network.get_weights(), live.get_weights(), strict=True):
            np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
        network = model(metrics=[])
        with pytest.raises(NotFiniteLossError, match="at batch 2"):
            network.fit(
                **data, epochs=5, shuffle=False, verbose=0, callbacks=[callbacks.TerminateOnNaN(True)]
            )


@pytest.mark.filterwarnings("ignore:the loss became NaN")
def test_without_it_a_fit_goes_on_past_nan(both_engines):
    for _engine in both_engines():
        network = model(metrics=[])
        assert len(network.fit(X * np.nan, Y, epochs=3, verbose=0).history["loss"]) == 3


def test_a_lambda_callback_knows_its_hooks():
    with pytest.raises(ConfigError, match="on_epoch_ends"):
        callbacks.LambdaCallback(on_epoch_ends=print)


@pytest.mark.parametrize("frequency", [1, 2, [1, 4]])
@pytest.mark.parametrize("validated", [True, False])
def test_history_alone_is_told_the_same_as_beside_a_callback(frequency, validated):
    histories = []
    for others in ([], [callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None)]):
        network = model(weighted_metrics=["mse", "AUC"])
        network.set_weights([np.full((3, 1), 0.2), np.zeros(1)])
        given = {"validation_data": (X[:7], Y[:7]), "validation_freq": frequency} if validated else {}
        told = network.fit(
            X, Y, epochs=5, batch_size=8, shuffle=False, verbose=0, callbacks=others,
            sample_weight=np.linspace(0.5, 2, 20), **given,
        )  # fmt: skip
        histories.append((list(told.history.items()), told.epoch))
    assert histories[0] == histories[1]
    assert len(dict(histories[0][0])["loss"]) == 5


def test_a_checkpoint_says_what_it_does_in_kerass_form(tmp_path, capsys):
    checkpoint = callbacks.ModelCheckpoint(tmp_path / "m.keras", "loss", verbose=1, save_best_only=True)
    checkpoint.set_model(model())
    for epoch, loss in enumerate((2.0, 1.0, 3.0)):
        checkpoint.on_epoch_end(epoch, {"loss": loss})
    path = tmp_path / "m.keras"
    assert capsys.readouterr().out == (
        f"\nEpoch 1: saving model to {path}\n"
        f"\nEpoch 2: loss improved from 2.00000 to 1.00000, saving model to {path}\n"
        "\nEpoch 3: loss did not improve from 1.00000\n"
    )
