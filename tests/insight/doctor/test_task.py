"""What targets and output are, in every form that Keras takes, and the scores of predictions."""

import numpy as np
import pytest

from foldnet import Model, Sequential, layers, losses
from foldnet.insight.doctor.context import Context
from tests.insight.doctor.doctor_networks import D, rows

X = rows(12)
R = np.random.default_rng(3)
LABELS = R.integers(0, 3, 12)
BITS = R.integers(0, 2, 12)
BITS[:2] = 0, 1
LABELS[:3] = 0, 1, 2
MANY = R.integers(0, 2, (12, 4))
MANY[0] = 1
LOGITS = losses.BinaryCrossentropy(from_logits=True)
SMOOTH = np.eye(3)[LABELS] * 0.9 + 0.1 / 3


def context(y, units=1, activation=None, loss=None, x=X):
    model = Sequential([layers.Input(x.shape[1:]), D(units, activation=activation)])
    if loss is not None:
        model.compile("adam", loss)
    return Context(model, x, y)


SPARSE, ONE_HOT = "sparse_categorical_crossentropy", "categorical_crossentropy"
NUMBERS = R.normal(size=(12, 3))
KINDS = {
    "numbers": (lambda: context(NUMBERS[:, :1]), "numbers", NUMBERS[:, :1], 0, 0.0),
    "numbers without an axis": (lambda: context(list(NUMBERS[:, 0])), "numbers", NUMBERS[:, :1], 0, 0.0),
    "several columns": (lambda: context(NUMBERS, 3), "numbers", NUMBERS, 0, 0.0),
    "in a list": (lambda: context([NUMBERS], 3), "numbers", NUMBERS, 0, 0.0),
    "counts": (lambda: context(LABELS[:, None], 1, "exponential", "poisson"), "numbers", LABELS[:, None], 0, 0.0),
    "counts of 0 and 1": (lambda: context(BITS, 1, "exponential", "poisson"), "numbers", BITS[:, None], 0, 0.0),
    "sigmoid": (lambda: context(BITS, 1, "sigmoid", "binary_crossentropy"), "two classes", BITS, 2, 0.5),
    "booleans": (lambda: context(BITS > 0, 1, "sigmoid"), "two classes", BITS, 2, 0.5),
    "logits": (lambda: context(BITS, 1, None, LOGITS), "two classes", BITS, 2, 0.0),
    "0 and 1 as numbers": (lambda: context(BITS, 1, None, "mse"), "two classes", BITS, 2, 0.5),
    "hinge": (lambda: context(BITS * 2 - 1, 1, "tanh", "hinge"), "two classes", BITS, 2, 0.0),
    "hinge of 0 and 1": (lambda: context(BITS, 1, None, "hinge"), "two classes", BITS, 2, 0.0),
    "two units": (lambda: context(np.eye(2)[BITS], 2, "softmax", ONE_HOT), "two classes", BITS, 2, 0.0),
    "two units, sparse": (lambda: context(BITS[:, None], 2, "softmax", SPARSE), "two classes", BITS, 2, 0.0),
    "sparse": (lambda: context(LABELS, 3, "softmax", SPARSE), "classes", LABELS, 3, 0.0),
    "sparse, more than units": (lambda: context(LABELS + 1, 3, "softmax", SPARSE), "classes", LABELS + 1, 4, 0.0),
    "one-hot": (lambda: context(np.eye(3)[LABELS], 3, "softmax", ONE_HOT), "classes", LABELS, 3, 0.0),
    "smoothed": (lambda: context(SMOOTH, 3, "softmax", ONE_HOT), "classes", LABELS, 3, 0.0),
    "soft": (lambda: context(np.full((12, 4), 0.25), 4, "softmax", ONE_HOT), "numbers", np.full((12, 4), 0.25), 0, 0.0),
    "categorical hinge": (lambda: context(np.eye(3)[LABELS], 3, None, "categorical_hinge"), "classes", LABELS, 3, 0.0),
    "signed one-hot": (lambda: context(np.eye(3)[LABELS] * 2 - 1, 3, "tanh", "hinge"), "classes", LABELS, 3, 0.0),
    "labels": (lambda: context(MANY, 4, "sigmoid", "binary_crossentropy"), "labels", MANY, 4, 0.5),
    "labels from logits": (lambda: context(MANY, 4, None, LOGITS), "labels", MANY, 4, 0.0),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_what_targets_are(name):
    made, kind, answers, classes, cut = KINDS[name]
    task = made().task
    assert (task.kind, task.classes, task.cut, task.rows, task.steps) == (kind, classes, cut, 12, 1)
    np.testing.assert_array_equal(task.targets, answers)
    perfect = task.score(task.targets)
    assert perfect.value == 1 or task.constant
    assert perfect.error == 0 or task.constant


ODD = {
    "strings": ["a"] * 12, "digits as strings": ["1"] * 12, "objects": [object()] * 12, "too few": NUMBERS[:5, 0],
    "ragged": [[1.0]] * 11 + [[1.0, 2.0]], "other columns": NUMBERS, "nothing": np.zeros((0, 1)), "a number": 3.0,
    "NaN": np.full(12, np.nan), "dates": np.full(12, "2020-01-01", "datetime64[D]"), "complex": np.ones(12) * 1j,
    "two outputs": [NUMBERS[:, 0], NUMBERS[:, 1]], "no columns": np.zeros((12, 0)),
}  # fmt: skip


def test_class_numbers_of_ones_own_loss_are_no_classes():
    """A centre loss: the units are coordinates, whose largest says nothing. One-hot rows are classes all the same."""

    def own(t, p):
        return (p - t) ** 2

    assert context(LABELS, 3, None, own).task is None
    assert context(np.eye(3)[LABELS], 3, None, own).task.kind == "classes"


@pytest.mark.parametrize("name", ODD)
def test_odd_targets_are_none(name):
    assert context(ODD[name]).task is None


def test_targets_that_do_not_fit_the_output_are_none():
    assert context(NUMBERS[:, 0], 3, "softmax", SPARSE).task is None  # not whole
    assert context(LABELS - 1, 3, "softmax", SPARSE).task is None
    assert context(LABELS, 3, None, "mse").task is None  # Keras would repeat them
    assert context(np.eye(3)[LABELS], 1, "softmax", ONE_HOT).task is None
    a = layers.Input((5,))
    assert Context(Model(a, [D(1)(a), D(1)(a)]), X, [BITS, BITS]).task is None


def test_rows_with_nan_are_left_out():
    x, y = X.copy(), NUMBERS[:, :1].copy()
    x[2, 1], y[5] = np.nan, np.nan
    found = context(y, x=x)
    task = found.task
    kept = np.delete(NUMBERS[:, :1], [2, 5], axis=0)
    np.testing.assert_array_equal(task.targets, kept)
    output = found.measured.outputs()[0]
    assert len(output) == 11
    np.testing.assert_array_equal(task.by_row(output), np.delete(output, 4, axis=0))
    assert list(task.samples) == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10]


