"""Data as the caller gives them: what fit takes is read as fit reads it, and the rest is named."""

import re

import numpy as np
import pytest

import foldnet as fn
from foldnet import layers
from foldnet.errors import InputError
from foldnet.insight.doctor.finding import percent
from foldnet.insight.doctor.given import read_validation
from tests.insight.doctor.doctor_labels import CLASS, FREE, NUMBERS, ONE_HOT, SOFTMAX, SPARSE, given
from tests.insight.doctor.doctor_networks import rows

CHECKED = ["labels-and-loss", "unusable-targets", "constant-targets", "target-out-of-reach"]


def found_of(report):
    return [(f.check, f.severity) for f in report]


def test_targets_that_fit_takes_are_the_same_in_any_form():
    """With an axis of 1 more, or in a list, tuple or dict of one."""
    for units, activation, loss, y in (
        (1, FREE, "mse", NUMBERS), (3, SOFTMAX, SPARSE, CLASS), (3, SOFTMAX, "categorical_crossentropy", ONE_HOT),
    ):  # fmt: skip
        context = given(units, activation, loss, y)
        model, x = context.network, context.x
        wanted = [f.to_dict() for f in fn.doctor(model, x, y)]
        column = y.reshape(len(y), -1)
        for form in ([y], (y,), {"out": y}, column[..., None], [column[..., None]]):
            model.fit([x], form, epochs=1, verbose=0)
        context = given(units, activation, loss, y)
        for form in ([y], (y,), {"out": y}, column[..., None], [column[..., None]]):
            assert [f.to_dict() for f in fn.doctor(context.network, [x], form)] == wanted


def test_targets_that_are_not_one_for_each_row_are_one_error():
    context = given(1, FREE, "mse", NUMBERS)
    for y, said in (
        (3.0, r"one target for each row: the targets have the shape \(\)"),
        (np.zeros((60, 0)), r"shape \(60, 0\)"), ([], r"shape \(0,\)"),
        (NUMBERS[None], "There is 1 target for 60 rows"), (NUMBERS[:50], "There are 50 targets for 60 rows"),
    ):  # fmt: skip
        report = fn.doctor(context.network, context.x, y, checks=CHECKED)
        assert found_of(report) == [("unusable-targets", "error")]
        assert re.search(said, report.findings[0].message)


def test_names_that_the_network_does_not_have_are_refused():
    a = layers.Input((5,), name="a")
    model = fn.Model({"a": a}, layers.Dense(1, name="out")(a))
    model.compile("adam", "mse")
    assert fn.doctor(model, {"a": rows(60)}, {"out": NUMBERS}).checks
    with pytest.raises(InputError, match="x must have the entry 'a'"):
        fn.doctor(model, {"b": rows(60)}, NUMBERS)
    with pytest.raises(InputError, match="y must have the entry 'out'"):
        fn.doctor(model, {"a": rows(60)}, {"nope": NUMBERS})


class Batches:
    """A dataset as Keras has it: batches by number."""

    def __len__(self):
        return 2

    def __getitem__(self, i):
        return rows(30), NUMBERS[:30]


@pytest.mark.parametrize(
    "given_",
    [(((rows(8), NUMBERS[:8]) for _ in range(3)),), (Batches(),), (iter([rows(8)]), NUMBERS), (rows(60), iter(NUMBERS)),
     ([iter([rows(8)])], NUMBERS)],
)  # fmt: skip
def test_batches_are_refused_with_what_to_give(given_):
    model = given(1, FREE, "mse", NUMBERS).network
    with pytest.raises(InputError, match=r"one batch after the other; .* Give arrays: x, y ="):
        fn.doctor(model, *given_)
    made = [list(map(tuple, rows(60))), range(60)]  # rows and targets in other forms
    assert "unusable-targets" not in [f.check for f in fn.doctor(model, *made)]


