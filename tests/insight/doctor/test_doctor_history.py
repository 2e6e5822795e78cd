"""The history of a training and validation data reach the checks, from wherever they come."""

import json
import tracemalloc
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import foldnet as fn
from foldnet import layers
from foldnet.callbacks import CSVLogger
from foldnet.errors import FileFormatError, InputError, MissingFileError
from foldnet.insight.doctor.checks.overfit import curve_of
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.history import own_history, read_history
from foldnet.insight.doctor.registry import NEEDS
from tests.insight.doctor.doctor_overfit import falling, valley


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A network, its History, and the file of its CSVLogger."""
    log = tmp_path_factory.mktemp("history") / "log.csv"
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    model = fn.Sequential([layers.Input((3,)), layers.Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    logger = CSVLogger(log, separator=";")
    settings = {"validation_split": 0.25, "validation_freq": 2, "verbose": 0}
    return model, model.fit(x, x.sum(axis=1), epochs=5, callbacks=[logger], **settings), log


def test_every_form_of_a_history_is_the_same(trained, tmp_path):
    model, history, log = trained
    expected = {name: [float(v) for v in values] for name, values in history.history.items()}
    assert set(expected) == {"loss", "mae", "val_loss", "val_mae"}
    saved = tmp_path / "history.json"
    saved.write_text(json.dumps(history.history))
    of_keras = SimpleNamespace(history={k: np.array(v) for k, v in expected.items()}, params={})
    for given in (history, history.history, of_keras, saved, str(saved)):
        assert read_history(given) == expected
    assert Context(model).history == expected
    assert Context(model, history={"loss": [3.0]}).history == {"loss": [3.0]}
    # In the file epochs without validation have their places.
    read = read_history(log)
    assert set(read) == set(expected)
    assert np.isnan(read["val_loss"][::2]).all()
    assert read["val_loss"][1::2] == expected["val_loss"]
    assert read["loss"] == expected["loss"]


@pytest.mark.parametrize("separator", [",", "\t", "|"])
def test_what_keras_keeps_and_writes(separator, tmp_path):
    """Its own History and CSVLogger, with a metric of several numbers and an epoch without validation."""
    epochs = [
        {"f1 score": np.array([0.5, 0.25]), "loss": 1.5},
        {"f1 score": np.array([0.5, 0.75]), "loss": float("nan"), "val_loss": 2.5},
    ]
    history = keras.callbacks.History()
    logger = keras.callbacks.CSVLogger(str(tmp_path / "log"), separator=separator)
    for callback in (history, logger):
        callback.set_model(SimpleNamespace(stop_training=False))
        callback.on_train_begin()
        for epoch, logs in enumerate(epochs):
            callback.on_epoch_end(epoch, logs)
    logger.on_train_end()
    np.testing.assert_equal(read_history(history), {"loss": [1.5, np.nan], "val_loss": [2.5]})
    np.testing.assert_equal(
        read_history(tmp_path / "log"), {"loss": [1.5, np.nan], "val_loss": [np.nan, 2.5]}
    )


def test_a_log_of_other_values_is_left_out():
    assert read_history({"loss": [1, np.float32(2)], "f1": [[1, 2], [3, 4]], "name": "sgd", "rate": []}) == {
        "loss": [1.0, 2.0]
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [(7, "not a int"), ([1.0], "not a list"), ({}, "no values by epoch"), ({"loss": "low"}, "no values by epoch"),
     (SimpleNamespace(history=None), "what fit returned")],
)  # fmt: skip
def test_something_else_is_no_history(trained, given, said):
    with pytest.raises(InputError, match=said):
        fn.doctor(trained[0], history=given)
    assert own_history(SimpleNamespace(history=given)) is None or given == {"loss": "low"}


@pytest.mark.parametrize(
    ("content", "said"),
    [("", "names no column loss"), ("a,b\n1,2\n", "names no column loss"), ("epoch,loss\n", "no values by epoch"),
     ("epoch,loss\n0,1\n1\n", "line 3 has another number"), ("{'loss': 1}", "is no JSON"),
     ('{"loss": 1}', "no values by epoch"), (b"\xff\xfe\x00", "is no text")],
)  # fmt: skip
def test_files_that_are_no_history(content, said, tmp_path):
    log = tmp_path / "log"
    log.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=said):
        read_history(log)
    with pytest.raises(MissingFileError, match="none"):
        read_history(tmp_path / "none")
    with pytest.raises(FileFormatError, match=f"{tmp_path}: it is a directory"):
        read_history(tmp_path)


@pytest.mark.parametrize("sign", [";", "\t", "|"])
def test_a_log_with_decimal_commas(sign, tmp_path):
    """As a spreadsheet writes it; where both signs occur, or the cells are separated by commas, it is refused."""
    log = tmp_path / "log.csv"
    lines = [["epoch", "loss", "val_loss"], ["0", "0,5", "1"], ["1", "2,5e-1", "NA"], ["2", "0,125", "-0,5"]]
    log.write_text("\n".join(map(sign.join, lines)))
    read = read_history(log)
    assert read["loss"] == [0.5, 0.25, 0.125]
    np.testing.assert_array_equal(read["val_loss"], [1, np.nan, -0.5])
    for cell in ("1.000,5", "1.000"):
        log.write_text("\n".join(map(sign.join, [*lines, ["3", cell, "1"]])))
        with pytest.raises(InputError, match=r"loss of .* is not one number for each epoch"):
            read_history(log)
    log.write_text("\n".join(map(",".join, lines)))
    with pytest.raises(
        InputError, match=r"line 2 has another number of cells\. If its numbers have a decimal comma"
    ):
        read_history(log)


def test_a_loss_is_a_number_in_each_epoch(trained):
    for name in ("loss", "val_loss"):
        with pytest.raises(InputError, match=f"{name} of the history is not one number"):
            read_history({"loss": [1.0, 2.0], name: [1.0, "low"]})
    for values in ([np.nan] * 9, [np.inf] * 9):
        report = fn.doctor(trained[0], history={"loss": [1.0] * 9, "val_loss": values})
        assert "a val_loss that is a number" in report.skipped["overfit"]


def test_a_long_history_takes_little_memory():
    """A running median of every epoch would need memory by the square of their number."""
    epochs = 40_000
    loss = falling(2, 0.01, epochs)
    tracemalloc.start()
    curve = curve_of({"loss": loss, "val_loss": valley(2, 0.1, 0.8, epochs)})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6
    assert curve is not None
    assert curve.rises
    assert (curve.epochs, curve.best_epoch, curve.raw[1]) == (epochs, epochs // 4, pytest.approx(0.8))
    same = curve_of({"loss": falling(2, 0.01, 4000), "val_loss": valley(2, 0.1, 0.8, 4000)})
    assert same is not None
    assert (curve.best, curve.last) == pytest.approx((same.best, same.last), rel=0.01)


def test_no_more_is_said_of_a_curve_than_is_known():
    model = fn.Sequential([layers.Input((3,)), layers.Dense(1)])
    rising = valley(2, 0.1, 0.8)
    for values, loss, words in (
        (rising, falling(2, 0.01), "above its minimum, while the training loss did not rise"),
        (rising, [2.0, 1.0, 0.5], "has no training loss for each of these epochs"),
        (
            [1.0] * 20 + [1e-3] * 20 + [1e308] * 40,
            falling(2, 0.01, 80),
            "more than 1,000 times above its minimum",
        ),
    ):
        (found,) = fn.doctor(model, history={"loss": loss, "val_loss": values}, checks=["overfit"])
        assert words in found.message
    assert (
        fn.doctor(model, history={"loss": [*falling(2, 0.1, 20), *[np.nan] * 20], "val_loss": rising}).of(
            "overfit"
        )
        == ()
    )


def test_a_check_may_need_the_history(trained):
    has = NEEDS["history"][1]
    assert has(Context(trained[0]))
    assert not has(Context(fn.Sequential([layers.Input((3,)), layers.Dense(1)])))
