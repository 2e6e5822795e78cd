"""A network with channels first transposes at its start and at its end, and keeps its bits."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foldnet import layers
from foldnet.engines.native import NativeProgram
from foldnet.engines.reference import ReferenceProgram
from foldnet.graph.check import check_prediction
from foldnet.graph.graph import GraphBuilder
from foldnet.graph.op import Elementwise
from foldnet.lowering.lower import lower
from foldnet.network import Model
from foldnet.operations.affine.op import Affine
from foldnet.operations.elementwise.op import Unary
from foldnet.operations.structure.op import Transpose
from foldnet.passes import cancel_transposes, drop_dead, drop_identities, optimize
from tests.graph.graph_networks import randomize
from tests.operations.op_cases import same_bits

FIRST = {"data_format": "channels_first"}


def transposes(graph):
    return sum(node.op.reorders_axes for node in graph.nodes)


def residual(end):
    """Convolutions, normalizations, sums, joins and pooling, with channels first."""
    x = inputs = layers.Input((3, 12, 10))
    for _ in range(2):
        x = layers.Conv2D(4, 3, padding="same", **FIRST)(x)
        y = layers.Activation("relu")(layers.BatchNormalization(axis=1)(x))
        y = layers.ZeroPadding2D(1, **FIRST)(y)
        y = layers.Conv2D(4, 3, **FIRST)(y)
        x = layers.Add()([x, layers.BatchNormalization(axis=1)(y)])
        x = layers.Concatenate(axis=1)([x, layers.DepthwiseConv2D(1, padding="same", **FIRST)(x)])
        x = layers.AveragePooling2D(2, **FIRST)(layers.Dropout(0.3)(x))
    return randomize(Model(inputs, end(x)))


@pytest.mark.parametrize(
    ("end", "left"),
    [
        (lambda x: layers.Dense(3)(layers.Flatten()(x)), 2),
        (lambda x: layers.Dense(3)(layers.Flatten(**FIRST)(x)), 1),
        (lambda x: layers.Dense(3)(layers.GlobalAveragePooling2D(**FIRST)(x)), 1),
        (
            lambda x: layers.Dense(3)(layers.Flatten()(layers.GlobalMaxPooling2D(keepdims=True, **FIRST)(x))),
            1,
        ),
        (lambda x: layers.Softmax(axis=1)(x), 2),
        (lambda x: layers.UpSampling2D(2, **FIRST)(layers.Cropping2D(((0, 1), (1, 0)), **FIRST)(x)), 2),
    ],
    ids=["flatten", "flatten-first", "global", "global-flatten", "softmax", "crop"],
)
def test_a_network_with_channels_first_transposes_at_its_start_and_its_end(end, left):
    graph = drop_identities(lower(residual(end)))
    after = cancel_transposes(graph)
    check_prediction(after)
    assert transposes(graph) > 10
    assert transposes(after) == left
    assert transposes(optimize(graph)) <= left
    assert cancel_transposes(after) is after
    x = np.random.default_rng(0).normal(size=(3, 3, 12, 10)).astype(np.float32)
    for engine in (ReferenceProgram, NativeProgram):
        a, b = (np.ascontiguousarray(engine(g).run([x])[0]) for g in (graph, after))
        assert same_bits(a, b)


def test_the_first_comes_before_padding_and_copies():
    """There it moves fewer elements."""
    x = layers.Input((3, 8, 8))
    y = layers.Conv2D(4, 3, padding="same", **FIRST)(layers.UpSampling2D(2, **FIRST)(x))
    graph = drop_identities(lower(randomize(Model(x, layers.GlobalMaxPooling2D(**FIRST)(y)))))
    after = cancel_transposes(graph)
    assert [type(node.op).__name__ for node in after.nodes] == [
        "Transpose",
        "Stretch",
        "Pad",
        "Conv",
        "Reduce",
    ]
    rows = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)
    assert same_bits(*(np.ascontiguousarray(ReferenceProgram(g).run([rows])[0]) for g in (graph, after)))


def test_two_in_a_row_are_one_or_none():
    b = GraphBuilder()
    x = b.input("x", (None, 2, 3, 4))
    y = b.emit(Transpose((0, 3, 1, 2)), b.emit(Transpose((0, 2, 3, 1)), x))
    z = b.emit(Transpose((0, 2, 1, 3)), b.emit(Transpose((0, 1, 3, 2)), x))
    after = cancel_transposes(b.build([b.emit(Unary(Elementwise("tanh")), v) for v in (y, z)]))
    assert transposes(after) == 1


def test_numbers_and_their_spread_are_transposed_back():
    b = GraphBuilder()
    x = b.input("x", (None, 2, 3, 4))
    rng = np.random.default_rng(0)
    scale, offset, mean = (b.constant(name, rng.normal(size=(4, 2, 1))) for name in "som")
    b.spreads[mean] = rng.uniform(1, 2, (4, 2, 1))
    y = b.emit(Affine(), b.emit(Transpose((0, 3, 1, 2)), x), scale, offset, mean)
    graph = b.build([b.emit(Transpose((0, 2, 3, 1)), y)])
    after = cancel_transposes(graph)
    (node,) = after.nodes
    np.testing.assert_array_equal(after.constants[node.inputs[1]], graph.constants[scale].transpose(1, 2, 0))
    np.testing.assert_array_equal(after.spreads[node.inputs[3]], graph.spreads[mean].transpose(1, 2, 0))


# -- near misses ---------------------------------------------------------------------------------------------------


def test_a_transposition_that_cancels_nothing_stays_where_it_is():
    x = layers.Input((4, 6))
    for end in (
        lambda y: layers.Activation("relu")(y),
        lambda y: layers.ZeroPadding1D(2)(y),
        lambda y: layers.Dense(3)(y),
        lambda y: layers.Add()([y, layers.Dense(4)(layers.Permute((2, 1))(layers.ReLU()(x)))]),
    ):
        graph = drop_dead(lower(randomize(Model(x, end(layers.Permute((2, 1))(x))))))
        assert cancel_transposes(graph) is graph


def test_a_value_that_is_an_output_is_transposed_for_it():
    x = layers.Input((4, 6))
    y = layers.Activation("relu")(layers.Permute((2, 1))(x))
    graph = lower(Model(x, [y, layers.Permute((2, 1))(y)]))
    after = cancel_transposes(graph)
    assert transposes(after) == 1
    rows = np.random.default_rng(0).normal(size=(2, 4, 6)).astype(np.float32)
    for a, b in zip(ReferenceProgram(graph).run([rows]), ReferenceProgram(after).run([rows]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_callers_own_function_is_not_passed():
    """It may treat axes differently."""
    b = GraphBuilder()
    x = b.emit(Transpose((0, 2, 1)), b.input("x", (None, 4, 3)))
    numbers = [b.constant(name, np.ones((1, 1))) for name in "so"]
    y = b.emit(Affine(Elementwise("mine", (), np.cumsum)), x, *numbers)
    graph = b.build([b.emit(Transpose((0, 2, 1)), y)])
    assert cancel_transposes(graph) is graph


def test_operands_that_are_transposed_differently_keep_their_transpositions():
    x, y = layers.Input((5, 5, 5)), layers.Input((5, 5, 5))
    z = layers.Add()([layers.Permute((3, 1, 2))(x), layers.Permute((2, 3, 1))(y)])
    graph = lower(Model([x, y], z))
    assert cancel_transposes(graph) is graph


# -- random networks ---------------------------------------------------------------------------------------------


@st.composite
def mixed_networks(draw):
    """Layers of both data formats and permutations, in any order, with branches."""
    x = inputs = layers.Input((6, 5, 4))
    results = []
    kinds = st.sampled_from(["conv", "conv", "permute", "norm", "relu", "pool", "pad", "add", "join", "softmax",
                             "dense", "crop", "up", "output", "unit", "moments"])  # fmt: skip
    for kind in draw(st.lists(kinds, min_size=2, max_size=9)):
        own = {"data_format": draw(st.sampled_from(["channels_first", "channels_last"]))}
        axis = draw(st.integers(1, 3))
        if max(x.shape[1:]) > 30 or min(x.shape[1:]) < 3:
            break
        match kind:
            case "conv":
                x = layers.Conv2D(draw(st.integers(3, 4)), 3, padding="same", **own)(x)
            case "permute":
                x = layers.Permute(draw(st.permutations((1, 2, 3))))(x)
            case "norm":
                x = layers.BatchNormalization(axis=axis)(x)
            case "relu":
                x = layers.ReLU()(x)
            case "pool":
                x = layers.AveragePooling2D(2, 1, padding="same", **own)(x)
            case "pad":
                x = layers.ZeroPadding2D(1, **own)(x)
            case "add":
                x = layers.Add()(
                    [x, layers.Conv2D(x.shape[1 if "first" in own["data_format"] else 3], 1, **own)(x)]
                )
            case "join":
                x = layers.Concatenate(axis=axis)([x, layers.Activation("tanh")(x)])
            case "softmax":
                x = layers.Softmax(axis=axis)(x)
            case "dense":
                x = layers.Dense(4)(x)
            case "crop":
                x = layers.Cropping2D(((1, 0), (0, 1)), **own)(x)
            case "up":
                x = layers.UpSampling2D((2, 1), **own)(x)
            case "output":
                results.append(x)
            case "unit":
                x = layers.UnitNormalization(axis=axis)(x)
            case "moments":
                x = layers.LayerNormalization(axis=draw(st.sampled_from([[1], [2, 3], [1, 2], [3]])))(x)
    if draw(st.booleans()):
        x = layers.GlobalAveragePooling2D(**own)(x)
    seed = draw(st.integers(0, 99))
    rows = np.random.default_rng(seed).normal(size=(2, 6, 5, 4)).astype(np.float32)
    return randomize(Model(inputs, [*results, x]), seed), rows


def compared(model, rows, engine):
    graph = drop_identities(lower(model))
    after = cancel_transposes(graph)
    check_prediction(after)
    assert cancel_transposes(after) is after
    assert transposes(after) <= transposes(graph) + 1
    for a, b in zip(engine(graph).run([rows]), engine(after).run([rows]), strict=True):
        assert same_bits(np.ascontiguousarray(a), np.ascontiguousarray(b))
    a, b = (ReferenceProgram(g, "float64").values([rows.astype(float)]) for g in (graph, after))
    for name, value in after.layer_outputs.items():
        np.testing.assert_array_equal(b[value], a[graph.layer_outputs[name]])


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=mixed_networks())
def test_random_networks_keep_their_bits(case):
    compared(*case, ReferenceProgram)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=mixed_networks())
def test_random_networks_keep_their_bits_in_compiled_programs(case):
    compared(*case, NativeProgram)
