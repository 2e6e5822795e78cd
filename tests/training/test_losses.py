"""Every loss as Keras computes it, on arrays and inside a program."""

import inspect

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras.src.losses.loss import reduce_weighted_values

from foldnet import losses, ops
from foldnet.engines.reference.training import forward
from foldnet.errors import ConfigError, UnsupportedError
from foldnet.graph.graph import GraphBuilder
from foldnet.operations.kernels import StepContext
from foldnet.ops import Expression
from foldnet.training.losses import CLASSES, FUNCTIONS
from foldnet.training.losses import get as as_loss
from foldnet.training.weighting import weighted

SETTINGS = {
    "Huber": [{}, {"delta": 0.3}],
    "BinaryCrossentropy": [{}, {"from_logits": True}, {"label_smoothing": 0.2}],
    "BinaryFocalCrossentropy": [{}, {"apply_class_balancing": True, "gamma": 3.0}, {"from_logits": True}],
    "CategoricalCrossentropy": [{}, {"from_logits": True}, {"label_smoothing": 0.1}],
    "CategoricalFocalCrossentropy": [{}, {"alpha": 0.5, "from_logits": True}, {"label_smoothing": 0.1}],
    "SparseCategoricalCrossentropy": [
        {},
        {"from_logits": True},
        {"ignore_class": 2},
        {"ignore_class": 1, "from_logits": True},
    ],
    "CategoricalGeneralizedCrossEntropy": [{}, {"q": 0.2}],
    "Hinge": [{}],
}
CASES = [(name, s) for name in CLASSES for s in SETTINGS.get(name, [{}])]


def data(name, settings, shape=(17, 4)):
    rng = np.random.default_rng(len(name))
    y_pred = rng.normal(0, 2, shape) if settings.get("from_logits") else rng.uniform(0.02, 0.98, shape)
    labels = rng.integers(0, shape[-1], shape[:-1])
    y_true = labels if name.startswith(("Sparse", "CategoricalGen")) else np.eye(shape[-1])[labels]
    if name.startswith(("Mean", "Huber", "Log", "Poisson", "Cosine")):
        y_true = rng.uniform(0.1, 3, shape)
    return (
        y_true.astype(np.float32),
        y_pred.astype(np.float32),
        rng.uniform(0.1, 2, shape[0]).astype(np.float32),
    )


@pytest.mark.parametrize("shape", [(17, 4), (5, 3, 4)])
@pytest.mark.parametrize(("name", "settings"), CASES)
def test_as_keras(name, settings, shape):
    y_true, y_pred, weight = data(name, settings, shape)
    theirs, ours = getattr(keras.losses, name)(**settings), CLASSES[name](**settings)
    assert ours.name == theirs.name
    assert ours(y_true, y_pred) == pytest.approx(float(theirs(y_true, y_pred)), rel=2e-6)
    if len(shape) == 2:
        expected = float(theirs(y_true, y_pred, sample_weight=weight))
        assert ours(y_true, y_pred, weight) == pytest.approx(expected, rel=2e-6)


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_an_expression_computes_what_arrays_do(name, settings):
    y_true, y_pred, _ = data(name, settings)
    loss = CLASSES[name](**settings)
    b = GraphBuilder()
    t, p = b.input("t", (None, *y_true.shape[1:])), b.input("p", (None, 4))
    rows = loss.rows(Expression(b, t), Expression(b, p))
    graph = b.build([rows.value])
    values = {t: y_true.astype(np.float64), p: y_pred.astype(np.float64), **graph.constants}
    forward(graph, values, StepContext(training=True), np.dtype(np.float64))
    np.testing.assert_allclose(values[rows.value], loss.rows(y_true, y_pred), rtol=1e-5)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_has_kerass_name(name):
    assert callable(getattr(keras.losses, name))
    assert losses.get(name) is FUNCTIONS[name]
    assert as_loss(name).name == name


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_targets_of_one_axis(name):
    """Labels as (rows,) against a single output of (rows, 1) are row by row, not each with each."""
    rng = np.random.default_rng(0)
    of_numbers = name in ("sparse_categorical_crossentropy", "categorical_generalized_cross_entropy")
    y_true = rng.integers(0, 1 if of_numbers else 2, 9).astype(np.float32)
    y_pred = rng.uniform(0.1, 0.9, (9, 1)).astype(np.float32)
    loss = as_loss(name)
    expected = np.asarray(loss.rows(y_true[:, None], y_pred)).reshape(9, -1).mean(axis=1)
    np.testing.assert_array_equal(np.asarray(loss.rows(y_true, y_pred)).reshape(9, -1).mean(axis=1), expected)
    b = GraphBuilder()
    rows = loss.rows(Expression(b, b.input("y_true", (None,))), Expression(b, b.input("y_pred", (None, 1))))
    values = {"y_true": y_true.astype(np.float64), "y_pred": y_pred.astype(np.float64)}
    graph = b.build([ops.mean(rows).value])
    values |= {k: np.asarray(v, np.float64) for k, v in graph.constants.items()}
    forward(graph, values, StepContext(training=True), np.dtype("float64"))
    np.testing.assert_allclose(values[graph.outputs[0]], expected, rtol=1e-5, atol=1e-6)


