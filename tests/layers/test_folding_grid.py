"""A normalization of every axis before and after every kind of convolution, against live Keras on both engines.

Each is folded, or stays for the reason stated here.
"""

import functools
import re
from dataclasses import dataclass

import numpy as np
import pytest

from foldnet import layers as own
from foldnet.engines.native import NativeProgram
from foldnet.engines.reference import ReferenceProgram
from foldnet.lowering.lower import lower
from foldnet.network import Model
from foldnet.passes import optimize
from tests.operations.op_cases import joined
from tests.support.keras_pairs import random_weights

BORDER = "would no longer be zeros"
MEET = "fewer windows meet"
VARIES = "other than the last|vary along the axes"
LARGEST = "changes what is largest"
SIZES = {1: (9,), 2: (7, 6), 3: (4, 5, 4)}


@dataclass(frozen=True)
class Kind:
    """Layers, and why a normalization of the channels before or after them stays; None if it folds.

    ``stack`` gets the module of layers, and the data format as a keyword.
    """

    name: str
    dims: int
    stack: object
    before: str | None
    after: str | None = None
    other: str = VARIES
    """Why one of another axis stays."""

    def __str__(self):
        return self.name


def conv(name, dims, before, after=None, **settings):
    """One layer, with settings of a name such as Conv2D."""
    label = ",".join([name, *(f"{k}={v}" for k, v in settings.items())])
    filters = {} if name.startswith("Depthwise") else {"filters": 3}
    settings = {"kernel_size": 2, **filters, **settings}
    other = f"{VARIES}|{BORDER}" if before == BORDER else VARIES
    return Kind(label, dims, lambda L, **f: [getattr(L, name)(**settings, **f)], before, after, other)


KINDS = [
    *(conv(f"Conv{d}D", d, None) for d in (1, 2, 3)),
    *(conv(f"Conv{d}D", d, BORDER, padding="same") for d in (1, 2, 3)),
    conv("Conv2D", 2, None, strides=2),
    conv("Conv2D", 2, None, dilation_rate=2),
    conv("Conv2D", 2, BORDER, padding="same", strides=(2, 3)),
    conv("Conv1D", 1, None, padding="same", kernel_size=1),
    *(conv(f"Conv{d}DTranspose", d, MEET) for d in (1, 2)),
    conv("Conv2DTranspose", 2, MEET, padding="same", strides=2),
    *(conv(f"DepthwiseConv{d}D", d, None) for d in (1, 2)),
    conv("DepthwiseConv2D", 2, BORDER, padding="same", depth_multiplier=2),
    *(conv(f"SeparableConv{d}D", d, None) for d in (1, 2)),
    conv("SeparableConv2D", 2, BORDER, padding="same"),
    Kind("pooled", 2, lambda L, **f: [L.Conv2D(3, 2, **f), L.AveragePooling2D(2, **f)], None),
    Kind("pooled-first", 2, lambda L, **f: [L.AveragePooling2D(2, **f), L.Conv2D(3, 2, **f)], None),
    Kind("largest", 2, lambda L, **f: [L.Conv2D(3, 2, **f), L.MaxPooling2D(2, **f)], None, LARGEST,
         f"{VARIES}|{LARGEST}"),
    Kind("cropped", 2, lambda L, **f: [L.Conv2D(3, 2, **f), L.Cropping2D(1, **f)], None),
    Kind("cropped-first", 2, lambda L, **f: [L.Cropping2D(1, **f), L.Conv2D(3, 2, **f)], None),
    Kind("larger", 2, lambda L, **f: [L.Conv2D(3, 2, **f), L.UpSampling2D(2, **f)], None),
    Kind("larger-first", 2, lambda L, **f: [L.UpSampling2D(2, **f), L.Conv2D(3, 2, **f)], None),
    Kind("zeros", 2, lambda L, **f: [L.Conv2D(3, 2, **f), L.ZeroPadding2D(1, **f)], None, BORDER, f"{VARIES}|{BORDER}"),
    Kind("zeros-first", 2, lambda L, **f: [L.ZeroPadding2D(1, **f), L.Conv2D(3, 2, **f)], BORDER),
    Kind("dropped", 2, lambda L, **f: [L.SpatialDropout2D(0.3, **f), L.Conv2D(3, 2, **f), L.Dropout(0.5)], None),
]  # fmt: skip


def axes_of(kind, first):
    """The axis of the channels, and one of space."""
    return (1, kind.dims + 1) if first else (kind.dims + 1, 1)


def network(library, model, kind, first, place):
    """A branch for each axis, with weights of its own."""
    data_format = {"data_format": "channels_first" if first else "channels_last"}
    shape = (4, *SIZES[kind.dims]) if first else (*SIZES[kind.dims], 4)
    x, results = library.Input(shape), []
    for axis in axes_of(kind, first):
        y = x
        norm = library.BatchNormalization(axis=axis, name=f"norm{axis}")
        stack = kind.stack(library, **data_format)
        for layer in [norm, *stack] if place == "before" else [*stack, norm]:
            y = layer(y)
        results.append(y)
    return model(x, results)