def test_a_network_with_several_outputs_is_not_said_to_be_looked_at():
    x = layers.Input((5,))
    two = fn.Model(x, [layers.Dense(1)(x), layers.Dense(1)(x)])
    two.compile("adam", "mse")
    y = [np.full(60, np.nan), NUMBERS]
    skipped = fn.doctor(two, rows(60), y, validation_data=(rows(60), y)).skipped
    for check in ("unusable-targets", "constant-targets", "overfit"):
        assert skipped[check] == "does not look at networks with several outputs"
    skipped = fn.doctor(two, rows(60)).skipped
    assert skipped["unusable-targets"] == skipped["constant-targets"] == "needs data and targets"
    context = given(1, FREE, "mse", NUMBERS)
    report = fn.doctor(context.network, context.x, ["a"] * 60)
    assert report.skipped["constant-targets"] == "needs targets that are numbers, one for each row"
    assert "unusable-targets" in report.checks


def test_rows_that_are_all_nan_are_an_error():
    context = given(1, FREE, "mse", NUMBERS)
    report = fn.doctor(context.network, context.x * np.nan, NUMBERS)
    assert ("not-finite", "error") in found_of(report)
    assert report.of("not-finite")[0].evidence == {"rows_left_out": 60, "rows_used": 0}
    assert not report.ok


X = rows(60)
COUNTED = "40 targets for 50 rows"


@pytest.mark.parametrize(
    ("data", "said"),
    [(7, "not a int"), ((1,), "not 1 values"), ((None, 1), "as in fit"), ("ab", "not a str"),
     ((X[:50], NUMBERS[:40]), COUNTED), ((X[:40], NUMBERS), "60 targets for 40 rows"),
     ((X, ["a"] * 60), "not numbers"), ((X, np.c_[NUMBERS, NUMBERS]), r"shape \(60, 2\).*\(1,\)"),
     ((X, None), "y is None"), ((X, NUMBERS, np.ones(7)), "one weight per row"),
     ((X, NUMBERS, -np.ones(60)), "0 or more"), ((X, NUMBERS, np.full(60, np.nan)), "0 or more"),
     ((X, NUMBERS, "heavy"), "not numbers"), ((X, {"nope": NUMBERS}), "must have the entry 'out'")],
)  # fmt: skip
def test_validation_data_that_do_not_fit_are_refused(data, said):
    model = given(1, FREE, "mse", NUMBERS).network
    with pytest.raises(InputError, match=said):
        fn.doctor(model, validation_data=data)


def test_validation_data_are_given_as_in_fit():
    model = given(1, FREE, "mse", NUMBERS).network
    assert read_validation(model, None) is None
    for data in (
        (X, NUMBERS),
        [[X], [NUMBERS]],
        (X, NUMBERS[:, None, None], np.zeros(60)),
        (X, NUMBERS, None),
    ):
        read = read_validation(model, data)
        assert read[0] is data[0]
        np.testing.assert_array_equal(read[1].reshape(-1), NUMBERS)
        assert read[2:] == tuple(data[2:])
    pairs = np.c_[NUMBERS, NUMBERS]
    assert read_validation(model, (X, pairs), known_loss=False)[1].shape == (60, 2)
    two = fn.Model(x := layers.Input((5,)), [layers.Dense(1)(x), layers.Dense(1)(x)])
    assert read_validation(two, (X, [NUMBERS, NUMBERS]))
    with pytest.raises(InputError, match=COUNTED):
        read_validation(two, (X[:50], [NUMBERS[:50], NUMBERS[:40]]))


def test_a_small_share_and_a_single_class_are_said_in_right_words():
    assert [percent(s) for s in (0, 1 / 300, 1e-6, 0.01, 0.253, 1)] == [
        "0%",
        "0.3%",
        "0.0001%",
        "1%",
        "25%",
        "100%",
    ]
    y = np.linspace(0, 1, 300)
    y[7] = 2
    context = given(1, "sigmoid", "mse", y)
    (found,) = fn.doctor(context.network, context.x, y, checks="target-out-of-reach")
    assert found.message.startswith("0.3% of the targets lie outside")
    context = given(4, SOFTMAX, SPARSE, CLASS)
    (found,) = fn.doctor(context.network, context.x, CLASS, checks="classes-missing")
    assert found.message.startswith("1 of 4 classes never occurs in the targets: 3,")
