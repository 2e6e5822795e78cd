"""fit_many: each network ends with the bits of its own fit, however many threads there are, and errors name it."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from foldnet import Input, Model, Sequential, fit_many, layers, optimizers
from foldnet.at_once import piece
from foldnet.callbacks import Callback, EarlyStopping, LambdaCallback
from foldnet.engines.native.training.program import NativeTraining
from foldnet.errors import ConfigError, InputError
from foldnet.metrics import Metric
from foldnet.training.fit_arguments import FitArguments
from foldnet.utils import set_random_seed

RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 5)).astype("f4")
Y = (X @ RNG.normal(size=(5, 1)) + 0.1 * RNG.normal(size=(150, 1))).astype("f4")
NUMBER = 7


def network(i=0):
    scale = layers.Normalization()
    scale.adapt(X[i : i + 60])  # constants of the program that differ
    model = Sequential([
        Input((5,)), scale, layers.Dense(6, activation="relu"), layers.Dropout(0.3), layers.BatchNormalization(),
        layers.Dense(1),
    ])  # fmt: skip
    model.compile(optimizers.Adam(0.001 * (i + 1)), "mse", metrics=["mae"])
    return model


def networks(build=network):
    set_random_seed(3)
    return [build(i) for i in range(NUMBER)]


def assert_same(ours, theirs, histories, singles):
    for i, (model, other) in enumerate(zip(ours, theirs, strict=True)):
        for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
            assert np.isfinite(a).all()
            np.testing.assert_array_equal(a, b, err_msg=f"model {i}")
        for a, b in zip(model.optimizer.variables, other.optimizer.variables, strict=True):
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b), err_msg=f"model {i}")
        assert histories[i].history == singles[i].history
        assert histories[i].epoch == singles[i].epoch


@pytest.mark.parametrize("threads", [None, 1, 2, 3, 20])
def test_other_data_weights_folds_and_settings_for_each(threads):
    rows = [RNG.permutation(150)[: 100 + i] for i in range(NUMBER)]
    held = [np.setdiff1d(np.arange(150), r) for r in rows]
    for_each = {
        "x": [X[r] for r in rows],
        "y": [Y[r] for r in rows],
        "sample_weight": [RNG.uniform(0.5, 2, len(r)) for r in rows],
        "validation_data": [(X[r], Y[r]) for r in held],
        "batch_size": [16, 32, 64, 7, 100, 33, 200],
        "epochs": [3, 1, 2, 4, 2, 3, 5],
    }
    singles = []
    theirs = networks()
    for i, model in enumerate(theirs):
        given = {name: values[i] for name, values in for_each.items()}
        singles.append(model.fit(**given, verbose=0))
    ours = networks()
    histories = fit_many(ours, **for_each, threads=threads)
    assert_same(ours, theirs, histories, singles)
    losses = [h.history["loss"][-1] for h in histories]
    assert len(set(losses)) == NUMBER


@pytest.mark.parametrize("threads", [1, 2])
def test_callbacks_are_each_network_s_own(threads):
    def stops():
        return [EarlyStopping("loss", patience=1, min_delta=0.02, restore_best_weights=True)]

    theirs = networks()
    singles = [m.fit(X, Y, epochs=40, shuffle=False, verbose=0, callbacks=stops()) for m in theirs]
    for callbacks in (stops, [stops() for _ in range(NUMBER)]):
        ours = networks()
        histories = fit_many(ours, X, Y, epochs=40, shuffle=False, callbacks=callbacks, threads=threads)
        assert_same(ours, theirs, histories, singles)
    assert len({len(h.epoch) for h in singles}) > 1  # they stopped at different epochs


def test_seeds_of_shuffling_and_dropout():
    ours = networks(lambda i: network())
    start = ours[0].get_weights()
    for model in ours:
        model.set_weights(start)
    histories = fit_many(ours, X, Y, seeds=[4, 5, 4, *range(6, 10)], epochs=2)
    losses = [h.history["loss"] for h in histories]
    assert losses[0] == losses[2]
    assert len({tuple(own) for own in losses}) == NUMBER - 1
    same = networks(lambda i: network())
    for model in same:
        model.set_weights(start)
    assert len({tuple(h.history["loss"]) for h in fit_many(same, X, Y, seeds=4, epochs=2)}) == 1


class Batches:
    """A dataset that can be read by number."""

    def __len__(self):
        return 5

    def __getitem__(self, i):
        return X[30 * i : 30 * i + 30], Y[30 * i : 30 * i + 30]


def shaped_by_data(i):
    model = Sequential([layers.Dense(4 + i % 2, activation="tanh"), layers.Dropout(0.2), layers.Dense(1)])
    model.compile("adam", "mse")
    return model


@pytest.mark.parametrize("build", [network, shaped_by_data], ids=["built", "shaped by data"])
@pytest.mark.parametrize(
    "given",
    [
        lambda: {"x": [Batches() for _ in range(NUMBER)], "y": None},
        lambda: {"x": X, "y": Y, "steps_per_epoch": 2},
        lambda: {"x": X, "y": Y, "callbacks": lambda: LambdaCallback(on_train_batch_end=lambda b, logs: None)},
    ],
    ids=["batches", "steps", "batch hooks"],
)  # fmt: skip
def test_fits_that_go_step_by_step(build, given):
    theirs, singles = networks(build), []
    for model in theirs:
        own = given()
        own |= {"x": own["x"][0]} if isinstance(own["x"], list) else {}
        own |= {"callbacks": own["callbacks"]()} if "callbacks" in own else {}
        singles.append(model.fit(**own, epochs=2, verbose=0))
    ours = networks(build)
    histories = fit_many(ours, **given(), epochs=2, threads=3)
    assert_same(ours, theirs, histories, singles)


def test_several_inputs_for_all_are_in_a_tuple_or_a_dict():
    def two_inputs(i):
        a, b = Input((2,), name="a"), Input((3,), name="b")
        model = Model([a, b], layers.Dense(1)(layers.Concatenate()([a, b])))
        model.compile("sgd", "mse")
        return model

    theirs = networks(two_inputs)
    singles = [m.fit([X[:, :2], X[:, 2:]], Y, epochs=2, verbose=0) for m in theirs]
    for x in (
        {"a": X[:, :2], "b": X[:, 2:]},
        [[X[:, :2], X[:, 2:]]] * NUMBER,
    ):
        ours = networks(two_inputs)
        assert_same(ours, theirs, fit_many(ours, x, Y, epochs=2, threads=2), singles)
    with pytest.raises(
        ConfigError, match="x is a list of 2, and there are 7 networks: a list has one entry for each"
    ):
        fit_many(networks(two_inputs), [X[:, :2], X[:, 2:]], Y)


def test_they_run_at_the_same_time_and_each_has_one_thread(monkeypatch):
    together, seen, jobs, run = threading.Barrier(2, timeout=600), [], [], NativeTraining._run

    def looked_at(self, job, should_stop):
        jobs.append(job.threads)
        return run(self, job, should_stop)

    class Meet(Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(piece().threads)
            together.wait()  # broken if they ran one after the other

    monkeypatch.setattr(NativeTraining, "_run", looked_at)
    fit_many([network(), network(1)], X, Y, epochs=2, callbacks=Meet, threads=2)
    assert seen == jobs == [1] * 4
    assert piece().threads is None


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_names_its_network_and_stops_the_others(threads):
    class Fails(Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise ZeroDivisionError("own mistake")

    def callbacks():
        return [[Fails()] if i == 1 else [] for i in range(3)]

    models = [network(i) for i in range(3)]
    # Without being stopped, the first would run for hours.
    epochs = [1 if threads == 1 else 10**9, 5, 5]
    with pytest.raises(ZeroDivisionError, match="own mistake") as raised:
        fit_many(models, X, Y, epochs=epochs, callbacks=callbacks(), threads=threads)
    assert raised.value.__notes__ == ["in models[1]"]
    assert np.isfinite(models[0].predict(X)).all()
    assert len(models[0].fit(X, Y, epochs=1, verbose=0).epoch) == 1
    with pytest.raises(InputError, match=r"models\[2\]: .*150"):
        fit_many([network(i) for i in range(3)], [X, X, X[:9]], Y, threads=threads)


def test_a_system_without_room_for_threads(monkeypatch):
    start, started = threading.Thread.start, []

    def refused(self):
        if started:
            raise RuntimeError("can't start new thread")
        started.append(self)
        start(self)

    models = [network(i) for i in range(3)]
    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        fit_many(models, X, Y, epochs=2, threads=2)
    assert not started[0].is_alive() or started[0].join(600) is None


def test_arguments_that_contradict_each_other():
    models = [network(i) for i in range(2)]
    shared = layers.Dense(1)
    optimizer = optimizers.Adam()

    class Own(Metric):
        def update_state(self, y_true, y_pred, sample_weight=None):
            """Nothing."""

        def result(self):
            """Nothing."""
            return 0.0

    metric = Own(name="own")

    def with_parts(last=None, optimizer="adam", metrics=()):
        model = Sequential([Input((5,)), last or layers.Dense(1)])
        model.compile(optimizer, "mse", metrics=list(metrics))
        return model

    stop = EarlyStopping("loss")
    refused = [
        ("models is one network", lambda: fit_many(models[0], X, Y)),
        (r"models\[1\] is 'net'", lambda: fit_many([models[0], "net"], X, Y)),
        (r"models\[0\] and models\[1\] have the same network", lambda: fit_many([models[0]] * 2, X, Y)),
        ("have the same layer", lambda: fit_many([with_parts(shared), with_parts(shared)], X, Y)),
        ("have the same optimizer", lambda: fit_many([with_parts(optimizer=optimizer) for _ in "ab"], X, Y)),
        ("fit has no argument 'epoch'.*epochs", lambda: fit_many(models, X, Y, epoch=2)),
        ("epochs is a list of 3, and there are 2", lambda: fit_many(models, X, Y, epochs=[1, 2, 3])),
        ("x gives batches", lambda: fit_many(models, Batches())),
        ("callbacks of several networks", lambda: fit_many(models, X, Y, callbacks=[stop, stop])),
        ("have the same callback", lambda: fit_many(models, X, Y, callbacks=[[stop], [stop]])),
        (r"models\[1\]: epochs must be", lambda: fit_many(models, X, Y, epochs=[1, 0])),
        ("threads must be a whole number", lambda: fit_many(models, X, Y, threads=0)),
        (r"models\[1\]: .*must be compiled", lambda: fit_many([models[0], Sequential([Input((5,))])], X, Y)),
    ]  # fmt: skip
    for message, call in refused:
        with pytest.raises(ConfigError, match=message):
            call()
    with pytest.warns(RuntimeWarning, match="runs in Python"):
        pair = [with_parts(metrics=[metric]) for _ in "ab"]
    with pytest.raises(ConfigError, match="have the same metric 'own'"):
        fit_many(pair, X, Y)
    assert fit_many([], X, Y) == []


def test_what_it_shows(capsys):
    fit_many([network(0), network(1)], X, Y, epochs=2, verbose=2, threads=2)
    told = capsys.readouterr().out.splitlines()
    assert [line for line in told if line.startswith("Model")] == ["Model 1/2", "Model 2/2"]
    assert told[1].count("loss: ") == 1
    fit_many([network(0), network(1)], X, Y, verbose=0)
    assert not capsys.readouterr().out


SCRIPT = """
import os, signal
import numpy as np
from foldnet import Input, Sequential, callbacks, fit_many, layers
x = np.random.default_rng(0).normal(size=(200, 4)).astype("f4")
ended = []

