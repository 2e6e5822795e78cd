"""A normalization after a concatenation or a sum folds into what each operand comes from, or stays with a reason."""

import numpy as np
import pytest

from foldnet import layers
from foldnet.engines.reference import ReferenceProgram
from foldnet.lowering.lower import lower
from foldnet.network import Model
from foldnet.passes import optimize, split_scalings
from tests.graph.graph_networks import randomize


def kinds(graph):
    return [type(n.op).__name__ for n in graph.nodes]


def folded(inputs, y, **settings):
    """The folded program, which computes the same as the unfolded one."""
    graph = lower(randomize(Model(inputs, y), **settings))
    after = optimize(graph)
    rng = np.random.default_rng(0)
    data = [rng.normal(size=(3, *(n or 6 for n in graph.types[v].shape[1:]))) for v in graph.inputs]
    pairs = zip(*(ReferenceProgram(g, "float64").run(data) for g in (graph, after)), strict=True)
    for a, b in pairs:
        np.testing.assert_allclose(b, a, rtol=1e-10, atol=1e-10 * np.abs(a).max())
    return after


def norm(**settings):
    return layers.BatchNormalization(name="norm", **settings)


def join(x, *makers, axis=-1):
    return layers.Concatenate(axis=axis)([make(x) for make in makers])


def fresh_convs():
    return layers.Conv1D(3, 2), layers.Conv1D(2, 2, use_bias=False)


def test_a_normalization_after_a_concatenation_folds_into_each_piece():
    x = layers.Input((8, 4))
    after = folded(x, norm()(join(x, *fresh_convs())))
    assert kinds(after) == ["Conv", "Conv", "Concatenate"]
    assert all("norm" in node.layer for node in after.nodes[:2])
    assert after.notes == ()


def test_its_activation_and_what_moves_values_go_along():
    x = layers.Input((8, 4))
    y = layers.AveragePooling1D(2)(join(x, layers.Dense(3), layers.Dense(2)))
    assert kinds(folded(x, layers.ReLU()(norm()(y)))) == ["Dense", "Dense", "Concatenate", "Pool", "Unary"]


def test_nested_concatenations_are_split_to_their_ends():
    x = layers.Input((8, 4))
    inner = join(x, *fresh_convs())
    y = layers.Concatenate()([inner, layers.Conv1D(2, 2)(x)])
    assert kinds(folded(x, norm()(y))).count("Affine") == 0


@pytest.mark.parametrize("axis", [1, 2])
def test_a_normalization_of_another_axis_gives_each_piece_all_its_numbers(axis):
    x = layers.Input((8, 4))
    y = join(x, layers.Dense(5), layers.Dense(5), axis=1)
    after = folded(x, norm(axis=axis)(y))
    assert ("Affine" in kinds(after)) is (axis == 1)
    if axis == 1:
        assert "its part on the result of layer 'dense" in after.notes[0]


def test_a_normalization_after_a_sum_folds_into_both_operands():
    x = layers.Input((8, 4))
    y = layers.Add()([layers.Conv1D(3, 2)(x), layers.Conv1D(3, 2, use_bias=False)(x)])
    assert kinds(folded(x, norm()(y))) == ["Conv", "Conv", "Binary"]
    y = layers.Subtract()([layers.Conv1D(3, 2)(x), layers.Conv1D(3, 2)(x)])
    assert kinds(folded(x, layers.BatchNormalization()(y))) == ["Conv", "Conv", "Binary"]


def test_with_channels_first_it_folds_as_well():
    x = layers.Input((4, 8))
    first = {"data_format": "channels_first"}
    y = join(x, layers.Conv1D(3, 2, **first), layers.Conv1D(2, 2, **first), axis=1)
    after = folded(x, norm(axis=1)(y))
    assert "Affine" not in kinds(after)


