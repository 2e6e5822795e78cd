"""What the monitor records is what happened, and a killed run can still be read."""

import json

import numpy as np
import pytest

from foldnet import Sequential, layers, utils
from foldnet.callbacks import LambdaCallback, NormalizationMonitor
from foldnet.errors import ConfigError, FileFormatError
from foldnet.insight.watch.monitor import _followed
from foldnet.insight.watch.run_files import read_run

ROWS = np.random.default_rng(0).normal(3, 2, (96, 4)).astype(np.float32)
TARGETS = ROWS[:, :1] * 0.5


def network(momentum=0.9):
    utils.set_random_seed(7)
    stack = [layers.Input((4,)), layers.BatchNormalization(momentum=momentum, name="first"), layers.Dense(3)]
    model = Sequential(
        [*stack, layers.Dropout(0.2), layers.BatchNormalization(name="second"), layers.Dense(1)]
    )
    model.compile("adam", "mse", metrics=["mae"])
    return model


def fit(model, **settings):
    return model.fit(ROWS, TARGETS, batch_size=32, verbose=0, **{"epochs": 4, "shuffle": False} | settings)


def test_by_epoch(tmp_path):
    model = network()
    seen = [[model.get_layer("first").moving_mean.copy(), model.get_layer("second").moving_variance.copy()]]

    def note(epoch, logs):
        seen.append(
            [model.get_layer("first").moving_mean.copy(), model.get_layer("second").moving_variance.copy()]
        )

    history = fit(
        model,
        validation_data=(ROWS, TARGETS),
        callbacks=[LambdaCallback(on_epoch_end=note), NormalizationMonitor(tmp_path / "run")],
    )
    run = read_run(tmp_path / "run")
    assert run.finished
    assert run.first_step == 0
    np.testing.assert_array_equal(run.steps, [0, 3, 6, 9, 12])
    np.testing.assert_array_equal(run.epochs, [0, 1, 2, 3, 4])
    first, second = run.layers
    assert (first.name, first.momentum, first.channels, first.recorded) == ("first", 0.9, 4, (0, 1, 2, 3))
    np.testing.assert_array_equal(first.moving_mean, [s[0] for s in seen])
    np.testing.assert_array_equal(second.moving_variance, [s[1] for s in seen])
    assert set(run.logs) == set(history.history)
    for name, values in history.history.items():
        np.testing.assert_allclose(run.logs[name], [np.nan, *values])


def test_by_step_the_batches_own_statistics_come_out(tmp_path):
    model = network()
    fit(model, epochs=2, callbacks=NormalizationMonitor(tmp_path, every=1))
    run = read_run(tmp_path)
    first = run.layers[0]
    # After the start, three steps per epoch and one record of the epoch's end, at the same step as the last.
    np.testing.assert_array_equal(run.steps, [0, 1, 2, 3, 3, 4, 5, 6, 6])
    batches = [ROWS[i : i + 32].astype(np.float64) for i in (0, 32, 64)]
    for record, batch in zip((1, 2, 3, 5, 6, 7), [*batches, *batches], strict=True):
        np.testing.assert_allclose(first.batch_mean[record], batch.mean(axis=0), rtol=1e-4)
        np.testing.assert_allclose(first.batch_variance[record], batch.var(axis=0), rtol=1e-4)
    assert np.isnan(first.batch_mean[[0, 4, 8]]).all()


def test_by_epoch_the_batches_are_averaged_as_training_does(tmp_path):
    model = network()
    fit(model, epochs=1, callbacks=[NormalizationMonitor(tmp_path)])
    first = read_run(tmp_path).layers[0]
    weights = np.array([0.81, 0.9, 1.0])
    means = np.array([ROWS[i : i + 32].mean(axis=0) for i in (0, 32, 64)])
    np.testing.assert_allclose(first.batch_mean[1], weights @ means / weights.sum(), rtol=1e-4)