@pytest.mark.parametrize("axis", [True, False])
def test_each_step_is_a_row(axis):
    """Tags of words; padded words, which no loss saw, are left out."""
    words = R.integers(1, 9, (12, 4))
    words[3, 2:] = 0
    tags = R.integers(0, 3, (12, 4))
    model = Sequential(
        [layers.Input((4,)), layers.Embedding(9, 3, mask_zero=True), D(3, activation="softmax")]
    )
    task = Context(model, words, tags[..., None] if axis else tags).task
    assert (task.kind, task.steps, task.rows) == ("classes", 4, 46)
    np.testing.assert_array_equal(task.targets, tags[words > 0])
    np.testing.assert_array_equal(task.samples, np.nonzero(words)[0])


def test_scores_are_those_of_the_formulas():
    task = context(NUMBERS, 3).task
    guess = NUMBERS + R.normal(size=NUMBERS.shape)
    spread = ((NUMBERS - NUMBERS.mean(axis=0)) ** 2).sum()
    score = task.score(guess)
    assert score.value == pytest.approx(1 - ((guess - NUMBERS) ** 2).sum() / spread)
    assert task.score(np.tile(NUMBERS.mean(axis=0), (12, 1))).value == pytest.approx(0)
    gain, _ = task.gain(guess, guess + 1)
    assert gain == pytest.approx(score.value - task.score(guess + 1).value)
    task = context(LABELS, 3, "softmax", SPARSE).task
    guess = np.where(np.arange(12) < 3, 2, LABELS)
    right = (guess == LABELS).mean()
    assert task.score(guess).value == right
    assert task.score(guess).error == pytest.approx(np.sqrt(right * (1 - right) / 12))
    assert task.most_frequent() == np.bincount(LABELS).max() / 12
    assert task.balanced(np.zeros(12)) == pytest.approx(1 / 3)


def test_the_standard_error_is_the_spread_over_samples_of_rows():
    """Of R2 and of a difference, against the spread over many draws; of steps that are all alike, as of samples."""

    def drawn(seed, count=400):
        generator = np.random.default_rng(seed)
        y = generator.normal(size=(count, 1))
        found = context(y, x=np.zeros((count, 2), np.float32)).task
        rough, fine = (y + generator.normal(size=y.shape) * s for s in (0.8, 0.6))
        return found.score(rough), found.gain(fine, rough)

    draws = [drawn(seed) for seed in range(100)]
    assert np.std([s.value for s, _ in draws]) == pytest.approx(
        np.mean([s.error for s, _ in draws]), rel=0.25
    )
    assert np.std([g for _, (g, _) in draws]) == pytest.approx(np.mean([e for _, (_, e) in draws]), rel=0.25)
    y = R.normal(size=(50, 1))
    single = context(y, x=np.zeros((50, 2), np.float32)).task
    repeated = context(np.tile(y[:, None], (1, 7, 1)), x=np.zeros((50, 7, 2), np.float32)).task
    guess = y + 0.5
    assert repeated.score(np.tile(guess, (1, 7)).reshape(-1, 1)).error == pytest.approx(
        single.score(guess).error
    )