def numbers(model):
    """Random statistics, with means within a few spreads of zero."""
    return random_weights(model, np.random.default_rng(5))


@functools.cache
def answers(first, place):
    """By kind: the network as lowered, its rows, and Keras's results, which JAX compiles together."""
    import jax
    import keras

    graphs, models, data = [], [], []
    for kind in KINDS:
        theirs = network(keras.layers, keras.Model, kind, first, place)
        weights = numbers(theirs)
        ours = network(own, Model, kind, first, place)
        ours.set_weights(weights)
        graphs.append(lower(ours))
        models.append(theirs)
        data.append(np.random.default_rng(3).normal(size=(2, *theirs.input_shape[1:])).astype(np.float32))
    called = jax.jit(lambda data: [model(rows) for model, rows in zip(models, data, strict=True)])(data)
    results = [[np.asarray(y) for y in outputs] for outputs in called]
    return {kind.name: answer for kind, *answer in zip(KINDS, graphs, data, results, strict=True)}


grid = pytest.mark.parametrize("first", [False, True], ids=["last", "first"])
places = pytest.mark.parametrize("place", ["before", "after"])


def assert_near(found, keras):
    for a, b in zip(found, keras, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-5 * np.abs(b).max())


@grid
@places
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_folded_or_not_it_predicts_as_keras_does(kind, first, place):
    graph, rows, keras = answers(first, place)[kind.name]
    after = optimize(graph)
    assert_near(ReferenceProgram(after).run([rows]), keras)
    channels, space = axes_of(kind, first)
    stays = {node.layer.split(" + ")[0]: node for node in after.nodes if type(node.op).__name__ == "Affine"}
    notes = {name: note for name in stays for note in after.notes if note.startswith(f"layer '{name}")}
    reason = getattr(kind, place)
    assert (f"norm{channels}" in stays) is (reason is not None)
    if reason:
        assert re.search(reason, notes[f"norm{channels}"])
    assert re.search(kind.other, notes[f"norm{space}"])


@grid
@places
@pytest.mark.parametrize("start", range(0, len(KINDS), 8))
def test_folded_or_not_it_predicts_as_keras_does_in_compiled_programs(start, first, place):
    known = [answers(first, place)[kind.name] for kind in KINDS[start : start + 8]]
    program = NativeProgram(joined([optimize(graph) for graph, _, _ in known]))
    found = program.run([rows for _, rows, _ in known])
    assert_near(found, [y for _, _, results in known for y in results])


@pytest.mark.parametrize(
    ("axis", "reason"),
    [([3], None), ([-1], None), ([1, 3], VARIES), ([2, 3], VARIES), ([1, 2], VARIES), ([1, 2, 3], VARIES)],
)  # fmt: skip
@places
def test_several_axes_fold_only_if_they_are_the_channels(axis, reason, place):
    x = own.Input((6, 5, 3))
    norm, stack = own.BatchNormalization(axis=axis, name="norm"), [own.Conv2D(4, 2)]
    y = x
    for layer in [norm, *stack] if place == "before" else [*stack, norm]:
        y = layer(y)
    model = Model(x, y)
    numbers(model)
    graph = lower(model)
    after = optimize(graph)
    assert ("Affine" in {type(node.op).__name__ for node in after.nodes}) is (reason is not None)
    if reason:
        assert re.search(reason, after.notes[0])
    rows = np.random.default_rng(1).normal(size=(2, 6, 5, 3))
    a, b = (ReferenceProgram(g, "float64").run([rows])[0] for g in (graph, after))
    np.testing.assert_allclose(b, a, rtol=1e-11, atol=1e-11 * np.abs(a).max())


@grid
@pytest.mark.parametrize("axis", [1, 2, 3])
@pytest.mark.parametrize("reshaped", [False, True], ids=["flatten", "reshape"])
def test_one_of_any_axis_folds_past_flatten_into_a_dense(axis, reshaped, first):
    """There every element has a weight of its own."""
    import keras

    def built(library, model):
        x = library.Input((4, 3, 5))
        y = library.BatchNormalization(axis=axis)(x)
        if reshaped:
            y = library.Reshape((5, 12))(y)
        y = library.Flatten(data_format="channels_first" if first else "channels_last")(y)
        return model(x, library.Dense(3)(y))

    theirs, ours = built(keras.layers, keras.Model), built(own, Model)
    ours.set_weights(numbers(theirs))
    after = optimize(lower(ours))
    assert "Affine" not in {type(node.op).__name__ for node in after.nodes}
    rows = np.random.default_rng(3).normal(size=(2, 4, 3, 5)).astype(np.float32)
    keras_rows = [np.asarray(theirs(rows))]
    for engine in (ReferenceProgram, NativeProgram):
        assert_near(engine(after).run([rows]), keras_rows)