def test_short_names_are_kerass():
    for short in ("mse", "mae", "mape", "msle", "bce", "kld"):
        assert losses.get(short).__name__ == keras.losses.get(short).__name__


def test_a_stored_configuration_is_read():
    stored = keras.losses.serialize(keras.losses.BinaryCrossentropy(label_smoothing=0.1))
    assert losses.get(stored).settings["label_smoothing"] == 0.1


def test_what_cannot_be_followed_is_refused():
    with pytest.raises(ConfigError, match="no loss 'nonsense'"):
        losses.get("nonsense")
    with pytest.raises(ConfigError, match="reduction is one of"):
        losses.MeanSquaredError(reduction="median")
    with pytest.raises(ConfigError, match="sample_weight of shape"):
        losses.MeanSquaredError()(np.ones((2, 3)), np.ones((2, 3)), np.ones((2, 3)))
    with pytest.raises(TypeError, match="does not take"):
        losses.Huber(1.0, "sum", "name", None, 5)
    with pytest.raises(TypeError, match="does not take"):
        losses.Huber(delta=1.0, deltas=2.0)


@pytest.mark.parametrize("name", CLASSES)
def test_arguments_come_in_kerass_order(name):
    theirs = list(inspect.signature(getattr(keras.losses, name)).parameters)
    made = CLASSES[name](
        *[{"reduction": "sum", "name": "own", "dtype": "float32"}.get(a, 0.5) for a in theirs]
    )
    assert (made.reduction, made.name) == ("sum", "own")
    assert set(made.settings) <= set(theirs)


REDUCTIONS = ["sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", None, "none"]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weights", ["none", "steps", "some are 0"])
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("MeanSquaredError", {}),
        ("SparseCategoricalCrossentropy", {"ignore_class": 2}),
        ("SparseCategoricalCrossentropy", {"ignore_class": -1, "from_logits": True}),
    ],
)
def test_reductions_of_timesteps(name, settings, weights, reduction):
    """With a weight for each timestep, and classes left out, as Keras reduces them."""
    y_true, y_pred, _ = data(name, settings, (6, 5, 4))
    rng = np.random.default_rng(3)
    if settings.get("ignore_class") == -1:
        y_true = np.where(rng.uniform(size=y_true.shape) < 0.3, -1, y_true)
    weight = None if weights == "none" else rng.uniform(0.1, 2, (6, 5)).astype(np.float32)
    if weights == "some are 0":
        weight[rng.uniform(size=weight.shape) < 0.5] = 0
    theirs = getattr(keras.losses, name)(**settings, reduction=reduction)
    ours = CLASSES[name](**settings, reduction=reduction)
    expected = np.asarray(theirs(y_true, y_pred, sample_weight=weight))
    np.testing.assert_allclose(ours(y_true, y_pred, weight), expected, rtol=5e-6, atol=1e-6)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_a_mask_counts_as_in_keras(draw):
    """Masks, weights and reductions of values of any rank, by the function of Keras that losses end in."""
    # Few shapes, for each of which Keras compiles anew.
    shape = draw.draw(st.sampled_from([(5,), (4, 3), (2, 3, 4)]))
    rng = np.random.default_rng(draw.draw(st.integers(0, 2**32)))
    reduction = draw.draw(st.sampled_from(REDUCTIONS[:4]))
    values = rng.normal(size=shape).astype(np.float32)
    mask = (rng.uniform(size=shape) < draw.draw(st.sampled_from([0.0, 0.4, 1.0]))).astype(np.float32)
    weight = rng.uniform(0.1, 2, shape).astype(np.float32) if draw.draw(st.booleans()) else None
    expected = reduce_weighted_values(values, weight, mask.astype(bool), reduction)
    found = weighted(values, weight, mask, reduction)
    assert found.shape == shape[:1]
    assert found.mean() == pytest.approx(float(expected), rel=1e-4, abs=1e-5)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_weights_in_a_program_are_those_of_arrays(draw):
    shape = tuple(draw.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    rng = np.random.default_rng(draw.draw(st.integers(0, 2**32)))
    reduction = draw.draw(st.sampled_from(REDUCTIONS[:4]))
    arrays = {"values": rng.normal(size=shape)}
    for name in ("weight", "mask"):
        kept = draw.draw(st.integers(0, len(shape)))
        if kept:
            array = rng.uniform(0.1, 2, shape[:kept])
            arrays[name] = (array > 1).astype(float) if name == "mask" else array
    b = GraphBuilder()
    inputs = {n: Expression(b, b.input(n, (None, *a.shape[1:]))) for n, a in arrays.items()}
    rows = weighted(*(inputs.get(n) for n in ("values", "weight", "mask")), reduction)
    graph = b.build([rows.value])
    values = {**arrays, **graph.constants}
    forward(graph, values, StepContext(training=True), np.dtype(np.float64))
    expected = weighted(*(arrays.get(n) for n in ("values", "weight", "mask")), reduction)
    np.testing.assert_allclose(values[rows.value], expected, rtol=1e-5, atol=1e-6)


def test_a_loss_may_not_mix_rows():
    b = GraphBuilder()
    x = Expression(b, b.input("x", (None, 3)))
    with pytest.raises(UnsupportedError, match="first axis is the batch"):
        ops.mean(x, axis=0)
    with pytest.raises(UnsupportedError, match="no value yet"):
        bool(x > 0)