# -- near misses: one fused scaling stays, with the reason ---------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (
            lambda x: norm()(join(x, layers.Conv1D(3, 2), layers.Conv1D(2, 2, activation="relu"))),
            "activation relu",
        ),
        (lambda x: norm()(layers.Concatenate()([layers.Dense(3)(x), x])), "its part on the input"),
        (lambda x: norm()(layers.Add()([layers.Dense(4)(x), x])), "its part on the input"),
        (
            lambda x: norm()(layers.Add()([layers.Dense(4)(x), layers.Dense(4)(x[:, :1])])),
            "spread over the other",
        ),
        (lambda x: norm()(layers.Multiply()([layers.Dense(4)(x), layers.Dense(4)(x)])), "takes no scaling"),
    ],
    ids=["activation", "input", "input-of-sum", "spread", "product"],
)
def test_a_part_that_would_stay_keeps_the_whole(build, reason):
    x = layers.Input((8, 4))
    after = folded(x, build(x))
    assert kinds(after).count("Affine") == 1
    assert reason in after.notes[0]


def test_pieces_that_something_else_uses_keep_the_whole():
    x = layers.Input((8, 4))
    left, right = layers.Dense(3)(x), layers.Dense(2)(x)
    joined = layers.Concatenate()([left, right])
    for others, reason in (([left], "output of the network"), ([joined], "output of the network")):
        after = folded(x, [layers.BatchNormalization()(joined), *others])
        assert kinds(after).count("Affine") == 1
        assert reason in after.notes[0]
    dense = layers.Concatenate()([joined, layers.BatchNormalization()(joined)])
    after = folded(x, layers.BatchNormalization()(dense))
    assert "also used by" in after.notes[0]


def test_a_layer_that_serves_two_calls_keeps_its_weights():
    x = layers.Input((8, 4))
    shared = layers.Dense(3)
    y = layers.Concatenate()([shared(x), shared(layers.ReLU()(x))])
    after = folded(x, norm()(y))
    assert kinds(after).count("Affine") == 1
    assert "is shared" in after.notes[0]


def test_a_normalization_that_serves_two_calls_stays():
    x = layers.Input((8, 4))
    shared = norm()
    after = folded(x, [shared(join(x, *fresh_convs())) for _ in range(2)])
    assert kinds(after).count("Affine") == 2
    assert all("is shared" in note for note in after.notes)


def test_a_far_mean_keeps_the_whole():
    x = layers.Input((8, 4))
    after = folded(x, norm()(join(x, *fresh_convs())), mean=1e4)
    assert kinds(after).count("Affine") == 1
    assert "standard deviations from zero" in after.notes[0]


def test_a_normalization_before_a_concatenation_folds_past_it():
    x = layers.Input((8, 4))
    y = layers.Concatenate()(
        [layers.BatchNormalization()(x), layers.ReLU()(x), layers.BatchNormalization()(x)]
    )
    after = folded(x, layers.Conv1D(3, 2)(y))
    assert kinds(after).count("Affine") == 0
    same = layers.Conv1D(3, 2, padding="same")(
        layers.Concatenate()([layers.BatchNormalization()(x), layers.ReLU()(x)])
    )
    after = folded(x, same)
    assert kinds(after).count("Affine") == 1
    assert "would no longer be zeros" in after.notes[0]


def test_a_mean_is_far_by_the_spread_learned_with_it():
    """A large gamma does not make it farther."""
    x = layers.Input((8, 4))
    model = randomize(Model(x, norm(epsilon=0.0)(join(x, *fresh_convs()))))
    bn = model.get_layer("norm")
    bn.set_weight("gamma", np.full(5, 1000.0))
    bn.set_weight("moving_mean", np.full(5, 3.0))
    bn.set_weight("moving_variance", np.ones(5))
    assert kinds(optimize(lower(model))) == ["Conv", "Conv", "Concatenate"]


def test_a_value_that_is_joined_with_itself():
    x = layers.Input((8, 4))
    y = layers.BatchNormalization()(x)
    after = folded(x, layers.Conv1D(3, 2)(layers.Concatenate()([y, y])))
    assert kinds(after) == ["Concatenate", "Conv"]
    y = layers.Dense(3)(x)
    after = folded(x, norm()(layers.Concatenate()([y, y])))
    assert kinds(after).count("Affine") == 1


def test_nothing_to_split():
    x = layers.Input((8, 4))
    graph = lower(randomize(Model(x, norm()(layers.Dense(3)(x)))))
    assert split_scalings(graph) is graph
