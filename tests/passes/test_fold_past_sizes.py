"""A BatchNormalization beside layers that change sizes: folded past copies, left alone beside mixtures and zeros."""

from __future__ import annotations

import numpy as np
import pytest

import foldnet
from foldnet import Input, Sequential, layers
from foldnet.engines.reference import ReferenceProgram
from foldnet.lowering.lower import lower
from foldnet.passes import optimize

SHAPES = {1: (6, 3), 2: (6, 5, 3), 3: (4, 3, 4, 3)}
CONVS = {1: layers.Conv1D, 2: layers.Conv2D, 3: layers.Conv3D}


def fill(network, seed=0):
    rng = np.random.default_rng(seed)
    for layer in network.layers:
        for spec in layer.specs:
            positive = spec.name in ("gamma", "moving_variance")
            layer.set_weight(
                spec.name, rng.uniform(0.5, 1.5, spec.shape) if positive else rng.normal(size=spec.shape)
            )
    return network


def before(*between, dims=2, last=None, **norm):
    """A normalization that only what follows can take, then other layers, and a convolution."""
    last = CONVS[dims](4, 1, name="last") if last is None else last
    stack = [layers.Activation("tanh"), layers.BatchNormalization(name="norm", **norm), *between, last]
    return fill(Sequential([Input(SHAPES[dims]), CONVS[dims](3, 2, name="first"), *stack]))


def after(*between, dims=2, **norm):
    """A convolution, other layers, and a normalization with an activation."""
    first = CONVS[dims](3, 2, name="first")
    return fill(
        Sequential(
            [
                Input(SHAPES[dims]),
                first,
                *between,
                layers.BatchNormalization(name="norm", **norm),
                layers.Activation("tanh"),
            ]
        )
    )


def frozen(network):
    """The names of its operations after all passes, and its notes; it computes the same."""
    graph = lower(network)
    small = optimize(graph)
    x = np.random.default_rng(1).normal(size=(3, *network.inputs[0].shape[1:])).astype(np.float32)
    want = ReferenceProgram(graph, "float64").run([x])[0]
    np.testing.assert_allclose(ReferenceProgram(small, "float64").run([x])[0], want, rtol=1e-5, atol=1e-5)
    got = foldnet.freeze(network)(x)
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5 * np.abs(want).max())
    return {type(node.op).__name__ for node in small.nodes}, " ".join(small.notes)


COPIES = [
    (1, lambda: layers.UpSampling1D(3)), (2, lambda: layers.UpSampling2D((2, 3))),
    (2, lambda: layers.UpSampling2D((1, 4), interpolation="nearest")), (3, lambda: layers.UpSampling3D((2, 1, 3))),
    (2, lambda: layers.Resizing(7, 3, interpolation="nearest")),
    (2, lambda: layers.Resizing(3, 9, interpolation="nearest")),
]  # fmt: skip


@pytest.mark.parametrize("place", [before, after])
@pytest.mark.parametrize(("dims", "make"), COPIES)
def test_it_folds_past_copies(place, dims, make):
    kinds, notes = frozen(place(make(), dims=dims))
    assert "Affine" not in kinds
    assert notes == ""


MIXTURES = [
    lambda: layers.UpSampling2D(2, interpolation="bilinear"),
    lambda: layers.UpSampling2D((1, 3), interpolation="bicubic"),
    lambda: layers.UpSampling2D(2, interpolation="lanczos3"),
    lambda: layers.Resizing(7, 9),
    lambda: layers.Resizing(2, 2, antialias=True),
]


@pytest.mark.parametrize("place", [before, after])
@pytest.mark.parametrize("make", MIXTURES)
def test_it_stays_beside_mixtures(place, make):
    """Their weights add up to one only to rounding, so that an offset would come out as another number."""
    kinds, notes = frozen(place(make()))
    assert "Affine" in kinds
    assert "layer 'norm" in notes


@pytest.mark.parametrize(
    ("between", "reason"),
    [
        ([layers.UpSampling2D(2), layers.ZeroPadding2D(1)], "no longer be zeros"),
        ([layers.ZeroPadding2D(1), layers.UpSampling2D(2)], "no longer be zeros"),
        ([layers.Resizing(9, 9, interpolation="nearest", pad_to_aspect_ratio=True)], "no longer be zeros"),
        ([layers.Conv2DTranspose(3, 3, 2), layers.UpSampling2D(2)], "fewer windows meet"),
        ([layers.UpSampling2D(2), layers.Activation("relu")], "Unary of layer 'activation"),
    ],
    ids=["zeros after", "zeros before", "zeros around", "transposed", "activation"],
)
def test_what_lies_between_counts(between, reason):
    kinds, notes = frozen(before(*between))
    assert "Affine" in kinds
    assert reason in notes


@pytest.mark.parametrize(
    ("place", "reason"), [(before, "vary along an axis other than the last"), (after, "vary along the axes")]
)
def test_numbers_along_a_longer_axis_stay(place, reason):
    kinds, notes = frozen(place(layers.UpSampling2D(2), axis=1))
    assert "Affine" in kinds
    assert reason in notes


# -- zeros around a convolution -------------------------------------------------------------------------------------

ZEROS = [
    (2, lambda: layers.Conv2D(4, 3, padding="same")),
    (2, lambda: layers.Conv2D(4, 2, 2, padding="same")),
    (2, lambda: layers.DepthwiseConv2D(3, padding="same")),
    (1, lambda: layers.Conv1D(4, 3, padding="causal")),
    (3, lambda: layers.Conv3D(2, 2, padding="same")),
]


@pytest.mark.parametrize(("dims", "make"), ZEROS)
def test_it_stays_before_a_convolution_that_reads_zeros_around(dims, make):
    """Zeros would have to become the value that it maps to zero, which saves nothing: see docs/layers.md."""
    kinds, notes = frozen(before(dims=dims, last=make()))
    assert "Affine" in kinds
    assert "the zeros that layer" in notes
    assert "would no longer be zeros" in notes


@pytest.mark.parametrize(("dims", "make"), ZEROS)
def test_it_folds_if_it_maps_zero_to_zero(dims, make):
    network = before(dims=dims, last=make(), center=False)
    network.get_layer("norm").moving_mean = np.zeros(3, np.float32)
    kinds, notes = frozen(network)
    assert "Affine" not in kinds
    assert notes == ""
    network.get_layer("norm").moving_mean = np.float32([0, 0, 1e-3])  # a near miss
    assert "Affine" in frozen(network)[0]


@pytest.mark.parametrize("make", [
    lambda: layers.Conv2D(4, 3), lambda: layers.Conv2D(4, 1, padding="same"), lambda: layers.DepthwiseConv2D(2),
])  # fmt: skip
def test_it_folds_where_no_zeros_are_read(make):
    kinds, notes = frozen(before(last=make()))
    assert "Affine" not in kinds
    assert notes == ""