def test_monitoring_changes_no_bit_of_the_training(tmp_path):
    weights = []
    for callbacks in (
        None,
        NormalizationMonitor(tmp_path / "a"),
        NormalizationMonitor(tmp_path / "b", every=2),
    ):
        model = network()
        fit(model, shuffle=True, callbacks=callbacks)
        weights.append(model.get_weights())
    for other in weights[1:]:
        for a, b in zip(weights[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_argument_of_fit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fit(network(), epochs=2, monitor="normalization")
    np.testing.assert_array_equal(read_run("run").steps, [0, 3, 6])
    epochs = []
    fit(
        network(),
        epochs=2,
        monitor=NormalizationMonitor("other", every=3),
        callbacks=LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(epoch)),
    )
    assert epochs == [0, 1]
    assert len(read_run("other").steps) == 5
    with pytest.raises(ConfigError, match='"normalization"'):
        fit(network(), monitor="losses")


def test_a_run_that_was_killed_can_be_read(tmp_path, monkeypatch):
    monkeypatch.setattr("foldnet.insight.watch.monitor.FLUSH_RECORDS", 2)

    def kill(epoch, logs):
        if epoch == 6:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        fit(
            network(),
            epochs=20,
            callbacks=[NormalizationMonitor(tmp_path), LambdaCallback(on_epoch_end=kill)],
        )
    run = read_run(tmp_path)
    assert not run.finished
    np.testing.assert_array_equal(run.epochs, range(8))
    assert {p.name for p in tmp_path.iterdir()} == {"run.json", *(f"part-{i:05d}.npz" for i in range(4))}


def test_a_new_run_replaces_the_old_and_nothing_else(tmp_path):
    fit(network(), epochs=5, callbacks=NormalizationMonitor(tmp_path / "run"))
    fit(network(), epochs=2, callbacks=NormalizationMonitor(tmp_path / "run"))
    assert len(read_run(tmp_path / "run").steps) == 3
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(FileExistsError, match="its own directory"):
        fit(network(), callbacks=NormalizationMonitor(tmp_path / "mine"))


def test_going_on_counts_from_where_it_was(tmp_path):
    model = network()
    fit(model)
    fit(model, epochs=6, initial_epoch=4, callbacks=NormalizationMonitor(tmp_path))
    run = read_run(tmp_path)
    assert run.first_step == 12
    np.testing.assert_array_equal(run.steps, [12, 15, 18])
    np.testing.assert_array_equal(run.epochs, [4, 5, 6])


def test_a_wide_layer_is_recorded_in_part(tmp_path):
    model = Sequential([layers.Input((4,)), layers.Dense(1000), layers.BatchNormalization(), layers.Dense(1)])
    model.compile("sgd", "mse")
    fit(model, epochs=1, callbacks=NormalizationMonitor(tmp_path))
    layer = read_run(tmp_path).layers[0]
    assert layer.channels == 1000
    assert len(layer.recorded) == 64
    assert (layer.recorded[0], layer.recorded[-1]) == (0, 999)
    np.testing.assert_array_equal(layer.moving_mean[-1], model.layers[1].moving_mean[list(layer.recorded)])


def test_layers_that_rest_say_nothing_of_batches(tmp_path):
    model = network()
    model.get_layer("first").trainable = False
    fit(model, callbacks=NormalizationMonitor(tmp_path))
    first, second = read_run(tmp_path).layers
    assert np.isnan(first.batch_mean).all()
    assert np.isfinite(second.batch_mean[1:]).all()


def test_what_is_refused(tmp_path):
    for every in (0, "step", True, 1.5):
        with pytest.raises(ConfigError, match="every"):
            NormalizationMonitor(tmp_path, every=every)
    plain = Sequential([layers.Input((4,)), layers.Dense(1)])
    plain.compile("sgd", "mse")
    with pytest.raises(ConfigError, match="no BatchNormalization"):
        fit(plain, callbacks=NormalizationMonitor(tmp_path))


def test_damaged_runs(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"run\.json"):
        read_run(tmp_path)
    fit(network(), epochs=1, callbacks=NormalizationMonitor(tmp_path))
    header, part = tmp_path / "run.json", tmp_path / "part-00000.npz"
    good, whole = header.read_text(), part.read_bytes()
    other = json.dumps({**json.loads(good), "format": "other"})
    for text in ("", "[]", "{}", other, good.replace('"first"', '"third"')):
        header.write_text(text)
        with pytest.raises(FileFormatError):
            read_run(tmp_path)
    header.write_text(good)
    for cut in range(0, len(whole), len(whole) // 7):
        part.write_bytes(whole[:cut])
        with pytest.raises(FileFormatError):
            read_run(tmp_path)
    part.unlink()
    with pytest.raises(FileFormatError, match="no records yet"):
        read_run(tmp_path)


IMAGES = np.random.default_rng(1).normal(3, 2, (48, 4, 3, 2)).astype(np.float32)


@pytest.mark.parametrize(
    ("axis", "others"), [(-1, (0, 1, 2)), (1, (0, 2, 3)), ([1, 3], (0, 2)), ([1, 2, 3], (0,))]
)
def test_batches_of_images_count_every_position(tmp_path, axis, others):
    norm = layers.BatchNormalization(axis=axis, momentum=0.9, name="norm")
    stack = [norm, layers.Conv2D(2, 2, activation="tanh"), layers.BatchNormalization(), layers.Flatten()]
    model = Sequential([layers.Input((4, 3, 2)), *stack, layers.Dense(1)])
    model.compile("sgd", "mse")
    settings = {"batch_size": 16, "shuffle": False, "verbose": 0}
    model.fit(IMAGES, IMAGES[:, 0, 0, :1], callbacks=NormalizationMonitor(tmp_path, every=1), **settings)
    found = read_run(tmp_path).layers[0]
    for step in range(3):
        batch = IMAGES[16 * step : 16 * (step + 1)].astype(np.float64)
        np.testing.assert_allclose(found.batch_mean[step + 1], batch.mean(axis=others).ravel(), rtol=2e-4)
        np.testing.assert_allclose(found.batch_variance[step + 1], batch.var(axis=others).ravel(), rtol=1e-3)


def test_masked_steps_are_no_part_of_a_batch(tmp_path):
    x = np.random.default_rng(2).normal(3, 2, (32, 5, 3)).astype(np.float32)
    counts = np.arange(5) < np.random.default_rng(3).integers(1, 6, (32, 1))
    x[~counts] = 0.0
    stack = [layers.Masking(0.0), layers.BatchNormalization(momentum=0.9), layers.LSTM(3)]
    model = Sequential(
        [layers.Input((5, 3)), *stack, layers.BatchNormalization(name="after"), layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    monitor = NormalizationMonitor(tmp_path, every=1)
    model.fit(x, x[:, 0, :1], batch_size=16, shuffle=False, verbose=0, callbacks=monitor)
    first, after = read_run(tmp_path).layers
    for step in range(2):
        rows = slice(16 * step, 16 * (step + 1))
        batch = x[rows][counts[rows]].astype(np.float64)
        np.testing.assert_allclose(first.batch_mean[step + 1], batch.mean(axis=0), rtol=2e-4)
        np.testing.assert_allclose(first.batch_variance[step + 1], batch.var(axis=0), rtol=1e-3)
    assert after.channels == 3


def test_inside_time_distributed_every_step_updates():
    norm = layers.BatchNormalization()
    stack = [layers.TimeDistributed(layers.Dense(3)), layers.TimeDistributed(norm, name="steps")]
    model = Sequential([layers.Input((5, 2)), *stack])
    assert _followed(model) == ([("steps", norm)], {"steps": 5})
