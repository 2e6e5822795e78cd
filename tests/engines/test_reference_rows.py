"""Same row, same bits: on the reference engine no row's result depends on the rows beside it."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldnet import activations, layers
from foldnet.network import Model
from tests.support.keras_pairs import Case, foldnet_model, random_rows, random_weights, run_reference

sys.path.insert(0, str(Path(__file__).parents[1] / "layers"))
from tests.layers.cases import ACTIVATIONS, ALL

one_each = list({case.class_name: case for _, case in ALL}.values())
WIDE = [
    Case("Dense", {"units": 33, "activation": "gelu"}, ((67,),)),
    Case("LayerNormalization", {"axis": [1, 2]}, ((9, 31),)),
    Case("LayerNormalization", {"axis": 1}, ((31, 2),)),
    Case("GroupNormalization", {"groups": 3, "axis": 1}, ((9, 17),)),
    Case("UnitNormalization", {"axis": 1}, ((19, 3),)),
    Case("RMSNormalization", {}, ((65,),)),
    Case("Softmax", {"axis": 1}, ((19, 3),)),
    Case("Softmax", {}, ((1,),)),
    Case("Activation", {"activation": "log_softmax"}, ((131,),)),
    Case("Activation", {"activation": "sparsemax"}, ((37,),)),
    Case("Dot", {"axes": 1, "normalize": True}, ((41,), (41,))),
    *[Case("Activation", {"activation": a}, ((2,),)) for a in ACTIVATIONS],
]
CASES = one_each + WIDE


def rows_of(case, rows, rng):
    arrays = random_rows(case, rows, rng)
    for array in arrays:
        if array.dtype.kind == "f":  # magnitudes at which the elementary functions take all their branches
            array *= 10.0 ** rng.integers(-6, 3, array.shape).astype(np.float32)
    return arrays


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_batch_size_and_position(case, dtype):
    rng = np.random.default_rng(5)
    model = foldnet_model(case)
    random_weights(model, rng)
    rows = rows_of(case, 1000, rng)
    (whole,) = run_reference(model, rows, dtype)
    for size in (1, 2, 7, 16):
        for start in (0, 1, 5, 1000 - size):
            (part,) = run_reference(model, [a[start : start + size] for a in rows], dtype)
            np.testing.assert_array_equal(part, whole[start : start + size])
    backwards = run_reference(model, [a[::-1] for a in rows], dtype)[0]
    np.testing.assert_array_equal(backwards[::-1], whole)


def network():
    x = layers.Input((6,))
    y = layers.Dense(7, activation="mish")(x)
    y = layers.BatchNormalization()(y)
    z = layers.LayerNormalization()(layers.Dense(7, activation="softplus")(y))
    y = layers.Concatenate()([y, layers.Multiply()([y, z])])
    model = Model(x, layers.Dense(3, activation="softmax")(y))
    random_weights(model, np.random.default_rng(2))
    return model


NETWORK = network()


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_split_of_any_data(data):
    values = st.floats(-1e4, 1e4, width=32)
    count = data.draw(st.integers(1, 12))
    rows = np.float32(
        data.draw(st.lists(st.lists(values, min_size=6, max_size=6), min_size=count, max_size=count))
    )
    cut = data.draw(st.integers(0, count))
    (whole,) = run_reference(NETWORK, [rows])
    parts = [run_reference(NETWORK, [part])[0] for part in (rows[:cut], rows[cut:])]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("case", CASES[::3], ids=str)
def test_no_rows_at_all(case):
    model = foldnet_model(case)
    (whole,) = run_reference(model, rows_of(case, 2, np.random.default_rng(0)))
    (none,) = run_reference(model, rows_of(case, 0, np.random.default_rng(0)))
    assert none.shape == (0, *whole.shape[1:])


@pytest.mark.parametrize("layout", ["columns", "strided", "readonly", "float64"])
def test_the_layout_of_the_data_changes_nothing(layout):
    rng = np.random.default_rng(3)
    rows = np.float32(rng.normal(size=(50, 6)))
    other = {
        "columns": np.asfortranarray(rows),
        "strided": np.repeat(np.repeat(rows, 2, axis=0), 3, axis=1)[::2, ::3],
        "readonly": np.broadcast_to(rows, rows.shape),
        "float64": rows.astype(np.float64),
    }[layout]
    np.testing.assert_array_equal(run_reference(NETWORK, [other])[0], run_reference(NETWORK, [rows])[0])


def test_one_bad_row_stays_alone():
    rows = np.float32(np.random.default_rng(4).normal(size=(9, 6)))
    (good,) = run_reference(NETWORK, [rows])
    rows[4] = np.nan
    (result,) = run_reference(NETWORK, [rows])
    assert np.isnan(result[4]).all()
    np.testing.assert_array_equal(np.delete(result, 4, 0), np.delete(good, 4, 0))


def test_the_sum_runs_in_order():
    # NumPy would add these pairwise, or not, depending on the shape around them.
    terms = np.array([1.0, 1e100, 1.0, -1e100] * 50)
    assert activations.in_order(terms, 0) == [0.0]
    assert activations.in_order(terms[::-1], 0) == [1.0]