class Interrupts(callbacks.Callback):
    # Once it has surely made an epoch; the others have no hooks, and run in compiled code.
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 3:
            os.kill(os.getpid(), signal.SIGINT)

class Ends(callbacks.Callback):
    def on_train_end(self, logs=None):
        ended.append(self.model.name)

def network(i):
    model = Sequential([Input((4,)), layers.Dense(8, activation="relu"), layers.Dense(1)], name=f"n{i}")
    model.compile("adam", "mse")
    return model

models = [network(i) for i in range(5)]
try:
    fit_many(models, x, x[:, :1], epochs=10**9, callbacks=[[Ends(), Interrupts()], [Ends()], [], [], []], threads=2)
except KeyboardInterrupt:
    assert sorted(ended) == ["n0", "n1"], ended
    for model in models:
        assert np.isfinite(model.predict(x)).all()
        model.fit(x, x[:, :1], epochs=1, verbose=0)
    assert models[0].optimizer.iterations >= 28
    assert models[4].optimizer.iterations == 7  # of the fit after the interruption alone
    print("usable", flush=True)
"""


def test_ctrl_c(quick_compiler):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=600, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "CC": quick_compiler},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "usable" in done.stdout


def test_what_is_for_all_networks_is_checked_once(monkeypatch):
    checked, seen = FitArguments.checked, []
    monkeypatch.setattr(FitArguments, "checked", lambda **given: seen.append(given) or checked(**given))
    fit_many(networks(), X, Y, epochs=1, verbose=0)
    assert len(seen) == 1
    histories = fit_many(networks(), X, Y, epochs=[1, 1, 2, 2, 2, 1, 1], verbose=0)
    assert len(seen) == 4
    assert [len(h.history["loss"]) for h in histories] == [1, 1, 2, 2, 2, 1, 1]
