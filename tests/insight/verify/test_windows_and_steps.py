"""Mistakes planted in convolutional and recurrent networks are named; right functions are not accused."""

import numpy as np

from foldnet import Model, Sequential, freeze, layers
from foldnet.insight.verify import verify
from tests.insight.insight_networks import fill
from tests.insight.verify.windows_and_steps import by_hand, made


def test_the_same_mistake_in_every_layer():
    model, x = made("image")
    result = verify(
        by_hand(model, ("conv", "last"), kernel=lambda k: k[::-1, ::-1]), model, x, pair_seconds=0
    )
    assert [(d.mistake, d.layer) for d in result.diagnoses] == [
        ("kernel-flipped", "conv"), ("kernel-flipped", "last"),
    ]  # fmt: skip


def test_masked_values_are_not_put_down_to_rounding():
    """A rounded mask_value would mask nothing, and the tolerance would hide any mistake."""
    model, x = made("states")
    wrong = by_hand(model, "mean", unmasked=True)
    assert not verify(wrong, model, x, pair_seconds=0).ok


def test_weights_of_layers_inside_a_layer_are_not_changed():
    """To try its mistakes, a layer is copied with the layers that it computes with."""
    model, x = made("states")
    before = [w.copy() for w in model.get_weights()]
    verify(by_hand(model, "lstm", plain=True), model, x, pair_seconds=0)
    assert all(map(np.array_equal, before, model.get_weights()))


def test_a_network_inside_time_distributed_computes_something():
    inside = layers.Input((4,))
    step = Model(inside, layers.BatchNormalization()(layers.Dense(3, activation="relu")(inside)))
    model = Sequential([layers.Input((5, 4)), layers.TimeDistributed(step, name="net"), layers.LSTM(2)])
    fill(model)
    fill(step)
    found = verify(freeze(model), model)
    assert found.ok
    (net,) = (layer for layer in found.layers if layer.name == "net")
    assert net.status == "proven"
    assert net.sight > 1e3
