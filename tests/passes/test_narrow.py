"""Cropping and slices shrink what the layers before them compute; what is left keeps its bits."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import foldnet
from foldnet import layers
from foldnet.engines.native import NativeProgram
from foldnet.engines.reference import ReferenceProgram
from foldnet.errors import InputError
from foldnet.graph.check import check_prediction
from foldnet.graph.graph import GraphBuilder, bind
from foldnet.lowering.lower import lower
from foldnet.network import Model
from foldnet.operations.elementwise.op import Binary
from foldnet.passes import PASSES, drop_dead, narrow, optimize
from foldnet.passes.costs import cost
from tests.graph.graph_networks import chain, randomize
from tests.operations.op_cases import same_bits

few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def kinds(graph):
    return [type(n.op).__name__ for n in graph.nodes]


def products(graph, *shape):
    """Multiply-adds of a row."""
    bound = bind(graph, [(None, *shape)])

    def row(value):
        return bound.types[value].shape[0 if value in bound.constants else 1 :]

    return sum(n.op.multiply_adds(row(n.output), *map(row, n.inputs)) for n in bound.nodes)


def residual(n, *, crop=40, dilations=(1, 2, 4), channels=4, pad="same"):
    """A dilated residual network over steps, with a crop at its end."""
    x = inputs = layers.Input((n, 4))
    x = layers.Conv1D(channels, 1)(x)
    for dilation in dilations:
        y = layers.Activation("relu")(layers.BatchNormalization()(x))
        y = layers.Conv1D(channels, 3, dilation_rate=dilation, padding=pad)(y)
        x = layers.Add()([x, y])
    x = layers.Cropping1D(crop, name="crop")(x)
    return randomize(Model(inputs, layers.Conv1D(2, 1, activation="softmax", name="last")(x)))


def test_a_cropped_residual_network_computes_only_what_the_crop_leaves():
    graph = lower(residual(120))
    trace = []
    after = optimize(graph, trace)
    assert "narrow" in [step.name for step in trace]
    assert "PadSame" not in kinds(after)
    assert "Pad" not in kinds(after)
    convs = [after.types[n.output].shape[1] for n in after.nodes if type(n.op).__name__ == "Conv"]
    assert convs == [120 - 2 * (40 - 7), 52, 48, 40, 40]
    assert products(after, 120, 4) < 0.5 * products(graph, 120, 4)
    x = np.random.default_rng(0).normal(size=(3, 120, 4)).astype(np.float32)
    without = optimize_without(graph)
    assert same_bits(ReferenceProgram(after).run([x])[0], ReferenceProgram(without).run([x])[0])
    assert same_bits(NativeProgram(after).run([x])[0], NativeProgram(without).run([x])[0])


def optimize_without(graph):
    """All passes but this one."""
    return optimize(graph, passes=[rewrite for rewrite in PASSES if rewrite is not narrow])


@pytest.mark.parametrize("pad", ["same", "causal"])
def test_a_free_length_is_cut_too(pad):
    """One folded graph for every length, with the crop where it was a fixed one."""
    free, fixed = residual(None, pad=pad), residual(120, pad=pad)
    fixed.set_weights(free.get_weights())
    after = optimize(lower(free))
    assert "Pad" not in kinds(after)
    same = optimize(lower(fixed))
    assert [type(n.op) for n in after.nodes] == [type(n.op) for n in same.nodes]
    for n in (81, 95, 120):
        bound = bind(after, [(None, n, 4)])
        x = np.random.default_rng(n).normal(size=(2, n, 4)).astype(np.float32)
        whole = bind(optimize_without(lower(free)), [(None, n, 4)])
        assert same_bits(ReferenceProgram(bound).run([x])[0], ReferenceProgram(whole).run([x])[0])


def test_positions_after_those_that_windows_touch_are_cut_along_a_free_axis():
    """Of a known length they would not matter; of a free one they would make windows."""
    x = layers.Input((None, 3))
    y = layers.Conv1D(4, 1)(x)
    z = [y[:, 4:-1], layers.Conv1D(4, 3)(y)[:, 4:-5]]
    graph = lower(randomize(Model(x, z)))
    after = narrow(graph)
    assert after is not graph
    rows = np.random.default_rng(0).normal(size=(2, 20, 3)).astype(np.float32)
    for a, b in zip(
        *(ReferenceProgram(bind(g, [(None, 20, 3)])).run([rows]) for g in (graph, after)), strict=True
    ):
        assert same_bits(np.ascontiguousarray(a), np.ascontiguousarray(b))


def test_layers_of_which_only_a_part_is_computed_have_no_values():
    model = residual(120)
    predictor = foldnet.freeze(model, engine="reference")
    x = np.random.default_rng(0).normal(size=(2, 120, 4)).astype(np.float32)
    values = predictor.layer_values(x)
    assert "last" in values
    assert not any(name.startswith("add") and value.shape[1] != 40 for name, value in values.items())
    full = foldnet.freeze(model, engine="reference", fold=False).layer_values(x)
    for name, value in values.items():
        np.testing.assert_allclose(value, full[name], rtol=1e-4, atol=1e-4)


def test_the_passes_shown_have_it(tmp_path):
    from foldnet.cli.freeze import traced_passes

    titles = [title for title, _ in traced_passes(residual(120), 80)]
    assert "after narrow" in titles


def test_a_pooling_that_skips_positions_shrinks_the_convolution_before_it():
    graph = optimize(lower(chain(layers.Conv1D(3, 2), layers.MaxPooling1D(2, strides=5), shape=(23, 2))))
    assert [graph.types[n.output].shape[1] for n in graph.nodes] == [
        22,
        5,
    ]  # nothing to cut: windows lie everywhere
    graph = optimize(lower(chain(layers.Conv1D(3, 2), layers.MaxPooling1D(1, strides=5), shape=(23, 2))))
    assert [graph.types[n.output].shape[1] for n in graph.nodes if type(n.op).__name__ == "Conv"] == [5]


def test_a_strided_convolution_of_one_position_shrinks_what_comes_before_it():
    """As in residual networks: every second row and column."""
    graph = lower(
        chain(layers.Conv2D(4, 3), layers.ReLU(), layers.Conv2D(3, 1, strides=2), shape=(12, 11, 2))
    )
    after = optimize(graph)
    assert [n.op.strides for n in after.nodes] == [(2, 2), (1, 1)]
    assert products(after, 12, 11, 2) < 0.35 * products(graph, 12, 11, 2)


def test_global_pooling_over_a_part_needs_that_part():
    x = layers.Input((40, 3))
    y = layers.Conv1D(4, 3)(x)
    graph = optimize(lower(randomize(Model(x, layers.GlobalAveragePooling1D()(y[:, 10:20])))))
    assert [type(n.op).__name__ for n in graph.nodes] == ["Slice", "Conv", "Reduce"]
    assert graph.types[graph.nodes[1].output].shape == (None, 10, 4)


# -- near misses ---------------------------------------------------------------------------------------------------


def unchanged(model):
    graph = drop_dead(lower(randomize(model)))
    assert narrow(graph) is graph
    return graph


def test_a_value_that_is_an_output_is_computed_whole():
    x = layers.Input((40, 3))
    y = layers.Conv1D(4, 3)(x)
    unchanged(Model(x, [y, layers.Cropping1D(10)(y)]))


def test_two_halves_need_the_whole():
    x = layers.Input((40, 3))
    y = layers.Conv1D(4, 1)(x)
    unchanged(Model(x, layers.Add()([y[:, :20], y[:, 20:]])))


def test_two_parts_need_the_positions_from_the_first_to_the_last():
    x = layers.Input((40, 3))
    y = layers.Conv1D(4, 1)(x)
    graph = narrow(lower(randomize(Model(x, [y[:, 4:10], y[:, 12:18]]))))
    conv = next(n for n in graph.nodes if type(n.op).__name__ == "Conv")
    assert graph.types[conv.output].shape == (None, 14, 4)


def test_what_uses_every_position_is_not_cut():
    for stack in (
        [layers.GroupNormalization(2)],
        [layers.LayerNormalization(axis=1)],
        [layers.Softmax(axis=1)],
        [layers.Permute((2, 1)), layers.Dense(40), layers.Permute((2, 1))],
    ):
        x = y = layers.Input((40, 4))
        for layer in stack:
            y = layer(y)
        graph = lower(randomize(Model(x, layers.Cropping1D(10)(y))))
        after = narrow(graph)
        full = [
            n for n in after.nodes if type(n.op).__name__ in ("GroupMoments", "Moments", "Softmax", "Dense")
        ]
        assert all(after.types[n.output].shape[1:] in ((40, 4), (4, 40)) for n in full)


def test_an_index_outside_its_table_is_still_found():
    x = layers.Input((40,), dtype="int32")
    y = layers.Cropping1D(10)(layers.Conv1D(3, 3)(layers.Embedding(5, 4)(x)))
    predictor = foldnet.freeze(randomize(Model(x, y)), engine="reference")
    rows = np.zeros((2, 40), np.int32)
    rows[1, 0] = 7
    with pytest.raises(InputError, match="no row"):
        predictor(rows)


def test_a_copy_that_costs_more_than_it_saves_is_not_made():
    """A relu of 100 positions is about as cheap as copying 98 of them first."""
    x = layers.Input((100, 4))
    unchanged(Model(x, layers.Cropping1D(1)(layers.ReLU()(x))))


def test_free_axes_that_may_have_different_lengths_are_left_alone():
    x, y = layers.Input((None, 3)), layers.Input((None, 3))
    z = layers.Cropping1D(3)(layers.Add()([layers.Conv1D(3, 1)(x), y]))
    unchanged(Model([x, y], z))


def test_free_axes_that_are_equal_for_some_lengths_only_are_left_alone():
    """Half of one length may be the other, or the other may be 1 and spread."""
    x, y = layers.Input((None, 3)), layers.Input((None, 3))
    z = layers.Add()([layers.Conv1D(3, 1)(x), layers.MaxPooling1D(2)(y)])
    unchanged(Model([x, y], layers.Cropping1D(3)(z)))


def test_numbers_along_the_cut_axis_are_cut_with_it():
    b = GraphBuilder()
    x = b.input("x", (None, 30, 2))
    from foldnet.operations.affine.op import Affine
    from foldnet.operations.structure.op import Slice

    scale, offset, mean = (
        b.constant(k, np.random.default_rng(i).normal(size=(30, 1))) for i, k in enumerate("som")
    )
    b.spreads[mean] = np.arange(1.0, 31.0)[:, None]
    y = b.emit(Binary(kind="multiply"), b.emit(Affine(), x, scale, offset, mean), x)
    graph = b.build([b.emit(Slice(((10, 15, 1), (None, None, 1))), y)])
    after = narrow(graph)
    affine = next(n for n in after.nodes if isinstance(n.op, Affine))
    np.testing.assert_array_equal(after.constants[affine.inputs[1]], graph.constants[scale][10:15])
    np.testing.assert_array_equal(after.spreads[affine.inputs[3]], np.arange(11.0, 16.0)[:, None])


def test_a_note_says_why_all_of_a_value_is_computed():
    x = layers.Input((40, 4))
    model = randomize(
        Model(x, layers.Cropping1D(10, name="crop")(layers.GroupNormalization(2, name="norm")(x)))
    )
    (note,) = [note for note in optimize(lower(model)).notes if "computes all" in note]
    assert note.endswith("which computes all of it: it needs every position.")
    assert not [note for note in optimize(lower(residual(120))).notes if "computes all" in note]


# -- random networks ---------------------------------------------------------------------------------------------


@st.composite
def cut_networks(draw, dims):
    """A network of layers that may be narrowed, with a slice at its end, and rows for it."""
    size = {1: (41,), 2: (17, 15)}[dims]
    channels = draw(st.sampled_from([1, 2, 4]))
    x = inputs = layers.Input((*size, channels))
    kept, results = [], []
    conv = {1: layers.Conv1D, 2: layers.Conv2D}[dims]
    transposed = {1: layers.Conv1DTranspose, 2: layers.Conv2DTranspose}[dims]
    depthwise = {1: layers.DepthwiseConv1D, 2: layers.DepthwiseConv2D}[dims]
    pool = [(layers.MaxPooling1D, layers.AveragePooling1D), (layers.MaxPooling2D, layers.AveragePooling2D)][
        dims - 1
    ]
    stretch = {1: layers.UpSampling1D, 2: layers.UpSampling2D}[dims]
    zeros = {1: layers.ZeroPadding1D, 2: layers.ZeroPadding2D}[dims]
    kinds = st.sampled_from(
        ["conv", "conv", "strided", "dilated", "depthwise", "transposed", "pool", "up", "pad", "norm", "relu", "add",
         "concatenate", "join", "permute", "dense", "reshape", "norm1", "slice", "softmax", "running", "output"]
    )  # fmt: skip
    for kind in draw(st.lists(kinds, min_size=2, max_size=7)):
        space, padding = x.shape[1:-1], draw(st.sampled_from(["valid", "same"]))
        if (kind in ("strided", "pool", "slice") and min(space) < 8) or max(space) > 60:
            continue
        kernel = draw(st.integers(1, 3))
        match kind:
            case "conv":
                x = conv(3, kernel, padding=padding)(x)
            case "strided":
                x = conv(2, kernel, strides=draw(st.integers(2, 3)), padding=padding)(x)
            case "dilated":
                x = conv(2, 2, dilation_rate=2, padding="same")(x)
            case "depthwise":
                x = depthwise(kernel, padding=padding)(x)
            case "transposed":
                x = transposed(2, kernel, strides=draw(st.integers(1, 2)), padding=padding)(x)
            case "pool":
                x = draw(st.sampled_from(pool))(draw(st.integers(1, 3)), draw(st.integers(1, 3)), padding)(x)
            case "up":
                x = stretch(draw(st.integers(1, 2)))(x)
            case "pad":
                x = zeros(draw(st.integers(0, 3)))(x)
            case "norm":
                x = layers.BatchNormalization()(x)
            case "norm1":
                x = layers.BatchNormalization(axis=1)(x)
            case "relu":
                x = layers.ReLU()(x)
            case "add":
                x = layers.Add()([x, conv(x.shape[-1], 3, padding="same")(x)])
            case "concatenate":
                x = layers.Concatenate()([x, conv(2, 3, padding="same")(x)])
            case "join":
                x = layers.Concatenate(axis=1)([x, layers.ReLU()(x)])
            case "permute":
                x = layers.Permute((*range(2, dims + 1), 1, dims + 1))(x)
            case "dense":
                x = layers.Dense(3, activation="tanh")(x)
            case "reshape" if dims == 1:
                x = layers.Reshape((x.shape[1], 1, x.shape[2]))(x)
                x = layers.Reshape((x.shape[1], x.shape[3]))(x)
            case "slice":
                x = x[:, 1 : -2 : draw(st.integers(1, 2))]
            case "softmax":
                x = layers.Softmax(axis=draw(st.integers(1, dims + 1)))(x)
            case "running":
                x = foldnet.ops.cumsum(x, axis=1)
            case "output" if not results:
                results.append(x)
        kept.append(x)
    n = x.shape[1]
    first = draw(st.integers(0, n - 1))
    last = draw(st.integers(first + 1, n))
    x = x[:, first : last : draw(st.integers(1, 3))]
    seed = draw(st.integers(0, 99))
    rows = np.random.default_rng(seed).normal(size=(2, *size, channels)).astype(np.float32)
    return randomize(Model(inputs, [*results, x]), seed), rows


def compared(model, rows, engine):
    graph = lower(model)
    after = narrow(graph)
    check_prediction(after)
    assert narrow(after) is after
    assert cost(after) <= cost(graph)
    for a, b in zip(engine(graph).run([rows]), engine(after).run([rows]), strict=True):
        assert same_bits(np.ascontiguousarray(a), np.ascontiguousarray(b))
    folded = optimize(graph)
    for a, b in zip(
        ReferenceProgram(graph, "float64").run([rows.astype(float)]),
        ReferenceProgram(folded, "float64").run([rows.astype(float)]),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * np.abs(a).max(initial=1))
    return after is not graph


@pytest.mark.parametrize("dims", [1, 2])
@few
@given(data=st.data())
def test_random_networks_keep_their_bits(dims, data):
    compared(*data.draw(cut_networks(dims)), ReferenceProgram)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=st.one_of(cut_networks(1), cut_networks(2)))
def test_random_networks_keep_their_bits_in_compiled_programs(case):
    compared(*case, NativeProgram)
