"""Every pass is an identity in float64, and folds what it should and nothing else."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foldnet import layers
from foldnet.engines.reference import ReferenceProgram
from foldnet.graph.check import check_prediction
from foldnet.graph.graph import GraphBuilder
from foldnet.graph.op import Elementwise
from foldnet.lowering.lower import lower
from foldnet.network import Model
from foldnet.operations.affine.op import Affine
from foldnet.operations.along.op import Softmax
from foldnet.operations.elementwise.op import Binary, Unary
from foldnet.operations.structure.op import Cast, Concatenate, Reshape, Transpose
from foldnet.passes import (
    PASSES,
    drop_dead,
    drop_identities,
    drop_zeros,
    fold_backward,
    fold_forward,
    fuse_activations,
    merge_affines,
    optimize,
)
from tests.graph.graph_networks import chain, networks, q2, randomize

few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def kinds(graph):
    return [type(n.op).__name__ for n in graph.nodes]


def assert_same(before, after, rows, rtol=1e-11):
    """Outputs and every layer output that is left agree in float64."""
    a = ReferenceProgram(before, "float64").values([rows])
    b = ReferenceProgram(after, "float64").values([rows])
    pairs = [*zip(before.outputs, after.outputs, strict=True)]
    pairs += [(before.layer_outputs[k], v) for k, v in after.layer_outputs.items()]
    for old, new in pairs:
        scale = np.abs(a[old]).max(initial=1.0)
        np.testing.assert_allclose(b[new], a[old], rtol=rtol, atol=rtol * scale)


@pytest.mark.parametrize("rewrite", PASSES, ids=lambda f: f.__name__)
@few
@given(case=networks())
def test_each_pass_changes_no_result(rewrite, case):
    model, rows = case
    graph = drop_identities(lower(model))
    after = rewrite(graph)
    check_prediction(after)
    assert_same(graph, after, rows)
    assert rewrite(after) is after


@few
@given(case=networks())
def test_all_passes_together_change_no_result(case):
    model, rows = case
    before = lower(model)
    trace = []
    after = optimize(before, trace)
    assert_same(before, after, rows, 1e-10)
    assert "Identity" not in kinds(after)
    assert all(s.before is not s.after for s in trace)
    for affine in (n for n in after.nodes if isinstance(n.op, Affine)):
        assert any(repr(affine.layer) in note for note in after.notes)


@few
@given(case=networks(), order=st.permutations(PASSES * 2))
def test_the_passes_are_right_in_any_order(case, order):
    """So an Affine with its activation fused already, or a Dense, is never folded as if it were linear."""
    model, rows = case
    before = after = lower(model)
    for rewrite in order:
        after = rewrite(after)
        check_prediction(after)
    assert_same(before, after, rows, 1e-10)


def test_an_affine_with_an_activation_folds_back_with_it_and_forward_not_at_all():
    def tail():
        return layers.BatchNormalization(), layers.Activation("tanh")

    back = fuse_activations(lower(chain(layers.Dense(3), *tail())))
    assert [n.op.activation.name for n in fold_backward(back).nodes] == ["tanh"]
    assert_same(back, fold_backward(back), np.ones((2, 5)))
    forward = fuse_activations(lower(chain(*tail(), layers.Dense(3))))
    assert fold_forward(forward) is forward
    twice = fuse_activations(lower(chain(*tail(), layers.BatchNormalization())))
    assert kinds(twice) == ["Affine", "Affine"]
    assert merge_affines(twice) is twice


def test_a_far_mean_is_not_merged_away():
    model = chain(layers.BatchNormalization(name="a"), layers.BatchNormalization(name="b"))
    model.layers[1].set_weight("moving_mean", np.full(5, 1e4))
    graph = optimize(lower(model))
    assert kinds(graph) == ["Affine", "Affine"]
    noted(graph, "'b'", "standard deviations from zero")


def test_dead_keeps_every_operand():
    x = layers.Input((3,))
    model = randomize(Model(x, layers.Add()([layers.Dense(3)(x), layers.Dense(3)(x)])))
    graph = lower(model)
    assert drop_dead(graph) is graph


def test_the_dropout_network_becomes_four_fused_dense_ops():
    before = lower(q2())
    trace = []
    after = optimize(before, trace)
    assert kinds(after) == ["Dense"] * 4 + ["Softmax"]
    assert [n.op.activation.name if n.op.activation else None for n in after.nodes[:4]] == ["relu"] * 3 + [
        None
    ]
    assert after.notes == ()
    assert [s.name for s in trace] == ["drop_identities", "fold_forward", "fuse_activations"]
    assert trace[0].before is before
    assert set(after.layer_outputs) == {f"{k}{i}" for k in ("dense", "drop") for i in range(3)} | {"last"}
    assert_same(before, after, np.random.default_rng(1).normal(size=(9, 11)))
    assert all(v.dtype == np.float64 for k, v in after.constants.items() if "+" in k)


def test_folding_leaves_the_models_weights_alone():
    model = q2()
    weights = [w.copy() for w in model.weights]
    optimize(lower(model))
    for old, new in zip(weights, model.weights, strict=True):
        np.testing.assert_array_equal(old, new)


def test_backward_fold_formula():
    model = chain(layers.Dense(3, name="d"), layers.BatchNormalization(name="n"))
    d, n = model.layers
    after = optimize(lower(model))
    assert kinds(after) == ["Dense"]
    assert after.nodes[0].layer == "d + n"
    factor = n.gamma.astype(float) / np.sqrt(n.moving_variance.astype(float) + n.epsilon)
    np.testing.assert_allclose(after.constants[after.nodes[0].inputs[1]], d.kernel * factor, rtol=1e-14)
    np.testing.assert_allclose(
        after.constants[after.nodes[0].inputs[2]],
        (d.bias.astype(float) - n.moving_mean) * factor + n.beta,
        rtol=1e-12,
    )
    assert set(after.layer_outputs) == {"n"}


def test_backward_fold_keeps_the_activation_that_follows():
    after = optimize(lower(chain(layers.Dense(3), layers.BatchNormalization(), layers.Activation("relu"))))
    assert kinds(after) == ["Dense"]
    assert after.nodes[0].op.activation.name == "relu"


def test_forward_fold_on_rank_three_needs_the_last_axis():
    last = chain(layers.BatchNormalization(), layers.Dense(3), shape=(4, 5))
    assert kinds(optimize(lower(last))) == ["Dense"]
    other = chain(layers.BatchNormalization(axis=1, name="n"), layers.Dense(3), shape=(4, 5))
    graph = optimize(lower(other))
    assert kinds(graph) == ["Affine", "Dense"]
    assert "other than the last" in graph.notes[0]


def test_adjacent_norms_merge_even_before_an_output():
    after = optimize(lower(chain(layers.BatchNormalization(name="a"), layers.BatchNormalization(name="b"))))
    assert kinds(after) == ["Affine"]
    assert after.nodes[0].layer == "a + b"


def test_norms_along_different_axes_stay_apart():
    model = chain(layers.BatchNormalization(axis=1), layers.BatchNormalization(axis=2), shape=(4, 5))
    assert kinds(merge_affines(lower(model))) == ["Affine", "Affine"]


def noted(graph, *words):
    assert any(all(w in note for w in words) for note in graph.notes), graph.notes


def test_not_folded_across_an_activation():
    graph = optimize(lower(chain(layers.Dense(3, activation="relu"), layers.BatchNormalization(name="n"))))
    assert kinds(graph) == ["Dense", "Affine"]
    noted(graph, "'n'", "activation relu of layer", "output of the network")


def test_not_folded_where_the_dense_is_an_output():
    x = layers.Input((3,))
    d = layers.Dense(2)(x)
    graph = optimize(lower(randomize(Model(x, [d, layers.BatchNormalization(name="n")(d)]))))
    assert kinds(graph) == ["Dense", "Affine"]
    noted(graph, "'n'", "output of the network")


def test_not_folded_with_several_consumers():
    x = layers.Input((3,))
    d = layers.Dense(2)(x)
    n = layers.BatchNormalization(name="n")(d)
    other = layers.Dense(2, name="other")(d)
    left, right = layers.Dense(2, name="left")(n), layers.Dense(2, name="right")(n)
    graph = optimize(lower(randomize(Model(x, [left, right, other]))))
    assert kinds(graph).count("Affine") == 1
    noted(graph, "'n'", "also used by 'other'", "used by 2 layers: 'left', 'right'")


def test_shared_layers_are_not_folded():
    x = layers.Input((3,))
    dense, norm = layers.Dense(3, name="d"), layers.BatchNormalization(name="n")
    only_once = randomize(Model(x, dense(norm(dense(x)))))
    graph = optimize(lower(only_once))
    assert kinds(graph) == ["Dense", "Affine", "Dense"]
    noted(graph, "layer 'd' is shared", "'d', 'd@1'")
    y = layers.Input((3,))
    norm, a, b = layers.BatchNormalization(name="n"), layers.Dense(2, name="a"), layers.Dense(2, name="b")
    siamese = randomize(Model(y, [norm(a(y)), norm(b(y))]))
    graph = optimize(lower(siamese))
    assert sorted(kinds(graph)) == ["Affine", "Affine", "Dense", "Dense"]
    noted(graph, "'n@1'", "is shared")


def test_a_far_mean_keeps_its_subtraction():
    before = chain(layers.BatchNormalization(name="n"), layers.Dense(2), mean=1e4)
    graph = optimize(lower(before))
    assert kinds(graph) == ["Affine", "Dense"]
    assert len(graph.nodes[0].inputs) == 4
    noted(graph, "'n'", "standard deviations from zero")
    after = chain(layers.Dense(4), layers.BatchNormalization(name="n"), mean=1e4)
    noted(optimize(lower(after)), "'n'", "standard deviations from zero")


def test_small_gamma_does_not_hide_a_far_mean():
    """The measure is mean against deviation; gamma scales both and says nothing."""
    model = chain(layers.BatchNormalization(name="n"), layers.Dense(2), mean=1e4)
    model.layers[0].set_weight("gamma", np.full(5, 1e-6))
    assert kinds(optimize(lower(model))) == ["Affine", "Dense"]


def test_a_bias_that_makes_the_mean_does_not_cancel():
    """What counts after a Dense is the mean without its bias."""
    model = chain(layers.Dense(4), layers.BatchNormalization())
    model.layers[0].set_weight("bias", np.full(4, 1e4))
    model.layers[1].set_weight("moving_mean", np.full(4, 1e4))
    assert kinds(optimize(lower(model))) == ["Dense"]


@pytest.mark.parametrize(("gamma", "words"), [(1e38, "beyond"), (1e-37, "too small")])
def test_weights_that_leave_float32_are_not_folded(gamma, words):
    model = chain(layers.Dense(4), layers.BatchNormalization(), layers.Activation("tanh"))
    model.layers[1].set_weight("gamma", np.full(4, gamma))
    if gamma > 1:
        model.layers[0].set_weight("kernel", np.full((5, 4), 100.0))
    graph = optimize(lower(model))
    assert kinds(graph) == ["Dense", "Affine"]
    noted(graph, words)


def test_zero_and_negative_gamma_fold():
    model = chain(layers.Dense(3), layers.BatchNormalization(), layers.Dense(2))
    model.layers[1].set_weight("gamma", [0.0, -1.0, 2.0])
    before, after = lower(model), optimize(lower(model))
    assert kinds(after) == ["Dense", "Dense"]
    assert_same(before, after, np.random.default_rng(0).normal(size=(4, 5)))


def builder(shape=(None, 2, 3)):
    b = GraphBuilder()
    return b, b.input("x", shape)


def test_reshapes_transposes_casts_and_scalings_that_change_nothing_go():
    b, x = builder()
    x = b.emit(Reshape((2, -1)), x)
    x = b.emit(Transpose((0, 1, 2)), x)
    x = b.emit(Cast("float"), x)
    x = b.emit(Concatenate(1), x)
    one, zero = b.constant("one", np.ones((1, 3))), b.constant("zero", np.zeros((1, 3)))
    x = b.emit(Affine(), x, one, zero, zero)
    x = b.emit(Unary(Elementwise("linear")), x)
    graph = drop_identities(b.build([x]))
    assert graph.nodes == ()
    assert graph.outputs == graph.inputs
    assert not graph.constants


def test_what_changes_something_stays():
    b, x = builder((None, None, 3))
    x = b.emit(Reshape((-1, 3)), x)  # the free axis may be anything: not provably the same
    x = b.emit(Transpose((0, 2, 1)), x)
    x = b.emit(
        Affine(Elementwise("tanh")),
        x,
        *[b.constant(n, np.full((3, 1), v)) for n, v in (("s", 1.0), ("o", 0.0))],
    )
    x = b.emit(
        Affine(),
        x,
        b.constant("s2", np.ones((3, 1))),
        b.constant("o2", np.array([[0.0], [0.0], [1e-30]])),
    )
    graph = b.build([x])
    assert drop_identities(graph) is graph


def test_zero_bias_and_zero_shift_go():
    model = chain(layers.Dense(3), layers.Activation("tanh"), layers.BatchNormalization())
    model.layers[0].set_weight("bias", np.zeros(3))
    model.layers[2].set_weight("moving_mean", np.zeros(3))
    assert [len(n.inputs) for n in drop_zeros(lower(model)).nodes] == [2, 1, 3]


def test_dead_nodes_go_with_their_layer_outputs():
    b, x = builder()
    b.layer = "dead"
    b.layer_outputs["dead"] = b.emit(Softmax(2), x)
    b.layer = "live"
    b.layer_outputs["live"] = y = b.emit(Softmax(1), x)
    graph = drop_dead(b.build([y]))
    assert [n.layer for n in graph.nodes] == ["live"]
    assert set(graph.layer_outputs) == {"live"}


def test_activations_fuse_into_binary_ops_but_not_past_another_reader():
    b, x = builder()
    total = b.emit(Binary(kind="add"), x, x)
    y = b.emit(Unary(Elementwise("tanh")), total)
    assert kinds(fuse_activations(b.build([y]))) == ["Binary"]
    assert kinds(fuse_activations(b.build([y, total]))) == ["Binary", "Unary"]


def test_two_activations_in_a_row_stay_two():
    after = optimize(lower(chain(layers.Dense(3, activation="relu"), layers.Activation("tanh"))))
    assert kinds(after) == ["Dense", "Unary"]


def test_passes_return_the_same_graph_when_they_do_nothing():
    graph = optimize(lower(q2()))
    for rewrite in (*PASSES, fold_backward, fold_forward):
        assert rewrite(graph) is graph


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("axis", [1, 2, 3, [1, 3]])
def test_a_normalization_folds_into_the_dense_behind_a_flatten(axis, data_format):
    """The usual end of a network on images."""
    model = chain(
        layers.BatchNormalization(axis=axis, name="n"),
        layers.Flatten(data_format=data_format),
        layers.Dense(3),
        shape=(2, 3, 4),
    )
    before = lower(model)
    after = optimize(before)
    assert "Affine" not in kinds(after)
    assert kinds(after)[-1] == "Dense"
    assert_same(before, after, np.random.default_rng(2).normal(size=(5, 2, 3, 4)), 1e-10)


POOLS = [
    layers.MaxPooling2D(2, padding="same"), layers.AveragePooling2D(2, 1), layers.GlobalMaxPooling2D(),
    layers.GlobalAveragePooling2D(keepdims=True),
]  # fmt: skip


@pytest.mark.parametrize("pool", POOLS, ids=lambda layer: type(layer).__name__)
@pytest.mark.parametrize("negative", [False, True])
def test_a_normalization_folds_past_pooling(pool, negative):
    """Past a largest value only if it turns nothing around."""
    model = chain(
        layers.BatchNormalization(name="n"), pool, layers.Flatten(), layers.Dense(3), shape=(4, 5, 3)
    )
    gamma = np.abs(model.get_layer("n").gamma)
    model.get_layer("n").set_weight("gamma", np.where(np.arange(3) == 1, -1 if negative else 1, 1) * gamma)
    before = lower(model)
    after = optimize(before)
    turned = negative and "Max" in type(pool).__name__
    assert ("Affine" in kinds(after)) is turned
    if turned:
        noted(after, "'n'", "not positive")
    assert_same(before, after, np.random.default_rng(2).normal(size=(5, 4, 5, 3)), 1e-10)


def test_a_normalization_folds_into_the_dense_ahead_of_pooling():
    model = chain(layers.Dense(4), layers.AveragePooling1D(2), layers.BatchNormalization(), shape=(6, 3))
    before = lower(model)
    after = optimize(before)
    assert kinds(after) == ["Dense", "Pool"]
    assert_same(before, after, np.random.default_rng(2).normal(size=(5, 6, 3)), 1e-10)


@pytest.mark.parametrize("axis", [1, 2])
def test_a_normalization_of_positions_does_not_fold_past_pooling(axis):
    model = chain(
        layers.BatchNormalization(axis=axis, name="n"), layers.AveragePooling2D(2), layers.Flatten(), layers.Dense(2),
        shape=(4, 4, 3),
    )  # fmt: skip
    after = optimize(lower(model))
    assert "Affine" in kinds(after)
    noted(after, "'n'", "vary along the axes")


@pytest.mark.parametrize("activation", [None, "tanh"])
@pytest.mark.parametrize("axis", [1, -1, [1, 2]])
def test_a_normalization_folds_into_the_dense_ahead_of_moves(axis, activation):
    stack = [
        layers.Dense(12),
        layers.Reshape((3, 4)),
        layers.Permute((2, 1)),
        layers.BatchNormalization(axis=axis),
    ]
    model = chain(*stack, *([layers.Activation(activation)] if activation else []))
    before = lower(model)
    after = optimize(before)
    assert kinds(after)[:3] == ["Dense", "Reshape", "Transpose"]
    assert "Affine" not in kinds(after)
    assert_same(before, after, np.random.default_rng(2).normal(size=(5, 5)), 1e-10)


def test_a_moved_value_that_is_read_elsewhere_keeps_its_scaling():
    x = layers.Input((2, 3))
    flat = layers.Flatten()(layers.BatchNormalization(name="n")(x))
    graph = optimize(lower(randomize(Model(x, [layers.Dense(2)(flat), flat]))))
    assert "Affine" in kinds(graph)
    noted(graph, "'n'", "output of the network")
    free = layers.Input((None, 3))
    kept = layers.Reshape((-1, 3))(layers.BatchNormalization(name="n")(free))
    assert "Affine" in kinds(optimize(lower(randomize(Model(free, layers.Dense(2)(kept))))))
