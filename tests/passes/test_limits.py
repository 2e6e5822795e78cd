"""Limits of folding, on either side of each: a test far from a limit does not see it move."""

import numpy as np
import pytest

from foldnet import layers
from foldnet.lowering.lower import lower
from foldnet.passes import optimize
from foldnet.passes.precision import LARGEST_RATIO, cancels, leaves_float32
from tests.graph.graph_networks import chain


def kinds(model):
    graph = optimize(lower(model))
    return [type(node.op).__name__ for node in graph.nodes], graph.notes


def norm(mean, variance, gamma=1.0, beta=0.0, epsilon=1e-9, size=5):
    """A normalization with the given statistics in one feature, and nearer ones in the others."""
    layer = layers.BatchNormalization(epsilon=epsilon)
    layer.build((None, size))
    nearer = np.linspace(0.1, 1.0, size)
    layer.set_weight("moving_mean", mean * nearer)
    layer.set_weight("moving_variance", np.full(size, variance))
    layer.set_weight("gamma", gamma * nearer)
    layer.set_weight("beta", np.full(size, beta))
    return layer


def network(*stack):
    """The layers with random weights, but the normalizations' own statistics."""
    kept = [(layer, layer.get_weights()) for layer in stack if isinstance(layer, layers.BatchNormalization)]
    model = chain(*stack)
    for layer, weights in kept:
        layer.set_weights(weights)
    for layer in stack:
        if isinstance(layer, layers.Dense):
            layer.set_weight(
                "bias", np.zeros(layer.units)
            )  # what counts is the mean without the bias before it
    return model


@pytest.mark.parametrize(("ratio", "folds"), [(63, True), (65, False)])
@pytest.mark.parametrize("gamma", [1.0, 1e-3, 1e3])
def test_the_ratio_of_mean_and_deviation(ratio, folds, gamma):
    """gamma says nothing of the deviation: the one that was learned counts."""
    forward, notes = kinds(network(norm(ratio * 0.5, 0.25, gamma), layers.Dense(2)))
    assert forward == (["Dense"] if folds else ["Affine", "Dense"])
    assert any("standard deviations from zero" in note for note in notes) is not folds
    backward, notes = kinds(network(layers.Dense(5), norm(ratio * 0.5, 0.25, gamma)))
    assert backward == (["Dense"] if folds else ["Dense", "Affine"])
    assert any("standard deviations from zero" in note for note in notes) is not folds
    merged, _ = kinds(network(norm(0.0, 1.0), norm(ratio * 0.5, 0.25, gamma)))
    assert merged == (["Affine"] if folds else ["Affine", "Affine"])


def test_the_ratio_itself_folds():
    assert cancels(np.array([LARGEST_RATIO]), np.array([1.0])) is None
    assert cancels(np.array([-np.nextafter(LARGEST_RATIO, 99)]), np.array([1.0])) is not None
    assert LARGEST_RATIO == 64


def test_the_learned_deviation_has_epsilon_in_it():
    """Mean 1, variance 1e-6: with epsilon 1e-9 a thousand deviations away, with Keras's 1e-3 only 32."""
    stays, notes = kinds(network(norm(1.0, 1e-6, epsilon=1e-9), layers.Dense(2)))
    assert stays == ["Affine", "Dense"]
    assert any("999 standard deviations" in note or "1e+03 standard deviations" in note for note in notes)
    folds, _ = kinds(network(norm(1.0, 1e-6, epsilon=1e-3), layers.Dense(2)))
    assert folds == ["Dense"]


@pytest.mark.parametrize(("mean", "steps"), [(1000.0, 1), (0.5, 2)])
def test_merging_two_scalings_counts_from_the_first_ones_offset(mean, steps):
    """beta 1000 moves the values there: a second mean of 1000 takes off nothing large, one of 0.5 does."""
    first, second = norm(0.0, 1.0, beta=1000.0), norm(0.0, 1.0)
    second.set_weight("moving_mean", np.full(5, mean))
    found, notes = kinds(network(first, second))
    assert found == ["Affine"] * steps
    assert any("standard deviations from zero" in note for note in notes) is (steps == 2)


def test_the_range_of_float32():
    largest, smallest = float(np.finfo(np.float32).max), 2.0**-126 * 2.0**23
    assert leaves_float32(np.array([largest])) is None
    assert "beyond" in leaves_float32(np.array([largest * (1 + 2.0**-20)]))
    assert leaves_float32(np.array([[smallest], [0.0]])) is None
    assert "too small" in leaves_float32(np.array([[smallest * 0.99], [0.0]]))
    assert (
        leaves_float32(np.array([smallest * 0.99])) is None
    )  # a bias may be tiny: it is added to what is not
    assert leaves_float32(np.zeros((2, 2))) is None
    # Columns are the units' weights: a row may be tiny, as it is one input's.
    assert leaves_float32(np.array([[1.0, 1.0], [smallest / 2, smallest / 2]])) is None
    assert "too small" in leaves_float32(np.array([[1.0, smallest / 2], [1.0, smallest / 2]]))
    assert leaves_float32(np.zeros((0, 2)), np.zeros(0)) is None
    assert "beyond" in leaves_float32(np.zeros(1), np.array([np.nan]))


def test_the_note_says_what_would_be_lost():
    assert cancels(np.array([0.5, -128.0, 4.0]), np.array([1.0, 1.0, 1.0])) == (
        "a mean lies 128 standard deviations from zero (at most 64 may be folded); float32 would lose about 8e-06 of a "
        "standard deviation"
    )
    assert cancels(np.array([0.0]), np.array([0.0])) is None
    assert "lies inf standard deviations" in cancels(np.array([1.0]), np.array([0.0]))
