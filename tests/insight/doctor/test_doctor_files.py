"""The doctor on files of every Keras, on data that it must refuse, and on networks of every shape."""

from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import foldnet as fn
from foldnet import Model, Sequential, layers
from foldnet.errors import ConfigError, FoldnetError, InputError
from tests.insight.doctor.doctor_networks import D, filled, rows, settled, stack

ROOT = Path(__file__).resolve().parents[3]
FILES = [
    p for folder in ("tests/fixtures/formats", "data/models") for p in sorted((ROOT / folder).glob("*"))
    if p.suffix in (".keras", ".h5") and "weights" not in p.name
]  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_every_file(path):
    """From the file alone, and with data of the network's own shape."""
    try:
        model = fn.load_model(path)
    except FoldnetError:
        pytest.fail(f"{path.name} is no file for this test")
    report = fn.doctor(path)
    assert len(report.checks) >= 25
    generator = np.random.default_rng(0)
    x = [generator.integers(0, 2, (40, *(n or 3 for n in t.shape[1:]))) for t in model.inputs]
    report = fn.doctor(path, x[0] if len(x) == 1 else x)
    assert len(report.checks) >= 25
    assert max(map(len, str(report).splitlines())) <= 80
    assert {f.layer for f in report.findings} <= {"", *_paths(model)}


def _paths(network, prefix=""):
    for layer in network.layers:
        yield prefix + layer.name
        yield from (f"{prefix}{layer.name}@{i}" for i in range(1, len(layer.calls)))
        if hasattr(layer, "graph_calls"):
            yield from _paths(layer, f"{prefix}{layer.name}/")


def test_what_it_refuses():
    model = stack(D(2))
    with pytest.raises(ConfigError, match="there is no check"):
        fn.doctor(model, checks=["softmax"])
    with pytest.raises(InputError, match="shape"):
        fn.doctor(model, rows(width=4))
    with pytest.raises(InputError, match="not a int"):
        fn.doctor(3)
    with pytest.raises(ConfigError, match="no shapes"):
        fn.doctor(Sequential([layers.Dense(2)]))
    with pytest.raises(FileNotFoundError):
        fn.doctor("nowhere.keras")
    with pytest.raises(InputError, match="there is no file"):
        fn.doctor(model, script="nowhere.py")
    with pytest.raises(InputError, match="at least two rows"):
        fn.doctor(model, rows(1), candidate=lambda x: x)


def test_nested_and_shared_networks():
    inner = Sequential(
        [layers.Input((5,)), D(4, name="d"), layers.BatchNormalization(name="bn"), layers.ReLU()],
        name="inner",
    )
    a, b = layers.Input((5,), name="a"), layers.Input((5,), name="b")
    model = filled(Model([a, b], layers.Dense(1, activation="softmax", name="out")(
        layers.Concatenate()([inner(a), inner(b)])
    )))  # fmt: skip
    report = fn.doctor(model, [rows(), rows(seed=3) + 5])
    assert [f.layer for f in report.of("softmax-one-unit")] == ["out"]
    (found,) = report.of("shared-normalization")
    assert (found.layer, found.evidence["calls"]) == ("inner/bn", 2)


def test_doctor_changes_nothing():
    x = rows()
    model = stack(D(4), layers.BatchNormalization(), layers.ReLU(), D(1))
    before = [w.copy() for w in model.get_weights()]
    kept = x.copy()
    assert fn.doctor(model, x).to_dict() == fn.doctor(model, x).to_dict()
    np.testing.assert_array_equal(x, kept)
    for was, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)


values = st.floats(width=32, allow_nan=True, allow_infinity=True)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(values, min_size=3, max_size=3), st.lists(values, min_size=3, max_size=3),
    st.lists(values, min_size=3, max_size=3), values, st.integers(1, 40),
)  # fmt: skip
def test_any_numbers_get_a_report(mean, variance, gamma, size, count):
    """NaN, infinities, huge means and no variance: a report that can be printed and written as JSON, no crash."""
    model = stack(layers.BatchNormalization(name="bn"), D(2, activation="relu"), shape=(3,))
    for name, value in (("moving_mean", mean), ("moving_variance", variance), ("gamma", gamma)):
        model.get_layer("bn").set_weight(name, value)
    report = fn.doctor(model, np.full((count, 3), size, np.float32))
    assert str(report)
    bad = not (np.isfinite(mean).all() and np.isfinite(variance).all() and np.isfinite(gamma).all())
    assert bool(bad) <= any(f.severity == "error" for f in report.of("not-finite"))


def test_rows_with_nan_are_named_and_left_out():
    x = rows()
    model = settled(stack(layers.BatchNormalization(), D(2)), x)
    broken = np.concatenate([x, np.full((3, 5), np.nan, np.float32), [[0, 0, np.inf, 0, 0]]]).astype(
        np.float32
    )
    report = fn.doctor(model, broken)
    assert [(f.check, f.severity) for f in report.findings if f.severity != "note"] == [
        ("not-finite", "warning")
    ]
    assert report.findings[0].evidence == {"rows_left_out": 4, "rows_used": 400}
    assert "every row" in fn.doctor(model, broken[-2:]).skipped["input-scale"]


def test_a_network_of_keras_is_told_how_to_become_one():
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    with pytest.raises(InputError, match=r"a Sequential of Keras: give it foldnet.from_keras\(model\)"):
        fn.doctor(model)
    assert fn.doctor(fn.from_keras(model)).ok
