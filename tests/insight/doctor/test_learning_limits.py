"""What keeps a network from its targets without a fault of its own, and what more epochs cannot change."""

import numpy as np
import pytest

from foldnet import constraints, layers, ops, optimizers
from foldnet.insight.doctor.comparison import learned
from foldnet.insight.doctor.finding import number
from foldnet.insight.doctor.run import examine
from tests.insight.doctor import doctor_learning as made
from tests.insight.doctor.doctor_networks import D, rows, stack

OURS = ["learns-less-than-a-simple-fit", "training-not-finished", "learning-rate"]


def upper_tenth(y_true, y_pred):
    rest = y_true - y_pred
    return ops.mean(ops.maximum(0.9 * rest, -0.1 * rest), axis=-1)


@pytest.mark.parametrize("live", [True, False])
def test_of_ones_own_loss_it_is_not_known_how_far_from_the_targets_it_leads(live):
    """A quantile is far from the mean; a network whose output says nothing of the targets gets a note."""
    for share, knows, said in ((1.0, True, []), (0.0, None, ["note"] * 2)):
        network = made.through_bends(made.W * share, bias=2.0)
        if live:
            network.compile("adam", upper_tenth)
        else:
            network.compile_config = {"loss": "upper_tenth", "optimizer": "adam"}
        context = made.Context(network, made.X, made.Y, steps=1000)
        assert learned(context) is knows
        assert [f.severity for f in examine(context, OURS)] == said
        few = made.Context(network, made.X[:8], made.Y[:8], steps=1000)
        assert [f.severity for f in examine(few, OURS)] == ["note"]
    assert learned(made.learned(1, bias=2.0)) is False


def test_of_ones_own_loss_a_rare_class_may_cost_more():
    """All rows called positive is right where that error is free; a loss with the wrong sign ranks them backwards."""
    network, y = made.through_bends(made.W, "sigmoid", bias=9.0), (made.Y > 0).astype(np.float64)
    network.compile("adam", lambda t, p: ops.mean((1 - t) * p + 20 * t * (1 - p)))
    assert {f.severity for f in examine(made.Context(network, made.X, y, steps=1000), OURS)} == {"note"}
    backwards = made.through_bends(-made.W, "sigmoid")
    backwards.compile("adam", lambda t, p: ops.mean(t * p + (1 - t) * (1 - p)))
    (found,) = examine(made.Context(backwards, made.X, y, steps=1000), OURS[:1])
    assert found.severity == "error"
    network.compile("adam", "binary_crossentropy")
    assert "error" in {f.severity for f in examine(made.Context(network, made.X, y, steps=1000), OURS)}


def test_a_layer_of_the_network_that_is_frozen_makes_a_note():
    sick = made.learned(0.5)
    sick.network.layers[0].trainable = False
    assert [f.severity for f in examine(sick, ["learns-less-than-a-simple-fit"])] == ["note"]
    sick = made.learned(0)
    sick.network.layers[0].trainable = False
    assert [f.severity for f in examine(sick, ["learns-less-than-a-simple-fit"])] == ["error"]
    sick = made.learned(0.5)
    sick.network.layers[-1].trainable = False
    assert len(examine(sick, ["training-not-finished"])) == 0


def test_what_more_epochs_cannot_change_is_not_called_unfinished():
    """Softmax over one unit, a learning rate of 0, hidden values that say nothing, and targets of another scale."""
    binary = (made.Y[:, 0] > 0).astype(np.int64)
    blind = made.through_bends(made.W, bias=2.0)
    blind.layers[0].set_weights([np.zeros((3, 6)), np.ones(6)])
    still = made.through_bends(made.W * 0.5)
    still.compile(optimizers.SGD(0.0), "mse")
    for network, y in (
        (made.through_bends(made.W, "softmax"), binary),
        (blind, made.Y),
        (still, made.Y),
        (made.through_bends(made.W), 1000 + 50 * made.Y),
    ):
        assert examine(made.Context(network, made.X, y, steps=1000), ["training-not-finished"]).findings == ()
    assert len(examine(made.learned(0.5), ["training-not-finished"])) == 1


def test_a_fit_of_hidden_values_must_explain_something_itself():
    """It is better than a bad output, and no better than the mean."""
    noise = made.Context(made.through_bends(made.W * 2), made.X, made.NOISE, steps=1000)
    assert examine(noise, ["training-not-finished"]).findings == ()


def test_targets_of_another_scale_are_told_as_such():
    (found,) = examine(made.Context(made.through_bends(made.W), made.X, 1000 + 50 * made.Y, steps=1000), OURS)
    assert (found.check, found.severity) == ("learns-less-than-a-simple-fit", "error")
    assert "were the targets scaled for the training?" in found.message
    assert f"the targets about {number(1000 + 50 * made.Y.mean())} " in found.message


def test_a_constraint_keeps_a_network_from_an_unconstrained_fit():
    """Monotone networks: the last layer cannot reach the fit, nor can the network."""
    for place, severities in ((-1, ["note"]), (0, ["note", "warning"])):
        sick = made.learned(0.5)
        sick.network.layers[place].kernel_constraint = constraints.NonNeg()
        assert sorted(f.severity for f in examine(sick, OURS)) == severities
    cell = layers.GRUCell(2, recurrent_constraint="non_neg")
    steps = rows(400, 12).reshape(400, 4, 3)
    for parts, severity in (([layers.RNN(cell)], "note"), ([layers.GRU(2)], "error")):
        dull = stack(*parts, D(1), shape=(4, 3))
        dull.layers[-1].set_weight("kernel", np.zeros((2, 1)))
        found = examine(made.Context(dull, steps, steps[:, 0, :1], steps=1000), OURS[:1])
        assert [f.severity for f in found] == [severity]
    nothing = made.learned(0)
    nothing.network.layers[-1].kernel_constraint = constraints.NonNeg()
    assert [f.severity for f in examine(nothing, OURS)] == ["note"]


def test_the_remedy_names_what_limits_this_network():
    frozen = made.learned(0.5)
    frozen.network.layers[0].trainable = False
    for sick, says in ((frozen, True), (made.learned(0.5), False)):
        (found,) = examine(sick, ["learns-less-than-a-simple-fit"])
        assert ("frozen" in found.remedy) is says
        assert "sample_weight or class_weight" in found.remedy
